"""The first and the last steps of a member: storage, its past, draining, and going alone."""

from dataclasses import replace

import pytest

from tests.vsync.talk import (
    EPOCH,
    MS,
    Talk,
    armed,
    causes,
    configurations,
    delivered,
    drops,
    join,
    of,
    persists,
    sent,
)
from vsync.events import (
    BootState,
    Configuration,
    Leave,
    Left,
    Messages,
    Persisted,
    Refusal,
    Refused,
    Start,
)
from vsync.frames import Data, Join, Token
from vsync.identity import Service
from vsync.states import Cause, State, Timer


def test_nothing_is_said_before_the_first_number_is_durable():
    talk = Talk(1, boot=BootState(7, 0))
    effects = talk.say(Start())
    assert [type(effect).__name__ for effect in effects] == ["Persist"]
    assert persists(effects) == [BootState(8, EPOCH + 100 * MS)]
    assert talk.state is State.IDLE
    assert drops(talk.hear(2, join((2,)))) == ["not on the network"]
    effects = talk.say(Persisted(1))
    assert configurations(effects) == [("regular", (1,))]
    assert of(effects, Configuration)[0].ring.sequence == 8
    assert causes(effects) == [Cause.BOOTED, Cause.BOOTED]
    assert talk.state is State.GATHER


def test_a_process_that_comes_back_waits_until_the_times_it_may_have_given_out_are_past():
    talk = Talk(1, boot=BootState(7, EPOCH + 60 * MS))
    assert armed(talk.say(Start())) == {Timer.BOOT}
    assert persists(talk.said) == []
    # Past by its own clock at its earliest.
    assert talk.timers[Timer.BOOT][1] == 60 * MS + talk.error
    assert persists(talk.fire(Timer.BOOT)) == [BootState(8, EPOCH + 160 * MS + talk.error)]
    (first,) = of(talk.persisted(), Configuration)
    assert first.timestamp > EPOCH + 60 * MS
    assert first.error <= talk.error + MS


def test_it_does_not_wait_for_times_that_are_absurdly_ahead_and_says_how_wrong_it_may_be():
    talk = Talk(1, boot=BootState(7, EPOCH + 1000 * MS))
    talk.say(Start())
    (first,) = of(talk.persisted(), Configuration)
    assert first.timestamp == EPOCH + 1000 * MS + 1
    assert first.error == 1000 * MS + 1 + talk.error


def test_two_lives_have_different_incarnations_and_rings():
    lives = [Talk(1, seed=seed).alone() for seed in (1, 2)]
    assert len({talk.engine.incarnation for talk in lives}) == 2
    assert len({talk.ring.id for talk in lives}) == 2
    assert len({talk.ring.id.sequence for talk in lives}) == 1


def test_an_engine_is_started_once():
    talk = Talk(1)
    talk.say(Start())
    with pytest.raises(AssertionError, match="started once"):
        talk.say(Start())


def test_one_seed_makes_one_life():
    one, other = (Talk(1, seed="x").on_ring(2, 3) for _ in range(2))
    assert one.said == other.said


# Leaving


def test_whoever_never_came_can_leave():
    assert Talk(1).say(Leave()) == [Left()]


def test_a_ring_of_one_is_left_at_once():
    talk = Talk(1).alone()
    effects = talk.say(Leave())
    assert of(effects, Left) == [Left()]
    assert effects[-1] == Left()
    assert all(goodbye.leaving for goodbye in sent(effects))
    assert talk.state is State.IDLE
    assert talk.timers == {}


def test_what_was_submitted_is_delivered_before_we_go():
    talk = Talk(2).on_ring(1, 3)
    talk.submit(b"last", Service.SAFE)
    effects = talk.say(Leave())
    assert sent(effects, Join) == []
    assert sent(talk.turn(), Data)
    effects = talk.turn(sequence=1, all_received_up_to=1)
    # Delivered, as safe, on the ring; then we say goodbye.
    assert [m.configuration for m in of(effects, Messages)] == [f"R{talk.engine.ring.id}"]
    goodbye = next(frame for frame in sent(effects, Join))
    assert (goodbye.leaving, goodbye.failed) == (1, (2,))
    kinds = [type(effect) for effect in effects]
    assert Messages in kinds
    assert causes(effects)[0] is Cause.LEAVING


def leave_alone(talk):
    """Storage answers until it is over."""
    effects = []
    for _ in range(5):
        effects += talk.persisted()
    return effects


