"""A member that commits, row by row of the table of totem.md 1.5: the commit token goes twice."""

from dataclasses import replace

import pytest

from tests.vsync.talk import (
    EPOCH,
    MS,
    Talk,
    causes,
    commit,
    data,
    drops,
    empty_entry,
    join,
    of,
    persists,
    sent,
    token,
)
from vsync.events import Persisted, SendTo, TimeRefused
from vsync.frames import LARGEST, Commit, HoldCancel, Join, Merge, Recovered, Token
from vsync.identity import RingId
from vsync.states import Cause, State, Timer

OTHERS = {1: (2, 3), 2: (1, 3), 3: (1, 2)}


def committed(me=2, **fields):
    return Talk(me).committed(*OTHERS[me], **fields)


@pytest.mark.parametrize("me", [1, 2, 3])
def test_the_commit_token_is_not_passed_on_before_the_rings_number_is_durable(me):
    talk = committed(me)
    ticket = talk.engine.ticket
    assert talk.engine.asked.ring_sequence == talk.engine.my_ring.sequence
    assert talk.say(Persisted(ticket - 1)) == []
    (passed,) = of(talk.say(Persisted(ticket)), SendTo)
    assert passed.peer == talk.successor
    assert passed.frame.ring == talk.engine.my_ring
    assert passed.frame.hop == me


def test_on_its_first_round_we_write_what_we_hold():
    talk = Talk(2).on_ring(1, 3)
    for number in (1, 2, 4):
        talk.hear(3, talk.other_data(number))
    old = talk.ring.id
    talk.fire(Timer.TOKEN_LOSS)
    for member in (1, 3):
        talk.hear(member, replace(sent(talk.said, Join)[-1], incarnation=member))
    table = [talk.other_entry(1), talk.other_entry(2), talk.other_entry(3)]
    talk.hear(1, commit(RingId(80, 1, 1), 1, table))
    (passed,) = sent(talk.persisted(), Commit)
    first, mine, third = passed.entries()
    assert (first, third) == (table[0], table[2])
    assert (mine.member, mine.incarnation) == (2, talk.engine.incarnation)
    assert mine.old_ring == old
    assert (mine.received_up_to, mine.delivered) == (2, 2)
    assert mine.recovered_in == (0, 0, 0)
    assert mine.timestamp == talk.ring.timestamp + 4 or mine.timestamp > EPOCH
    assert (mine.earliest, mine.latest) == (EPOCH + talk.now - 1000, EPOCH + talk.now + 1000)
    assert mine.obligations == ()


def test_the_times_on_the_table_are_reserved_before_they_are_passed_on():
    talk = committed(2, timestamp=EPOCH + 500 * MS)
    assert persists(talk.said)[-1].reserved_until >= EPOCH + 500 * MS


def test_the_second_round_leads_to_recovery_and_is_passed_on():
    talk = committed()
    talk.persisted()
    effects = talk.hear(1, talk.full_commit())
    assert causes(effects) == [Cause.COMMIT_CIRCULATED]
    (passed,) = of(effects, SendTo)
    assert (passed.peer, passed.frame.hop) == (3, 5)


@pytest.mark.parametrize("hop", [0, 1, 2, 3, 5, 6, 65535])
def test_the_commit_token_with_another_hop_was_here_already(hop):
    talk = committed()
    talk.persisted()
    effects = talk.hear(1, talk.full_commit(hop))
    assert drops(effects) == ["commit token that was here already"]
    assert len(effects) == 1
    assert talk.state is State.COMMIT


def test_the_commit_token_of_another_ring_is_dropped():
    talk = committed()
    talk.persisted()
    other = replace(talk.full_commit(), ring_nonce=1)
    assert drops(talk.hear(1, other)) == ["commit token of another ring"]


