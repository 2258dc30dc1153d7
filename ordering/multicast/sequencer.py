"""Total order by a fixed sequencer, and its causal form.

Everybody multicasts its batches; one member, the sequencer, multicasts in which sequence it
received them, its own included; everybody delivers in that sequence. An announcement is a list of
runs, "the next 3 batches of member 2": batches are not named, because links keep each member's in
order.

**Causal?** By delivery, yes: who sends after it has delivered m sends after m was numbered, and
links keep a member's own in order. By receipt, no: m may reach member 2 before it reaches the
sequencer, and what 2 then sends may be numbered before m. :class:`CausalSequencer` closes that:
batches carry the vectors of :mod:`ordering.multicast.causal`, counting receipts, and the sequencer
numbers them in causal order. Each member can then show a message as soon as it is received in
causal order (a *preview*), and what it answers is never ordered before what it saw. This is ISIS's
ABCAST on top of CBCAST (Birman, Schiper, Stephenson 1991, section 5.3).

**What it costs.** One message of the sequencer per batch (batched); the sequencer is the
bottleneck, and everything stands still without it.
"""

import struct
from collections import deque
from collections.abc import Iterable

from clocksync.runtime.errors import MalformedFrame
from ordering.multicast.batch import Batch, pack, unpack
from ordering.multicast.causal import CausalDelay
from ordering.multicast.order import MESSAGES, Arranger

SEQUENCE = 3

_RUN = struct.Struct(">HI")


class Sequencer(Arranger):
    """One member of a group in which `sequencer` (the lowest number by default) decides."""

    def __init__(self, me: int, members: Iterable[int], sequencer: int | None = None) -> None:
        super().__init__(me, members)
        self.sequencer = self.members[0] if sequencer is None else sequencer
        assert self.sequencer in self.members, f"the sequencer {sequencer} is no member"
        self.position = 0
        self._undecided: dict[int, deque[list[bytes]]] = {m: deque() for m in self.members}
        self._runs: deque[list[int]] = deque()  # [origin, batches], decided and not delivered
        self._news: list[list[int]] = []  # the same, not announced yet

    def multicast(self, messages: list[bytes]) -> None:
        self.outgoing.append((MESSAGES, pack(messages)))
        self._arrived(self.me, messages)

    def receive(self, origin: int, kind: int, body: bytes) -> None:
        if kind == MESSAGES:
            self._arrived(origin, unpack(body))
        elif kind == SEQUENCE and origin == self.sequencer:
            self._decided(body)
        else:
            raise MalformedFrame("unknown kind of record, or one only the sequencer sends")

    def _arrived(self, origin: int, messages: list[bytes]) -> None:
        self._undecided[origin].append(messages)
        if self.me == self.sequencer:
            if self._news and self._news[-1][0] == origin:
                self._news[-1][1] += 1
            else:
                self._news.append([origin, 1])

    def _decided(self, body: bytes) -> None:
        if not body or len(body) % _RUN.size:
            raise MalformedFrame("a sequence cut short")
        for origin, count in _RUN.iter_unpack(body):
            if origin not in self._undecided or not count:
                raise MalformedFrame("a sequence of nobody's batches")
            self._runs.append([origin, count])

    def settle(self) -> None:
        if self._news:
            body = b"".join(_RUN.pack(origin, count) for origin, count in self._news)
            self.outgoing.append((SEQUENCE, body))
            self._runs.extend(self._news)
            self._news = []
        runs = self._runs
        while runs:
            origin, count = runs[0]
            undecided = self._undecided[origin]
            for _ in range(min(count, len(undecided))):
                self.position += 1
                batch = self._batch(origin, undecided.popleft(), (self.position,))
                self.delivered.append(batch)
                runs[0][1] -= 1
            if runs[0][1]:
                return
            runs.popleft()

    def waiting(self) -> list[int]:
        if self._runs:
            return [self._runs[0][0]]
        return [self.sequencer] if any(self._undecided.values()) else []

    def head(self) -> object:
        if self._runs or any(self._undecided.values()):
            return self.position + 1
        return None


class CausalSequencer(Sequencer):
    """A sequencer that numbers in causal order of receipt; members see that order before."""

    def __init__(self, me: int, members: Iterable[int], sequencer: int | None = None) -> None:
        super().__init__(me, members, sequencer)
        self._delay = CausalDelay(self.members)
        self._previews = dict.fromkeys(self.members, 0)

    def multicast(self, messages: list[bytes]) -> None:
        # What has arrived comes before it, as whoever sends now may have seen it.
        self._release()
        vector, body = self._delay.stamp_own(self.me, messages)
        self.outgoing.append((MESSAGES, body))
        self._pass(self.me, vector, messages)

    def receive(self, origin: int, kind: int, body: bytes) -> None:
        if kind == MESSAGES:
            self._delay.hold(origin, body)
        else:
            super().receive(origin, kind, body)

    def settle(self) -> None:
        self._release()
        super().settle()

    def _release(self) -> None:
        for place, vector, messages in self._delay.release():
            self._pass(self.members[place], vector, messages)

    def _pass(self, origin: int, vector: tuple[int, ...], messages: list[bytes]) -> None:
        first = self._previews[origin] + 1
        self._previews[origin] += len(messages)
        self.previewed.append(Batch(origin, first, messages, vector))
        self._arrived(origin, messages)

    def waiting(self) -> list[int]:
        held = [self.members[place] for place in self._delay.waits_for()]
        return held or super().waiting()
