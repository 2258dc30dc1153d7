"""One PTP master measured: a core that listens like a slave and steers nothing.

It promises samples whose bounds hold as those of NTP do: a Sync proves a lower end of *theirs minus
ours* (it left when the master says and cannot have come before), the answer to a delay request an
upper end. Together they are an exchange of four stamps, a
:class:`~clocksync.ntp.sample.Sample` whose request and answer come in the other order; all that
knows samples (estimate, selection) serves both protocols.

How: the first Announce from one of the master's addresses, in its domain, names the port that is
listened to. Right after a Sync is complete a Delay_Req leaves, as often as settings *and* master
allow; its Delay_Resp, matched by master, number and our identity, completes the exchange. The port
is given up for another one at the same address only when it has been silent for three of its
announce intervals. Messages from other addresses are noted and never used.

It assumes that corrections, which transparent clocks add, are right but for the rate of the clocks
that measure them. PTP over UDP authenticates
nothing: whoever can send in the master's name is believed.

Reference: IEEE 1588-2019 sections 9.5, 11.2 and 11.3 (delay request-response); RFC 9760, the
enterprise profile, for hybrid operation, where delay requests are unicast.
"""

import random
from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass, field
from enum import Enum
from typing import cast

from clocksync.ntp.sample import MAX_DRIFT_PPM, Sample
from clocksync.ptp.claims import Claims
from clocksync.ptp.codec import made
from clocksync.ptp.frames import (
    ALTERNATE_MASTER,
    CORRECTION_OVERFLOW,
    UNICAST,
    UNICAST_INTERVAL,
    Announce,
    DelayReq,
    DelayResp,
    FollowUp,
    PdelayReq,
    PortIdentity,
    PtpHeader,
    Sync,
)
from clocksync.ptp.place import EVENT_PORT
from clocksync.ptp.syncs import Departure, Syncs
from clocksync.runtime.clocks import drift_allowance
from clocksync.runtime.core import (
    Arrival,
    CancelTimer,
    Effects,
    Notify,
    Send,
    SetTimer,
    SilentCore,
    Stamp,
)
from clocksync.runtime.mmsg import Address
from clocksync.runtime.units import SECOND

INTERVALS_MISSED = 3
"""A master that misses so many announcements is silent (announceReceiptTimeout of the default
profile)."""
ANNOUNCE_INTERVAL_NS = 2 * SECOND
"""Until the master says its own: that of the default profile."""
_LOG_LIMITS = (-7, 6)
"""Intervals from 1/128 s to 64 s are believed; others are taken for the nearest of these."""
UNANSWERED_MAX = 3
"""A master that is heard to measure delays peer to peer is given up after so many requests."""


class Timer(Enum):
    """What a listener waits for, besides frames."""

    RESPONSE = "the answer to a delay request"
    PROGRESS = "anything that brings the measurement on"


class Unusable(Enum):
    """Why an answer of the master itself gives no sample."""

    NO_TIME = "its answer holds no time"
    IMPOSSIBLE = "its stamps say that a message arrived before it was sent"


@dataclass(frozen=True, slots=True)
class MasterSettled:
    """The listener `name` needs no more."""

    name: Hashable


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerSettings:
    """How to listen. Durations in ns."""

    samples: int = 8
    """Delay requests to send."""

    interval_ns: int = 0
    """At least so far apart; the master's own minimum holds besides."""

    timeout_ns: int = SECOND
    """How long to wait for one answer."""

    domain: int = 0
    hybrid: bool = False
    precision_ns: int = 1
    """Of the local clock."""

    max_drift_ppm: float = MAX_DRIFT_PPM


@dataclass(slots=True, eq=False)
class DelayExchange:
    """One delay request, the Sync before it, and what came of it."""

    sequence: int
    sync: Departure
    to_utc_ns: int
    asked_at: int
    departed: Stamp | None = None
    """Our own reading first, then the kernel's; that one may come after the answer."""
    received: int = 0
    """When the master says that the request came."""
    correction_ns: int = 0
    """What to take off that."""


