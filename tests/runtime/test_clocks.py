"""Clocks that are wrong in a known way."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocksync.runtime.clocks import (
    ManualClock,
    MonotonicClock,
    SoftwareClock,
    SystemClock,
    drift_allowance,
    reading_precision,
)
from clocksync.runtime.units import MILLISECOND, SECOND

TODAY = 1_790_000_000_123_456_789
YEAR = 365 * 86_400 * SECOND
rates = st.integers(-500_000_000, 500_000_000).map(lambda number: number / 10**6)


def test_an_offset_is_there_from_the_beginning_and_a_rate_from_then_on() -> None:
    base = ManualClock(TODAY)
    clock = SoftwareClock(base, offset_ns=-250, rate_ppm=50)
    assert clock.read() == TODAY - 250
    base.advance(2 * SECOND)
    assert clock.read() == TODAY + 2 * SECOND - 250 + 100_000
    assert clock.rate_ppm == 50


@given(st.integers(0, 100 * YEAR), rates, st.integers(-YEAR, YEAR))
def test_a_reading_is_the_exact_line_rounded_by_less_than_a_nanosecond(
    elapsed: int, rate_ppm: float, offset: int
) -> None:
    clock = SoftwareClock(ManualClock(TODAY), offset, rate_ppm)
    # Floats would be off by microseconds here: 100 years are 3e18 ns, and a float has 53 bits.
    exact = TODAY + elapsed + offset + elapsed * Fraction(round(rate_ppm * 10**6), 10**12)
    assert 0 <= exact - clock.at(TODAY + elapsed) < 1


@given(rates, st.lists(st.integers(0, 10 * SECOND), min_size=2, max_size=20))
def test_it_never_goes_back_between_steps(rate_ppm: float, advances: list[int]) -> None:
    base = ManualClock(TODAY)
    clock = SoftwareClock(base, rate_ppm=rate_ppm)
    readings = []
    for advance in advances:
        base.advance(advance)
        readings.append(clock.read())
    assert readings == sorted(readings)


@given(rates, st.lists(st.tuples(st.integers(0, YEAR), rates), max_size=8))
def test_a_new_rate_makes_no_jump(rate_ppm: float, changes: list[tuple[int, float]]) -> None:
    base = ManualClock(TODAY)
    clock = SoftwareClock(base, 77, rate_ppm)
    for elapsed, rate in changes:
        base.advance(elapsed)
        before = clock.read()
        clock.set_rate(rate)
        assert clock.read() == before
        assert clock.rate_ppm == rate
    expected = Fraction(77)
    for elapsed, rate in zip(
        [elapsed for elapsed, _ in changes],
        [rate_ppm, *(rate for _, rate in changes)],
        strict=False,
    ):
        expected += elapsed * Fraction(round(rate * 10**6), 10**12)
    # At most a nanosecond is rounded away at each change.
    assert 0 <= expected - clock.offset_at(base.read()) <= len(changes)


def test_a_step_is_as_long_as_was_said_and_changes_no_rate() -> None:
    base = ManualClock(TODAY)
    clock = SoftwareClock(base, rate_ppm=-100)
    base.advance(SECOND)
    before = clock.read()
    clock.step(-3 * SECOND)
    assert clock.read() == before - 3 * SECOND
    base.advance(SECOND)
    assert clock.read() == before - 2 * SECOND - 100_000


def test_an_earlier_reading_of_the_base_is_told_in_this_clocks_time() -> None:
    # A kernel stamp is older than the moment it is looked at, and may be older than the clock.
    clock = SoftwareClock(ManualClock(TODAY), offset_ns=1_000, rate_ppm=100)
    assert clock.at(TODAY - 10_000) == TODAY - 10_000 + 1_000 - 1


def test_clocks_stand_on_each_other() -> None:
    base = ManualClock(TODAY)
    clock = SoftwareClock(SoftwareClock(base, rate_ppm=100), rate_ppm=-100)
    base.advance(SECOND)
    assert clock.read() == TODAY + SECOND - 10  # 1e-4 squared of a second is 10 ns


def test_the_machines_clocks_only_go_on() -> None:
    for clock in (SystemClock(), MonotonicClock()):
        assert clock.read() <= clock.read()


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        ([0, 100, 250, 290, 400], 40),
        ([0, 0, 0, 70, 70], 70),
        ([0, 90, 30, 100, 190], 70),  # a step back tells nothing
        ([5, 5, 5, 5, 5], MILLISECOND),
        ([0, 4 * SECOND, 8 * SECOND, 12 * SECOND, 16 * SECOND], MILLISECOND),
    ],
)
def test_precision_is_the_smallest_step_seen(readings: list[int], expected: int) -> None:
    script = iter(readings)

    class Scripted:
        def read(self) -> int:
            return next(script)

    assert reading_precision(Scripted(), samples=4) == expected


def test_a_drift_allowance_has_no_sign_and_rounds_up() -> None:
    assert drift_allowance(10 * SECOND, 15) == drift_allowance(-10 * SECOND, 15) == 150_000
    assert drift_allowance(1, 15) == 1
    assert drift_allowance(0, 15) == 0
