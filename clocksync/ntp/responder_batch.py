"""The responder's fast path: 64 requests from one system call, answered together.

It promises the very answers and the very state that :class:`~clocksync.ntp.responder.Responder`
would have given had it been asked one by one, in order; a property test compares the two byte by
byte. What makes it fast is that the stateless part of an answer is a handful of numpy column moves
between the two batches of :mod:`clocksync.runtime.mmsg`, whatever the number of requests. Whatever
has state (access list, rate limit, interleaved mode, a trailer to parse) is asked of the
responder's own pieces, for just those requests it concerns. What a guard must see is put aside for
:class:`~clocksync.ntp.responder_guarded.GuardedBatch`.

The departure of an answer is learnt from the socket's error queue, which returns the whole
datagram: its receive timestamp names it, so nothing has to be counted and nothing can be mixed up.

Pure: no call here reads a clock or touches a socket; :mod:`clocksync.serve` does.
"""

import socket
import struct
from collections.abc import Callable
from typing import cast

import numpy as np
from numpy.typing import NDArray

from clocksync.ntp.access import client_of
from clocksync.ntp.packet import HEADER_BYTES, Mode, NtpPacket
from clocksync.ntp.responder import (
    LONGEST_REQUEST,
    VERSIONS,
    WHOLE_SECONDS,
    Outcome,
    Responder,
    refusal,
)
from clocksync.ntp.responder_guarded import ENDING_BYTES, GuardedBatch
from clocksync.ntp.timestamps import UNIX_EPOCH_IN_NTP, from_unix_ns
from clocksync.runtime.kernel import (
    IP_PKTINFO,
    IPV6_PKTINFO,
    SO_TIMESTAMPING,
    TX_SOFTWARE,
)
from clocksync.runtime.mmsg import ReceiveBatch, SendBatch
from clocksync.runtime.units import SECOND
from clocksync.runtime.wire import Bits, layout

BATCH = 64
ERROR_BYTES = 256  # a looped answer with its link, network and UDP headers
UDP_HEADER_BYTES = 8
# Below this many requests a batch costs more than answering them one after the other.
WORTHWHILE = 4

_CMSG = struct.Struct("@Nii")
_STAMP_BYTES = 64  # a control message of three timespecs
_STAMP_KIND = struct.unpack("=q", struct.pack("=ii", socket.SOL_SOCKET, SO_TIMESTAMPING))[0]
_STAMP_REQUEST = _CMSG.pack(_CMSG.size + 4, socket.SOL_SOCKET, SO_TIMESTAMPING) + struct.pack(
    "=II", TX_SOFTWARE, 0
)

Column = NDArray[np.generic]
Mapping = Callable[[int], int]


def _record_of(frame: type[NtpPacket]) -> np.dtype[np.void]:
    """The frame's layout as a numpy record; its bit fields, one byte, are the column ``first``."""
    columns: list[tuple[str, str]] = []
    for field in layout(frame):
        assert isinstance(field.shape, Bits)
        bits, kind = field.shape.bits, "i" if field.shape.signed else "u"
        if bits >= 8:
            columns.append((field.name, f">{kind}{bits // 8}"))
        elif ("first", "u1") not in columns:
            columns.append(("first", "u1"))
    record = np.dtype(columns)
    assert record.itemsize == HEADER_BYTES
    return record


def _header_columns(batch: ReceiveBatch | SendBatch) -> NDArray[np.void]:
    """The kernel's message headers of a batch as a numpy record array over the same memory."""
    record = cast(np.dtype[np.void], np.dtype(batch.headers._type_))
    return np.frombuffer(memoryview(batch.headers).cast("B"), record)


_PACKET = _record_of(NtpPacket)
_FIRST = np.arange(256, dtype=np.uint8)
_VERSION_OK = np.isin(_FIRST >> 3 & 7, list(VERSIONS))
_MODE_OK = (_FIRST & 7) == Mode.CLIENT
_REQUEST_OK = _VERSION_OK & _MODE_OK


