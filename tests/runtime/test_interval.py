"""Interval arithmetic, against its definition: a set of integers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocksync.runtime.interval import Interval

ends = st.integers(-30, 30)
intervals = st.tuples(ends, ends).map(lambda pair: Interval(min(pair), max(pair)))
wide = st.integers(-(10**19), 10**19)


def members(interval: Interval | None) -> set[int]:
    return set() if interval is None else {*range(interval.earliest, interval.latest + 1)}


def test_an_interval_cannot_end_before_it_begins() -> None:
    assert Interval(5, 5).width == 0
    with pytest.raises(ValueError, match=r"before it begins: \[6, 5\]"):
        Interval(6, 5)
    with pytest.raises(ValueError):
        Interval(0, 9).widened(-5)


@given(intervals, intervals)
def test_an_intersection_holds_what_both_hold(a: Interval, b: Interval) -> None:
    assert members(a & b) == members(a) & members(b)
    assert a & b == b & a


@given(st.lists(intervals, min_size=1, max_size=5))
def test_a_hull_is_the_smallest_interval_around_all(parts: list[Interval]) -> None:
    together = set().union(*map(members, parts))
    assert Interval.hull(iter(parts)) == Interval(min(together), max(together))


def test_there_is_no_hull_of_nothing() -> None:
    with pytest.raises(ValueError):
        Interval.hull([])


@given(intervals, intervals, st.integers(-40, 40))
def test_predicates_speak_of_the_sets(a: Interval, b: Interval, value: int) -> None:
    assert (value in a) == (value in members(a))
    assert a.contains(b) == (members(a) >= members(b))
    assert a.before(b) == all(x < y for x in members(a) for y in members(b))


@given(intervals, st.integers(-9, 9), st.integers(0, 9))
def test_shifting_negating_and_widening_move_every_member(a: Interval, by: int, more: int) -> None:
    assert members(a + by) == {value + by for value in members(a)}
    assert members(-a) == {-value for value in members(a)}
    assert members(a.widened(more)) == {x + y for x in members(a) for y in range(-more, more + 1)}


@given(wide, wide)
def test_middle_and_error_never_promise_less_than_the_interval(a: int, b: int) -> None:
    interval = Interval(min(a, b), max(a, b))
    around = Interval.around(interval.middle, interval.error)
    assert around.contains(interval)
    assert around.width - interval.width in (0, 1)
    assert interval.middle in interval
