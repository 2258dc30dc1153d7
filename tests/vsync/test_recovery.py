"""What is exchanged, promised and installed: all from one old ring decide alike."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.vsync.talk import RING, data, entry, token
from vsync.config import RingConfig
from vsync.frames import FIRST, LAST, SAFE, Data, Recovered
from vsync.identity import NO_RING, RingId
from vsync.recovery import Plan, Recovery, Step, plan, too_far_ahead
from vsync.ring import Ring

NEW = RingId(9, 1, 8)
S, A = FIRST | LAST | SAFE, FIRST | LAST


def from_old(member, **fields):
    """An entry of a member that comes from RING."""
    old = {"old_sequence": RING.sequence, "old_representative": 1, "old_nonce": RING.nonce}
    return entry(member, **(old | fields))


def ring_of(frames, me=1, members=(1, 2, 3)):
    ring = Ring(RING, members, me, RingConfig.simulated(), 0)
    for frame in frames:
        ring.log.add(frame)
    return ring


def safe(number, origin=1):
    return data(number, flags=S, origin=origin)


# What is delivered where: totem.md 1.10, word for word, slowly.


def literal_plan(frames, d, h, obligations):
    held = {frame.sequence: frame for frame in frames}

    def is_safe(i):
        return isinstance(held[i], Data) and bool(held[i].flags & SAFE)

    regular, transitional = [], []
    i = d + 1
    while i in held and (i <= h or not is_safe(i)):
        regular.append(i)
        i += 1
    while i in held:
        transitional.append(i)
        i += 1
    transitional += [j for j in sorted(held) if j > i and held[j].origin in obligations]
    is_complete = all(n in held for n in range(d + 1, h + 1))
    return tuple(regular), tuple(transitional), is_complete


FRAMES = st.dictionaries(
    st.integers(1, 12), st.tuples(st.integers(1, 4), st.sampled_from([S, A, A, None])), max_size=12
)


def frames_of(drawn):
    return [
        Recovered(*RING, number, origin, b"")
        if flags is None
        else data(number, origin=origin, flags=flags)
        for number, (origin, flags) in drawn.items()
    ]


@given(FRAMES, st.integers(0, 12), st.integers(0, 12), st.sets(st.integers(1, 4)))
def test_a_plan_is_what_the_rules_say(drawn, delivered, highest, obligations):
    frames = frames_of(drawn)
    ring = ring_of(frames)
    delivered = min(delivered, ring.log.contiguous)
    highest = max(highest, delivered)
    regular, transitional, is_complete = literal_plan(frames, delivered, highest, obligations)
    found = plan(ring.log, delivered, highest, obligations)
    assert found.is_complete == is_complete
    if is_complete:
        assert found == Plan(regular, transitional, True)


@given(
    FRAMES, st.integers(0, 12), st.integers(0, 12), st.integers(0, 12), st.sets(st.integers(1, 4))
)
def test_all_end_with_the_same_messages_wherever_they_had_come(
    drawn, one, other, highest, obligations
):
    frames = frames_of(drawn)
    log = ring_of(frames).log
    highest = max(min(highest, log.contiguous), one, other)
    assume(highest <= log.contiguous)
    first, second = (plan(log, at, highest, obligations) for at in (one, other))
    assert first.transitional == second.transitional
    assert (*range(1, one + 1), *first.regular) == (*range(1, other + 1), *second.regular)


def test_the_example_of_amirs_thesis():
    # Ring p, q, r = 1, 2, 3; p has all of m1..m5, q and r miss m3 (totem.md 1.10).
    origins = {1: 1, 2: 2, 3: 1, 4: 3, 5: 1}
    at_p = ring_of([safe(n, origins[n]) for n in range(1, 6)])
    assert plan(at_p.log, 0, 2, {1}) == Plan((1, 2), (3, 4, 5))
    at_q = ring_of([safe(n, origins[n]) for n in (1, 2, 4, 5)])
    assert plan(at_q.log, 1, 1, {2, 3}) == Plan((), (2, 4))


def test_an_agreed_message_behind_a_safe_one_goes_with_it():
    log = ring_of([data(1), safe(2), data(3)]).log
    assert plan(log, 0, 0, ()) == Plan((1,), (2, 3))
    assert plan(log, 0, 2, ()) == Plan((1, 2, 3), ())


def test_what_a_member_delivered_and_nobody_has_is_told():
    log = ring_of([data(1), data(3)]).log
    assert not plan(log, 0, 2, {1}).is_complete
    assert plan(log, 0, 1, {1}).is_complete


# The beginning


def begin(frames, table, me=1, shared=NO_RING):
    old = ring_of(frames, me, range(1, 1 + max(me, *(e.member for e in table), 3)))
    new = Ring(NEW, tuple(e.member for e in table), me, RingConfig.simulated(), 0)
    return Recovery.begin(new, old, table, shared)


def test_only_those_from_the_very_same_ring_come_along():
    table = (
        from_old(1, delivered=3, received_up_to=9, timestamp=50),
        from_old(2, old_nonce=99, delivered=7, received_up_to=7, obligations=(8,)),
        from_old(3, delivered=4, received_up_to=4, timestamp=70, obligations=(5, 1)),
        entry(4, timestamp=90),
    )
    recovery = begin([], table)
    assert recovery.transitional == (1, 3)
    assert recovery.highest_delivered == 4
    assert recovery.obligations == (1, 3, 5)
    assert recovery.floor == 90


HOLDINGS = st.lists(st.sets(st.integers(1, 10)), min_size=1, max_size=4)


@given(HOLDINGS)
def test_whatever_one_of_us_lacks_is_sent_by_somebody_who_has_it(holdings):
    logs = [ring_of([data(n) for n in sorted(held)]).log for held in holdings]
    table = tuple(from_old(me, received_up_to=log.contiguous) for me, log in enumerate(logs, 1))
    queues = [
        set(begin([data(n) for n in sorted(held)], table, me).queue)
        for me, held in enumerate(holdings, 1)
    ]
    everything = set().union(*holdings)
    for me, held in enumerate(holdings):
        assert queues[me] <= held
        assert everything - held <= set().union(*queues)
    # And what everybody has by its own account is sent by nobody.
    lowest = min(log.contiguous for log in logs)
    assert all(number > lowest for queue in queues for number in queue)


def test_what_all_lower_numbers_have_is_left_to_them():
    table = (
        from_old(1, received_up_to=4),
        from_old(2, received_up_to=2),
        from_old(3, received_up_to=6),
    )
    assert list(begin([data(n) for n in range(1, 5)], table, 1).queue) == [3, 4]
    assert list(begin([data(1), data(2), data(5)], table, 2).queue) == [5]
    assert list(begin([data(n) for n in range(1, 7)], table, 3).queue) == [5, 6]


def test_those_who_all_completed_one_recovery_exchange_nothing():
    done = {"recovered_sequence": 7, "recovered_representative": 1, "recovered_nonce": 3}
    table = (from_old(1, **done), from_old(2, **done), entry(3))
    assert not begin([data(1)], table, shared=RingId(7, 1, 3)).queue
    other = done | {"recovered_nonce": 4}
    table = (from_old(1, **done), from_old(2, **other))
    assert begin([data(1)], table, shared=RingId(7, 1, 3)).queue
    table = (from_old(1), from_old(2))
    assert begin([data(1)], table).queue


def test_what_is_sent_again_is_numbered_on_and_wrapped():
    recovery = begin([data(1), data(2, payload=b"two")], (from_old(1), from_old(2)))
    (first,) = recovery.supply(1, token(NEW, sequence=4))
    assert first == Recovered(*NEW, 5, 1, data(1).encode())
    made = recovery.supply(9, token(NEW, sequence=5))
    assert [Data.decode(frame.payload) for frame in made] == [data(2, payload=b"two")]
    assert recovery.supply(9, token(NEW, sequence=6)) == []


def test_what_somebody_else_sent_is_not_sent_again():
    recovery = begin([data(1), data(2)], (from_old(1), from_old(2)))
    recovery.took(1)
    recovery.took(7)
    assert list(recovery.queue) == [2]


def test_what_was_recovered_on_the_old_ring_itself_is_not_recovered_again():
    recovery = begin([Recovered(*RING, 1, 2, b""), data(2)], (from_old(1), from_old(2)))
    made = recovery.supply(9, token(NEW))
    assert [(frame.sequence, Data.decode(frame.payload).sequence) for frame in made] == [(1, 2)]


# The flag and the count of visits (TOCS 1995, figure 8)


def test_the_flag_stands_while_somebody_has_something_and_falls_by_the_hand_that_raised_it():
    recovery = begin([data(1)], (from_old(1), from_old(2)))
    assert recovery.flag(False)
    recovery.queue.clear()
    assert not recovery.flag(True)
    # Raised by another after that: not ours to lower (corosync b4367e60).
    assert recovery.flag(True)


def test_a_flag_that_another_raised_stays_up():
    recovery = begin([data(1)], (from_old(1), from_old(2)))
    assert recovery.flag(True)
    recovery.queue.clear()
    assert recovery.flag(True)
    assert not recovery.flag(False)


def steps(recovery, visits, most=100):
    """(flag, sequence, received) of each visit; a promise is kept like the engine does."""
    found = []
    for recovering, sequence, received in visits:
        step = recovery.after_visit(recovering, sequence, received, most)
        if step is Step.PROMISE:
            recovery.promised = True
        found.append(step.name)
    return found


def hold(recovery, up_to):
    for number in range(1, up_to + 1):
        recovery.ring.log.add(Recovered(*NEW, number, 2, b""))


def test_two_quiet_visits_promise_and_two_complete_ones_install():
    recovery = begin([], (from_old(1), from_old(2)))
    hold(recovery, 5)
    visits = [(True, 5, 0), (False, 5, 0), (False, 5, 3), (False, 5, 5), (False, 5, 5)]
    assert steps(recovery, visits) == [
        "EXCHANGING",
        "EXCHANGING",
        "PROMISE",
        "EXCHANGING",
        "INSTALL",
    ]


def test_nobody_promises_what_it_does_not_hold():
    recovery = begin([], (from_old(1), from_old(2)))
    hold(recovery, 4)
    quiet = (False, 5, 4)
    assert steps(recovery, [quiet] * 4) == ["EXCHANGING"] * 4
    hold(recovery, 5)
    assert steps(recovery, [quiet] * 1) == ["PROMISE"]


def test_what_everybody_has_must_hold_on_two_visits_in_a_row():
    recovery = begin([], (from_old(1), from_old(2)))
    hold(recovery, 5)
    visits = [(False, 5, 0)] * 2 + [(False, 5, 5), (False, 5, 4), (False, 5, 5), (False, 5, 5)]
    assert steps(recovery, visits)[2:] == ["EXCHANGING", "EXCHANGING", "EXCHANGING", "INSTALL"]


def test_a_flag_raised_again_makes_the_count_begin_anew():
    recovery = begin([], (from_old(1), from_old(2)))
    visits = [(False, 0, 0), (True, 2, 0), (False, 2, 0), (False, 2, 2)]
    assert steps(recovery, visits)[:3] == ["EXCHANGING"] * 3
    assert not recovery.promised  # 2 numbers were given out, and we have none
    hold(recovery, 2)
    assert steps(recovery, [(False, 2, 2), (False, 2, 2)]) == ["PROMISE", "INSTALL"]


def test_what_was_given_out_after_the_quiet_rotation_need_not_be_held():
    recovery = begin([], (from_old(1), from_old(2)))
    visits = [(False, 0, 0), (False, 0, 0), (False, 3, 0), (False, 3, 0)]
    assert steps(recovery, visits) == ["EXCHANGING", "PROMISE", "INSTALL", "INSTALL"]


def test_a_recovery_does_not_take_for_ever():
    recovery = begin([], (from_old(1), from_old(2)))
    assert steps(recovery, [(True, 5, 0)] * 4, most=3) == ["EXCHANGING"] * 3 + ["ENDLESS"]
    recovery = begin([], (from_old(1), from_old(2)))
    assert steps(recovery, [(False, 5, 0)] * 4, most=3) == ["EXCHANGING"] * 3 + ["ENDLESS"]


# Absurd timestamps


def timed(*timestamps, clock=(10, 20)):
    return tuple(
        entry(n, timestamp=at, earliest=clock[0], latest=clock[1])
        for n, at in enumerate(timestamps, 1)
    )


@pytest.mark.parametrize(
    ("timestamps", "refused", "ahead"),
    [
        ((0, 5, 30), (), 10),
        ((0, 5, 120), (), 100),
        ((0, 5, 121), (3,), 101),
        ((500, 5, 121), (), 0),  # most of them: then the clocks went back
        ((500, 5, 121, 7, 7), (1, 3), 480),
        ((500, 121), (), 0),  # two cannot tell who is right
        ((500,), (), 0),
    ],
)
def test_who_is_too_far_ahead_of_a_majority_is_refused(timestamps, refused, ahead):
    assert too_far_ahead(timed(*timestamps), 100) == (refused, ahead)


def test_a_minority_of_wrong_clocks_hides_nobody_and_accuses_nobody():
    times = {1: 0, 2: 0, 3: 900}
    table = tuple(entry(n, timestamp=times[n], earliest=0, latest=100 * n) for n in (1, 2, 3))
    # One clock may be wrong; of the two that say most, one is right, and so the other no less.
    assert too_far_ahead(table, 699) == ((3,), 700)
    assert too_far_ahead(table, 700) == ((), 700)
    wild = (*timed(0, 0, 0), entry(4, timestamp=0, earliest=0, latest=10_000))
    assert too_far_ahead(wild, 10) == ((), -20)


@given(
    st.integers(0, 1000),
    st.lists(st.integers(0, 50), min_size=3, max_size=7),
    st.lists(st.integers(0, 2000), max_size=3),
)
def test_who_is_not_ahead_of_true_time_is_never_refused(true, errors, wrong):
    wrong = wrong[: (len(errors) - 1) // 2]
    latest = wrong + [true + error for error in errors[len(wrong) :]]
    table = tuple(entry(n, timestamp=true, earliest=0, latest=at) for n, at in enumerate(latest, 1))
    assert too_far_ahead(table, 0)[0] == ()
