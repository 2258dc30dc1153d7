"""The statistics of reference broadcasts: mean, line and outliers of pairs of arrival stamps.

One broadcast gives one point: when the one heard it by its clock, and how much later (or earlier)
the other's clock read when that one did. The mean of M points is the offset, to a precision that
grows with the root of M (the paper's section 3); the slope of the line through them is the skew
(section 4). A broadcast that came late at one of the two, from a queue or a busy processor, would
spoil both: points farther from the line than three times the median distance are left out, and
the line is drawn again, until none is.

Clocks that run alike are the rule, and a slope from little data is mostly noise. So the line is
followed away from its middle only where its slope is certain (:data:`CERTAIN` standard errors);
elsewhere the mean stands. What that can cost is in the standard error.

numpy is loaded when the first line is drawn.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

CERTAIN = 3.0
"""Standard errors from 0 at which a slope is believed."""
OUTLIER = 3.0
"""Median distances from the line beyond which a point is left out."""
LEAST_DISTANCE_NS = 10.0
"""Below this nothing is an outlier: stamps are not better than that."""
NORMAL = 1.4826
"""What makes a standard deviation of a median distance, where noise is normal."""
_ROUNDS_MAX = 20

Points = Sequence[tuple[int, int]]
"""Pairs: the one's reading, and the other's minus it; ns."""


@dataclass(frozen=True, slots=True)
class Fit:
    """A line through points. Its middle is at the mean of both, exact to the nanosecond."""

    at: int
    """The one's reading in the middle of the points, ns."""
    offset: int
    """The other's minus the one's there: the mean of all that were kept, ns."""
    slope: float | None
    """By how much the other runs faster; None from fewer than three points."""
    offset_error: float | None
    """Standard error of the mean, ns; None from fewer than three points."""
    slope_error: float | None
    used: int
    rejected: int

    @property
    def is_sloping(self) -> bool:
        """Whether the slope is certainly not 0."""
        if self.slope is None or self.slope_error is None:
            return False
        return abs(self.slope) > CERTAIN * self.slope_error

    def value(self, at: int) -> int:
        """The offset at the one's reading `at`, ns."""
        if self.slope is None or not self.is_sloping:
            return self.offset
        return self.offset + round(self.slope * (at - self.at))

    def along(self, longer: "Fit") -> "Fit":
        """This mean, with the slope of a line through more points."""
        return replace(self, slope=longer.slope, slope_error=longer.slope_error)

    def error(self, at: int) -> float | None:
        """The standard error of that, ns."""
        if self.offset_error is None or self.slope_error is None:
            return None
        return math.hypot(self.offset_error, self.slope_error * (at - self.at))


def fit(points: Points) -> Fit:
    """The line through points, without outliers.

    Raises:
        ValueError: there are none.

    >>> line = fit([(0, 500), (1_000_000, 600), (2_000_000, 700), (3_000_000, 800)])
    >>> line.offset, round(line.slope * 1e6), line.value(10_000_000)
    (650, 100, 1500)
    """
    if not points:
        raise ValueError("no line goes through no points")
    if len(points) < 3:
        return _mean(points)
    import numpy

    first_at, first_offset = points[0]  # floats would lose nanoseconds of large readings
    at = numpy.array([float(a - first_at) for a, _ in points])
    offsets = numpy.array([float(offset - first_offset) for _, offset in points])
    kept = numpy.ones(len(points), dtype=bool)
    for _ in range(_ROUNDS_MAX):
        middle, mean = at[kept].mean(), offsets[kept].mean()
        away = at - middle
        span = float((away[kept] ** 2).sum())
        slope = float((away[kept] * (offsets[kept] - mean)).sum()) / span if span else 0.0
        distances = abs(offsets - mean - slope * away)
        limit = OUTLIER * max(float(numpy.median(distances[kept])), LEAST_DISTANCE_NS / OUTLIER)
        still = kept & (distances <= limit)
        if int(still.sum()) < 3 or bool((still == kept).all()):
            break
        kept = still
    used = int(kept.sum())
    squares = float((distances[kept] ** 2).sum())
    # What was left out takes the tails of ordinary noise with it: the scatter of what is left is
    # too small by a third. The median distance of all points does not know of that.
    scatter = max(math.sqrt(squares / max(1, used - 2)), NORMAL * float(numpy.median(distances)))
    return Fit(
        first_at + round(float(middle)),
        first_offset + round(float(mean)),
        slope if span else None,
        scatter / math.sqrt(used),
        scatter / math.sqrt(span) if span else None,
        used,
        len(points) - used,
    )


def _mean(points: Points) -> Fit:
    count = len(points)
    at, offset = (sum(point[axis] for point in points) // count for axis in (0, 1))
    return Fit(at, offset, None, None, None, count, 0)


def middle_of(values: Sequence[int]) -> tuple[int, float | None]:
    """The median, and its standard error from the median distance to it; None for fewer than
    three.

    Raises:
        ValueError: there are none.

    >>> middle_of([5, 7, 1000])
    (7, 2.1)
    """
    if not values:
        raise ValueError("nothing has no middle")
    ordered = sorted(values)
    median = ordered[len(ordered) // 2] + ordered[(len(ordered) - 1) // 2]
    median = median // 2
    if len(ordered) < 3:
        return median, None
    away = sorted(abs(value - median) for value in ordered)
    # 1.2533 makes the standard error of a median of a mean's.
    spread = NORMAL * 1.2533 * away[len(away) // 2] / math.sqrt(len(ordered))
    return median, round(spread, 1)


def precision_by_count(
    offsets: Sequence[int], counts: Sequence[int], truth: int = 0
) -> list[tuple[int, float, float, int]]:
    """How precise means of M broadcasts are: for each M, over all disjoint runs of M successive
    offsets, the mean and the standard deviation of the distance of their mean to `truth`, ns, and
    how many runs there were. An M with fewer than three is left out."""
    rows = []
    for count in counts:
        runs = [offsets[n : n + count] for n in range(0, len(offsets) - count + 1, count)]
        if len(runs) < 3:
            continue
        errors = [abs(sum(run) / count - truth) for run in runs]
        mean = sum(errors) / len(errors)
        deviation = math.sqrt(sum((error - mean) ** 2 for error in errors) / (len(errors) - 1))
        rows.append((count, mean, deviation, len(errors)))
    return rows
