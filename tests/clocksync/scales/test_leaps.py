"""TAI, UTC and POSIX against ERFA around every leap second, and against counting seconds where
there is nothing to compare with: a negative leap second."""

from collections.abc import Iterator

import erfa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocksync.runtime.units import SECOND
from clocksync.scales import BUILT_IN, Instant, Leap, LeapTable, NoSuchTime, UtcTime
from clocksync.scales.civil import DAY, day_of, day_text
from clocksync.scales.leaps import FIRST_DAY, FIRST_OFFSET
from tests.clocksync.scales.erfa_times import tai_of_utc, utc_of_tai

NEGATIVE = LeapTable(
    (*BUILT_IN.leaps, Leap(day_of(2029, 6, 30), -1), Leap(day_of(2031, 12, 31), 1)),
    known_until_ns=day_of(2032, 6, 28) * DAY,
    source="an invented table",
)
TABLES = st.sampled_from([BUILT_IN, NEGATIVE])
STEPS = sorted(
    {quarter * SECOND // 4 + fine for quarter in range(-8, 13) for fine in (-1, 0, 1, 123_456_789)}
)
"""From 2 s before a leap second to 3 s after it began, ns."""


def instants(table: LeapTable) -> st.SearchStrategy[Instant]:
    """Instants from 1972 to 2100, half of them within a day of a leap second."""
    begins = [table.from_utc(UtcTime(leap.day + 1, 0)).tai_ns for leap in table.leaps]
    near = st.tuples(st.sampled_from(begins), st.integers(-DAY, DAY)).map(sum)
    close = st.tuples(st.sampled_from(begins), st.integers(-2 * SECOND, 2 * SECOND)).map(sum)
    first = (FIRST_DAY * DAY) + FIRST_OFFSET * SECOND
    any_time = st.integers(first, day_of(2100, 1, 1) * DAY)
    return st.one_of(near, close, any_time).map(Instant)


WITH_INSTANT = TABLES.flatmap(lambda table: st.tuples(st.just(table), instants(table)))


@pytest.mark.parametrize("leap", BUILT_IN.leaps, ids=lambda leap: leap.date)
def test_two_seconds_around_a_leap_second_utc_is_what_erfa_says(leap: Leap) -> None:
    begins = BUILT_IN.from_utc(UtcTime(leap.day, DAY))
    around = [begins + step for step in STEPS]
    ours = [BUILT_IN.to_utc(each) for each in around]
    assert [str(utc) for utc in ours] == utc_of_tai([each.tai_ns for each in around])
    assert [BUILT_IN.from_utc(utc) for utc in ours] == around
    assert tai_of_utc(ours) == [each.tai_ns for each in around]
    assert sum(utc.is_leap_second for utc in ours) == sum(0 <= step < SECOND for step in STEPS)


def test_the_built_in_table_is_erfas() -> None:
    steps = [
        (int(row["year"]), int(row["month"]), int(row["tai_utc"]))
        for row in erfa.leap_seconds.get()
        if row["year"] >= 1972
    ]
    ours, offset = [(1972, 1, FIRST_OFFSET)], FIRST_OFFSET
    for leap in BUILT_IN.leaps:
        offset += leap.change
        year, month, _ = map(int, day_text(leap.day + 1).split("-"))
        ours.append((year, month, offset))
    assert ours == steps


@given(st.integers(FIRST_DAY, day_of(2028, 1, 1)), st.integers(0, DAY - 1))
def test_any_time_of_utc_is_the_tai_of_erfa(day: int, ns: int) -> None:
    assert tai_of_utc([UtcTime(day, ns)]) == [BUILT_IN.from_utc(UtcTime(day, ns)).tai_ns]


def counted(leap: Leap) -> Iterator[str]:
    """The seconds of the last minute of a day and the next one's first, by counting them."""
    for second in range(60 + leap.change):
        yield f"{leap.date}T23:59:{second:02d}.000000000Z"
    for second in range(60):
        yield f"{day_text(leap.day + 1)}T00:00:{second:02d}.000000000Z"


@pytest.mark.parametrize("leap", NEGATIVE.leaps[-3:], ids=str)
def test_the_seconds_around_a_leap_second_come_one_after_the_other(leap: Leap) -> None:
    start = NEGATIVE.from_utc(UtcTime(leap.day, DAY - 60 * SECOND))
    for number, text in enumerate(counted(leap)):
        instant = start + number * SECOND
        assert str(NEGATIVE.to_utc(instant)) == text
        assert NEGATIVE.from_utc(UtcTime.parse(text)) == instant


@given(WITH_INSTANT)
def test_utc_and_back_is_the_same_instant(case: tuple[LeapTable, Instant]) -> None:
    table, instant = case
    assert table.from_utc(table.to_utc(instant)) == instant


@given(WITH_INSTANT)
def test_an_instant_is_among_the_candidates_of_its_posix_time(
    case: tuple[LeapTable, Instant],
) -> None:
    table, instant = case
    candidates = table.from_posix(table.to_posix(instant))
    assert instant in candidates
    assert candidates == tuple(sorted(set(candidates)))
    # Two candidates are the leap second and its neighbour: one second apart, one of each.
    if len(candidates) > 1:
        assert candidates[1] - candidates[0] == SECOND
        assert [table.to_utc(each).is_leap_second for each in candidates] == [True, False]


@given(WITH_INSTANT, st.integers(1, 10 * SECOND))
def test_utc_is_ordered_as_time_is(case: tuple[LeapTable, Instant], later: int) -> None:
    table, instant = case
    assert table.to_utc(instant) < table.to_utc(instant + later)


@given(WITH_INSTANT)
def test_text_and_back_is_the_same_time(case: tuple[LeapTable, Instant]) -> None:
    table, instant = case
    utc = table.to_utc(instant)
    assert UtcTime.parse(str(utc)) == utc


def test_a_posix_time_in_a_second_left_out_has_no_instant() -> None:
    midnight = NEGATIVE.leaps[-2].midnight_ns
    for inside in (midnight - SECOND, midnight - 1):
        with pytest.raises(NoSuchTime, match="left 23:59:59 out on 2029-06-30"):
            NEGATIVE.from_posix(inside)
        with pytest.raises(NoSuchTime, match="left 23:59:59 out on 2029-06-30"):
            NEGATIVE.utc_of_posix(inside)
    before, after = NEGATIVE.from_posix(midnight - SECOND - 1), NEGATIVE.from_posix(midnight)
    assert after[0] - before[0] == 1


@pytest.mark.parametrize(
    ("utc", "says"),
    [
        (UtcTime(day_of(2017, 12, 31), DAY), "2017-12-31 has no leap second$"),
        (UtcTime(day_of(2029, 6, 30), DAY - 1), "a negative leap second left 23:59:59 out"),
        (UtcTime(day_of(2029, 6, 30), DAY), "2029-06-30 has no leap second$"),
        (UtcTime(day_of(2035, 12, 31), DAY), "no leap second known to an invented table"),
        (UtcTime(day_of(1971, 12, 31), 0), "before 1972"),
    ],
)
def test_a_time_that_utc_never_reads_is_refused(utc: UtcTime, says: str) -> None:
    with pytest.raises(NoSuchTime, match=says):
        NEGATIVE.from_utc(utc)


@pytest.mark.parametrize("leap", BUILT_IN.leaps, ids=lambda leap: leap.date)
def test_a_posix_time_means_two_times_for_one_second_exactly(leap: Leap) -> None:
    edges = (-1, 0, SECOND - 1, SECOND)
    counts = [len(BUILT_IN.from_posix(leap.midnight_ns + edge)) for edge in edges]
    assert counts == [1, 2, 2, 1]


def test_what_is_before_1972_is_refused() -> None:
    first = Instant(FIRST_DAY * DAY + FIRST_OFFSET * SECOND)
    assert str(BUILT_IN.to_utc(first)) == "1972-01-01T00:00:00.000000000Z"
    assert BUILT_IN.tai_minus_utc(first) == 10
    for call in (BUILT_IN.to_utc, BUILT_IN.to_posix, BUILT_IN.tai_minus_utc):
        with pytest.raises(NoSuchTime, match="before 1972"):
            call(first + -1)


def test_a_table_covers_what_is_before_its_end_and_nothing_else() -> None:
    end = BUILT_IN.from_posix(BUILT_IN.known_until_ns)[0]
    assert BUILT_IN.covers(end + -1)
    assert not BUILT_IN.covers(end)


def test_tai_minus_utc_changes_when_the_leap_second_is_over() -> None:
    begins = BUILT_IN.from_utc(UtcTime(day_of(2016, 12, 31), DAY))
    around = [begins + -1, begins, begins + (SECOND - 1), begins + SECOND]
    assert [BUILT_IN.tai_minus_utc(each) for each in around] == [36, 36, 36, 37]


@pytest.mark.parametrize(
    ("leaps", "says"),
    [
        ((Leap(800, 1), Leap(800, 1)), "out of order or too close"),
        ((Leap(900, 1), Leap(800, 1)), "out of order"),
        ((Leap(800, 1), Leap(801, 1)), "too close"),
        ((Leap(800, 2),), "leaps by one second, not by 2"),
        ((Leap(FIRST_DAY - 1, 1),), "out of order"),
    ],
)
def test_an_impossible_table_is_refused(leaps: tuple[Leap, ...], says: str) -> None:
    with pytest.raises(NoSuchTime, match=says):
        LeapTable(leaps, 0, "an example")
