"""The clocks of this machine that a discipline needs, and whether it slept.  [I/O]

The base counts ``CLOCK_MONOTONIC_RAW`` where there is one: no daemon slews it. Where there is none,
the monotonic clock serves, and what is slewed there looks like wander. A sleep shows in
``CLOCK_BOOTTIME``, which goes on where the others stand still.
"""

import time

from clocksync.steering.base import BaseClock

_RAW = getattr(time, "CLOCK_MONOTONIC_RAW", None)
_BOOT = getattr(time, "CLOCK_BOOTTIME", None)
SLEPT_LEAST_NS = 50_000_000
"""Less than this is the noise of reading two clocks on a busy machine."""


class RawClock:
    """The machine's oscillator, as nobody corrects it."""

    def read(self) -> int:
        """The reading now, ns since some instant."""
        return time.monotonic_ns() if _RAW is None else time.clock_gettime_ns(_RAW)


class WallClock:
    """The system's clock, which the kernel stamps datagrams by."""

    def read(self) -> int:
        """The reading now, ns since the Unix epoch."""
        return time.time_ns()


class SleepWatch:
    """Notices that the machine was suspended."""

    def __init__(self) -> None:
        self._asleep = _asleep_ns()

    def slept_ns(self) -> int:
        """For how long it slept since this was last asked; 0 where it did not."""
        asleep = _asleep_ns()
        slept = asleep - self._asleep
        if slept < SLEPT_LEAST_NS:
            return 0
        self._asleep = asleep
        return slept


def host_base() -> BaseClock:
    """The base of this machine, with stamps mapped to it."""
    return BaseClock(RawClock(), WallClock())


def _asleep_ns() -> int:
    """How long the machine has slept since it booted, as far as it knows."""
    if _BOOT is None:
        return 0
    # A pause between the two readings makes the difference less, never more.
    return max(time.clock_gettime_ns(_BOOT) - time.monotonic_ns() for _ in range(3))
