"""Arrays give what single times give."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocksync.runtime.units import SECOND
from clocksync.scales import BUILT_IN, Instant, LeapTable, NoSuchTime
from clocksync.scales.arrays import is_ambiguous, posix_to_tai, tai_to_posix
from tests.clocksync.scales.test_leaps import NEGATIVE, STEPS, TABLES, instants

MANY = TABLES.flatmap(
    lambda table: st.tuples(st.just(table), st.lists(instants(table), min_size=1, max_size=30))
)


def array(values: list[int]) -> np.ndarray:
    return np.array(values, np.int64)


@given(MANY)
def test_each_element_is_what_a_single_conversion_gives(
    case: tuple[LeapTable, list[Instant]],
) -> None:
    table, times = case
    posix_ns = [table.to_posix(each) for each in times]
    candidates = [table.from_posix(each) for each in posix_ns]
    assert tai_to_posix(table, array([each.tai_ns for each in times])).tolist() == posix_ns
    assert is_ambiguous(table, array(posix_ns)).tolist() == [len(each) > 1 for each in candidates]
    later = posix_to_tai(table, array(posix_ns)).tolist()
    earlier = posix_to_tai(table, array(posix_ns), leap_second=True).tolist()
    assert later == [each[-1].tai_ns for each in candidates]
    assert earlier == [each[0].tai_ns for each in candidates]


def test_around_every_leap_second_there_and_back_is_the_same() -> None:
    begins = [table_leap.midnight_ns for table_leap in BUILT_IN.leaps]
    posix_ns = array([begin + step for begin in begins for step in STEPS])
    for leap_second in (False, True):
        tai_ns = posix_to_tai(BUILT_IN, posix_ns, leap_second=leap_second)
        assert (tai_to_posix(BUILT_IN, tai_ns) == posix_ns).all()


def test_a_time_that_is_none_is_refused() -> None:
    with pytest.raises(NoSuchTime, match="before 1972"):
        tai_to_posix(BUILT_IN, array([0]))
    with pytest.raises(NoSuchTime, match="before 1972"):
        posix_to_tai(BUILT_IN, array([0]))
    midnight = NEGATIVE.leaps[-2].midnight_ns
    with pytest.raises(NoSuchTime, match="left that second out"):
        posix_to_tai(NEGATIVE, array([midnight, midnight - SECOND]))
    posix_to_tai(NEGATIVE, array([midnight, midnight - SECOND - 1]))


def test_a_table_without_leap_seconds_has_nothing_ambiguous() -> None:
    empty = LeapTable((), 0, "none")
    assert not is_ambiguous(empty, array([BUILT_IN.leaps[0].midnight_ns])).any()
    assert tai_to_posix(empty, array([10**18])).tolist() == [10**18 - 10 * SECOND]
