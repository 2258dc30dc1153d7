"""[I/O] The socket driver of cores that talk over links: one UDP socket, peers by number.

It carries out effects and feeds inputs, nothing else. What sets it apart from
:class:`clocksync.runtime.udp.UdpDriver`: it listens on an address it is given, peers are members'
numbers (as the envelope says them) instead of addresses, kernel stamps are of no use here and cost,
and a timer of 0 ns runs out when the batch of datagrams at hand has been read, before anything is
sent: that is what lets a core answer many datagrams with one.

A datagram is believed for what its envelope says, wherever it came from, so that relays and address
translation do no harm; links believe only who receives what is sent to a peer's address.
"""

import asyncio
import errno
import socket
import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import cast

from clocksync.runtime import kernel, mmsg
from clocksync.runtime.core import (
    Arrival,
    CancelTimer,
    Core,
    Effect,
    Notify,
    Send,
    SetTimer,
    Stamp,
)
from clocksync.runtime.envelope import Envelope
from clocksync.runtime.errors import MalformedFrame
from clocksync.runtime.mmsg import Address
from clocksync.runtime.sockets import sockaddr
from clocksync.runtime.timers import Timers
from clocksync.runtime.units import SECOND

BATCH = 64
BATCHES_PER_WAKE = 4
"""How many batches are read before the core says what it has to say."""
DATAGRAM_BYTES_MAX = 9216
BUFFER_BYTES = 4 << 20
_SO_SNDBUFFORCE = 32  # asm-generic/socket.h
_NO_STAMP = Stamp(0)  # links measure nothing, and asking the kernel for stamps costs


@dataclass(slots=True)
class DriverCounters:
    """What happened on the socket since the start."""

    sent: int = 0
    received: int = 0
    dropped: int = 0
    """Datagrams the kernel did not take: its buffer was full, or the network was down."""
    malformed: Counter[str] = field(default_factory=Counter)
    """Datagrams that hold nothing for this group, by reason."""


def open_socket(listen: Address) -> socket.socket:
    """A socket that listens on a numeric address.

    Raises:
        OSError: it cannot.
    """
    family = socket.AF_INET6 if ":" in listen[0] else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        for forced, plain in (
            (kernel.SO_RCVBUFFORCE, socket.SO_RCVBUF),
            (_SO_SNDBUFFORCE, socket.SO_SNDBUF),
        ):
            try:
                sock.setsockopt(socket.SOL_SOCKET, forced, BUFFER_BYTES)
            except OSError:
                with suppress(OSError):  # then it is the system's size: links live with it
                    sock.setsockopt(socket.SOL_SOCKET, plain, BUFFER_BYTES)
        sock.bind(sockaddr(listen))
    except OSError:
        sock.close()
        raise
    return sock


