"""A member that gathers, row by row of the table of totem.md 1.5, and how agreement is reached."""

from dataclasses import replace

import pytest

from tests.vsync.talk import (
    MS,
    RING,
    Talk,
    armed,
    causes,
    commit,
    data,
    delivered,
    drops,
    empty_entry,
    entry,
    join,
    of,
    sent,
    token,
)
from vsync.events import Multicast, PeerHint, SendTo
from vsync.frames import FIRST, LAST, MEMBERS_MAX, SAFE, Commit, HoldCancel, Join, Merge, Recovered
from vsync.identity import RingId
from vsync.states import Cause, State, Timer

ALL = (1, 2, 3)


def gathering(me=2):
    """On a ring of three until the token was lost; nobody has agreed yet."""
    talk = Talk(me).on_ring(*(set(ALL) - {me}))
    talk.fire(Timer.TOKEN_LOSS)
    assert talk.state is State.GATHER
    return talk


def agree(talk, *members, wish=None):
    effects = []
    for member in members:
        effects += talk.hear(member, replace(wish or said(talk), incarnation=member))
    return effects


def said(talk):
    """What we told last that we want."""
    return sent(talk.said, Join)[-1]


# The beginning


def test_a_wish_is_told_at_once_and_again():
    talk = Talk(1)
    effects = talk.boot()
    assert {Timer.JOIN, Timer.CONSENSUS, Timer.SETTLE} <= armed(effects)
    assert [frame.processes for frame in sent(effects, Join)] == [(1,)]
    effects = talk.fire(Timer.JOIN)
    assert [type(frame) for frame in sent(effects)] == [Join]
    assert armed(effects) == {Timer.JOIN}


def test_wishes_are_spread_so_that_not_all_speak_at_once():
    delays = set()
    for seed in range(8):
        talk = Talk(1, seed=seed, join_spread_ns=2 * MS)
        talk.boot()
        at = talk.timers[Timer.JOIN][1] - talk.now
        assert 12 * MS <= at <= 14 * MS
        delays.add(at)
    assert len(delays) > 4


def test_who_hears_nobody_is_alone_after_the_time_of_a_consensus():
    talk = Talk(1)
    talk.boot()
    talk.fire(Timer.SETTLE)
    assert talk.state is State.GATHER
    assert causes(talk.fire(Timer.CONSENSUS)) == [Cause.ALONE_AGAIN]
    assert talk.state is State.OPERATIONAL


def test_a_process_that_just_started_waits_for_others_before_it_forms_a_ring():
    talk = Talk(1).gathered(2)
    assert talk.state is State.GATHER
    agree(talk, 3, wish=join((1, 2, 3)))
    agree(talk, 2)
    assert talk.state is State.GATHER
    assert causes(talk.fire(Timer.SETTLE)) == [Cause.CONSENSUS_REACHED]
    assert talk.engine.members == (1, 2, 3)


# Frames


@pytest.mark.parametrize("frame", [token(), HoldCancel(*RING)])
def test_a_regular_token_is_dropped_even_of_the_ring_we_came_from(frame):
    talk = gathering()
    mine = replace(
        frame,
        **dict(
            zip(("ring_sequence", "ring_representative", "ring_nonce"), talk.ring.id, strict=True)
        ),
    )
    for each in (frame, mine):
        effects = talk.hear(1, each)
        assert drops(effects) == ["token while gathering"]
        assert len(effects) == 1


def test_messages_of_the_old_ring_are_still_taken_and_agreed_ones_delivered():
    talk = gathering()
    assert delivered(talk.hear(3, talk.other_data(1, payload=b"late"))) == [b"late"]
    safe = talk.other_data(2, flags=FIRST | LAST | SAFE)
    assert delivered(talk.hear(3, safe)) == []
    assert talk.ring.log.contiguous == 2


def test_messages_of_the_old_ring_are_dropped_once_we_told_what_we_hold():
    talk = gathering(me=1)
    agree(talk, 2, 3)
    assert talk.state is State.COMMIT
    talk.persisted()
    talk.fire(Timer.TOKEN_LOSS)
    assert talk.state is State.GATHER
    effects = talk.hear(3, talk.other_data(1))
    assert drops(effects) == ["of the old ring, which is frozen"]
    assert talk.ring.log.frames == {}


