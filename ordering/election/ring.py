"""Ring election: a roll goes round and collects who is alive; the highest number on it leads.

Who holds an election sends a roll with its own number to its successor, everybody adds its number,
and when the roll is back at its first member that proclaims the highest, once round. A successor
that does not confirm a message in time is skipped. 2n messages, and as many confirmations, for each
member that starts one at the same time; they all find the same leader.

It assumes that a living member confirms within ``answer_ns``; a roll that dies with the member that
has it is sent anew by whoever began it.

Tanenbaum and van Steen, *Distributed Systems*, "A ring algorithm"; Chang and Roberts, CACM 22(5),
1979, let only the higher number pass.
"""

from collections.abc import Hashable, Sequence
from dataclasses import replace

from clocksync.runtime.core import CancelTimer, Effects, Send, SetTimer
from clocksync.runtime.units import NodeId
from clocksync.runtime.wire import Frame
from ordering.election.contract import ANSWER_NS, ElectionCore
from ordering.election.frames import Passed, Proclamation, Roll

ROUND = "the roll comes back"


class RingElection(ElectionCore):
    """A member; the ring is `members` in their order."""

    def __init__(self, me: int, members: Sequence[int], *, answer_ns: int = ANSWER_NS) -> None:
        super().__init__(me, members, answer_ns=answer_ns)
        self._hops = 0
        self._under_way: dict[int, tuple[Roll | Proclamation, int]] = {}
        """What was not confirmed yet, and how far down the ring it was sent."""
        self._holding = False

    def elect(self, now: int) -> Effects:
        if self._holding:
            return []
        self._holding = True
        # Every hop may have to find out that all others are dead.
        patience_ns = 2 * self.answer_ns * len(self.members) ** 2
        return [SetTimer(ROUND, patience_ns), *self._pass(Roll(0, (self.me,)))]

    def on_timer(self, timer: Hashable, now: int) -> Effects:
        if timer == ROUND and self._holding:
            self._holding = False
            return self.elect(now)
        if isinstance(timer, int) and timer in self._under_way:
            frame, distance = self._under_way.pop(timer)
            return self._pass(frame, distance + 1)
        return []

    def _hear(self, sender: NodeId, frame: Frame) -> Effects:
        match frame:
            case Passed(hop):
                known = self._under_way.pop(hop, None)
                return [] if known is None else [CancelTimer(hop)]
            case Roll(hop, members):
                return [Send(sender, Passed(hop)), *self._add(frame, members)]
            case Proclamation(hop, origin, leader) if leader in self.members:
                end = self._follow(NodeId(leader)) + self._stop()
                onward = [] if origin == self.me else self._pass(frame)
                return [Send(sender, Passed(hop)), *end, *onward]
        return []

    def _add(self, roll: Roll, members: tuple[int, ...]) -> Effects:
        if not members or len(members) > len(self.members):
            return []  # it has been round without meeting who began it: that one is dead
        if members[0] == self.me:
            return self._proclaim(roll)
        if self.me in members:
            return []
        return self._pass(replace(roll, members=(*members, self.me)))

    def _proclaim(self, roll: Roll) -> Effects:
        if not self._holding:
            return []
        known = [member for member in roll.members if member in self.members]
        leader = NodeId(max(known))
        return self._follow(leader) + self._stop() + self._pass(Proclamation(0, self.me, leader))

    def _pass(self, frame: Roll | Proclamation, distance: int = 1) -> Effects:
        """Send down the ring; `distance` 1 is our successor."""
        count = len(self.members)
        if distance >= count:  # nobody else is alive: it is back at us
            return self._add(frame, frame.members) if isinstance(frame, Roll) else []
        to = self.members[(self.members.index(self.me) + distance) % count]
        self._hops = (self._hops + 1) & 0xFFFFFFFF
        hop = self._hops
        self._under_way[hop] = (frame, distance)
        return [Send(to, replace(frame, hop=hop)), SetTimer(hop, self.answer_ns)]

    def _stop(self) -> Effects:
        was, self._holding = self._holding, False
        return [CancelTimer(ROUND)] if was else []
