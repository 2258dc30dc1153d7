"""Who may go on: the primary component, decided alike by all who hear of each other.

Of the components of a divided group at most one is *primary*: two that were would part for ever.
Three policies, as values:

- :class:`NoQuorum`: every component goes on. What they did apart is not merged.
- :class:`MajorityOfExpected`: more than half of a fixed set. Any two majorities share a member.
- :class:`MajorityOfLast`: more than half of the *last* primary, or just half with its smallest
  member (dynamic linear voting). The group may shrink step by step, down to one member.

A policy is a pure function of who is there and of a :class:`Memory` of past primaries; the memories
of all who are there are merged first (:func:`merged`), so all decide the same.

What dynamic voting needs beyond counting is certainty. A primary is formed by a message that is
*safe*. Who delivers it in a regular configuration knows that every member has it, so every
survivor will know of this primary: it is ``certain``. Who delivers it in a transitional
configuration cannot know whether anybody delivered it in the regular one: this primary is
``possible``, and the next one must have a majority of it as well as of the last certain one. Who
does not deliver it at all knows that nobody did in the regular one. (Yeger-Lotem, Keidar and Dolev,
"Dynamic Voting for Consistent Primary Components", PODC 1997, need rounds of messages for what
extended virtual synchrony gives here for nothing.)

A process that has just started has no *voice*: it may have been in a primary that it cannot tell
of. It gets one by being in the next primary. The first primary needs everybody who is expected, as
with corosync's ``wait_for_all`` (votequorum(5)). So nothing here is kept on disk: a voice that
survives restarts would cost every member a write between the vote and the verdict.

Jajodia and Mutchler, "Dynamic Voting Algorithms for Maintaining the Consistency of a Replicated
Database", ACM TODS 15(2), 1990; Amir and Tutu, "From Total Order to Database Replication", ICDCS
2002, for voting over extended virtual synchrony.
"""

from collections.abc import Iterable, Set
from dataclasses import dataclass, field
from typing import Self

from clocksync.runtime.errors import BadConfig
from vsync.identity import NO_RING, RingId
from vsync.replication import parsing


@dataclass(frozen=True, slots=True, order=True)
class Primary:
    """One primary component: a place in the order, and who was in it.

    Primaries are ordered by ring and place: two that followed each other share a member, and the
    ring numbers of one member only grow.
    """

    ring: RingId
    step: int
    """The number, on that ring, of the message that formed it."""
    members: tuple[int, ...]

    @property
    def place(self) -> tuple[RingId, int]:
        return self.ring, self.step


@dataclass(frozen=True, slots=True)
class Memory:
    """What a member knows of past primaries."""

    certain: Primary | None = None
    """The last one that was formed for certain."""
    possible: tuple[Primary, ...] = ()
    """Later ones that may have been formed, by members who are not here."""

    @property
    def has_voice(self) -> bool:
        """Whether this is the memory of somebody who was in a primary."""
        return self.certain is not None or bool(self.possible)

    def formed(self, primary: Primary, is_certain: bool) -> "Memory":
        """The memory after `primary` was formed, or may have been."""
        if is_certain:
            return Memory(primary)
        # Of several attempts of the same members the last one stands for all.
        others = tuple(each for each in self.possible if each.members != primary.members)
        return Memory(self.certain, (*others, primary))

    def to_json(self) -> list[object]:
        """A value of JSON; :meth:`from_json` reads it."""
        certain = [] if self.certain is None else [_to_json(self.certain)]
        return [certain, [_to_json(each) for each in self.possible]]

    @classmethod
    def from_json(cls, value: object) -> Self:
        """The memory in a value of JSON.

        Raises:
            ValueError: there is none in it.
        """
        match value:
            case [[], [*possible]]:
                return cls(None, tuple(map(_from_json, possible)))
            case [[certain], [*possible]]:
                return cls(_from_json(certain), tuple(map(_from_json, possible)))
        raise ValueError(f"{value!r} is no memory of primaries")


NOTHING_KNOWN = Memory()


