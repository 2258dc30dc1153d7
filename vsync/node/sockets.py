"""The sockets of a member: one port for everything, many datagrams a system call.  [I/O]

IP multicasts of others come in through a second socket, bound to the multicast address alone: what
is sent to other addresses of this machine never reaches us. They stay on the link (TTL 1).

Where the kernel has segment offload, a run of datagrams of one size leaves in one call and comes
in one call (``UDP_SEGMENT``, ``UDP_GRO``, Linux 4.18 and 5.0), whatever the MTU; else it is a call
each. Bad news (ICMP) comes through the socket's error queue with the address it concerns, and is a
hint, never more: it can be forged.
"""

import errno
import socket
import struct
from collections import Counter, deque
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress

from clocksync.runtime import kernel
from clocksync.runtime.mmsg import Address, ReceiveBatch, available
from clocksync.runtime.sockets import sockaddr
from vsync.node.multicasting import join

BUFFER_BYTES = 8 << 20
DATAGRAM_BYTES_MAX = 65_535
READS_MOST = 128
"""Reads of one wake-up, so that timers get their turn."""
SINGLE_READS = 3
BATCH = 32
"""Reads of one system call, where there is ``recvmmsg``."""
ERRORS_MOST = 64

# linux/udp.h
SOL_UDP, UDP_SEGMENT, UDP_GRO = 17, 103, 104
SEGMENTS_MOST = 64
SEGMENTED_BYTES_MAX = 65_000
_SO_SNDBUFFORCE = 32  # asm-generic/socket.h
_CONTROL_BYTES = 128
_STAMPING = kernel.SOFTWARE | kernel.RX_SOFTWARE | kernel.OPT_ID | kernel.OPT_TSONLY
_STAMP_IT = (
    socket.SOL_SOCKET,
    kernel.SO_TIMESTAMPING,
    struct.pack("=I", kernel.TX_SOFTWARE),
)
STAMPS_AWAITED = 256
Name = tuple[str, int] | tuple[str, int, int, int]
"""An address as Python's socket functions take it."""
_Stamp = int | list[kernel.Control]
"""Where it stands when a read came, should anybody ask: its place in the batch, which is not read
into again before all is taken; or its control messages."""
_SEGMENT = struct.Struct("=H")
_GRO = struct.Struct("=i")
_EXTENDED_ERROR_BYTES = 512


