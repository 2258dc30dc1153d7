"""From the samples of one server to one offset with its bound.

The bound and the estimate are found in different ways, on purpose:

- **The bound** assumes as little as it can. Every sample proves an interval that contained the
  offset when it was taken; since then it may have moved by ``max_drift * age``. The offset now lies
  in the intersection of all those widened intervals. If they do not intersect, a clock was stepped
  or the server lies: that is :class:`Contradiction`, never a negative width.
- **The estimate** within it is the likeliest point. Queueing only ever lengthens a path, so the
  samples of least delay are the most symmetric ones (Mills' clock filter, RFC 5905 section 10).
  Where the samples span enough time to pin the skew, a weighted Theil-Sen line is followed to the
  present; otherwise the sample of least delay and age speaks alone.

The skew's own bound is exact under a constant rate: a line of slope s passes through all intervals
if and only if every pair of them allows s, so the feasible slopes are an intersection over pairs.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter

from clocksync.ntp.sample import MAX_DRIFT_PPM, PHI_PPM, Sample
from clocksync.runtime.clocks import drift_allowance
from clocksync.runtime.core import StampSource
from clocksync.runtime.interval import Interval
from clocksync.runtime.records import maker

SKEW_CLAIMED_BELOW_PPM = 100.0
"""A skew is reported once it is bounded below this."""
SENDING_MAX_NS = 5_000
"""A server is not assumed to take longer than this between its transmit stamp and the wire."""
_PAIRS_MAX = 2_000
"""Pairs of samples looked at for the skew; long series are thinned to stay below."""
_in_order = attrgetter("t4")
_make_interval = maker(Interval)


@dataclass(frozen=True, slots=True)
class Estimate:
    """One server's clock as of one instant. Durations in ns; positive offset: our clock is behind.

    ``interval`` contains true time minus our clock if the assumptions hold; ``offset_ns`` lies in
    it and ``error_bound_ns`` is its distance to the farther end.
    """

    offset_ns: int
    error_bound_ns: int
    interval: Interval
    delay_ns: int
    jitter_ns: float | None
    skew_ppm: float | None
    skew_bound_ppm: float | None
    source: StampSource
    interleaved: bool


@dataclass(frozen=True, slots=True)
class Contradiction:
    """The samples cannot all be true of one clock that drifts by at most what is allowed."""

    gap_ns: int
    """By how much the intervals miss each other."""


def estimate(
    samples: Sequence[Sample], at_ns: int, max_drift_ppm: float = MAX_DRIFT_PPM
) -> Estimate | Contradiction:
    """The offset as of local wall time `at_ns`, from at least one sample.

    Raises:
        ValueError: there is no sample.
    """
    if not samples:
        raise ValueError("an estimate needs at least one sample")
    samples = sorted(samples, key=_in_order)  # interleaved ones complete out of turn
    bound = _intersect(samples, at_ns, max_drift_ppm)
    if isinstance(bound, Contradiction):
        return bound
    best = _best(samples, at_ns)
    skew, reach = _claimed_skew(samples, max_drift_ppm)
    offset = best.offset_ns if skew is None else _follow_line(samples, at_ns, skew)
    offset += unseen_sending_ns(samples, best) // 2
    offset = min(max(offset, bound.earliest), bound.latest)
    error = max(bound.latest - offset, offset - bound.earliest, best.precision_ns)
    return _make_estimate(
        offset_ns=offset,
        error_bound_ns=error,
        interval=_make_interval(offset - error, offset + error),
        delay_ns=best.delay_ns,
        jitter_ns=_jitter(samples, best, skew),
        skew_ppm=skew,
        skew_bound_ppm=reach,
        source=best.source,
        interleaved=best.interleaved,
    )


_make_estimate = maker(Estimate)


def _best(samples: Sequence[Sample], at_ns: int) -> Sample:
    """The sample of least delay and age."""
    best, least = samples[0], math.inf
    for sample in samples:
        distance = sample.delay_ns // 2
        if distance < least:  # age only adds
            distance += drift_allowance(at_ns - sample.t4, PHI_PPM)
            if distance < least:
                best, least = sample, distance
    return best


def _intersect(
    samples: Sequence[Sample], at_ns: int, max_drift_ppm: float
) -> Interval | Contradiction:
    """All that the samples allow: a set carried forward in time, cut by each sample as it came.

    Cutting on the way, not only at the end, catches a step between two samples even when both
    intervals have grown wide enough since to touch again.
    """
    allowed, as_of = samples[0].truth_within(max_drift_ppm), samples[0].t4
    for sample in samples[1:]:
        drift = drift_allowance(sample.t4 - as_of, max_drift_ppm)
        grown = _make_interval(allowed.earliest - drift, allowed.latest + drift)
        truth = sample.truth_within(max_drift_ppm)
        cut = grown & truth
        if cut is None:
            gap = max(grown.earliest, truth.earliest)
            return Contradiction(gap - min(grown.latest, truth.latest))
        allowed, as_of = cut, sample.t4
    return allowed.widened(drift_allowance(at_ns - as_of, max_drift_ppm))


def unseen_sending_ns(samples: Sequence[Sample], best: Sample) -> int:
    """How much later than it says a basic answer probably left.

    In basic mode the server reads its clock and then sends, so its transmit stamp is early by the
    time that takes, which nobody tells; our own is the kernel's and exact. Left alone, the
    difference looks like distance. We know what the same takes on our side, and take the least of
    that for the server's, but no more than it says it held the request: a server that answers in
    no time stamps in its card. An assumption of symmetry, like half the delay: it moves the
    estimate within the bound, and never the bound.
    """
    if best.interleaved or not best.sending_ns:
        return 0
    ours = min(s.sending_ns for s in samples if s.sending_ns)
    return max(0, min(ours, SENDING_MAX_NS, best.delay_ns, best.t3 - best.t2))


def _claimed_skew(
    samples: Sequence[Sample], max_drift_ppm: float
) -> tuple[float, float] | tuple[None, None]:
    """The skew and its bound, ppm, where the samples pin it well enough to be told."""
    feasible = feasible_skew(samples, max_drift_ppm) if _may_pin_skew(samples) else None
    if feasible is None:
        return None, None
    lowest, highest = feasible
    if highest - lowest >= 2 * SKEW_CLAIMED_BELOW_PPM:  # whatever the slope, it would not be told
        return None, None
    slope = min(max(_robust_slope_ppm(samples), lowest), highest)
    reach = max(highest - slope, slope - lowest)
    return (slope, reach) if reach < SKEW_CLAIMED_BELOW_PPM else (None, None)


def _may_pin_skew(samples: Sequence[Sample]) -> bool:
    """Whether the samples have any hope of bounding the skew well enough to claim it. One pair as
    far apart as they get leaves ``delay / span`` open; several together can halve that a few times,
    not more. It spares bursts the pairwise work."""
    span = samples[-1].t4 - samples[0].t4
    least = min(s.raw_delay_ns for s in samples)
    return span > 0 and least * 1e6 / span < 4 * SKEW_CLAIMED_BELOW_PPM


def feasible_skew(samples: Sequence[Sample], max_drift_ppm: float) -> tuple[float, float] | None:
    """The slopes (ppm, lowest and highest) of all straight lines through every sample's path
    interval, within ± `max_drift_ppm`; None if there are none, or fewer than two samples. The
    samples are in the order of `t4`."""
    if len(samples) < 2:
        return None
    lowest, highest = -max_drift_ppm, max_drift_ppm
    paths = ((s.t4, s.path_within(max_drift_ppm)) for s in _thinned(samples))
    points = [(at, path.earliest, path.latest) for at, path in paths]
    for i, (at, low, high) in enumerate(points):
        for later, later_low, later_high in points[i + 1 :]:
            span = later - at
            if span <= 0:
                continue
            slowest, fastest = (later_low - high) * 1e6 / span, (later_high - low) * 1e6 / span
            if slowest > lowest:
                lowest = slowest
            if fastest < highest:
                highest = fastest
    return (lowest, highest) if lowest <= highest else None


def _thinned(samples: Sequence[Sample]) -> Sequence[Sample]:
    step = 1
    while (len(samples) // step) ** 2 // 2 > _PAIRS_MAX:
        step += 1
    return samples if step == 1 else [*samples[:-1:step], samples[-1]]


def spread_of(sample: Sample, least_delay_ns: int) -> float:
    """How far a sample may be off, ns: what its delay exceeds the least by can all be asymmetry."""
    return (sample.delay_ns - least_delay_ns) / 2 + max(sample.precision_ns, 50)


def _robust_slope_ppm(samples: Sequence[Sample]) -> float:
    """Theil-Sen: the weighted median of all pairwise slopes; long and clean pairs weigh most."""
    thin = _thinned(samples)
    least = min(s.delay_ns for s in thin)
    points = [(s.t4, s.offset_ns, spread_of(s, least)) for s in thin]
    slopes: list[tuple[float, float]] = []
    for i, (at, offset, spread) in enumerate(points):
        for later, later_offset, later_spread in points[i + 1 :]:
            span = later - at
            if span > 0:
                slope = (later_offset - offset) * 1e6 / span
                slopes.append((slope, span / (spread + later_spread)))
    return weighted_median(slopes)


def _follow_line(samples: Sequence[Sample], at_ns: int, skew_ppm: float) -> int:
    """The offset at `at_ns` on the line of that slope that fits the samples best."""
    least = min(s.delay_ns for s in samples)
    base = samples[-1].offset_ns  # floats would lose nanoseconds of a large offset
    weighted = [
        (
            s.offset_ns - base + skew_ppm * (at_ns - s.t4) / 1e6,
            1 / spread_of(s, least) ** 2,
        )
        for s in samples
    ]
    total = sum(weight for _, weight in weighted)
    return base + round(sum(value * weight for value, weight in weighted) / total)


def weighted_median(values: list[tuple[float, float]]) -> float:
    values.sort()
    half, passed = sum(weight for _, weight in values) / 2, 0.0
    for value, weight in values:
        passed += weight
        if passed >= half:
            return value
    return values[-1][0]


def _jitter(samples: Sequence[Sample], best: Sample, skew_ppm: float | None) -> float | None:
    """RMS of the other samples' offsets about the best one's (RFC 5905 section 10), the skew, where
    known, taken out. None for a single sample."""
    if len(samples) < 2:
        return None
    slope, offset, at = (skew_ppm or 0.0) / 1e6, best.offset_ns, best.t4
    squares = [(s.offset_ns - offset - slope * (s.t4 - at)) ** 2 for s in samples if s is not best]
    return math.sqrt(statistics.fmean(squares))
