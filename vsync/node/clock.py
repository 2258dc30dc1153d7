"""The machine's clock with the bound that its kernel keeps.  [I/O]

Whatever disciplines the clock (chronyd, ntpd, timesyncd) tells the kernel how far it can be off;
the kernel lets that grow by 500 ppm between updates, and says 16 s where nobody disciplines it
(RFC 5905, section 11.3; ``adjtimex(2)``). Asking changes nothing, and needs no privilege.
"""

import ctypes
import struct
import time
from typing import Protocol

from clocksync.runtime.errors import NotSynchronised
from clocksync.runtime.interval import Interval
from clocksync.runtime.kernel import IS_LINUX
from clocksync.runtime.records import maker
from clocksync.runtime.units import MICROSECOND, SECOND

UNSYNCHRONISED_NS = 16 * SECOND
"""The bound of a clock that nobody disciplines: the kernel's own NTP_PHASE_LIMIT."""

ASK_EVERY_NS = SECOND

_TIMEX_BYTES = 512  # more than any Linux has
_MAX_ERROR = struct.Struct("@l")
_MAX_ERROR_AT = 3 * struct.calcsize("@l")  # after modes (padded), offset and freq

_make_interval = maker(Interval)


def kernel_error_ns() -> int:
    """How far the system clock can be off, as its kernel says."""
    if not IS_LINUX:
        return UNSYNCHRONISED_NS
    buffer = ctypes.create_string_buffer(_TIMEX_BYTES)  # modes = 0: only ask
    if ctypes.CDLL(None).adjtimex(buffer) < 0:
        return UNSYNCHRONISED_NS
    microseconds = int(_MAX_ERROR.unpack_from(buffer, _MAX_ERROR_AT)[0])
    return min(max(1, microseconds) * MICROSECOND, UNSYNCHRONISED_NS)


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

    def read(self, now: int) -> Interval: ...

    def tell(self, system_ns: int) -> int:
        """What this clock shows, in the middle of its bounds, when the system's shows that."""


class GivenClock:
    """A time source of the caller's. While it does not know, the bound says so."""

    def __init__(self, source: TimeSource) -> None:
        self.source = source

    def read(self, now: int) -> Interval:
        """The interval that contains true time; `now` is the monotonic clock."""
        try:
            return self.source.now()
        except NotSynchronised:
            return Interval.around(time.time_ns(), UNSYNCHRONISED_NS)

    def tell(self, system_ns: int) -> int:
        """What it shows when the system's clock shows that, a moment ago at the most."""
        at = getattr(self.source, "at", None)
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

    def read(self, now: int) -> Interval:
        """The interval that contains true time; `now` is the monotonic clock."""
        if now >= self._ask_at and self._given is None:
            self.error_ns, self._ask_at = kernel_error_ns(), now + ASK_EVERY_NS
        wall, error = time.time_ns(), self.error_ns
        return _make_interval(wall - error, wall + error)

    def tell(self, system_ns: int) -> int:
        """It is the system's clock."""
        return system_ns
