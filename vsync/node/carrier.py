"""Between frames and datagrams: sealing and opening, segments, trains; and to whom they go.

Messages of our own go by IP multicast where that reaches everybody (:mod:`~vsync.node.reach`), once
for all; what is sent again, and everything that keeps the membership, goes to each by unicast.

A frame larger than a datagram travels in segments (:mod:`~vsync.node.segments`). A small one
that leaves with the token shares its datagram: most of what a rotation takes under little load is
system calls, and one that is not made on either side makes it shorter by as much.
"""

import struct
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar, NamedTuple, Protocol

from clocksync.runtime.errors import MalformedFrame
from clocksync.runtime.wire import Frame
from clocksync.security.keyring import KeyRing
from vsync.frames import (
    PAYLOAD_MAX,
    PROBE_BYTES,
    SEGMENT_BYTES,
    TRAIN_BYTES,
    Data,
    Heard,
    Probe,
    Segment,
    Token,
    Train,
)
from vsync.node.pairing import KINDS as PAIR_KINDS
from vsync.node.path import Path
from vsync.node.reach import Reach
from vsync.node.segments import Assembler, Cutter

_HEAD = struct.Struct(">HH")
_LENGTH = struct.Struct(">H")
_FULL_SIZE = 1 << 31  # a question about size, not about multicast

Came = tuple[int, int, bytes | memoryview]
"""Sender, kind and body of a frame that was let in."""


class Sealer(Protocol):
    """What turns frames into datagrams and back, and keeps strangers out."""

    OVERHEAD: ClassVar[int]

    def greet(self, peer: int, now_ns: int) -> None: ...

    def use(self, keys: KeyRing) -> None: ...

    def seal(self, kind: int, body: bytes) -> bytes: ...

    def seal_many(self, kind: int, bodies: Iterable[bytes]) -> list[bytes]: ...

    def open(self, data: bytes | memoryview, now_ns: int) -> Came | None: ...

    def take_outgoing(self) -> list[tuple[int, bytes]]: ...


class Sender(Protocol):
    """What datagrams leave through."""

    def send(self, datagrams: Sequence[bytes], peers: Iterable[int]) -> None: ...

    def multicast(self, datagrams: Sequence[bytes]) -> None: ...


class _Small(NamedTuple):
    """A frame that may go with the token."""

    body: bytes
    to: Sequence[int]
    is_fresh: bool


