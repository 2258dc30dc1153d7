"""NTP as it passes by: requests paired with replies, basic, interleaved and symmetric.

With O the clock that stamps the capture, oQ and oR the moments at which request and reply passed,
and every leg of the way taking a non-negative time (docs/capture.md derives it)::

    T3 - oR  <=  server - O  <=  T2 - oQ
    T1 - oQ  <=  client - O  <=  T4 - oR
    T3 - T4  <=  server - client  <=  T2 - T1

T2 and T3 are in the reply; an interleaved reply brings the T3 of the one before (RFC 9769). T1 and
T4 are in requests, where the client does not fill these fields with random numbers, as chronyd
and other careful clients do: T1 at once, T4 with the next request.
"""

from dataclasses import dataclass

from clocksync.capture.book import Book, Clock, Pair, Protocol, tap_allowance_ns
from clocksync.capture.packets import Located
from clocksync.capture.pending import Pending
from clocksync.ntp import timestamps, trailer
from clocksync.ntp.packet import HEADER_BYTES, Mode, NtpPacket, printable
from clocksync.ntp.sample import MAX_DRIFT_PPM, Sample
from clocksync.runtime.clocks import drift_allowance
from clocksync.runtime.core import StampSource
from clocksync.runtime.errors import MalformedFrame
from clocksync.runtime.records import maker
from clocksync.runtime.units import SECOND
from clocksync.runtime.wire import layout

PORT = 123
_DAY = 86_400 * SECOND
_CLIENT_PRECISION_NS = 1_000
"""A client's requests do not tell its precision truly; microseconds are what stamps come to."""
_HELD_MAX_NS = 2 * SECOND
"""A client whose clock ran so differently from the capture's within one exchange was told nothing
true: its stamps are random numbers."""
_NTS_FIELDS = frozenset({0x0104, 0x0204, 0x0304, 0x0404})  # RFC 8915 section 7.6
_NOT_YET = frozenset({"", "INIT", "STEP"})
_HEADER = layout(NtpPacket).head
_make_sample = maker(Sample)


@dataclass(slots=True)
class _Exchange:
    """A request and what is known of its exchange so far; NTP timestamps and capture stamps."""

    pair: Pair
    passed: int
    origin: int
    received: int
    sent: int
    way: int
    came: int = 0
    came_way: int = 0
    t2: int = 0
    t3: int = 0
    precision_ns: int = 0
    is_interleaved: bool = False
    t1_ns: int = 0
    t4_ns: int = 0
    """The client's own, in Unix ns, once a later request has told them."""


