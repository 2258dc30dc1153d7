"""The fault-tolerant average: the largest set of clocks that lie within gamma of each other.

Gusella and Zatti (1989) leave out clocks that differ too much from the others, so that one that is
broken does not pull the rest along. What that is worth, with n clocks of which f lie and
f < n / 2: if the honest ones lie within gamma of each other, they are a set of n - f, so the one
that is chosen, C, has at least n - f > f clocks and one of them is honest. Everything in C is
within gamma of it, and every liar in C moves the average of C by at most gamma / |C|. All of them
together move it by at most gamma * f / (n - f), which is **less than gamma for f < n / 2, and less
than half of gamma for f < n / 3**. Where no set is a majority, no side is taken.

Nobody can tell gamma in advance for clocks that may be minutes apart before the first round and
microseconds after it. Left to itself it is ten times the median distance from the median, never
below what clocks in that state may differ by anyway. With f < n / 2 the median lies among the
honest clocks and the median distance is no more than they are apart, so liars cannot widen it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clocksync.runtime.units import MILLISECOND, SECOND

GATHERING_GAMMA_NS = 10 * SECOND
"""The least gamma before clocks have been brought together: nobody set them."""
KEEPING_GAMMA_NS = 10 * MILLISECOND
"""The least gamma from then on."""
DISTANCES = 10


@dataclass(frozen=True, slots=True)
class Average:
    """What came of the differences, ns, by clock."""

    average: int
    included: frozenset[int]
    gamma: int
    is_majority: bool
    """Whether more than half of the clocks are in it. Otherwise it means nothing."""


def fault_tolerant_average(differences: Mapping[int, int], gamma: int) -> Average:
    """The average of the largest set of clocks within `gamma` of each other, rounded down.

    Of two sets of one size it is the narrower, then the one further back.

    Raises:
        ValueError: there is no clock.

    >>> minutes = {1: 0, 2: 25, 3: -10}
    >>> fault_tolerant_average(minutes, gamma=60).average
    5
    >>> fault_tolerant_average({1: 0, 2: 1, 3: 2, 4: 900}, gamma=10).included
    frozenset({1, 2, 3})
    """
    if not differences:
        raise ValueError("an average needs at least one clock")
    ordered = sorted((difference, number) for number, difference in differences.items())
    best, first = (0, 0), 0
    chosen = ordered[:1]
    for end in range(1, len(ordered) + 1):
        while ordered[end - 1][0] - ordered[first][0] > gamma:
            first += 1
        spread = ordered[end - 1][0] - ordered[first][0]
        if (end - first, -spread) > best:
            best, chosen = (end - first, -spread), ordered[first:end]
    return Average(
        sum(difference for difference, _ in chosen) // len(chosen),
        frozenset(number for _, number in chosen),
        gamma,
        2 * len(chosen) > len(ordered),
    )


def gamma_of(differences: Sequence[int], bounds: Sequence[int], is_gathering: bool) -> int:
    """How far apart clocks may be that are averaged, for who did not say: see the module.

    `bounds` are those of the differences: what cannot be told apart is not held against a clock.

    >>> gamma_of([0, 2, -1, 50_000_000_000], [10] * 4, is_gathering=False)
    10000000
    """
    middle = _median(differences)
    distance = _median([abs(difference - middle) for difference in differences])
    least = GATHERING_GAMMA_NS if is_gathering else KEEPING_GAMMA_NS
    return max(least, DISTANCES * distance, 4 * _median(bounds) if bounds else 0)


def _median(values: Sequence[int]) -> int:
    """The upper one: at least as many as not lie at or below it, and one more."""
    return sorted(values)[len(values) // 2] if values else 0