class LinkDriver:
    """Runs `core` over `sock`, which it owns, until :meth:`close`.

    Args:
        peers: where each member listens, by number; numeric addresses of the socket's family.
        on_event: called with the event of every ``Notify``.
        after_step: called whenever a step is over and what it said has left.
        on_failure: called with the exception if the core raised: a bug. The driver is closed then.
    """

    def __init__(
        self,
        core: Core,
        envelope: Envelope,
        sock: socket.socket,
        peers: Mapping[int, Address],
        *,
        on_event: Callable[[object], None],
        after_step: Callable[[], None] = lambda: None,
        on_failure: Callable[[BaseException], None] | None = None,
    ) -> None:
        self.core, self.counters = core, DriverCounters()
        self.closed = False
        self.rejected: dict[int, Counter[str]] = {}
        """What came from a peer's address and was not for this group, by peer and reason."""
        self._envelope, self._sock, self._peers = envelope, sock, dict(peers)
        self._on_event, self._after_step, self._on_failure = on_event, after_step, on_failure
        self._member_at = {address: peer for peer, address in peers.items()}
        self._queue: list[tuple[bytes, Hashable]] = []
        self._soon: list[Hashable] = []
        self._timers = Timers()
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = 0
        self._is_called_soon = False
        self._loop = asyncio.get_running_loop()
        self._many = mmsg.available()
        if self._many:
            self._incoming = mmsg.ReceiveBatch(BATCH, DATAGRAM_BYTES_MAX, 0)
            self._outgoing = mmsg.SendBatch(BATCH, DATAGRAM_BYTES_MAX)
            self._names = {peer: mmsg.encode_name(address) for peer, address in peers.items()}
        self._loop.add_reader(sock.fileno(), self._guarded, self._readable)

    @property
    def address(self) -> Address:
        """Where it listens."""
        host, port = self._sock.getsockname()[:2]
        return host, port

    def start(self) -> None:
        """Give the core its first input."""
        self._guarded(lambda: self._perform(self.core.start(time.monotonic_ns())))
        self._guarded(self._finish)

    def call(self, verb: Callable[[int], Iterable[Effect]]) -> None:
        """Call a verb of the core. What it says leaves before the event loop waits again, so that
        verbs called in a row share datagrams."""
        self._perform(verb(time.monotonic_ns()))
        if not self._is_called_soon and not self.closed:
            self._is_called_soon = True
            self._loop.call_soon(self._guarded, self._called_soon)

    def close(self) -> None:
        """Close the socket and forget the timers. Can be called twice."""
        if not self.closed:
            self.closed = True
            self._loop.remove_reader(self._sock.fileno())
            self._sock.close()
            if self._alarm:
                self._alarm.cancel()

    # Steps.

    def _guarded(self, act: Callable[[], None]) -> None:
        if self.closed:
            return
        try:
            act()
        except Exception as error:
            self.close()
            if self._on_failure is None:
                raise
            self._on_failure(error)

    def _called_soon(self) -> None:
        self._is_called_soon = False
        self._finish()

    def _finish(self) -> None:
        """The end of a batch of inputs: run out what is due at once, send, arm the alarm."""
        while self._soon:
            timers, self._soon = self._soon, []
            for timer in timers:
                self._perform(self.core.on_timer(timer, time.monotonic_ns()))
        if self._queue:
            self._flush()
        self._arm()
        self._after_step()

    def _perform(self, effects: Iterable[Effect]) -> None:
        now = 0
        for effect in effects:
            kind = type(effect)
            if kind is Send:
                send = cast(Send, effect)
                self._queue.append((self._envelope.encode(send.frame), send.to))
            elif kind is SetTimer:
                timer, after = cast(SetTimer, effect).timer, cast(SetTimer, effect).after
                if after == 0:
                    self._soon.append(timer)
                    continue
                now = now or time.monotonic_ns()
                self._timers.set(timer, now + after)
            elif kind is CancelTimer:
                self._timers.cancel(cast(CancelTimer, effect).timer)
            else:
                self._on_event(cast(Notify, effect).event)

    # Out.

    def _flush(self) -> None:
        queue, self._queue = self._queue, []
        for start in range(0, len(queue), BATCH):
            part = queue[start : start + BATCH]
            if self._many:
                self._send_many(part)
            else:
                self._send_each(part)

    def _send_many(self, part: list[tuple[bytes, Hashable]]) -> None:
        outgoing, at, retried = self._outgoing, 0, -1
        outgoing.clear()
        for payload, to in part:
            outgoing.add(payload, self._names[cast(int, to)])
        while at < len(part):
            try:
                sent = outgoing.send(self._sock, at)
            except OSError as error:
                # A socket reports what ICMP said of an earlier datagram at its next call.
                if error.errno == errno.ECONNREFUSED and retried != at:
                    retried = at
                    continue
                self.counters.dropped += 1
                sent = 1
            else:
                if not sent:  # lost, as on any wire: links repeat it
                    self.counters.dropped += len(part) - at
                    return
                self.counters.sent += sent
            at += sent

    def _send_each(self, part: list[tuple[bytes, Hashable]]) -> None:
        for payload, to in part:
            try:
                self._sock.sendto(payload, sockaddr(self._peers[cast(int, to)]))
                self.counters.sent += 1
            except OSError:
                self.counters.dropped += 1

    # In.

    def _readable(self) -> None:
        if self._many:
            incoming = self._incoming
            for _ in range(BATCHES_PER_WAKE):
                try:
                    count = incoming.receive(self._sock)
                except OSError:
                    continue  # what ICMP said of an earlier datagram; links find out themselves
                now = time.monotonic_ns()
                for i in range(count):
                    if incoming.was_cut(i):
                        self._reject("longer than any of ours", incoming.sender(i))
                    else:
                        self._deliver(incoming.payload(i), now, i)
                if count < BATCH:
                    break
        else:
            for _ in range(BATCH * BATCHES_PER_WAKE):
                try:
                    payload, sender = self._sock.recvfrom(DATAGRAM_BYTES_MAX)
                except BlockingIOError:
                    break
                except OSError:
                    continue
                self._deliver(payload, time.monotonic_ns(), -1, (sender[0], sender[1]))
        self._finish()

    def _deliver(self, payload: bytes, now: int, place: int, sender: Address = ("", 0)) -> None:
        self.counters.received += 1
        try:
            opened = self._envelope.open(payload)
        except MalformedFrame as error:
            self._reject(error.reason, self._incoming.sender(place) if place >= 0 else sender)
            return
        self._perform(self.core.on_frame(Arrival(opened.frame, opened.sender, _NO_STAMP), now))

    def _reject(self, reason: str, sender: Address) -> None:
        self.counters.malformed[reason] += 1
        peer = self._member_at.get(sender)
        if peer is not None:
            self.rejected.setdefault(peer, Counter())[reason] += 1

    # Timers.

    def _arm(self) -> None:
        if self.closed:
            return
        due = self._timers.next_due()
        if due is None or (self._alarm is not None and self._alarm_at <= due):
            return
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm_at = due
        wait = max(0, due - time.monotonic_ns()) / SECOND
        self._alarm = self._loop.call_later(wait, self._guarded, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        now = time.monotonic_ns()
        for timer in self._timers.due(now):
            self._perform(self.core.on_timer(timer, now))
        self._finish()
