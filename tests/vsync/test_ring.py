"""Visits of a token: aru and safety, requests, flow control, and who is deaf."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocksync.runtime.interval import Interval
from tests.vsync.talk import MS, RING, data, token
from vsync.config import RingConfig
from vsync.frames import FIRST, LAST, NOBODY, REQUESTS_MAX, SAFE
from vsync.ring import ASKED_AGAIN_AFTER, Ring

CLOCK = Interval(40, 60)
MEMBERS = (1, 2, 3)


def make_ring(me=1, members=MEMBERS, have=(), **config):
    ring = Ring(RING, members, me, RingConfig.simulated(**config), 0)
    for number in have:
        ring.log.add(data(number))
    return ring


def visit(ring, given, waiting=0, now=0):
    """A visit with `waiting` datagrams in the send queue, each taken as it is allowed."""
    queue = [waiting]

    def supply(allowance, token):
        number = min(allowance, queue[0])
        queue[0] -= number
        return [
            data(token.sequence + n, origin=ring.me, timestamp=1000 + n)
            for n in range(1, number + 1)
        ]

    return ring.visit(given, now, CLOCK, supply, lambda: queue[0])


# The aru rule of totem.md 1.6 step 8, row by row: what we have, what came, what we send, what goes.
ARU = [
    # We lack something: lower it and say so.
    ("lack", 3, (5, 5, NOBODY), 0, (3, 1)),
    ("lack what another lowered", 2, (5, 3, 3), 0, (2, 1)),
    # We lowered it: only we raise it.
    ("still lack", 3, (5, 3, 1), 0, (3, 1)),
    ("have some", 4, (5, 3, 1), 0, (4, 1)),
    ("have all", 5, (5, 3, 1), 0, (5, NOBODY)),
    ("have all and send", 5, (5, 3, 1), 2, (7, NOBODY)),
    ("lack and send", 4, (5, 3, 1), 2, (4, 1)),
    # Nobody lowered it: raise it to what we send, in hope.
    ("quiet", 5, (5, 5, NOBODY), 0, (5, NOBODY)),
    ("send", 5, (5, 5, NOBODY), 2, (7, NOBODY)),
    # Another lowered it: leave it.
    ("another", 5, (5, 3, 2), 0, (3, 2)),
    ("another, and we send", 5, (5, 3, 2), 2, (3, 2)),
    ("as much as another", 3, (5, 3, 2), 0, (3, 2)),
]


@pytest.mark.parametrize(
    ("have", "came", "sent", "goes"), [row[1:] for row in ARU], ids=[row[0] for row in ARU]
)
def test_who_raises_and_lowers_what_everybody_has(have, came, sent, goes):
    ring = make_ring(have=range(1, have + 1))
    sequence, received, by = came
    made = visit(
        ring, token(sequence=sequence, all_received_up_to=received, lowered_by=by), waiting=sent
    )
    assert made.token.sequence == sequence + sent
    assert (made.token.all_received_up_to, made.token.lowered_by) == goes


def test_a_message_is_safe_only_after_two_visits():
    ring = make_ring(me=2)
    made = visit(ring, token(), waiting=2)
    # The hope of the first visit proves nothing.
    assert (made.token.all_received_up_to, ring.safe) == (2, 0)
    visit(ring, token(token_sequence=4, sequence=2, all_received_up_to=2))
    assert ring.safe == 2


def test_a_member_that_lowers_in_between_keeps_a_message_from_being_safe():
    ring = make_ring(me=2)
    visit(ring, token(), waiting=2)
    visit(ring, token(token_sequence=4, sequence=2, all_received_up_to=1, lowered_by=3))
    assert ring.safe == 1
    visit(ring, token(token_sequence=7, sequence=2, all_received_up_to=2))
    assert ring.safe == 1
    visit(ring, token(token_sequence=10, sequence=2, all_received_up_to=2))
    assert ring.safe == 2


def test_a_safe_message_waits_and_holds_up_what_is_behind_it():
    ring = make_ring()
    ring.log.add(data(1))
    ring.log.add(data(2, flags=FIRST | LAST | SAFE))
    ring.log.add(data(3))
    assert ring.next_deliverable() == data(1)
    ring.delivered = 1
    assert ring.next_deliverable() is None
    ring.safe = 2
    assert ring.next_deliverable().sequence == 2
    ring.delivered = 2
    assert ring.next_deliverable().sequence == 3


def test_what_is_safe_and_delivered_is_forgotten():
    ring = make_ring(have=(1, 2, 3, 4))
    ring.safe, ring.delivered = 3, 2
    ring.release()
    assert sorted(ring.log.frames) == [3, 4]
    ring.delivered = 4
    ring.release()
    assert sorted(ring.log.frames) == [4]


# Three real rings and a network that loses: what the aru is for.


@given(st.lists(st.tuples(st.integers(0, 4), st.sets(st.integers(2, 3))), max_size=40))
def test_what_is_safe_anywhere_is_held_by_all(rotations):
    rings = [make_ring(me) for me in MEMBERS]
    given_token = rings[0].first_token(0, (0, 0) * 3)
    for number, (waiting, deaf) in enumerate(rotations):
        ring = rings[number % 3]
        assert ring.is_fresh(given_token)
        assert ring.is_possible(given_token)
        made = visit(ring, given_token, waiting=waiting)
        for other in rings:
            if other.me not in deaf and other is not ring:
                for frame in made.resent + made.sent:
                    assert other.takes(frame)
                    other.log.add(frame)
        given_token = made.token
        assert given_token.check() is None
        assert (given_token.lowered_by == NOBODY) == (
            given_token.all_received_up_to == given_token.sequence
        )
        held_by_all = min(ring.log.contiguous for ring in rings)
        assert all(ring.safe <= held_by_all for ring in rings)
        assert given_token.sequence == max(ring.log.highest for ring in rings)


def test_in_a_network_that_heals_everything_becomes_safe_everywhere():
    rings = [make_ring(me) for me in MEMBERS]
    given_token = rings[0].first_token(0, (0, 0) * 3)
    for number in range(60):
        ring = rings[number % 3]
        made = visit(ring, given_token, waiting=3 if number < 6 else 0)
        for other in rings:
            if other is not ring and (number >= 6 or other.me == 2):
                for frame in made.resent + made.sent:
                    other.log.add(frame)
        given_token = made.token
    assert [ring.safe for ring in rings] == [18, 18, 18]
    assert all(ring.idle_visits > 0 for ring in rings)


# Requests


def test_a_message_is_asked_for_when_it_was_missed_often_enough():
    for misses in (1, 2, 4):
        ring = make_ring(have=(1, 3), misses=misses)
        asked = [
            visit(ring, token(token_sequence=n, sequence=3)).token.missing
            for n in range(1, misses + 1)
        ]
        assert asked == [()] * (misses - 1) + [(2, 2)]


def test_requests_for_one_message_come_at_growing_distances():
    ring = make_ring(have=(1, 3), misses=1)
    asked_at = [
        n for n in range(1, 30) if visit(ring, token(token_sequence=n, sequence=3)).token.missing
    ]
    distances = [b - a for a, b in pairwise(asked_at)]
    assert distances[:5] == [1, 2, 3, 4, 4]
    assert set(distances[3:]) == {ASKED_AGAIN_AFTER}


def test_a_miss_that_was_filled_and_another_are_counted_apart():
    ring = make_ring(have=(1, 3), misses=2)
    assert visit(ring, token(sequence=3)).token.missing == ()
    ring.log.add(data(2))
    assert visit(ring, token(sequence=5)).token.missing == ()
    assert visit(ring, token(sequence=5)).token.missing == (4, 5)


def test_what_was_given_out_on_this_visit_is_not_missed():
    ring = make_ring(misses=1)
    assert visit(ring, token(), waiting=3).token.missing == ()


def test_the_accelerated_ring_asks_only_for_what_was_given_out_a_rotation_ago():
    ring = make_ring(accelerated=3)
    assert visit(ring, token(sequence=4)).token.missing == ()
    assert visit(ring, token(sequence=6)).token.missing == (1, 4)


def test_requests_of_others_are_answered_or_passed_on():
    ring = make_ring(have=(1, 2, 4))
    made = visit(ring, token(sequence=5, missing=(2, 5)))
    assert [frame.sequence for frame in made.resent] == [2, 4]
    assert made.token.missing == (3, 3, 5, 5)


def test_every_second_time_a_request_is_left_for_another_to_answer():
    ring = make_ring(have=(1, 2))
    answered = [
        [frame.sequence for frame in visit(ring, token(sequence=2, missing=(2, 2))).resent]
        for _ in range(4)
    ]
    assert answered == [[2], [], [2], []]
    assert visit(ring, token(sequence=2, missing=(1, 2))).token.missing == ()
    assert visit(ring, token(sequence=2, missing=(2, 2))).token.missing == (2, 2)


def test_what_everybody_has_is_not_asked_for_any_more():
    ring = make_ring(have=range(1, 6))
    ring.safe, ring.delivered = 3, 3
    ring.release()
    made = visit(ring, token(sequence=5, missing=(2, 4)))
    assert [frame.sequence for frame in made.resent] == [4]
    assert made.token.missing == ()


def test_no_more_is_resent_than_one_member_may_send_in_a_visit():
    ring = make_ring(have=range(1, 31), visit_max=8)
    made = visit(ring, token(sequence=30, missing=(1, 20)))
    assert [frame.sequence for frame in made.resent] == list(range(1, 9))
    assert made.token.missing == (9, 20)


def test_more_ranges_than_a_token_holds_are_left_for_later():
    ring = make_ring(have=range(2, 82, 2), misses=1, gap_max=200)
    made = visit(ring, token(sequence=80))
    assert len(made.token.missing) == 2 * REQUESTS_MAX
    assert made.token.missing[:4] == (1, 1, 3, 3)
    assert made.token.check() is None


def test_a_request_for_more_than_can_be_missing_is_cut_short():
    ring = make_ring(gap_max=60, misses=99)
    made = visit(ring, token(sequence=90, missing=(1, 90)))
    assert made.token.missing == (1, 61)


# Flow control


@given(
    st.integers(0, 100),
    st.integers(0, 300),
    st.integers(0, 50),
    st.booleans(),
    st.integers(1, 19),
    st.integers(1, 19),
)
def test_a_member_sends_within_its_allowance(waiting, sent, backlog, fair, window, most):
    ring = make_ring(window=window, visit_max=most, fair_share=fair)
    made = visit(ring, token(sent_last_rotation=sent, backlog=backlog), waiting=waiting)
    assert len(made.sent) <= min(waiting, most, max(0, window + most - sent))
    if not fair:
        assert len(made.sent) == min(waiting, most, max(0, window + most - sent))
    assert made.token.sent_last_rotation == sent + len(made.sent)
    assert made.token.backlog == backlog + waiting - len(made.sent)


def test_what_is_resent_counts_against_the_allowance():
    ring = make_ring(have=range(1, 7), visit_max=8)
    made = visit(ring, token(sequence=6, all_received_up_to=6, missing=(1, 5)), waiting=20)
    assert (len(made.resent), len(made.sent)) == (5, 3)
    assert made.token.sent_last_rotation == 8


def test_a_frame_counts_for_the_datagrams_it_takes():
    config = {"visit_max": 8, "frame_datagrams": 4, "datagram_bytes": 300}
    ring = make_ring(**config)
    large = data(1, payload=bytes(RingConfig.simulated(**config).payload_bytes - 2))
    assert RingConfig.simulated(**config).datagrams(large.size) == 4
    made = ring.visit(token(), 0, CLOCK, lambda allowance, token: [large], lambda: 0)
    assert made.token.sent_last_rotation == 4
    for number in range(2, 6):
        ring.log.add(replace(large, sequence=number))
    made = visit(ring, token(token_sequence=5, sequence=5, missing=(1, 5)), waiting=9)
    assert [frame.sequence for frame in made.resent] == [1, 2]
    assert made.sent == []
    assert made.token.missing == (3, 5)


def test_a_member_takes_its_own_part_out_of_the_counts_of_the_rotation():
    ring = make_ring()
    first = visit(ring, token(sent_last_rotation=5, backlog=3), waiting=10)
    assert (first.token.sent_last_rotation, first.token.backlog) == (13, 5)
    again = visit(ring, token(sequence=8, sent_last_rotation=13, backlog=5))
    assert (again.token.sent_last_rotation, again.token.backlog) == (5, 3)


def test_counts_that_others_keep_otherwise_do_not_wrap():
    ring = make_ring()
    visit(ring, token(), waiting=10)
    made = visit(ring, token(sequence=8, sent_last_rotation=0, backlog=0))
    assert (made.token.sent_last_rotation, made.token.backlog) == (0, 0)
    top = (1 << 32) - 1
    made = visit(ring, token(sequence=8, sent_last_rotation=0, backlog=top), waiting=9)
    assert made.token.backlog == top


def test_nobody_runs_further_ahead_of_what_is_safe_than_the_gap_allows():
    ring = make_ring(have=range(1, 62), gap_max=60)
    assert visit(ring, token(sequence=61), waiting=5).sent == []
    ring = make_ring(have=range(1, 61), gap_max=60)
    assert len(visit(ring, token(sequence=60), waiting=5).sent) == 5


def test_a_short_window_is_divided_by_the_backlogs():
    ring = make_ring(window=20, visit_max=8, fair_share=True)
    assert len(visit(ring, token(backlog=90), waiting=10).sent) == 2
    ring = make_ring(window=20, visit_max=8, fair_share=True)
    assert len(visit(ring, token(backlog=9_990), waiting=10).sent) == 1
    ring = make_ring(window=20, visit_max=8, fair_share=True)
    assert len(visit(ring, token(), waiting=10).sent) == 8


# Who is deaf

DEAF = {"deaf_visits": 3, "token_loss_ns": 60 * MS}


def deaf_at(ring, times, by=3):
    held_up = {"sequence": 5, "all_received_up_to": 2, "lowered_by": by}
    return [visit(ring, token(**held_up), now=now).deaf for now in times]


def test_a_member_is_deaf_after_many_visits_and_a_long_time():
    ring = make_ring(have=range(1, 6), **DEAF)
    times = [n * 50 * MS for n in range(6)]
    assert deaf_at(ring, times) == [NOBODY] * 4 + [3, 3]


def test_many_visits_in_a_short_time_make_nobody_deaf():
    ring = make_ring(have=range(1, 6), **DEAF)
    assert set(deaf_at(ring, [n * MS for n in range(121)])) == {NOBODY}
    # The clock runs since what everybody has last grew.
    assert deaf_at(ring, [121 * MS]) == [3]


def test_a_long_time_with_few_visits_makes_nobody_deaf():
    ring = make_ring(have=range(1, 6), **DEAF)
    assert (
        deaf_at(ring, [0, 10_000 * MS, 20_000 * MS, 30_000 * MS, 40_000 * MS])[:4] == [NOBODY] * 4
    )


def test_a_little_progress_makes_the_patience_begin_anew():
    ring = make_ring(have=range(1, 6), **DEAF)
    deaf_at(ring, [0, 100 * MS, 200 * MS])
    visit(ring, token(sequence=5, all_received_up_to=3, lowered_by=3), now=300 * MS)
    moved = {"sequence": 5, "all_received_up_to": 3, "lowered_by": 3}
    found = [visit(ring, token(**moved), now=now * MS).deaf for now in (350, 400, 420, 421)]
    assert found == [NOBODY, NOBODY, NOBODY, 3]


def test_a_member_never_finds_itself_deaf():
    ring = make_ring(me=3, have=(1, 2), **DEAF)
    times = [n * 100 * MS for n in range(10)]
    assert set(deaf_at(ring, times)) == {NOBODY}


# What can be true


@pytest.mark.parametrize(
    ("fields", "possible"),
    [
        ({"sequence": 5}, True),
        ({"sequence": 4}, False),  # a number we know of has vanished
        ({"sequence": 3 + 60 + 20 + 8}, True),
        ({"sequence": 3 + 60 + 20 + 8 + 1}, False),
        ({"sequence": 5, "clocks": (0, 0) * 2}, False),
        ({"sequence": 5, "clocks": (0, 0) * 4}, False),
        ({"sequence": 5, "lowered_by": 2}, True),
        ({"sequence": 5, "lowered_by": 4}, False),
    ],
)
def test_a_token_that_cannot_be_is_told(fields, possible):
    ring = make_ring(have=(1, 2, 3, 5))
    assert ring.is_possible(token(**fields)) == possible


def test_a_message_beyond_what_flow_control_allows_is_not_taken():
    ring = make_ring(have=(1, 2, 3))
    assert ring.takes(data(3 + 60 + 20 + 8))
    assert not ring.takes(data(3 + 60 + 20 + 8 + 1))


def test_a_token_is_fresh_once():
    ring = make_ring()
    assert ring.is_fresh(token(token_sequence=4))
    visit(ring, token(token_sequence=4))
    assert not ring.is_fresh(token(token_sequence=4))
    assert not ring.is_fresh(token(token_sequence=5))  # our own, come back
    assert ring.is_fresh(token(token_sequence=6))


# The rest of the token


def test_a_visit_writes_its_clock_its_round_and_the_last_stamp():
    first = make_ring(me=1)
    made = visit(first, token(round=7, timestamp=500, clocks=(1, 2, 3, 4, 5, 6)), waiting=2)
    assert made.token.clocks == (40, 60, 3, 4, 5, 6)
    assert (made.token.round, made.token.timestamp) == (8, 1002)
    assert (made.token.token_sequence, made.token.ring) == (2, RING)
    last = make_ring(me=3)
    made = visit(last, token(round=7, timestamp=500, clocks=(1, 2, 3, 4, 5, 6)))
    assert made.token.clocks == (1, 2, 3, 4, 40, 60)
    assert (made.token.round, made.token.timestamp) == (7, 500)


def test_the_count_of_rotations_begins_again_at_its_end():
    assert visit(make_ring(me=1), token(round=(1 << 32) - 1)).token.round == 0


def test_a_token_of_old_does_not_turn_time_back():
    ring = make_ring()
    ring.timestamp = 900
    assert visit(ring, token(timestamp=500)).token.timestamp == 900


def test_an_idle_ring_is_one_where_nothing_was_sent_is_missing_or_waits():
    ring = make_ring(have=(1, 2), misses=1)
    assert not visit(ring, token(sequence=2, all_received_up_to=2)).is_idle
    assert visit(ring, token(sequence=2, all_received_up_to=2)).is_idle
    assert visit(ring, token(sequence=2, all_received_up_to=2)).is_idle
    assert ring.idle_visits == 2
    assert not visit(ring, token(sequence=4, all_received_up_to=4)).is_idle
    assert ring.idle_visits == 0


def test_the_successor_of_the_last_is_the_first():
    assert [make_ring(me).successor for me in MEMBERS] == [2, 3, 1]
    assert [make_ring(me).place for me in MEMBERS] == [0, 1, 2]
    assert make_ring(1, members=(1,)).is_alone
    assert not make_ring(1).is_alone
