"""The contract of every mutual exclusion algorithm here: verbs, events, fencing tokens.

A core serves one resource and one user at a time: ``acquire``, then :class:`Granted` is told, then
``release``. ``cancel`` takes a request back; what that costs differs, that it works does not.
Calling a verb in the wrong state (a second acquire, a double release) raises ``MisusedCore`` and
changes nothing.

**Links.** Every algorithm but decentralised voting assumes that what a living member sends to
another arrives once, in order, however late (:class:`ordering.mutex.LinkedMutex` sees to it). On
lesser links they block, and Lamport's queue can let two in.

**Fencing tokens** grow strictly with every grant, so that a resource which refuses a token lower
than the highest it has seen (:class:`ordering.mutex.FencedResource`) is safe from a holder that
slept through its own replacement. A token is ``generation << 44 | number``:

- *generation* counts the epochs (:mod:`ordering.mutex.epochs`); 0 without them. At most one epoch
  follows another, and nobody enters in an old one once the next has begun.
- *number* grows within an epoch: counted by the coordinator or by the token itself, of which there
  is one; or ``time << 8 | place`` of the request where grants come in the order of Lamport stamps,
  because a member permits i's request (t, i) either with no request of its own, and then its later
  ones are later than t by the receive rule; or with one that is later than (t, i). So whoever
  enters after i asked with a higher stamp. The voting algorithms enforce the same at the voters.

It fits a signed 64-bit integer: 2^19 epochs, and in each 2^36 logical times of 256 members. A group
that is restarted as a whole begins to count anew, unless it is told a higher first generation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from random import Random
from typing import Protocol

from clocksync.runtime.core import Arrival, Effects, Notify, Send, SilentCore
from clocksync.runtime.errors import BadConfig, MisusedCore
from clocksync.runtime.units import NodeId
from clocksync.runtime.wire import Frame
from ordering.mutex.frames import MEMBERS_MAX

NUMBER_BITS = 44
PLACE_BITS = 8
GENERATION_MAX = (1 << 63 - NUMBER_BITS) - 1
TIME_MAX = (1 << NUMBER_BITS - PLACE_BITS) - 1


class State(Enum):
    """Where a member stands."""

    IDLE = "idle"
    WANTED = "wanted"
    HELD = "held"


@dataclass(frozen=True, slots=True)
class Granted:
    """We are inside; the resource is to be told this token."""

    fencing_token: int

    def __str__(self) -> str:
        return f"granted {self.fencing_token}"


@dataclass(frozen=True, slots=True)
class Waiting:
    """The coordinator has denied the request for now; it stays in the queue."""

    ahead: int

    def __str__(self) -> str:
        return f"waits behind {self.ahead}"


@dataclass(frozen=True, slots=True)
class Lost:
    """We are inside no more, though we did not release: stop touching the resource."""

    fencing_token: int
    why: str

    def __str__(self) -> str:
        return f"lost {self.fencing_token}: {self.why}"


def fencing_token(generation: int, number: int) -> int:
    """The token of the grant with this number in this epoch.

    >>> fencing_token(0, 7) < fencing_token(1, 3)
    True
    """
    assert 0 <= number < 1 << NUMBER_BITS, f"{number} grants do not fit {NUMBER_BITS} bits"
    return generation << NUMBER_BITS | number


def majority(count: int) -> int:
    """The smallest number of `count` members of which any two sets share one.

    >>> majority(4), majority(5)
    (3, 3)
    """
    return count // 2 + 1


class MutexCore(SilentCore):
    """What the algorithms share: the state of the one who uses it, and who the members are.

    Args:
        me: this member's number.
        members: all of them; the order counts for rings, and the first one leads where one does.
        generation: the epoch, 0 if there are none.

    Raises:
        BadConfig: members are none, too many, named twice, or `me` is not among them.
    """

    def __init__(self, me: int, members: Sequence[int], *, generation: int = 0) -> None:
        self.me = NodeId(me)
        self.members = checked_members(members)
        if me not in self.members:
            raise BadConfig(f"{me} is not among the members {', '.join(map(str, self.members))}")
        self.others = tuple(member for member in self.members if member != me)
        self.generation = checked_generation(generation)
        self.state = State.IDLE
        self.token = 0
        """The fencing token of the last grant."""
        self._place: dict[int, int] = {member: place for place, member in enumerate(self.members)}

    def acquire(self, now: int) -> Effects:
        """Ask to enter; :class:`Granted` is told when we are in.

        Raises:
            MisusedCore: we have asked already, or are in.
        """
        self._must_be(State.IDLE, "acquire")
        self.state = State.WANTED
        return self._ask(now)

    def release(self, now: int) -> Effects:
        """Leave.

        Raises:
            MisusedCore: we are not in (released twice, lost, or never granted).
        """
        self._must_be(State.HELD, "release")
        self.state = State.IDLE
        return self._give_back(now)

    def cancel(self, now: int) -> Effects:
        """Take our request back. Once we are in, release instead.

        Raises:
            MisusedCore: there is no request.
        """
        self._must_be(State.WANTED, "cancel")
        self.state = State.IDLE
        return self._withdraw(now)

    def on_frame(self, arrival: Arrival, now: int) -> Effects:
        if arrival.sender == self.me or arrival.sender not in self._place:
            return []
        return self._hear(NodeId(arrival.sender), arrival.frame, now)

    # What an algorithm fills in.

    def _ask(self, now: int) -> Effects:
        raise NotImplementedError

    def _give_back(self, now: int) -> Effects:
        raise NotImplementedError

    def _withdraw(self, now: int) -> Effects:
        raise NotImplementedError

    def _hear(self, sender: NodeId, frame: Frame, now: int) -> Effects:
        raise NotImplementedError

    # What an algorithm uses.

    def _post(self, to: NodeId, frame: Frame, now: int) -> Effects:
        """Send; what we tell ourselves is heard at once and costs no message."""
        return self._hear(self.me, frame, now) if to == self.me else [Send(to, frame)]

    def _tell_others(self, frame: Frame) -> Effects:
        return [Send(other, frame) for other in self.others]

    def _enter(self, number: int) -> Effects:
        assert self.state is State.WANTED, f"{self.me} enters while {self.state.value}"
        self.state = State.HELD
        self.token = fencing_token(self.generation, number)
        return [Notify(Granted(self.token))]

    def _stamp_number(self, time: int) -> int:
        """The number of a grant that was asked for at our Lamport time `time`."""
        return time << PLACE_BITS | self._place[self.me]

    def _must_be(self, state: State, verb: str) -> None:
        if self.state is not state:
            raise MisusedCore(f"{verb} while {self.state.value}: only while {state.value}")


class Algorithm(Protocol):
    """How a core of an algorithm is made, for any group and epoch."""

    def __call__(
        self, me: int, members: Sequence[int], *, generation: int, random: Random
    ) -> MutexCore: ...


def checked_generation(generation: int) -> int:
    """`generation`, if it leaves room in a token.

    Raises:
        BadConfig: it is negative or too high.
    """
    if not 0 <= generation <= GENERATION_MAX:
        raise BadConfig(f"generation {generation} is not in 0 to {GENERATION_MAX}")
    return generation


def checked_members(members: Sequence[int]) -> tuple[NodeId, ...]:
    """`members` as a tuple, if they can be a group.

    Raises:
        BadConfig: there are none, too many, or one is named twice or has no 16-bit number.
    """
    if not 0 < len(members) <= MEMBERS_MAX:
        raise BadConfig(f"a group has 1 to {MEMBERS_MAX} members, not {len(members)}")
    if len(set(members)) != len(members):
        raise BadConfig(f"a member is named twice: {', '.join(map(str, members))}")
    wrong = [member for member in members if not 0 <= member < 1 << 16]
    if wrong:
        raise BadConfig(f"member {wrong[0]} is not in 0 to {(1 << 16) - 1}")
    return tuple(NodeId(member) for member in members)
