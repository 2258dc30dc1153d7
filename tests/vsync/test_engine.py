"""What all states share: the door, timers and their generations, the queue, pauses, datagrams."""

from dataclasses import replace
from itertools import pairwise

import pytest

from clocksync.runtime.interval import Interval
from tests.vsync.talk import (
    MS,
    Talk,
    causes,
    commit,
    data,
    delivered,
    drops,
    entry,
    join,
    of,
    persists,
    sealed,
    sent,
)
from vsync.events import (
    Accepted,
    CancelTimer,
    Datagram,
    Dropped,
    Messages,
    Moved,
    Opened,
    Persist,
    Persisted,
    Pressure,
    Refusal,
    Refused,
    SendTo,
    SetTimer,
    Submit,
    TimerExpired,
)
from vsync.frames import FIRST, LAST, Data, HoldCancel, Join, Merge, Token
from vsync.identity import RingId, Service
from vsync.states import RUNS_IN, Cause, State, Timer

IN_EACH_STATE = {
    State.OPERATIONAL: lambda: Talk(2).on_ring(1, 3),
    State.GATHER: lambda: Talk(2).gathered(1, 3),
    State.COMMIT: lambda: Talk(2).committed(1, 3),
    State.RECOVERY: lambda: Talk(2).in_recovery(1, 3),
}
EACH = pytest.mark.parametrize("state", IN_EACH_STATE)


# Datagrams


@EACH
@pytest.mark.parametrize(
    ("spoil", "cause"),
    [
        (lambda raw: b"", "too short"),
        (lambda raw: raw[:13], "too short"),
        (lambda raw: b"\0" + raw[1:], "foreign magic"),
        (lambda raw: raw[:2] + b"\x09" + raw[3:], "other version"),
        (lambda raw: raw[:-1] + bytes([raw[-1] ^ 1]), "bad checksum"),
        (lambda raw: raw[:3] + b"\x7f" + raw[4:], "bad checksum"),
    ],
    ids=["empty", "cut", "magic", "version", "bit", "kind"],
)
def test_what_is_no_datagram_of_ours_is_dropped_and_counted(state, spoil, cause):
    talk = IN_EACH_STATE[state]()
    before = sum(talk.engine.dropped.values())
    raw = spoil(sealed(1, join((1, 2))))
    (dropped,) = talk.say(Datagram(raw))
    assert dropped.cause == dropped.cause.strip() != ""
    assert isinstance(dropped, Dropped)
    assert dropped.sender is None
    assert talk.engine.dropped[dropped.cause] >= 1
    assert sum(talk.engine.dropped.values()) == before + 1
    if cause == "bad checksum":
        assert "check" in dropped.cause
    assert talk.state is state


@EACH
def test_another_cluster_is_not_heard(state):
    talk = IN_EACH_STATE[state]()
    (dropped,) = talk.say(Datagram(sealed(1, join((1, 2)), cluster=1)))
    assert "cluster" in dropped.cause


@EACH
def test_nobody_speaks_in_our_name(state):
    talk = IN_EACH_STATE[state]()
    effects = talk.hear(2, join((1, 2, 3), (2,), leaving=1))
    assert effects == [Dropped("in our own name", 2, "Join")]
    assert talk.state is state


@EACH
def test_a_frame_that_cannot_be_is_dropped_by_its_reason(state):
    talk = IN_EACH_STATE[state]()
    assert talk.hear(1, data(0)) == [Dropped("impossible number", 1, "Data")]


def test_the_checks_of_the_sender_come_after_those_of_the_frame():
    talk = Talk(2).gathered(1, 3)
    assert drops(talk.hear(2, data(0))) == ["impossible number"]


# Timers


@EACH
def test_only_timers_that_have_a_place_in_a_state_are_pending_there(state):
    talk = IN_EACH_STATE[state]()
    assert set(talk.timers) <= RUNS_IN[state]
    assert set(talk.timers) == {timer for timer in Timer if talk.engine.is_pending(timer)}


def test_a_timer_of_an_old_generation_is_ignored():
    talk = Talk(2).on_ring(1, 3)
    generation, _ = talk.timers[Timer.TOKEN_LOSS]
    talk.turn()
    assert talk.timers[Timer.TOKEN_LOSS][0] > generation
    assert talk.say(TimerExpired(Timer.TOKEN_LOSS, generation)) == []
    assert talk.state is State.OPERATIONAL