class Carrier:
    """What one member's frames leave and come in.

    Args:
        datagram_bytes: of a whole datagram, the sealer's part with it.
        reach: who hears our multicasts; None: there are none.
        warn: takes what a person should know.
    """

    def __init__(
        self,
        me: int,
        sealer: Sealer,
        sender: Sender,
        datagram_bytes: int,
        reach: Reach | None = None,
        warn: Callable[[str], object] = lambda text: None,
    ) -> None:
        self.dropped: Counter[str] = Counter()
        """Datagrams that were not let in, by reason."""
        self.reach = reach
        self.path = Path()
        self.on_pair: Callable[[int, int, bytes | memoryview], None] = lambda *given: None
        """Takes the frames by which members compare clocks: sender, kind, body."""
        self._warn = warn
        self.resent = 0
        """Messages sent again because somebody lacked them."""
        self._me = me
        self._now = 0
        self._newest = (0, 0)  # ring and number of our newest message
        self._sealer, self._sender = sealer, sender
        self._whole_bytes = datagram_bytes - sealer.OVERHEAD
        self._cutter = Cutter(self._whole_bytes - SEGMENT_BYTES)
        self._assembler = Assembler()
        self._queue: list[bytes] = []
        self._queue_to: Sequence[int] = ()
        self._queue_is_fresh = False
        self._small: _Small | None = None
        self._token: tuple[int, bytes] | None = None

    # Leaving

    def multicast(self, frame: Frame, to: Sequence[int]) -> None:
        """A frame for several."""
        body, is_fresh = frame.encode(), self._is_fresh(frame)
        is_small = (
            isinstance(frame, Data)
            and len(body) <= self._whole_bytes
            and self._small is None
            and not self._queue
        )
        if is_small:
            self._small = _Small(body, to, is_fresh)
            if self._token is None or self._couple():
                return
        if self._token is not None:
            # It does not wait for what it cannot take along.
            small, self._small = self._small, None
            self._send_token()
            self._small = small
        self._settle_small()
        if not is_small:
            self._enqueue(self._cut(frame, frame.KIND, body), to, is_fresh)

    def pass_token(self, peer: int, frame: Token) -> None:
        """The token: with what precedes it, or, at :meth:`end_step`, with what follows it."""
        self._token = peer, frame.encode()
        if self._small is not None and self._couple():
            return
        if self._queue or self._small is not None:
            self._settle_small()
            self._send_token()

    def send_to(self, peer: int, frame: Frame) -> None:
        """A frame for one."""
        self.flush()
        self._sender.send(self._cut(frame, frame.KIND, frame.encode()), (peer,))

    def end_step(self) -> None:
        """Nothing more comes that might go with the token."""
        self._settle_small()
        if self._token is not None:
            self._send_token()

    def flush(self) -> None:
        """Whatever waits leaves now."""
        self._settle_small()
        if self._queue:
            datagrams, self._queue = self._queue, []
            if self._queue_is_fresh and self._carries(self._queue_to):
                self._sender.multicast(datagrams)
            else:
                self._sender.send(datagrams, self._queue_to)

    def _couple(self) -> bool:
        """Send the small frame and the token in one datagram, if they fit."""
        small, token = self._small, self._token
        assert small is not None, "there is a frame"
        assert token is not None, "and a token"
        body, to, is_fresh = small
        successor, passed = token
        if len(body) + len(passed) + TRAIN_BYTES > self._whole_bytes or successor not in to:
            return False
        self._small = self._token = None
        length = _LENGTH.pack(len(passed))
        train = b"".join((_HEAD.pack(successor, len(body)), body, length, passed))
        datagrams = (self._sealer.seal(Train.KIND, train),)
        if is_fresh and self._carries(to):
            self._sender.multicast(datagrams)
            return True
        self._sender.send(datagrams, (successor,))
        others = [peer for peer in to if peer != successor]
        if others:
            self._sender.send((self._sealer.seal(Data.KIND, body),), others)
        return True

    def _settle_small(self) -> None:
        if self._small is not None:
            body, to, is_fresh = self._small
            self._small = None
            self._enqueue(self._cut(None, Data.KIND, body), to, is_fresh)

    def _send_token(self) -> None:
        assert self._token is not None, "there is one"
        (peer, body), self._token = self._token, None
        self.flush()
        self._sender.send(self._cut(None, Token.KIND, body), (peer,))

    def _enqueue(self, datagrams: list[bytes], to: Sequence[int], is_fresh: bool) -> None:
        if to != self._queue_to or is_fresh is not self._queue_is_fresh:
            self.flush()
            self._queue_to, self._queue_is_fresh = to, is_fresh
        self._queue += datagrams

    def _is_fresh(self, frame: Frame) -> bool:
        """Whether it is a message of ours that was not sent before."""
        if not isinstance(frame, Data):
            return False
        at = frame.ring_nonce, frame.sequence
        is_fresh = frame.origin == self._me and (at[0] != self._newest[0] or at > self._newest)
        if is_fresh:
            self._newest = at
        else:
            self.resent += 1
        return is_fresh

    def _carries(self, to: Sequence[int]) -> bool:
        return self.reach is not None and self.reach.carries(to, self._now)

    def due_ns(self) -> int:
        """When :meth:`tick` is to be called."""
        due = self.path.due_ns()
        return due if self.reach is None else min(due, self.reach.due_ns())

    def tick(self, now: int) -> None:
        """Time has come to `now`."""
        self._now, reach = now, self.reach
        if reach is not None and now >= reach.due_ns():
            probe = Probe(reach.ask(now), b"").encode()
            self._sender.multicast((self._sealer.seal(Probe.KIND, probe),))
        if now >= self.path.due_ns():
            self._ask_paths(now)

    def _ask_paths(self, now: int) -> None:
        whom, vanishing = self.path.ask(now)
        padding = bytes(min(self._whole_bytes - PROBE_BYTES, PAYLOAD_MAX))
        body = Probe(_FULL_SIZE, padding).encode()
        for peer in whom:
            self._sender.send((self._sealer.seal(Probe.KIND, body),), (peer,))
        for peer in vanishing:
            size = self._whole_bytes + self._sealer.OVERHEAD
            self._warn(
                f"member {peer} gets small datagrams of ours and none of {size} bytes: the path's"
                " MTU is smaller than this group's"
            )

    def _cut(self, frame: Frame | None, kind: int, body: bytes) -> list[bytes]:
        """The datagrams that carry a frame."""
        if len(body) <= self._whole_bytes:
            return [self._sealer.seal(kind, body)]
        return self._sealer.seal_many(Segment.KIND, self._cutter.cut(frame, kind, body))

    # Coming in

    def open(
        self,
        datagrams: Sequence[bytes | memoryview],
        opened: list[Came],
        tokens: list[Came],
        now: int,
    ) -> None:
        """Let in what is to be let in; tokens apart."""
        read, heard = self._sealer.open, self.path.heard.add
        for datagram in datagrams:
            try:
                came = read(datagram, now)
                if came is None:
                    continue
                sender, kind, body = came
                heard(sender)
                if kind == Segment.KIND:
                    whole = self._assembler.put(body)
                    if whole is None:
                        continue
                    kind, came = whole[0], (sender, *whole)
                elif kind == Train.KIND:
                    self._uncouple(sender, body, opened, tokens)
                    continue
                elif kind in (Probe.KIND, Heard.KIND):
                    self._on_reach(sender, kind, body)
                    continue
                elif kind in PAIR_KINDS:
                    self.on_pair(sender, kind, body)
                    continue
            except MalformedFrame as error:
                self.dropped[error.reason] += 1
                continue
            (tokens if kind == Token.KIND else opened).append(came)

    def _uncouple(
        self, sender: int, body: bytes | memoryview, opened: list[Came], tokens: list[Came]
    ) -> None:
        # What the declaration of Train says, in a fifth of the time.
        size = len(body)
        if size < TRAIN_BYTES:
            raise MalformedFrame("too short")
        to, length = _HEAD.unpack_from(body)
        end = _HEAD.size + length
        if size < end + _LENGTH.size:
            raise MalformedFrame("too short")
        (rest,) = _LENGTH.unpack_from(body, end)
        at = end + _LENGTH.size
        if size != at + rest:
            raise MalformedFrame("trailing bytes" if size > at + rest else "too short")
        opened.append((sender, Data.KIND, body[_HEAD.size : end]))
        if to == self._me:
            tokens.append((sender, Token.KIND, body[at:]))

    def _on_reach(self, sender: int, kind: int, body: bytes | memoryview) -> None:
        if kind == Probe.KIND:
            heard = Heard(Probe.decode(body).number).encode()
            self._sender.send((self._sealer.seal(Heard.KIND, heard),), (sender,))
            return
        number = Heard.decode(body).number
        if number & _FULL_SIZE:
            self.path.answered(sender)
        elif self.reach is not None:
            self.reach.heard(sender, number, self._now)
