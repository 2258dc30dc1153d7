"""Who is to be on the next ring: sets, votes, and whom not to ask for a while.

Every process tells all others two growing sets: whom it heard of (`processes`) and whom it has
given up (`failed`). Those with equal sets agree; when all of ``processes - failed`` agree, the
smallest of them forms the ring. Sets only grow until a ring is installed, so this ends, if need be
with each process alone (Amir et al., TOCS 13(4), 1995, section 5.1).

Ours: who complains about whom when two processes do not hear each other (*the higher number goes*,
see :meth:`Membership.hear`), and the back-off of those given up, so that a link that works one
way only does not make the ring form anew for ever.
"""

from dataclasses import dataclass
from enum import Enum

from vsync.frames import MEMBERS_MAX, Join


class Verdict(Enum):
    """What a Join changed."""

    AGREES = "it wants what we want"
    NOTHING_NEW = "we know more: it will hear so from us"
    CHANGED = "our sets have grown"
    REFUSED = "it comes from a process given up, or asks for too much"


class Membership:
    """The sets of one process, and what it heard of others' since the last ring was installed."""

    def __init__(self, me: int) -> None:
        self.me = me
        self.installed: tuple[int, ...] = (me,)
        self.processes: set[int] = {me}
        self.failed: set[int] = set()
        self.agreed: set[int] = set()
        self.joins: dict[int, Join] = {}
        """The last Join of each process, to be looked at again when our sets have changed."""

        self.highest_ring_sequence = 0
        self.passed = 0
        """How far we got with the last ring agreed on: hops of its commit token, then visits."""
        self._attempts: dict[tuple[int, ...], int] = {}

    @property
    def wanted(self) -> tuple[int, ...]:
        """The members of the ring we want, in ring order."""
        return tuple(sorted(self.processes - self.failed))

    @property
    def is_agreed(self) -> bool:
        return self.processes - self.failed <= self.agreed

    @property
    def is_mine_to_form(self) -> bool:
        return self.wanted[0] == self.me

    def install(self, members: tuple[int, ...]) -> None:
        """A ring is installed, or the old one goes on: all begins again."""
        self.installed = members
        self.processes, self.failed = set(members), set()
        self.agreed, self.joins, self._attempts = set(), {}, {}
        self.passed = 0

    def ask_again(self) -> None:
        """Our sets have changed, or nothing came of them: whoever agrees must say so again."""
        self.agreed = {self.me}
        for process in sorted(self.joins):
            if self._is_equal(self.joins[process]):
                self.agreed.add(process)

    def add(self, process: int) -> bool:
        """Somebody was heard; whether that is news."""
        if process in self.processes or not self.has_room_for(process):
            return False
        self.processes.add(process)
        return True

    def has_room_for(self, process: int) -> bool:
        """Whether a ring could hold it besides those we know."""
        return process in self.processes or len(self.processes) < MEMBERS_MAX

    def fail(self, *processes: int) -> bool:
        """Give processes up (never ourselves: the others do that); whether that is news."""
        fresh = set(processes) - self.failed - {self.me}
        self.failed |= fresh
        self.processes |= fresh
        return bool(fresh)

    def fail_silent(self) -> bool:
        """Give up those who have not agreed."""
        return self.fail(*sorted(self.processes - self.failed - self.agreed))

    def join(self, incarnation: int, leaving: bool = False) -> Join:
        """What we tell the others."""
        failed = self.failed | {self.me} if leaving else self.failed
        return Join(
            incarnation,
            self.highest_ring_sequence,
            int(leaving),
            min(self.passed, 255),
            tuple(sorted(self.processes)),
            tuple(sorted(failed)),
        )

    def hear(self, sender: int, join: Join) -> Verdict:
        """Take what a process wants (TOCS 1995, figure 5, and its corrections by Agarwal)."""
        self.highest_ring_sequence = max(self.highest_ring_sequence, join.ring_sequence)
        if join.leaving:
            self.joins.pop(sender, None)
            return Verdict.CHANGED if self.fail(sender) else Verdict.NOTHING_NEW
        if self._is_equal(join):
            self.joins[sender] = join
            self.agreed.add(sender)
            return Verdict.AGREES
        if sender in self.failed:
            return Verdict.REFUSED
        processes, failed = set(join.processes), set(join.failed)
        if processes <= self.processes and failed <= self.failed:
            self.joins[sender] = join
            return Verdict.NOTHING_NEW
        if len(self.processes | processes | failed) > MEMBERS_MAX:
            return Verdict.REFUSED
        self.processes |= processes
        if self.me in failed:
            # We two can never agree.
            self.fail(sender)
        else:
            self._take_over(sender, failed)
        self.joins[sender] = join
        return Verdict.CHANGED

    def _take_over(self, sender: int, failed: set[int]) -> None:
        if sender not in self.installed:
            # An outsider must not break up an existing ring (Agarwal, section 4.4.2).
            failed = failed - set(self.installed)
        for accused in sorted(failed - self.failed):
            # The two do not hear each other, and we hear both. Everybody who does must decide
            # alike, or all but a few are given up by somebody: the higher number goes.
            if accused in self.agreed and accused < sender:
                self.fail(sender)
            else:
                self.fail(accused)

    def ring_failed(self) -> None:
        """A ring was agreed on and did not come about: only what is said from now on counts."""
        wanted = self.wanted
        self._attempts[wanted] = self._attempts.get(wanted, 0) + 1
        self.joins.clear()
        self.agreed = {self.me}

    def give_up_the_blocker(self) -> bool:
        """Where the same members agreed and failed before: give up whoever stood in the way.

        Once is chance. After that the first in ring order that got less far than the others is
        given up: the path to it carries Joins, but not the token (Agarwal, section 4.4.3). Each
        has told how far it got, so all find the same. False if nobody is given up.
        """
        wanted = self.wanted
        if self._attempts.get(wanted, 0) < 2 or len(wanted) < 2:
            return False
        self._attempts[wanted] = 0
        reached = {process: join.passed for process, join in self.joins.items()}
        reached[self.me] = min(self.passed, 255)
        least = min(reached.get(process, 0) for process in wanted)
        return self.fail(next(p for p in wanted if reached.get(p, 0) == least))

    def _is_equal(self, join: Join) -> bool:
        return set(join.processes) == self.processes and set(join.failed) == self.failed


