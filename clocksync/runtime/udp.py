"""The socket driver: runs a core over UDP, with kernel stamps and batched system calls.  [I/O]

It carries out a core's effects and feeds it inputs, nothing else; every decision is the core's.

- **Stamps.** Arrivals carry the kernel's receive stamp; a tagged :class:`Send` is answered by
  ``on_sent`` twice: at once with our own reading from just before the system call, then with the
  kernel's, which the socket's error queue returns together with the datagram it belongs to. The
  error queue is read after the receive queue and handed on before it, so that the kernel's stamp
  of a request always reaches the core before the answer does.
- **Cost.** Up to 64 datagrams a system call, each way. Sends collect while inputs are handled and
  leave together.
- **Ports.** Peers are spread over up to `ports` sockets per address family, each bound to a
  random port (RFC 9109); one socket's buffer then never holds the answers of thousands.
- **Listening.** With `listen` everything leaves from that address and comes in there;
  :meth:`UdpDriver.join` hears a multicast group as well, through a socket of its own.
- **Bad news.** ICMP errors come through the error queue with the datagram they answer
  (``on_refused``); they never fail another peer's send.

Without Linux's calls it falls back to ``recvfrom`` and our own readings.
"""

import asyncio
import errno
import os
import socket
import time
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from typing import Protocol, cast

from clocksync.runtime import kernel, mmsg
from clocksync.runtime.codec import Codec
from clocksync.runtime.core import (
    Arrival,
    CancelTimer,
    Core,
    Effect,
    Notify,
    Send,
    SetTimer,
    Stamp,
    StampSource,
)
from clocksync.runtime.errors import MalformedFrame
from clocksync.runtime.mmsg import Address
from clocksync.runtime.records import maker
from clocksync.runtime.sockets import in_words, joined, listening, set_options, sockaddr
from clocksync.runtime.timers import Timers
from clocksync.runtime.units import SECOND
from clocksync.runtime.watch import Watch

BATCH = 64
DATAGRAM_MAX = 2048
"""Longer datagrams are counted as cut, and told as malformed."""
BATCHES_PER_WAKE = 16
"""How many batches one wake-up reads before timers get their turn."""
TAGS_MAX = 1 << 16
"""Tagged datagrams whose transmit stamp has not come yet; beyond, the oldest keep our own."""
QUIET_SENDS_MAX = 4
"""Up to this many datagrams leave a socket while it is not watched."""
_PENDING_ERRORS = frozenset(
    {errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENOPROTOOPT}
)
_KERNEL = StampSource.KERNEL
_make_stamp = maker(Stamp)
_make_arrival = maker(Arrival)


class StampClock(Protocol):
    """A wall clock that can also tell what it shows when the system's clock shows a reading."""

    def read(self) -> int: ...

    def at(self, base_reading: int, /) -> int: ...


class SystemStampClock:
    """The system's wall clock itself."""

    def read(self) -> int:
        return time.time_ns()

    def at(self, base_reading: int, /) -> int:
        return base_reading


@dataclass(slots=True)
class Counters:
    """What happened on the sockets since the start."""

    sent: int = 0
    received: int = 0
    malformed: int = 0
    cut: int = 0
    send_errors: int = 0
    refused: int = 0
    kernel_receive_stamps: int = 0
    kernel_transmit_stamps: int = 0


@dataclass(slots=True, eq=False)
class _Port:
    """One socket, and what waits to leave through it."""

    sock: socket.socket
    queue: list[tuple[bytes, Address, Hashable]] = field(default_factory=list)
    owed: int = 0
    """At the least so many transmit stamps can still come."""


