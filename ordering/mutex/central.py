"""Centralised mutual exclusion: one coordinator grants, first come, first served.

Three messages an entry (request, grant, release), two message times before it. As taught, the
coordinator denies by silence, so a member cannot tell a held lock from a dead coordinator;
``tells`` makes it say :class:`Denied` at the price of one message.

What breaks: a dead coordinator blocks everybody, a dead holder blocks those behind it, until an
epoch (:mod:`ordering.mutex.epochs`) ends this one. A dead member that waits is granted in its turn,
and then counts as a dead holder.

Tanenbaum and van Steen, *Distributed Systems*, "A centralized algorithm".
"""

from collections import deque
from collections.abc import Sequence

from clocksync.runtime.core import Effects, Notify
from clocksync.runtime.units import NodeId
from clocksync.runtime.wire import Frame
from ordering.mutex.contract import MutexCore, State, Waiting
from ordering.mutex.frames import Denied, Grant, Release, Request, Withdraw


class CentralMutex(MutexCore):
    """A member; the first one of `members` is also the coordinator.

    Args:
        tells: the coordinator says so when it has to deny.
    """

    def __init__(
        self,
        me: int,
        members: Sequence[int],
        *,
        generation: int = 0,
        tells: bool = False,
    ) -> None:
        super().__init__(me, members, generation=generation)
        self.coordinator = self.members[0]
        self.tells = tells
        self._asked = 0
        # The coordinator's.
        self.holder: tuple[NodeId, int] | None = None
        self.queue: deque[tuple[NodeId, int]] = deque()
        self._grants = 0

    def _ask(self, now: int) -> Effects:
        self._asked += 1
        return self._post(self.coordinator, Request(self._asked), now)

    def _give_back(self, now: int) -> Effects:
        return self._post(self.coordinator, Release(self._asked, 0), now)

    def _withdraw(self, now: int) -> Effects:
        # A grant may be under way to us: the coordinator takes this as its release.
        return self._post(self.coordinator, Withdraw(self._asked, 0), now)

    def _hear(self, sender: NodeId, frame: Frame, now: int) -> Effects:
        if self.me == self.coordinator:
            match frame:
                case Request(number):
                    return self._coordinate(sender, number, now)
                case Release(number) | Withdraw(number):
                    return self._take_back(sender, number, now)
        if sender != self.coordinator or self.state is not State.WANTED:
            return []
        match frame:
            case Grant(number, token) if number == self._asked:
                return self._enter(token)
            case Denied(number, ahead) if number == self._asked:
                return [Notify(Waiting(ahead))]
        return []

    def _coordinate(self, sender: NodeId, number: int, now: int) -> Effects:
        if self.holder is None:
            return self._grant((sender, number), now)
        self.queue.append((sender, number))
        return self._post(sender, Denied(number, len(self.queue)), now) if self.tells else []

    def _take_back(self, sender: NodeId, number: int, now: int) -> Effects:
        if self.holder != (sender, number):
            if (sender, number) in self.queue:
                self.queue.remove((sender, number))
            return []
        self.holder = None
        return self._grant(self.queue.popleft(), now) if self.queue else []

    def _grant(self, request: tuple[NodeId, int], now: int) -> Effects:
        self.holder = request
        self._grants += 1
        return self._post(request[0], Grant(request[1], self._grants), now)