class NtpObserver:
    """Takes NTP datagrams, writes samples into the book.

    Args:
        resolution_ns: the step of the capture's stamps.
    """

    def __init__(self, book: Book, resolution_ns: int = 1) -> None:
        self.resolution_ns = resolution_ns
        self.modes = [0] * 8
        self.short = 0
        self.unmatched = 0
        """Replies to no request that was seen."""
        self.requests: Pending[_Exchange] = Pending()
        self._book = book
        self._answered: Pending[_Exchange] = Pending(8_192)
        self._progress: Pending[tuple[int, int]] = Pending(8_192)

    def feed(self, when: int, datagram: Located) -> None:
        """A datagram from or to an NTP port passed at `when`."""
        payload = datagram.payload
        if len(payload) < HEADER_BYTES:
            self.short += 1
            return
        first = payload[0]
        mode, version = first & 7, first >> 3 & 7
        self.modes[mode] += 1
        if not 1 <= version <= 4:
            return
        if mode == Mode.CLIENT:
            self._request(when, datagram)
        elif mode == Mode.SERVER:
            self._reply(when, datagram)
        elif mode in (Mode.SYMMETRIC_ACTIVE, Mode.SYMMETRIC_PASSIVE):
            # Each packet answers the one before and asks the next one.
            if any(payload[24:32]):
                self._reply(when, datagram)
            self._request(when, datagram)
        elif mode == Mode.BROADCAST:
            self._broadcast(when, datagram)

    def _request(self, when: int, datagram: Located) -> None:
        source, target, port, server_port, payload, way = datagram
        pair = self._book.pair(Protocol.NTP, source, target)
        pair.seen(when, way, is_reply=False)
        values = _HEADER.unpack_from(payload)
        origin, received, sent = values[-3:]
        if len(payload) > HEADER_BYTES:
            _note_authentication(pair, payload)
        exchange = _Exchange(pair, when, origin, received, sent, way)
        self.requests.put((source, port, target, server_port, sent), exchange)
        if received and received != sent:
            self.requests.put((source, port, target, server_port, received), exchange)
        if origin:
            earlier = self._answered.get((source, target, origin))
            if earlier is not None and not earlier.t4_ns:
                self._client_stamps(earlier, exchange)
        else:
            self._client_departure(pair, sent, when)

    def _client_stamps(self, earlier: _Exchange, request: _Exchange) -> None:
        """A request says when the reply to an earlier one came, if it is not random."""
        pair, near = earlier.pair, earlier.came
        # Interleaved, it repeats the departure of the earlier request; basic, that one told it.
        left = request.sent if request.origin == earlier.t2 else earlier.sent
        if not left or not request.received:
            return
        t1 = timestamps.to_unix_ns(left, near)
        t4 = timestamps.to_unix_ns(request.received, near)
        slack = _CLIENT_PRECISION_NS + self.resolution_ns
        slack += drift_allowance(near - earlier.passed, MAX_DRIFT_PPM)
        outside = (t4 - t1) - (earlier.came - earlier.passed)
        tap = tap_allowance_ns(earlier.way, outside)
        slack += tap
        if not -slack <= outside <= _HELD_MAX_NS:
            pair.note("requests with random stamps")
            return
        own = _CLIENT_PRECISION_NS + self.resolution_ns + tap
        self._book.add(pair, Clock.CLIENT, _sample(near, t4, t1, earlier.passed, own, earlier))
        earlier.t1_ns, earlier.t4_ns = t1, t4
        self._between(earlier)

    def _between(self, exchange: _Exchange) -> None:
        """All four stamps of the two hosts, where both have told theirs."""
        if not exchange.t3 or not exchange.t4_ns:
            return
        t2, t3 = (timestamps.to_unix_ns(each, exchange.came) for each in (exchange.t2, exchange.t3))
        if t3 >= t2:
            both = _CLIENT_PRECISION_NS + exchange.precision_ns
            sample = _sample(exchange.t1_ns, t2, t3, exchange.t4_ns, both, exchange)
            self._book.add(exchange.pair, Clock.BETWEEN, sample)

    def _client_departure(self, pair: Pair, sent: int, when: int) -> None:
        """A request of a client that keeps no state tells when it left, if it is not random: it is
        believed where it goes on as the capture's clock does."""
        if not sent:
            return
        ahead = timestamps.to_unix_ns(sent, when) - when
        key = pair.client, pair.server
        before = self._progress.take(key)
        self._progress.put(key, (ahead, when))
        if before is None:
            return
        allowed = SECOND // 2 + drift_allowance(when - before[1], 1_000.0)
        if abs(ahead - before[0]) <= allowed:
            pair.client_floor.add(ahead - self.resolution_ns, when)
        elif abs(ahead) > _DAY:
            pair.note("requests with random stamps")

    def _reply(self, when: int, datagram: Located) -> None:
        source, target, port, client_port, payload, way = datagram
        values = _HEADER.unpack_from(payload)
        precision, delay, dispersion, reference_id, _, origin, t2, t3 = values[-8:]
        key = target, client_port, source, port, origin
        exchange = self.requests.take(key)
        if exchange is None:
            self._stray(when, datagram)
            return
        pair = exchange.pair
        symmetric = payload[0] & 7 != Mode.SERVER
        if not symmetric:
            pair.seen(when, way, is_reply=True)
        exchange.is_interleaved = origin != exchange.sent
        other = exchange.sent if exchange.is_interleaved else exchange.received
        if other:
            self.requests.take((*key[:4], other))
        self._book.exchanged(pair)
        if len(payload) > HEADER_BYTES:
            _note_authentication(pair, payload)
        stratum, leap = payload[1], payload[0] >> 6
        pair.stratum = stratum
        if _is_kiss(pair, stratum, reference_id):
            return
        if leap == 3 or not 0 < stratum < 16:
            pair.note("replies of an unsynchronised server")
        pair.root_distance_ns = timestamps.from_short(delay) // 2 + timestamps.from_short(
            dispersion
        )
        exchange.came, exchange.came_way, exchange.t2 = when, way, t2
        exchange.precision_ns = timestamps.from_precision(precision)
        self._complete(exchange, t3)

    def _complete(self, exchange: _Exchange, t3: int) -> None:
        """The reply brings T2 of its exchange, and T3 of its own or of the one before."""
        pair = exchange.pair
        if exchange.is_interleaved:
            pair.interleaved += 1
            earlier = self._answered.get((pair.client, pair.server, exchange.origin))
            if earlier is not None and not earlier.t3 and t3:
                earlier.t3 = t3
                self._server_sample(earlier)
        else:
            exchange.t3 = t3
            self._server_sample(exchange)
            if t3:
                self._answered.put((pair.client, pair.server, t3), exchange)
        if exchange.t2 and exchange.t2 != exchange.t3:
            self._answered.put((pair.client, pair.server, exchange.t2), exchange)

    def _server_sample(self, exchange: _Exchange) -> None:
        pair, near = exchange.pair, exchange.came
        if not exchange.t2 or not exchange.t3:
            pair.note("replies with an empty timestamp")
            return
        t2, t3 = (timestamps.to_unix_ns(each, near) for each in (exchange.t2, exchange.t3))
        precision = self.resolution_ns + exchange.precision_ns
        held, span = t3 - t2, near - exchange.passed
        precision += tap_allowance_ns(exchange.came_way, span - held)
        slack = precision + drift_allowance(span, MAX_DRIFT_PPM)
        if not -precision <= held <= span + slack:
            pair.impossible += 1
            return
        sample = _sample(exchange.passed, t2, t3, near, precision, exchange)
        self._book.add(pair, Clock.SERVER, sample)
        self._between(exchange)

    def _stray(self, when: int, datagram: Located) -> None:
        if datagram.payload[0] & 7 != Mode.SERVER:
            return  # the first of a symmetric pair answers nothing that was seen
        self.unmatched += 1
        pair = self._book.find(Protocol.NTP, datagram.target, datagram.source)
        if pair is not None:
            pair.seen(when, datagram.way, is_reply=True)
            pair.note("replies to no request that was seen")

    def _broadcast(self, when: int, datagram: Located) -> None:
        pair = self._book.pair(Protocol.NTP, datagram.target, datagram.source)
        pair.seen(when, datagram.way, is_reply=True)
        pair.note("broadcasts")
        (sent,) = _HEADER.unpack_from(datagram.payload)[-1:]
        if sent:
            ahead = timestamps.to_unix_ns(sent, when) - when
            pair.server_floor.add(ahead - self.resolution_ns, when)


def _sample(t1: int, t2: int, t3: int, t4: int, precision_ns: int, exchange: _Exchange) -> Sample:
    return _make_sample(
        t1, t2, t3, t4, 0, 0, precision_ns, StampSource.KERNEL, exchange.is_interleaved
    )


def _is_kiss(pair: Pair, stratum: int, reference_id: int) -> bool:
    if stratum:
        return False
    code = printable(reference_id.to_bytes(4, "big"))
    if code in _NOT_YET:
        return False
    pair.note(f"kiss-o'-death {code}")
    return True


def _note_authentication(pair: Pair, payload: bytes) -> None:
    """What stands behind the header says how a packet is authenticated; it is in clear."""
    try:
        found = trailer.parse(payload[HEADER_BYTES:], payload[0] >> 3 & 7)
    except MalformedFrame:
        pair.note("packets with a malformed trailer")
        return
    if any(field.kind in _NTS_FIELDS for field in found.fields):
        pair.note("authenticated by NTS")
    if found.mac == trailer.CRYPTO_NAK:
        pair.note("crypto-NAK")
    elif len(found.mac) > trailer.KEY_ID_BYTES:
        pair.note("authenticated by a key")