class Sockets:
    """What a member sends and receives with.

    Args:
        listen: a numeric address.
        peers: where the other members listen, by number; numeric, of the same family.
        offload: False sends and takes datagrams one by one.
        multicast: the address that members multicast to, or None. Where it cannot be used there
            is no `ear`, and ``why_unicast`` says why.

    Raises:
        OSError: the address cannot be listened on.
    """

    def __init__(
        self,
        listen: Address,
        peers: Mapping[int, Address],
        *,
        offload: bool = True,
        multicast: Address | None = None,
    ) -> None:
        family = socket.AF_INET6 if ":" in listen[0] else socket.AF_INET
        self.counters: Counter[str] = Counter()
        self._read: deque[tuple[Sequence[bytes | memoryview], _Stamp]] = deque()
        self._stamp: _Stamp = []
        self._asked: dict[int, object] = {}  # stamped datagrams by their number
        self._numbered = 0
        self.departed: list[tuple[object, int]] = []
        """What was sent stamped, and when it left, ns by the system's clock; to be taken."""
        self.unreachable: set[int] = set()
        """Members that, as the network said, cannot be reached; to be taken."""
        self._batch: ReceiveBatch | None = None
        if available():
            self._batch = ReceiveBatch(BATCH, DATAGRAM_BYTES_MAX + 1, _CONTROL_BYTES)
        self._to = {peer: sockaddr(address) for peer, address in peers.items()}
        self._peer_at = {address[:2]: peer for peer, address in self._to.items()}
        self.sock = socket.socket(family, socket.SOCK_DGRAM)
        try:
            self._set_up(family, offload)
            self.sock.bind(sockaddr(listen))
        except BaseException:
            self.sock.close()
            raise
        self.receive_bytes = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        """What the kernel keeps for us: less than asked for, where we may not have more."""
        host, port = self.sock.getsockname()[:2]
        self.address: Address = (host, port)
        self.ear: socket.socket | None = None
        self.why_unicast = "" if multicast else "IP multicast is not used here"
        self._all: Name | None = None
        if multicast is not None:
            self._listen_to_all(multicast)

    def _listen_to_all(self, multicast: Address) -> None:
        ear = socket.socket(self.sock.family, socket.SOCK_DGRAM)
        try:
            _set_buffers(ear)
            ear.setblocking(False)
            if self.takes_segments:
                ear.setsockopt(SOL_UDP, UDP_GRO, 1)
            self._all = sockaddr(join(self.sock, ear, multicast))
        except OSError as error:
            ear.close()
            self.why_unicast = f"{multicast[0]} cannot be used: {error.strerror or error}"
            return
        self.ear = ear

    def _set_up(self, family: int, offload: bool) -> None:
        sock = self.sock
        sock.setblocking(False)
        _set_buffers(sock)
        with suppress(OSError):
            if family == socket.AF_INET:
                sock.setsockopt(socket.IPPROTO_IP, kernel.IP_RECVERR, 1)
            else:
                sock.setsockopt(socket.IPPROTO_IPV6, kernel.IPV6_RECVERR, 1)
        self.stamps = False
        if kernel.IS_LINUX:
            with suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, kernel.SO_TIMESTAMPING, _STAMPING)
                self.stamps = True
        self.sends_segments = self.takes_segments = False
        if offload and kernel.IS_LINUX:
            with suppress(OSError):
                sock.setsockopt(SOL_UDP, UDP_GRO, 1)
                self.takes_segments = True
            with suppress(OSError):
                sock.setsockopt(SOL_UDP, UDP_SEGMENT, 0)
                self.sends_segments = True

    def move(self, peer: int, address: Address) -> None:
        """Send to a member at this address from now on. In the thread that sends.

        Raises:
            OSError: its interface is none of this machine's.
        """
        self._to[peer] = sockaddr(address)
        self._peer_at = {address[:2]: peer for peer, address in self._to.items()}

    @property
    def peers(self) -> Iterable[int]:
        return self._to.keys()

    def close(self) -> None:
        self.sock.close()
        if self.ear is not None:
            self.ear.close()

    # Receiving

    def receive(self, ready: Container[int]) -> Iterator[Sequence[bytes | memoryview]]:
        """The datagrams that are here, as they come from each read; multicasts first, because the
        token comes by unicast. What is not taken stays: see :attr:`has_more`.

        Args:
            ready: the file numbers of the sockets that have something.
        """
        yield from self._taken()
        for sock in (self.ear, self.sock):
            if sock is None or sock.fileno() not in ready:
                continue
            for reads in range(READS_MOST):
                # For a datagram or two, a call each is cheaper than one for many.
                if self._batch is None or reads < SINGLE_READS:
                    has_more = self._read_one(sock)
                else:
                    has_more = self._read_many(sock)
                yield from self._taken()
                if not has_more:
                    break

    @property
    def has_more(self) -> bool:
        """Whether something was read and not taken."""
        return bool(self._read)

    @property
    def arrival(self) -> int:
        """When what :meth:`receive` gave last came, by the kernel and the system's clock, ns; 0
        where the kernel does not say."""
        stamp = self._stamp
        if isinstance(stamp, int):
            return self._batch.kernel_stamp(stamp) if self._batch is not None else 0
        found = kernel.receive_stamp(stamp)
        return 0 if found is None else found.time

    def _taken(self) -> Iterator[Sequence[bytes | memoryview]]:
        while self._read:
            datagrams, self._stamp = self._read.popleft()
            yield datagrams

    def _read_one(self, sock: socket.socket) -> bool:
        """Read once; whether there may be more."""
        try:
            data, control, _, _ = sock.recvmsg(DATAGRAM_BYTES_MAX, _CONTROL_BYTES)
        except BlockingIOError:
            return False
        except OSError:
            # An ICMP error, told once here and in full by the error queue.
            self.counters["receive errors"] += 1
            return True
        self._came(data, _segment_size(control) if control else 0, control)
        return True

    def _read_many(self, sock: socket.socket) -> bool:
        """Read what one call gives; whether there may be more."""
        batch = self._batch
        assert batch is not None, "this system has recvmmsg"
        try:
            count = batch.receive(sock)
        except OSError:
            self.counters["receive errors"] += 1
            return True
        for i in range(count):
            self._came(batch.payload(i), batch.number(i, SOL_UDP, UDP_GRO), i)
        return count == BATCH

    def _came(self, data: bytes, size: int, stamp: "_Stamp") -> None:
        """What one read gave: one datagram, or several of `size` bytes."""
        if not size or len(data) <= size:
            self.counters["received"] += 1
            self._read.append(((data,), stamp))
            return
        view = memoryview(data)
        parts = [view[at : at + size] for at in range(0, len(data), size)]
        self.counters["received"] += len(parts)
        self._read.append((parts, stamp))

    def read_errors(self) -> None:
        """Empty the error queue: it fills :attr:`departed` and :attr:`unreachable`."""
        for _ in range(ERRORS_MOST):
            try:
                _, control, _, address = self.sock.recvmsg(
                    0, _EXTENDED_ERROR_BYTES, kernel.MSG_ERRQUEUE
                )
            except OSError:
                break
            departure = kernel.departure(control)
            if departure is not None:
                number, at = departure
                if number in self._asked:
                    self.departed.append((self._asked.pop(number), at))
                continue
            peer = self._peer_at.get(address[:2]) if address else None
            if peer is not None:
                self.unreachable.add(peer)

    # Sending

    def send_stamped(self, datagram: bytes, peer: int, tag: object) -> None:
        """Send one to a member; when it left comes with `tag` in :attr:`departed`."""
        to = self._to.get(peer)
        if to is None:
            self.counters["no address"] += 1
            return
        if not self.stamps:
            self._send(0, [datagram], to)
            return
        try:
            self.sock.sendmsg([datagram], [_STAMP_IT], 0, to)
        except OSError as error:
            self._on_send_error(error, [datagram], to)
            return
        self.counters["sent"] += 1
        self._asked[self._numbered] = tag
        self._numbered += 1
        while len(self._asked) > STAMPS_AWAITED:
            del self._asked[next(iter(self._asked))]

    def send(self, datagrams: Sequence[bytes], peers: Iterable[int]) -> None:
        """Send all to each, in this order."""
        runs = _runs(datagrams) if self.sends_segments else [(0, [data]) for data in datagrams]
        for peer in peers:
            to = self._to.get(peer)
            if to is None:
                self.counters["no address"] += 1
                continue
            for size, run in runs:
                self._send(size, run, to)

    def multicast(self, datagrams: Sequence[bytes]) -> None:
        """Send all once, to everybody who listens to the multicast address."""
        assert self._all is not None, "there is an address"
        runs = _runs(datagrams) if self.sends_segments else [(0, [data]) for data in datagrams]
        for size, run in runs:
            self._send(size, run, self._all)

    def _send(self, size: int, run: list[bytes], to: Name) -> None:
        try:
            if len(run) == 1:
                self.sock.sendto(run[0], to)
            else:
                self.sock.sendmsg(run, [(SOL_UDP, UDP_SEGMENT, _SEGMENT.pack(size))], 0, to)
            self.counters["sent"] += len(run)
        except OSError as error:
            self._on_send_error(error, run, to)

    def _on_send_error(self, error: OSError, run: list[bytes], to: Name) -> None:
        if len(run) > 1 and error.errno in (errno.EIO, errno.EINVAL, errno.ENOPROTOOPT):
            self.sends_segments = False  # this device or route has no segment offload after all
            for data in run:
                self._send(0, [data], to)
        elif error.errno == errno.ECONNREFUSED:
            # News of an earlier datagram, told in place of this one.
            with suppress(OSError):
                self.sock.sendto(run[0], to)
            for data in run[1:]:
                self._send(0, [data], to)
        elif error.errno == errno.EMSGSIZE:
            self.counters["too large for the path"] += len(run)
        else:
            # A full buffer, a link that is down: to the ring it is loss.
            self.counters["not sent"] += len(run)


