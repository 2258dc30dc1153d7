"""The system's clock kept to a disciplined one.

Once a second :meth:`SystemSteerer.follow` is told how far the system's clock is from the
disciplined one, and at what rate the latter runs. It sets

- the frequency to that rate, so that both run alike, and at most `TRIM_PPM` beyond for what is
  left of microseconds;
- a slew of the whole difference, which the kernel does at 500 ppm and *ends by itself*;
- the error bound (``maxerror``: the disciplined clock's bound and the difference), which the
  kernel lets grow from then on, and whether the clock is synchronised.

A difference beyond `step_ns` is a step, if that was allowed. So whatever instant the program dies
at, the clock is left with a frequency that is right within `TRIM_PPM` and a slew that ends.
"""

from dataclasses import dataclass

from clocksync.runtime.units import SECOND
from clocksync.steering.states import State
from clocksync.steering.timex import SteerableClock

TRIM_PPM = 1.0
TRIM_WITHIN_NS = 16 * SECOND
"""What is too little to slew is taken out by frequency, over so long."""
SLEW_LEAST_NS = 4_000
"""The kernel slews whole microseconds: less than a few is left to the trim."""
SLEW_MOST_US = 500_000
"""One call slews no more: at 500 ppm that is a quarter of an hour."""
ERROR_MAX_US = 16_000_000
"""From here on the kernel itself says that the clock is not synchronised."""


@dataclass(slots=True)
class SystemSteerer:
    """Keeps `kernel` to a disciplined clock.

    Args:
        kernel: the clock that is steered.
        step_ns: differences beyond this are stepped; None never steps.
    """

    kernel: SteerableClock
    step_ns: int | None = None
    steps: int = 0
    _rate_ppm: float | None = None

    def follow(
        self, state: State, offset_ns: int | None, rate_ppm: float, error_bound_ns: int | None
    ) -> None:
        """Take the next second's turn.

        Args:
            state: of the disciplined clock.
            offset_ns: the disciplined clock minus the system's.
            rate_ppm: how much faster than the oscillator the disciplined clock runs.
            error_bound_ns: of the disciplined clock.
        """
        if state is State.UNLOCKED or offset_ns is None or error_bound_ns is None:
            if self._rate_ppm is not None:  # before it was ever locked nothing is touched
                self.kernel.slew(0)
                self.kernel.tell(ERROR_MAX_US, ERROR_MAX_US, False)
            return
        if state is not State.LOCKED and self._rate_ppm is None:
            return
        self._rate_ppm = rate_ppm
        if self.step_ns is not None and abs(offset_ns) > self.step_ns:
            self.kernel.slew(0)
            self.kernel.step(offset_ns)
            self.steps += 1
            offset_ns = 0
        is_small = abs(offset_ns) < SLEW_LEAST_NS
        trim = offset_ns * 1e6 / TRIM_WITHIN_NS if is_small else 0.0
        self.kernel.set_frequency(rate_ppm + min(TRIM_PPM, max(-TRIM_PPM, trim)))
        slew = 0 if is_small else round(offset_ns / 1000)
        self.kernel.slew(min(SLEW_MOST_US, max(-SLEW_MOST_US, slew)))
        error = -(-(error_bound_ns + abs(offset_ns)) // 1000)
        self.kernel.tell(min(ERROR_MAX_US, error), -(-abs(offset_ns) // 1000), True)

    def leave(self) -> None:
        """Nobody keeps the clock from now on: end the slew, keep the frequency, say so."""
        if self._rate_ppm is None:
            return
        self.kernel.slew(0)
        self.kernel.set_frequency(self._rate_ppm)
        error = self.kernel.state().max_error_us
        self.kernel.tell(error, error, False)
