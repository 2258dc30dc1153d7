"""NTP's timestamp formats, against fractions: slow, and obviously right."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocksync.ntp.timestamps import (
    ERA_NS,
    ONE_SECOND,
    UNIX_EPOCH_IN_NTP,
    difference,
    from_precision,
    from_short,
    from_unix_ns,
    to_precision,
    to_short,
    to_unix_ns,
)
from clocksync.runtime.units import SECOND

# The wrap: 2036-02-07 06:28:16 UTC (RFC 5905 figure 4).
WRAP = 2_085_978_496 * SECOND
TODAY = 1_790_000_000_123_456_789

times = st.integers(-3 * ERA_NS, 3 * ERA_NS) | st.integers(WRAP - 3, WRAP + 3)
stamps = st.integers(0, 2**64 - 1) | st.sampled_from([0, 1, 2**63, 2**64 - 1])


def test_epochs_are_those_of_the_rfc() -> None:
    # RFC 5905 figure 4: the first of January of 1900 and of 1970, and the first of era 1.
    assert from_unix_ns(-UNIX_EPOCH_IN_NTP * SECOND) == 0
    assert from_unix_ns(0) == 2_208_988_800 << 32
    assert from_unix_ns(WRAP) == 0
    assert from_unix_ns(WRAP - SECOND) == (2**32 - 1) << 32
    assert from_unix_ns(SECOND // 2) == (2_208_988_800 << 32) + (1 << 31)


@given(times)
def test_a_timestamp_is_the_nearest_of_its_format(time: int) -> None:
    exact = (Fraction(time, SECOND) + UNIX_EPOCH_IN_NTP) * 2**32
    error = (from_unix_ns(time) - exact + 2**63) % 2**64 - 2**63
    assert abs(error) <= Fraction(1, 2)


@given(stamps, times)
def test_an_instant_is_within_a_nanosecond_and_in_the_era_nearest(stamp: int, near: int) -> None:
    time = to_unix_ns(stamp, near)
    exact = Fraction(stamp * SECOND, 2**32) - UNIX_EPOCH_IN_NTP * SECOND
    eras = Fraction(time - exact) / ERA_NS
    assert abs(time - exact - round(eras) * ERA_NS) <= Fraction(1, 2)
    assert abs(time - near) <= ERA_NS // 2


@given(times, st.integers(-ERA_NS // 2 + 1, ERA_NS // 2 - 1))
def test_what_is_sent_is_read_back_by_a_clock_up_to_68_years_off(time: int, wrong: int) -> None:
    assert to_unix_ns(from_unix_ns(time), near=time + wrong) == time


@pytest.mark.parametrize("theirs", [-1, 0, 1, -SECOND, SECOND])
@pytest.mark.parametrize("ours", [-1, 0, 1, -SECOND, SECOND])
def test_clocks_on_either_side_of_2036_understand_each_other(ours: int, theirs: int) -> None:
    assert to_unix_ns(from_unix_ns(WRAP + theirs), near=WRAP + ours) == WRAP + theirs


def test_the_pivot_is_half_an_era_away_on_both_sides() -> None:
    stamp = from_unix_ns(TODAY)
    half = ERA_NS // 2
    assert to_unix_ns(stamp, near=TODAY + half - 1) == TODAY
    assert to_unix_ns(stamp, near=TODAY + half + 1) == TODAY + ERA_NS
    assert to_unix_ns(stamp, near=TODAY - half + 1) == TODAY
    assert to_unix_ns(stamp, near=TODAY - half - 1) == TODAY - ERA_NS


def test_neighbouring_nanoseconds_stay_apart_as_no_float_of_seconds_would() -> None:
    # A float of seconds steps by 238 ns at today's epoch, so these sixteen would collapse to one.
    assert len({float((TODAY + i) / SECOND) for i in range(16)}) < 3
    read = [to_unix_ns(from_unix_ns(TODAY + i), TODAY) for i in range(16)]
    assert read == [TODAY + i for i in range(16)]
    differences = {from_unix_ns(TODAY + i + 1) - from_unix_ns(TODAY + i) for i in range(16)}
    assert differences <= {4, 5}  # 2^32 / 10^9 = 4.29


@given(st.integers(0, 2**32 - 1))
def test_a_short_is_rounded_up_because_it_is_a_bound(value: int) -> None:
    assert from_short(value) == math.ceil(Fraction(value * SECOND, 2**16))
    assert to_short(from_short(value)) in (value, value + 1, 2**32 - 1)


@given(st.integers(0, 65_535 * SECOND))
def test_a_duration_as_a_short_is_never_less(duration: int) -> None:
    short = to_short(duration)
    assert short == math.ceil(Fraction(duration * 2**16, SECOND))
    assert duration <= from_short(short) <= duration + 15_259


def test_a_short_holds_what_it_can() -> None:
    assert to_short(1) == 1
    assert to_short(0) == to_short(-5) == 0
    assert to_short(10**30) == 2**32 - 1


@given(st.integers(-128, 127))
def test_a_precision_is_rounded_up_and_held_between_1_ns_and_16_s(exponent: int) -> None:
    exact = Fraction(2) ** exponent * SECOND
    assert from_precision(exponent) == min(max(1, math.ceil(exact)), 16 * SECOND)


@given(st.integers(0, 20 * SECOND))
def test_a_precision_exponent_is_the_smallest_that_covers_the_step(duration: int) -> None:
    exponent = to_precision(duration)
    assert -30 <= exponent <= 4
    assert from_precision(exponent) >= min(duration, 16 * SECOND)
    assert exponent == -30 or from_precision(exponent - 1) < duration


@given(stamps, st.integers(-(2**63), 2**63 - 1))
def test_a_difference_is_right_across_the_end_of_an_era(earlier: int, apart: int) -> None:
    assert difference((earlier + apart) % 2**64, earlier) == apart


def test_a_difference_counts_in_units_of_the_format() -> None:
    assert difference(from_unix_ns(WRAP + SECOND), from_unix_ns(WRAP - SECOND)) == 2 * ONE_SECOND
    assert difference(from_unix_ns(WRAP - SECOND), from_unix_ns(WRAP + SECOND)) == -2 * ONE_SECOND
