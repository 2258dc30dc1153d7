"""What makes an estimate of the agreed offset: the contract of a servo, and the PI controller.

A servo is told *readings*: true time minus base as an answer of a host says it, and how much that
is worth. It says what the difference is at any instant, and at what frequency it changes: the clock
is steered to that. It promises no bound, which :mod:`~clocksync.steering.reach` does without it.

:class:`PiServo` is the controller of ptp4l (linuxptp, ``pi.c``): the frequency is the sum of an
integral and of a share of the error, the phase is never touched between steps. Its gains are those
of ptp4l's software stamps, for a second between readings, and scale with its inverse. Where
several hosts are asked in turn, it takes the mean of what they say in one round, weighted by how
much their delays exceed the least. It was made for a reading a second on a quiet LAN. The other
one is :mod:`~clocksync.steering.kalman`; ``docs/decisions/0019-a-kalman-filter-steers.md``
compares.
"""

from dataclasses import dataclass
from typing import Protocol

from clocksync.runtime.units import SECOND

FREQUENCY_MAX_PPM = 1_000.0
KP, KI = 0.7, 0.3
"""ptp4l's ``pi_proportional_norm_max`` and ``pi_integral_norm_max``: shares of the error that are
taken out within the time between two readings."""
FIRST_SPAN_NS = SECOND
"""The frequency is first taken from two readings at least so far apart."""


@dataclass(frozen=True, slots=True)
class Reading:
    """True time minus base was `offset_ns` when the base read `at`, give or take `noise_ns`.

    `weight` is the least delay of that path over this answer's: 1 for the best, 0 for the worst.
    `interval_ns` is how often a host is asked, so that there is news of all.
    """

    at: int
    offset_ns: int
    noise_ns: float
    weight: float = 1.0
    interval_ns: int = 0


class Servo(Protocol):
    """Follows readings of an offset that drifts."""

    @property
    def frequency_ppm(self) -> float:
        """How fast true time runs against the base."""

    @property
    def ready(self) -> bool:
        """Whether it has a frequency of its own yet, so that it can be trusted to hold it."""

    def update(self, reading: Reading) -> None:
        """Take in one reading; they come in any order, but not far out of it."""

    def at(self, base: int) -> int:
        """The offset when the base reads `base`, ns."""

    def error_ns(self, base: int) -> float:
        """How far off it believes to be then, ns: one standard deviation."""

    def restart(self) -> None:
        """Forget everything: the next reading is the first."""

    def jump(self, at: int, offset_ns: int, noise_ns: float) -> None:
        """The offset jumped to about that; the frequency is kept."""


class PiServo:
    """Proportional and integral control of the frequency, as ptp4l does it.

    >>> servo = PiServo()
    >>> servo.update(Reading(0, 500, 10.0))
    >>> servo.update(Reading(2_000_000_000, 2_500, 10.0))
    >>> servo.frequency_ppm, servo.at(3_000_000_000)
    (1.0, 3500)
    """

    def __init__(self, kp: float = KP, ki: float = KI) -> None:
        self.kp, self.ki = kp, ki
        self.restart()

    def restart(self) -> None:
        self._first: Reading | None = None
        self._integral = 0.0  # ppm
        self._rate = 0.0  # ppm
        self._at = 0
        self._phase = 0
        self._noise = 0.0
        self._errors = self._weights = 0.0
        self._ready = False

    @property
    def frequency_ppm(self) -> float:
        return self._rate

    @property
    def ready(self) -> bool:
        return self._ready

    def at(self, base: int) -> int:
        return self._phase + round((base - self._at) * self._rate / 1e6)

    def error_ns(self, base: int) -> float:
        return self._noise

    def jump(self, at: int, offset_ns: int, noise_ns: float) -> None:
        self._at, self._phase, self._noise = at, offset_ns, noise_ns
        self._rate = self._integral
        self._errors = self._weights = 0.0

    def update(self, reading: Reading) -> None:
        if self._first is None:
            self._first = reading
            self._at, self._phase, self._noise = reading.at, reading.offset_ns, reading.noise_ns
            return
        elapsed = reading.at - self._at
        if not self._ready:
            span = reading.at - self._first.at
            if span < FIRST_SPAN_NS:
                return
            slope = (reading.offset_ns - self._first.offset_ns) * 1e6 / span
            self._integral = self._rate = _within(slope)
            self._at, self._phase = reading.at, reading.offset_ns
            self._ready = True
            return
        error = reading.offset_ns - self.at(reading.at)
        self._noise = max(1.0, 0.9 * self._noise + 0.1 * abs(error))
        self._errors += error * reading.weight
        self._weights += reading.weight
        # Hosts are asked in turn, and what one says stands until all have spoken again.
        if elapsed <= 0 or elapsed < reading.interval_ns * 3 // 4:
            return
        share = self._errors / self._weights * 1e6 / elapsed
        self._errors = self._weights = 0.0
        self._phase, self._at = self.at(reading.at), reading.at
        self._integral = _within(self._integral + self.ki * share)
        self._rate = _within(self._integral + self.kp * share)


def _within(ppm: float) -> float:
    return min(FREQUENCY_MAX_PPM, max(-FREQUENCY_MAX_PPM, ppm))
