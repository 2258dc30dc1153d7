"""The log of a ring knows its gaps, and forgets only what it was told to forget."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.vsync.talk import data
from vsync.store import Log, in_ranges, to_ranges

NUMBERS = st.lists(st.integers(1, 30), max_size=40)


def log_of(numbers):
    log = Log()
    for number in numbers:
        log.add(data(number))
    return log


@given(NUMBERS)
def test_gaps_are_those_of_a_set(numbers):
    log, held = Log(), set()
    for number in numbers:
        assert log.add(data(number)) == (number not in held)
        held.add(number)
        prefix = next(n for n in range(32) if n + 1 not in held)
        assert log.contiguous == prefix
        assert log.highest == max(held)
        for up_to in (0, 5, 40):
            assert list(log.missing(up_to)) == [n for n in range(1, up_to + 1) if n not in held]
        assert log.after(7) == sorted(n for n in held if n > 7)
        assert [n for n in range(32) if log.get(n) is not None] == sorted(held)


@given(NUMBERS, st.integers(0, 30), st.integers(0, 30))
def test_what_was_released_is_neither_kept_nor_missed_nor_taken_again(numbers, first, second):
    log = log_of(numbers)
    contiguous, highest = log.contiguous, log.highest
    released = 0
    for up_to in (min(first, contiguous), min(second, contiguous)):
        log.release(up_to)
        released = max(released, up_to)
        assert log.released == released
    assert sorted(log.frames) == sorted(n for n in set(numbers) if n > released)
    assert (log.contiguous, log.highest) == (contiguous, highest)
    assert not any(log.add(data(n)) for n in range(1, released + 1))
    assert min(log.missing(40)) == contiguous + 1


def test_nothing_beyond_a_gap_can_be_released():
    log = log_of([1, 2, 4])
    with pytest.raises(AssertionError, match="4 is beyond the gap at 3"):
        log.release(4)


def test_the_first_frame_with_a_number_stays():
    log = Log()
    log.add(data(2, payload=b"first"))
    assert not log.add(data(2, payload=b"second"))
    assert log.get(2) == data(2, payload=b"first")


@given(st.sets(st.integers(1, 60)), st.integers(1, 9))
def test_ranges_hold_the_lowest_numbers_and_no_others(numbers, most):
    ranges = to_ranges(sorted(numbers), most)
    back = list(in_ranges(ranges))
    assert back == sorted(numbers)[: len(back)]
    assert len(ranges) % 2 == 0
    assert len(ranges) <= 2 * most
    assert list(ranges) == sorted(ranges)
    # Neighbours are not told as two ranges, so fewer than the most means that all are there.
    assert all(a + 1 < b for a, b in zip(ranges[1::2], ranges[2::2], strict=False))
    assert len(ranges) == 2 * most or len(back) == len(numbers)


def test_a_range_that_has_begun_takes_in_all_that_follow():
    assert to_ranges([1, 3, 4, 5, 6], 2) == (1, 1, 3, 6)
    assert to_ranges([1, 3, 4, 5, 8], 2) == (1, 1, 3, 5)
    assert to_ranges([], 2) == ()
    assert list(in_ranges((1, 1, 3, 6))) == [1, 3, 4, 5, 6]
