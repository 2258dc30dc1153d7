"""Smeared UTC: a leap second spread over 24 hours, from noon to noon, linearly.

Servers of Google and AWS do so ("Google Public NTP: Leap Smear"): they never say 23:59:60. From
noon UTC before the leap second to noon after it, 86,401 s pass and the smeared clock counts 86,400,
each 11.6 ppm long; with a negative leap second 86,399 pass. At the midnight between it is half a
second from UTC on either side.

Smeared time is told as POSIX time is, ns since 1970. A nanosecond of one clock is none of the other
within the window, so what is exact is a fraction, and what is told is the nearest nanosecond
(half upwards): never off by more than half of one, never going back. Both ways are so rounded, so a
round trip from the coarser clock is exact, and from the finer one off by at most 1 ns.
"""

from fractions import Fraction

from clocksync.runtime.units import SECOND
from clocksync.scales.civil import DAY, UtcTime
from clocksync.scales.leaps import Instant, Leap, LeapTable

HALF = DAY // 2


def _noon_before(table: LeapTable, leap: Leap) -> Instant:
    return table.from_utc(UtcTime(leap.day, HALF))


def window_at(table: LeapTable, instant: Instant) -> Leap | None:
    """The leap second that is being smeared at `instant`, if one is."""
    utc = table.to_utc(instant)
    return table.leap_after(utc.day if utc.ns >= HALF else utc.day - 1)


def smeared_exactly(table: LeapTable, instant: Instant) -> Fraction:
    """Smeared UTC at `instant`, ns since 1970, not rounded.

    Raises:
        NoSuchTime: before 1972, or after 9999.
    """
    leap = window_at(table, instant)
    if leap is None:
        return Fraction(table.to_posix(instant))
    passed = instant - _noon_before(table, leap)
    return leap.day * DAY + HALF + Fraction(passed * DAY, DAY + leap.change * SECOND)


def to_smeared(table: LeapTable, instant: Instant) -> int:
    """Smeared UTC at `instant`, ns since 1970, to the nearest ns.

    Raises:
        NoSuchTime: before 1972, or after 9999.
    """
    leap = window_at(table, instant)
    if leap is None:
        return table.to_posix(instant)
    length = DAY + leap.change * SECOND
    return leap.day * DAY + HALF + _rounded((instant - _noon_before(table, leap)) * DAY, length)


def from_smeared(table: LeapTable, smeared_ns: int) -> Instant:
    """The instant at which smeared UTC is `smeared_ns`, to the nearest ns; there is always one.

    Raises:
        NoSuchTime: before 1972, or after 9999.
    """
    day, ns = divmod(smeared_ns - HALF, DAY)
    leap = table.leap_after(day)
    if leap is None:
        (utc,) = table.utc_of_posix(smeared_ns)  # leap seconds are all within a window
        return table.from_utc(utc)
    return _noon_before(table, leap) + _rounded(ns * (DAY + leap.change * SECOND), DAY)


def _rounded(numerator: int, denominator: int) -> int:
    return (2 * numerator + denominator) // (2 * denominator)
