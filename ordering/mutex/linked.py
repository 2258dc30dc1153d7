"""A mutex over reliable FIFO links: what makes a core that needs them run over datagrams.

Each frame is one record of the link. What a peer that does not answer would be told again anyway
(heartbeats, and an epoch's proposals) is not piled up for it.
"""

from collections.abc import Hashable, Iterable
from typing import Protocol

from clocksync.runtime.core import Arrival, Effects, Send, SilentCore, Stamp
from clocksync.runtime.errors import MalformedFrame
from clocksync.runtime.units import NodeId
from ordering.links.link import LinkSettings
from ordering.links.links import Links, LinkTimer
from ordering.mutex.contract import State
from ordering.mutex.frames import Accept, Heartbeat, Lease, MutexCodec, Prepare

FRAME = 1
"""The only kind of record."""
REPEATED_MAX = 8
"""Of what is repeated by itself, so much waits for a peer at most."""
_CODEC = MutexCodec()
_NO_STAMP = Stamp(0)


class Inner(Protocol):
    """The core that is carried: plain, or with epochs."""

    @property
    def state(self) -> State: ...

    def start(self, now: int) -> Effects: ...

    def on_frame(self, arrival: Arrival, now: int) -> Effects: ...

    def on_timer(self, timer: Hashable, now: int) -> Effects: ...

    def acquire(self, now: int) -> Effects: ...

    def release(self, now: int) -> Effects: ...

    def cancel(self, now: int) -> Effects: ...


class LinkedMutex(SilentCore):
    """`inner`, with links to `peers`. `incarnation` is drawn at the process's start, never 0."""

    def __init__(
        self,
        inner: Inner,
        peers: Iterable[NodeId],
        incarnation: int,
        settings: LinkSettings | None = None,
    ) -> None:
        self.inner = inner
        self.links = Links(peers, incarnation, settings)
        self.messages = 0
        """Frames put on the links."""

    @property
    def state(self) -> State:
        """Where the member stands."""
        return self.inner.state

    def acquire(self, now: int) -> Effects:
        """See :meth:`ordering.mutex.MutexCore.acquire`."""
        return self.carried(self.inner.acquire(now), now)

    def release(self, now: int) -> Effects:
        """See :meth:`ordering.mutex.MutexCore.release`."""
        return self.carried(self.inner.release(now), now)

    def cancel(self, now: int) -> Effects:
        """See :meth:`ordering.mutex.MutexCore.cancel`."""
        return self.carried(self.inner.cancel(now), now)

    def start(self, now: int) -> Effects:
        greetings = self.links.start(now)
        return greetings + self.carried(self.inner.start(now), now)

    def on_timer(self, timer: Hashable, now: int) -> Effects:
        if timer is LinkTimer.TIMEOUT:
            self.links.run_out(now)
            return self.links.flush(now)
        return self.carried(self.inner.on_timer(timer, now), now)

    def on_frame(self, arrival: Arrival, now: int) -> Effects:
        effects: Effects = []
        if self.links.hear(arrival, now):
            for peer, records in self.links.records():
                for kind, body in records:
                    try:
                        frame = _CODEC.decode(body if kind == FRAME else b"")
                    except MalformedFrame:
                        self.links.refuse(peer)
                        break
                    heard = Arrival(frame, peer, _NO_STAMP)
                    effects += self._posted(self.inner.on_frame(heard, now))
        return effects + self.links.flush(now)

    def carried(self, effects: Effects, now: int) -> Effects:
        """What a verb of the inner core said, over the links."""
        posted = self._posted(effects)
        return posted + self.links.flush(now)

    def _posted(self, effects: Effects) -> Effects:
        """Put what is sent on the links; the rest is left."""
        left: Effects = []
        for effect in effects:
            if not isinstance(effect, Send):
                left.append(effect)
                continue
            link = self.links.of.get(effect.to) if isinstance(effect.to, int) else None
            if link is None:
                continue  # a member we were not told how to reach
            repeated = isinstance(effect.frame, Heartbeat | Lease | Prepare | Accept)
            if repeated and len(link.backlog) >= REPEATED_MAX:
                continue
            assert isinstance(effect.to, int)
            self.messages += 1
            self.links.send(effect.to, [(FRAME, _CODEC.encode(effect.frame))])
        return left
