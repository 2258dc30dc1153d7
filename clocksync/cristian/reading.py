"""What one attempt, or several, prove about a remote clock.

With the request leaving at T1 and the answer coming at T4 by our clock, and T2 and T3 by theirs,
each way taking at least ``min``::

    T3 - T4 + min  <=  theirs - ours  <=  T2 - T1 - min

which is ``offset ± (round trip / 2 - min)``, the paper's equation (section 2). A sample whose
stamps on our side are moved inwards by ``min`` proves exactly that, so all arithmetic of bounds is
that of :mod:`clocksync.ntp`: readings of several attempts are intersected, each widened by what the
clocks may have drifted since.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from clocksync.ntp.estimate import Contradiction, Estimate, estimate
from clocksync.ntp.sample import Sample
from clocksync.runtime.clocks import drift_allowance
from clocksync.runtime.core import StampSource
from clocksync.runtime.interval import Interval


@dataclass(frozen=True, slots=True)
class Reading:
    """The remote clock minus ours at our reading `at`; ns. It lies in ``interval``.

    It is the *remote clock* that is bounded. How far that is from true time is its own affair:
    `distance_ns` is what it says, where it says it.
    """

    offset_ns: int
    error_bound_ns: int
    interval: Interval
    at: int
    round_trip_ns: int
    """Of the best attempt, without what the other host took."""
    attempts: int
    answered: int
    is_within: bool
    """Whether the bound is what was asked for."""
    source: StampSource
    interleaved: bool
    skew_ppm: float | None = None
    distance_ns: int | None = None


@dataclass(frozen=True, slots=True)
class TooFast:
    """A round trip was shorter than two of the least delays that were said to be known."""

    round_trip_ns: int


def shortened(sample: Sample, min_delay_ns: int) -> Sample:
    """The sample of a path that is shorter by `min_delay_ns` each way. What it says of the remote
    clock's own error is left out."""
    # Drift is allowed for the whole exchange, not only for what is left of it.
    precision = sample.precision_ns + drift_allowance(2 * min_delay_ns, 1_000)
    return replace(
        sample,
        t1=sample.t1 + min_delay_ns,
        t4=sample.t4 - min_delay_ns,
        root_delay_ns=0,
        root_dispersion_ns=0,
        precision_ns=precision if min_delay_ns else sample.precision_ns,
    )


def proven(
    samples: Sequence[Sample], at: int, min_delay_ns: int, max_drift_ppm: float
) -> Estimate | Contradiction | TooFast | None:
    """What samples prove of the remote clock at our reading `at`; None without any."""
    if not samples:
        return None
    fastest = min(sample.raw_delay_ns for sample in samples)
    coarse = max(sample.precision_ns for sample in samples)
    if fastest + coarse < 2 * min_delay_ns:
        return TooFast(max(0, fastest))
    return estimate([shortened(s, min_delay_ns) for s in samples], at, max_drift_ppm)
