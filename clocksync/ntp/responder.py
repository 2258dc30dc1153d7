"""An NTP server as a core: a request and two clock readings in, an answer or silence out.

What it promises: an answer is 48 bytes and so never longer than its request; only client requests
(mode 3, versions 1 to 4) are answered, in the version they were asked in; everything else gets
silence, counted by cause. Extension fields are skipped (RFC 7822: unknown ones are ignored). With a
:class:`~clocksync.ntp.guard.Guard` an authenticated request gets an authenticated answer, and one
whose key or cookie is not accepted is told so; without, a request with a MAC gets silence, because
its sender could not use an answer without one.

Interleaved mode (RFC 9769 section 2): the receive timestamp of each answer is remembered together
with the time at which the answer really left. A request whose origin is such a timestamp gets that
better transmit time, once. Without one it is answered in basic mode, which every client takes.

The core reads no clock. Over sockets :mod:`clocksync.serve` calls :meth:`Responder.answer` with
its readings, or lets :mod:`clocksync.ntp.responder_batch` do the same for 64 requests at a time;
in simulation the same object is a core. There the answer's transmit timestamp is the arrival's
stamp, so whatever time passes before it leaves counts as delay, never as a wrong time.
"""

import ipaddress
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from enum import Enum

from clocksync.ntp.access import AccessList, Admission, RateLimit, client_of
from clocksync.ntp.guard import Guard, Passage
from clocksync.ntp.packet import HEADER_BYTES, Leap, LongPacket, Mode, NtpPacket
from clocksync.ntp.timestamps import from_unix_ns, to_short
from clocksync.ntp.trailer import parse
from clocksync.runtime.core import Arrival, Effects, Send, SilentCore, Stamp
from clocksync.runtime.errors import BadConfig, MalformedFrame

VERSIONS = range(1, 5)
UNSYNCHRONISED_STRATA = (0, 16)
LONGEST_REQUEST = 1024  # with extension fields; no client in use sends more
KISS_RATE = int.from_bytes(b"RATE", "big")
KISS_DENY = int.from_bytes(b"DENY", "big")
KISS_RESTRICT = int.from_bytes(b"RSTR", "big")
LOCAL_CLOCK = int(ipaddress.IPv4Address("127.127.1.1"))  # what daemons show for their own clock
WHOLE_SECONDS = 0xFFFFFFFF_00000000


class Outcome(Enum):
    """What became of a datagram."""

    BASIC = "answered in basic mode"
    INTERLEAVED = "answered in interleaved mode"
    KISSED_DENIED = "told that they are denied"
    KISSED_LIMITED = "told to slow down"
    KISSED_UNPROVEN = "told that their key or cookie is not accepted"
    TOO_SHORT = "too short"
    TOO_LONG = "too long"
    WRONG_VERSION = "of another version"
    WRONG_MODE = "no client request"
    MALFORMED = "followed by garbage"
    AUTHENTICATED = "with a MAC"
    UNAUTHENTICATED = "without authentication"
    DENIED = "denied"
    LIMITED = "over the rate limit"
    UNSENT = "refused by the network"


