"""The bully algorithm: the highest number that is alive leads.

Who holds an election challenges all above it. If one answers, it is theirs; if none does in time,
it proclaims itself to all below. A member that comes back holds an election and takes over if it
is the highest. Messages: n-1 at best (the highest but the dead leader notices), O(n^2) at worst.

It assumes that a living member answers within ``answer_ns``. A slower one is taken for dead and
there are two leaders for a while; in a partition, for as long as it lasts.

Garcia-Molina, "Elections in a distributed computing system", IEEE ToC 31(1), 1982, section 4.
"""

from collections.abc import Hashable
from enum import Enum

from clocksync.runtime.core import CancelTimer, Effects, Send, SetTimer
from clocksync.runtime.units import NodeId
from clocksync.runtime.wire import Frame
from ordering.election.contract import ElectionCore
from ordering.election.frames import Alive, Challenge, Victory


class Timer(Enum):
    """What a candidate waits for."""

    ANSWER = "an answer from above"
    VICTORY = "the victory of whoever answered"


class BullyElection(ElectionCore):
    """A member."""

    _round = 0
    _holding = False

    def elect(self, now: int) -> Effects:
        if self._holding:
            return []
        above = [member for member in self.members if member > self.me]
        if not above:
            return self._win()
        self._holding = True
        self._round += 1
        challenge = Challenge(self._round & 0xFFFFFFFF)
        return [*(Send(each, challenge) for each in above), SetTimer(Timer.ANSWER, self.answer_ns)]

    def on_timer(self, timer: Hashable, now: int) -> Effects:
        if timer is Timer.ANSWER and self._holding:
            return self._win()
        if timer is Timer.VICTORY and self._holding:
            self._holding = False  # whoever answered has died since
            return self.elect(now)
        return []

    def _hear(self, sender: NodeId, frame: Frame) -> Effects:
        match frame:
            case Challenge(number) if sender < self.me:
                return [Send(sender, Alive(number)), *self.elect(0)]
            case Alive(number) if self._holding and number == self._round & 0xFFFFFFFF:
                # It may have to wait for those above it, and they for those above them.
                patience_ns = self.answer_ns * (len(self.members) + 1)
                return [CancelTimer(Timer.ANSWER), SetTimer(Timer.VICTORY, patience_ns)]
            case Victory(leader) if leader == sender:
                if sender < self.me:
                    return self.elect(0)  # it did not hear us; a bully does not put up with that
                return [*self._end(), *self._follow(sender)]
        return []

    def _win(self) -> Effects:
        below = [member for member in self.members if member != self.me]
        told = [Send(member, Victory(self.me)) for member in below if member < self.me]
        return [*self._end(), *told, *self._follow(self.me)]

    def _end(self) -> Effects:
        was, self._holding = self._holding, False
        return [CancelTimer(Timer.ANSWER), CancelTimer(Timer.VICTORY)] if was else []
