"""What is known of two clocks: how far the one is from the other, as of an instant, with a bound.

A relation *holds* at one reading of `a`'s clock; at any other its interval is wider by what two
clocks may drift apart in between. Relations are turned round, and put one after the other: bounds
add up (the paper's section 5, where broadcasts of several beacons are joined by receivers that
hear two of them).
"""

from dataclasses import dataclass, replace

from clocksync.runtime.clocks import drift_allowance
from clocksync.runtime.interval import Interval

HOPS_MAX = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """Clock `b` minus clock `a`, when `a` reads `as_of`; ns."""

    a: int
    b: int
    epoch_b: int
    """Which of the clocks that host b has had."""
    as_of: int
    interval: Interval
    """Holds the truth, if what it rests on does."""
    offset_ns: int
    """The likeliest, in the interval."""
    skew_ppm: float | None = None
    """By how much b runs faster than a."""
    standard_error_ns: float | None = None
    """What chance leaves open of the offset: a precision, no bound."""
    broadcasts: int = 0
    rejected: int = 0
    bias_ns: int | None = None
    """How much later broadcasts come to b than to a, which has been taken off."""
    hops: int = 1
    via: int = 0
    """The first host between them; 0: none."""
    is_disputed: bool = False
    """Two that should agree do not: the interval holds all that both say."""

    @property
    def error_bound_ns(self) -> int:
        """How far from the offset the truth can be at the most."""
        return max(self.interval.latest - self.offset_ns, self.offset_ns - self.interval.earliest)

    def interval_at(self, reading: int, max_drift_ppm: float) -> Interval:
        """Where b minus a is when `a` reads that."""
        return self.interval.widened(drift_allowance(reading - self.as_of, max_drift_ppm))

    def offset_at(self, reading: int) -> int:
        """The likeliest b minus a when `a` reads that."""
        drift = (self.skew_ppm or 0.0) * (reading - self.as_of) / 1e6
        return self.offset_ns + round(drift)

    def at(self, reading: int, max_drift_ppm: float) -> "Relation":
        """The same, as of another reading of `a`."""
        interval = self.interval_at(reading, max_drift_ppm)
        offset = _into(self.offset_at(reading), interval)
        return replace(self, as_of=reading, interval=interval, offset_ns=offset)

    def reversed(self, epoch_a: int, max_drift_ppm: float) -> "Relation":
        """Clock a minus clock b, when `b` reads what it did (likeliest) at that instant."""
        # By the bound, b's reading at the instant is not known better than this; and as long as it
        # took from the one to the other, so much may have drifted.
        slack = drift_allowance(self.error_bound_ns, max_drift_ppm)
        return replace(
            self,
            a=self.b,
            b=self.a,
            epoch_b=epoch_a,
            as_of=self.as_of + self.offset_ns,
            interval=(-self.interval).widened(slack),
            offset_ns=-self.offset_ns,
            skew_ppm=None if self.skew_ppm is None else -self.skew_ppm,
            bias_ns=None if self.bias_ns is None else -self.bias_ns,
        )

    def then(self, other: "Relation", max_drift_ppm: float) -> "Relation":
        """From a by b, where `other` begins, to its end; bounds added.

        Raises:
            ValueError: the other begins elsewhere.
        """
        if other.a != self.b:
            raise ValueError(f"a relation from {other.a} does not go on from {self.b}")
        reading = self.as_of + self.offset_ns
        there = other.at(reading, max_drift_ppm)
        slack = drift_allowance(self.error_bound_ns, max_drift_ppm)
        errors, skews = (
            (self.standard_error_ns, other.standard_error_ns),
            (
                self.skew_ppm,
                other.skew_ppm,
            ),
        )
        return Relation(
            a=self.a,
            b=other.b,
            epoch_b=other.epoch_b,
            as_of=self.as_of,
            interval=Interval(
                self.interval.earliest + there.interval.earliest - slack,
                self.interval.latest + there.interval.latest + slack,
            ),
            offset_ns=self.offset_ns + there.offset_ns,
            skew_ppm=None if None in skews else sum(skew or 0.0 for skew in skews),
            standard_error_ns=None
            if None in errors
            else sum((error or 0.0) ** 2 for error in errors) ** 0.5,
            broadcasts=min(self.broadcasts, other.broadcasts),
            rejected=self.rejected + other.rejected,
            hops=self.hops + other.hops,
            via=self.b,
            is_disputed=self.is_disputed or other.is_disputed,
        )


def best_of(candidates: list[Relation], max_drift_ppm: float) -> Relation | None:
    """Of relations of one pair the one to believe; None if there is none.

    One between hosts that hear each other goes before any that leads over others, whatever their
    bounds: others can lie. Where two of equal standing contradict each other, who is right cannot
    be known here: the result holds what all of them say, and says that it is disputed.
    """
    direct = [relation for relation in candidates if relation.hops == 1]
    candidates = direct or candidates
    if not candidates:
        return None
    reading = max(relation.as_of for relation in candidates)
    intervals = [relation.interval_at(reading, max_drift_ppm) for relation in candidates]
    best = min(candidates, key=lambda relation: relation.error_bound_ns)
    earliest = max(interval.earliest for interval in intervals)
    if earliest <= min(interval.latest for interval in intervals):
        return best
    hull = Interval.hull(intervals)
    return replace(
        best.at(reading, max_drift_ppm), interval=hull, is_disputed=True, standard_error_ns=None
    )


def _into(value: int, interval: Interval) -> int:
    return min(max(value, interval.earliest), interval.latest)
