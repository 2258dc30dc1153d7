"""Conversations with one member of a group that has epochs: what it promises, and then keeps."""

from random import Random

import pytest

from clocksync.runtime.core import CancelTimer, Notify, Send, SetTimer
from clocksync.runtime.errors import BadConfig, MisusedCore
from clocksync.runtime.units import MILLISECOND
from ordering.mutex import ALGORITHMS, EpochBegan, EpochConfig, EpochMutex, Granted, Left, State
from ordering.mutex.epochs import BACKLOG_MAX, Timer
from ordering.mutex.frames import (
    Accept,
    Accepted,
    Grant,
    Heartbeat,
    InEpoch,
    Install,
    Join,
    Lease,
    MutexCodec,
    Prepare,
    Promise,
    Request,
)
from tests.playbook import START_NS, begin, converse, do, expect, hear, wait, whatever

CONFIG = EpochConfig(heartbeat_ns=10 * MILLISECOND, lease_ns=100 * MILLISECOND)
BALLOT = 5 << 16 | 3
CODEC = MutexCodec()


def member(me=2, members=(1, 2, 3)):
    return EpochMutex(me, members, ALGORITHMS["central"], random=Random(1), config=CONFIG)


def inside(frame, generation=1):
    return InEpoch(generation, CODEC.encode(frame))


def started(core, *script):
    """A conversation after `core` has begun and has its lease from 1."""
    return converse(core, begin(), whatever(), hear(1, Lease(START_NS, 1)), *script)


ENTER = (
    do("acquire"),
    expect(Send(1, inside(Request(1)))),
    hear(1, inside(Grant(1, 1))),
    whatever(),
)


def test_it_begins_by_asking_for_leases_and_enters_only_with_a_majority_of_them():
    converse(
        member(),
        begin(),
        expect(
            SetTimer(Timer.BEAT, CONFIG.heartbeat_ns),
            Notify(EpochBegan(1, (1, 2, 3))),
            Send(1, Heartbeat(START_NS, 1, 0)),
            Send(3, Heartbeat(START_NS, 1, 0)),
        ),
        do("acquire"),
        hear(1, Lease(START_NS, 1)),
        expect(Send(1, inside(Request(1)))),
        hear(1, inside(Grant(1, 1))),
        expect(Notify(Granted(1 << 44 | 1)), SetTimer(Timer.LEASE, CONFIG.lease_ns)),
    )


def test_a_grant_that_comes_after_a_promise_waits_for_ever():
    core = started(
        member(),
        do("acquire"),
        expect(Send(1, inside(Request(1)))),
        hear(3, Prepare(BALLOT, 1)),
        expect(Send(3, Promise(BALLOT, 1, 0, 0, ()))),
        hear(1, inside(Grant(1, 1))),
        hear(1, Lease(START_NS, 1)),
    )
    assert core.state is State.WANTED


def test_a_lower_ballot_is_promised_nothing():
    started(
        member(),
        hear(3, Prepare(BALLOT, 1)),
        whatever(),
        hear(1, Prepare(BALLOT - 1, 1)),
        hear(1, Accept(BALLOT - 1, 1, (1, 2, 3), (1, 2))),
    )


def test_a_holder_says_so_in_its_promise_and_promises_again_when_it_has_left():
    started(
        member(),
        *ENTER,
        hear(3, Prepare(BALLOT, 1)),
        expect(Send(3, Promise(BALLOT, 1, 1, 0, ()))),
        hear(3, Accept(BALLOT, 1, (1, 3), (1, 2, 3))),  # not while it is inside
        do("release"),
        whatever(),
        hear(3, Accept(BALLOT, 1, (1, 2, 3), (1, 2, 3))),
        expect(Send(3, Accepted(BALLOT, 1))),
    )
    core = started(member(), *ENTER, hear(3, Prepare(BALLOT, 1)), whatever())
    said = core.release(START_NS)
    assert said[0] == CancelTimer(Timer.LEASE)
    assert said[-1] == Send(3, Promise(BALLOT, 1, 0, 0, ()))


