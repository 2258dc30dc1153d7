"""The machine's clock with the bound that its kernel keeps.  [I/O]

The bound comes from :mod:`clocksync.kernel_clock` and is asked for again every second.
"""

import time
from typing import Protocol

from clocksync.kernel_clock import UNSYNCHRONISED_NS, kernel_error_ns, read_kernel_clock
from clocksync.runtime.errors import NotSynchronised
from clocksync.runtime.interval import Interval
from clocksync.runtime.records import maker
from clocksync.runtime.units import SECOND

ASK_EVERY_NS = SECOND

_make_interval = maker(Interval)


class TimeSource(Protocol):
    """What tells the time as an interval: a :class:`clocksync.bounded.BoundedClock`, a disciplined
    clock, one of the caller's own. It is asked at every step of the ring: it must be quick."""

    def now(self) -> Interval:
        """Bounds of true time, ns since the Unix epoch.

        Raises:
            NotSynchronised: it does not know at present.
        """


class Clock(Protocol):
    """What a ring's thread reads."""

    @property
    def source(self) -> str:
        """What tells the time."""

    @property
    def state(self) -> str:
        """How that is, in words."""

    def read(self, now: int) -> Interval: ...

    def tell(self, system_ns: int) -> int:
        """What this clock shows, in the middle of its bounds, when the system's shows that."""


class GivenClock:
    """A time source of the caller's. While it does not know, the bound says so."""

    def __init__(self, given: TimeSource) -> None:
        self.given = given

    @property
    def source(self) -> str:
        """Its name, or what it is."""
        return str(getattr(self.given, "name", type(self.given).__name__))

    @property
    def state(self) -> str:
        """What it says of itself; empty where it does not."""
        return str(getattr(self.given, "state", ""))

    def read(self, now: int) -> Interval:
        """The interval that contains true time; `now` is the monotonic clock."""
        try:
            return self.given.now()
        except NotSynchronised:
            return Interval.around(time.time_ns(), UNSYNCHRONISED_NS)

    def tell(self, system_ns: int) -> int:
        """What it shows when the system's clock shows that, a moment ago at the most."""
        at = getattr(self.given, "at", None)
        if callable(at):
            return int(at(system_ns))
        before = time.time_ns()
        middle = self.read(0).middle
        return system_ns + middle - (before + time.time_ns()) // 2


class SystemClock:
    """Bounds of true time now, ns since the Unix epoch.

    Args:
        error_ns: how far the clock can be off, where the caller knows better than the kernel.
    """

    def __init__(self, error_ns: int | None = None) -> None:
        self._given = error_ns
        self.error_ns = error_ns if error_ns is not None else kernel_error_ns()
        self._ask_at = time.monotonic_ns() + ASK_EVERY_NS

    @property
    def source(self) -> str:
        """It is the kernel, unless the caller knows better."""
        return "kernel" if self._given is None else "given"

    @property
    def state(self) -> str:
        """Whether somebody disciplines the clock."""
        if self._given is not None:
            return "a bound that was given"
        told = read_kernel_clock()
        disciplined = told is not None and told.synchronised
        return "synchronised" if disciplined else "nobody disciplines the clock"

    def read(self, now: int) -> Interval:
        """The interval that contains true time; `now` is the monotonic clock."""
        if now >= self._ask_at and self._given is None:
            self.error_ns, self._ask_at = kernel_error_ns(), now + ASK_EVERY_NS
        wall, error = time.time_ns(), self.error_ns
        return _make_interval(wall - error, wall + error)

    def tell(self, system_ns: int) -> int:
        """It is the system's clock."""
        return system_ns
