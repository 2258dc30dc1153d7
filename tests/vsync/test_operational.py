"""A member on a ring, row by row of the table of totem.md 1.5, and what ends a ring."""

from dataclasses import replace

import pytest

from tests.vsync.talk import (
    EPOCH,
    MS,
    RING,
    Talk,
    armed,
    causes,
    commit,
    data,
    delivered,
    drops,
    entry,
    join,
    of,
    sent,
    token,
)
from vsync.events import CancelTimer, Messages, Multicast, Ordered, SendTo, SetTimer
from vsync.frames import (
    FIRST,
    LAST,
    SAFE,
    UNVERIFIED,
    Data,
    HoldCancel,
    Join,
    Merge,
    Recovered,
    Token,
)
from vsync.identity import RingId, Service
from vsync.states import Cause, State, Timer

S = FIRST | LAST | SAFE


def on_ring(me=2, **config):
    return Talk(me, **config).on_ring(*({1, 2, 3} - {me}))


# The token


def test_a_fresh_token_is_passed_on_to_the_next_member_and_guarded():
    talk = on_ring()
    before = talk.ring.last_token
    effects = talk.turn()
    (passed,) = of(effects, SendTo)
    assert passed.peer == 3
    assert passed.frame.token_sequence == before.token_sequence + 3
    assert {Timer.TOKEN_LOSS, Timer.TOKEN_RETRANSMIT} <= armed(effects)


def test_a_token_that_was_here_already_is_dropped_and_touches_no_timer():
    talk = on_ring()
    again = talk.next_token()
    talk.hear(1, again)
    for old in (again, replace(again, token_sequence=again.token_sequence - 1)):
        effects = talk.hear(1, old)
        assert drops(effects) == ["token that was here already"]
        assert len(effects) == 1
    assert talk.state is State.OPERATIONAL


def test_a_token_of_another_ring_is_dropped():
    talk = on_ring()
    other = replace(talk.next_token(), ring_nonce=12345)
    effects = talk.hear(1, other)
    assert drops(effects) == ["token of another ring"]
    assert len(effects) == 1


@pytest.mark.parametrize(
    "fields", [{"sequence": 1 << 40}, {"lowered_by": 9}, {"clocks": (0, 0)}], ids=str
)
def test_a_token_that_cannot_be_is_dropped(fields):
    talk = on_ring()
    effects = talk.turn(**fields)
    assert drops(effects) == ["impossible token"]
    assert len(effects) == 1
    assert sent(talk.turn(), Token)


def test_a_lost_token_ends_the_ring():
    talk = on_ring()
    effects = talk.fire(Timer.TOKEN_LOSS)
    assert causes(effects) == [Cause.TOKEN_LOST]
    assert [frame.processes for frame in sent(effects, Join)] == [(1, 2, 3)]


def test_the_same_token_is_passed_on_again_after_silence():
    talk = on_ring()
    (passed,) = of(talk.turn(), SendTo)
    for _ in range(3):
        effects = talk.fire(Timer.TOKEN_RETRANSMIT)
        assert of(effects, SendTo) == [passed]
        assert armed(effects) == {Timer.TOKEN_RETRANSMIT}


def test_only_a_message_beyond_our_token_shows_that_it_arrived():
    talk = on_ring()
    talk.submit()
    (passed,) = sent(talk.turn(), Token)
    last = passed.sequence
    # From before our token: one that was slow.
    talk.turn(sequence=last + 2)
    assert of(talk.hear(3, talk.other_data(last + 1)), CancelTimer) == []
    effects = talk.hear(3, talk.other_data(last + 3))
    assert of(effects, CancelTimer) == [CancelTimer(Timer.TOKEN_RETRANSMIT)]


# Messages


def test_agreed_messages_are_delivered_in_order_and_once():
    talk = on_ring()
    first, second = talk.other_data(1, payload=b"one"), talk.other_data(2, payload=b"two")
    assert delivered(talk.hear(3, second)) == []
    assert delivered(talk.hear(3, first)) == [b"one", b"two"]
    assert delivered(talk.hear(3, first)) == []
    assert talk.engine.dropped["message that is here already"] == 1


