"""The clock of one host of the algorithm: its own, what has been corrected of it, and its claim.

Two clocks are told apart over the host's own (the one that stamps are told in):

- the **shown** one, which applications read: monotone, it slews towards every correction;
- the **settled** one: what the shown one will be once it has slewed all it was told to. It takes
  corrections at once, in whole nanoseconds, so that hosts compare clocks exactly while they slew,
  and what was ordered in one round is not ordered again in the next.
"""

from dataclasses import replace

from clocksync.berkeley.reign import Claim
from clocksync.runtime.clocks import drift_allowance
from clocksync.steering import Present, Steering

I64_MAX = (1 << 63) - 1


def in_64_bits(value: int) -> int:
    """The nearest number that a frame can carry."""
    return max(-I64_MAX, min(I64_MAX, value))


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
        self.present = Present()

    def reading(self, now: int) -> int:
        """About what the host's own clock shows."""
        return self.present.reading(now)

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
        begin = self.steering.begins(self.present.soon(now))
        if rate_ppb:
            rate = self.steering.rate_ppm + rate_ppb / 1_000
            self.steering.set_rate(max(-self.drift_ppm, min(self.drift_ppm, rate)), begin)
        if by_ns:
            self.steering.slew(by_ns + self.steering.pending(begin), begin)
            self.total += by_ns
            if self.claim is not None:
                self.claim = replace(self.claim, as_of=self.claim.as_of + by_ns)

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