class Local:
    """Where a socket's requests say they came to, and how an answer says it comes from there.

    On a socket bound to every address the answer must be told its source, or a host with several
    addresses answers from one that was not asked (RFC 9109 clients then drop it).
    """

    def __init__(self, family: int, is_wildcard: bool) -> None:
        self.is_wildcard = is_wildcard
        four = family == socket.AF_INET
        self.level = socket.IPPROTO_IP if four else socket.IPPROTO_IPV6
        self.kind = IP_PKTINFO if four else IPV6_PKTINFO
        size = 12 if four else 20  # struct in_pktinfo, struct in6_pktinfo
        self.length = _CMSG.size + size if is_wildcard else 0
        self.space = (self.length + 7) // 8 * 8
        # Which interface to leave by is for routing to say, as on a socket bound to one address.
        start = _CMSG.size + (0 if four else 16)
        self.interface = slice(start, start + 4)


class BatchResponder:
    """Moves requests of a :class:`ReceiveBatch` to answers in a :class:`SendBatch`.

    `family` and `is_wildcard` describe the socket; `mapping` turns a stamp of the system clock into
    the served clock's time (None: they are the same). After :meth:`prepare`, ``outgoing.count``
    answers wait for :meth:`stamp` and sending.
    """

    def __init__(
        self,
        responder: Responder,
        family: int = socket.AF_INET,
        is_wildcard: bool = False,
        mapping: Mapping | None = None,
        size: int = BATCH,
    ) -> None:
        self.responder = responder
        self.mapping = mapping
        self.local = Local(family, is_wildcard)
        self._address = slice(4, 8) if family == socket.AF_INET else slice(8, 24)
        self.incoming = ReceiveBatch(size, LONGEST_REQUEST, 128)
        self.outgoing = SendBatch(size, HEADER_BYTES, self.local.space + len(_STAMP_REQUEST))
        self.guarded = self._guarded(size)
        longest = LONGEST_REQUEST if self.guarded is not None else 0
        self.errors = ReceiveBatch(size, ERROR_BYTES + longest, 256)
        self._bind_columns()
        self._transmit_known = np.zeros(size, np.bool_)
        self._receive = np.zeros(size, np.uint64)

    def _guarded(self, size: int) -> GuardedBatch | None:
        if self.responder.guard is None:
            return None
        local = self.local
        source = (local.level, local.kind)
        return GuardedBatch(self.responder, source, local.space, _STAMP_REQUEST, size)

    def _bind_columns(self) -> None:
        """Name the columns of both batches once: looking one up costs as much as using it."""
        size = self.incoming.size
        heads = _header_columns(self.incoming)
        self._in_length = heads["length"]
        self._in_control_length = heads["header"]["control_length"]
        self._in_name_length = heads["header"]["name_length"]
        self._in_names = np.frombuffer(self.incoming.names, "V28")
        rows = np.frombuffer(self.incoming.data, np.uint8).reshape(size, LONGEST_REQUEST)
        self._in = rows[:, :HEADER_BYTES].view(_PACKET)[:, 0]
        control = np.frombuffer(self.incoming.control, np.uint8).reshape(size, 128)
        self._in_control = control
        stamps = control[:, :32].view(np.int64)
        self._in_kind, self._in_seconds, self._in_nanoseconds = (
            stamps[:, 1],
            stamps[:, 2],
            stamps[:, 3],
        )
        heads = _header_columns(self.outgoing)
        self._out_name_length = heads["header"]["name_length"]
        self._out_control_length = heads["header"]["control_length"]
        self._out_names = np.frombuffer(self.outgoing.names, "V28")
        self._out = np.frombuffer(self.outgoing.data, _PACKET)
        self._out_transmit = self._out["transmit_timestamp"]
        self._out_control = np.frombuffer(self.outgoing.control, np.uint8).reshape(size, -1)
        self._out_control[:, self.local.space :] = np.frombuffer(_STAMP_REQUEST, np.uint8)
        self._bind_header(self.responder.header)

    def _bind_header(self, template: NtpPacket) -> None:
        self._header = template
        self._template = np.frombuffer(template.encode(), _PACKET)[0]
        leap_mode = template.leap << 6 | template.mode
        self._reply_first = (_FIRST & 0b00_111_000) | np.uint8(leap_mode)
        self._fixed_reference = bool(template.reference_timestamp)

    def prepare(self, arrived_at: int, now: int) -> int:
        """Turn what ``incoming`` holds into answers in ``outgoing``; their number.

        `arrived_at` (the system clock, Unix ns) stands in for requests the kernel did not stamp;
        `now` is monotonic. The transmit timestamps are left to :meth:`stamp`.
        """
        if self.responder.header is not self._header:
            self._bind_header(self.responder.header)
        count = self.incoming.count
        self._clear()
        if not count:
            return 0
        rows = self._acceptable(count)
        kisses: dict[int, int] = {}
        if self.responder.limit is not None or not self.responder.access.is_open:
            rows, kisses = self._screened(rows, now)
        if not rows.size:
            return 0
        self._answer(rows, arrived_at)
        if kisses:
            self._kiss(rows, kisses)
        wanted = self._interleave(rows, kisses)
        self._address_answers(rows, wanted)
        self.outgoing.count = len(rows)
        return len(rows)

    def prepare_singly(self, arrived_at: int, now: int, read: Callable[[], int]) -> int:
        """As :meth:`prepare`, by the readable code, request by request: cheaper for very few.

        `read` reads the served clock for the transmit timestamps: :meth:`stamp` is not needed.
        """
        incoming, outgoing, responder = self.incoming, self.outgoing, self.responder
        self._clear()
        rows: list[int] = []
        for row in range(incoming.count):
            if self._is_put_aside(row):
                continue
            cause = self._refusal(row)
            if cause is not None:
                responder.counts[cause] += 1
                continue
            request, _ = NtpPacket.decode_prefix(incoming.payload(row))
            received_at = self._received_at(row, arrived_at)
            answer = responder.answer(request, self._sender(row), received_at, read(), now)
            if answer is not None:
                header = outgoing.headers[outgoing.count].header
                asked = len(_STAMP_REQUEST) if answer.stamp_wanted else 0
                header.control_length = self.local.space + asked
                outgoing.add(answer.packet.encode(), incoming.raw_sender(row))
                rows.append(row)
        if rows and self.local.is_wildcard:
            self._say_where_from(np.array(rows))
        return len(rows)

    def answer_aside(self, arrived_at: int, now: int, read: Callable[[], int]) -> int:
        """Answer what :meth:`prepare` put aside, in ``guarded.outgoing``; how many answers there
        are. `read` reads the served clock."""
        guarded = self.guarded
        if guarded is None or not guarded.rows:
            return 0
        for row in guarded.rows:
            received_at = self._received_at(row, arrived_at)
            guarded.answer(self.incoming, row, self._sender(row), received_at, read, now)
        return guarded.outgoing.count

    def _clear(self) -> None:
        self.outgoing.clear()
        if self.guarded is not None:
            self.guarded.clear()

    def _is_put_aside(self, row: int) -> bool:
        """Put a request aside if the guard has to see it."""
        guarded, guard = self.guarded, self.responder.guard
        if guarded is None or guard is None or self.incoming.was_cut(row):
            return False
        if self.incoming.length(row) <= HEADER_BYTES and not guard.required:
            return False
        guarded.rows.append(row)
        return True

    def _received_at(self, row: int, arrived_at: int) -> int:
        received_at = self.incoming.kernel_stamp(row) or arrived_at
        return received_at if self.mapping is None else self.mapping(received_at)

    def stamp(self, start: int, end: int, at: int) -> None:
        """Set the transmit timestamp of the answers from `start` to `end` that go out now, when the
        served clock shows `at`; interleaved answers keep theirs."""
        transmit = np.uint64(from_unix_ns(at))
        part = slice(start, end)
        receive, known = self._receive[part], self._transmit_known[part]
        # RFC 9769 section 2: equal, they could not be told from a request in basic mode.
        fresh = transmit + (receive == transmit).astype(np.uint64)
        if known.any():
            fresh = np.where(known, self._out_transmit[part], fresh)
        self._out_transmit[part] = fresh

    def departed(self) -> int:
        """Learn from what ``errors`` holds when answers left; the number of messages it held."""
        errors, responder = self.errors, self.responder
        for i in range(errors.count):
            sent_at = errors.kernel_stamp(i)
            start = i * errors.data_bytes + errors.length(i) - HEADER_BYTES
            if sent_at and errors.length(i) >= UDP_HEADER_BYTES + HEADER_BYTES:
                receive = None
                if self.guarded is not None:
                    receive = self.guarded.receive_of(errors.ending(i, ENDING_BYTES))
                if receive is None:
                    receive = int.from_bytes(errors.data[start + 32 : start + 40], "big")
                responder.departed(receive, self.mapping(sent_at) if self.mapping else sent_at)
        return errors.count

    def _acceptable(self, count: int) -> NDArray[np.intp]:
        """The rows that are requests; the others are counted by cause."""
        first = self._in["first"][:count]
        lengths = self._in_length[:count]
        good = _REQUEST_OK[first]
        exact = lengths == HEADER_BYTES
        guard = self.responder.guard
        if guard is not None and guard.required:
            exact[:] = False
        if not (good.all() and exact.all()):
            good &= exact
            for row in np.flatnonzero(~good).tolist():
                if self._is_put_aside(row):
                    continue
                cause = self._refusal(row)
                good[row] = cause is None
                if cause is not None:
                    self.responder.counts[cause] += 1
        return np.flatnonzero(good)

    def _refusal(self, row: int) -> Outcome | None:
        if self.incoming.was_cut(row):
            return Outcome.TOO_LONG
        return refusal(self.incoming.payload(row))

    def _sender(self, row: int) -> bytes:
        start = row * 28
        address = self._address
        return bytes(self.incoming.names[start + address.start : start + address.stop])

    def _screened(
        self, rows: NDArray[np.intp], now: int
    ) -> tuple[NDArray[np.intp], dict[int, int]]:
        """The rows to answer, and the kiss codes of those that are kissed."""
        kept: list[int] = []
        kisses: dict[int, int] = {}
        for row in rows.tolist():
            code = self.responder.screen(self._sender(row), now)
            if code is None or code:
                kept.append(row)
            if code:
                kisses[row] = code
        return np.array(kept, np.intp), kisses

    def _answer(self, rows: NDArray[np.intp], arrived_at: int) -> None:
        """Fill in all that needs no state: an answer in basic mode but for its transmit time."""
        out, requests = self._out[: len(rows)], self._in[rows]
        out[:] = self._template
        out["first"] = self._reply_first[requests["first"]]
        out["poll"] = requests["poll"]
        out["origin_timestamp"] = requests["transmit_timestamp"]
        receive = self._receive_timestamps(rows, arrived_at)
        self._receive[: len(rows)] = receive
        out["receive_timestamp"] = receive
        if not self._fixed_reference:
            out["reference_timestamp"] = receive & np.uint64(WHOLE_SECONDS)
        self._transmit_known[: len(rows)] = False

    def _receive_timestamps(self, rows: NDArray[np.intp], arrived_at: int) -> NDArray[np.uint64]:
        seconds, nanoseconds = self._in_seconds[rows], self._in_nanoseconds[rows]
        stamped = self._stamped(rows) & ((seconds | nanoseconds) != 0)
        if not stamped.all():
            seconds = np.where(stamped, seconds, arrived_at // SECOND)
            nanoseconds = np.where(stamped, nanoseconds, arrived_at % SECOND)
        if self.mapping is not None:
            mapping = self.mapping
            times = (seconds * SECOND + nanoseconds).tolist()
            return np.array([from_unix_ns(mapping(time)) for time in times], np.uint64)
        # from_unix_ns in 64 bits: a whole second is exact, so only its remainder is rounded.
        fraction = ((nanoseconds << 32) + SECOND // 2) // SECOND
        whole = (seconds + UNIX_EPOCH_IN_NTP & 0xFFFF_FFFF) << 32
        return (whole | fraction).astype(np.uint64)

    def _stamped(self, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
        return np.asarray(
            (self._in_kind[rows] == _STAMP_KIND) & (self._in_control_length[rows] >= _STAMP_BYTES)
        )

    def _kiss(self, rows: NDArray[np.intp], kisses: dict[int, int]) -> None:
        """Replace the answers to kissed requests; they are rare, so by the readable code."""
        for place, row in enumerate(rows.tolist()):
            if row in kisses:
                request, _ = NtpPacket.decode_prefix(self.incoming.payload(row))
                kiss = self.responder.kiss(request, kisses[row], int(self._receive[place]), 0)
                start = place * HEADER_BYTES
                self.outgoing.data[start : start + HEADER_BYTES] = kiss.encode()

    def _interleave(
        self, rows: NDArray[np.intp], kisses: dict[int, int]
    ) -> NDArray[np.bool_] | None:
        """Answer follow-ups with the departure of what they follow; whose departure to ask for."""
        responder = self.responder
        answered = len(rows) - len(kisses)
        if not responder.interleaved:
            responder.counts[Outcome.BASIC] += answered
            return None
        requests = self._in[rows]
        origins = requests["origin_timestamp"].astype(np.uint64)
        places = np.arange(len(rows)) if responder.eager else np.flatnonzero(origins)
        if not places.size:
            responder.counts[Outcome.BASIC] += answered
            return None
        wanted = np.zeros(len(rows), np.bool_)
        wanted[places] = True
        receives, transmits = requests["receive_timestamp"], requests["transmit_timestamp"]
        may_follow = (origins != 0) & (receives != transmits)
        interleaved = 0
        for place in places.tolist():
            row = int(rows[place])
            if row in kisses:
                wanted[place] = False
                continue
            interleaved += self._follow_up(
                row, place, int(origins[place]) * bool(may_follow[place])
            )
        responder.counts[Outcome.INTERLEAVED] += interleaved
        responder.counts[Outcome.BASIC] += answered - interleaved
        return wanted

    def _follow_up(self, row: int, place: int, origin: int) -> bool:
        departures, client = self.responder.departures, client_of(self._sender(row))
        departed = departures.take(client, origin) if origin else 0
        receive = int(self._receive[place])
        unique = departures.reserve(client, receive)
        if unique != receive:
            self._receive[place] = unique
            self._out["receive_timestamp"][place] = unique
        if not departed:
            return False
        self._out["origin_timestamp"][place] = self._in["receive_timestamp"][row]
        self._out_transmit[place] = departed + (departed == unique)
        self._transmit_known[place] = True
        return True

    def _address_answers(self, rows: NDArray[np.intp], wanted: NDArray[np.bool_] | None) -> None:
        count, local = len(rows), self.local
        self._out_names[:count] = self._in_names[rows]
        self._out_name_length[:count] = self._in_name_length[rows]
        if local.is_wildcard:
            self._say_where_from(rows)
        lengths = self._out_control_length
        lengths[:count] = local.space
        if wanted is not None:
            lengths[:count] += wanted * np.uint64(len(_STAMP_REQUEST))

    def _say_where_from(self, rows: NDArray[np.intp]) -> None:
        space, count = self.local.space, len(rows)
        # The kernel puts its stamp, where it has one, before the packet information.
        starts = np.where(self._stamped(rows), _STAMP_BYTES, 0)
        columns = starts[:, None] + np.arange(space)
        self._out_control[:count, :space] = self._in_control[rows[:, None], columns]
        self._out_control[:count, self.local.interface] = 0
