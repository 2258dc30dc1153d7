"""One client association: what was asked of a server, and what its answers are worth.

Pure bookkeeping, no timers and no effects: :mod:`clocksync.measuring.prober` decides when to ask.
The transmit field of a request is a random cookie and nothing else; the true send time stays with
us (RFC 9109 and the data minimisation it refers to), so an answer that does not echo the cookie is
not ours, whatever else it says.

Interleaved mode (RFC 9769, client/server): in basic mode the server must write its transmit stamp
*before* the packet leaves; in interleaved mode each answer carries the measured departure of the
answer before. A request asks for it by giving the receive stamp of the last answer as its origin
and a second random cookie as its receive field. If the answer echoes the second cookie, its
transmit stamp belongs to that earlier exchange and completes its sample; if it echoes the first,
the server does not speak it and nothing is lost.
"""

import random
from collections import Counter, deque
from dataclasses import dataclass, field

from clocksync.ntp import timestamps
from clocksync.ntp.checks import (
    Rejection,
    Standing,
    check_claims,
    check_shape,
    standing,
)
from clocksync.ntp.packet import NtpPacket, kiss_code
from clocksync.ntp.sample import Sample, make_sample
from clocksync.runtime.core import Stamp
from clocksync.runtime.records import maker
from clocksync.runtime.units import SECOND

REMEMBERED_MAX = 64
"""Requests that were answered, and others that were given up, whose cookies are still known: so
that a duplicate and a late answer are told from a forgery."""
COOKIE_BITS = 64
_COOKIE_MASK = (1 << COOKIE_BITS) - 1

_make_packet = maker(NtpPacket)


@dataclass(slots=True, eq=False)
class Exchange:
    """One request and what came of it."""

    cookie: int
    receive_cookie: int
    previous: "Exchange | None"
    asked_at: int = 0
    """The asker's monotonic time, for its time-out."""
    departed: Stamp | None = None
    """When the request left: our own reading, then the kernel's, which replaces it."""
    sending_ns: int = 0
    """How long our side took to send it, from our own reading to the kernel's; 0 unknown."""
    arrived: Stamp | None = None
    packet: NtpPacket | None = None
    departure: int = 0
    """T3, an NTP timestamp: what the answer says of itself, until a later one knows better."""
    interleaved: bool = False
    """Whether ``departure`` came from a later answer."""

    def left(self, stamp: Stamp) -> None:
        """The request left at `stamp`: said by our own reading, then by the kernel's if it can."""
        if self.departed is not None and self.departed.source is not stamp.source:
            self.sending_ns = max(0, stamp.time - self.departed.time)
        self.departed = stamp


@dataclass(slots=True)
class Verdict:
    """What one incoming packet turned out to be."""

    accepted: bool
    rejection: Rejection | None = None
    standing: Standing | None = None
    kiss: str = ""
    cookie: int = 0
    """Of the request it answers."""


