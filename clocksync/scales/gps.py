"""GPS time: weeks and seconds of the week since 1980-01-06, without leap seconds.

GPS time was UTC when it began and never leaps, so it is always 19 s behind TAI (IS-GPS-200
section 3.3.4; its steering to UTC(USNO), some nanoseconds, is not modelled). The navigation message
carries only the low 10 bits of the week (13 in CNAV): they roll over every 1,024 weeks, last on
2019-04-07, and a receiver must know the time within 9.8 years to tell which 1,024 are meant.
"""

from dataclasses import dataclass
from typing import Self

from clocksync.runtime.units import SECOND
from clocksync.scales.civil import DAY, NoSuchTime, day_of, format_decimal
from clocksync.scales.leaps import Instant

TAI_MINUS_GPS = 19 * SECOND
WEEK = 7 * DAY
EPOCH = Instant(day_of(1980, 1, 6) * DAY + TAI_MINUS_GPS)
"""1980-01-06T00:00:00 UTC."""

BEFORE_GPS = "GPS time begins on 1980-01-06"
LEGACY_BITS = 10


@dataclass(frozen=True, slots=True, order=True)
class GpsTime:
    """A week since 1980-01-06, counted on through rollovers, and the nanoseconds since it began.

    Raises:
        NoSuchTime: a negative week, or more nanoseconds than a week has.

    >>> GpsTime.at(EPOCH + 1024 * WEEK)
    GpsTime(week=1024, ns=0)
    """

    week: int
    ns: int

    def __post_init__(self) -> None:
        if self.week < 0:
            raise NoSuchTime(BEFORE_GPS)
        if not 0 <= self.ns < WEEK:
            raise NoSuchTime(
                f"{format_decimal(self.ns)} s is not within a GPS week of {WEEK // SECOND} s"
            )

    @classmethod
    def at(cls, instant: Instant) -> Self:
        """GPS time at `instant`.

        Raises:
            NoSuchTime: before 1980-01-06.
        """
        return cls(*divmod(instant - EPOCH, WEEK))

    @classmethod
    def broadcast(cls, week: int, ns: int, near: Instant, bits: int = LEGACY_BITS) -> Self:
        """The time meant by a week of `bits` bits, as satellites send it: of all that it can be,
        the one nearest to `near`.

        Raises:
            NoSuchTime: `week` has more bits, or `ns` is no time of a week.

        >>> GpsTime.broadcast(0, 0, near=EPOCH + 2000 * WEEK).week
        2048
        """
        if not 0 <= week < 1 << bits:
            raise NoSuchTime(f"week {week} has more than {bits} bits")
        first, cycle = cls(week, ns), WEEK << bits
        rollovers = max(0, (near - first.instant + cycle // 2) // cycle)
        return cls(week + (rollovers << bits), ns)

    @property
    def instant(self) -> Instant:
        """The instant at which GPS time is this."""
        return EPOCH + (self.week * WEEK + self.ns)

    @property
    def rollovers(self) -> int:
        """How often the 10-bit week has rolled over."""
        return self.week >> LEGACY_BITS

    @property
    def broadcast_week(self) -> int:
        """The week as the legacy message has it, in 10 bits."""
        return self.week & (1 << LEGACY_BITS) - 1

    def __str__(self) -> str:
        return f"{self.week}:{format_decimal(self.ns)}"
