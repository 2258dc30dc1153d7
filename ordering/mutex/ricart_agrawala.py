"""Ricart and Agrawala's distributed mutual exclusion: ask everybody, defer those who come later.

A member asks all others with its Lamport time. One that neither holds nor wants the resource says
OK; a holder keeps its OK until it leaves; one that also wants it keeps its OK if its own request is
the earlier one. 2(n-1) messages an entry and as many message times before it as it takes to send
and receive them: 2, where they cross in parallel.

What breaks: one dead member blocks everybody, and its silence looks like a deferred OK. Only an
epoch without it goes on.

Ricart and Agrawala, "An optimal algorithm for mutual exclusion in computer networks", CACM 24(1),
1981.
"""

from collections.abc import Sequence

from clocksync.runtime.core import Effects, Send
from clocksync.runtime.units import NodeId
from clocksync.runtime.wire import Frame
from ordering.mutex.contract import TIME_MAX, MutexCore, State
from ordering.mutex.frames import Permission, Request


class RicartAgrawalaMutex(MutexCore):
    """A member."""

    def __init__(self, me: int, members: Sequence[int], *, generation: int = 0) -> None:
        super().__init__(me, members, generation=generation)
        self.time = 0
        self._asked_at = 0
        self.awaiting: set[NodeId] = set()
        self.deferred: list[tuple[NodeId, int]] = []

    def _ask(self, now: int) -> Effects:
        self.time += 1
        self._asked_at, self.awaiting = self.time, set(self.others)
        return self._tell_others(Request(self.time)) + self._enter_if_permitted()

    def _give_back(self, now: int) -> Effects:
        self.time += 1
        owed, self.deferred = self.deferred, []
        return [Send(member, Permission(number, self.time)) for member, number in owed]

    def _withdraw(self, now: int) -> Effects:
        # OKs still under way answer a time we no longer ask with.
        return self._give_back(now)

    def _hear(self, sender: NodeId, frame: Frame, now: int) -> Effects:
        match frame:
            case Request(asked) if asked <= TIME_MAX:
                self.time = max(self.time, asked) + 1
                if self._we_come_first(asked, sender):
                    self.deferred.append((sender, asked))
                    return []
                return [Send(sender, Permission(asked, self.time))]
            case Permission(number, time) if time <= TIME_MAX:
                self.time = max(self.time, time) + 1
                if number == self._asked_at:
                    self.awaiting.discard(sender)
                return self._enter_if_permitted()
        return []

    def _we_come_first(self, asked: int, sender: NodeId) -> bool:
        if self.state is State.HELD:
            return True
        ours = (self._asked_at, self._place[self.me])
        return self.state is State.WANTED and ours < (asked, self._place[sender])

    def _enter_if_permitted(self) -> Effects:
        if self.state is not State.WANTED or self.awaiting:
            return []
        return self._enter(self._stamp_number(self._asked_at))
