"""An NTP server over any clock, on real sockets.  [I/O]

::

    with Server(SoftwareClock(SystemClock(), offset_ns=5 * MILLISECOND), port=0) as server:
        print(server.address)

It carries :class:`~clocksync.ntp.responder.Responder` and decides nothing. Receive stamps are the
kernel's, told in the served clock's time; the departures that interleaved mode needs come from the
kernel too. On Linux requests are taken and answered up to 64 at a time; elsewhere one at a time,
with our own stamps and in basic mode only. The system clock is never touched.
"""

import asyncio
import contextlib
import errno
import select
import socket
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from clocksync.ntp.access import AccessList, RateLimit
from clocksync.ntp.guard import Guard
from clocksync.ntp.keys import KeySet
from clocksync.ntp.responder import ANSWERS, KISSES, Outcome, Reference, Responder
from clocksync.ntp.responder_batch import BATCH, WORTHWHILE, BatchResponder
from clocksync.ntp.timestamps import to_precision
from clocksync.runtime import kernel, mmsg
from clocksync.runtime.addresses import format_endpoint
from clocksync.runtime.clocks import Clock, SoftwareClock, SystemClock, reading_precision
from clocksync.runtime.errors import BadConfig, MisusedCore
from clocksync.runtime.mmsg import Address
from clocksync.runtime.units import MILLISECOND

if TYPE_CHECKING:
    from clocksync.nts.service import NtsService

DEFAULT_PORT = 1123
SOCKET_BUFFER_BYTES = 4 << 20
EAGER_BATCH = 8
"""Up to this many requests at a time the server has leisure to ask for every answer's departure."""
CHUNK = 16
"""Answers that share one reading of the clock as transmit timestamp: it is early by the time the
kernel needs to send them, about 20 us for the last, which a client sees as delay."""
WILDCARDS = ("0.0.0.0", "::")
LONGEST_WAIT_MS = 1_000
"""A signal that comes in the instant before a wait is handled after it: so none is long."""

_BIND_ADVICE = {
    errno.EADDRINUSE: "is in use: choose another port, or 0 for any free one",
    errno.EACCES: "needs privileges: choose a port from 1024 on",
    errno.EPERM: "needs privileges: choose a port from 1024 on",
    errno.EADDRNOTAVAIL: "is no address of this host: choose one of its own",
}


class Endpoint(Protocol):
    """One socket and what answers on it."""

    sock: socket.socket

    def serve(self, most: int) -> bool:
        """Take requests once, at most `most`, and answer them; whether there were any."""


class BatchEndpoint:
    """Answers up to 64 requests for each pair of system calls."""

    def __init__(self, sock: socket.socket, responder: Responder, clock: Clock) -> None:
        self.sock = sock
        self._responder = responder
        self._clock = clock
        self._batch = BatchResponder(responder, sock.family, _is_wildcard(sock), stamp_map(clock))

    def serve(self, most: int) -> bool:
        batch = self._batch
        batch.incoming.size = min(BATCH, most)
        try:
            count = batch.incoming.receive(self.sock)
        except OSError:
            return False
        if count:
            arrived_at, now = time.time_ns(), time.monotonic_ns()
            self._responder.eager = count <= EAGER_BATCH
            if count < WORTHWHILE:
                batch.prepare_singly(arrived_at, now, self._clock.read)
                self._send(batch.outgoing, 0, batch.outgoing.count)
            else:
                self._send_in_chunks(batch.prepare(arrived_at, now))
            if batch.guarded is not None:
                aside = batch.answer_aside(arrived_at, now, self._clock.read)
                self._send(batch.guarded.outgoing, 0, aside)
        if self._responder.interleaved:
            self._learn_departures()
        return bool(count)

    def _send_in_chunks(self, count: int) -> None:
        for start in range(0, count, CHUNK):
            end = min(start + CHUNK, count)
            self._batch.stamp(start, end, self._clock.read())
            self._send(self._batch.outgoing, start, end)

    def _send(self, outgoing: mmsg.SendBatch, start: int, end: int) -> None:
        outgoing.count = end
        while start < end:
            try:
                sent = outgoing.send(self.sock, start)
            except OSError:
                sent = 0
            if not sent:
                # An answer that cannot leave now is stale when it can: the client asks again.
                self._responder.counts[Outcome.UNSENT] += 1
            start += sent or 1

    def _learn_departures(self) -> None:
        errors = self._batch.errors
        try:
            while errors.receive(self.sock, kernel.MSG_ERRQUEUE):
                self._batch.departed()
        except OSError:
            return