@dataclass(slots=True)
class _Shunned:
    until_ns: int
    for_ns: int


class BackOff:
    """Whom not to ask again for a while.

    A process that was given up when a ring was installed may be heard again at once, over a link
    that works one way, or through a third. Asking it costs everybody a ring, so each time in a row
    doubles the pause.
    """

    def __init__(self, shortest_ns: int, longest_ns: int) -> None:
        self._shortest, self._longest = shortest_ns, longest_ns
        self._shunned: dict[int, _Shunned] = {}

    def given_up(self, process: int, now: int) -> None:
        """A ring was installed without it, because it did not agree."""
        known = self._shunned.get(process)
        # Long after the last pause it is another story.
        again = known is not None and now < known.until_ns + 4 * known.for_ns
        pause = min(2 * known.for_ns, self._longest) if known and again else self._shortest
        self._shunned[process] = _Shunned(now + pause, pause)

    def is_shunned(self, process: int, now: int, asks: bool = False) -> bool:
        """Whether not to listen to a process.

        One that `asks` for us by name is heard after half the pause. Two that gave each other up
        could otherwise ask in turn for ever, each while the other does not listen: of two such
        pauses, one is at least half over when the other ends.
        """
        known = self._shunned.get(process)
        return known is not None and now < known.until_ns - asks * (known.for_ns // 2)

    def forgive(self, process: int) -> None:
        """It comes back as another incarnation: what was before says nothing."""
        self._shunned.pop(process, None)