def test_a_safe_message_is_delivered_after_a_rotation_in_which_all_had_it():
    talk = on_ring()
    talk.hear(3, talk.other_data(1, payload=b"safe", flags=S))
    talk.hear(3, talk.other_data(2, payload=b"behind"))
    received = {"sequence": 2, "all_received_up_to": 2}
    assert delivered(talk.turn(**received)) == []
    assert delivered(talk.turn(**received)) == [b"safe", b"behind"]


def test_a_safe_message_is_not_delivered_while_a_member_lacks_it():
    talk = on_ring()
    talk.hear(3, talk.other_data(1, payload=b"safe", flags=S))
    lacks = {"sequence": 1, "all_received_up_to": 0, "lowered_by": 1}
    for _ in range(4):
        assert delivered(talk.turn(**lacks)) == []
    has = {"sequence": 1, "all_received_up_to": 1, "lowered_by": 65535}
    assert delivered(talk.turn(**has)) == []
    assert delivered(talk.turn(**has)) == [b"safe"]


@pytest.mark.parametrize("bad", [{"origin": 9}, {"sequence": 1000}], ids=str)
def test_a_message_that_cannot_be_is_dropped(bad):
    talk = on_ring()
    effects = talk.hear(3, talk.other_data(**({"sequence": 1} | bad)))
    assert drops(effects) == ["impossible number or origin"]
    assert talk.ring.log.frames == {}


def test_what_was_submitted_is_sent_with_the_token_before_the_token():
    talk = on_ring()
    talk.submit(b"one", handle=7)
    talk.submit(b"two", handle=8)
    effects = talk.turn()
    (message,) = sent(effects, Data)
    assert (message.sequence, message.origin, message.lengths) == (1, 2, (3, 3))
    assert message.payload == b"onetwo"
    kinds = [type(effect) for effect in effects]
    assert kinds.index(Ordered) < kinds.index(Multicast) < kinds.index(SendTo)
    assert of(effects, Ordered) == [Ordered(talk.ring.id, 1, range(7, 9), Service.AGREED)]
    assert delivered(effects) == [b"one", b"two"]


def test_on_an_accelerated_ring_some_messages_follow_the_token():
    talk = on_ring(accelerated=2)
    for n in range(4):
        talk.submit(bytes(150), handle=n)
    order = [
        (type(effect.frame), getattr(effect, "after_token", None))
        for effect in talk.turn()
        if isinstance(effect, SendTo | Multicast)
    ]
    assert order == [(Data, False)] * 2 + [(Token, None)] + [(Data, True)] * 2


def test_a_stamp_is_later_than_all_that_was_seen_and_says_how_good_it_is():
    talk = on_ring()
    talk.submit(b"early")
    (message,) = sent(talk.turn(timestamp=EPOCH + 40 * MS), Data)
    assert message.timestamp == EPOCH + 40 * MS + 1
    assert message.timestamp - (EPOCH + talk.now) + talk.error == message.error
    assert message.flags == FIRST | LAST | UNVERIFIED, "no clock confirms so late a time"


def test_stamps_grow_from_message_to_message_wherever_they_come_from():
    talk = on_ring()
    stamps = []
    for number in range(1, 8, 2):
        talk.hear(3, talk.other_data(number, timestamp=EPOCH + 300 * MS * number, payload=b"ab"))
        talk.submit(b"mine", handle=number)
        talk.submit(b"another", handle=number + 1)
        effects = talk.turn(sequence=number, timestamp=EPOCH + 300 * MS * number)
        effects += talk.persisted()
        if not sent(effects, Data):
            effects += talk.turn(sequence=number)
        assert sent(effects, Data)
    for effect in of(talk.said, Messages):
        stamps += [effect.timestamp + n for n in range(len(effect.payloads))]
    assert len(stamps) == 12
    assert stamps == sorted(set(stamps))


def test_no_time_is_given_out_that_is_not_reserved_on_disk():
    talk = on_ring()
    talk.submit()
    far = talk.engine.durable.reserved_until + 1
    effects = talk.turn(timestamp=far)
    assert sent(effects, Data) == []
    assert sent(effects, Token)
    talk.persisted()
    assert len(sent(talk.turn(timestamp=far), Data)) == 1


