"""One server's clock followed for days, in bounded memory: its bound, and the likeliest offset.

The two are found apart, as in :mod:`clocksync.ntp.estimate`, whose reasoning holds here too:

- **The bound** is a set carried forward: what all samples so far allow, widened by
  ``max_drift * age`` and cut by each new one. It is one interval and the instant it is of. Where a
  new sample leaves nothing of it, a clock was stepped (or lies, or drifts faster than allowed): the
  set begins anew with that sample, and the caller is told by how much they miss each other.
- **The offset** is read off a line through the last samples. Queues only lengthen a path, so a
  sample counts by how little its delay exceeds the least (``1 / spread ** 2``); samples off the
  line by more than their spread count less still (Huber's weights). How far back the line reaches
  is decided by whether a line is what they follow: where the residuals keep their sign for too
  long (Wald and Wolfowitz's runs test, as chronyd does), the oldest are left out. So a steady
  oscillator is averaged over the whole window and one that wanders over as much as it allows.

The line moves the estimate within the bound and never the bound.
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from clocksync.ntp.association import Association
from clocksync.ntp.estimate import (
    SKEW_CLAIMED_BELOW_PPM,
    Estimate,
    feasible_skew,
    spread_of,
    unseen_sending_ns,
)
from clocksync.ntp.known import Known
from clocksync.ntp.sample import MAX_DRIFT_PPM, PHI_PPM, Sample
from clocksync.runtime.clocks import drift_allowance
from clocksync.runtime.interval import Interval
from clocksync.runtime.units import SECOND

WINDOW = 64
"""Samples a line is drawn through at the most."""
LINE_MIN = 4
"""Fewer samples make no line: the best of them speaks alone."""
LIVE = 2
"""Exchanges that may still become better known: the last one by the next interleaved answer."""
RUNS_Z = -1.96
"""A runs test below this says, with 97.5 %, that the residuals are no noise about a line."""
NEGLIGIBLE_NS = 10.0
"""Residuals below this are rounding, whatever their sign."""
HUBER = 1.5
"""Residuals beyond this many spreads count less."""
PACES = 2
"""So many gaps in a row at one pace are a drift and no steps."""
SKEW_POINTS = 16
"""Samples that the skew's bound is worked out from: it takes every pair of them."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A sample that excludes all that was known: a step."""

    gap_ns: int
    """By how much the intervals miss each other: the step was at least this large."""
    about_ns: int
    """The likeliest size, signed as offsets are: positive when their clock jumped ahead of ours
    (or ours fell back)."""
    rate_ppm: float | None = None
    """Where gaps follow each other at one pace they are no steps: so fast it drifts."""


@dataclass(frozen=True, slots=True)
class Line:
    """Where the samples lie: ``offset_ns`` at ``at_ns`` and from there ``slope_ppm``."""

    at_ns: int
    offset_ns: float
    slope_ppm: float
    jitter_ns: float
    """Root mean square of the residuals, the samples weighted as for the line."""
    count: int

    def at(self, time_ns: int) -> int:
        """The offset on the line."""
        return round(self.offset_ns + self.slope_ppm * (time_ns - self.at_ns) / 1e6)


