"""A host's clock that nobody sets.  [I/O]

Protocols that steer a software clock must not have the ground move under it: an administrator, or
a daemon that steps the system's clock, would take the steered one along, backwards too. This clock
begins as the system's and goes on with the monotonic one. Kernel stamps, which are readings of the
system's clock, are told in it by their age, so a step only spoils what is under way at that moment.
"""

import time

from clocksync.peers.endpoint import wrong_clock
from clocksync.runtime.clocks import SoftwareClock
from clocksync.runtime.udp import StampClock

_READ_WITHIN_NS = 2_000
_TRIES = 8


def _both() -> tuple[int, int]:
    """The wall and the monotonic clock at one moment: of several tries the closest."""
    best, pair = 1 << 62, (0, 0)
    for _ in range(_TRIES):
        before = time.monotonic_ns()
        wall = time.time_ns()
        after = time.monotonic_ns()
        if after - before < best:
            best, pair = after - before, (wall, (before + after) // 2)
            if best < _READ_WITHIN_NS:
                break
    return pair


class SteadyBase:
    """The system's clock as it would have gone on had nobody set it."""

    def __init__(self) -> None:
        wall, monotonic = _both()
        self._ahead = wall - monotonic

    def read(self) -> int:
        return time.monotonic_ns() + self._ahead

    def at(self, base_reading: int) -> int:
        """What it showed when the system's clock showed `base_reading`, a moment ago."""
        wall, monotonic = _both()
        return monotonic + self._ahead - (wall - base_reading)


class SteadyClock:
    """A steady clock that starts ahead by `offset_ns` and runs faster by `rate_ppm`.

    Raises:
        BadConfig: no clock runs at that rate.
    """

    def __init__(self, offset_ns: int = 0, rate_ppm: float = 0.0) -> None:
        wrong_clock(offset_ns, rate_ppm)
        self._base = SteadyBase()
        self._clock: StampClock = SoftwareClock(self._base, offset_ns, rate_ppm)

    def read(self) -> int:
        return self._clock.read()

    def at(self, base_reading: int) -> int:
        """What it showed when the system's clock showed `base_reading`."""
        return self._clock.at(self._base.at(base_reading))