def test_no_message_is_delivered_whose_time_is_not_reserved_on_disk():
    talk = on_ring()
    far = talk.engine.durable.reserved_until + 1
    effects = talk.hear(3, talk.other_data(1, timestamp=far))
    assert delivered(effects) == []
    assert delivered(talk.persisted()) == [b"x"]


def test_what_a_recovered_frame_holds_is_not_delivered_on_the_ring_itself():
    talk = on_ring()
    inner = data(1, ring=RING).encode()
    talk.hear(3, Recovered(*talk.ring.id, 1, 3, inner))
    assert delivered(talk.hear(3, talk.other_data(2, payload=b"next"))) == [b"next"]


# Other rings


def test_a_message_of_another_ring_means_that_its_sender_is_in_reach():
    talk = on_ring()
    effects = talk.hear(7, data(3, ring=RingId(99, 7, 1), origin=7))
    assert causes(effects) == [Cause.FOREIGN_MESSAGE]
    assert sent(effects, Join)[0].processes == (1, 2, 3, 7)


def test_a_message_of_an_older_ring_by_a_member_is_left_over():
    talk = on_ring()
    old = talk.ring.id._replace(sequence=talk.ring.id.sequence - 4)
    effects = talk.hear(3, data(3, ring=old, origin=3))
    assert drops(effects) == ["of a ring before this one"]
    assert talk.state is State.OPERATIONAL


def test_a_message_of_a_later_ring_by_a_member_means_that_it_has_gone_on():
    talk = on_ring()
    new = talk.ring.id._replace(sequence=talk.ring.id.sequence + 4)
    assert causes(talk.hear(3, data(3, ring=new, origin=3))) == [Cause.FOREIGN_MESSAGE]


def test_the_announcement_of_another_ring_is_heard_and_that_of_our_own_is_not_news():
    talk = on_ring()
    assert talk.hear(1, Merge(*talk.ring.id, 1)) == []
    effects = talk.hear(7, Merge(99, 7, 1, 5))
    assert causes(effects) == [Cause.MERGE_HEARD]
    assert sent(effects, Join)[0].processes == (1, 2, 3, 7)


def test_only_the_representative_announces_its_ring():
    effects = on_ring(1).fire(Timer.MERGE)
    assert [type(frame) for frame in sent(effects)] == [Merge]
    assert armed(effects) == {Timer.MERGE}
    assert Timer.MERGE not in on_ring(2).timers


# Joins


def test_a_join_that_has_given_us_up_is_ignored():
    talk = on_ring()
    effects = talk.hear(3, join((1, 2, 3), (2,), ring_sequence=999, incarnation=3))
    assert drops(effects) == ["join that has given us up"]
    assert talk.state is State.OPERATIONAL


def test_a_join_of_a_member_from_before_this_ring_is_ignored():
    talk = on_ring()
    before = talk.ring.id.sequence - 1
    effects = talk.hear(3, join((1, 2, 3), ring_sequence=before, incarnation=3))
    assert drops(effects) == ["join from before this ring"]
    assert talk.state is State.OPERATIONAL


@pytest.mark.parametrize("sender", [3, 7])
def test_any_other_join_ends_the_ring_even_if_nothing_changes(sender):
    talk = on_ring()
    wish = join((1, 2, 3), ring_sequence=talk.ring.id.sequence, incarnation=sender)
    effects = talk.hear(sender, wish)
    assert causes(effects) == [Cause.JOIN_HEARD]
    assert set(sent(effects, Join)[0].processes) == {1, 2, 3, sender}


def test_a_member_that_leaves_is_given_up_at_once():
    talk = on_ring()
    goodbye = join((1, 2, 3), (3,), leaving=1, ring_sequence=talk.ring.id.sequence, incarnation=3)
    effects = talk.hear(3, goodbye)
    assert causes(effects) == [Cause.LEAVE_HEARD]
    assert sent(effects, Join)[0].failed == (3,)


def test_the_goodbye_of_a_stranger_is_no_news():
    talk = on_ring()
    assert drops(talk.hear(7, join((7,), (7,), leaving=1))) == ["goodbye of a stranger"]


