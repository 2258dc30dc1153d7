"""From the exchanges of one pair of hosts to its offset, its skew, and what is certain of both.

Every exchange proves two things (b's clock minus a's is the offset; no path takes less than no
time): when a probe leaves a, the offset is at most ``T2 - T1``; when the answer is back, it is at
least ``T3 - T4``. Both hosts probe, so there are four such families; an *upper* and a *lower* cloud
of points over time, with the offset between them.

- **What is certain** at an instant: every point, widened by what two clocks may drift apart
  meanwhile. Not a word on symmetry.
- **The estimate** is the straight line between the clouds with the widest margin, as Huygens' (Geng
  et al., NSDI 2018, section 4.2) linear support vector machine finds it, but measured along the
  offset's axis, where the clouds are separable by nature: then it is a concave function of the
  slope alone, and needs no solver. Only the points that touch matter: those of least delay.

The second choice there, keeping only probes that came as far apart as they left (coded probes), was
measured and left out; that probes travel in twos, so that the second finds the path awake, was not:
``docs/mesh.md`` has the figures.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clocksync.meshing.frames import Row

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

NEAREST = 5
"""The points nearest to the line, on either side, whose spacing tells how well it is known."""
ASYMMETRY_SHARE = 0.01
"""Of the delay: how asymmetric paths are taken to be, before loops say more. It only weighs a short
path above a long one."""
_SLOPES_TRIED = 44
POINTS_MIN = 2


@dataclass(frozen=True, slots=True)
class Cloud:
    """All that the exchanges of a pair prove about b minus a, less a rough offset that is kept
    apart (float64 has 53 bits); times on an axis of the reference host, from the instant asked for.
    """

    upper_at: Integers
    upper: Integers
    lower_at: Integers
    lower: Integers
    precision_ns: int

    @property
    def is_usable(self) -> bool:
        return min(len(self.upper), len(self.lower)) >= POINTS_MIN

    def since(self, at: int) -> "Cloud":
        """What was measured later than that."""
        up, low = self.upper_at > at, self.lower_at > at
        return Cloud(
            self.upper_at[up],
            self.upper[up],
            self.lower_at[low],
            self.lower[low],
            self.precision_ns,
        )

    def certain(self, max_drift_ppm: float) -> tuple[int, int]:
        """The least and the most the offset can be at instant 0; the least is above the most where
        that cannot be true of two clocks that drift by no more."""
        most = int((self.upper + _drift(self.upper_at, max_drift_ppm)).min())
        least = int((self.lower - _drift(self.lower_at, max_drift_ppm)).max())
        # The axis of time is an estimate too: it may be off by what the offset may, twice over.
        bent = math.ceil(2 * max(0, most - least) * max_drift_ppm / 1e6)
        slack = self.precision_ns + bent + 2
        return least - slack, most + slack


@dataclass(frozen=True, slots=True)
class Line:
    """The estimate of a pair: the offset at instant 0 (less the rough one, ns), and its slope."""

    offset: float
    skew: float
    """ns a ns."""
    sigma: float
    """How uncertain the offset is taken to be, ns: what its weight in the graph comes of."""
    delay: float
    """The least of the way there and the least of the way back, together, ns."""


def arrays(rows: Sequence[Row]) -> tuple[Integers, Integers, Integers, Integers]:
    """T1 to T4 of all rows."""
    table = np.array([row[:4] for row in rows], dtype=np.int64).reshape(-1, 4)
    return table[:, 0], table[:, 1], table[:, 2], table[:, 3]


def cloud(
    ours: Sequence[Row],
    theirs: Sequence[Row],
    base_a: int,
    base_b: int,
    instant: int,
    precision_ns: int,
) -> Cloud:
    """The points of a pair.

    Args:
        ours: what a asked b; `theirs`: what b asked a.
        base_a: roughly a's clock minus the reference's; `base_b` likewise.
        instant: from which times are counted, by the reference's clock.
    """
    a1, b2, b3, a4 = arrays(ours)
    b1, a2, a3, b4 = arrays(theirs)
    rough = base_b - base_a
    return Cloud(
        upper_at=np.concatenate([a1 - base_a, b4 - base_b]) - instant,
        upper=np.concatenate([(b2 - a1) - rough, (b4 - a3) - rough]),
        lower_at=np.concatenate([a4 - base_a, b1 - base_b]) - instant,
        lower=np.concatenate([(b3 - a4) - rough, (b1 - a2) - rough]),
        precision_ns=precision_ns,
    )


def rough_offset(ours: Sequence[Row], theirs: Sequence[Row]) -> int:
    """The middle of the exchanges' offsets, b minus a: where to look, no more."""
    a1, b2, b3, a4 = arrays(ours)
    b1, a2, a3, b4 = arrays(theirs)
    # Halved before they are added: stamps may be anything up to 2^62.
    offsets = np.concatenate([(b2 - a1 >> 1) + (b3 - a4 >> 1), (b1 - a2 >> 1) + (b4 - a3 >> 1)])
    return int(np.sort(offsets)[len(offsets) // 2])


def line(points: Cloud, max_drift_ppm: float, slope: float | None = None) -> Line:
    """The line of widest margin; with `slope`, among those that have it."""
    upper_at, upper = points.upper_at.astype(float), points.upper.astype(float)
    lower_at, lower = points.lower_at.astype(float), points.lower.astype(float)

    def ends(slope: float) -> tuple[float, float]:
        return float((upper - slope * upper_at).min()), float((lower - slope * lower_at).max())

    if slope is None:
        low, high = -max_drift_ppm / 1e6, max_drift_ppm / 1e6
        for _ in range(_SLOPES_TRIED):  # the margin is concave in the slope: thirds close in
            one, other = low + (high - low) / 3, high - (high - low) / 3
            (top, bottom), (other_top, other_bottom) = ends(one), ends(other)
            if top - bottom < other_top - other_bottom:
                low = one
            else:
                high = other
        slope = (low + high) / 2
    top, bottom = ends(slope)
    above = np.sort(upper - slope * upper_at - top)[1:NEAREST]
    below = np.sort(bottom - lower + slope * lower_at)[1:NEAREST]
    spacing = (float(above.mean()) + float(below.mean())) / 4
    prior = ASYMMETRY_SHARE * max(0.0, top - bottom)
    sigma = float(np.sqrt(spacing**2 + prior**2 + points.precision_ns**2))
    return Line((top + bottom) / 2, slope, sigma, top - bottom)


def _drift(age: Integers, max_drift_ppm: float) -> Integers:
    """What two clocks may drift apart in that time, rounded up."""
    allowed: Integers = np.ceil(np.abs(age) * (max_drift_ppm / 1e6)).astype(np.int64)
    return allowed
