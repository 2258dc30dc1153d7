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
from collections import Counter
from dataclasses import dataclass, field

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

OUTSTANDING_MAX = 64
"""Requests remembered that may still be answered; the oldest beyond that are given up."""


@dataclass(slots=True, eq=False)
class Exchange:
    """One request and what came of it."""

    cookie: int
    receive_cookie: int
    previous: "Exchange | None"
    departed: Stamp | None = None
    """When the request left: our own reading, then the kernel's, which replaces it."""
    arrived: Stamp | None = None
    packet: NtpPacket | None = None
    place: int | None = None
    """Where its sample is in the association's list."""


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
    samples: list[Sample] = field(default_factory=list)
    rejections: Counter[Rejection] = field(default_factory=Counter)
    standings: Counter[Standing] = field(default_factory=Counter)
    _outstanding: dict[int, Exchange] = field(default_factory=dict)
    _by_receive_cookie: dict[int, Exchange] = field(default_factory=dict)
    _latest: Exchange | None = None

    def request(self, basic: bool = False) -> tuple[NtpPacket, Exchange]:
        """The next request, and the exchange it opens, whose ``departed`` the caller keeps up.

        `basic` does not ask for interleaved mode: the answer then tells of itself, at once."""
        cookie, second = self._cookie(), 0
        latest = self._latest if self.interleaved and not basic else None
        origin = 0
        if latest is not None and latest.packet is not None:
            second = self._cookie()
            origin = latest.packet.receive_timestamp
        exchange = Exchange(cookie, second, latest)
        self._outstanding[cookie] = exchange
        if second:
            self._by_receive_cookie[second] = exchange
        if len(self._outstanding) > OUTSTANDING_MAX:
            self.give_up(next(iter(self._outstanding)))
        self.asked += 1
        packet = NtpPacket(
            version=self.version,
            mode=3,
            origin_timestamp=origin,
            receive_timestamp=second,
            transmit_timestamp=cookie,
        )
        return packet, exchange

    def give_up(self, cookie: int) -> bool:
        """No longer wait for an answer; whether we were waiting."""
        exchange = self._outstanding.pop(cookie, None)
        if exchange is None:
            return False
        self._by_receive_cookie.pop(exchange.receive_cookie, None)
        return exchange.packet is None

    def is_waiting_for(self, cookie: int) -> bool:
        """Whether that request is still unanswered."""
        exchange = self._outstanding.get(cookie)
        return exchange is not None and exchange.packet is None

    def is_waiting(self) -> bool:
        """Whether any request is still unanswered."""
        return any(exchange.packet is None for exchange in self._outstanding.values())

    def on_reply(self, packet: NtpPacket, arrived: Stamp) -> Verdict:
        """Judge a packet that came from the server's address; keep the sample it yields."""
        rejection = check_shape(packet, self.version)
        if rejection:
            return self._reject(rejection)
        exchange = self._outstanding.get(packet.origin_timestamp)
        in_interleaved = False
        if exchange is None and packet.origin_timestamp:
            exchange = self._by_receive_cookie.get(packet.origin_timestamp)
            in_interleaved = exchange is not None
        if exchange is None:
            return self._reject(Rejection.WRONG_ORIGIN)
        if exchange.packet is not None:
            return self._reject(Rejection.DUPLICATE)
        if exchange.departed is None:  # an answer before we sent: only a forger who guesses
            return self._reject(Rejection.WRONG_ORIGIN)
        server_is = standing(packet)
        if server_is is Standing.KISS:
            exchange.packet = packet
            self.standings[server_is] += 1
            return Verdict(
                False, standing=server_is, kiss=kiss_code(packet), cookie=exchange.cookie
            )
        if server_is is Standing.GOOD:
            rejection = check_claims(packet)
            if rejection is None:
                rejection = self._keep(exchange, packet, arrived, in_interleaved)
            if rejection:
                exchange.packet = packet
                return self._reject(rejection, exchange.cookie)
        exchange.packet, exchange.arrived = packet, arrived
        if server_is is Standing.GOOD and in_interleaved:
            self._complete(exchange.previous, packet.transmit_timestamp)
        exchange.previous = None  # or a long association would never free its first exchange
        self.answered += 1
        self.standings[server_is] += 1
        self._latest, self.last = exchange, packet
        return Verdict(True, standing=server_is, cookie=exchange.cookie)

    def _keep(
        self, exchange: Exchange, packet: NtpPacket, arrived: Stamp, in_interleaved: bool
    ) -> Rejection | None:
        """A sample at once. An interleaved answer tells its own departure only with the next one:
        until then all that is sure is that it left after the request came, and the sample counts
        the server's time as delay. Its bound holds, it is only wider."""
        assert exchange.departed is not None
        departure = packet.receive_timestamp if in_interleaved else packet.transmit_timestamp
        sample = self._sample(packet, exchange.departed, departure, arrived, False)
        if sample.t3 < sample.t2:
            return Rejection.BACKWARDS
        if sample.raw_delay_ns < -sample.precision_ns:
            return Rejection.IMPOSSIBLE_DELAY
        exchange.place = len(self.samples)
        self.samples.append(sample)
        return None

    def _complete(self, earlier: Exchange | None, departure: int) -> None:
        """An interleaved answer told the measured departure of an earlier one."""
        if earlier is None or earlier.place is None:
            return
        assert earlier.packet is not None
        assert earlier.departed is not None
        assert earlier.arrived is not None
        sample = self._sample(earlier.packet, earlier.departed, departure, earlier.arrived, True)
        # A departure that does not fit between the two stamps around it is not of that answer
        # (a server that mixed up its clients); the sample there was stays.
        if sample.t3 < sample.t2 or sample.raw_delay_ns < -sample.precision_ns:
            return
        self.samples[earlier.place] = sample

    def _sample(
        self, packet: NtpPacket, departed: Stamp, departure: int, arrived: Stamp, interleaved: bool
    ) -> Sample:
        source = departed.source.weaker(arrived.source)
        # The second stamp of an interleaved answer is the server's; ours decide how good we are.
        return make_sample(
            packet, departed.time, departure, arrived.time, self.precision_ns, source, interleaved
        )

    def _reject(self, rejection: Rejection, cookie: int = 0) -> Verdict:
        self.rejections[rejection] += 1
        return Verdict(False, rejection=rejection, cookie=cookie)

    def _cookie(self) -> int:
        while True:
            cookie = self.rng.getrandbits(64)
            if cookie and cookie not in self._outstanding:
                return cookie
