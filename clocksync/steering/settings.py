"""The settings of a disciplined clock."""

from dataclasses import dataclass

from clocksync.measuring.settings import check_drift
from clocksync.ntp.sample import MAX_DRIFT_PPM
from clocksync.runtime.errors import BadConfig
from clocksync.runtime.units import MILLISECOND, SECOND
from clocksync.steering.clock import FASTEST_SLEW_PPM, SLEW_PPM_MAX
from clocksync.steering.kalman import KalmanServo
from clocksync.steering.servo import PiServo, Servo

SERVOS: dict[str, type[KalmanServo] | type[PiServo]] = {"kalman": KalmanServo, "pi": PiServo}
POLL_LEAST, POLL_MOST = -6, 17
"""From 64 requests a second, for networks of one's own, to one in a day and a half (RFC 5905)."""
WANDER_PPM_PER_HOUR = 4.0
"""Crystals change by 0.1 to 1 ppm a kelvin: this allows for several kelvin an hour, all the time in
one direction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DisciplineSettings:
    """How to keep a clock to its hosts. Durations in ns."""

    servo: str = "kalman"
    """What makes the estimate: ``kalman`` or ``pi``."""

    poll_min: int = 4
    """Each host is asked every 2^n s: the shortest interval. Public servers expect 4 or more."""

    poll_max: int = 10
    """The longest interval, taken when noise outweighs drift."""

    burst: int = 6
    """Requests to each host at the start, at most 2 s apart."""

    timeout_ns: int = SECOND
    """How long to wait for one answer."""

    max_drift_ppm: float = MAX_DRIFT_PPM
    """How far the machine's oscillator can be off at most."""

    wander_ppm_per_hour: float = WANDER_PPM_PER_HOUR
    """How much its frequency can change in an hour at most, in the same direction."""

    sources_min: int | None = None
    """So many hosts must answer and agree; None: so many that one of them is honest if fewer than
    half of those named lie."""

    step_ns: int = 128 * MILLISECOND
    """A correction forward beyond this is a step; anything else is slewed."""

    slew_ppm_max: float = SLEW_PPM_MAX
    """How fast the clock is slewed."""

    bound_max_ns: int = 16 * SECOND
    """A bound beyond this is no time any more (RFC 5905's MAXDISP)."""

    precision_ns: int = 1
    """Precision of the local clock's readings."""

    version: int = 4
    """NTP version of the requests."""

    interleaved: bool = True
    """Whether to ask for interleaved mode where hosts are asked often enough for it."""

    def __post_init__(self) -> None:
        if self.servo not in SERVOS:
            raise BadConfig(f"servo {self.servo!r} is none of {', '.join(SERVOS)}")
        if not POLL_LEAST <= self.poll_min <= self.poll_max <= POLL_MOST:
            raise BadConfig(
                f"polls from 2^{self.poll_min} to 2^{self.poll_max} s cannot be: the exponents"
                f" lie in {POLL_LEAST} to {POLL_MOST}, and the first is not the greater one"
            )
        if self.timeout_ns <= 0:
            raise BadConfig("the timeout must be longer than nothing")
        check_drift(self.max_drift_ppm)
        if not 0 <= self.wander_ppm_per_hour <= 1e6:
            raise BadConfig(
                f"a wander of {self.wander_ppm_per_hour:g} ppm an hour cannot be: write 0 or more"
            )
        if not 0 < self.slew_ppm_max <= FASTEST_SLEW_PPM:
            raise BadConfig(
                f"a slew of {self.slew_ppm_max:g} ppm cannot be: more than 0, up to"
                f" {FASTEST_SLEW_PPM:g}"
            )
        if self.sources_min is not None and self.sources_min < 1:
            raise BadConfig(f"at least {self.sources_min} hosts must agree: write 1 or more")
        if self.step_ns <= 0 or self.bound_max_ns <= 0 or self.burst < 0:
            raise BadConfig("the step, the largest bound and the burst must be positive")

    def make_servo(self) -> Servo:
        """A new servo of the kind that is set."""
        return SERVOS[self.servo]()

    def needed(self, named: int) -> int:
        """How many of `named` hosts must agree.

        >>> [DisciplineSettings().needed(n) for n in range(1, 8)]
        [1, 1, 2, 2, 3, 3, 4]
        """
        return (named + 1) // 2 if self.sources_min is None else min(self.sources_min, named)
