"""What a receiver says of one epoch: where, when, how sure, and who was not believed."""

from dataclasses import dataclass, field
from enum import Enum

from clocksync.gnss.geodesy import Ecef


class Status(Enum):
    """How an epoch ended."""

    SOLVED = "solved"
    """The satellites used agree with each other."""
    UNCHECKED = "unchecked"
    """Solved with no satellite to spare, or none in a useful direction: a lie would not show."""
    INCONSISTENT = "inconsistent"
    """Satellites contradict each other, and it cannot be told which one lies: no position."""
    UNSOLVED = "unsolved"
    """Too few satellites, or all in one direction: no position."""

    @property
    def is_solved(self) -> bool:
        """Whether there is a position and a clock error."""
        return self in (Status.SOLVED, Status.UNCHECKED)


class Cause(Enum):
    """Why a satellite was left out."""

    OTHER_SYSTEM = "other-system"
    NO_PSEUDORANGE = "no-pseudorange"
    NO_EPHEMERIS = "no-ephemeris"
    STALE_EPHEMERIS = "stale-ephemeris"
    UNHEALTHY = "unhealthy"
    LOW = "below-mask"
    LIES = "contradicts-the-others"


@dataclass(frozen=True, slots=True)
class Excluded:
    """A satellite that was observed and not used: why, for programs and in words."""

    satellite: str
    cause: Cause
    reason: str


@dataclass(frozen=True, slots=True)
class Used:
    """A satellite that was used: its signals, where in the sky, and what did not fit (metres)."""

    satellite: str
    codes: tuple[str, ...]
    azimuth_deg: float
    elevation_deg: float
    sigma_m: float
    residual_m: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """One epoch. Without a position everything that depends on one is None."""

    time: int
    """The receiver's clock, read as GPS time: ns since 1980-01-06."""
    status: Status
    reason: str | None = None
    """Why there is no position, or what to know about it."""
    position: Ecef | None = None
    clock_error_ns: float | None = None
    """Receiver minus GPS time (or Galileo's, with Galileo alone): positive, the receiver is ahead.
    What cables and the receiver itself delay is in it. A float: an estimate, fractions are real."""
    clock_error_std_ns: float | None = None
    clock_error_bound_ns: float | None = None
    horizontal_bound_m: float | None = None
    vertical_bound_m: float | None = None
    """At 99.9 %, if the error model holds and nobody lies unnoticed."""
    horizontal_protection_m: float | None = None
    """How far one satellite could move the position by a lie that the residuals do not show. None
    where a lie would never show."""
    galileo_minus_gps_ns: float | None = None
    """Of the two systems' times, as this receiver's hardware sees them."""
    horizontal_dilution: float | None = None
    redundancy: int = -1
    """Measurements more than unknowns."""
    chi_square: float | None = None
    chi_square_limit: float | None = None
    used: tuple[Used, ...] = ()
    excluded: tuple[Excluded, ...] = field(default=())
    header_position: Ecef | None = None
    """Of the antenna, by the observation file."""
    power_failed: bool = False

    @property
    def satellites(self) -> list[str]:
        """Names of those used."""
        return [each.satellite for each in self.used]