@pytest.mark.parametrize(
    ("frame", "cause"),
    [
        (Merge(99, 7, 1, 5), Cause.MERGE_HEARD),
        (data(1, ring=RingId(99, 7, 1)), Cause.FOREIGN_MESSAGE),
        (Recovered(99, 7, 1, 1, 7, b""), Cause.FOREIGN_MESSAGE),
    ],
)
def test_another_ring_adds_its_speaker_once(frame, cause):
    talk = gathering()
    effects = talk.hear(7, frame)
    assert causes(effects) == [cause]
    assert said(talk).processes == (1, 2, 3, 7)
    assert drops(talk.hear(7, frame)) == ["of another ring, by somebody known"]


def test_a_stranger_is_added_and_everybody_asked_anew():
    talk = gathering()
    agree(talk, 3)
    effects = talk.hear(7, join((7,)))
    assert causes(effects) == [Cause.JOIN_HEARD]
    assert said(talk).processes == (1, 2, 3, 7)
    assert talk.engine.membership.agreed == {2}
    assert Timer.CONSENSUS in armed(effects)


def test_who_knows_less_changes_nothing():
    talk = gathering()
    assert talk.hear(3, join((1, 3), incarnation=3)) == []


def test_a_join_of_a_process_given_up_is_dropped():
    talk = gathering()
    agree(talk, 1)
    talk.fire(Timer.CONSENSUS)
    assert said(talk).failed == (3,)
    assert drops(talk.hear(3, join((1, 3, 9), incarnation=3))) == ["join of a process given up"]


def test_of_a_known_process_a_goodbye_is_heard_and_of_a_stranger_it_is_not():
    talk = gathering()
    assert drops(talk.hear(7, join((7,), (7,), leaving=1))) == ["goodbye of a stranger"]
    effects = talk.hear(3, join((1, 2, 3), (3,), leaving=1, incarnation=3))
    assert causes(effects) == [Cause.LEAVE_HEARD]
    assert said(talk).failed == (3,)


def test_one_process_too_many_is_not_taken():
    talk = Talk(1)
    talk.boot()
    talk.hear(2, join(range(1, MEMBERS_MAX + 1)))
    assert len(said(talk).processes) == MEMBERS_MAX
    assert drops(talk.hear(500, Merge(99, 500, 1, 5))) == ["of one process too many"]
    assert drops(talk.hear(500, join((1, 500)))) == ["of one process too many"]
    assert len(talk.engine.membership.processes) == MEMBERS_MAX


# The commit token


def wanted_commit(talk, hop=1, number=90, filled=1):
    table = [talk.other_entry(m) if n < filled else empty_entry(m) for n, m in enumerate(ALL)]
    return commit(RingId(number, 1, 5), hop, table)


def test_the_commit_token_of_the_ring_we_want_is_taken():
    talk = gathering()
    effects = talk.hear(1, wanted_commit(talk))
    assert causes(effects) == [Cause.COMMIT_HEARD]
    assert talk.engine.my_ring == RingId(90, 1, 5)


def test_the_commit_token_of_a_ring_we_do_not_want_is_dropped():
    talk = gathering()
    for members in ((1, 2), (1, 2, 3, 4), (1, 3)):
        made = commit(RingId(90, 1, 5), 1, [entry(member) for member in members])
        assert drops(talk.hear(1, made)) == ["commit token of a ring we do not want"]
    assert talk.state is State.GATHER


def test_a_commit_token_of_the_past_is_dropped():
    talk = gathering()
    made = wanted_commit(talk, number=talk.engine.my_ring.sequence)
    assert drops(talk.hear(1, made)) == ["commit token of the past"]


@pytest.mark.parametrize("hop", [0, 2, 3, 4, 65535])
def test_a_commit_token_that_is_not_for_us_now_is_dropped(hop):
    talk = gathering()
    effects = talk.hear(1, wanted_commit(talk, hop, filled=3))
    assert drops(effects) == ["commit token that is not ours to pass on"]
    assert talk.engine.dropped["commit token that is not ours to pass on"] == 1


def test_the_representative_takes_nobodys_commit_token():
    talk = gathering(me=1)
    for hop in (0, 3):
        effects = talk.hear(3, wanted_commit(talk, hop))
        assert drops(effects) == ["commit token that is not ours to pass on"]


def test_a_commit_token_on_which_somebody_before_us_wrote_nothing_is_dropped():
    talk = gathering(me=3)
    assert drops(talk.hear(2, wanted_commit(talk, 2, filled=1))) == ["commit token with a gap"]
    assert talk.state is State.GATHER
    assert causes(talk.hear(2, wanted_commit(talk, 2, filled=2))) == [Cause.COMMIT_HEARD]


def test_a_commit_token_that_cannot_be_read_is_dropped():
    talk = gathering()
    assert drops(talk.hear(1, Commit(90, 1, 5, 1, b"rubbish"))) == ["too short"]
    made = commit(RingId(90, 1, 5), 1, [entry(1), entry(3), entry(2)])
    assert drops(talk.hear(1, made)) == ["members out of order"]