def _set_buffers(sock: socket.socket) -> None:
    for forced, plain in (
        (kernel.SO_RCVBUFFORCE, socket.SO_RCVBUF),
        (_SO_SNDBUFFORCE, socket.SO_SNDBUF),
    ):
        try:
            sock.setsockopt(socket.SOL_SOCKET, forced, BUFFER_BYTES)
        except OSError:
            with suppress(OSError):  # then it is the system's size
                sock.setsockopt(socket.SOL_SOCKET, plain, BUFFER_BYTES)


def _runs(datagrams: Sequence[bytes]) -> list[tuple[int, list[bytes]]]:
    """Datagrams of one size in a row, the last of which may be shorter, as one call takes them."""
    runs: list[tuple[int, list[bytes]]] = []
    size = total = 0
    is_open = False
    for data in datagrams:
        length = len(data)
        if (
            is_open
            and length <= size
            and len(runs[-1][1]) < SEGMENTS_MOST
            and total + length <= SEGMENTED_BYTES_MAX
        ):
            runs[-1][1].append(data)
            total += length
            is_open = length == size
        else:
            runs.append((length, [data]))
            size = total = length
            is_open = True
    return runs


def _segment_size(control: list[tuple[int, int, bytes]]) -> int:
    for level, kind, data in control:
        if level == SOL_UDP and kind == UDP_GRO:
            return int(_GRO.unpack(data[: _GRO.size])[0])
    return 0
