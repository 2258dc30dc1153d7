"""Dates and times of day as text and as integers: the calendar, without any leap second table.

A :class:`UtcTime` is what UTC text says: a day and the nanoseconds since it began. Its 86,401st
second is 23:59:60 (ITU-R TF.460-6 section 2.3); whether a day has one is for a
:class:`~clocksync.scales.leaps.LeapTable` to say. Scales without leap seconds (TAI, GPS, smeared
UTC) are text of the plain calendar, whose days have 86,400 seconds each.

Years are 0001 to 9999 of the Gregorian calendar, as in RFC 3339, also before it was in use.
"""

import re
from dataclasses import dataclass
from datetime import date
from typing import Self

from clocksync.runtime.errors import ToolkitError
from clocksync.runtime.units import SECOND

DAY = 86_400 * SECOND
_EPOCH = date(1970, 1, 1).toordinal()
DAY_MIN, DAY_MAX = 1 - _EPOCH, date.max.toordinal() - _EPOCH
_OFFSET_MAX = 24 * 60
_DECIMALS = {"ns": 0, "us": 3, "ms": 6, "s": 9}
_TOO_FINE = "finer than a nanosecond"

_TEXT = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[Tt ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]+))?)?"
    r"(Z|z|[+-][0-9]{2}:?[0-9]{2})?)?"
)


class NoSuchTime(ToolkitError, ValueError):
    """This text or number names no time, or none that the scale asked for has."""


def day_of(year: int, month: int, day: int) -> int:
    """The day's number, days since 1970-01-01.

    >>> day_of(1970, 1, 1), day_of(1972, 7, 1)
    (0, 912)
    """
    return date(year, month, day).toordinal() - _EPOCH


def day_text(day: int) -> str:
    """``2016-12-31`` for a day's number.

    Raises:
        NoSuchTime: outside the years 0001 to 9999.
    """
    if not DAY_MIN <= day <= DAY_MAX:
        raise NoSuchTime("outside the years 0001 to 9999")
    return date.fromordinal(day + _EPOCH).isoformat()


