"""What to watch, and when to complain."""

from dataclasses import dataclass, field

from clocksync.measuring.settings import check_drift
from clocksync.ntp.sample import MAX_DRIFT_PPM
from clocksync.runtime.errors import BadConfig
from clocksync.runtime.units import MILLISECOND, SECOND

INTERVAL_MIN_NS = MILLISECOND
BURST_MAX = 16
INTERVAL_MAX_NS = 24 * 3600 * SECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When a host is out of bounds. None: never. Durations in ns."""

    offset_ns: int | None = None
    """|offset| + bound may be this large."""
    error_ns: int | None = None
    """The bound itself may be."""

    def __post_init__(self) -> None:
        for name, value in (("offset", self.offset_ns), ("error", self.error_ns)):
            if value is not None and value < 0:
                raise BadConfig(f"the maximum {name} cannot be negative")

    def or_else(self, other: "Limits") -> "Limits":
        """These, and where they say nothing, `other`."""
        return Limits(
            offset_ns=other.offset_ns if self.offset_ns is None else self.offset_ns,
            error_ns=other.error_ns if self.error_ns is None else self.error_ns,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchSettings:
    """How to watch. Durations in ns.

    Raises:
        BadConfig: one of them is impossible.
    """

    interval_ns: int = 2 * SECOND
    """Between rounds, each of which ends with a report."""

    burst: int = 2
    """Requests to one host in a round, each as soon as the one before is answered. The second one
    tells when the answer to the first really left, and it goes over a path that the first has
    warmed: caches alone are worth a microsecond."""

    timeout_ns: int = SECOND
    """How long to wait for one answer."""

    silence: int = 3
    """So many requests in a row without an answer are a silence."""

    hold: int = 3
    """An alarm is cleared once its cause has been away for so many reports in a row."""

    max_drift_ppm: float = MAX_DRIFT_PPM
    """Largest rate difference between two clocks that bounds allow for; more is an alarm."""

    precision_ns: int = 1
    """Precision of the local clock."""

    version: int = 4
    """NTP version of the requests."""

    interleaved: bool = True
    """Whether to ask for NTP's interleaved mode."""

    limits: Limits = field(default_factory=Limits)
    """For every host that has none of its own."""

    def __post_init__(self) -> None:
        if not INTERVAL_MIN_NS <= self.interval_ns <= INTERVAL_MAX_NS:
            raise BadConfig("the interval must be between 1ms and 24h")
        if not 1 <= self.burst <= BURST_MAX:
            raise BadConfig(f"the burst must be between 1 and {BURST_MAX} requests")
        if self.timeout_ns <= 0:
            raise BadConfig("the timeout must be longer than nothing")
        if self.silence < 1 or self.hold < 1:
            raise BadConfig("an alarm needs at least one report to be raised or cleared")
        check_drift(self.max_drift_ppm)