def test_a_table_without_what_we_wrote_or_with_others_is_dropped():
    talk = committed()
    talk.persisted()
    good = talk.full_commit()
    first, mine, third = good.entries()
    empty = replace(third, old_sequence=0, old_representative=0, old_nonce=0)
    for table in (
        [first, replace(mine, delivered=0, received_up_to=7), third],
        [first, mine],
        [first, mine, third, talk.other_entry(4)],
        [first, mine, empty],
    ):
        effects = talk.hear(1, commit(good.ring, good.hop, table))
        assert drops(effects) == ["commit token with another table"]
    effects = talk.hear(1, replace(good, table=good.table[:-1]))
    assert len(drops(effects)) == 1
    assert talk.state is State.COMMIT


@pytest.mark.parametrize(
    "frame",
    [
        token(),
        token(RingId(40, 1, 77)),
        data(),
        data(ring=RingId(40, 1, 77)),
        Recovered(40, 1, 77, 1, 3, b""),
        Merge(99, 7, 1, 0),
        HoldCancel(40, 1, 77),
    ],
)
def test_whatever_else_comes_is_dropped(frame):
    talk = committed()
    talk.persisted()
    effects = talk.hear(3, frame)
    assert drops(effects) == ["not while a ring is being formed"]
    assert len(effects) == 1


def test_messages_of_the_old_ring_are_dropped_too():
    talk = Talk(1).on_ring(2, 3)
    late = talk.other_data(1)
    talk.fire(Timer.TOKEN_LOSS)
    for member in (2, 3):
        talk.hear(member, replace(sent(talk.said, Join)[-1], incarnation=member))
    assert talk.state is State.COMMIT
    assert drops(talk.hear(3, late)) == ["not while a ring is being formed"]
    assert talk.ring.log.frames == {}


@pytest.mark.parametrize("number", [40, 41])
def test_a_join_of_a_member_that_knows_this_ring_ends_it(number):
    talk = committed()
    talk.persisted()
    effects = talk.hear(3, join((1, 2, 3), ring_sequence=number, incarnation=3))
    assert causes(effects) == [Cause.JOIN_HEARD]
    # What had been agreed counts no more, but for what this one said.
    assert talk.engine.membership.agreed == {2, 3}


@pytest.mark.parametrize(
    ("sender", "fields"),
    [(3, {"ring_sequence": 39}), (7, {"ring_sequence": 99}), (7, {"leaving": 1})],
)
def test_other_joins_are_dropped(sender, fields):
    talk = committed()
    effects = talk.hear(sender, join((1, 2, 3), incarnation=sender, **fields))
    assert drops(effects) == ["join while a ring is being formed"]
    assert talk.state is State.COMMIT


def test_a_member_that_leaves_meanwhile_is_given_up():
    talk = committed()
    effects = talk.hear(3, join((1, 2, 3), (3,), leaving=1, incarnation=3))
    assert causes(effects) == [Cause.LEAVE_HEARD]
    assert sent(effects, Join)[-1].failed == (3,)


def test_a_commit_token_of_a_ring_given_up_meanwhile_is_not_sent_when_it_is_durable():
    talk = committed()
    talk.hear(3, join((1, 2, 3), ring_sequence=40, incarnation=3))
    assert sent(talk.persisted(), Commit) == []


def test_the_commit_token_is_passed_on_again_after_silence():
    talk = committed()
    (passed,) = of(talk.persisted(), SendTo)
    for _ in range(3):
        assert of(talk.fire(Timer.TOKEN_RETRANSMIT), SendTo) == [passed]


def test_a_commit_token_that_does_not_come_ends_it():
    talk = committed()
    talk.persisted()
    effects = talk.fire(Timer.TOKEN_LOSS)
    assert causes(effects) == [Cause.COMMIT_LOST]
    (wish,) = sent(effects, Join)
    assert (wish.processes, wish.failed, wish.passed) == ((1, 2, 3), (), 1)
    assert wish.ring_sequence == 40


def test_how_far_we_got_is_told():
    talk = committed()
    assert sent(talk.fire(Timer.TOKEN_LOSS), Join)[0].passed == 0
    talk = Talk(2).in_recovery(1, 3)
    assert sent(talk.fire(Timer.TOKEN_LOSS), Join)[0].passed == 2
    talk = Talk(2).in_recovery(1, 3)
    talk.first_token()
    assert sent(talk.fire(Timer.TOKEN_LOSS), Join)[0].passed == 3


