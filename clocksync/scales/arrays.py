"""The same conversions for many times at once: numpy arrays of int64 nanoseconds.

An array cannot say "two times" of one element, so where a POSIX time is ambiguous the caller says
which is meant. The range of int64 is 1677 to 2262.
"""

import numpy as np
from numpy.typing import NDArray

from clocksync.runtime.units import SECOND
from clocksync.scales.civil import DAY, NoSuchTime
from clocksync.scales.leaps import BEFORE_1972, FIRST_DAY, FIRST_OFFSET, LeapTable

Nanos = NDArray[np.int64]


def tai_to_posix(table: LeapTable, tai_ns: Nanos) -> Nanos:
    """POSIX time (ns) of TAI (ns since 1970-01-01T00:00:00 TAI), element by element; an inserted
    second has the numbers of the second after it.

    Raises:
        NoSuchTime: one is before 1972.

    >>> from clocksync.scales import BUILT_IN
    >>> tai_to_posix(BUILT_IN, np.array([1_483_228_836_500_000_000]))
    array([1483228800500000000])
    """
    midnights, offsets = _stretches(table)
    at = np.searchsorted(midnights + offsets, tai_ns, side="right") - 1
    _require(bool((at >= 0).all()), BEFORE_1972)
    return tai_ns - offsets[at]


def posix_to_tai(table: LeapTable, posix_ns: Nanos, *, leap_second: bool = False) -> Nanos:
    """TAI (ns since 1970-01-01T00:00:00 TAI) of POSIX time (ns), element by element. Where a
    number means two times it is the one after the leap second; with `leap_second`, the leap second.

    Raises:
        NoSuchTime: one is before 1972, or in a second that was left out.

    >>> from clocksync.scales import BUILT_IN
    >>> posix_to_tai(BUILT_IN, np.array([1_483_228_800_500_000_000]))
    array([1483228837500000000])
    """
    midnights, offsets = _stretches(table)
    at = np.searchsorted(midnights, posix_ns, side="right") - 1
    _require(bool((at >= 0).all()), BEFORE_1972)
    tai_ns = posix_ns + offsets[at]
    # The next stretch has begun by then: no time had that number.
    ends = np.append((midnights + offsets)[1:], np.iinfo(np.int64).max)
    _require(bool((tai_ns < ends[at]).all()), "a negative leap second left that second out")
    if leap_second:
        tai_ns = np.where(is_ambiguous(table, posix_ns), tai_ns - SECOND, tai_ns)
    return tai_ns


def is_ambiguous(table: LeapTable, posix_ns: Nanos) -> NDArray[np.bool_]:
    """Which POSIX times mean two times: an inserted second, and the second after it."""
    midnights = np.array([leap.midnight_ns for leap in table.leaps if leap.change > 0], np.int64)
    at = np.searchsorted(midnights, posix_ns, side="right") - 1
    if not len(midnights):
        return np.zeros(posix_ns.shape, bool)
    since = posix_ns - midnights[np.maximum(at, 0)]
    return (at >= 0) & (since < SECOND)


def _stretches(table: LeapTable) -> tuple[Nanos, Nanos]:
    """Of every stretch with one TAI - UTC: the POSIX time it begins at, and TAI - UTC, ns."""
    changes = [leap.change * SECOND for leap in table.leaps]
    midnights = [FIRST_DAY * DAY, *(leap.midnight_ns for leap in table.leaps)]
    offsets = np.cumsum([FIRST_OFFSET * SECOND, *changes])
    return np.array(midnights, np.int64), offsets.astype(np.int64)


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise NoSuchTime(otherwise)
