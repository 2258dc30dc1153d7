"""A clock that is steered through the kernel's ``struct timex``. Pure: the call is given.

:class:`KernelClock` fills in the structure (:mod:`clocksync.runtime.timex`) and hands it to a
*call*: the real one (:mod:`clocksync.steering.systemclock`), or a fake that behaves as the kernel
does.

Two ways of moving the clock are left out on purpose. The kernel's own servo (``ADJ_OFFSET`` with
``STA_PLL``) would be a second one behind ours. And a large slew by frequency would go on for ever
if we died meanwhile: ``ADJ_OFFSET_SINGLESHOT`` (as ``adjtime(3)``) ends by itself.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from clocksync.runtime.timex import (
    ADJ_ESTERROR,
    ADJ_FREQUENCY,
    ADJ_MAXERROR,
    ADJ_NANO,
    ADJ_OFFSET_SINGLESHOT,
    ADJ_SETOFFSET,
    ADJ_STATUS,
    PPM_UNITS,
    STA_UNSYNC,
    Timeval,
    Timex,
)

TICK_US = 10_000
"""The length of a tick by which no rate is added, at 100 ticks a second."""
FREQUENCY_MAX_PPM = 500.0


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
        frequency = timex.freq / PPM_UNITS + self._tick_ppm
        return KernelState(frequency, timex.maxerror)

    def set_frequency(self, ppm: float) -> None:
        """Run that much faster than the oscillator, within what the kernel allows."""
        wanted = min(FREQUENCY_MAX_PPM, max(-FREQUENCY_MAX_PPM, ppm - self._tick_ppm))
        self._call(Timex(modes=ADJ_FREQUENCY, freq=round(wanted * PPM_UNITS)))

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
