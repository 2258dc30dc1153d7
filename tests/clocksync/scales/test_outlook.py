"""Whether a leap second is pending: by the table, and by an NTP server's leap indicator."""

import pytest

from clocksync.scales import (
    BUILT_IN,
    Leap,
    LeapTable,
    UtcTime,
    announced_leap,
    leap_outlook,
)
from clocksync.scales.civil import DAY, day_of
from tests.clocksync.scales.test_leaps import NEGATIVE

OF_2016 = Leap(day_of(2016, 12, 31), 1)


def posix(text: str) -> int:
    return UtcTime.parse(text).posix_ns


@pytest.mark.parametrize(
    ("table", "at", "pending"),
    [
        (BUILT_IN, "2016-12-01T00:00:00Z", OF_2016),
        (BUILT_IN, "2016-12-31T23:59:59.999999999Z", OF_2016),
        (BUILT_IN, "2017-01-01T00:00:00Z", None),
        (NEGATIVE, "2029-01-01T00:00:00Z", Leap(day_of(2029, 6, 30), -1)),
        (BUILT_IN, "1960-01-01T00:00:00Z", Leap(day_of(1972, 6, 30), 1)),
    ],
)
def test_the_next_leap_second_of_the_table_is_pending(
    table: LeapTable, at: str, pending: Leap | None
) -> None:
    outlook = leap_outlook(table, posix(at))
    assert outlook.pending == outlook.leap == pending
    assert outlook.announced is None
    assert outlook.problem is None


def test_how_long_it_is_until_then_is_told() -> None:
    outlook = leap_outlook(BUILT_IN, posix("2016-12-31T00:00:00Z"))
    assert outlook.until_ns == DAY
    assert str(outlook) == (
        "leap second pending: 2016-12-31T23:59:60Z inserted (by the built-in table)"
    )
    assert leap_outlook(BUILT_IN, posix("2020-01-01")).until_ns is None


@pytest.mark.parametrize(
    ("indicator", "at", "leap"),
    [
        (0, "2016-12-05", None),
        (1, "2016-12-05", OF_2016),
        (1, "2016-12-31T23:59:59Z", OF_2016),
        (2, "2024-02-01", Leap(day_of(2024, 2, 29), -1)),
        (1, "2026-11-30", Leap(day_of(2026, 11, 30), 1)),
        (3, "2016-12-05", None),
    ],
)
def test_a_leap_indicator_announces_the_end_of_its_month(
    indicator: int, at: str, leap: Leap | None
) -> None:
    assert announced_leap(indicator, posix(at)) == leap


def test_a_leap_indicator_has_two_bits() -> None:
    with pytest.raises(ValueError, match="0 to 3, not 4"):
        announced_leap(4, 0)


@pytest.mark.parametrize(
    ("indicator", "at", "problem"),
    [
        (1, "2016-12-31", None),
        (0, "2016-12-30", None),  # many servers say it only on the day itself
        (0, "2016-12-31", "says 2016-12-31T23:59:60Z inserted, the leap indicator announces none"),
        (3, "2016-12-31", None),
        (2, "2016-12-31", "the leap indicator says 2016-12-31T23:59:59Z left out"),
        (1, "2017-01-31", "the built-in table says none on 2017-01-31"),
        (1, "2027-06-30", "expired on 2027-06-28"),  # it may be right: the table cannot know
        (0, "2027-06-30", "expired on 2027-06-28"),
    ],
)
def test_a_contradiction_between_table_and_indicator_is_told(
    indicator: int, at: str, problem: str | None
) -> None:
    outlook = leap_outlook(BUILT_IN, posix(at), indicator)
    if problem is None:
        assert outlook.problem is None
    else:
        assert outlook.problem is not None
        assert problem in outlook.problem


def test_what_an_expired_table_does_not_know_the_indicator_may() -> None:
    outlook = leap_outlook(BUILT_IN, posix("2027-12-15"), 1)
    assert outlook.leap == Leap(day_of(2027, 12, 31), 1)
    assert str(outlook).endswith("2027-12-31T23:59:60Z inserted (by the leap indicator)")
    assert outlook.expired


def test_an_expired_table_says_so() -> None:
    outlook = leap_outlook(BUILT_IN, posix("2027-06-28"))
    assert str(outlook) == "no leap second known, but the built-in table expired on 2027-06-28"
    assert str(leap_outlook(BUILT_IN, posix("2027-06-27"))) == (
        "no leap second until 2027-06-28 (by the built-in table)"
    )
