"""Clocks: what `now` and stamps are read from.

A :class:`SoftwareClock` is an affine map over another clock, so nobody ever has to touch the
system's: it can start wrong by a known offset, run at a wrong rate, be stepped and slewed. The
same class serves the responder's ``--offset`` and ``--rate``, the simulator's nodes, and every
synchronised time built on top.
"""

import time
from typing import Protocol

from clocksync.runtime.units import scale_by_ppm


class Clock(Protocol):
    """A clock: integer nanoseconds."""

    def read(self) -> int:
        """The reading now, ns since the Unix epoch for a wall clock."""


class SystemClock:
    """The machine's wall clock, read only."""

    def read(self) -> int:
        return time.time_ns()


class MonotonicClock:
    """The machine's monotonic clock: never steps, has no epoch."""

    def read(self) -> int:
        return time.monotonic_ns()


class ManualClock:
    """A clock that stands still until it is told otherwise: for tests and simulations."""

    def __init__(self, time: int = 0) -> None:
        self.time = time

    def read(self) -> int:
        return self.time

    def advance(self, by: int) -> None:
        self.time += by


class SoftwareClock:
    """A clock that is wrong in a known way: ``reading = base + offset + rate * elapsed``.

    `offset_ns` and `rate_ppm` are those of this clock relative to its base (positive: ahead,
    faster). :meth:`at` maps any reading of the base, so a kernel stamp taken on the base clock can
    be told in this clock's time.

    >>> base = ManualClock(1_000)
    >>> clock = SoftwareClock(base, offset_ns=500, rate_ppm=100)
    >>> base.advance(1_000_000)
    >>> clock.read() - base.read()
    600
    """

    def __init__(self, base: Clock, offset_ns: int = 0, rate_ppm: float = 0.0) -> None:
        self.base = base
        self._since = base.read()
        self._offset = offset_ns
        self._rate_ppm = rate_ppm

    @property
    def rate_ppm(self) -> float:
        return self._rate_ppm

    def read(self) -> int:
        return self.at(self.base.read())

    def at(self, base_reading: int) -> int:
        """What this clock showed, or will show, when its base reads `base_reading`, at the present
        rate."""
        return base_reading + self.offset_at(base_reading)

    def offset_at(self, base_reading: int) -> int:
        """This clock minus its base at that reading of the base."""
        elapsed = base_reading - self._since
        drift = elapsed * round(self._rate_ppm * 1_000_000) // 10**12
        return self._offset + drift

    def step(self, by_ns: int) -> None:
        """Jump by `by_ns` at once."""
        self._rebase()
        self._offset += by_ns

    def set_rate(self, rate_ppm: float) -> None:
        """Run at another rate from now on, without a jump."""
        self._rebase()
        self._rate_ppm = rate_ppm

    def _rebase(self) -> None:
        reading = self.base.read()
        self._offset = self.offset_at(reading)
        self._since = reading


def reading_precision(clock: Clock, samples: int = 64) -> int:
    """The smallest step by which successive readings of `clock` differ, ns: RFC 5905's precision.

    At most 1 ms is assumed of a clock that does not move while it is watched.
    """
    smallest, last = 1_000_000, clock.read()
    for _ in range(samples):
        reading = clock.read()
        if reading > last:
            smallest = min(smallest, reading - last)
        last = reading
    return smallest


def drift_allowance(age_ns: int, rate_ppm: float) -> int:
    """How far a clock may have wandered in `age_ns` (either sign) at up to `rate_ppm`, ns."""
    return scale_by_ppm(abs(age_ns), rate_ppm)
