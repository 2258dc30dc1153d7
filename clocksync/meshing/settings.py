"""How a mesh is measured."""

from dataclasses import dataclass
from pathlib import Path

from clocksync.meshing.frames import NEIGHBOURS_MAX
from clocksync.ntp.sample import MAX_DRIFT_PPM
from clocksync.runtime.errors import BadConfig
from clocksync.runtime.units import MICROSECOND, MILLISECOND, SECOND, format_duration

HOSTS_MAX = 500
DURATION_MAX_NS = 600 * SECOND
INTERVAL_MIN_NS = 500 * MICROSECOND
SAMPLES_MAX = 20_000 // NEIGHBOURS_MAX * 10
LIARS_MAX = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class MeshSettings:
    """Durations in ns.

    Raises:
        BadConfig: one is out of range.
    """

    duration_ns: int = 2 * SECOND
    """How long the hosts probe each other. (up to ten minutes)"""
    interval_ns: int = 20 * MILLISECOND
    """Between two times that a host probes another; each time two probes leave together. With many
    neighbours an agent takes longer than asked for: 0.5 ms for each at least."""
    timeout_ns: int = 3 * SECOND
    """How long to wait for hosts that do not answer."""
    liars: int = 1
    """So many hosts may tell different others different times, and bounds between honest ones hold
    all the same; 0 believes all, for the tightest bounds."""
    max_drift_ppm: float = MAX_DRIFT_PPM
    """Largest rate difference between two clocks that bounds allow for."""

    key_file: Path | None = None
    """The fleet's key (``clocksync key generate``), the same as the agents'."""
    insecure_plaintext: bool = False
    """Go without a key: anybody who reaches the port can have a say."""
    fleet: str = "clocks"
    """The fleet's name."""
    id: int | None = None
    """The number we go by, in no other host of the fleet; None draws one from 60,000 up."""
    source: str | None = None
    """Ask from this local address; None takes that from which the first host is reached."""

    def __post_init__(self) -> None:
        if not 0 < self.duration_ns <= DURATION_MAX_NS:
            raise BadConfig(
                f"the duration must be more than nothing and at most 10 minutes, not"
                f" {format_duration(self.duration_ns)}"
            )
        if not INTERVAL_MIN_NS <= self.interval_ns <= self.duration_ns:
            raise BadConfig(
                f"the interval must be at least {format_duration(INTERVAL_MIN_NS)} and at most the"
                f" duration, not {format_duration(self.interval_ns)}"
            )
        if self.duration_ns // self.interval_ns > SAMPLES_MAX:
            raise BadConfig(
                f"{self.duration_ns // self.interval_ns} probes a pair are more than {SAMPLES_MAX}:"
                " give a longer interval or a shorter duration"
            )
        if self.timeout_ns <= 0:
            raise BadConfig("the timeout must be longer than nothing")
        if not 0 <= self.liars <= LIARS_MAX:
            raise BadConfig(f"liars must be between 0 and {LIARS_MAX}, not {self.liars}")
        if not 0 <= self.max_drift_ppm < 1_000_000:
            raise BadConfig(f"a drift of {self.max_drift_ppm} ppm is none: from 0 to below 1000000")
