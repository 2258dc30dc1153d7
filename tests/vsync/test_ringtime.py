"""Stamps grow, come from a clock that no majority contradicts, and have a bound that is true."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocksync.runtime.interval import Interval
from vsync.frames import LARGEST, SUSPECT, UNVERIFIED
from vsync.ringtime import (
    CLUELESS_NS,
    FORCED_NS,
    STEADY_AT_MOST_NS,
    STEADY_FOR_NS,
    GroupTime,
    Reading,
    Stamper,
    Steady,
    Told,
    aged,
    flag_names,
    majority,
    within,
)

POINTS = st.integers(0, 20)
INTERVALS = st.builds(lambda a, width: Interval(a, a + width), POINTS, st.integers(0, 8))
CLOCKS = st.lists(INTERVALS, max_size=7)


def covered(clocks):
    """By brute force: the points that lie in all but a minority of the clocks."""
    enough = len(clocks) - (len(clocks) - 1) // 2
    return [at for at in range(40) if sum(at in clock for clock in clocks) >= enough]


@given(CLOCKS)
def test_a_majority_is_the_hull_of_the_points_most_clocks_allow(clocks):
    points = covered(clocks)
    wanted = Interval(points[0], points[-1]) if points and len(clocks) >= 3 else None
    assert majority(clocks) == wanted


@given(POINTS, st.lists(INTERVALS, min_size=3, max_size=7), st.integers(0, 2))
def test_true_time_is_in_the_majority_if_fewer_than_half_are_wrong(true, clocks, wrong):
    wrong = min(wrong, (len(clocks) - 1) // 2)
    right = [clock.widened(abs(true - clock.middle) + 1) for clock in clocks[wrong:]]
    group = majority(clocks[:wrong] + right)
    assert group is not None
    assert true in group


def test_two_clocks_that_contradict_each_other_settle_nothing():
    assert majority([Interval(0, 1), Interval(0, 1)]) is None
    assert majority([]) is None
    assert majority([Interval(0, 1), Interval(5, 6), Interval(10, 11)]) is None


def test_intervals_that_touch_share_a_point():
    assert majority([Interval(0, 5), Interval(5, 9), Interval(20, 30)]) == Interval(5, 5)


def test_an_old_reading_is_late_by_its_age_and_the_drift():
    assert aged(Interval(100, 200), 1_000_000, 500.0) == Interval(100, 200 + 1_000_000 + 500)
    assert aged(Interval(100, 200), 0, 500.0) == Interval(100, 200)


def test_what_does_not_fit_a_frame_is_cut():
    assert within(Interval(-5, 7)) == Interval(0, 7)
    assert within(Interval(-9, -5)) == Interval(0, 0)
    assert within(Interval(3, LARGEST + 3)) == Interval(3, LARGEST)


STAMPER = Stamper(0, 0.0)
MINE = Interval(1000, 1020)


def test_fewer_than_three_clocks_are_unverified():
    group = STAMPER.group_interval(MINE, (0, 0, 1000, 1020), 0, 0)
    assert group is None
    assert STAMPER.read(MINE, group) == Reading(1010, MINE, UNVERIFIED)


def test_a_clock_not_known_yet_leaves_stamps_unverified():
    table = (900, 1100, 0, 0, 900, 1100)
    assert STAMPER.group_interval(MINE, table, 0, 0) is None
    assert STAMPER.group_interval(MINE, table, 1, 0) is not None  # our own is always known


def test_our_own_entry_of_the_table_is_the_present_reading():
    table = (900, 1100, 1, 2, 900, 1100)
    assert STAMPER.group_interval(MINE, table, 1, 0) == Interval(900, 1100)


def test_the_others_entries_may_be_as_old_as_our_last_visit():
    table = (900, 950, 0, 1, 900, 950)
    group = STAMPER.group_interval(MINE, table, 1, 100)
    assert group == Interval(900, 1050)
    assert STAMPER.read(MINE, group).flags == 0


def test_a_clock_that_the_majority_contradicts_is_not_used():
    group = Interval(500, 600)
    reading = STAMPER.read(MINE, group)
    # But its bound covers both: the majority may be the one that is wrong.
    assert reading == Reading(550, Interval(500, 1020), SUSPECT, 600)


def test_a_stamp_is_not_later_than_what_the_majority_allows():
    assert STAMPER.read(MINE, Interval(900, 1005)) == Reading(1005, MINE, 0, 1005)
    assert STAMPER.read(MINE, Interval(900, 1015)) == Reading(1010, MINE, 0, 1015)


@given(INTERVALS, st.one_of(st.none(), INTERVALS), st.integers(-5, 50), st.integers(0, 9))
def test_stamps_grow_and_their_bound_covers_the_clock_they_come_from(mine, group, last, more):
    reading = Stamper(0, 500.0).read(mine, group)
    first = reading.stamp(last)
    assert first > last
    assert first == last + 1 or first == reading.wanted
    final = first + more
    error = reading.error(first, final)
    for at in (first, final):
        assert at - error <= reading.base.earliest
        assert reading.base.latest <= at + error
    # And no larger than the farthest of these distances.
    assert error in (0, final - reading.base.earliest, reading.base.latest - first)


def test_a_bound_fits_its_field():
    assert Reading(0, Interval(0, 0), 0).error(0, 2 * LARGEST) == LARGEST


def test_the_largest_time_seen_never_falls():
    stamper = Stamper(7, 500.0)
    for seen, highest in ((5, 7), (9, 9), (8, 9)):
        stamper.saw(seen)
        assert stamper.highest == highest


@pytest.mark.parametrize(
    ("flags", "names"),
    [
        (0, ()),
        (7, ()),
        (SUSPECT, ("suspect",)),
        (UNVERIFIED | 1, ("unverified",)),
        (SUSPECT | UNVERIFIED, ("suspect", "unverified")),
    ],
)
def test_flags_of_a_stamp_have_names(flags, names):
    assert flag_names(flags) == names


def test_a_clock_that_knows_nothing_takes_the_time_of_the_majority():
    mine, group = Interval.around(1_000, CLUELESS_NS), Interval(500, 600)
    assert STAMPER.read(mine, group) == Reading(550, group, 0, 600)
    assert STAMPER.read(mine, None) == Reading(1_000, mine, UNVERIFIED)


def test_a_stamp_forced_far_beyond_the_majoritys_time_is_unverified():
    reading = STAMPER.read(MINE, Interval(900, 1015))
    assert reading.flags_of(1015 + FORCED_NS) == 0
    assert reading.flags_of(1016 + FORCED_NS) == UNVERIFIED
    suspect = STAMPER.read(MINE, Interval(500, 600))
    assert suspect.flags_of(601 + FORCED_NS) == SUSPECT | UNVERIFIED


def test_between_visits_the_majoritys_time_moves_with_our_monotonic_clock():
    stamper = Stamper(0, 500.0)
    told = Told((900, 950, 880, 960, 0, 1), place=1, at_ns=50, before_ns=20)
    # The third clock is absurd: of three, two that overlap are enough. At the visit the others'
    # readings were up to 30 old.
    mine = Interval.around(2_000, CLUELESS_NS)
    assert stamper.now(mine, 50, told) == GroupTime(Interval(900, 960), 0)
    assert stamper.now(mine, 1_050, told) == GroupTime(Interval(1_899, 1_961), 0)
    assert stamper.now(mine, 50, None) == GroupTime(mine, UNVERIFIED)
    assert stamper.now(Interval(940, 942), 50, told).interval == Interval(940, 942)
    assert stamper.now(Interval(9, 10), 50, told) == GroupTime(Interval(9, 960), SUSPECT)


def test_a_table_without_our_place_tells_nothing():
    assert STAMPER.now(MINE, 0, Told((1, 2), 1, 0, 0)) == GroupTime(MINE, UNVERIFIED)


@given(
    st.lists(st.tuples(st.integers(-50, 50), st.integers(50, 120)), min_size=3, max_size=5),
    st.integers(0, 1000),
    st.integers(0, 1000),
)
def test_the_time_now_contains_the_truth_if_all_clocks_do(offsets, rotation, since):
    """Read at any moment of the last rotation, each interval contained true time then."""
    visit = 100_000
    table = []
    for place, (offset, error) in enumerate(offsets):
        read_at = visit if place == 0 else visit - (place * rotation) // len(offsets)
        table += [read_at + offset - error, read_at + offset + error]
    told = Told(tuple(table), 0, 5_000, 5_000 - rotation)
    now = visit + since
    clueless = Interval.around(now, 2 * CLUELESS_NS)
    assert now in Stamper(0, 500.0).now(clueless, 5_000 + since, told).interval


TABLE = (900, 950, 880, 960, 0, 1)


def test_a_short_rotation_leads_through_long_ones():
    stamper = Stamper(0, 500.0)
    stamper.follow(Interval(900, 950), TABLE, 0, 50, 40)
    assert stamper.steady == Steady(Interval(900, 950), 50, 10)
    # The next rotation takes a millisecond: then nobody's reading says much of now.
    wide = Interval(900, 1_001_000)
    assert stamper.steadied(wide, 1_000_050) == Interval(1_000_400, 1_001_000)
    assert stamper.steadied(None, 1_000_050) is None


def test_what_the_majority_says_now_counts_more_than_what_it_said_before():
    stamper = Stamper(0, 500.0)
    stamper.steady = Steady(Interval(900, 950), 50, 10)
    assert stamper.steadied(Interval(5_000, 5_010), 60) == Interval(5_000, 5_010)
    stamper.follow(Interval(5_000, 5_010), (0, 0, 5_000, 5_010, 5_000, 5_010), 0, 60, 59)
    assert stamper.steady == Steady(Interval(5_000, 5_012), 60, 1)


@pytest.mark.parametrize(
    ("age_ns", "is_taken"), [(STEADY_FOR_NS, False), (STEADY_AT_MOST_NS, True)]
)
def test_a_majority_that_was_wrong_does_not_outlast_itself(age_ns: int, is_taken: bool) -> None:
    """Two of three were wrong together, and overlapped with the third one a little."""
    stamper = Stamper(0, 0.0)
    stamper.steady = Steady(Interval(940, 950), 50, 10)
    now = 50 + age_ns
    stamper.follow(Interval(900, 950), (0, 0, 900, 945, 890, 950), 0, now, now - 1)
    assert stamper.steady.interval == (Interval(900, 950) if is_taken else Interval(940, 950))


def test_a_reading_that_is_worse_than_the_one_kept_is_not_taken():
    stamper = Stamper(0, 500.0)
    stamper.follow(Interval(900, 950), TABLE, 0, 50, 40)
    kept = stamper.steady
    stamper.follow(Interval(910, 940), TABLE, 0, 60, 50)
    assert stamper.steady == kept, "it was looked for a moment ago"
    later = 60 + STEADY_FOR_NS
    stamper.follow(Interval(910, 940), TABLE, 0, later, 60)
    assert stamper.steady == kept, "the rotation took longer than what is kept has widened"
    stamper.follow(Interval(910, 940), (0, 0, 0, 0, 0, 0), 0, 60, 59)
    assert stamper.steady == kept, "there are no clocks in the table"
