"""A member that alone sends keeps the token for what follows at once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocksync.runtime.interval import Interval
from tests.vsync.talk import MS, RING, Talk, armed, data, delivered, drops, join, of, sent, token
from vsync.config import RingConfig
from vsync.events import CancelTimer, Leave, Multicast, SendTo, SetTimer
from vsync.frames import FIRST, LAST, LINGERS, NOBODY, SAFE, Data, HoldCancel, Token
from vsync.identity import Service
from vsync.lingering import FOLLOWED_ENOUGH, FOLLOWED_MOST
from vsync.ring import Ring
from vsync.ringtime import Stamper
from vsync.states import State, Timer

SOON = 10_000
PLAIN = FIRST | LAST


def on_ring(me=2, **config):
    return Talk(me, **config).on_ring(*({1, 2, 3} - {me}))


def say_more(talk, payload=b"more", service=Service.AGREED, after=SOON):
    talk.said_more = getattr(talk, "said_more", 0) + 1
    return talk.submit(payload, service, handle=talk.said_more, after=after)


def chatting(me=2, **config):
    """On a ring, and everybody knows: what we say comes one at a time, each soon after the last.
    The last one waits for the token."""
    talk = on_ring(me, **config)
    while talk.engine.lingering.followed < FOLLOWED_ENOUGH:
        assert sent(talk.turn(after=MS), Token)
        say_more(talk)
    return talk


def lingering(me=2, **config):
    """The same, and the token is here."""
    talk = chatting(me, **config)
    effects = talk.turn(after=MS)
    assert talk.engine.lingering.kept is not None
    return talk, effects


def hold(effects):
    (timer,) = [each for each in of(effects, SetTimer) if each.timer is Timer.TOKEN_HOLD]
    return timer


def test_whoever_alone_sends_and_goes_on_at_once_keeps_the_token():
    talk, effects = lingering()
    (frame,) = sent(effects, Data)
    assert frame.flags == PLAIN | LINGERS
    assert delivered(effects) == [b"more"]
    assert sent(effects, Token) == []
    assert hold(effects).at_ns == talk.now + talk.config.follow_ns


def test_what_follows_is_sent_and_delivered_in_the_same_visit():
    talk, effects = lingering()
    (first,) = sent(effects, Data)
    for n in range(1, 4):
        effects = say_more(talk, b"%d" % n)
        (frame,) = sent(effects, Data)
        assert (frame.sequence, frame.flags) == (first.sequence + n, PLAIN | LINGERS)
        assert frame.timestamp > first.timestamp
        assert delivered(effects) == [b"%d" % n]
        assert sent(effects, Token) == []
        assert hold(effects).at_ns == talk.now + talk.config.follow_ns


def test_the_message_leaves_before_it_is_delivered_and_before_the_token():
    talk = chatting()
    talk.turn(after=MS)
    kinds = [type(effect).__name__ for effect in say_more(talk)]
    assert kinds.index("Multicast") < kinds.index("Messages")
    effects = say_more(talk, service=Service.SAFE)
    order = [effect for effect in effects if isinstance(effect, Multicast | SendTo)]
    assert [type(effect.frame) for effect in order] == [Data, Token]


def test_when_nothing_follows_the_token_of_all_that_was_sent_leaves():
    talk, _ = lingering()
    say_more(talk)
    sequence = talk.engine.lingering.kept.sequence
    effects = talk.fire(Timer.TOKEN_HOLD)
    (left,) = of(effects, SendTo)
    assert left.peer == 3
    assert left.frame.sequence == left.frame.all_received_up_to == sequence
    assert (left.frame.lowered_by, left.frame.sent_last_rotation) == (NOBODY, 2)
    assert Timer.TOKEN_RETRANSMIT in armed(effects)
    assert talk.engine.lingering.kept is None


def test_it_leaves_in_the_end_however_much_follows():
    talk, _ = lingering(follow_ns=2 * MS, linger_ns=5 * MS)
    began = talk.now
    while talk.engine.lingering.kept is not None:
        effects = say_more(talk, after=MS)
        timers = [each for each in of(effects, SetTimer) if each.timer is Timer.TOKEN_HOLD]
        assert all(timer.at_ns <= began + 5 * MS for timer in timers)
    assert talk.now == began + 5 * MS
    assert delivered(effects) == [b"more"]
    assert sent(effects, Data)[0].flags == PLAIN
    assert len(sent(effects, Token)) == 1


def test_no_more_is_sent_than_one_visit_may():
    talk, _ = lingering(visit_max=4, linger_ns=50 * MS)
    for _ in range(3):
        assert sent(say_more(talk), Token) == []
    effects = say_more(talk)
    assert sent(effects, Data) == []
    assert len(sent(effects, Token)) == 1


def test_a_safe_message_takes_the_token_along():
    talk, _ = lingering()
    effects = say_more(talk, service=Service.SAFE)
    (frame,) = sent(effects, Data)
    assert frame.flags == PLAIN | SAFE
    assert len(sent(effects, Token)) == 1
    assert delivered(effects) == []


def test_when_it_is_delivered_the_token_stays_for_the_next():
    talk, _ = lingering()
    say_more(talk, b"safe", service=Service.SAFE)
    effects = talk.turn(after=MS)
    assert delivered(effects) == [b"safe"]
    assert sent(effects, Token) == []
    effects = say_more(talk, b"next", service=Service.SAFE)
    assert len(sent(effects, Data)) == len(sent(effects, Token)) == 1


@pytest.mark.parametrize(
    "others",
    [
        {"backlog": 1},
        {"sequence": 1},
        {"all_received_up_to": -1, "lowered_by": 3},
        {"missing": True},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_it_does_not_stay_where_others_want_something(others):
    talk = chatting()
    last = talk.ring.last_token
    fields = dict(others)
    if fields.pop("missing", False):
        fields["missing"] = (last.sequence, last.sequence)
    if "sequence" in fields:
        number = last.sequence + 1
        talk.hear(3, talk.other_data(number))
        fields = {"sequence": number, "all_received_up_to": number}
    if "lowered_by" in fields:
        fields["all_received_up_to"] = last.sequence - 1
    effects = talk.turn(after=MS, **fields)
    assert delivered(effects)[-1] == b"more"
    assert len(sent(effects, Token)) == 1
    assert all(not frame.flags & LINGERS for frame in sent(effects, Data))


def test_it_does_not_stay_while_something_of_ours_waits():
    talk = chatting(visit_max=1)
    say_more(talk, bytes(250))
    talk.engine.lingering.followed = FOLLOWED_ENOUGH
    effects = talk.turn(after=MS)
    assert len(sent(effects, Data)) == len(sent(effects, Token)) == 1
    assert not sent(effects, Data)[0].flags & LINGERS


def test_it_does_not_stay_where_nothing_of_ours_was_delivered():
    talk, _ = lingering()
    talk.fire(Timer.TOKEN_HOLD)
    assert len(sent(talk.turn(after=MS), Token)) == 1


def test_an_idle_token_is_passed_on_as_by_anybody():
    """Whoever passes it on waits while the representative holds it, though a chat went before."""
    talk, _ = lingering()
    talk.fire(Timer.TOKEN_HOLD)
    for _ in range(4):
        effects = talk.turn(after=MS)
    assert talk.engine.lingering.followed >= FOLLOWED_ENOUGH
    (timer,) = [each for each in of(effects, SetTimer) if each.timer is Timer.TOKEN_RETRANSMIT]
    config = talk.config
    assert timer.at_ns - talk.now == config.token_retransmit_ns + config.token_hold_ns


def test_it_does_not_stay_unannounced_for_what_followed_too_late():
    talk, _ = lingering()
    effects = say_more(talk, after=talk.config.follow_ns + 1)
    assert sent(effects, Data)[0].flags == PLAIN
    assert len(sent(effects, Token)) == 1


def test_it_does_not_stay_with_one_that_leaves():
    talk, _ = lingering()
    talk.say(Leave())
    assert talk.engine.lingering.kept is None
    talk = chatting()
    talk.say(Leave())
    assert not sent(talk.turn(after=MS), Data)[0].flags & LINGERS


def test_it_does_not_stay_where_that_is_not_wanted():
    talk = on_ring(follow_ns=0)
    for _ in range(4 * FOLLOWED_ENOUGH):
        say_more(talk)
        assert len(sent(talk.turn(after=MS), Token)) == 1


def test_a_new_ring_ends_it():
    talk, _ = lingering()
    effects = talk.hear(1, join((1, 2, 3), ring_sequence=999, incarnation=1))
    assert talk.state is State.GATHER
    assert talk.engine.lingering.kept is None
    assert CancelTimer(Timer.TOKEN_HOLD) in effects


def test_while_it_stays_nobody_else_gives_out_numbers():
    talk, _ = lingering()
    number = talk.engine.lingering.kept.sequence + 1
    assert drops(talk.hear(3, talk.other_data(number))) == ["impossible number or origin"]


def test_a_time_read_in_it_is_known_to_be_as_old_as_the_visit_before(monkeypatch):
    """No other clock in the table was read later."""
    talk, _ = lingering()
    before, ages = talk.ring.told.before_ns, []
    right = Stamper.group_interval

    def spy(self, mine, table, place, age_ns):
        ages.append(age_ns)
        return right(self, mine, table, place, age_ns)

    monkeypatch.setattr(Stamper, "group_interval", spy)
    say_more(talk)
    assert ages == [talk.now - before]


# What is likely to follow


def test_three_messages_in_four_must_follow_at_once():
    talk = chatting()

    def go_on(soon):
        if talk.engine.lingering.kept is None:
            talk.turn(after=MS)
        if not soon and talk.engine.lingering.kept is not None:
            talk.fire(Timer.TOKEN_HOLD)
        say_more(talk, after=SOON if soon else 2 * talk.config.follow_ns)

    for soon in (True, True, True, False) * 5:
        go_on(soon)
    assert talk.engine.lingering.followed == FOLLOWED_ENOUGH
    go_on(False)
    assert talk.engine.lingering.followed == 0


def test_what_is_sent_without_waiting_for_the_last_does_not_count():
    talk = chatting()
    assert talk.engine.lingering.followed == FOLLOWED_ENOUGH
    say_more(talk)
    assert talk.engine.lingering.followed == 0
    for _ in range(2 * FOLLOWED_MOST):
        if talk.engine.lingering.kept is None:  # the token is elsewhere
            talk.turn(after=MS)
        say_more(talk)
    assert talk.engine.lingering.followed == FOLLOWED_MOST


# Others, who want to send


def test_hold_cancel_ends_it_and_the_next_guess_is_careful():
    talk, _ = lingering()
    assert len(sent(talk.hear(3, HoldCancel(*talk.ring.id)), Token)) == 1
    assert talk.engine.lingering.followed == 0
    say_more(talk)
    assert len(sent(talk.turn(after=MS), Token)) == 1


def hears_who_lingers(talk, origin=1, **fields):
    number = talk.ring.log.highest + 1
    fields = {"flags": PLAIN | LINGERS, "origin": origin} | fields
    return talk.hear(origin, talk.other_data(number, **fields))


def test_something_to_send_cuts_it_short_once():
    talk = on_ring(2)
    assert sent(hears_who_lingers(talk), HoldCancel) == []
    (cancel,) = of(talk.submit(), SendTo)
    assert (cancel.peer, cancel.frame) == (1, HoldCancel(*talk.ring.id))
    assert of(talk.submit(handle=2), SendTo) == []


def test_what_waited_already_cuts_it_short():
    talk = on_ring(2)
    talk.submit()
    (cancel,) = of(hears_who_lingers(talk), SendTo)
    assert (cancel.peer, cancel.frame) == (1, HoldCancel(*talk.ring.id))


def test_nobody_is_told_who_does_not_keep_it():
    for after in (
        lambda talk: hears_who_lingers(talk, flags=PLAIN),
        lambda talk: talk.turn(sequence=talk.ring.log.highest),
    ):
        talk = on_ring(2)
        hears_who_lingers(talk)
        after(talk)
        assert sent(talk.submit(), HoldCancel) == []


# One visit, however long


def messages(ring, numbers, timestamp):
    return [data(n, origin=ring.me, timestamp=timestamp + n) for n in numbers]


@given(
    st.integers(1, 3),
    st.lists(st.integers(0, 3), min_size=1, max_size=4),
    st.integers(0, 20),
    st.integers(0, 5),
)
def test_a_visit_that_was_extended_is_one_long_visit(me, parts, before, sent_before):
    """It passes the same token on, and the same is safe afterwards."""
    config = RingConfig.simulated(window=50, visit_max=40)
    given = token(
        token_sequence=7,
        sequence=before,
        all_received_up_to=before,
        sent_last_rotation=sent_before,
    )
    tokens, rings = [], []
    for steps in (parts, [sum(parts)]):
        ring = Ring(RING, (1, 2, 3), me, config, 0)
        for n in range(1, before + 1):
            ring.log.add(data(n))
        left = list(steps)

        def supply(allowance, token, ring=ring, left=left):
            assert allowance >= left[0]
            first = token.sequence + 1
            return messages(ring, range(first, first + left.pop(0)), 1000)

        passed = ring.visit(given, 5, Interval(40, 60), supply, lambda: 0).token
        while left:
            passed, _ = ring.extend(passed, supply, lambda: 0)
        tokens.append(passed)
        rings.append(ring)
    assert tokens[0] == tokens[1]
    for ring in rings:
        back = token(
            token_sequence=tokens[0].token_sequence + 2,
            sequence=tokens[0].sequence,
            all_received_up_to=tokens[0].sequence,
            sent_last_rotation=tokens[0].sent_last_rotation,
        )
        assert ring.safe <= before
        again = ring.visit(back, 9, Interval(44, 64), lambda room, token: [], lambda: 0)
        assert ring.safe == tokens[0].sequence
        assert again.token.sent_last_rotation == tokens[0].sent_last_rotation - sum(parts)
