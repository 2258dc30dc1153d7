"""The kernel's ``struct timex``, and a clock that is steered through it. Pure: the call is given.

``clock_adjtime(2)`` reads and sets everything about a clock's discipline with one structure, whose
`modes` say which fields count. :class:`KernelClock` fills it in and hands it to a *call*: the real
one (:mod:`clocksync.steering.systemclock`), or a fake that behaves as the kernel does.

Two ways of moving the clock are left out on purpose. The kernel's own servo (``ADJ_OFFSET`` with
``STA_PLL``) would be a second one behind ours. And a large slew by frequency would go on for ever
if we died meanwhile: ``ADJ_OFFSET_SINGLESHOT`` (as ``adjtime(3)``) ends by itself.
"""

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

# linux/timex.h
ADJ_FREQUENCY, ADJ_MAXERROR, ADJ_ESTERROR, ADJ_STATUS = 0x2, 0x4, 0x8, 0x10
ADJ_SETOFFSET, ADJ_NANO = 0x100, 0x2000
ADJ_OFFSET_SINGLESHOT = 0x8001
STA_UNSYNC = 0x40
TICK_US = 10_000
"""The length of a tick by which no rate is added, at 100 ticks a second."""
FREQUENCY_MAX_PPM = 500.0
_SCALED_PPM = 65_536


class Timeval(ctypes.Structure):
    """Seconds, and micro- or nanoseconds."""

    _fields_ = (("seconds", ctypes.c_long), ("fraction", ctypes.c_long))


class Timex(ctypes.Structure):
    """``struct timex`` of 64-bit Linux, 208 bytes."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("constant", ctypes.c_long),
        ("precision", ctypes.c_long),
        ("tolerance", ctypes.c_long),
        ("time", Timeval),
        ("tick", ctypes.c_long),
        ("ppsfreq", ctypes.c_long),
        ("jitter", ctypes.c_long),
        ("shift", ctypes.c_int),
        ("stabil", ctypes.c_long),
        ("jitcnt", ctypes.c_long),
        ("calcnt", ctypes.c_long),
        ("errcnt", ctypes.c_long),
        ("stbcnt", ctypes.c_long),
        ("tai", ctypes.c_int),
        ("padding", ctypes.c_int * 11),
    )


Call = Callable[[Timex], int]
"""Do what a structure says and fill it in; the clock's state, as ``clock_adjtime`` returns it.
Raises OSError."""


@dataclass(frozen=True, slots=True)
class KernelState:
    """What the kernel thinks of its clock."""

    frequency_ppm: float
    """By how much it is made to run faster, the tick's length included."""
    max_error_us: int


class SteerableClock(Protocol):
    """What :class:`~clocksync.steering.system.SystemSteerer` needs of the system's clock."""

    def state(self) -> KernelState: ...

    def set_frequency(self, ppm: float) -> None: ...

    def slew(self, by_us: int) -> None: ...

    def step(self, by_ns: int) -> None: ...

    def tell(self, max_error_us: int, estimate_us: int, synchronised: bool) -> None: ...


class KernelClock:
    """The system's clock, by way of `call`."""

    def __init__(self, call: Call) -> None:
        self._call = call
        timex = Timex()
        self._call(timex)
        self._tick_ppm = (timex.tick - TICK_US) * 100.0 if timex.tick else 0.0

    def state(self) -> KernelState:
        """Read, and change nothing."""
        timex = Timex()
        self._call(timex)
        frequency = timex.freq / _SCALED_PPM + self._tick_ppm
        return KernelState(frequency, timex.maxerror)

    def set_frequency(self, ppm: float) -> None:
        """Run that much faster than the oscillator, within what the kernel allows."""
        wanted = min(FREQUENCY_MAX_PPM, max(-FREQUENCY_MAX_PPM, ppm - self._tick_ppm))
        self._call(Timex(modes=ADJ_FREQUENCY, freq=round(wanted * _SCALED_PPM)))

    def slew(self, by_us: int) -> None:
        """Move by that much at 500 ppm, then stop; replaces a slew that is under way."""
        self._call(Timex(modes=ADJ_OFFSET_SINGLESHOT, offset=by_us))

    def step(self, by_ns: int) -> None:
        """Jump."""
        seconds, fraction = divmod(by_ns, 1_000_000_000)
        time = Timeval(seconds=seconds, fraction=fraction)
        self._call(Timex(modes=ADJ_SETOFFSET | ADJ_NANO, time=time))

    def tell(self, max_error_us: int, estimate_us: int, synchronised: bool) -> None:
        """Let other programs know how far the clock may be off."""
        self._call(
            Timex(
                modes=ADJ_MAXERROR | ADJ_ESTERROR | ADJ_STATUS,
                maxerror=max_error_us,
                esterror=estimate_us,
                status=0 if synchronised else STA_UNSYNC,
            )
        )
