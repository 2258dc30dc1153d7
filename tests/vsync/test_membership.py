"""The rules of Joins one by one, votes, the one who stood in the way, and back-off."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.vsync.talk import join
from vsync.frames import MEMBERS_MAX
from vsync.membership import BackOff, Membership, Verdict


def member(me=1, processes=(), failed=(), installed=()):
    membership = Membership(me)
    membership.install(tuple(sorted({me, *installed})))
    membership.processes |= {me, *processes}
    membership.failed |= set(failed)
    membership.agreed = {me}
    return membership


def sets(membership):
    return sorted(membership.processes), sorted(membership.failed)


# The rules, numbered as in totem.md 1.7 (Amir et al., TOCS 13(4), 1995, figure 5).


def test_j1_the_largest_ring_number_is_remembered_whoever_says_it():
    membership = member(processes=(2,), failed=(3,))
    for sender, number, highest in ((2, 7, 7), (3, 9, 9), (2, 8, 9)):
        membership.hear(sender, join({sender}, ring_sequence=number))
        assert membership.highest_ring_sequence == highest


def test_j2_who_leaves_is_given_up_and_never_agrees():
    membership = member(processes=(2,))
    assert membership.hear(2, join((1, 2), (2,), leaving=1)) is Verdict.CHANGED
    assert sets(membership) == ([1, 2], [2])
    # With sets that are now equal to ours, too.
    assert membership.hear(2, join((1, 2), (2,), leaving=1)) is Verdict.NOTHING_NEW
    assert 2 not in membership.agreed
    assert 2 not in membership.joins


def test_j3_equal_sets_agree():
    membership = member(processes=(2, 3), failed=(3,))
    assert not membership.is_agreed
    assert membership.hear(2, join((1, 2, 3), (3,))) is Verdict.AGREES
    assert membership.is_agreed
    assert membership.wanted == (1, 2)


def test_j4_who_knows_less_tells_nothing_new():
    membership = member(processes=(2, 3), failed=(3,))
    assert membership.hear(2, join((1, 2))) is Verdict.NOTHING_NEW
    assert sets(membership) == ([1, 2, 3], [3])
    assert membership.agreed == {1}


def test_j5_who_was_given_up_is_not_listened_to():
    membership = member(processes=(2, 3), failed=(3,))
    assert membership.hear(3, join((1, 3, 9), (2,))) is Verdict.REFUSED
    assert sets(membership) == ([1, 2, 3], [3])


def test_j6_the_sets_of_a_member_are_taken_over():
    membership = member(processes=(2, 3), installed=(1, 2, 3))
    assert membership.hear(2, join((1, 2, 3, 4), (3,))) is Verdict.CHANGED
    assert sets(membership) == ([1, 2, 3, 4], [3])


def test_j6_who_has_given_us_up_is_given_up_and_its_other_failures_are_not_ours():
    membership = member(processes=(2, 3), installed=(1, 2, 3))
    assert membership.hear(2, join((1, 2, 3, 4), (1, 3))) is Verdict.CHANGED
    assert sets(membership) == ([1, 2, 3, 4], [2])


def test_j6_an_outsider_does_not_break_up_a_ring():
    membership = member(installed=(1, 2), processes=(3,))
    assert membership.hear(5, join((1, 2, 3, 5), (2, 3))) is Verdict.CHANGED
    assert sets(membership) == ([1, 2, 3, 5], [3])


def test_j7_what_was_said_counts_again_when_our_sets_have_grown():
    membership = member(processes=(2,))
    assert membership.hear(2, join((1, 2, 3))) is Verdict.CHANGED
    assert membership.agreed == {1}
    membership.ask_again()
    assert membership.agreed == {1, 2}
    assert not membership.is_agreed


def test_of_two_who_do_not_hear_each_other_the_higher_number_goes():
    # We hear both, and 3 has agreed.
    membership = member(processes=(2, 3), installed=(1, 2, 3))
    membership.hear(2, join((1, 2, 3)))
    membership.hear(3, join((1, 2, 3), (2,)))
    assert membership.failed == {3}
    membership = member(processes=(2, 3), installed=(1, 2, 3))
    membership.hear(3, join((1, 2, 3)))
    membership.hear(2, join((1, 2, 3), (3,)))
    assert membership.failed == {3}


def test_who_has_not_agreed_with_us_is_given_up_if_another_says_so():
    membership = member(processes=(2, 3), installed=(1, 2, 3))
    membership.hear(3, join((1, 2, 3), (2,)))
    assert membership.failed == {2}


def test_too_many_processes_are_refused_whole():
    membership = member(processes=range(2, MEMBERS_MAX + 1))
    assert membership.hear(2, join([*range(1, MEMBERS_MAX), 500])) is Verdict.REFUSED
    assert not membership.add(500)
    assert len(membership.processes) == MEMBERS_MAX


def test_nobody_gives_itself_up():
    membership = member(processes=(2,))
    assert not membership.fail(1)
    assert membership.fail(1, 2)
    assert not membership.fail(2)
    assert membership.wanted == (1,)


def test_the_silent_are_those_that_did_not_agree():
    membership = member(processes=(2, 3, 4), failed=(4,))
    membership.agreed = {1, 3}
    assert membership.fail_silent()
    assert membership.failed == {2, 4}
    assert not membership.fail_silent()


def test_the_smallest_forms_the_ring():
    assert member(2, processes=(3, 4)).is_mine_to_form
    assert not member(3, processes=(2, 4)).is_mine_to_form
    assert member(3, processes=(2, 4), failed=(2,)).is_mine_to_form


def test_what_we_tell_is_what_we_want():
    membership = member(2, processes=(1, 9), failed=(9,))
    membership.highest_ring_sequence, membership.passed = 12, 300
    assert membership.join(77) == join(
        (1, 2, 9), (9,), incarnation=77, ring_sequence=12, passed=255
    )
    goodbye = membership.join(77, leaving=True)
    assert (goodbye.leaving, goodbye.failed) == (1, (2, 9))
    assert sets(membership) == ([1, 2, 9], [9])


def test_a_ring_installed_makes_all_begin_again():
    membership = member(processes=(2, 3), failed=(3,))
    membership.hear(2, join((1, 2, 3), (3,)))
    membership.passed = 4
    membership.install((1, 2))
    assert sets(membership) == ([1, 2], [])
    assert (membership.agreed, membership.joins, membership.passed) == (set(), {}, 0)


JOINS = st.lists(
    st.tuples(
        st.integers(2, 5),
        st.sets(st.integers(1, 6), min_size=1),
        st.sets(st.integers(1, 6)),
        st.booleans(),
    ),
    max_size=12,
)


@given(JOINS, st.sets(st.integers(1, 5)))
def test_sets_only_grow_and_a_change_is_told_exactly_when_they_do(heard, installed):
    membership = member(installed=installed)
    for sender, processes, failed, leaving in heard:
        membership.add(sender)
        before = sets(membership)
        had = set(membership.processes), set(membership.failed)
        verdict = membership.hear(sender, join(processes | {sender}, failed, leaving=int(leaving)))
        assert had[0] <= membership.processes
        assert had[1] <= membership.failed <= membership.processes
        assert 1 not in membership.failed
        assert (verdict is Verdict.CHANGED) == (sets(membership) != before)
        membership.ask_again()
        assert membership.join(1).check() is None


@given(JOINS)
def test_processes_that_hear_all_of_each_other_come_to_want_the_same(heard):
    """Whatever they heard before, talking to each other ends in agreement or in parting."""
    members = {me: member(me, processes=(1, 2, 3), installed=(1, 2, 3)) for me in (1, 2, 3)}
    for number, (sender, processes, failed, _) in enumerate(heard):
        target = members[number % 3 + 1]
        if sender != target.me:
            target.add(sender)
            target.hear(sender, join(processes | {sender}, failed))
    for _ in range(12):
        for one in members.values():
            one.ask_again()
            said = one.join(1)
            for other in members.values():
                if other is not one:
                    other.add(one.me)
                    other.hear(one.me, said)
    for one in members.values():
        for other in members.values():
            mutual = other.me not in one.failed and one.me not in other.failed
            if mutual:
                assert sets(one) == sets(other)
            # Nobody is given up by one who still waits for it.
            assert (other.me in one.failed) == (one.me in other.failed)


# The one who stood in the way


def failed_once(membership, passed):
    """Everybody agreed, and has told how far it got; then nothing came of it."""
    wanted = membership.wanted
    membership.ring_failed()
    membership.passed = passed[membership.me]
    for process in wanted:
        if process != membership.me:
            membership.hear(process, join(wanted, passed=passed[process]))


def test_once_is_chance_and_at_the_second_time_who_got_least_far_is_given_up():
    membership = member(2, processes=(1, 3))
    passed = {1: 2, 2: 2, 3: 1}
    failed_once(membership, passed)
    assert not membership.give_up_the_blocker()
    failed_once(membership, passed)
    assert membership.give_up_the_blocker()
    assert membership.failed == {3}


def test_of_several_who_got_least_far_the_first_is_given_up():
    membership = member(1, processes=(2, 3, 4))
    for _ in range(2):
        failed_once(membership, {1: 2, 2: 2, 3: 1, 4: 1})
    assert membership.give_up_the_blocker()
    assert membership.failed == {3}


def test_who_stood_in_the_way_does_not_give_itself_up_but_the_others_do():
    passed = {1: 2, 2: 1, 3: 2}
    failed = {}
    for me in (1, 2, 3):
        membership = member(me, processes=(1, 2, 3))
        for _ in range(2):
            failed_once(membership, passed)
        membership.give_up_the_blocker()
        failed[me] = membership.failed
    assert failed == {1: {2}, 2: set(), 3: {2}}


def test_two_failures_of_different_rings_are_no_pattern():
    membership = member(1, processes=(2, 3))
    failed_once(membership, {1: 1, 2: 1, 3: 0})
    membership.add(4)
    failed_once(membership, {1: 1, 2: 1, 3: 0, 4: 0})
    assert not membership.give_up_the_blocker()


def test_the_count_of_failures_begins_anew_after_somebody_was_given_up():
    membership = member(1, processes=(2, 3))
    for _ in range(2):
        failed_once(membership, {1: 0, 2: 1, 3: 1})
    assert not membership.give_up_the_blocker()  # it is we
    failed_once(membership, {1: 1, 2: 0, 3: 1})
    assert not membership.give_up_the_blocker()


def test_after_a_ring_failed_only_what_is_said_from_now_on_counts():
    membership = member(1, processes=(2,))
    membership.hear(2, join((1, 2)))
    assert membership.is_agreed
    membership.ring_failed()
    membership.ask_again()
    assert not membership.is_agreed


# Back-off


def pauses(back_off, process, times, step=1):
    """How long the process is shunned after each of `times` at which it is given up again just
    when the pause ends."""
    now, found = 0, []
    for _ in range(times):
        back_off.given_up(process, now)
        end = next(n for n in range(now, now + 1000) if not back_off.is_shunned(process, n))
        found.append(end - now)
        now = end
    return found


def test_each_pause_in_a_row_is_twice_as_long_up_to_the_longest():
    assert pauses(BackOff(10, 70), 2, 5) == [10, 20, 40, 70, 70]


def test_after_a_long_peace_it_is_another_story():
    back_off = BackOff(10, 1000)
    back_off.given_up(2, 0)
    back_off.given_up(2, 10 + 4 * 10 - 1)
    assert back_off.is_shunned(2, 49 + 19)
    back_off.given_up(2, 69 + 4 * 20)
    assert back_off.is_shunned(2, 149 + 9)
    assert not back_off.is_shunned(2, 149 + 10)


def test_another_incarnation_is_forgiven():
    back_off = BackOff(10, 1000)
    back_off.given_up(2, 0)
    back_off.given_up(3, 0)
    back_off.forgive(2)
    back_off.forgive(9)
    assert not back_off.is_shunned(2, 1)
    assert back_off.is_shunned(3, 1)
    back_off.given_up(2, 5)
    assert not back_off.is_shunned(2, 15)


def test_who_asks_for_us_is_heard_after_half_the_pause():
    back_off = BackOff(10, 70)
    back_off.given_up(2, 0)
    assert back_off.is_shunned(2, 4, asks=True)
    assert not back_off.is_shunned(2, 5, asks=True)
    assert back_off.is_shunned(2, 9)


@pytest.mark.parametrize("lag", range(1, 200, 7))
def test_two_that_gave_each_other_up_do_not_ask_in_turn_for_ever(lag):
    """Each asks when its own pause is over, and gives the other up where that does not listen: as
    seed 500144 of the liveness campaign had it, for ever."""
    one, other = BackOff(60, 2000), BackOff(60, 2000)
    one.given_up(2, 0)
    other.given_up(1, lag)
    for now in range(lag + 1, 30_000):
        for mine, theirs, me, it in ((one, other, 1, 2), (other, one, 2, 1)):
            if not mine.is_shunned(it, now):
                if not theirs.is_shunned(me, now, asks=True):
                    return
                mine.given_up(it, now)
    pytest.fail("they never met")


def test_who_was_never_given_up_is_not_shunned():
    assert not BackOff(10, 70).is_shunned(1, 0)


@pytest.mark.parametrize("now", [0, 9])
def test_the_shunned_are_shunned_to_the_end_of_the_pause(now):
    back_off = BackOff(10, 70)
    back_off.given_up(2, 0)
    assert back_off.is_shunned(2, now)
    assert not back_off.is_shunned(2, 10)