def test_members_are_accepted_only_when_all_others_are_outside_or_silent():
    accept = Accept(BALLOT, 1, (2, 3), (2, 3))
    started(
        member(),
        hear(1, Heartbeat(7, 1, 0)),
        expect(Send(1, Lease(7, 1))),
        wait(CONFIG.lease_ns // 20),
        hear(3, accept),  # 1 has a lease of ours
    )
    core = started(member(), hear(1, Heartbeat(7, 1, 0)), whatever())
    assert not core._may_accept(BALLOT, (2, 3), START_NS + CONFIG.silence_ns - 1)
    assert core._may_accept(BALLOT, (2, 3), START_NS + CONFIG.silence_ns)


def test_who_has_accepted_gives_no_lease_in_the_old_epoch_any_more():
    started(
        member(),
        hear(1, Heartbeat(7, 1, 0)),
        expect(Send(1, Lease(7, 1))),
        hear(3, Accept(BALLOT, 1, (1, 2, 3), (2, 3))),
        expect(Send(3, Accepted(BALLOT, 1))),
        hear(1, Heartbeat(8, 1, 0)),
    )


def test_a_heartbeat_of_an_old_epoch_is_answered_with_the_new_one():
    started(
        member(),
        hear(3, Install(4, (2, 3))),
        whatever(),
        hear(1, Heartbeat(7, 1, 0)),
        expect(Send(1, Install(4, (2, 3)))),
        hear(3, Install(2, (1, 2, 3))),
        hear(3, inside(Request(1), generation=1)),  # of an epoch that is over
    )


def test_frames_of_the_next_epoch_wait_for_it_and_a_flood_of_them_ends():
    core = started(member(), hear(3, inside(Request(9), generation=2)))
    converse(
        core,
        hear(3, Install(2, (2, 3))),  # we coordinate now
        whatever(),
        hear(3, Lease(START_NS, 2)),
        expect(Send(3, inside(Grant(9, 1), generation=2))),
    )
    for _ in range(BACKLOG_MAX + 5):
        core._inner_frame(7, 3, Request(1), 0)
    assert len(core._early) == BACKLOG_MAX


def test_nonsense_inside_an_epoch_and_strangers_are_ignored():
    core = started(
        member(),
        hear(3, InEpoch(1, b"\xff")),
        hear(3, InEpoch(1, b"")),
        hear("who", Heartbeat(7, 1, 0)),
        hear(9, Prepare(BALLOT, 1)),
        hear(9, Heartbeat(7, 1, 0)),
        hear(3, Promise(BALLOT, 1, 0, 0, ())),
        hear(3, Accepted(BALLOT, 1)),
    )
    assert core.generation == 1


def test_a_newcomer_has_no_voice_until_it_is_let_in():
    core = EpochMutex(
        4, [1, 2, 3], ALGORITHMS["central"], random=Random(1), config=CONFIG, joins=True
    )
    said = core.start(START_NS)
    assert [effect.frame for effect in said if isinstance(effect, Send)] == [Join(4)]
    converse(
        core,
        hear(1, Prepare(BALLOT, 0)),
        hear(1, Heartbeat(7, 1, 0)),
        do("acquire"),
        hear(1, Install(2, (1, 2, 3, 4))),
        whatever(),
    )
    assert core.members == (1, 2, 3, 4)


def test_a_newcomer_that_gives_up_has_left_at_once():
    core = EpochMutex(4, [1], ALGORITHMS["central"], random=Random(1), config=CONFIG, joins=True)
    converse(
        core, begin(), whatever(), do("leave"), expect(Notify(Left()), CancelTimer(Timer.BEAT))
    )


def test_the_last_member_leaves_without_asking_anybody():
    core = EpochMutex(1, [1], ALGORITHMS["central"], random=Random(1), config=CONFIG)
    converse(
        core, begin(), whatever(), do("leave"), expect(Notify(Left()), CancelTimer(Timer.BEAT))
    )


@pytest.mark.parametrize("verb", ["release", "cancel"])
def test_verbs_in_the_wrong_state_are_refused(verb):
    started(member(), do(verb, raises=MisusedCore))
    started(member(), *ENTER, do("acquire", raises=MisusedCore), do("leave", raises=MisusedCore))


def test_impossible_groups_are_refused():
    with pytest.raises(BadConfig, match="named twice"):
        member(members=(1, 1))
    with pytest.raises(BadConfig, match="generation 524288 is not in 0 to 524287"):
        EpochMutex(1, [1], ALGORITHMS["central"], random=Random(1), first_generation=1 << 19)


def test_a_group_that_is_restarted_as_a_whole_goes_on_counting_if_it_is_told():
    core = EpochMutex(1, [1], ALGORITHMS["central"], random=Random(1), first_generation=7)
    core.start(0)
    core.acquire(0)
    assert core.token == 7 << 44 | 1