def test_a_commit_token_out_of_time_is_dropped():
    talk = on_ring()
    for made in (talk_commit(talk), commit(RingId(999, 1, 1), 1, [entry(1), entry(2)])):
        assert drops(talk.hear(1, made)) == ["commit token out of time"]
    assert talk.state is State.OPERATIONAL


def talk_commit(talk):
    return commit(talk.ring.id, 4, [entry(1), entry(2), entry(3)])


def test_somebody_who_was_given_up_lately_is_not_asked_again_for_a_while():
    talk = Talk(1).gathered(2)
    talk.engine.membership.fail(7)  # as if it had not agreed
    talk.engine.membership.processes.discard(7)
    talk.engine.membership.add(7)
    talk.hear(2, join((1, 2, 7), (7,), incarnation=2))
    talk.fields = {}
    talk.fire(Timer.SETTLE)
    talk.persisted()
    talk.hear(2, talk.full_commit())
    talk.persisted()
    talk.first_token()
    while talk.state is not State.OPERATIONAL:
        talk.turn()
    for frame in (
        join((1, 2, 7), incarnation=0),
        Merge(99, 7, 1, 0),
        data(1, ring=RingId(9, 7, 7)),
    ):
        # The incarnation is known from the first of these on.
        talk.engine.incarnations[7] = 0
        assert drops(talk.hear(7, frame)) == ["of a process that did not agree lately"]
    # As another incarnation it is.
    assert causes(talk.hear(7, Merge(99, 7, 1, 5))) == [Cause.MERGE_HEARD]


# Holding the token of an idle ring


def idle(me):
    talk = on_ring(me)
    for _ in range(talk.config.idle_visits + 6):
        if talk.engine.held is None:
            talk.turn(after=MS)
    return talk


def test_the_representative_holds_the_token_of_an_idle_ring():
    talk = idle(1)
    assert talk.engine.held is not None
    last = talk.ring.last_token.token_sequence
    effects = talk.fire(Timer.TOKEN_HOLD)
    assert [frame.token_sequence for frame in sent(effects, Token)] == [last + 3]
    assert talk.engine.held is None


def test_others_do_not_hold_it():
    talk = idle(2)
    assert talk.engine.held is None
    assert talk.ring.idle_visits > talk.config.idle_visits


@pytest.mark.parametrize("me", [2, 3])
def test_whoever_passes_an_idle_token_on_waits_while_it_is_held(me):
    """Otherwise members between send it again all the time, and an idle ring is not idle."""
    talk = idle(me)
    (timer,) = [
        effect for effect in of(talk.turn(), SetTimer) if effect.timer is Timer.TOKEN_RETRANSMIT
    ]
    config = talk.config
    assert timer.at_ns - talk.now == config.token_retransmit_ns + config.token_hold_ns


def test_a_token_with_requests_is_not_held():
    talk = idle(1)
    talk.fire(Timer.TOKEN_HOLD)
    talk.hear(3, talk.other_data(1))
    effects = talk.turn(sequence=1, missing=(1, 1))
    assert sent(effects, Token)


def test_something_to_send_lets_the_held_token_go():
    talk = idle(1)
    effects = talk.submit(b"now")
    assert [frame.payload for frame in sent(effects, Data)] == [b"now"]
    assert len(sent(effects, Token)) == 1
    assert CancelTimer(Timer.TOKEN_HOLD) in effects


def test_hold_cancel_lets_the_held_token_go_and_makes_the_representative_patient():
    talk = idle(1)
    effects = talk.hear(2, HoldCancel(*talk.ring.id))
    assert len(sent(effects, Token)) == 1
    assert talk.engine.held is None
    assert sent(talk.turn(), Token)


def test_hold_cancel_of_another_ring_does_nothing():
    talk = idle(1)
    effects = talk.hear(2, HoldCancel(99, 1, 1))
    assert drops(effects) == ["of another ring"]
    assert talk.engine.held is not None


def test_a_member_with_something_to_send_asks_for_the_token_once():
    talk = idle(2)
    effects = talk.submit(b"one")
    assert of(effects, SendTo) == [SendTo(1, HoldCancel(*talk.ring.id))]
    assert sent(talk.submit(b"two"), HoldCancel) == []