@dataclass(slots=True)
class Association:
    """The exchanges with one server address.

    Args:
        rng: where cookies come from; on a network it must be unpredictable
            (``UnpredictableRandom``).
        version: NTP version of the requests, 3 or 4.
        precision_ns: precision of the local clock.
        interleaved: whether to ask for interleaved mode.
    """

    rng: random.Random
    version: int = 4
    precision_ns: int = 1
    interleaved: bool = True
    asked: int = 0
    answered: int = 0
    last: NtpPacket | None = None
    """The last accepted reply, for its claims (stratum, leap, ...)."""
    waiting: int = 0
    """Requests still unanswered."""
    good: int = 0
    """Replies accepted of a server in good standing."""
    rejections: Counter[Rejection] = field(default_factory=Counter)
    standings: Counter[Standing] = field(default_factory=Counter)
    _outstanding: dict[int, Exchange] = field(default_factory=dict)
    _by_receive_cookie: dict[int, Exchange] = field(default_factory=dict)
    _answered: deque[int] = field(default_factory=deque)
    _given_up: deque[int] = field(default_factory=lambda: deque(maxlen=2 * REMEMBERED_MAX))
    _measured: list[Exchange] = field(default_factory=list)
    _latest: Exchange | None = None

    @property
    def samples(self) -> list[Sample]:
        """What was measured, a sample an exchange, in the order of the answers. Made anew at each
        call: an exchange is better known when the next one is through."""
        return [self.sample_of(exchange) for exchange in self._measured]

    @property
    def outstanding(self) -> list[int]:
        """The cookies of all requests that are still unanswered."""
        return [cookie for cookie, e in self._outstanding.items() if e.packet is None]

    def retire(self, keep: int) -> list[Sample]:
        """The samples of all but the last `keep` exchanges, which are then forgotten: what keeps
        an association of many days small. A later answer no longer makes them better."""
        count = max(0, len(self._measured) - keep)
        old, self._measured = self._measured[:count], self._measured[count:]
        return [self.sample_of(exchange) for exchange in old]

    def echoes(self, packet: NtpPacket) -> bool:
        """Whether that packet answers a request of ours, as far as it says."""
        origin = packet.origin_timestamp
        return origin in self._outstanding or origin in self._by_receive_cookie

    def request(self, basic: bool = False) -> tuple[NtpPacket, Exchange]:
        """The next request, and the exchange it opens; the caller tells that one when it left.

        `basic` does not ask for interleaved mode: the answer then tells of itself, at once."""
        cookie, second = self._cookies()
        latest = self._latest if self.interleaved and not basic else None
        if latest is not None and latest.packet is not None:
            origin = latest.packet.receive_timestamp
        else:
            origin = second = 0
        exchange = Exchange(cookie, second, latest)
        self._outstanding[cookie] = exchange
        if second:
            self._by_receive_cookie[second] = exchange
        self.asked += 1
        self.waiting += 1
        packet = _make_packet(
            version=self.version,
            mode=3,
            origin_timestamp=origin,
            receive_timestamp=second,
            transmit_timestamp=cookie,
        )
        return packet, exchange

    def give_up(self, cookie: int) -> bool:
        """No longer wait for an answer; whether we were waiting."""
        if not self.is_waiting_for(cookie):
            return False
        exchange = self._forget(cookie)
        self._given_up += (cookie, exchange.receive_cookie)
        self.waiting -= 1
        return True

    def _forget(self, cookie: int) -> Exchange:
        exchange = self._outstanding.pop(cookie)
        self._by_receive_cookie.pop(exchange.receive_cookie, None)
        return exchange

    def give_up_before(self, asked_at: int) -> int | None:
        """No longer wait for requests asked until then; when the oldest of the others was asked,
        None where there is none."""
        waiting = [e for e in self._outstanding.values() if e.packet is None]
        for exchange in waiting:
            if exchange.asked_at > asked_at:
                return exchange.asked_at
            self.give_up(exchange.cookie)
        return None

    def find(self, origin: int) -> Exchange | None:
        """The request that an answer with this origin timestamp answers, if it is known."""
        return self._outstanding.get(origin) or self._by_receive_cookie.get(origin)

    def is_waiting_for(self, cookie: int) -> bool:
        """Whether that request is still unanswered."""
        exchange = self._outstanding.get(cookie)
        return exchange is not None and exchange.packet is None

    def on_reply(self, packet: NtpPacket, arrived: Stamp) -> Verdict:
        """Judge a packet that came from the server's address; keep the sample it yields."""
        rejection = check_shape(packet, self.version)
        if rejection:
            return self._reject(rejection)
        origin, in_interleaved = packet.origin_timestamp, False
        exchange = self._outstanding.get(origin)
        if exchange is None and origin:
            exchange = self._by_receive_cookie.get(origin)
            in_interleaved = exchange is not None
        if exchange is None:
            known = origin and origin in self._given_up
            return self._reject(Rejection.LATE if known else Rejection.WRONG_ORIGIN)
        if exchange.packet is not None:
            return self._reject(Rejection.DUPLICATE)
        if exchange.departed is None:  # an answer before we sent: only a forger who guesses
            return self._reject(Rejection.WRONG_ORIGIN)
        exchange.packet, exchange.arrived = packet, arrived
        self.waiting -= 1
        self._answered.append(exchange.cookie)
        if len(self._answered) > REMEMBERED_MAX:
            self._forget(self._answered.popleft())
        server_is = standing(packet)
        if server_is is Standing.KISS:
            self.standings[server_is] += 1
            return Verdict(
                False, standing=server_is, kiss=kiss_code(packet), cookie=exchange.cookie
            )
        if server_is is Standing.GOOD:
            rejection = check_claims(packet) or self._keep(exchange, packet, in_interleaved)
            if rejection:
                return self._reject(rejection, exchange.cookie)
            if in_interleaved:
                self._complete(exchange.previous, packet.transmit_timestamp)
            self.good += 1
        exchange.previous = None  # or a long association would never free its first exchange
        self.answered += 1
        self.standings[server_is] += 1
        self._latest, self.last = exchange, packet
        return Verdict(True, standing=server_is, cookie=exchange.cookie)

    def _keep(
        self, exchange: Exchange, packet: NtpPacket, in_interleaved: bool
    ) -> Rejection | None:
        """A sample at once. An interleaved answer tells its own departure only with the next one:
        until then all that is sure is that it left after the request came, and the sample counts
        the server's time as delay. Its bound holds, it is only wider."""
        departure = packet.receive_timestamp if in_interleaved else packet.transmit_timestamp
        rejection = self._impossible(exchange, departure)
        if rejection is None:
            exchange.departure = departure
            self._measured.append(exchange)
        return rejection

    def _complete(self, earlier: Exchange | None, departure: int) -> None:
        """An interleaved answer told the measured departure of an earlier one.

        A departure that does not fit between the two stamps around it is not of that answer (a
        server that mixed up its clients): the sample stays what it was."""
        if earlier is None or not earlier.departure or self._impossible(earlier, departure):
            return
        earlier.departure, earlier.interleaved = departure, True

    def _impossible(self, exchange: Exchange, departure: int) -> Rejection | None:
        """Whether a server that answered honestly could have stamped so. Within the precision of
        both clocks anything goes: that is a coarse clock, no lie."""
        packet, departed, arrived = _stamps(exchange)
        held = timestamps.difference(departure, packet.receive_timestamp)
        held_ns = held * SECOND >> 32
        delay_ns = arrived.time - departed.time - held_ns
        if held_ns >= 0 <= delay_ns:  # nearly always, whatever the precision
            return None
        slack_ns = self.precision_ns + timestamps.from_precision(packet.precision)
        if held_ns < -slack_ns:
            return Rejection.BACKWARDS
        return Rejection.IMPOSSIBLE_DELAY if delay_ns < -slack_ns else None

    def sample_of(self, exchange: Exchange) -> Sample:
        """What an accepted answer to that request says, by all that is known of it now."""
        packet, departed, arrived = _stamps(exchange)
        return make_sample(
            packet,
            departed.time,
            exchange.departure,
            arrived.time,
            self.precision_ns,
            # Ours decide how good we are; an interleaved answer's stamps are the server's affair.
            departed.source
            if departed.source is arrived.source
            else departed.source.weaker(arrived.source),
            exchange.interleaved,
            exchange.sending_ns,
        )

    def _reject(self, rejection: Rejection, cookie: int = 0) -> Verdict:
        self.rejections[rejection] += 1
        return Verdict(False, rejection=rejection, cookie=cookie)

    def _cookies(self) -> tuple[int, int]:
        """Two fresh cookies, different and not zero, from one draw."""
        while True:
            drawn = self.rng.getrandbits(2 * COOKIE_BITS)
            cookie, second = drawn >> COOKIE_BITS, drawn & _COOKIE_MASK
            known = cookie in self._outstanding or second in self._outstanding
            if cookie and second and cookie != second and not known:
                return cookie, second


def _stamps(exchange: Exchange) -> tuple[NtpPacket, Stamp, Stamp]:
    """Of an exchange that was answered: the answer, and our stamps around it."""
    assert exchange.packet is not None
    assert exchange.departed is not None
    assert exchange.arrived is not None
    return exchange.packet, exchange.departed, exchange.arrived