ANSWERS = (Outcome.BASIC, Outcome.INTERLEAVED)
KISSES = (Outcome.KISSED_DENIED, Outcome.KISSED_LIMITED, Outcome.KISSED_UNPROVEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """What the answers say about the served clock.

    The default describes what is there: a clock that is its own reference, at a stratum so high
    that any real server is preferred. Its distance to UTC is nothing the server could know, so root
    delay and dispersion are 0 and the stratum and the reference id say "local clock".

    Raises:
        BadConfig: a value is out of range.
    """

    stratum: int = 8
    """Hops to a reference clock. (1-15; 0 and 16 serve an unsynchronised clock)"""

    leap: int | None = None
    """Leap indicator. (0-3; None: 3 for an unsynchronised clock, else 0)"""

    precision: int = -20
    """Precision of the clock as an exponent of 2 s. (-32 to 4)"""

    root_delay_ns: int = 0
    """Round trip to the reference clock, ns. (0 to 65536 s)"""

    root_dispersion_ns: int = 0
    """Largest error accumulated since the reference clock, ns. (0 to 65536 s)"""

    reference_id: int | None = None
    """32 bits; None: ``LOCL`` at stratum 1, the local clock's address above."""

    reference_time: int | None = None
    """When the clock was last set, Unix ns; None: it is its own reference, so this very second."""

    def __post_init__(self) -> None:
        if not 0 <= self.stratum <= 16:
            raise BadConfig(f"stratum {self.stratum} is not one of 0 to 16")
        if self.leap is not None and not 0 <= self.leap <= 3:
            raise BadConfig(f"leap indicator {self.leap} is not one of 0 to 3")
        if not -32 <= self.precision <= 4:
            raise BadConfig(f"precision {self.precision} is not one of -32 to 4")
        for name, value in (("delay", self.root_delay_ns), ("dispersion", self.root_dispersion_ns)):
            if not 0 <= value < 65536 * 10**9:
                raise BadConfig(f"root {name} {value} ns is not between 0 and 65536 s")
        if self.reference_id is not None and not 0 <= self.reference_id < 1 << 32:
            raise BadConfig(f"reference id {self.reference_id} is not a number of 32 bits")

    def header(self) -> NtpPacket:
        """The answer's fields that do not depend on the request."""
        unsynchronised = self.stratum in UNSYNCHRONISED_STRATA
        leap, identity = self.leap, self.reference_id
        if leap is None:
            leap = Leap.UNSYNCHRONISED if unsynchronised else Leap.NONE
        if identity is None:
            own = int.from_bytes(b"LOCL", "big") if self.stratum == 1 else LOCAL_CLOCK
            identity = 0 if unsynchronised else own
        return NtpPacket(
            leap=leap,
            mode=Mode.SERVER,
            stratum=self.stratum,
            precision=self.precision,
            root_delay=to_short(self.root_delay_ns),
            root_dispersion=to_short(self.root_dispersion_ns),
            reference_id=identity,
            reference_timestamp=0
            if self.reference_time is None
            else from_unix_ns(self.reference_time),
        )


def parse_reference_id(text: str) -> int:
    """A reference id as a person writes it: an IPv4 address, or up to four ASCII characters.

    Raises:
        BadConfig: it is neither.

    >>> hex(parse_reference_id("GPS")), hex(parse_reference_id("192.0.2.1"))
    ('0x47505300', '0xc0000201')
    """
    try:
        return int(ipaddress.IPv4Address(text))
    except ValueError:
        pass
    if not text.isascii() or not text.isprintable() or not 1 <= len(text) <= 4:
        raise BadConfig(f"{text!r} is no reference id: write up to four letters or an IPv4 address")
    return int.from_bytes(text.encode().ljust(4, b"\0"), "big")


def refusal(request: bytes) -> Outcome | None:
    """Why these bytes are no request that could be answered; None when they are one."""
    if len(request) < HEADER_BYTES:
        return Outcome.TOO_SHORT
    if len(request) > LONGEST_REQUEST:
        return Outcome.TOO_LONG
    if request[0] >> 3 & 7 not in VERSIONS:
        return Outcome.WRONG_VERSION
    if request[0] & 7 != Mode.CLIENT:
        return Outcome.WRONG_MODE
    return _trailer_refusal(request) if len(request) > HEADER_BYTES else None


def _trailer_refusal(request: bytes) -> Outcome | None:
    try:
        trailer = parse(request[HEADER_BYTES:], request[0] >> 3 & 7)
    except MalformedFrame:
        return Outcome.MALFORMED
    return Outcome.AUTHENTICATED if trailer.mac else None


class Departures:
    """When answers left, findable by their receive timestamp; bounded, the oldest goes first."""

    def __init__(self, capacity: int = 16_384) -> None:
        self._capacity = capacity
        self._known: OrderedDict[int, tuple[Hashable, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def reserve(self, client: Hashable, receive: int) -> int:
        """Expect the departure of the answer with this receive timestamp; the timestamp to use.

        It is changed by units of 0.2 ns where another answer has the same, since it is the key.
        """
        while receive in self._known:
            receive = receive + 1 & (1 << 64) - 1
        if len(self._known) >= self._capacity:
            self._known.popitem(last=False)
        self._known[receive] = (client, 0)
        return receive

    def record(self, receive: int, transmit: int) -> None:
        """The answer with that receive timestamp left at `transmit` (an NTP timestamp)."""
        known = self._known.get(receive)
        if known is not None:
            self._known[receive] = (known[0], transmit)

    def take(self, client: Hashable, receive: int) -> int:
        """When the answer with that receive timestamp left, told only once and only to the client
        that got it; 0 where unknown."""
        owner, transmit = self._known.get(receive, (None, 0))
        if not transmit or owner != client:
            return 0
        del self._known[receive]
        return transmit


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to send. With `stamp_wanted` tell :meth:`Responder.departed` when it left."""

    packet: NtpPacket
    stamp_wanted: bool = False

    @property
    def tag(self) -> int | None:
        """What :meth:`Responder.departed` wants to know it by; None: nothing."""
        return self.packet.receive_timestamp if self.stamp_wanted else None


@dataclass(slots=True)
class Responder(SilentCore):
    """Answers NTP requests.

    `denied_kiss` is the kiss code sent to the denied (``KISS_DENY`` or ``KISS_RESTRICT``), None for
    silence. While `eager`, every answer's departure is asked for, so that the second request of a
    client can already be answered interleaved; otherwise only of clients that have shown, by
    an origin timestamp, that they may want it. The `guard` authenticates.
    """

    reference: Reference = field(default_factory=Reference)
    access: AccessList = field(default_factory=AccessList)
    limit: RateLimit | None = None
    denied_kiss: int | None = None
    interleaved: bool = True
    eager: bool = True
    departures: Departures = field(default_factory=Departures)
    counts: Counter[Outcome] = field(default_factory=Counter)
    guard: Guard | None = None
    header: NtpPacket = field(init=False)

    def __post_init__(self) -> None:
        self.header = self.reference.header()

    def refer(self, reference: Reference) -> None:
        """Say this of the served clock from the next answer on; safe from any thread."""
        self.reference, self.header = reference, reference.header()

    def reply(
        self, request: bytes, address: Hashable, received_at: int, transmit_at: int, now: int
    ) -> bytes | None:
        """The bytes that answer `request`, or None for silence.

        `address` is the sender's packed IP address (or any name, which no access list applies to);
        `received_at` and `transmit_at` are readings of the served clock, Unix ns; `now` is
        monotonic, ns.
        """
        if self.guard is not None:
            long = self.guarded(request, address, received_at, lambda: transmit_at, now)
            return long.packet.encode() if long is not None else None
        cause = refusal(request)
        if cause is not None:
            self.counts[cause] += 1
            return None
        packet, _ = NtpPacket.decode_prefix(request)
        answer = self.answer(packet, address, received_at, transmit_at, now)
        return answer.packet.encode() if answer is not None else None

    def guarded(
        self,
        request: bytes,
        address: Hashable,
        received_at: int,
        read: Callable[[], int],
        now: int,
    ) -> Answer | None:
        """The answer to any request where there is a guard; as :meth:`reply`, but that the served
        clock is read by `read`, once the request has been found authentic."""
        assert self.guard is not None
        cause = refusal(request)
        if cause is not None and cause is not Outcome.AUTHENTICATED:
            self.counts[cause] += 1
            return None
        packet, _ = NtpPacket.decode_prefix(request)
        kiss = self.screen(address, now)
        if kiss == 0:  # silence costs no cryptography
            return None
        passage = self.guard.admit(request, now)
        if passage is None and (cause is not None or self.guard.required):
            self.counts[cause or Outcome.UNAUTHENTICATED] += 1
            return None
        if passage is not None and passage.kiss and kiss is None:
            self.counts[Outcome.KISSED_UNPROVEN] += 1
            kiss = passage.kiss
        receive, transmit = from_unix_ns(received_at), from_unix_ns(read())
        if kiss:
            answer = Answer(self.kiss(packet, kiss, receive, transmit))
        else:
            answer = self._admitted(packet, address, receive, transmit)
        return answer if passage is None else _sealed(answer, passage)

    def answer(
        self, request: NtpPacket, address: Hashable, received_at: int, transmit_at: int, now: int
    ) -> Answer | None:
        """As :meth:`reply`, for a request that :func:`refusal` lets pass and no guard looks at."""
        receive, transmit = from_unix_ns(received_at), from_unix_ns(transmit_at)
        kiss = self.screen(address, now)
        if kiss is not None:
            return Answer(self.kiss(request, kiss, receive, transmit)) if kiss else None
        return self._admitted(request, address, receive, transmit)

    def _admitted(
        self, request: NtpPacket, address: Hashable, receive: int, transmit: int
    ) -> Answer:
        client = client_of(address)
        departed = self.interleave(client, request)
        wanted = self.interleaved and (self.eager or request.origin_timestamp != 0)
        if wanted:
            receive = self.departures.reserve(client, receive)
        self.counts[Outcome.INTERLEAVED if departed else Outcome.BASIC] += 1
        return Answer(self._packet(request, receive, transmit, departed), wanted)

    def screen(self, address: Hashable, now: int) -> int | None:
        """Access list and rate limit: None to answer, a kiss code to send, or 0 for silence."""
        if not self.access.permits(address):
            self.counts[Outcome.KISSED_DENIED if self.denied_kiss else Outcome.DENIED] += 1
            return self.denied_kiss or 0
        if self.limit is None:
            return None
        match self.limit.admit(client_of(address), now):
            case Admission.ADMITTED:
                return None
            case Admission.KISS:
                self.counts[Outcome.KISSED_LIMITED] += 1
                return KISS_RATE
            case Admission.SILENCE:
                self.counts[Outcome.LIMITED] += 1
                return 0

    def interleave(self, client: Hashable, request: NtpPacket) -> int:
        """When the answer that `request` follows up left; 0 where it must be answered basically.

        A request whose receive and transmit timestamps are equal is a basic one by RFC 9769.
        """
        if not self.interleaved or not request.origin_timestamp:
            return 0
        if request.receive_timestamp == request.transmit_timestamp:
            return 0
        return self.departures.take(client, request.origin_timestamp)

    def departed(self, receive: int, at: int) -> None:
        """The answer with that receive timestamp left at `at` (served clock, Unix ns)."""
        self.departures.record(receive, from_unix_ns(at))

    def on_frame(self, arrival: Arrival, now: int) -> Effects:
        request = arrival.frame
        if not isinstance(request, NtpPacket):
            return []
        if request.version not in VERSIONS or request.mode != Mode.CLIENT:
            wrong_mode = request.version in VERSIONS
            self.counts[Outcome.WRONG_MODE if wrong_mode else Outcome.WRONG_VERSION] += 1
            return []
        time, address = arrival.stamp.time, _address(arrival.sender)
        if self.guard is not None:
            answer = self.guarded(request.encode(), address, time, lambda: time, now)
        elif isinstance(request, LongPacket) and (cause := refusal(request.encode())) is not None:
            self.counts[cause] += 1
            return []
        else:
            answer = self.answer(request, address, time, time, now)
        return [] if answer is None else [Send(arrival.sender, answer.packet, answer.tag)]

    def on_sent(self, tag: Hashable, stamp: Stamp, now: int) -> Effects:
        if isinstance(tag, int):
            self.departed(tag, stamp.time)
        return []

    def _packet(self, request: NtpPacket, receive: int, transmit: int, departed: int) -> NtpPacket:
        header = self.header
        return NtpPacket(
            leap=header.leap,
            version=request.version,
            mode=header.mode,
            stratum=header.stratum,
            poll=request.poll,
            precision=header.precision,
            root_delay=header.root_delay,
            root_dispersion=header.root_dispersion,
            reference_id=header.reference_id,
            reference_timestamp=header.reference_timestamp or receive & WHOLE_SECONDS,
            origin_timestamp=request.receive_timestamp if departed else request.transmit_timestamp,
            receive_timestamp=receive,
            transmit_timestamp=_unlike(receive, departed or transmit),
        )

    def kiss(self, request: NtpPacket, code: int, receive: int, transmit: int) -> NtpPacket:
        """The kiss-o'-death with that code; the last two are NTP timestamps."""
        slowest = self.limit.poll if self.limit is not None and code == KISS_RATE else 0
        return NtpPacket(
            leap=Leap.UNSYNCHRONISED,
            version=request.version,
            mode=Mode.SERVER,
            stratum=0,
            poll=max(request.poll, slowest),
            precision=self.reference.precision,
            reference_id=code,
            origin_timestamp=request.transmit_timestamp,
            receive_timestamp=receive,
            transmit_timestamp=_unlike(receive, transmit),
        )


def _sealed(answer: Answer, passage: Passage) -> Answer:
    """That answer with what proves it to the client behind it."""
    return Answer(passage.seal(answer.packet), answer.stamp_wanted)


def _unlike(receive: int, transmit: int) -> int:
    """The transmit timestamp, moved by 0.2 ns where it equals the receive timestamp: equal, they
    would mark a packet of basic mode (RFC 9769 section 2)."""
    return transmit + 1 & (1 << 64) - 1 if transmit == receive else transmit


def _address(sender: Hashable) -> Hashable:
    """The packed address of a driver's (host, port); whatever else names a node is kept."""
    if isinstance(sender, tuple) and sender and isinstance(sender[0], str):
        try:
            return ipaddress.ip_address(sender[0].partition("%")[0]).packed
        except ValueError:
            return sender[0]
    return sender