def ahead(talk, member, hop=None):
    """The commit token on its second round; `member` is a minute ahead of everybody's clocks."""
    good = talk.full_commit(hop)
    table = [
        replace(each, timestamp=EPOCH + 60_000 * MS) if each.member == member else each
        for each in good.entries()
    ]
    return commit(good.ring, good.hop, table)


def test_somebody_whose_timestamps_are_absurdly_ahead_is_not_admitted():
    talk = committed(1)
    talk.persisted()
    effects = talk.hear(3, ahead(talk, 3))
    (refused,) = of(effects, TimeRefused)
    assert refused.members == (3,)
    assert 59_000 * MS < refused.ahead_ns < 60_000 * MS
    # The token goes on, so that all know why; back here it has told everybody.
    assert [frame.hop for frame in sent(effects, Commit)] == [4]
    assert causes(effects) == []
    effects = talk.hear(3, ahead(talk, 3, hop=6))
    assert causes(effects) == [Cause.TIME_REFUSED]
    assert sent(effects, Join)[0].failed == (3,)
    cause = "from a process not admitted for its timestamps"
    wish = join((1, 2, 3), incarnation=3)
    assert drops(talk.hear(3, wish)) == [cause]
    assert drops(talk.hear(3, data())) == [cause]
    # Until it comes back with another history.
    assert cause not in drops(talk.hear(3, replace(wish, incarnation=4)))


def test_who_is_ahead_itself_parts_from_all_others():
    talk = Talk(3).gathered(1, 2)
    talk.engine.stamper.saw(EPOCH + 60_000 * MS)
    talk.fields = {}
    table = [talk.other_entry(1), talk.other_entry(2), empty_entry(3)]
    talk.hear(2, commit(RingId(40, 1, 77), 2, table))
    talk.persisted()
    effects = talk.hear(2, talk.full_commit())
    assert of(effects, TimeRefused)[0].members == (3,)
    assert [frame.hop for frame in sent(effects, Commit)] == [6]
    assert sent(talk.fire(Timer.TOKEN_LOSS), Join)[0].failed == (1, 2)


def test_a_ring_that_will_not_be_is_not_recovered_on():
    talk = committed(2)
    talk.persisted()
    talk.hear(1, ahead(talk, 3))
    for hop in (4, 5, 6):
        effects = talk.hear(1, ahead(talk, 3, hop))
        assert drops(effects) == ["commit token that was here already"]
    effects = talk.hear(1, join((1, 2, 3), (3,), ring_sequence=40, incarnation=1))
    assert causes(effects) == [Cause.JOIN_HEARD]


def test_a_group_whose_clocks_all_went_back_can_still_form_a_ring():
    """Nobody is ahead of the others, so nobody is to be parted from."""
    late = EPOCH + 3_600_000 * MS
    talk = Talk(2).gathered(1, 3)
    talk.engine.stamper.saw(late)
    talk.fields = {"timestamp": late}
    table = [talk.other_entry(1, timestamp=late), empty_entry(2), empty_entry(3)]
    talk.hear(1, commit(RingId(40, 1, 77), 1, table))
    talk.persisted()
    effects = talk.hear(1, talk.full_commit())
    assert causes(effects) == [Cause.COMMIT_CIRCULATED]


def test_a_ring_number_that_leaves_no_room_is_not_used():
    talk = Talk(1).gathered(2)
    talk.hear(2, join((1, 2), ring_sequence=LARGEST, incarnation=2))
    effects = talk.fire(Timer.SETTLE)
    assert drops(effects) == ["a ring number that leaves no room for another"]
    assert talk.state is State.GATHER


def test_no_token_is_sent_while_committing():
    talk = committed(1)
    talk.persisted()
    assert sent(talk.said, Token) == []
    assert talk.engine.my_ring != talk.engine.ring.id
