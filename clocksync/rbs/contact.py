"""One receiver's dealings with another: its reports, and two-way exchanges that bound its clock.

**What the bound rests on.** How far apart a broadcast arrives at two receivers is bounded by
nothing: a queue before one of them can be as long as it likes. So broadcasts give an estimate, and
the bound comes from probes there and back (:mod:`clocksync.peers.twoway`): each proves an interval
for the other's clock, whatever the paths' asymmetry (Cristian 1989), and all of them together
their intersection, widened by what the clocks may drift apart in between.

**The bias.** A switch hands a multicast to its ports one after the other: a receiver that is late
in that order hears every broadcast late, and no averaging shows it. Probes go both ways through
the same ports. Of each burst the exchange of least delay is compared with the line through the
broadcasts at that instant; the median of the differences is the bias.

**Restarts.** A receiver that starts again may have another clock. Its reports carry an *epoch*,
and the number of a probe carries the epoch of whom it asks, who answers for no other: so no
exchange with one clock is ever taken for one with its successor.
"""

from collections import deque
from dataclasses import dataclass, field

from clocksync.ntp.known import Known
from clocksync.ntp.sample import Sample
from clocksync.peers.frames import Echo, Probe
from clocksync.peers.twoway import Asker, ProbeLeft
from clocksync.rbs.fit import Fit, fit, middle_of
from clocksync.rbs.hearing import READING_MAX, Heard, span_of
from clocksync.rbs.relation import Relation
from clocksync.runtime.clocks import drift_allowance
from clocksync.runtime.core import Send, Stamp
from clocksync.runtime.interval import Interval

BURST = 8
"""Exchanges in a row: the paths are warm, and the fastest of them is nearly symmetric."""
BURSTS_MAX = 64
"""Bursts that are remembered."""
BURSTS_LEAST, POINTS_LEAST = 4, 16
"""How many bursts, and broadcasts at the same time, are compared for the bias at the least."""
EPOCH_BITS, ID_BITS, COUNT_BITS = 24, 16, 24
_DRAW = (1 << COUNT_BITS - 1) - 1


def probe_number(asked_epoch: int, asker: int, asker_epoch: int) -> int:
    """The number of the first probe from one to another; the next ones count on from it.

    No other sender's are the same, nor, but for one in eight million, those of our predecessor
    that died: so an answer to that one is none to us.
    """
    low = asked_epoch & (1 << EPOCH_BITS) - 1
    return low << ID_BITS + COUNT_BITS | asker << COUNT_BITS | asker_epoch & _DRAW


def is_for(probe: Probe, epoch: int) -> bool:
    """Whether a probe asks the clock of that epoch."""
    return probe.number >> ID_BITS + COUNT_BITS == epoch & (1 << EPOCH_BITS) - 1


@dataclass(slots=True)
class Proven:
    """Where the other's clock is: the intersection of all that exchanges prove."""

    max_drift_ppm: float
    known: Known | None = None

    @property
    def interval(self) -> Interval | None:
        """As of `as_of`; None: there was no exchange yet."""
        return None if self.known is None else self.known.interval

    @property
    def as_of(self) -> int:
        """Our reading at the last exchange."""
        return 0 if self.known is None else self.known.as_of_ns

    def add(self, sample: Sample) -> bool:
        """Take an exchange into account; False if it contradicts those before it, and then it
        alone counts: a clock was set, or somebody lies."""
        said = Known(sample.path_within(self.max_drift_ppm), sample.t4)
        before = said if self.known is None else self.known
        self.known = before.cut(said, self.max_drift_ppm)
        return not before.gap_to(said, self.max_drift_ppm)


