"""Suzuki and Kasami's broadcast algorithm: a token that goes where it is asked for.

Who wants in and has no token asks all others with the number of its request; the token carries the
number of the last request served of each member, and a queue. The holder, when it leaves, appends
everybody whose last request is one more than the last one served, and passes the token to the
first. n messages an entry (n-1 requests, 1 token), 0 if the token is here already; 2 message times
before the entry, or 0.

What breaks: a dead member that has no token and does not want it, nothing. With the token all is
lost that the token is; a new one comes with a new epoch only.

Suzuki and Kasami, "A distributed mutual exclusion algorithm", ACM TOCS 3(4), 1985.
"""

from collections.abc import Sequence

from clocksync.runtime.core import Effects, Send
from clocksync.runtime.units import NodeId
from clocksync.runtime.wire import Frame
from ordering.mutex.contract import NUMBER_BITS, MutexCore, State
from ordering.mutex.frames import BroadcastToken, Request


class SuzukiKasamiMutex(MutexCore):
    """A member; the first one of `members` begins with the token."""

    def __init__(self, me: int, members: Sequence[int], *, generation: int = 0) -> None:
        super().__init__(me, members, generation=generation)
        count = len(self.members)
        self.asked = [0] * count
        """The highest request heard of each member, by place."""
        self._served_of_us = 0
        self.here: BroadcastToken | None = None
        if me == self.members[0]:
            self.here = BroadcastToken(0, (0,) * count, ())

    def _ask(self, now: int) -> Effects:
        place = self._place[self.me]
        if self.here is None and self.asked[place] > self._served_of_us:
            return []  # a request that was cancelled is still being served: its token will do
        self.asked[place] += 1
        if self.here is not None:
            return self._enter_with_token()
        return self._tell_others(Request(self.asked[place]))

    def _give_back(self, now: int) -> Effects:
        return self._pass_on()

    def _withdraw(self, now: int) -> Effects:
        return []  # when the token comes it is passed on

    def _hear(self, sender: NodeId, frame: Frame, now: int) -> Effects:
        match frame:
            case Request(number):
                place = self._place[sender]
                self.asked[place] = max(self.asked[place], number)
                return self._pass_on() if self.state is not State.HELD else []
            case BroadcastToken() if self.here is None and self._is_whole(frame):
                self.here = frame
                if self.state is State.WANTED:
                    return self._enter_with_token()
                return self._pass_on()
        return []

    def _is_whole(self, token: BroadcastToken) -> bool:
        count = len(self.members)
        return (
            len(token.served) == count
            and all(place < count for place in token.queue)
            and token.grants + 1 < 1 << NUMBER_BITS
        )

    def _enter_with_token(self) -> Effects:
        assert self.here is not None, f"{self.me} has no token"
        token = self.here
        self.here = BroadcastToken(token.grants + 1, token.served, token.queue)
        return self._enter(self.here.grants)

    def _pass_on(self) -> Effects:
        """What a holder does when it leaves: note its request as served, queue, pass."""
        if self.here is None:
            return []
        place = self._place[self.me]
        served = list(self.here.served)
        served[place] = self._served_of_us = self.asked[place]
        queue = list(self.here.queue)
        # From our successor on, so that low numbers are not preferred.
        count = len(self.members)
        for other in ((place + step) % count for step in range(1, count)):
            if other not in queue and self.asked[other] == served[other] + 1:
                queue.append(other)
        if not queue:
            self.here = BroadcastToken(self.here.grants, tuple(served), ())
            return []
        token = BroadcastToken(self.here.grants, tuple(served), tuple(queue[1:]))
        self.here = None
        return [Send(self.members[queue[0]], token)]