@dataclass(slots=True)
class PtpListener(SilentCore):
    """Measures the master at one of `hosts`.

    Args:
        name: what timers, tags and events of this listener are called by.
        hosts: the addresses that are the master's.
        group: where delay requests go unless the settings say ``hybrid``.
        settings: how to listen.
        rng: where our clock identity comes from.
    """

    name: Hashable
    hosts: frozenset[str]
    group: Address
    settings: ListenerSettings
    rng: random.Random
    master: PortIdentity | None = None
    address: Address | None = None
    """Where its last Announce came from."""
    claims: Claims | None = None
    asked: int = 0
    answered: int = 0
    unusable: Counter[Unusable] = field(default_factory=Counter)
    finished: bool = False
    fell_silent: bool = False
    changed: list[str] = field(default_factory=list)
    """What became of the master meanwhile, in words."""
    strangers: int = 0
    """Messages in the master's name from addresses that are not its own."""
    others: dict[tuple[str, int], None] = field(default_factory=dict)
    """Addresses and domains of other masters that announce themselves (at most 16)."""
    peer_to_peer: bool = False
    """Whether the master was heard to measure the delay of its link peer to peer."""
    last_answer: Stamp | None = None
    syncs: Syncs = field(default_factory=Syncs)
    own: PortIdentity = field(init=False)
    _sequence: int = field(init=False)
    _exchange: DelayExchange | None = None
    _measured: list[DelayExchange] = field(default_factory=list)
    _asked_at: int | None = None
    _announced_at: int = 0
    _announce_interval_ns: int = ANNOUNCE_INTERVAL_NS
    _minimum_interval_ns: int = 0

    def __post_init__(self) -> None:
        self.own = PortIdentity(self.rng.getrandbits(64), 1)
        self._sequence = self.rng.getrandbits(16)

    @property
    def samples(self) -> list[Sample]:
        """What was measured, a sample an exchange."""
        return [self._sample(exchange) for exchange in self._measured]

    # Inputs

    def start(self, now: int) -> Effects:
        return self._progress()

    def on_frame(self, arrival: Arrival, now: int) -> Effects:
        frame = arrival.frame
        if self.finished or not isinstance(frame, PtpHeader) or frame.major_sdo_id:
            return []
        host = cast(Address, arrival.sender)[0].partition("%")[0]
        if host not in self.hosts or frame.domain != self.settings.domain:
            self._overhear(frame, host)
            return []
        if isinstance(frame, Announce):
            return self._on_announce(frame, cast(Address, arrival.sender), now)
        if isinstance(frame, PdelayReq):
            self.peer_to_peer = True
        if frame.source != self.master:
            return []
        if isinstance(frame, Sync):
            return self._on_departure(self.syncs.on_sync(frame, arrival.stamp), now)
        if isinstance(frame, FollowUp):
            return self._on_departure(self.syncs.on_follow_up(frame), now)
        if isinstance(frame, DelayResp):
            return self._on_delay_resp(frame, arrival.stamp)
        return []

    def on_sent(self, tag: Hashable, stamp: Stamp, now: int) -> Effects:
        cast(DelayExchange, cast(tuple[Hashable, object], tag)[1]).departed = stamp
        return []

    def on_timer(self, timer: Hashable, now: int) -> Effects:
        if self.finished:
            return []
        if cast(tuple[Hashable, Timer], timer)[1] is Timer.PROGRESS:
            self.fell_silent = self.master is not None
            return self.finish()
        self._exchange = None
        is_deaf = self.peer_to_peer and not self.answered and self.asked >= UNANSWERED_MAX
        return self.finish() if is_deaf else self._finish_if_through()

    def finish(self) -> Effects:
        """Ask no more: the time is up, or the user had enough."""
        if self.finished:
            return []
        self.finished = True
        timers = [CancelTimer((self.name, timer)) for timer in Timer]
        return [*timers, Notify(MasterSettled(self.name))]

    # What the master says

    def _overhear(self, frame: PtpHeader, host: str) -> None:
        """Others are of interest only to say whom we heard instead."""
        if host not in self.hosts and frame.domain == self.settings.domain:
            self.strangers += frame.source == self.master and not isinstance(frame, DelayReq)
        if isinstance(frame, Announce) and len(self.others) < 16:
            self.others[host, frame.domain] = None

    def _on_announce(self, announce: Announce, sender: Address, now: int) -> Effects:
        if announce.flags & ALTERNATE_MASTER or announce.steps_removed >= 255:
            return []
        if self.master is not None and announce.source != self.master:
            if now - self._announced_at <= INTERVALS_MISSED * self._announce_interval_ns:
                return []
            self.changed.append(f"its clock was {self.master} and is now {announce.source}")
            self._forget()
        before = self.claims
        if before is not None and before.announce.grandmaster != announce.grandmaster:
            self.changed.append("its grandmaster changed meanwhile")
        is_first = self.master is None
        self.master, self.address, self.claims = announce.source, sender, Claims(announce)
        self._announced_at = now
        self._announce_interval_ns = interval_ns(announce.log_interval)
        return self._progress() if is_first else []

    def _forget(self) -> None:
        """Another clock: nothing of the one before is of it."""
        self._measured.clear()
        self.master = self.claims = self._exchange = None
        self.syncs = Syncs()

    def _on_departure(self, departure: Departure | None, now: int) -> Effects:
        if departure is None or self._exchange is not None or self.claims is None:
            return []
        if self.asked >= self.settings.samples:
            return []
        wait_ns = self._wait_ns  # an eighth less: Syncs do not come quite on time
        if self._asked_at is not None and now - self._asked_at < wait_ns - wait_ns // 8:
            return []
        self.asked += 1
        self._asked_at = now
        self._sequence = (self._sequence + 1) & 0xFFFF
        exchange = DelayExchange(self._sequence, departure, self.claims.to_utc_ns, now)
        self._exchange = exchange
        request = self._request(departure.left)
        return [
            Send(self._destination(), request, tag=(self.name, exchange)),
            SetTimer((self.name, Timer.RESPONSE), self.settings.timeout_ns),
            *self._progress(),
        ]

    def _request(self, about: int) -> DelayReq:
        """Its timestamp is the time of the Sync just heard, which is within the second that the
        standard asks for (11.3.2), with a few nanoseconds drawn: they tell requests apart."""
        seconds, nanoseconds = divmod(max(0, about) + self.rng.randrange(1000), SECOND)
        request = made(
            DelayReq,
            domain=self.settings.domain,
            flags=UNICAST if self.settings.hybrid else 0,
            source_clock=self.own.clock,
            source_port=self.own.port,
            sequence=self._sequence,
            control=1,
            log_interval=UNICAST_INTERVAL,
            seconds_high=seconds >> 32 & 0xFFFF,
            seconds=seconds & 0xFFFFFFFF,
            nanoseconds=nanoseconds,
        )
        return cast(DelayReq, request)

    def _destination(self) -> Address:
        if self.settings.hybrid and self.address is not None:
            return self.address[0], EVENT_PORT
        return self.group

    def _on_delay_resp(self, response: DelayResp, arrived: Stamp) -> Effects:
        exchange = self._exchange
        if exchange is None or exchange.departed is None:
            return []
        if response.requester != self.own or response.sequence != exchange.sequence:
            return []
        self._exchange = None
        if response.log_interval != UNICAST_INTERVAL:
            self._minimum_interval_ns = interval_ns(response.log_interval)
        unusable = self._complete(exchange, response)
        if unusable is not None:
            self.unusable[unusable] += 1
        else:
            self.answered += 1
            self._measured.append(exchange)
            self.last_answer = arrived
        answered: Effects = [CancelTimer((self.name, Timer.RESPONSE))]
        return answered + (self._finish_if_through() or self._progress())

    def _complete(self, exchange: DelayExchange, response: DelayResp) -> Unusable | None:
        received = response.timestamp
        if received is None or response.correction == CORRECTION_OVERFLOW:
            return Unusable.NO_TIME
        exchange.received, exchange.correction_ns = received, response.correction >> 16
        sample = self._sample(exchange)
        drift = drift_allowance(sample.t4 - sample.t1, self.settings.max_drift_ppm)
        if sample.raw_delay_ns < -(sample.precision_ns + drift):
            return Unusable.IMPOSSIBLE
        return None

    def _sample(self, exchange: DelayExchange) -> Sample:
        """The Sync is the answer of the four stamps and came first; the request is the request."""
        sync, departed, arrived = exchange.sync, exchange.departed, exchange.sync.arrived
        assert departed is not None
        return Sample(
            t1=departed.time,
            t2=exchange.received - self._surely(exchange.correction_ns) + exchange.to_utc_ns,
            t3=sync.left + self._surely(sync.correction_ns) + exchange.to_utc_ns,
            t4=arrived.time,
            root_delay_ns=0,
            root_dispersion_ns=(self.claims and self.claims.accuracy_ns) or 0,
            precision_ns=self.settings.precision_ns + 1,  # theirs is that of their stamps: 1 ns
            source=departed.source.weaker(arrived.source),
            interleaved=False,
        )

    def _surely(self, correction_ns: int) -> int:
        """Of a correction, what holds whatever the rate of the clock that measured it: the rest
        counts as delay."""
        return correction_ns - drift_allowance(correction_ns, self.settings.max_drift_ppm)

    # Time

    @property
    def _wait_ns(self) -> int:
        return max(self.settings.interval_ns, self._minimum_interval_ns)

    def _progress(self) -> Effects:
        """Something came: wait for the next as long as it can take."""
        longest = max(self._announce_interval_ns, self._wait_ns, self.settings.timeout_ns)
        return [SetTimer((self.name, Timer.PROGRESS), INTERVALS_MISSED * longest)]

    def _finish_if_through(self) -> Effects:
        return self.finish() if self.asked >= self.settings.samples else []

    # Words

    @property
    def failure(self) -> str:
        """Why there is no sample."""
        if self.claims is None:
            return self._unannounced()
        if self.unusable:
            (worst, count), *_ = self.unusable.most_common(1)
            return worst.value + (f" ({count} times)" if count > 1 else "")
        if self.asked:
            words = f"no answer to {self.asked} delay request{'s' * (self.asked != 1)}"
            if self.peer_to_peer:
                words += ": it measures delays peer to peer (P2P), which is not spoken here"
            return words
        if self.syncs.unusable:
            return "its Syncs hold no time"
        if self.syncs.heard:
            return "its Syncs are not followed by the Follow_Up that they promise"
        return "it announces itself, but sends no Sync"

    def _unannounced(self) -> str:
        seconds = INTERVALS_MISSED * self._announce_interval_ns / SECOND
        words = f"no Announce from it in domain {self.settings.domain} within {seconds:g} s"
        if self.others:
            there = [f"{host} in domain {domain}" for host, domain in self.others]
            words += f"; heard: {', '.join(there[:4])}"
        return words


def interval_ns(log_interval: int) -> int:
    """A logMessageInterval in ns, within what is believed.

    >>> interval_ns(-3), interval_ns(127)
    (125000000, 64000000000)
    """
    lowest, highest = _LOG_LIMITS
    log = min(max(log_interval, lowest), highest)
    return SECOND << log if log >= 0 else SECOND >> -log
