"""GPS time as integers: nanoseconds since 1980-01-06 00:00:00, without leap seconds.

RINEX gives a calendar date *in GPS time*, so it becomes a count of nanoseconds by counting days and
needs no leap second. Galileo's time runs with it (whole seconds alike, a few ns apart), BeiDou's is
14 s behind, and GLONASS keeps UTC, which is why a file of GLONASS epochs needs the leap seconds.
"""

from datetime import date, datetime, timedelta

from clocksync.runtime.units import SECOND

GPS_EPOCH = date(1980, 1, 6)
WEEK = 604_800 * SECOND
DAY = 86_400 * SECOND
_LEAPS_MAX = 60
# GPS time minus the scale, in seconds, where it needs no leap second (RINEX 3.05, table 12).
_BEHIND_GPS = {"GPS": 0, "GAL": 0, "QZS": 0, "IRN": 0, "BDT": 14}


def from_calendar(
    year: int, month: int, day: int, hour: int, minute: int, seconds: str | float
) -> int:
    """A calendar date of GPS time as ns. The text of the seconds is read exactly, to 1 ns.

    Raises:
        ValueError: there is no such date or time of day.

    >>> from_calendar(2018, 6, 22, 6, 17, "30.0000000")
    1213683450000000000
    """
    whole, _, fraction = str(seconds).strip().partition(".")
    nanoseconds = int(whole or 0) * SECOND + int((fraction + "000000000")[:9])
    if not (0 <= hour < 24 and 0 <= minute < 60 and 0 <= nanoseconds <= 60 * SECOND):
        raise ValueError(f"no time of day: {hour}:{minute}:{seconds}")
    days = (date(year, month, day) - GPS_EPOCH).days
    return days * DAY + (hour * 3600 + minute * 60) * SECOND + nanoseconds


def full_year(year: int) -> int:
    """A two-digit year of RINEX 2: 80 to 99 are 1980 to 1999, the others 20xx.

    >>> full_year(99), full_year(18), full_year(2018)
    (1999, 2018, 2018)
    """
    if year >= 100:
        return year
    return year + (1900 if year >= 80 else 2000)


def to_gps(time: int, scale: str, leap_seconds: int | None) -> int:
    """A time of another scale (its calendar counted like GPS time's) as GPS time.

    Raises:
        ValueError: the scale is unknown, or it is UTC's and the leap seconds are not.
    """
    if scale in _BEHIND_GPS:
        return time + _BEHIND_GPS[scale] * SECOND
    if scale not in ("GLO", "UTC"):
        raise ValueError(f"time system {scale!r} is unknown")
    if leap_seconds is None or not 0 <= leap_seconds < _LEAPS_MAX:
        raise ValueError(f"epochs are in {scale} time, and no header tells the leap seconds")
    return time + leap_seconds * SECOND


def nearest_week_second(second_of_week: float, near: int) -> int:
    """The instant with this second of the week that is nearest to `near`: week rollovers, and week
    numbers written modulo 1024, do not matter then.

    >>> end_of_week = 10 * WEEK - SECOND
    >>> (nearest_week_second(16.0, end_of_week) - end_of_week) // SECOND
    17
    """
    candidate = near - near % WEEK + round(second_of_week * SECOND)
    return candidate + WEEK * round((near - candidate) / WEEK)


def second_of_day(time: int) -> float:
    """Seconds since midnight of GPS time."""
    return (time % DAY) / SECOND


def iso(time: int) -> str:
    """ISO 8601 text, in GPS time: therefore without a ``Z``.

    >>> iso(1213683450000000000)
    '2018-06-22T06:17:30.0000000'
    """
    seconds, rest = divmod(time, SECOND)
    moment = datetime(1980, 1, 6) + timedelta(seconds=seconds)  # noqa: DTZ001  not UTC: GPS time
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{rest // 100:07d}"