class UdpDriver:
    """Runs `core` over UDP sockets until :meth:`close`.

    Args:
        core: the protocol; its peers' ids are addresses (``(host, port)``, numeric).
        codec: turns its frames into datagrams and back.
        on_event: called with the event of every ``Notify``.
        clock: what stamps are told in (default: the system's wall clock, as it is).
        source: local address to bind to; None lets the kernel choose.
        listen: the one address to send from and to be reached at; numeric, port 0 for any free one.
        ports: sockets per address family at the most.
        kernel_stamps: False keeps to our own readings.

    Raises:
        BadConfig: `listen` cannot be listened on.
    """

    def __init__(
        self,
        core: Core,
        codec: Codec,
        *,
        on_event: Callable[[object], None] | None = None,
        clock: StampClock | None = None,
        source: str | None = None,
        listen: Address | None = None,
        ports: int = 1,
        kernel_stamps: bool = True,
    ) -> None:
        self.core = core
        self.counters = Counters()
        self._codec = codec
        self._on_event = on_event or (lambda event: None)
        self._clock = clock or SystemStampClock()
        self._source = source
        self._ports_max = ports
        self._kernel = kernel_stamps and mmsg.available()
        self._ports: dict[int, list[_Port]] = {}
        self._port_of: dict[Address, _Port] = {}
        self._names: dict[Address, bytes] = {}
        self._senders: dict[bytes, Address] = {}
        self._busy: list[_Port] = []  # ports with something in their queue
        self._tags: dict[bytes, tuple[Hashable, Address]] = {}
        self._timers = Timers()
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = 0
        self._loop = asyncio.get_running_loop()
        self._by_descriptor: dict[int, _Port] = {}
        self._watch = Watch(self._readable)
        if self._kernel:
            self._incoming = mmsg.ReceiveBatch(BATCH, DATAGRAM_MAX, 128)
            self._errors = mmsg.ReceiveBatch(BATCH, DATAGRAM_MAX, 192)
            self._outgoing = mmsg.SendBatch(BATCH, DATAGRAM_MAX)
        self.closed = False
        if listen is not None:
            family = socket.AF_INET6 if ":" in listen[0] else socket.AF_INET
            self._ports[family] = [self._watched(listening(listen), family)]
            self._ports_max = 1

    # The application's side.

    @property
    def address(self) -> Address:
        """Where it can be reached: of the first socket.

        Raises:
            IndexError: nothing was sent yet, nor is there an address to listen on.
        """
        host, port = next(iter(self._by_descriptor.values())).sock.getsockname()[:2]
        return host, port

    def join(self, group: Address, interface: str | None = None) -> None:
        """Hear what is sent to a multicast group, and let what we send to it leave by the same
        interface: a name, or None for that of the address we listen on.

        Raises:
            BadConfig: it cannot be joined.
            IndexError: without an address to listen on.
        """
        family = socket.AF_INET6 if ":" in group[0] else socket.AF_INET
        ear = joined(self._ports[family][0].sock, group, interface)
        self._watched(ear, family)

    def start(self) -> None:
        """Give the core its first input."""
        self.call(self.core.start)

    def call(self, verb: Callable[[int], Iterable[Effect]]) -> None:
        """Call a verb of the core with ``now`` and carry out what it returns."""
        now = time.monotonic_ns()
        self._perform(verb(now), now)
        self._flush()

    def perform(self, effects: Iterable[Effect]) -> None:
        """Carry out what a verb of the core returned that needs no ``now``."""
        self.call(lambda now: effects)

    def close(self) -> None:
        """Close the sockets and forget the timers. Can be called twice."""
        if self.closed:
            return
        self.closed = True
        if self._alarm:
            self._alarm.cancel()
        self._watch.close()
        for port in self._by_descriptor.values():
            port.sock.close()
        self._by_descriptor.clear()
        self._ports.clear()
        self._port_of.clear()
        self._timers.clear()

    # Effects.

    def _perform(self, effects: Iterable[Effect], now: int) -> None:
        for effect in effects:
            kind = type(effect)  # cheaper than a match statement, a million times
            if kind is Send:
                self._queue(cast(Send, effect), now)
            elif kind is SetTimer:
                effect = cast(SetTimer, effect)
                self._timers.set(effect.timer, now + effect.after)
            elif kind is CancelTimer:
                self._timers.cancel(cast(CancelTimer, effect).timer)
            else:
                self._on_event(cast(Notify, effect).event)

    def _queue(self, send: Send, now: int) -> None:
        address = cast(Address, send.to)
        try:
            port = self._port_of.get(address) or self._choose_port(address)
        except OSError as error:
            self.counters.send_errors += 1
            self._perform(self.core.on_refused(address, send.tag, in_words(error), now), now)
            return
        if not port.queue:
            self._busy.append(port)
        port.queue.append((self._codec.encode(send.frame), address, send.tag))

    def _choose_port(self, address: Address) -> _Port:
        self._names[address] = mmsg.encode_name(address)
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        ports = self._ports.setdefault(family, [])
        if len(ports) < self._ports_max:
            ports.append(self._open(family))
            port = ports[-1]
        else:
            port = ports[len(self._port_of) % len(ports)]
        self._port_of[address] = port
        return port

    def _open(self, family: int) -> _Port:
        sock = socket.socket(family, socket.SOCK_DGRAM)
        try:
            sock.setblocking(False)
            sock.bind((self._source or "", 0))
        except OSError:
            sock.close()
            raise
        return self._watched(sock, family)

    def _watched(self, sock: socket.socket, family: int) -> _Port:
        set_options(sock, family, self._kernel)
        port = self._by_descriptor[sock.fileno()] = _Port(sock)
        self._watch.add(sock)
        return port

    def _flush(self) -> None:
        """Send what has collected. What sending itself provokes is sent too."""
        while self._busy:
            port = self._busy.pop()
            queue, port.queue = port.queue, []
            for start in range(0, len(queue), BATCH):
                self._send(port, queue[start : start + BATCH])
        self._arm()

    def _send(self, port: _Port, batch: list[tuple[bytes, Address, Hashable]]) -> None:
        tags = self._tags
        for payload, address, tag in batch:
            if tag is not None:
                tags[payload[-8:]] = (tag, address)
                port.owed += 1
        while len(tags) > TAGS_MAX:
            del tags[next(iter(tags))]
        quiet = self._kernel and len(batch) <= QUIET_SENDS_MAX
        if quiet:
            self._watch.pause(port.sock)
        reading, failed = (self._send_many if self._kernel else self._send_each)(port, batch)
        now, on_sent = time.monotonic_ns(), self.core.on_sent
        for place, (_, address, tag) in enumerate(batch):
            error = failed.get(place)
            if error is not None:
                self.counters.send_errors += 1
                self._perform(self.core.on_refused(address, tag, in_words(error), now), now)
            elif tag is not None:
                effects = on_sent(tag, reading, now)
                if effects:
                    self._perform(effects, now)
        if quiet:
            # The stamps are there already: taking them now saves a wake-up each.
            self._read_errors(port)
            self._watch.resume(port.sock)

    def _send_many(
        self, port: _Port, batch: list[tuple[bytes, Address, Hashable]]
    ) -> tuple[Stamp, dict[int, OSError]]:
        outgoing, retried, at = self._outgoing, -1, 0
        failed: dict[int, OSError] = {}
        outgoing.clear()
        for payload, address, _ in batch:
            outgoing.add(payload, self._names[address])
        reading = Stamp(self._clock.read(), StampSource.USER)
        while at < len(batch):
            try:
                sent = outgoing.send(port.sock, at)
            except OSError as error:
                # A socket reports the ICMP error of an earlier datagram at its next call, whoever
                # that is for: the error is consumed, so try once more before believing it.
                if error.errno in _PENDING_ERRORS and retried != at:
                    retried = at
                    continue
                failed[at] = error
                sent = 1
            else:
                if not sent:  # the kernel's buffer is full: the rest is lost, as on any wire
                    break
                self.counters.sent += sent
            at += sent
        return reading, failed

    def _send_each(
        self, port: _Port, batch: list[tuple[bytes, Address, Hashable]]
    ) -> tuple[Stamp, dict[int, OSError]]:
        reading = Stamp(self._clock.read(), StampSource.USER)
        failed: dict[int, OSError] = {}
        for place, (payload, address, _) in enumerate(batch):
            try:
                port.sock.sendto(payload, sockaddr(address))
                self.counters.sent += 1
            except BlockingIOError:
                break
            except OSError as error:
                failed[place] = error
        return reading, failed

    # Inputs.

    def _readable(self, descriptors: list[int]) -> None:
        for descriptor in descriptors:
            port = self._by_descriptor.get(descriptor)
            if port is None:  # closed by what an earlier one brought
                continue
            if self._kernel:
                self._read_batches(port)
            else:
                self._read_each(port)
        self._flush()

    def _read_batches(self, port: _Port) -> None:
        incoming, counters, at = self._incoming, self.counters, self._clock.at
        for _ in range(BATCHES_PER_WAKE):
            try:
                count = incoming.receive(port.sock)
            except OSError:
                count = 0  # an ICMP error, which the error queue tells in full
            if port.owed or not count:
                self._read_errors(port)
            now = time.monotonic_ns()
            counters.received += count
            for i in range(count):
                if incoming.was_cut(i):
                    self._tell_cut(self._sender(incoming.raw_sender(i)), now)
                    continue
                kernel_time = incoming.kernel_stamp(i)
                if kernel_time:
                    counters.kernel_receive_stamps += 1
                    stamp = _make_stamp(at(kernel_time), _KERNEL)
                else:
                    stamp = Stamp(self._clock.read(), StampSource.USER)
                self._deliver(incoming.payload(i), self._sender(incoming.raw_sender(i)), stamp, now)
            if port.queue:
                self._flush()
            if count < BATCH or self.closed:
                return

    def _read_errors(self, port: _Port) -> None:
        """Empty the error queue: transmit stamps, and what ICMP says of datagrams that left."""
        errors, tags, at, on_sent = self._errors, self._tags, self._clock.at, self.core.on_sent
        while True:
            try:
                count = errors.receive(port.sock, kernel.MSG_ERRQUEUE)
            except OSError:
                return
            now = time.monotonic_ns() if count else 0
            for i, departure in enumerate(errors.departures()):
                known = tags.get(errors.ending(i, 8))
                if known is None:
                    continue
                if not departure:
                    self._tell_error(port, known, errors.ancillary(i), now)
                    continue
                self._count_departure(port)
                effects = on_sent(known[0], _make_stamp(at(departure), _KERNEL), now)
                if effects:
                    self._perform(effects, now)
            if count < BATCH:
                return

    def _count_departure(self, port: _Port) -> None:
        self.counters.kernel_transmit_stamps += 1
        port.owed -= port.owed > 0

    def _tell_error(
        self, port: _Port, known: tuple[Hashable, Address], control: list[kernel.Control], now: int
    ) -> None:
        tag, address = known
        verdict = kernel.error_queue_verdict(control)
        if isinstance(verdict, Stamp):
            self._count_departure(port)
            stamp = Stamp(self._clock.at(verdict.time), verdict.source)
            self._perform(self.core.on_sent(tag, stamp, now), now)
        elif isinstance(verdict, kernel.NetworkError):
            self.counters.refused += 1
            words = in_words(OSError(verdict.errno, os.strerror(verdict.errno)))
            self._perform(self.core.on_refused(address, tag, words, now), now)

    def _read_each(self, port: _Port) -> None:
        for _ in range(BATCH * BATCHES_PER_WAKE):
            try:
                payload, sender = port.sock.recvfrom(DATAGRAM_MAX + 1)
            except BlockingIOError:
                return
            except OSError:
                continue
            stamp = Stamp(self._clock.read(), StampSource.USER)
            self.counters.received += 1
            host = sender[0].partition("%")[0]
            scope = f"%{sender[3]}" if len(sender) > 3 and sender[3] else ""
            address, now = (host + scope, sender[1]), time.monotonic_ns()
            if len(payload) > DATAGRAM_MAX:
                self._tell_cut(address, now)
            else:
                self._deliver(payload, address, stamp, now)
            if self.closed:
                return

    def _tell_cut(self, sender: Address, now: int) -> None:
        self.counters.cut += 1
        self._perform(self.core.on_malformed(sender, now), now)

    def _deliver(self, payload: bytes, sender: Address, stamp: Stamp, now: int) -> None:
        try:
            frame = self._codec.decode(payload)
        except MalformedFrame:
            self.counters.malformed += 1
            self._perform(self.core.on_malformed(sender, now), now)
            return
        effects = self.core.on_frame(_make_arrival(frame, sender, stamp), now)
        if effects:
            self._perform(effects, now)

    def _sender(self, raw: bytes) -> Address:
        address = self._senders.get(raw)
        if address is None:
            address = mmsg.decode_name(raw.ljust(28, b"\0"))
            if len(self._senders) < 4 * TAGS_MAX:  # a spoofer must not fill memory
                self._senders[raw] = address
        return address

    # Timers.

    def _arm(self) -> None:
        due = self._timers.next_due()
        if due is None or self.closed:
            return
        if self._alarm is not None and self._alarm_at <= due:
            return
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm_at = due
        self._alarm = self._loop.call_later(max(0, due - time.monotonic_ns()) / SECOND, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        now = time.monotonic_ns()
        for timer in self._timers.due(now):
            self._perform(self.core.on_timer(timer, now), now)
        self._flush()