def _to_json(primary: Primary) -> list[object]:
    return [list(primary.ring), primary.step, list(primary.members)]


def _from_json(value: object) -> Primary:
    match value:
        case [ring, int(step), members]:
            return Primary(parsing.ring(ring), step, parsing.integers(members))
    raise ValueError(f"{value!r} is no primary")


def merged(memories: Iterable[Memory]) -> Memory:
    """What those know together who have these memories.

    An attempt before the last certain primary is settled: either that one came of it, or it never
    was.
    """
    memories = list(memories)
    known = [each.certain for each in memories if each.certain is not None]
    last = max(known, default=None)
    place = last.place if last is not None else (NO_RING, 0)
    possible: dict[tuple[int, ...], Primary] = {}
    for attempt in sorted({attempt for each in memories for attempt in each.possible}):
        if attempt.place > place:
            possible[attempt.members] = attempt
    return Memory(last, tuple(sorted(possible.values())))


@dataclass(frozen=True, slots=True)
class NoQuorum:
    """Every component goes on, and each is for itself what it does."""

    is_exclusive = False
    """Whether at most one component goes on."""
    rests_on_memory = False
    """Whether the members alone do not decide, but also what they remember."""

    def has_quorum(self, members: Set[int], memory: Memory) -> bool:
        return True

    def knows(self, voices: Set[int], present: Set[int], memory: Memory) -> bool:
        return True


def _is_majority(members: Set[int], of: Set[int]) -> bool:
    return 2 * len(members & of) > len(of)


def _checked(expected: Iterable[int]) -> frozenset[int]:
    found = frozenset(expected)
    if not found:
        raise BadConfig("a quorum of nobody: name the members that are expected")
    return found


@dataclass(frozen=True, slots=True)
class MajorityOfExpected:
    """More than half of `expected` go on.

    Raises:
        BadConfig: nobody is expected.
    """

    expected: frozenset[int] = field()
    wait_for_all: bool = True
    """Whether members without a memory have no voice before all expected were there. False is an
    operator's way out when some will never come back: it may begin anew what others still hold."""

    is_exclusive = True
    rests_on_memory = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "expected", _checked(self.expected))

    def has_quorum(self, members: Set[int], memory: Memory) -> bool:
        """Whether these can decide for the group."""
        return _is_majority(members, self.expected)

    def knows(self, voices: Set[int], present: Set[int], memory: Memory) -> bool:
        """Whether those with a voice certainly know of the last primary."""
        if _is_majority(voices, self.expected) or self.expected <= present:
            return True
        return not self.wait_for_all and _is_majority(present, self.expected)


@dataclass(frozen=True, slots=True)
class MajorityOfLast:
    """More than half of the last primary go on, or half of it with its smallest member.

    Args:
        expected: who counts at all, and stands for the last primary until there was one.

    Raises:
        BadConfig: nobody is expected.
    """

    expected: frozenset[int] = field()
    wait_for_all: bool = True
    """See :class:`MajorityOfExpected`."""

    is_exclusive = True
    rests_on_memory = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "expected", _checked(self.expected))

    def has_quorum(self, members: Set[int], memory: Memory) -> bool:
        """Whether these can decide: of the last primary, and of any that may have followed."""
        last = [memory.certain] if memory.certain is not None else []
        past = [self.expected & set(each.members) for each in (*last, *memory.possible)]
        return all(_has_more(members, each) for each in past or [self.expected])

    def knows(self, voices: Set[int], present: Set[int], memory: Memory) -> bool:
        """Whether those with a voice certainly know of the last primary."""
        # That all of the last primary are there would not do: it may have gone on without some of
        # them, who have restarted since.
        if (voices and self.has_quorum(voices, memory)) or self.expected <= present:
            return True
        return not self.wait_for_all and self.has_quorum(present, memory)


def _has_more(members: Set[int], last: Set[int]) -> bool:
    there = members & last
    if 2 * len(there) == len(last):
        return min(last) in there
    return 2 * len(there) > len(last)


Policy = NoQuorum | MajorityOfExpected | MajorityOfLast

NO_QUORUM = NoQuorum()