def test_a_timer_that_was_cancelled_is_ignored_though_its_generation_is_the_last():
    talk = Talk(2).on_ring(1, 3)
    generation, _ = talk.timers[Timer.TOKEN_RETRANSMIT]
    effects = talk.hear(3, talk.other_data(1))
    assert CancelTimer(Timer.TOKEN_RETRANSMIT) in effects
    assert talk.say(TimerExpired(Timer.TOKEN_RETRANSMIT, generation)) == []


def test_a_timer_that_was_never_armed_is_ignored():
    talk = Talk(2).on_ring(1, 3)
    for timer in Timer:
        assert talk.say(TimerExpired(timer, 999)) == []


def test_a_timer_runs_out_once():
    talk = Talk(2).on_ring(1, 3)
    generation, _ = talk.timers[Timer.TOKEN_LOSS]
    talk.fire(Timer.TOKEN_LOSS)
    assert talk.say(TimerExpired(Timer.TOKEN_LOSS, generation)) == []


def test_generations_of_one_timer_never_repeat():
    talk = Talk(2).on_ring(1, 3)
    talk.fire(Timer.TOKEN_LOSS)
    talk.fire(Timer.CONSENSUS)
    seen = [(effect.timer, effect.generation) for effect in of(talk.said, SetTimer)]
    assert len(seen) == len(set(seen)) > 10


def test_every_change_of_state_is_told_and_follows_from_the_one_before():
    talk = Talk(2).on_ring(1, 3)
    talk.fire(Timer.TOKEN_LOSS)
    at = State.IDLE
    for moved in of(talk.said, Moved):
        assert moved.before is at
        at = moved.after
    assert at is talk.state is State.GATHER


def test_a_move_that_is_not_in_the_tables_is_a_bug():
    talk = Talk(2).on_ring(1, 3)
    with pytest.raises(KeyError):
        talk.engine.move(Cause.RECOVERED)


# The queue


def test_a_message_that_is_too_large_is_refused():
    talk = Talk(2, message_bytes_max=10).on_ring(1, 3)
    assert talk.submit(bytes(11), handle=4) == [Refused(4, Refusal.TOO_LARGE)]
    assert talk.submit(bytes(10), handle=5) == [Accepted(5)]


def test_a_queue_full_of_messages_takes_no_more_until_some_were_sent():
    talk = Talk(2, queue_messages_max=3).on_ring(1, 3)
    for n in range(3):
        assert talk.submit(handle=n)[0] == Accepted(n)
    assert talk.submit(handle=9) == [Refused(9, Refusal.QUEUE_FULL)]
    talk.turn()
    assert talk.submit(handle=9) == [Accepted(9)]


def test_a_queue_full_of_bytes_takes_no_more():
    talk = Talk(2, queue_bytes_max=100, message_bytes_max=60).on_ring(1, 3)
    talk.submit(bytes(60))
    assert talk.submit(bytes(41)) == [Refused(1, Refusal.QUEUE_FULL)]
    assert talk.submit(bytes(40))[0] == Accepted(1)


def test_pressure_is_told_at_three_quarters_and_taken_back_below_two_fifths():
    talk = Talk(2, queue_messages_max=100, visit_max=1).on_ring(1, 3)
    told = []
    for n in range(100):
        told += [(n + 1, effect.high) for effect in of(talk.submit(bytes(150), handle=n), Pressure)]
    assert told == [(75, True)]
    told = []
    while len(talk.engine.outbox):
        effects = talk.turn()
        told += [(len(talk.engine.outbox), effect.high) for effect in of(effects, Pressure)]
    assert told == [(39, False)]


def test_pressure_of_bytes_is_pressure_too():
    talk = Talk(2, queue_bytes_max=1000, message_bytes_max=1000).on_ring(1, 3)
    assert of(talk.submit(bytes(749)), Pressure) == []
    assert of(talk.submit(bytes(1)), Pressure) == [Pressure(True)]


def test_a_message_is_accepted_before_anything_else_is_said_of_it():
    effects = Talk(1).alone().submit(handle=3)
    assert effects[0] == Accepted(3)
    assert len(effects) > 1