class Track:
    """What the samples of one address say of its clock."""

    def __init__(self, max_drift_ppm: float = MAX_DRIFT_PPM, window: int = WINDOW) -> None:
        self.max_drift_ppm = max_drift_ppm
        self._settled: deque[Sample] = deque(maxlen=window)
        self._live: list[Sample] = []
        self._known: Known | None = None  # by the settled samples
        self._line: Line | None = None
        self._best: Sample | None = None
        self._begun: deque[tuple[int, int]] = deque(maxlen=PACES + 1)
        self._skew: tuple[float, float] | None = None
        self._skew_worked_out = False
        self._is_stale = False

    @property
    def last(self) -> Sample | None:
        """The newest sample."""
        return self._live[-1] if self._live else self._settled[-1] if self._settled else None

    @property
    def raw(self) -> Sample | None:
        """The better of the newest exchanges, unfiltered; a complete one if there is one."""
        complete = [s for s in self._live if s.interleaved]
        return min(complete or self._live, key=lambda s: s.delay_ns, default=self.last)

    def take(self, association: Association) -> Gap | None:
        """Take what is new; a gap where it excludes what was known, which is then forgotten."""
        for sample in association.retire(LIVE):
            self._settle(sample)
        self._live = sorted(association.samples, key=_when)
        found, gap = self._contradiction(), None
        while found is not None:
            place, missed_ns = found
            first = self._live[place]
            about_ns = first.offset_ns - self._expected(first.t4, place)
            gap = gap or Gap(missed_ns, about_ns, self._pace(first))
            self._settled.clear()
            self._known = self._line = None
            association.retire(len(self._live) - place)
            self._live = self._live[place:]
            found = self._contradiction()
        self._is_stale = True
        return gap

    def drop(self, association: Association) -> None:
        """Forget everything: what was measured says nothing of the clocks as they are now."""
        association.retire(0)
        self._settled.clear()
        self._live.clear()
        self._known = self._line = self._best = None

    def shift(self, association: Association, by: Interval) -> None:
        """Our clock was stepped by that much (uncertain within the interval): what is known of
        their clock stays known, told in ours as it is now."""
        for sample in association.retire(0):
            self._settle(sample)
        self._live.clear()
        middle = by.middle
        if self._known is not None:
            was = self._known.interval
            moved = Interval(was.earliest - by.latest, was.latest - by.earliest)
            self._known = Known(moved, self._known.as_of_ns + middle)
        self._begun.clear()
        told = [replace(s, t1=s.t1 + middle, t4=s.t4 + middle) for s in self._settled]
        self._settled.clear()
        self._settled.extend(told)
        self._is_stale = True

    def bound(self, at_ns: int) -> Interval | None:
        """True time minus our clock as of `at_ns`, if the server is honest."""
        known = self._known
        for sample in self._live:
            said = self._said(sample)
            known = said if known is None else known.cut(said, self.max_drift_ppm)
        return None if known is None else known.at(at_ns, self.max_drift_ppm)

    def estimate(self, at_ns: int) -> Estimate | None:
        """The offset with its bound as of `at_ns` by our clock; None without a sample."""
        if self._is_stale:  # worked out when somebody asks: answers are many, questions few
            self._fit()
        bound, best = self.bound(at_ns), self._best
        if bound is None or best is None:
            return None
        line = self._line
        if line is None:
            offset = best.offset_ns + unseen_sending_ns([best], best) // 2
        else:
            offset = line.at(at_ns)
        offset = min(max(offset, bound.earliest), bound.latest)
        error = max(bound.latest - offset, offset - bound.earliest, best.precision_ns)
        skew, reach = self._claimed_skew()
        return Estimate(
            offset_ns=offset,
            error_bound_ns=error,
            interval=Interval(offset - error, offset + error),
            delay_ns=best.delay_ns,
            jitter_ns=None if line is None else line.jitter_ns,
            skew_ppm=skew,
            skew_bound_ppm=reach,
            source=best.source,
            interleaved=best.interleaved,
        )

    def _said(self, sample: Sample) -> Known:
        return Known(sample.truth_within(self.max_drift_ppm), sample.t4)

    def _settle(self, sample: Sample) -> None:
        self._settled.append(sample)
        said = self._said(sample)
        self._known = said if self._known is None else self._known.cut(said, self.max_drift_ppm)

    def _contradiction(self) -> tuple[int, int] | None:
        """The first live sample that excludes what was known before it, and by how much."""
        known = self._known
        for place, sample in enumerate(self._live):
            said = self._said(sample)
            if known is not None:
                gap_ns = known.gap_to(said, self.max_drift_ppm)
                if gap_ns:
                    return place, gap_ns
                said = known.cut(said, self.max_drift_ppm)
            known = said
        return None

    def _expected(self, at_ns: int, place: int) -> int:
        if self._line is not None:
            return self._line.at(at_ns)
        before = [*self._settled, *self._live[:place]]
        return before[-1].offset_ns if before else 0

    def _pace(self, first: Sample) -> float | None:
        """The rate at which the samples that began anew follow each other, where they are on one
        line that is steeper than a clock may drift."""
        self._begun.append((first.t4, first.offset_ns))
        paces = [
            (later - offset) * 1e6 / max(1, then - at)
            for (at, offset), (then, later) in pairwise(self._begun)
        ]
        if len(paces) < PACES or min(paces) * max(paces) <= 0:
            return None
        slowest, fastest = sorted([abs(min(paces)), abs(max(paces))])
        steep = slowest > self.max_drift_ppm and fastest < 2 * slowest
        return sum(paces) / len(paces) if steep else None

    def _fit(self) -> None:
        self._is_stale = False
        samples = [*self._settled, *self._live]
        self._skew_worked_out = False
        if not samples:
            self._line = self._best = None
            return
        newest = samples[-1].t4
        self._best = min(
            samples, key=lambda s: s.delay_ns // 2 + drift_allowance(newest - s.t4, PHI_PPM)
        )
        self._line = fit(samples, self.max_drift_ppm)

    def _claimed_skew(self) -> tuple[float, float] | tuple[None, None]:
        """The skew of the line and how far it may be off, where that is little enough."""
        if not self._skew_worked_out:
            self._skew_worked_out, self._skew = True, self._bounded_skew()
        return self._skew or (None, None)

    def _bounded_skew(self) -> tuple[float, float] | None:
        if self._line is None:
            return None
        samples = [*self._settled, *self._live][-self._line.count :]
        least = min(sample.delay_ns for sample in samples)
        if least * 1e6 / max(1, samples[-1].t4 - samples[0].t4) > 4 * SKEW_CLAIMED_BELOW_PPM:
            return None
        found = feasible_skew(_tight(samples), self.max_drift_ppm)
        if found is None:
            return None
        slope = min(max(self._line.slope_ppm, found[0]), found[1])
        reach = max(found[1] - slope, slope - found[0])
        return (slope, reach) if reach < SKEW_CLAIMED_BELOW_PPM else None