def test_on_a_busy_ring_nobody_asks_for_the_token():
    talk = on_ring(2)
    talk.submit(b"one")
    talk.turn()
    assert sent(talk.submit(b"two"), HoldCancel) == []


# Alone


def test_a_ring_of_one_delivers_at_once():
    talk = Talk(1).alone()
    effects = talk.submit(b"safe", Service.SAFE)
    assert delivered(effects) == [b"safe"]
    assert sent(effects) == []
    (message,) = of(effects, Messages)
    assert message.flags == ("unverified",)


def test_a_ring_of_one_forgets_what_it_delivered():
    talk = Talk(1).alone()
    for n in range(20):
        talk.submit(handle=n)
    assert talk.ring.log.frames == {}
    assert talk.ring.log.released == 20


def test_a_ring_of_one_waits_for_storage_and_then_delivers():
    talk = Talk(1).alone()
    talk.wait(200 * MS)
    talk.submit(b"one")
    effects = talk.submit(b"two")
    assert delivered(effects) == []
    assert delivered(talk.persisted()) == [b"one", b"two"]


def test_a_ring_of_one_takes_no_token():
    talk = Talk(1).alone()
    effects = talk.hear(2, token(talk.ring.id, token_sequence=9, clocks=(0, 0)))
    assert drops(effects) == ["impossible token"]


# What ends a ring


def test_a_member_that_holds_all_up_for_too_long_is_given_up_and_the_token_stays_here():
    talk = on_ring(deaf_visits=3)
    talk.hear(3, talk.other_data(1))
    held_up = {"sequence": 1, "all_received_up_to": 0, "lowered_by": 3}
    for _ in range(4):
        assert causes(talk.turn(after=10 * MS, **held_up)) == []
        talk.wait(20 * MS)
    talk.wait(40 * MS)
    effects = talk.turn(**held_up)
    assert causes(effects) == [Cause.MEMBER_DEAF]
    assert sent(effects, Token) == []
    assert sent(effects, Join)[0].failed == (3,)


def test_a_ring_that_ran_out_of_numbers_is_formed_anew():
    talk = on_ring(sequence_limit=2)
    talk.submit(b"one")
    assert causes(talk.turn()) == []
    talk.submit(b"two")
    effects = talk.turn()
    assert causes(effects) == [Cause.SEQUENCE_LIMIT]
    assert [frame.sequence for frame in sent(effects, Data)] == [2]
    assert sent(effects, Token) == []


def test_a_ring_of_one_that_ran_out_of_numbers_is_formed_anew():
    talk = Talk(1, sequence_limit=2).alone()
    number = talk.ring.id.sequence
    for payload in (b"one", b"two"):
        talk.submit(payload)
    effects = talk.submit(b"three")
    assert causes(effects) == [Cause.SEQUENCE_LIMIT]
    talk.fire(Timer.CONSENSUS)
    talk.persisted()
    talk.persisted()
    assert talk.state is State.OPERATIONAL
    assert talk.ring.id.sequence > number
    assert delivered(talk.said) == [b"one", b"two", b"three"]


# Frames of several datagrams


def test_frames_shrink_where_they_are_lost_and_grow_again():
    talk = Talk(2, frame_datagrams=8, visit_max=20, window=50).on_ring(1, 3)
    most, least = talk.config.room(8), talk.config.room(1)
    assert talk.engine.room == most
    talk.submit(bytes(most))
    (first, *_) = sent(talk.turn(), Data)
    assert len(first.payload) > most - 10
    sizes = []
    for _ in range(6):
        talk.turn(missing=(first.sequence, first.sequence), all_received_up_to=0, lowered_by=3)
        sizes.append(talk.engine.room)
    # Every second request is left to others: nothing is sent again then.
    assert sizes[0] == most // 2
    assert min(sizes) >= least
    for _ in range(9):
        talk.turn()
    assert talk.engine.room == most


# A token that somebody on the path sent to another member


def test_a_token_is_taken_from_the_member_before_us_only():
    talk = Talk(2).on_ring(1, 3)
    token = talk.next_token()
    assert drops(talk.hear(3, token)) == ["token from somebody else than the member before us"]
    assert sent(talk.hear(1, token), Token)
