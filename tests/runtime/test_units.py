"""Durations as people write and read them."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocksync.runtime.units import (
    SECOND,
    format_duration,
    from_seconds,
    parse_duration,
    scale_by_ppm,
    to_seconds,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("250ns", 250),
        ("412us", 412_000),
        ("412µs", 412_000),  # the micro sign
        ("412\u03bcs", 412_000),  # the Greek letter
        ("5ms", 5_000_000),
        ("2s", 2 * SECOND),
        ("5e-05", 50_000),
        ("1.5E3us", 1_500_000),
        ("-2.5e-9", -3),
        ("2", 2 * SECOND),
        ("3m", 180 * SECOND),
        ("1h", 3600 * SECOND),
        ("  1.5 us ", 1_500),
        ("+1.5us", 1_500),
        ("-1.5us", -1_500),
        (".5s", 500_000_000),
        ("5.s", 5 * SECOND),
        ("0", 0),
        ("-0", 0),
        # Exact: as a float of seconds this one ends in ...744.
        ("1790000000.123456789s", 1_790_000_000_123_456_789),
        # Finer than a nanosecond: half away from zero, on both sides.
        ("0.4ns", 0),
        ("0.5ns", 1),
        ("1.4999999999ns", 1),
        ("-0.5ns", -1),
        ("-0.4ns", 0),
    ],
)
def test_a_duration_is_read_exactly(text: str, expected: int) -> None:
    assert parse_duration(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            ".",
            "-",
            "ms",
            ".ms",
            "5 parsecs",
            "5MS",
            "1e",
            "1e+",
            "e3",
            "1e999",
            "--5ms",
            "5ms 3us",
            "nan",
        ),
        *("0x10", "1_000", "5,5ms", "\u0663s", "5ms\x00", "9" * 21, "0." + "0" * 21, "9" * 5000),
    ],
)
def test_what_is_no_duration_is_refused_with_examples_of_what_is(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration: write for example 250us, 5ms or 2s"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("value", "digits", "expected"),
    [
        (0, 3, "0 ns"),
        (7, 3, "7 ns"),
        (999, 3, "999 ns"),
        (999, 1, "999 ns"),  # whole nanoseconds are shown as they are
        (1_000, 3, "1.00 us"),
        (-1_500, 3, "-1.50 us"),
        (-999, 3, "-999 ns"),
        (9_994, 3, "9.99 us"),
        (9_995, 3, "10.0 us"),  # rounding carries into a new digit
        (99_949, 3, "99.9 us"),
        (99_950, 3, "100 us"),  # once "100.0 us": a digit too many
        (999_499, 3, "999 us"),
        (999_500, 3, "1.00 ms"),  # rounding carries into the next unit
        (-999_500, 3, "-1.00 ms"),
        (999_499_999, 3, "999 ms"),
        (999_500_000, 3, "1.00 s"),
        (60 * SECOND, 3, "60.0 s"),
        (999_500_000_000, 3, "1000 s"),
        (86_400 * SECOND, 3, "86400 s"),
        (412_345, 1, "412 us"),
        (9_500, 1, "10 us"),
        (412_345, 5, "412.35 us"),
        (1_000_000, 5, "1.0000 ms"),
        # Exact where a float of seconds is not.
        (1_790_000_000_123_456_789, 19, "1790000000.123456789 s"),
    ],
)
def test_a_duration_reads_well(value: int, digits: int, expected: str) -> None:
    assert format_duration(value, digits) == expected


@given(st.integers(-(10**15), 10**15), st.integers(1, 12))
def test_what_is_written_is_within_half_a_last_digit_of_the_truth(value: int, digits: int) -> None:
    text = format_duration(value, digits)
    number, unit = text.split()
    decimals = len(number.partition(".")[2])
    scale = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9}[unit]
    assert abs(Fraction(number) * scale - value) <= Fraction(scale, 2 * 10**decimals)
    assert unit == "s" or len(number.lstrip("-").partition(".")[0]) <= 3


@given(st.integers(-(10**12), 10**12))
def test_what_is_written_with_all_digits_is_read_back(value: int) -> None:
    assert parse_duration(format_duration(value, digits=20)) == value


@given(st.integers(-(10**18), 10**18), st.integers(-(10**9), 10**9))
def test_scaling_rounds_away_from_zero_by_less_than_a_nanosecond(
    duration: int, parts_per_trillion: int
) -> None:
    ppm = parts_per_trillion / 10**6
    exact = Fraction(duration) * Fraction(round(ppm * 10**9), 10**15)
    scaled = scale_by_ppm(duration, ppm)
    assert 0 <= abs(scaled) - abs(exact) < 1
    assert scaled * exact >= 0


def test_a_bound_that_is_widened_is_never_rounded_to_nothing() -> None:
    assert scale_by_ppm(1, 15) == 1
    assert scale_by_ppm(-1, 15) == -1
    assert scale_by_ppm(0, 15) == 0
    assert scale_by_ppm(10 * SECOND, 15) == 150_000


def test_seconds_as_floats_come_and_go_in_nanoseconds() -> None:
    assert to_seconds(412_000) == 0.000412
    assert from_seconds(-0.25) == -250_000_000
    assert from_seconds(1e-10) == 0
