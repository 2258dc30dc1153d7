"""What samples leave possible, carried forward in time.

Of all samples so far there remains one interval and the instant it is of: it widens by what two
clocks may drift apart, and each new sample cuts it.
"""

from dataclasses import dataclass

from clocksync.runtime.clocks import drift_allowance
from clocksync.runtime.interval import Interval


@dataclass(frozen=True, slots=True)
class Known:
    """True time, or another clock, minus ours lay in ``interval`` when ours showed ``as_of_ns``."""

    interval: Interval
    as_of_ns: int

    def at(self, time_ns: int, max_drift_ppm: float) -> Interval:
        """What that leaves possible at another time."""
        return self.interval.widened(drift_allowance(time_ns - self.as_of_ns, max_drift_ppm))

    def gap_to(self, other: "Known", max_drift_ppm: float) -> int:
        """By how much the two exclude each other; 0: they do not."""
        at_ns = max(self.as_of_ns, other.as_of_ns)
        one, two = self.at(at_ns, max_drift_ppm), other.at(at_ns, max_drift_ppm)
        return max(0, one.earliest - two.latest, two.earliest - one.latest)

    def cut(self, other: "Known", max_drift_ppm: float) -> "Known":
        """What both leave possible; the newer one alone where they exclude each other."""
        newer = self if self.as_of_ns > other.as_of_ns else other
        both = self.at(newer.as_of_ns, max_drift_ppm) & other.at(newer.as_of_ns, max_drift_ppm)
        return newer if both is None else Known(both, newer.as_of_ns)