def test_messages_of_any_size_come_back_whole():
    talk = Talk(1).alone()
    room = talk.config.payload_bytes
    sizes = [0, 1, 100, *range(room - 4, room + 4), 1000, 5000]
    payloads = [bytes([n]) * size for n, size in enumerate(sizes)]
    for n, payload in enumerate(payloads):
        talk.submit(payload, Service.SAFE if n % 2 else Service.AGREED, handle=n)
    assert delivered(talk.said) == payloads
    for message in of(talk.said, Messages):
        assert message.whole == (len(message.payloads[0]) <= room - 2)


# Storage


def test_what_is_durable_only_grows():
    talk = Talk(2).on_ring(1, 3)
    for n in range(4):
        talk.wait(40 * MS)
        talk.submit(handle=n)
        talk.turn()
        talk.persisted()
    states = persists(talk.said)
    assert len(states) > 3
    for one, other in pairwise(states):
        assert one.ring_sequence <= other.ring_sequence
        assert one.reserved_until <= other.reserved_until


def test_a_later_ticket_settles_all_before_it():
    talk = Talk(2).on_ring(1, 3)
    talk.engine.persist(0, 1 << 61)
    talk.engine.persist(0, 1 << 61)
    first, second = (talk.engine.ticket - 1, talk.engine.ticket)
    talk.say(Persisted(second))
    assert talk.engine.asked_tickets == {}
    assert talk.engine.durable == talk.engine.asked
    assert talk.say(Persisted(first)) == []
    assert talk.engine.durable == talk.engine.asked


def test_an_early_ticket_settles_no_later_one():
    talk = Talk(2).on_ring(1, 3)
    talk.engine.persist(0, 1 << 61)
    early = talk.engine.ticket
    talk.engine.persist(0, 1 << 62)
    talk.say(Persisted(early))
    assert talk.engine.durable.reserved_until == 1 << 61


def test_time_is_reserved_well_before_it_is_needed():
    talk = Talk(1).alone()
    talk.wait(10 * MS)
    effects = talk.submit(b"x")
    assert len(of(effects, Persist)) == 1
    assert delivered(effects) == [b"x"]
    assert of(talk.submit(b"y"), Persist) == []


# Pauses


def paused():
    """On a ring, and then not scheduled for a long time."""
    talk = Talk(2).on_ring(1, 3)
    talk.wait(20 * MS)
    talk.turn()
    return talk, 300 * MS


def test_after_a_pause_membership_frames_of_that_time_are_not_acted_upon():
    talk, pause = paused()
    wish = join((1, 3), ring_sequence=talk.ring.id.sequence, incarnation=3)
    effects = talk.hear(3, wish, after=pause)
    assert drops(effects) == ["of the time while we were paused"]
    for frame in (wish, Merge(99, 7, 1, 5), data(1, ring=RingId(99, 7, 1))):
        assert drops(talk.hear(7, frame)) == ["of the time while we were paused"]
    assert talk.state is State.OPERATIONAL


def test_after_a_pause_messages_and_tokens_of_our_ring_still_count():
    talk, pause = paused()
    effects = talk.hear(3, talk.other_data(1, payload=b"late"), after=pause)
    assert delivered(effects) == [b"late"]
    assert sent(talk.turn(sequence=1), Token)


def test_after_a_pause_the_token_is_not_taken_for_lost_before_the_queue_was_read():
    talk, pause = paused()
    generation, _ = talk.timers[Timer.TOKEN_LOSS]
    effects = talk.say(TimerExpired(Timer.TOKEN_LOSS, generation), after=pause)
    assert causes(effects) == []
    assert talk.timers[Timer.TOKEN_LOSS][1] > talk.now
    talk.turn()
    assert talk.state is State.OPERATIONAL


def test_a_pause_is_over_after_a_moment():
    talk, pause = paused()
    talk.hear(3, talk.other_data(1), after=pause)
    talk.fire(Timer.PAUSE)
    wish = join((1, 3), ring_sequence=talk.ring.id.sequence, incarnation=3)
    assert causes(talk.hear(3, wish)) == [Cause.JOIN_HEARD]