def _when(sample: Sample) -> int:
    return sample.t4


def _tight(samples: Sequence[Sample]) -> list[Sample]:
    """Of each stretch of the samples the one with the least delay, in order."""
    size = -(-len(samples) // SKEW_POINTS)
    stretches = [samples[n : n + size] for n in range(0, len(samples), size)]
    return [min(stretch, key=lambda sample: sample.delay_ns) for stretch in stretches]


def fit(samples: Sequence[Sample], max_drift_ppm: float = MAX_DRIFT_PPM) -> Line | None:
    """The line through as many of the newest `samples` as follow one; None through too few."""
    line = None
    while len(samples) >= LINE_MIN:
        line, residuals = _through(samples, max_drift_ppm)
        if max(map(abs, residuals)) < NEGLIGIBLE_NS or not _keeps_its_sign(residuals):
            return line
        shorter = len(samples) - max(1, len(samples) // 4)
        if shorter < LINE_MIN:
            break
        samples = samples[-shorter:]
    return line


def _through(samples: Sequence[Sample], max_drift_ppm: float) -> tuple[Line, list[float]]:
    """Weighted least squares, reweighted twice by what the first line leaves."""
    newest = samples[-1]
    at, base = newest.t4, newest.offset_ns  # floats would lose nanoseconds of large numbers
    least = min(sample.delay_ns for sample in samples)
    unseen = unseen_sending_ns(samples, min(samples, key=lambda s: s.delay_ns)) // 2
    points = [((s.t4 - at) / SECOND, float(s.offset_ns - base)) for s in samples]
    spreads = [spread_of(sample, least) for sample in samples]
    weights = [1 / spread**2 for spread in spreads]
    level = slope = 0.0
    residuals: list[float] = []
    for _ in range(3):
        level, slope = _least_squares(points, weights, max_drift_ppm * 1e3)
        residuals = [y - level - slope * x for x, y in points]
        weights = [
            min(1.0, HUBER * spread / max(abs(residual), 1e-9)) / spread**2
            for residual, spread in zip(residuals, spreads, strict=True)
        ]
    squares = sum(w * residual**2 for w, residual in zip(weights, residuals, strict=True))
    jitter = math.sqrt(squares / sum(weights))
    return Line(at, base + level + unseen, slope / 1e3, jitter, len(samples)), residuals


def _least_squares(
    points: Sequence[tuple[float, float]], weights: Sequence[float], slope_max: float
) -> tuple[float, float]:
    """Level at x = 0 and slope, ns and ns a second, the slope within ± `slope_max`."""
    total = sum(weights)
    mean_x = sum(w * x for w, (x, _) in zip(weights, points, strict=True)) / total
    mean_y = sum(w * y for w, (_, y) in zip(weights, points, strict=True)) / total
    across = along = 0.0
    for weight, (x, y) in zip(weights, points, strict=True):
        across += weight * (x - mean_x) ** 2
        along += weight * (x - mean_x) * (y - mean_y)
    slope = along / across if across > 0 else 0.0
    slope = min(max(slope, -slope_max), slope_max)
    return mean_y - slope * mean_x, slope


def _keeps_its_sign(residuals: Sequence[float]) -> bool:
    """Whether there are too few changes of sign for noise (Wald and Wolfowitz 1940)."""
    above = sum(residual >= 0 for residual in residuals)
    below, count = len(residuals) - above, len(residuals)
    if not above or not below:
        return count > LINE_MIN
    runs = 1 + sum((one >= 0) != (other >= 0) for one, other in pairwise(residuals))
    product = 2 * above * below
    variance = product * (product - count) / (count * count * (count - 1))
    return variance > 0 and (runs - 1 - product / count) / math.sqrt(variance) < RUNS_Z