# Consensus


def test_when_all_agree_the_smallest_forms_the_ring_and_the_others_wait():
    talk = gathering(me=1)
    assert causes(agree(talk, 2, 3)) == [Cause.CONSENSUS_REACHED]
    assert talk.engine.members == ALL
    talk = gathering(me=2)
    assert causes(agree(talk, 1, 3)) == []
    assert talk.state is State.GATHER


def test_a_new_ring_has_a_larger_number_than_any_heard_of():
    talk = gathering(me=1)
    agree(talk, 2)
    talk.hear(3, replace(said(talk), ring_sequence=1000, incarnation=3))
    assert talk.engine.my_ring.sequence == 1004
    assert talk.engine.my_ring.representative == 1


def test_those_who_did_not_agree_in_time_are_given_up():
    talk = gathering()
    agree(talk, 3)
    effects = talk.fire(Timer.CONSENSUS)
    assert causes(effects) == [Cause.CONSENSUS_MISSED]
    assert said(talk).failed == (1,)


def test_who_agreed_and_is_not_to_form_the_ring_waits_for_the_commit_token():
    talk = gathering()
    agree(talk, 1, 3)
    effects = talk.fire(Timer.CONSENSUS)
    assert causes(effects) == []
    assert armed(effects) == {Timer.TOKEN_LOSS}
    assert talk.engine.awaits_commit


def test_if_it_does_not_come_those_who_are_silent_meanwhile_are_given_up():
    talk = gathering()
    agree(talk, 1, 3)
    talk.fire(Timer.CONSENSUS)
    agree(talk, 3)
    assert causes(talk.fire(Timer.TOKEN_LOSS)) == [Cause.COMMIT_LOST]
    assert said(talk).failed == (1,)


def test_the_second_time_nothing_comes_of_it_who_stood_in_the_way_is_given_up():
    talk = gathering(me=1)
    for _ in range(2):
        agree(talk, 2, 3, wish=replace(said(talk), passed=0))
        assert talk.state is State.COMMIT
        talk.persisted()
        talk.fire(Timer.TOKEN_LOSS)
    effects = agree(talk, 2, wish=replace(said(talk), passed=1))
    effects += agree(talk, 3, wish=replace(said(talk), passed=0))
    assert Cause.CONSENSUS_MISSED in causes(effects)
    assert said(talk).failed == (3,)


def test_the_last_of_all_goes_on_with_the_ring_it_had_alone():
    talk = Talk(1).alone()
    ring = talk.ring.id
    talk.hear(7, join((7,)))
    assert talk.state is State.GATHER
    effects = talk.fire(Timer.CONSENSUS)
    assert causes(effects) == [Cause.CONSENSUS_MISSED, Cause.ALONE_AGAIN]
    assert talk.ring.id == ring
    # And does not ask 7 again at once.
    assert drops(talk.hear(7, join((7,)))) == ["of a process that did not agree lately"]


def test_a_ring_of_several_is_not_gone_on_with_alone():
    talk = gathering()
    effects = talk.fire(Timer.CONSENSUS)
    assert causes(effects) == [Cause.CONSENSUS_MISSED, Cause.CONSENSUS_REACHED]
    assert talk.engine.members == (2,)


# Hints, timers, submissions


def test_a_hint_that_a_peer_is_unreachable_speeds_up_what_the_timer_would_say():
    talk = gathering()
    effects = talk.say(PeerHint(1, reachable=False))
    assert causes(effects) == [Cause.PEER_UNREACHABLE]
    assert said(talk).failed == (1,)
    assert talk.say(PeerHint(1, reachable=False)) == []


def test_a_hint_about_somebody_who_agreed_or_is_unknown_or_reachable_is_nothing():
    talk = gathering()
    agree(talk, 3)
    for hint in (PeerHint(3, False), PeerHint(9, False), PeerHint(1, True), PeerHint(2, False)):
        assert talk.say(hint) == []


def test_a_hint_on_a_ring_is_nothing():
    talk = Talk(2).on_ring(1, 3)
    assert talk.say(PeerHint(1, reachable=False)) == []


def test_what_is_submitted_while_gathering_waits_for_the_ring():
    talk = gathering()
    effects = talk.submit(b"later")
    assert of(effects, SendTo | Multicast) == []
    assert len(talk.engine.outbox) == 1


def test_entering_ends_the_timers_of_the_ring():
    talk = gathering()
    assert set(talk.timers) == {Timer.JOIN, Timer.CONSENSUS, Timer.PAUSE}