def test_a_token_that_does_not_come_after_a_pause_is_lost():
    talk, pause = paused()
    generation, _ = talk.timers[Timer.TOKEN_LOSS]
    talk.say(TimerExpired(Timer.TOKEN_LOSS, generation), after=pause)
    assert causes(talk.fire(Timer.TOKEN_LOSS)) == [Cause.TOKEN_LOST]


def test_a_process_that_runs_is_not_taken_for_paused():
    talk = Talk(2).on_ring(1, 3)
    for _ in range(20):
        talk.wait(10 * MS)
        talk.turn()
    assert not talk.engine.is_flushing
    # Late, but not for long.
    due = talk.timers[Timer.PAUSE][1]
    talk.hear(1, talk.other_data(1, origin=1), after=due - talk.now + 30 * MS)
    assert not talk.engine.is_flushing
    talk.hear(1, talk.other_data(2, origin=1), after=1)
    assert talk.engine.is_flushing


def test_while_gathering_too_a_pause_makes_deaf_for_a_moment():
    talk = Talk(2).on_ring(1, 3)
    talk.fire(Timer.TOKEN_LOSS)
    effects = talk.hear(7, join((7,)), after=300 * MS)
    assert drops(effects) == ["of the time while we were paused"]
    table = [talk.other_entry(1), entry(2), entry(3)]
    effects = talk.hear(1, commit(RingId(90, 1, 5), 1, table))
    assert drops(effects) == ["of the time while we were paused"]
    assert talk.state is State.GATHER


# Incarnations and the network


def test_an_incarnation_heard_first_is_remembered():
    talk = Talk(2).on_ring(1, 3)
    assert talk.engine.incarnations == {1: 1, 3: 3}
    talk.hear(3, replace(sent(talk.said, Join)[-1], incarnation=33, failed=(2,)))
    assert talk.engine.incarnations[3] == 33


def test_a_step_gives_its_effects_once():
    talk = Talk(2).on_ring(1, 3)
    assert talk.turn() != []
    assert talk.say(Persisted(talk.engine.ticket)) == []


def test_no_effect_is_addressed_to_ourselves():
    talk = Talk(1).on_ring(2, 3)
    talk.fire(Timer.TOKEN_LOSS)
    assert all(effect.peer != 1 for effect in of(talk.said, SendTo))


def test_the_clock_of_a_member_is_the_one_handed_in():
    talk = Talk(1).alone()
    effects = talk.engine.step(talk.now, Interval(5_000, 7_000), Submit(1, (b"x",)))
    (message,) = of(effects, Messages)
    # It went back by far: stamps do not.
    assert message.timestamp > 1_800_000_000_000_000_000
    assert message.error == message.timestamp - 5_000
    assert message.flags == ("unverified",)


def test_flags_of_the_frame_are_those_of_its_messages():
    talk = Talk(2).on_ring(1, 3)
    talk.submit(b"s", Service.SAFE)
    (frame,) = sent(talk.turn(), Data)
    assert frame.flags == FIRST | LAST | 1
    assert frame.service is Service.SAFE
    assert sent(talk.said, HoldCancel) == []
    assert sent(talk.said, Join)[0].leaving == 0


# Many inputs at once


def test_opened_datagrams_in_one_step_do_what_they_do_one_by_one():
    frames = [(3, data(1, origin=3, payload=b"a")), (1, data(2, origin=1, payload=b"b"))]
    one, other = Talk(2).on_ring(1, 3), Talk(2).on_ring(1, 3)
    frames = [(sender, replace(frame, **_ring(one))) for sender, frame in frames]
    singly = [effect for sender, frame in frames for effect in one.hear(sender, frame)]
    opened = Opened([(sender, frame.KIND, frame.encode()) for sender, frame in frames])
    assert other.say(opened) == singly
    assert of(singly, Messages)


@EACH
def test_an_opened_datagram_that_holds_no_frame_is_dropped_and_counted(state):
    talk = IN_EACH_STATE[state]()
    effects = talk.say(Opened([(1, 0x7F, b""), (1, Join.KIND, b"?")]))
    assert [effect.cause for effect in effects] == ["unknown kind", "too short"]
    assert talk.state is state


def _ring(talk):
    return dict(
        zip(("ring_sequence", "ring_representative", "ring_nonce"), talk.ring.id, strict=True)
    )