@dataclass(frozen=True, slots=True, order=True)
class UtcTime:
    """A day (days since 1970-01-01) and the nanoseconds since it began, as UTC has them.

    Ordered as time is. ``str()`` is RFC 3339 with nine digits.

    Raises:
        NoSuchTime: outside the years 0001 to 9999, or later than a 61st second goes.

    >>> UtcTime.parse("2016-12-31T23:59:60.5Z")
    UtcTime(day=17166, ns=86400500000000)
    >>> str(UtcTime(17166, 86_400_500_000_000))
    '2016-12-31T23:59:60.500000000Z'
    """

    day: int
    ns: int

    def __post_init__(self) -> None:
        if not DAY_MIN <= self.day <= DAY_MAX:
            raise NoSuchTime("outside the years 0001 to 9999")
        if not 0 <= self.ns < DAY + SECOND:
            raise NoSuchTime(f"no day has a nanosecond {self.ns}")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read RFC 3339 text: ``2016-12-31T23:59:60.5Z``, also with an offset such as ``+05:30``.

        A blank for the T, no seconds, no time of day, and no zone (it is UTC then) are fine.

        Raises:
            NoSuchTime: it is none, with what is wrong; ``:60`` at another time than 23:59 UTC.
        """
        day, minute, second, fraction, offset = _fields(text)
        minutes = minute - offset
        day, minute = day + minutes // 1440, minutes % 1440
        if second == 60 and minute != 1439:
            raise NoSuchTime(f"{text}: a leap second is at 23:59:60 UTC and at no other time")
        return cls(day, (minute * 60 + second) * SECOND + fraction)

    @property
    def is_leap_second(self) -> bool:
        """Whether this is within a 61st second."""
        return self.ns >= DAY

    @property
    def posix_ns(self) -> int:
        """POSIX's "seconds since the Epoch" in ns: each day counts 86,400 s (IEEE Std
        1003.1-2017 section 4.16), so that 23:59:60 has the number of the second after it."""
        return self.day * DAY + self.ns

    def __str__(self) -> str:
        return f"{_text(self.day, self.ns)}Z"


def parse_plain(text: str) -> int:
    """Read text of a scale without leap seconds, ns since its 1970-01-01T00:00:00.

    Raises:
        NoSuchTime: it is none, it has a zone, or a 61st second.

    >>> parse_plain("1970-01-01T00:00:37.5")
    37500000000
    """
    day, minute, second, fraction, _ = _fields(text, zone=False)
    if second == 60:
        raise NoSuchTime(f"{text}: only UTC has leap seconds")
    return day * DAY + (minute * 60 + second) * SECOND + fraction


def format_plain(ns: int) -> str:
    """Write ns since 1970-01-01T00:00:00 of a scale without leap seconds; no zone.

    Raises:
        NoSuchTime: outside the years 0001 to 9999.

    >>> format_plain(37_500_000_000)
    '1970-01-01T00:00:37.500000000'
    """
    return _text(*divmod(ns, DAY))


def parse_decimal(text: str) -> int:
    """Read a decimal number of seconds, or with a unit (``ns``, ``us``, ``ms``, ``s``), as ns.

    Exact: nothing finer than a nanosecond is accepted.

    Raises:
        NoSuchTime: it is no such number.

    >>> parse_decimal("-1.5"), parse_decimal("1483228800500ms")
    (-1500000000, 1483228800500000000)
    """
    match = re.fullmatch(r"([+-]?)([0-9]{1,30})(?:\.([0-9]+))?(ns|us|ms|s)?", text)
    if not match:
        raise NoSuchTime(f"{text!r} is no number of seconds")
    sign, whole, fraction, unit = match.groups()
    fraction = (fraction or "").rstrip("0")
    decimals = _DECIMALS[unit or "s"]
    if len(fraction) > decimals:
        raise NoSuchTime(f"{text}: {_TOO_FINE}")
    value = int(whole + fraction.ljust(decimals, "0"))
    return -value if sign == "-" else value


def format_decimal(ns: int) -> str:
    """Write ns as seconds with nine decimals.

    >>> format_decimal(-1_500_000_000)
    '-1.500000000'
    """
    whole, rest = divmod(abs(ns), SECOND)
    return f"{'-' if ns < 0 else ''}{whole}.{rest:09d}"


def _fields(text: str, zone: bool = True) -> tuple[int, int, int, int, int]:
    """Day, minute of the day, second, ns of the second, offset in minutes."""
    match = _TEXT.fullmatch(text)
    if not match:
        raise NoSuchTime(f"{text!r} is no time: write 2016-12-31T23:59:60.5Z for example")
    year, month, dom, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    try:
        day = day_of(year, month, dom)
    except ValueError:
        raise NoSuchTime(f"{text}: there is no day {text[:10]}") from None
    if hour == 24:
        raise NoSuchTime(f"{text}: there is no hour 24: write 00:00:00 of the next day")
    if hour > 23 or minute > 59 or second > 60:
        raise NoSuchTime(f"{text}: there is no {text[11:19]} in a day")
    if match[8] and not zone:
        raise NoSuchTime(f"{text}: a zone belongs to UTC: leave {match[8]} out here")
    return day, hour * 60 + minute, second, _fraction(text, match[7]), _offset(text, match[8])


def _offset(text: str, zone: str | None) -> int:
    if zone is None or zone in "Zz":
        return 0
    hours, minutes = int(zone[1:3]), int(zone[-2:])
    if minutes > 59 or hours * 60 + minutes >= _OFFSET_MAX:
        raise NoSuchTime(f"{text}: no zone is {zone}")
    return (hours * 60 + minutes) * (-1 if zone[0] == "-" else 1)


def _fraction(text: str, digits: str | None) -> int:
    digits = (digits or "").rstrip("0")
    if len(digits) > 9:
        raise NoSuchTime(f"{text}: {_TOO_FINE}")
    return int(digits.ljust(9, "0"))


def _text(day: int, ns: int) -> str:
    second, fraction = divmod(ns, SECOND)
    minute, second = (1439, second - 86_340) if second >= 86_400 else divmod(second, 60)
    return f"{day_text(day)}T{minute // 60:02d}:{minute % 60:02d}:{second:02d}.{fraction:09d}"