class PlainEndpoint:
    """Answers one request at a time with what every system has."""

    def __init__(self, sock: socket.socket, responder: Responder, clock: Clock) -> None:
        self.sock = sock
        self._responder = responder
        self._clock = clock
        self._mapping = stamp_map(clock)

    def serve(self, most: int) -> bool:
        try:
            request, control, _, sender = self.sock.recvmsg(2048, 256)
        except OSError:
            return False
        stamp = kernel.receive_stamp(control)
        received_at = stamp.time if stamp is not None else time.time_ns()
        if self._mapping is not None:
            received_at = self._mapping(received_at)
        address = socket.inet_pton(self.sock.family, sender[0].partition("%")[0])
        now = time.monotonic_ns()
        reply = self._responder.reply(request, address, received_at, self._clock.read(), now)
        if reply is not None:
            try:
                self.sock.sendmsg([reply], _source(control), 0, sender)
            except OSError:
                self._responder.counts[Outcome.UNSENT] += 1
        return True


def _source(control: Iterable[kernel.Control]) -> list[kernel.Control]:
    """What makes an answer leave from the address its request came to, on a socket bound to all.

    Which interface it leaves by is for routing to say, as on a socket bound to one address.
    """
    for level, kind, data in control:
        if (level, kind) == (socket.IPPROTO_IP, kernel.IP_PKTINFO):
            return [(level, kind, bytes(4) + data[4:])]
        if (level, kind) == (socket.IPPROTO_IPV6, kernel.IPV6_PKTINFO):
            return [(level, kind, data[:16] + bytes(4))]
    return []


def stamp_map(clock: Clock) -> Callable[[int], int] | None:
    """How to tell a stamp of the system clock in the time of `clock`; None: they are the same.

    A clock that can map its base's readings is asked to; of any other only the present distance to
    the system clock is known.
    """
    if isinstance(clock, SystemClock):
        return None
    if isinstance(clock, SoftwareClock):
        base, at = stamp_map(clock.base), clock.at
        return at if base is None else lambda stamp: at(base(stamp))
    at_reading = getattr(clock, "at", None)
    if callable(at_reading):
        return lambda stamp: int(at_reading(stamp))
    return lambda stamp: stamp + clock.read() - time.time_ns()


def _is_wildcard(sock: socket.socket) -> bool:
    return sock.getsockname()[0] in WILDCARDS


