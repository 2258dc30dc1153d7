"""What the kernel says of the machine's clock.  [I/O]

Whatever disciplines the clock (chronyd, ntpd, timesyncd) tells the kernel how far it can be off;
the kernel lets that grow by 500 ppm between updates, and says 16 s where nobody disciplines it
(RFC 5905, section 11.3; ``adjtimex(2)``). Asking changes nothing, and needs no privilege.
"""

import ctypes
import struct
from dataclasses import dataclass

from clocksync.runtime.kernel import IS_LINUX
from clocksync.runtime.units import MICROSECOND, SECOND

UNSYNCHRONISED_NS = 16 * SECOND
"""The bound of a clock that nobody disciplines: the kernel's own NTP_PHASE_LIMIT."""

# linux/timex.h
STA_INS = 0x0010
STA_DEL = 0x0020
STA_UNSYNC = 0x0040
STA_NANO = 0x2000
TIME_ERROR = 5

_TIMEX_BYTES = 512  # more than any Linux has
# modes, offset, freq, maxerror, esterror, status, constant, precision, tolerance, time, tick,
# ppsfreq, jitter, shift, stabil, jitcnt, calcnt, errcnt, stbcnt, tai
_TIMEX = struct.Struct("@Illlli" + "lll" + "ll" + "l" + "ll" + "i" + "lllll" + "i")
_PPM_UNITS = 65_536  # of freq and tolerance: ppm with 16 bits after the point


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
    buffer = ctypes.create_string_buffer(_TIMEX_BYTES)  # modes = 0: only ask
    state = ctypes.CDLL(None).adjtimex(buffer)
    return None if state < 0 else parse_timex(state, buffer.raw)


def parse_timex(state: int, raw: bytes) -> KernelClock:
    """The result of the call and the ``struct timex`` that it filled in."""
    _, offset, freq, maxerror, esterror, status, *_, tai = _TIMEX.unpack_from(raw)
    return KernelClock(
        state=state,
        status=status,
        offset_ns=offset if status & STA_NANO else offset * MICROSECOND,
        frequency_ppm=freq / _PPM_UNITS,
        error_ns=min(max(1, maxerror) * MICROSECOND, UNSYNCHRONISED_NS),
        estimated_error_ns=max(0, esterror) * MICROSECOND,
        tai_offset_s=tai,
    )


def kernel_error_ns() -> int:
    """How far the system clock can be off, as its kernel says; 16 s where it says nothing."""
    told = read_kernel_clock()
    return UNSYNCHRONISED_NS if told is None else told.error_ns
