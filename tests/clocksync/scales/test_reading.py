"""Values of any scale as people write them; and what is converted from one scale to another."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocksync.scales import (
    BUILT_IN,
    Instant,
    LeapTable,
    Moment,
    NoSuchTime,
    Reader,
    Scale,
    UtcTime,
)
from clocksync.scales.conversion import Conversion, express
from tests.clocksync.scales.test_leaps import NEGATIVE, WITH_INSTANT

NOW = UtcTime.parse("2026-11-26T12:00:00Z").posix_ns
READER = Reader(table=BUILT_IN, now_ns=NOW)
LEAP, AFTER = "2016-12-31T23:59:60.500000000Z", "2017-01-01T00:00:00.500000000Z"


def utc_of(reader: Reader, text: str) -> list[str]:
    return [str(moment.utc) for moment in reader.read(text).moments]


@pytest.mark.parametrize(
    "text",
    [
        "2016-12-31T23:59:60.5Z",
        "utc:2016-12-31T23:59:60.5",
        "2016-12-31T23:59:60.5 UTC",
        "tai:2017-01-01T00:00:36.5",
        "2017-01-01 00:00:36.5 TAI",
        "tai:1483228836.5",
        "ptp:1483228836500000000ns",
        "gps:1930:17.5",
        "gps:1167264017.5",
        "gps:2017-01-01T00:00:17.5",
        "smeared:1483228800",
        "smear:2017-01-01T00:00:00Z",
        "  SMEARED:2017-01-01  ",
    ],
)
def test_one_time_is_written_in_many_ways(text: str) -> None:
    assert utc_of(READER, text) == [LEAP]


@pytest.mark.parametrize(
    "text",
    [
        "1483228800.5",
        "@1483228800.5",
        "unix:1483228800500ms",
        "posix:+1483228800.5",
        "ntp:0xdc12c50080000000",
        "ntp:dc12c500.80000000",
        "ntp:3692217600.5",
        "ntp:0:3692217600.5",
    ],
)
def test_a_number_that_means_two_times_gives_both(text: str) -> None:
    reading = READER.read(text)
    assert reading.is_ambiguous
    assert utc_of(READER, text) == [LEAP, AFTER]


def test_now_is_the_time_it_was_given() -> None:
    assert utc_of(READER, "now") == ["2026-11-26T12:00:00.000000000Z"]
    assert utc_of(Reader(table=BUILT_IN, now_ns=NOW, scale=Scale.TAI), "NOW") == utc_of(
        READER, "now"
    )


def test_a_named_scale_is_that_of_values_without_one() -> None:
    assert utc_of(Reader(table=BUILT_IN, now_ns=NOW, scale=Scale.TAI), "1483228836.5") == [LEAP]
    assert utc_of(Reader(table=BUILT_IN, now_ns=NOW, scale=Scale.GPS), "1930:17.5") == [LEAP]


@pytest.mark.parametrize(
    ("pivot", "era", "text", "year"),
    [
        (None, None, "ntp:0x0000000000000000", "2036"),
        ("1960-01-01", None, "ntp:0x0000000000000000", "1900"),
        ("2100-01-01", None, "ntp:0x8000000000000000", "2104"),
        (None, 0, "ntp:0x0000000000000000", "1900"),
        (None, 2, "ntp:0", "2172"),
        (None, -1, "ntp:0", "1763"),
        (None, 0, "ntp:1:0", "2036"),
    ],
)
def test_an_era_is_named_or_the_one_nearest_to_the_pivot(
    pivot: str | None, era: int | None, text: str, year: str
) -> None:
    pivot_ns = None if pivot is None else UtcTime.parse(pivot).posix_ns
    reader = Reader(table=BUILT_IN, now_ns=NOW, pivot_ns=pivot_ns, era=era)
    assert utc_of(reader, text)[0].startswith(year)


@pytest.mark.parametrize(
    ("pivot", "bits", "text", "week"),
    [
        (None, 10, "gps:398:0", "2446"),
        ("2010-01-01", 10, "gps:398:0", "1422"),
        (None, 13, "gps:398:0", "398"),
        (None, None, "gps:398:0", "398"),
    ],
)
def test_a_cut_week_is_the_one_nearest_to_the_pivot(
    pivot: str | None, bits: int | None, text: str, week: str
) -> None:
    pivot_ns = None if pivot is None else UtcTime.parse(pivot).posix_ns
    reader = Reader(table=BUILT_IN, now_ns=NOW, pivot_ns=pivot_ns, week_bits=bits)
    (moment,) = reader.read(text).moments
    assert express(BUILT_IN, moment, Scale.GPS, Scale.GPS).text == f"{week}:0.000000000"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("soon", "'soon' is no time"),
        ("mars:1", "'mars' is no scale: utc, tai, gps"),
        ("2016-12-31T23:59:60 EST", "'EST' is no scale"),
        ("gps:1930:604800", "not within a GPS week of 604800 s"),
        ("gps:-1:5", "'-1' is no week"),
        ("gps:-5", "GPS time begins on 1980-01-06"),
        ("gps:1930:-1", "not within a GPS week"),
        ("ntp:x:0", "'x' is no era"),
        ("ntp:0x1", "16 digits"),
        ("tai:2016-12-31T23:59:60", "only UTC has leap seconds"),
        ("smeared:2016-12-31T23:59:60Z", "only UTC has leap seconds"),
        ("2017-12-31T23:59:60Z", "2017-12-31 has no leap second"),
        ("1969-12-31T23:59:60Z", "1969-12-31 has no leap second"),
        ("posix:2017-01-01", "is no number of seconds"),
        ("99999999999999", "outside the years"),
        ("tai:99999999999999", "outside the years"),
        ("gps:999999:0", "outside the years"),
        ("ntp:999999:0", "outside the years"),
        ("9" * 100, "is no number of seconds"),
    ],
)
def test_what_is_no_value_is_refused_in_one_line_that_names_it(text: str, says: str) -> None:
    with pytest.raises(NoSuchTime, match=says) as refusal:
        READER.read(text)
    assert text in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("text", ["9" * 5000, "\x1b[31m2017", "gps:\x001"])
def test_what_would_hurt_a_terminal_is_not_repeated(text: str) -> None:
    with pytest.raises(NoSuchTime, match="too long, or not printable") as refusal:
        READER.read(text)
    assert str(refusal.value).isprintable()
    assert len(str(refusal.value)) < 120


@given(st.text(max_size=40))
def test_nothing_but_a_refusal_comes_of_rubbish(text: str) -> None:
    message = ""
    try:
        READER.read(text)
    except NoSuchTime as error:
        message = str(error)
    assert "\n" not in message


@given(WITH_INSTANT, st.sampled_from(Scale), st.sampled_from(Scale))
def test_a_value_read_back_in_its_own_scale_is_the_same_time(
    case: tuple[LeapTable, Instant], scale: Scale, source: Scale
) -> None:
    table, instant = case
    moment = Moment.of_instant(table, instant)
    reader = Reader(table=table, now_ns=NOW)
    conversion = Conversion.of(table, reader.read(f"tai:{instant.tai_ns}ns"), (scale,))
    if not conversion.is_complete:
        assert scale is Scale.GPS
        return
    value = express(table, moment, scale, source)
    assert conversion.values[0][0].text == value.text
    back = reader.read(f"{scale}:{value.data['time']}").moments
    rounding = 1 if scale is Scale.SMEARED else 0
    assert min(abs(each.instant - instant) for each in back if each.instant) <= rounding


@pytest.mark.parametrize("scale", Scale)
@pytest.mark.parametrize("source", Scale)
def test_only_what_rests_on_unknown_leap_seconds_is_uncertain(scale: Scale, source: Scale) -> None:
    later = Moment.of_utc(BUILT_IN, UtcTime.parse("2030-01-01"))
    certain = express(BUILT_IN, later, scale, source).certain
    calendar, uniform = {"utc", "posix", "ntp"}, {"tai", "gps"}
    together = {scale, source} <= calendar or {scale, source} <= uniform
    assert certain == (scale is source or together)
    before = Moment.of_utc(BUILT_IN, UtcTime.parse("2027-06-27T11:59:59Z"))
    assert express(BUILT_IN, before, scale, source).certain


@pytest.mark.parametrize(
    ("utc", "ambiguous"),
    [
        ("2016-12-31T23:59:59.999999999Z", False),
        ("2016-12-31T23:59:60Z", True),
        ("2017-01-01T00:00:00.999999999Z", True),
        ("2017-01-01T00:00:01Z", False),
    ],
)
@pytest.mark.parametrize("scale", [Scale.POSIX, Scale.NTP])
def test_a_number_that_another_time_has_too_is_told_as_such(
    scale: Scale, utc: str, ambiguous: bool
) -> None:
    moment = Moment.of_utc(BUILT_IN, UtcTime.parse(utc))
    assert express(BUILT_IN, moment, scale, Scale.UTC).data["ambiguous"] is ambiguous


def test_a_smear_may_have_begun_before_its_leap_second_is_known() -> None:
    noon = Moment.of_utc(BUILT_IN, UtcTime.parse("2027-06-27T12:00:00Z"))
    assert not express(BUILT_IN, noon, Scale.SMEARED, Scale.UTC).certain
    assert express(BUILT_IN, noon, Scale.TAI, Scale.UTC).certain


def test_before_1972_the_calendar_scales_are_given_and_tai_is_not() -> None:
    reading = READER.read("1969-07-20T20:17:40Z")
    conversion = Conversion.of(BUILT_IN, reading, tuple(Scale))
    assert {value.scale: value.text for value in conversion.values[0]} == {
        Scale.UTC: "1969-07-20T20:17:40.000000000Z",
        Scale.POSIX: "-14182940.000000000",
        Scale.NTP: "0x82d2146400000000",
        Scale.SMEARED: "1969-07-20T20:17:40.000000000Z",
    }
    assert list(conversion.missing[0]) == [Scale.TAI, Scale.GPS]


def test_tai_before_1972_is_no_utc() -> None:
    conversion = Conversion.of(BUILT_IN, READER.read("tai:1971-12-31"), (Scale.TAI, Scale.POSIX))
    assert [value.text for value in conversion.values[0]] == ["1971-12-31T00:00:00.000000000"]
    assert "whole number" in conversion.missing[0][Scale.POSIX]


def test_smeared_time_before_1972_is_posix_time() -> None:
    assert utc_of(READER, "smeared:0") == ["1970-01-01T00:00:00.000000000Z"]
    assert utc_of(READER, "smeared:1972-01-01") == ["1972-01-01T00:00:00.000000000Z"]


def test_a_negative_leap_second_is_read_like_any_other() -> None:
    reader = Reader(table=NEGATIVE, now_ns=NOW)
    with pytest.raises(NoSuchTime, match=r"^1877558399\.5: a negative leap second left"):
        reader.read("1877558399.5")
    assert utc_of(reader, "1877558400") == ["2029-07-01T00:00:00.000000000Z"]
