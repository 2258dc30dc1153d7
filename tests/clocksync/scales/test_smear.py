"""Smeared UTC: the numbers that Google and AWS publish, exactness, and that it never goes back."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocksync.runtime.units import SECOND
from clocksync.scales import (
    BUILT_IN,
    Instant,
    LeapTable,
    UtcTime,
    from_smeared,
    smeared_exactly,
    to_smeared,
)
from clocksync.scales.civil import DAY, day_of
from clocksync.scales.smear import window_at
from tests.clocksync.scales.erfa_times import tai_of_utc
from tests.clocksync.scales.test_leaps import NEGATIVE, WITH_INSTANT

INSERTED, LEFT_OUT = day_of(2016, 12, 31), day_of(2029, 6, 30)
HOUR = 3600 * SECOND


def between_noons(day: int, passed_share: Fraction) -> tuple[Instant, Fraction]:
    """An instant that share of the way from noon to noon by ERFA's TAI, and the smeared time that
    a straight line between the two noons gives."""
    noon, next_noon = tai_of_utc([UtcTime(day, DAY // 2), UtcTime(day + 1, DAY // 2)])
    tai_ns = noon + int((next_noon - noon) * passed_share)
    line = day * DAY + DAY // 2 + Fraction((tai_ns - noon) * DAY, next_noon - noon)
    return Instant(tai_ns), line


@given(st.fractions(0, 1), st.sampled_from([leap.day for leap in BUILT_IN.leaps]))
def test_the_smear_is_the_straight_line_between_two_noons_of_erfa(
    share: Fraction, day: int
) -> None:
    instant, line = between_noons(day, share)
    assert smeared_exactly(BUILT_IN, instant) == line
    assert abs(to_smeared(BUILT_IN, instant) - line) <= Fraction(1, 2)


@pytest.mark.parametrize(
    ("table", "utc", "smeared"),
    [
        (BUILT_IN, "2016-12-31T12:00:00Z", "2016-12-31T12:00:00Z"),
        (BUILT_IN, "2016-12-31T23:59:60.5Z", "2017-01-01T00:00:00Z"),  # half of it is smeared
        (BUILT_IN, "2017-01-01T12:00:00Z", "2017-01-01T12:00:00Z"),
        (NEGATIVE, "2029-06-30T12:00:00Z", "2029-06-30T12:00:00Z"),
        (NEGATIVE, "2029-06-30T23:59:58.5Z", "2029-06-30T23:59:59Z"),
        (NEGATIVE, "2029-07-01T00:00:00.5Z", "2029-07-01T00:00:00Z"),
        (NEGATIVE, "2029-07-01T12:00:00Z", "2029-07-01T12:00:00Z"),
        (BUILT_IN, "2020-02-29T23:59:59.999999999Z", "2020-02-29T23:59:59.999999999Z"),
    ],
)
def test_smeared_time_is(table: LeapTable, utc: str, smeared: str) -> None:
    # Half a second is half of a negative leap second's smear but for the smear's own 11.6 ppm.
    instant = table.from_utc(UtcTime.parse(utc))
    want = UtcTime.parse(smeared).posix_ns
    tolerance = 0 if table is BUILT_IN else 11_574
    assert abs(to_smeared(table, instant) - want) <= tolerance
    assert abs(from_smeared(table, want) - instant) <= tolerance


@pytest.mark.parametrize(("table", "day"), [(BUILT_IN, INSERTED), (NEGATIVE, LEFT_OUT)])
def test_a_smeared_second_is_eleven_and_a_half_millionths_longer_or_shorter(
    table: LeapTable, day: int
) -> None:
    start = table.from_utc(UtcTime(day, DAY // 2))
    hour = to_smeared(table, start + HOUR) - to_smeared(table, start)
    ppm = Fraction(HOUR - hour, HOUR) * 1_000_000
    assert round(float(ppm), 2) == (11.57 if table is BUILT_IN else -11.57)


@given(WITH_INSTANT, st.integers(0, 3))
def test_smeared_time_never_goes_back_nor_stands_for_two_nanoseconds(
    case: tuple[LeapTable, Instant], later: int
) -> None:
    table, instant = case
    here, there = to_smeared(table, instant), to_smeared(table, instant + later)
    assert here <= there <= here + later + 1
    assert abs(here - smeared_exactly(table, instant)) <= Fraction(1, 2)


@given(WITH_INSTANT)
def test_smeared_and_back_is_within_a_nanosecond(case: tuple[LeapTable, Instant]) -> None:
    table, instant = case
    assert abs(from_smeared(table, to_smeared(table, instant)) - instant) <= 1


@given(st.integers(-DAY, DAY), st.sampled_from([leap.midnight_ns for leap in BUILT_IN.leaps]))
def test_a_smeared_time_is_exact_there_and_back_where_a_second_is_inserted(
    step: int, midnight: int
) -> None:
    smeared = midnight + step
    assert to_smeared(BUILT_IN, from_smeared(BUILT_IN, smeared)) == smeared


@given(st.integers(-DAY // 2, DAY // 2))
def test_an_instant_is_exact_there_and_back_where_a_second_is_left_out(step: int) -> None:
    instant = NEGATIVE.from_utc(UtcTime(LEFT_OUT + 1, 0)) + step
    assert from_smeared(NEGATIVE, to_smeared(NEGATIVE, instant)) == instant


@given(st.integers(0, DAY), st.integers(1, 3))
def test_the_way_back_is_in_order_too(since: int, later: int) -> None:
    for table, day in ((BUILT_IN, INSERTED), (NEGATIVE, LEFT_OUT)):
        smeared = day * DAY + DAY // 2 + since
        assert from_smeared(table, smeared) <= from_smeared(table, smeared + later)


def test_the_window_is_from_noon_to_noon() -> None:
    for table, day in ((BUILT_IN, INSERTED), (NEGATIVE, LEFT_OUT)):
        noon, next_noon = (table.from_utc(UtcTime(d, DAY // 2)) for d in (day, day + 1))
        inside = [window_at(table, at) for at in (noon, noon + DAY // 2, next_noon + -1)]
        assert [leap and leap.day for leap in inside] == [day, day, day]
        assert window_at(table, noon + -1) is window_at(table, next_noon) is None


def test_outside_a_window_smeared_time_is_posix_time() -> None:
    for table, day in ((BUILT_IN, INSERTED), (NEGATIVE, LEFT_OUT)):
        for utc in (UtcTime(day, DAY // 2 - 1), UtcTime(day + 1, DAY // 2), UtcTime(day + 30, 0)):
            instant = table.from_utc(utc)
            assert to_smeared(table, instant) == table.to_posix(instant)
