"""Text of dates and times: what is read, what is refused and how that is said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocksync.scales import NoSuchTime, UtcTime
from clocksync.scales.civil import (
    DAY,
    DAY_MAX,
    DAY_MIN,
    day_of,
    format_decimal,
    format_plain,
    parse_decimal,
    parse_plain,
)


@pytest.mark.parametrize(
    ("text", "same_as"),
    [
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:60.000000000Z"),
        ("2016-12-31 23:59:60", "2016-12-31T23:59:60.000000000Z"),
        ("2016-12-31t23:59:60,5z", "2016-12-31T23:59:60.500000000Z"),
        ("2017-01-01T05:29:60.25+05:30", "2016-12-31T23:59:60.250000000Z"),
        ("2016-12-31T15:59:60-0800", "2016-12-31T23:59:60.000000000Z"),
        ("2017-01-01T05:30:00+05:30", "2017-01-01T00:00:00.000000000Z"),
        ("2017-01-01", "2017-01-01T00:00:00.000000000Z"),
        ("2017-01-01T12:34", "2017-01-01T12:34:00.000000000Z"),
        ("1969-07-20T20:17:40.1234567890000Z", "1969-07-20T20:17:40.123456789Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000000Z"),
        ("9999-12-31T23:59:59.999999999Z", "9999-12-31T23:59:59.999999999Z"),
    ],
)
def test_a_time_is_read(text: str, same_as: str) -> None:
    assert str(UtcTime.parse(text)) == same_as


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is no time"),
        ("yesterday", "is no time: write 2016-12-31T23:59:60.5Z for example"),
        ("2017-01-01T24:00:00Z", "no hour 24: write 00:00:00 of the next day"),
        ("2017-01-01T25:00:00Z", "there is no 25:00:00 in a day"),
        ("2017-01-01T00:60:00Z", "there is no 00:60:00 in a day"),
        ("2016-12-31T23:59:61Z", "there is no 23:59:61 in a day"),
        ("2016-12-31T22:59:60Z", "at 23:59:60 UTC and at no other time"),
        ("2016-12-31T23:59:60+01:00", "at 23:59:60 UTC and at no other time"),
        ("2017-02-29", "there is no day 2017-02-29"),
        ("0000-01-01", "there is no day 0000-01-01"),
        ("2017-01-01T00:00:00.1234567891Z", "finer than a nanosecond"),
        ("2017-01-01T00:00:00+25:00", "no zone is \\+25:00"),
        ("2017-01-01T00:00:00+01:60", "no zone is \\+01:60"),
        ("0001-01-01T00:00:00+01:00", "outside the years 0001 to 9999"),
        ("2017-01-01Z", "is no time"),
        ("２０１７-01-01", "is no time"),  # digits, but not ours
        ("2017-01-01T00:00:00Z\n", "is no time"),
    ],
)
def test_what_is_no_time_is_refused(text: str, says: str) -> None:
    with pytest.raises(NoSuchTime, match=says):
        UtcTime.parse(text)


@given(st.integers(DAY_MIN, DAY_MAX), st.integers(0, DAY - 1))
def test_text_of_the_plain_calendar_and_back_is_the_same(day: int, ns: int) -> None:
    assert parse_plain(format_plain(day * DAY + ns)) == day * DAY + ns


def test_only_utc_has_leap_seconds_and_zones() -> None:
    with pytest.raises(NoSuchTime, match="only UTC has leap seconds"):
        parse_plain("2016-12-31T23:59:60")
    with pytest.raises(NoSuchTime, match="leave Z out"):
        parse_plain("2016-12-31T23:59:59Z")
    with pytest.raises(NoSuchTime, match="outside the years"):
        format_plain(day_of(9999, 12, 31) * DAY + DAY)


@given(st.integers(-(10**25), 10**25))
def test_a_decimal_and_back_is_the_same(ns: int) -> None:
    assert parse_decimal(format_decimal(ns)) == ns
    assert parse_decimal(f"{ns}ns") == ns


@pytest.mark.parametrize(
    ("text", "ns"),
    [("1.5us", 1_500), ("+2", 2 * 10**9), ("-0.000000001", -1), ("1.50000ms", 1_500_000)],
)
def test_a_decimal_is_read_in_its_unit(text: str, ns: int) -> None:
    assert parse_decimal(text) == ns


@pytest.mark.parametrize(
    "text", ["", ".", "1.", ".5", "1e9", "1_000", "0x10", "1.5ns", "1.0000000001", "--1", "nan"]
)
def test_what_is_no_decimal_is_refused(text: str) -> None:
    with pytest.raises(NoSuchTime):
        parse_decimal(text)


def test_no_utc_time_is_made_of_impossible_parts() -> None:
    for day, ns in ((0, -1), (0, DAY + 10**9), (DAY_MIN - 1, 0), (DAY_MAX + 1, 0)):
        with pytest.raises(NoSuchTime):
            UtcTime(day, ns)
