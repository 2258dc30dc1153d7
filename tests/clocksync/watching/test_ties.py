"""Steps of our own clock are noticed, with their size; nothing else is."""

import pytest

from clocksync.runtime.units import MILLISECOND, SECOND
from clocksync.watching.ties import SLACK_NS, Tie, Ties

WALL, STEADY = 1_790_000_000 * SECOND, 12_345 * SECOND


def tie(after_ns: int = 0, by_ns: int = 0, apart_ns: int = 60, slept_ns: int = 0) -> Tie:
    return Tie(WALL + after_ns + by_ns, STEADY + after_ns, apart_ns, slept_ns)


def test_a_clock_that_keeps_pace_is_not_stepped() -> None:
    ties = Ties(tie())
    assert [ties.step(tie(n * SECOND)) for n in range(1, 5)] == [None] * 4


@pytest.mark.parametrize("by_ns", [-SECOND, -10_000, 10_000, 3600 * SECOND])
def test_a_step_is_told_with_its_size_once(by_ns: int) -> None:
    ties = Ties(tie())
    by = ties.step(tie(SECOND, by_ns))
    assert by is not None
    assert by_ns in by
    assert by.width <= 2 * (SLACK_NS + 60)
    assert ties.step(tie(2 * SECOND, by_ns)) is None


def test_a_reading_that_took_long_is_no_step() -> None:
    ties = Ties(tie())
    # The wall clock was read at the end of 20 ms for which the process was not running.
    late = Tie(WALL + 20 * MILLISECOND, STEADY, 20 * MILLISECOND)
    assert ties.step(late) is None
    assert ties.step(tie(SECOND)) is None


def test_a_clock_that_is_slewed_within_what_is_allowed_is_not_stepped() -> None:
    assert Ties(tie(), 500.0).step(tie(SECOND, 400_000)) is None
    assert Ties(tie(), 0.0).step(tie(SECOND, 400_000)) is not None


def test_sleep_is_told() -> None:
    ties = Ties(tie())
    assert ties.slept(tie(SECOND)) == 0
    assert ties.slept(tie(SECOND, slept_ns=5 * SECOND)) == 5 * SECOND