def test_having_said_goodbye_a_member_goes_on_alone_and_is_gone():
    talk = Talk(2).on_ring(1, 3)
    assert causes(talk.say(Leave())) == [Cause.LEAVING, Cause.CONSENSUS_REACHED]
    assert drops(talk.hear(1, talk.other_data(1, origin=1))) == ["not on the network"]
    effects = leave_alone(talk)
    assert configurations(effects) == [("transitional", (2,)), ("regular", (2,))]
    assert causes(effects)[-1] is Cause.LEFT
    assert effects[-1] == Left()
    assert sent(talk.said, Join)[-1].leaving


def test_what_others_may_have_delivered_is_delivered_before_it_is_over():
    talk = Talk(2).on_ring(1, 3)
    talk.hear(3, talk.other_data(1, payload=b"theirs", flags=7))
    talk.say(Leave())
    assert delivered(leave_alone(talk)) == [b"theirs"]


def test_who_leaves_takes_no_more():
    talk = Talk(2).on_ring(1, 3)
    talk.submit(b"one")
    talk.say(Leave())
    assert talk.submit(b"two") == [Refused(1, Refusal.LEAVING)]


def test_to_leave_twice_is_to_leave_once():
    talk = Talk(2).on_ring(1, 3)
    talk.submit(b"one")
    talk.say(Leave())
    assert talk.say(Leave()) == []


def test_who_cannot_deliver_goes_after_a_while_and_delivers_alone():
    talk = Talk(2, deaf_visits=1000).on_ring(1, 3)
    talk.submit(b"mine", Service.SAFE)
    talk.say(Leave())
    talk.turn()
    lacks = {"sequence": 1, "all_received_up_to": 0, "lowered_by": 3}
    while talk.timers[Timer.LEAVE][1] > talk.now + 20 * MS:
        talk.wait(20 * MS)
        assert sent(talk.turn(**lacks), Token)
    effects = talk.fire(Timer.LEAVE)
    assert sent(effects, Join)[0].leaving
    effects += leave_alone(talk)
    assert delivered(effects) == [b"mine"]
    assert effects[-1] == Left()


def test_who_leaves_while_gathering_drains_first():
    talk = Talk(2).on_ring(1, 3)
    talk.fire(Timer.TOKEN_LOSS)
    talk.submit(b"mine")
    assert of(talk.say(Leave()), Left) == []
    assert talk.state is State.GATHER
    effects = talk.fire(Timer.CONSENSUS) + leave_alone(talk)
    assert delivered(effects) == [b"mine"]
    assert effects[-1] == Left()


@pytest.mark.parametrize("make", ["committed", "in_recovery"])
def test_who_leaves_while_a_ring_is_being_formed_leaves_when_its_time_is_up(make):
    talk = getattr(Talk(2, leave_ns=30 * MS), make)(1, 3)
    assert of(talk.say(Leave()), Left) == []
    effects = talk.fire(Timer.LEAVE)
    assert causes(effects)[0] is Cause.LEAVING
    assert sent(effects, Join)[0].leaving
    effects += leave_alone(talk)
    assert effects[-1] == Left()


def test_others_take_a_goodbye_at_its_word():
    talk = Talk(1).on_ring(2, 3)
    leaver = Talk(2).on_ring(1, 3)
    leaver.say(Leave())
    goodbye = next(frame for frame in sent(leaver.said, Join) if frame.leaving)
    goodbye = replace(goodbye, ring_sequence=talk.ring.id.sequence)
    assert causes(talk.hear(2, goodbye)) == [Cause.LEAVE_HEARD]
    assert sent(talk.said, Join)[-1].failed == (2,)


def test_what_was_accepted_before_the_first_configuration_is_delivered_though_we_leave_at_once():
    talk = Talk(1)
    talk.say(Start())
    talk.submit(b"early")
    assert of(talk.say(Leave()), Left) == []
    talk.persisted()
    effects = talk.fire(Timer.CONSENSUS) + talk.persisted()
    assert delivered(talk.said) == [b"early"]
    assert of(effects + leave_alone(talk), Left)


def test_who_leaves_before_its_first_configuration_has_none_afterwards():
    talk = Talk(1, boot=BootState(7, EPOCH + 60 * MS))
    talk.say(Start())
    assert talk.say(Leave())[-1] == Left()
    assert Timer.BOOT not in talk.timers
    other = Talk(1)
    other.say(Start())
    assert other.say(Leave()) == [Left()]
    assert other.say(Persisted(1)) == []
