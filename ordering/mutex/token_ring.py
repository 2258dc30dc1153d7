"""Token ring: one token goes round, and whoever has it may enter.

Between 1 message an entry (everybody wants in) and any number (nobody does: the token goes round
all the same); 0 to n-1 message times before an entry. ``rest_ns`` lets a member that does not want
in keep the token that long before it passes it on, so that an idle ring is not a busy loop; who
asks meanwhile enters at once.

What breaks: a dead member breaks the ring, and with it the token may be lost; whether it is lost
or only slow cannot be told. A new token comes with a new epoch only, so there are never two.

Le Lann, "Distributed systems: towards a formal approach", 1977; Tanenbaum and van Steen, "A token
ring algorithm".
"""

from collections.abc import Hashable, Sequence

from clocksync.runtime.core import CancelTimer, Effects, Send, SetTimer
from clocksync.runtime.errors import BadConfig
from clocksync.runtime.units import NodeId
from clocksync.runtime.wire import Frame
from ordering.mutex.contract import NUMBER_BITS, MutexCore, State
from ordering.mutex.frames import RingToken

REST = "the token rests"


class TokenRingMutex(MutexCore):
    """A member; the ring is `members` in their order, and the first one makes the token."""

    def __init__(
        self,
        me: int,
        members: Sequence[int],
        *,
        generation: int = 0,
        rest_ns: int = 0,
    ) -> None:
        super().__init__(me, members, generation=generation)
        if rest_ns < 0:
            raise BadConfig(f"rest_ns = {rest_ns}: a token cannot rest a negative time")
        self.rest_ns = rest_ns
        place = self._place[self.me]
        self.next = self.members[(place + 1) % len(self.members)]
        self.here: RingToken | None = None
        """The token, while we have it."""
        self._hops_seen = -1

    def start(self, now: int) -> Effects:
        return self._receive(RingToken(0, 0)) if self.me == self.members[0] else []

    def on_timer(self, timer: Hashable, now: int) -> Effects:
        resting = timer == REST and self.here is not None and self.state is not State.HELD
        return self._pass() if resting else []

    def _ask(self, now: int) -> Effects:
        return [CancelTimer(REST), *self._enter_with_token()] if self.here else []

    def _give_back(self, now: int) -> Effects:
        return self._pass()

    def _withdraw(self, now: int) -> Effects:
        return []  # when the token comes it is passed on

    def _hear(self, sender: NodeId, frame: Frame, now: int) -> Effects:
        # One token makes fewer hops than it is shown here: an old one is no token.
        if isinstance(frame, RingToken) and frame.hops > self._hops_seen and self.here is None:
            return self._receive(frame)
        return []

    def _receive(self, token: RingToken) -> Effects:
        if token.grants + 1 >= 1 << NUMBER_BITS:
            return []
        self.here, self._hops_seen = token, token.hops
        if self.state is State.WANTED:
            return self._enter_with_token()
        if self.rest_ns and self.others:
            return [SetTimer(REST, self.rest_ns)]
        return self._pass()

    def _enter_with_token(self) -> Effects:
        assert self.here is not None, f"{self.me} has no token"
        self.here = RingToken(self.here.hops, self.here.grants + 1)
        return self._enter(self.here.grants)

    def _pass(self) -> Effects:
        token = self.here
        if not self.others or token is None:
            return []
        self.here = None
        return [Send(self.next, RingToken(token.hops + 1, token.grants))]