@dataclass(slots=True)
class Contact:
    """What we know of another receiver, first-hand.

    Args:
        epoch: of its clock.
        number: of our first probe (:func:`probe_number`).
    """

    peer: int
    epoch: int
    number: int
    precision_ns: int
    max_drift_ppm: float
    heard: Heard = field(default_factory=Heard)
    bursts: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=BURSTS_MAX))
    """Our reading, and the other's minus it: the fastest exchange of each burst."""
    contradictions: int = 0
    impossible: int = 0
    asker: Asker = field(init=False)
    proven: Proven = field(init=False)
    since: int | None = None
    """Our reading before which nothing counts any more: a clock was set."""
    _asked: int = 0
    _asked_ever: int = 0

    def __post_init__(self) -> None:
        self.asker = Asker(self.peer, self.number, self.precision_ns)
        self.proven = Proven(self.max_drift_ppm)

    # Two-way exchanges

    def begin(self) -> Send:
        """Begin a burst, ending one that got stuck."""
        self.conclude()
        return self._ask()

    def on_sent(self, tag: ProbeLeft, stamp: Stamp) -> None:
        """A probe left."""
        self.asker.on_sent(tag, stamp)

    def on_echo(self, echo: Echo, stamp: Stamp) -> Send | None:
        """An answer came: the next probe of the burst, if there is one."""
        if not self.asker.on_echo(echo, stamp):
            return None
        # One more than the burst has: the last answer tells when the one before it left.
        if self._asked <= BURST:
            return self._ask()
        self.conclude()
        return None

    def conclude(self) -> None:
        """End the burst and see what came of it."""
        samples = self.asker.samples  # each was begun when the one before was through
        self.asker.forget()
        self._asked = 0
        samples = [sample for sample in samples if self._can_be(sample)]
        for sample in samples:
            if sample.t4 < self.proven.as_of:  # our own clock was set back
                self.proven.known = None
                self.contradictions += 1
                self._begin_anew(sample.t1)
            if not self.proven.add(sample):
                self.contradictions += 1
                self._begin_anew(sample.t1)
        # Only where both departures are known is the middle more than a guess.
        exact = [sample for sample in samples if sample.interleaved]
        best = min(exact, key=lambda sample: sample.delay_ns, default=None)
        if best is not None:
            self.bursts.append((best.t4, best.offset_ns))

    def _ask(self) -> Send:
        self._asked += 1
        self._asked_ever += 1
        if self._asked_ever == _DRAW:  # half a day of it: begin again with the first
            self.asker, self._asked_ever = Asker(self.peer, self.number, self.precision_ns), 1
        return self.asker.ask()

    def _can_be(self, sample: Sample) -> bool:
        readings = (sample.t1, sample.t2, sample.t3, sample.t4)
        if max(map(abs, readings)) > READING_MAX:
            self.impossible += 1
            return False
        return True

    def _begin_anew(self, since: int) -> None:
        self.bursts.clear()
        self.heard.stamps.clear()
        self.since = since

    # What comes of it

    def matched(self, ours: Heard) -> list[tuple[int, int]]:
        """What both of us heard: our reading, and theirs minus ours."""
        return ours.matched(self.heard, self.since)

    def relation(
        self, me: int, ours: Heard, window: int, arrival_spread_ns: int | None
    ) -> Relation | None:
        """The other's clock and ours, from the latest `window` broadcasts; None while there is no
        bound.

        With `arrival_spread_ns`, it is assumed that a broadcast reaches both within that time,
        and the bound comes from this alone.
        """
        points = self.matched(ours)
        latest = points[-window:]
        if arrival_spread_ns is None:
            interval, as_of = self.proven.interval, self.proven.as_of
        else:
            interval, as_of = _within(latest, arrival_spread_ns, self.max_drift_ppm)
        if interval is None:
            return None
        line, bias, error = None, None, None
        if latest:
            # The latest M give the offset; the slope, which hardly changes, comes from all.
            whole = fit(points)
            line = fit(latest).along(whole)
            bias, error = self._bias(points, latest, whole)
            offset = line.value(as_of) - (bias or 0)
        else:
            offset = self.bursts[-1][1] if self.bursts else interval.middle
        return Relation(
            a=me,
            b=self.peer,
            epoch_b=self.epoch,
            as_of=as_of,
            interval=interval,
            offset_ns=min(max(offset, interval.earliest), interval.latest),
            skew_ppm=None if line is None or line.slope is None else line.slope * 1e6,
            standard_error_ns=_together(line, as_of, error if self.bursts else 0.0),
            broadcasts=0 if line is None else line.used,
            rejected=0 if line is None else line.rejected,
            bias_ns=bias,
        )

    def _bias(
        self, points: list[tuple[int, int]], latest: list[tuple[int, int]], whole: Fit
    ) -> tuple[int | None, float | None]:
        """How much later broadcasts come to the other than to us, ns, and its standard error: at
        the time of the latest, because it wanders with the load of switches and hosts."""
        first, last = span_of(points)
        bursts = [burst for burst in self.bursts if first <= burst[0] <= last]
        if len(bursts) < BURSTS_LEAST:
            bursts = list(self.bursts)
        if not bursts:
            return None, None
        recent = [burst for burst in bursts if burst[0] >= latest[0][0]]
        compared = recent if len(recent) >= BURSTS_LEAST else bursts[-BURSTS_LEAST:]
        during = [point for point in points if point[0] >= compared[0][0]]
        line = fit(during if len(during) >= POINTS_LEAST else points[-POINTS_LEAST:]).along(whole)
        return middle_of([line.value(at) - offset for at, offset in compared])


def _within(
    points: list[tuple[int, int]], spread_ns: int, max_drift_ppm: float
) -> tuple[Interval | None, int]:
    """Where the other's clock is if every broadcast reached both within `spread_ns`; None where
    it cannot have."""
    interval: Interval | None = None
    as_of = max((at for at, _ in points), default=0)
    for at, offset in points:
        reach = spread_ns + drift_allowance(as_of - at, max_drift_ppm)
        proven = Interval.around(offset, reach)
        interval = proven if interval is None else interval & proven
        if interval is None:
            return None, as_of
    return interval, as_of


def _together(line: Fit | None, at: int, error: float | None) -> float | None:
    own = None if line is None else line.error(at)
    return None if own is None or error is None else float((own**2 + error**2) ** 0.5)
