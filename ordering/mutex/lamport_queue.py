"""Lamport's mutual exclusion: everybody keeps the same queue of requests.

A member asks all others with its Lamport time, and each acknowledges. It enters when its request is
the earliest in its queue and it has heard from every other member something later than it: then
no earlier request can still be under way. 3(n-1) messages an entry, 2 message times before it.

It needs links that keep order: a release must not pass the request it belongs to.

What breaks: one dead member blocks everybody, as nothing later is heard from it.

Lamport, "Time, clocks, and the ordering of events in a distributed system", CACM 21(7), 1978, the
five rules.
"""

from collections.abc import Sequence

from clocksync.runtime.core import Effects, Send
from clocksync.runtime.units import NodeId
from clocksync.runtime.wire import Frame
from ordering.mutex.contract import TIME_MAX, MutexCore, State
from ordering.mutex.frames import Permission, Release, Request, Withdraw


class LamportQueueMutex(MutexCore):
    """A member."""

    def __init__(self, me: int, members: Sequence[int], *, generation: int = 0) -> None:
        super().__init__(me, members, generation=generation)
        self.time = 0
        self._asked_at = 0
        self.queue: dict[NodeId, int] = {}
        """The request of each member that has one: its Lamport time."""
        self.heard: dict[NodeId, int] = dict.fromkeys(self.others, 0)
        """The time of the last message of each other member."""

    def _ask(self, now: int) -> Effects:
        self.time += 1
        self._asked_at = self.queue[self.me] = self.time
        return self._tell_others(Request(self.time)) + self._enter_if_first()

    def _give_back(self, now: int) -> Effects:
        self.time += 1
        del self.queue[self.me]
        return self._tell_others(Release(self._asked_at, self.time))

    def _withdraw(self, now: int) -> Effects:
        self.time += 1
        del self.queue[self.me]
        return self._tell_others(Withdraw(self._asked_at, self.time))

    def _hear(self, sender: NodeId, frame: Frame, now: int) -> Effects:
        match frame:
            case Request(asked) if asked <= TIME_MAX:
                self._move_past(sender, asked)
                self.queue[sender] = asked
                return [Send(sender, Permission(asked, self.time)), *self._enter_if_first()]
            case Permission(_, time) if time <= TIME_MAX:
                self._move_past(sender, time)
            case Release(number, time) | Withdraw(number, time) if time <= TIME_MAX:
                self._move_past(sender, time)
                if self.queue.get(sender) == number:
                    del self.queue[sender]
        return self._enter_if_first()

    def _move_past(self, sender: NodeId, time: int) -> None:
        self.time = max(self.time, time) + 1
        self.heard[sender] = max(self.heard[sender], time)

    def _enter_if_first(self) -> Effects:
        if self.state is not State.WANTED:
            return []
        ours = (self._asked_at, self._place[self.me])
        first = min((time, self._place[member]) for member, time in self.queue.items())
        later = all((time, self._place[other]) > ours for other, time in self.heard.items())
        return self._enter(self._stamp_number(self._asked_at)) if first == ours and later else []