@dataclass(slots=True)
class Server:
    """Serves `clock` on each address of `bind` at `port` (0: any free one).

    As a context manager, plain or asynchronous, it answers on a thread of its own meanwhile;
    :meth:`serve_forever` answers on the caller's. `batched` False takes the portable path. Requests
    with a MAC by one of `keys`, or with `nts`, get answers that prove themselves in the same way;
    with `authenticated_only` there are no others.

    Raises:
        BadConfig: an address cannot be bound; the message says what to do.
    """

    clock: Clock = field(default_factory=SystemClock)
    bind: str | Iterable[str] = "127.0.0.1"
    port: int = DEFAULT_PORT
    reference: Reference | None = None
    access: AccessList = field(default_factory=AccessList)
    limit: RateLimit | None = None
    denied_kiss: int | None = None
    interleaved: bool = True
    batched: bool = field(default_factory=mmsg.available)
    keys: KeySet | None = None
    nts: "NtsService | None" = None
    authenticated_only: bool = False
    responder: Responder = field(init=False)
    _endpoints: list[Endpoint] = field(init=False, default_factory=list)
    _thread: threading.Thread | None = field(init=False, default=None)
    _stopping: bool = field(init=False, default=False)
    _waker: tuple[socket.socket, socket.socket] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        if self.reference is None:
            self.reference = Reference(precision=to_precision(reading_precision(self.clock)))
        if self.authenticated_only and self.keys is None and self.nts is None:
            raise BadConfig("only authenticated requests are to be answered, but there is no key")
        guard = None
        if self.nts is not None:
            guard = self.nts.guard(self.keys, self.authenticated_only)
        elif self.keys is not None:
            guard = Guard(self.keys, required=self.authenticated_only)
        self.responder = Responder(
            self.reference,
            access=self.access,
            limit=self.limit,
            denied_kiss=self.denied_kiss,
            interleaved=self.interleaved and self.batched,
            guard=guard,
        )

    @property
    def addresses(self) -> list[Address]:
        """Where it listens: (host, port) of each socket."""
        return [endpoint.sock.getsockname()[:2] for endpoint in self._endpoints]

    @property
    def address(self) -> Address:
        """Where it listens: (host, port) of the first socket."""
        return self.addresses[0]

    @property
    def answered(self) -> int:
        """Answers given, kisses not among them."""
        return sum(self.responder.counts[outcome] for outcome in ANSWERS)

    def open(self) -> None:
        """Bind the sockets, so that :attr:`addresses` is known; the kernel queues requests from
        now on. A server that is open already stays as it is."""
        if self._endpoints:
            return
        kind = BatchEndpoint if self.batched else PlainEndpoint
        port = self.port
        binds = [self.bind] if isinstance(self.bind, str) else list(self.bind)
        try:
            for host in binds:
                sock = _bound_socket(host, port)
                port = port or sock.getsockname()[1]
                self._endpoints.append(kind(sock, self.responder, self.clock))
            if self.nts is not None:
                self.nts.open(binds, port)
        except BaseException:
            self.close()
            raise
        if not self._endpoints:
            raise BadConfig("there is no address to serve on")
        self._waker = socket.socketpair()

    def serve_forever(self, count: int | None = None, duration_ns: int | None = None) -> None:
        """Answer until :meth:`stop`, or `count` answers were given, or `duration_ns` have passed;
        then close."""
        self.open()
        try:
            self._serve(count, duration_ns)
        finally:
            self.close()

    def _serve(self, count: int | None, duration_ns: int | None) -> None:
        assert self._waker is not None
        deadline = None if duration_ns is None else time.monotonic_ns() + duration_ns
        poll = select.poll()
        endpoints = {endpoint.sock.fileno(): endpoint for endpoint in self._endpoints}
        for descriptor in [self._waker[0].fileno(), *endpoints]:
            poll.register(descriptor, select.POLLIN)
        while not self._stopping and (count is None or self.answered < count):
            left = None if deadline is None else deadline - time.monotonic_ns()
            if left is not None and left <= 0:
                break
            wait_ms = LONGEST_WAIT_MS
            if left is not None:
                wait_ms = min(wait_ms, left // MILLISECOND + 1)
            for descriptor, _ in poll.poll(wait_ms):
                most = BATCH if count is None else count - self.answered
                if descriptor in endpoints and most > 0:
                    endpoints[descriptor].serve(most)

    def start(self) -> None:
        """Answer on a thread from now on.

        Raises:
            MisusedCore: it does already.
        """
        if self._thread is not None:
            raise MisusedCore("start() of a server that was started")
        self.open()
        self._thread = threading.Thread(
            target=self._serve, args=(None, None), name="clocksync serve", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """End :meth:`serve_forever`, wherever it runs: safe from other threads and from a signal
        handler. A server on its own thread is waited for and closed."""
        self._stopping = True
        waker = self._waker
        if waker is not None:
            with contextlib.suppress(OSError):  # it may be closing at this moment: all the better
                waker[1].send(b"x")
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join()
            self.close()

    def close(self) -> None:
        """Close what :meth:`open` opened; a closed server can be opened again."""
        endpoints, self._endpoints = self._endpoints, []
        for endpoint in endpoints:
            endpoint.sock.close()
        if self.nts is not None:
            self.nts.close()
        waker, self._waker = self._waker, None
        for end in waker or ():
            end.close()
        self._stopping = False

    def summary(self) -> str:
        """What became of all datagrams so far, in one line."""
        counts = self.responder.counts
        parts = [f"answered {self.answered} ({counts[Outcome.INTERLEAVED]} interleaved)"]
        parts += [f"{counts[kiss]} {kiss.value}" for kiss in KISSES if counts[kiss]]
        dropped = {o: n for o, n in counts.items() if n and o not in (*ANSWERS, *KISSES)}
        causes = ", ".join(f"{dropped[o]} {o.value}" for o in Outcome if o in dropped)
        parts.append(f"dropped {sum(dropped.values())}" + (f" ({causes})" if causes else ""))
        told = ", ".join(parts)
        return told if self.nts is None else f"{told}; key establishment: {self.nts.summary()}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
        self.close()

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self.__exit__, kind, error, traceback)


def _bound_socket(host: str, port: int) -> socket.socket:
    """A socket bound to a numeric address or a name, stamping what comes.

    Raises:
        BadConfig: it cannot be bound.
    """
    if not 0 <= port < 65536:
        raise BadConfig(f"port {port} is not one of 0 to 65535")
    where = format_endpoint(host, port)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        raise BadConfig(f"cannot serve on {where}: {host!r} is no address of this host") from None
    family, _, _, _, name = found[0]
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(name)
        _configure(sock)
    except OSError as error:
        sock.close()
        advice = _BIND_ADVICE.get(error.errno or 0, f"cannot be used: {error.strerror}")
        raise BadConfig(f"cannot serve: {where} {advice}") from None
    return sock


def _configure(sock: socket.socket) -> None:
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        with contextlib.suppress(OSError):  # the system allows less: then what it allows
            sock.setsockopt(socket.SOL_SOCKET, option, SOCKET_BUFFER_BYTES)
    if not kernel.IS_LINUX:
        return
    sock.setsockopt(socket.SOL_SOCKET, kernel.SO_TIMESTAMPING, kernel.SOFTWARE | kernel.RX_SOFTWARE)
    if _is_wildcard(sock):
        if sock.family == socket.AF_INET:
            sock.setsockopt(socket.IPPROTO_IP, kernel.IP_PKTINFO, 1)
        else:
            sock.setsockopt(socket.IPPROTO_IPV6, kernel.IPV6_RECVPKTINFO, 1)
