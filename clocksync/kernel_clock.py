"""What the kernel says of the machine's clock.  [I/O]

Whatever disciplines the clock (chronyd, ntpd, timesyncd) tells the kernel how far it can be off;
the kernel lets that grow by 500 ppm between updates, and says 16 s where nobody disciplines it
(RFC 5905, section 11.3; ``adjtimex(2)``). Asking changes nothing, and needs no privilege.
"""

import ctypes
from dataclasses import dataclass

from clocksync.runtime.kernel import IS_LINUX
from clocksync.runtime.timex import (
    PPM_UNITS,
    STA_DEL,
    STA_INS,
    STA_NANO,
    STA_UNSYNC,
    TIME_ERROR,
    Timex,
)
from clocksync.runtime.units import MICROSECOND, SECOND

UNSYNCHRONISED_NS = 16 * SECOND
"""The bound of a clock that nobody disciplines: the kernel's own NTP_PHASE_LIMIT."""


@dataclass(frozen=True, slots=True)
class KernelClock:
    """What ``adjtimex(2)`` tells when asked with modes = 0. Durations in ns."""

    state: int
    """The call's result: 0 all is well, 1 and 2 a leap second tonight, 5 not synchronised."""
    status: int
    """The STA flags."""
    offset_ns: int
    """What is still to be slewed."""
    frequency_ppm: float
    """By how much the kernel makes the clock run faster than its oscillator."""
    error_ns: int
    """How far the clock can be off: 16 s where nobody says."""
    estimated_error_ns: int
    tai_offset_s: int
    """TAI minus UTC as somebody told the kernel; 0: nobody did."""

    @property
    def synchronised(self) -> bool:
        """Whether somebody disciplines the clock."""
        return not self.status & STA_UNSYNC and self.state != TIME_ERROR

    @property
    def leap(self) -> int:
        """The leap second that the kernel has pending: +1 inserts one, -1 deletes one, else 0."""
        return 1 if self.status & STA_INS else -1 if self.status & STA_DEL else 0


def read_kernel_clock() -> KernelClock | None:
    """Ask the kernel; None where it cannot be asked (no Linux, or the call is forbidden)."""
    if not IS_LINUX:
        return None
    timex = Timex()  # modes = 0: only ask
    state = ctypes.CDLL(None).adjtimex(ctypes.byref(timex))
    return None if state < 0 else told_by(state, timex)


def told_by(state: int, timex: Timex) -> KernelClock:
    """The result of the call and what it filled in."""
    is_nano = timex.status & STA_NANO
    return KernelClock(
        state=state,
        status=timex.status,
        offset_ns=timex.offset if is_nano else timex.offset * MICROSECOND,
        frequency_ppm=timex.freq / PPM_UNITS,
        error_ns=min(max(1, timex.maxerror) * MICROSECOND, UNSYNCHRONISED_NS),
        estimated_error_ns=max(0, timex.esterror) * MICROSECOND,
        tai_offset_s=timex.tai,
    )


def kernel_error_ns() -> int:
    """How far the system clock can be off, as its kernel says; 16 s where it says nothing."""
    told = read_kernel_clock()
    return UNSYNCHRONISED_NS if told is None else told.error_ns
