"""Causes outside the ring: what is sent after they were shown is stamped later, or they are
refused."""

import pytest

from clocksync.runtime.interval import Interval
from clocksync.runtime.units import SECOND
from tests.vsync.talk import EPOCH, MS, Talk, of, sent
from vsync.events import ObservationRefused, Observe, Observed
from vsync.frames import LARGEST, Data


def on_ring(me=2):
    return Talk(me).on_ring(*({1, 2, 3} - {me}))


def test_what_is_sent_after_an_observation_is_stamped_later():
    talk = on_ring()
    seen = EPOCH + talk.now + 20 * MS
    assert of(talk.say(Observe(7, seen)), Observed) == [Observed(7, seen)]
    talk.submit(b"x")
    (message,) = sent(talk.turn(), Data)
    assert message.timestamp == seen + 1


def test_alone_too():
    talk = Talk(1).alone()
    seen = EPOCH + talk.now + 20 * MS
    talk.say(Observe(7, seen))
    talk.persisted()
    (message,) = [effect for effect in talk.submit(b"x") if hasattr(effect, "payloads")]
    assert message.timestamp == seen + 1


def test_one_of_the_past_changes_nothing_and_is_confirmed():
    talk = on_ring()
    assert of(talk.say(Observe(7, 5)), Observed) == [Observed(7, 5)]
    talk.submit(b"x")
    (message,) = sent(talk.turn(), Data)
    assert abs(message.timestamp - EPOCH - talk.now) <= MS


def test_it_is_confirmed_only_when_it_holds_over_a_crash():
    talk = on_ring()
    seen = EPOCH + talk.now + 3 * SECOND  # beyond what is reserved
    assert of(talk.say(Observe(7, seen)), Observed) == []
    assert of(talk.persisted(), Observed) == [Observed(7, seen)]
    assert talk.engine.durable.reserved_until >= seen


def test_the_latest_that_it_can_be_is_that_of_our_clock_cut_by_the_majoritys():
    talk = on_ring()
    talk.turn()
    (observed,) = of(talk.say(Observe(7, None)), Observed)
    assert observed.timestamp == EPOCH + talk.now + talk.error


@pytest.mark.parametrize("ahead", [6 * SECOND, 365 * 86_400 * SECOND, LARGEST])
def test_an_absurd_one_is_refused_and_moves_nothing(ahead):
    talk = on_ring()
    (refused,) = of(talk.say(Observe(7, EPOCH + talk.now + ahead)), ObservationRefused)
    assert abs(refused.ahead_ns - ahead) <= 2 * talk.error
    talk.submit(b"x")
    (message,) = sent(talk.turn(), Data)
    assert abs(message.timestamp - EPOCH - talk.now) <= MS


def test_what_was_observed_is_below_the_floor_of_the_next_ring():
    talk = on_ring()
    seen = EPOCH + talk.now + 20 * MS
    talk.say(Observe(7, seen))
    assert talk.engine.stamper.highest >= seen


def test_a_member_far_from_right_uses_the_majority_to_judge():
    """Our own clock is a minute slow: a true timestamp is not refused for that."""
    talk = on_ring()
    talk.turn()
    clock = Interval.around(EPOCH + talk.now - 60 * SECOND, talk.error)
    effects = talk.engine.step(talk.now, clock, Observe(7, EPOCH + talk.now + MS))
    assert of(effects, ObservationRefused) == []
