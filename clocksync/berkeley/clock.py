"""The clock of one host of the algorithm: its own, what has been corrected of it, and its claim.

Two clocks are told apart over the host's own (the one that stamps are told in):

- the **shown** one, which applications read: monotone, it slews towards every correction;
- the **settled** one: what the shown one will be once it has slewed all it was told to. It takes
  corrections at once, in whole nanoseconds, so that hosts compare clocks exactly while they slew,
  and what was ordered in one round is not ordered again in the next.

A core has no clock to read. What the host's clock shows "now" is told from the latest stamps,
which are older than the step that brings them by what the way up takes; so corrections begin a
little later than that, where nobody can have read the clock yet.
"""

from dataclasses import dataclass

from clocksync.runtime.clocks import drift_allowance
from clocksync.runtime.core import Stamp
from clocksync.runtime.units import MILLISECOND, SECOND
from clocksync.steering import Steering

AHEAD_NS = 2 * MILLISECOND
TIE_PPM = 1_000.0
"""How much faster or slower than `now` a host's clock may run."""
I64_MAX = (1 << 63) - 1


def in_64_bits(value: int) -> int:
    """The nearest number that a frame can carry."""
    return max(-I64_MAX, min(I64_MAX, value))


@dataclass(frozen=True, slots=True)
class Claim:
    """How far the settled clock was from the group's time at most, at its reading `as_of`; ns."""

    bound: int
    as_of: int


class GroupClock:
    """A host's clock, steered towards its group's.

    Args:
        drift_ppm: by how much two clocks of the group may differ in rate.
    """

    def __init__(self, slew_ppm_max: float, drift_ppm: float) -> None:
        self.steering = Steering(0, slew_ppm_max=slew_ppm_max)
        self.drift_ppm = drift_ppm
        self.claim: Claim | None = None
        self.total = 0
        """All adjustments so far, ns."""
        self._ahead: tuple[int, int] | None = None
        """By how much the host's clock is ahead of the core's `now`, and when that was seen."""

    def saw(self, stamp: Stamp, now: int) -> None:
        """A stamp came up at `now`."""
        ahead = stamp.time - now
        if self._ahead is not None:
            latest = self._ahead[0] - drift_allowance(now - self._ahead[1], TIE_PPM)
            # A stamp that took its time is no sign of a clock set back, until it is a second old.
            if ahead > latest - SECOND:
                ahead = max(ahead, latest)
        self._ahead = ahead, now

    @property
    def is_known(self) -> bool:
        """Whether any stamp has told the host's clock yet."""
        return self._ahead is not None

    def reading(self, now: int) -> int:
        """About what the host's own clock shows."""
        return now + (self._ahead[0] if self._ahead is not None else 0)

    def settled(self, reading: int) -> int:
        """The settled clock when the host's own shows `reading`."""
        return self.steering.at(reading) + self.steering.pending(reading)

    def settled_now(self, now: int) -> int:
        """About what the settled clock shows."""
        return self.settled(self.reading(now))

    def shown(self, reading: int) -> int:
        """The shown clock when the host's own shows `reading`."""
        return self.steering.at(reading)

    def pending(self, now: int) -> int:
        """What is still to be slewed, ns."""
        return self.steering.pending(self.reading(now))

    def adjust(self, by_ns: int, rate_ppb: int, now: int) -> None:
        """Move the settled clock by `by_ns`, and run faster by so many parts per 10^9."""
        begin = self.reading(now) + AHEAD_NS
        if rate_ppb:
            rate = self.steering.rate_ppm + rate_ppb / 1_000
            self.steering.set_rate(max(-self.drift_ppm, min(self.drift_ppm, rate)), begin)
        if by_ns:
            self.steering.slew(by_ns + self.steering.pending(begin), begin)
            self.total += by_ns
            if self.claim is not None:
                self.claim = Claim(self.claim.bound, self.claim.as_of + by_ns)

    def drifted(self, reading: int) -> int | None:
        """How far from the group's time the settled clock may be at most; None: nobody knows.

        The group's time may have been moved on by as much as clocks drift, so both count.
        """
        if self.claim is None:
            return None
        age = self.settled(reading) - self.claim.as_of
        return self.claim.bound + drift_allowance(age, 2 * self.drift_ppm)

    def bound(self, reading: int) -> int | None:
        """How far from the group's time the *shown* clock may be; None: nobody knows."""
        drifted = self.drifted(reading)
        return None if drifted is None else drifted + abs(self.steering.pending(reading))
