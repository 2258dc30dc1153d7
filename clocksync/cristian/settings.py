"""The settings of reading one remote clock."""

from dataclasses import dataclass

from clocksync.measuring.settings import check_drift
from clocksync.ntp.sample import MAX_DRIFT_PPM
from clocksync.runtime.errors import BadConfig
from clocksync.runtime.units import MILLISECOND, SECOND, format_duration
from clocksync.steering import SLEW_PPM_MAX

ATTEMPTS_MAX = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CristianSettings:
    """How to read. Durations in ns.

    Raises:
        BadConfig: one of them is impossible.
    """

    within_ns: int
    """The bound that is asked for."""

    attempts: int = 20
    """At the most, for one reading. (1 to 10,000)"""

    interval_ns: int = 100 * MILLISECOND
    """Between attempts, so that they do not meet the same queue; up to a quarter more or less, by
    chance. Public servers expect 2 s (RFC 8633 section 3.3)."""

    timeout_ns: int = SECOND
    """How long an answer is waited for. The wait doubles for every attempt that gets none."""

    min_delay_ns: int = 0
    """What a datagram takes at the least, one way: known, not guessed."""

    max_drift_ppm: float = MAX_DRIFT_PPM
    """Largest rate difference of the two clocks that bounds allow for."""

    max_slew_ppm: float = SLEW_PPM_MAX
    """How fast the steered clock is slewed."""

    precision_ns: int = 1
    """Precision of the local clock."""

    def __post_init__(self) -> None:
        if self.within_ns <= 0:
            raise BadConfig("--within: a bound is more than nothing")
        if not 1 <= self.attempts <= ATTEMPTS_MAX:
            raise BadConfig(f"--attempts {self.attempts}: 1 to {ATTEMPTS_MAX}")
        if self.interval_ns < 0 or self.timeout_ns <= 0:
            raise BadConfig(
                "--interval cannot be negative, and --timeout must be more than nothing"
            )
        if not 0 <= self.min_delay_ns <= SECOND:
            raise BadConfig(f"--min-delay {format_duration(self.min_delay_ns)}: 0 to 1s")
        check_drift(self.max_drift_ppm)
