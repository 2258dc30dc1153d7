"""Conversations with one core of each algorithm: what is taught, and what is done at its edges."""

from random import Random

import pytest

from clocksync.runtime.core import CancelTimer, Notify, Send, SetTimer
from clocksync.runtime.errors import BadConfig, MisusedCore
from clocksync.runtime.units import MILLISECOND
from ordering.mutex import (
    ALGORITHMS,
    CentralMutex,
    Granted,
    LamportQueueMutex,
    Lost,
    MajorityMutex,
    RicartAgrawalaMutex,
    State,
    SuzukiKasamiMutex,
    TokenRingMutex,
    VotingConfig,
    VotingMutex,
    Waiting,
    fencing_token,
)
from ordering.mutex.frames import (
    BEHIND,
    DENIED,
    GRANTED,
    Ballot,
    BallotAnswer,
    BallotReturn,
    BroadcastToken,
    Denied,
    Grant,
    Inquire,
    Permission,
    Release,
    Request,
    RingToken,
    Stale,
    Vote,
    Withdraw,
    Yield,
)
from ordering.mutex.token_ring import REST
from ordering.mutex.voting import Timer
from tests.playbook import begin, converse, do, expect, hear, tick, whatever


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_group_of_one_enters_at_once_and_again(algorithm):
    core = ALGORITHMS[algorithm](1, [1], generation=0, random=Random(1))
    core.start(0)
    tokens = []
    for _ in range(3):
        core.acquire(0)
        assert core.state is State.HELD
        tokens.append(core.token)
        core.release(0)
    assert tokens == sorted(set(tokens))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_verbs_in_the_wrong_state_are_refused_and_change_nothing(algorithm):
    core = ALGORITHMS[algorithm](2, [1, 2, 3], generation=0, random=Random(1))
    core.start(0)
    for verb in (core.release, core.cancel):
        with pytest.raises(MisusedCore, match="while idle"):
            verb(0)
    core.acquire(0)
    for verb in (core.acquire, core.release):
        with pytest.raises(MisusedCore, match="while wanted"):
            verb(0)
    assert core.state is State.WANTED
    core.cancel(0)
    assert core.state is State.IDLE


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_double_release_is_refused(algorithm):
    core = ALGORITHMS[algorithm](1, [1], generation=0, random=Random(1))
    core.start(0)
    core.acquire(0)
    core.release(0)
    with pytest.raises(MisusedCore, match="release while idle: only while held"):
        core.release(0)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("state", State)
def test_nothing_a_peer_or_a_stranger_sends_makes_a_core_raise(algorithm, state):
    most = (1 << 64) - 1
    frames = [
        *(
            kind(number)
            for kind in (Request, Vote, Inquire, Yield, BallotReturn)
            for number in (0, most)
        ),
        *(kind(most, most) for kind in (Release, Withdraw, Stale, Permission, Ballot, RingToken)),
        *(Grant(most, 1), Denied(most, 3), BallotAnswer(most, 9, most)),
        *(BroadcastToken(most, (0,), ()), BroadcastToken(most, (0, 0, 0), (1,))),
        *(BroadcastToken(0, (0, 0, 0), (7,)), Stale(0, 0)),
    ]
    for me in (1, 3):
        for frame in frames:
            members = [1, 2, 3] if state is not State.HELD else [me]
            core = ALGORITHMS[algorithm](me, members, generation=0, random=Random(1))
            core.start(0)
            if state is not State.IDLE:
                core.acquire(0)
            for sender in (2, 9, "who"):
                converse(core, hear(sender, frame), whatever())


def test_the_coordinator_denies_by_silence_and_grants_when_it_is_free():
    converse(
        CentralMutex(1, [1, 2, 3]),
        hear(2, Request(1)),
        expect(Send(2, Grant(1, 1))),
        hear(3, Request(1)),
        hear(2, Release(1, 0)),
        expect(Send(3, Grant(1, 2))),
    )


def test_a_coordinator_that_tells_says_who_waits_behind_whom():
    converse(
        CentralMutex(1, [1, 2, 3], tells=True),
        do("acquire"),
        expect(Notify(Granted(1))),
        hear(3, Request(1)),
        expect(Send(3, Denied(1, 1))),
    )
    converse(
        CentralMutex(3, [1, 2, 3]),
        do("acquire"),
        expect(Send(1, Request(1))),
        hear(1, Denied(1, 1)),
        expect(Notify(Waiting(1))),
        hear(1, Grant(1, 2)),
        expect(Notify(Granted(2))),
    )


def test_a_grant_of_a_request_that_was_cancelled_is_no_grant():
    converse(
        CentralMutex(2, [1, 2]),
        do("acquire"),
        expect(Send(1, Request(1))),
        do("cancel"),
        expect(Send(1, Withdraw(1, 0))),
        do("acquire"),
        expect(Send(1, Request(2))),
        hear(1, Grant(1, 5)),
        hear(1, Grant(2, 6)),
        expect(Notify(Granted(6))),
    )


def test_only_the_coordinator_can_grant():
    converse(CentralMutex(2, [1, 2, 3]), do("acquire"), whatever(), hear(3, Grant(1, 1)))


def test_ricart_and_agrawala_enter_with_everybodys_ok_and_defer_their_own():
    token = fencing_token(0, 1 << 8)
    converse(
        RicartAgrawalaMutex(1, [1, 2, 3]),
        do("acquire"),
        expect(Send(2, Request(1)), Send(3, Request(1))),
        hear(2, Request(1)),  # the same time: the lower place comes first
        hear(2, Permission(1, 2)),
        hear(3, Permission(1, 2)),
        expect(Notify(Granted(token))),
        hear(3, Request(9)),
        do("release"),
        expect(Send(2, Permission(1, 11)), Send(3, Permission(9, 11))),
    )


def test_an_ok_that_answers_an_older_request_does_not_count():
    converse(
        RicartAgrawalaMutex(1, [1, 2]),
        do("acquire"),
        expect(Send(2, Request(1))),
        do("cancel"),
        do("acquire"),
        expect(Send(2, Request(3))),
        hear(2, Permission(1, 2)),
        hear(2, Permission(3, 5)),
        expect(Notify(Granted(3 << 8))),
    )


def test_lamports_queue_is_entered_only_when_something_later_was_heard_from_all():
    converse(
        LamportQueueMutex(2, [1, 2, 3]),
        do("acquire"),
        expect(Send(1, Request(1)), Send(3, Request(1))),
        hear(3, Permission(1, 2)),
        hear(1, Request(1)),  # of an equal time and a lower place: it goes first
        expect(Send(1, Permission(1, 4))),
        hear(1, Permission(1, 3)),
        hear(1, Release(1, 6)),
        expect(Notify(Granted(1 << 8 | 1))),
        do("release"),
        expect(Send(1, Release(1, 8)), Send(3, Release(1, 8))),
    )


def three_voters(resolves):
    """Three members that ask at once; everybody has voted for itself. Cores, and what they sent."""
    cores = {me: MajorityMutex(me, [1, 2, 3], resolves=resolves) for me in (1, 2, 3)}
    wire = [(me, send) for me, core in cores.items() for send in core.acquire(0)]
    return cores, wire


def deliver(cores, wire):
    """Deliver everything until nothing is under way."""
    while wire:
        sender, send = wire.pop(0)
        if isinstance(send, Send):
            said = converse_one(cores[send.to], sender, send.frame)
            wire += [(send.to, effect) for effect in said]


def converse_one(core, sender, frame):
    return core._hear(sender, frame, 0)


def test_the_majority_form_as_taught_ends_in_a_deadlock():
    cores, wire = three_voters(resolves=False)
    deliver(cores, wire)
    assert [core.state for core in cores.values()] == [State.WANTED] * 3
    assert [core.votes for core in cores.values()] == [{1}, {2}, {3}]


def test_asking_votes_back_resolves_the_deadlock_and_all_get_in_by_their_time():
    cores, wire = three_voters(resolves=True)
    order = []
    for _ in range(3):
        deliver(cores, wire)
        [holder] = [me for me, core in cores.items() if core.state is State.HELD]
        order.append(holder)
        wire += [(holder, send) for send in cores[holder].release(0)]
    assert order == [1, 2, 3]


def test_a_request_that_comes_after_a_later_one_was_served_is_stale():
    core = MajorityMutex(1, [1, 2, 3])
    converse(
        core,
        hear(2, Request(8)),
        expect(Send(2, Vote(8))),
        hear(2, Release(8, 0)),
        hear(3, Request(5)),
        expect(Send(3, Stale(5, 8))),
    )
    converse(
        MajorityMutex(3, [1, 2, 3]),
        do("acquire"),
        expect(Send(1, Request(1)), Send(2, Request(1))),
        hear(1, Stale(1, 8)),
        expect(
            *(Send(to, Withdraw(1, 0)) for to in (1, 2)), *(Send(to, Request(9)) for to in (1, 2))
        ),
    )


def test_the_ring_token_goes_on_at_once_or_rests_and_who_asks_meanwhile_enters():
    converse(
        TokenRingMutex(1, [1, 2]),
        begin(),
        expect(Send(2, RingToken(1, 0))),
        hear(2, RingToken(2, 7)),
        expect(Send(2, RingToken(3, 7))),
        hear(2, RingToken(2, 7)),  # an old one: there is one token
    )
    converse(
        TokenRingMutex(1, [1, 2], rest_ns=MILLISECOND),
        begin(),
        expect(SetTimer(REST, MILLISECOND)),
        do("acquire"),
        expect(CancelTimer(REST), Notify(Granted(1))),
        do("release"),
        expect(Send(2, RingToken(1, 1))),
        hear(2, RingToken(2, 4)),
        expect(SetTimer(REST, MILLISECOND)),
        tick(REST),
        expect(Send(2, RingToken(3, 4))),
    )


def test_the_broadcast_token_is_asked_for_kept_and_handed_on():
    converse(
        SuzukiKasamiMutex(1, [1, 2, 3]),
        do("acquire"),
        expect(Notify(Granted(1))),
        hear(2, Request(1)),
        hear(3, Request(1)),
        do("release"),
        expect(Send(2, BroadcastToken(1, (1, 0, 0), (2,)))),
        do("acquire"),
        expect(Send(2, Request(2)), Send(3, Request(2))),
    )


def test_a_cancelled_request_for_the_broadcast_token_serves_the_next_one():
    converse(
        SuzukiKasamiMutex(2, [1, 2]),
        do("acquire"),
        expect(Send(1, Request(1))),
        do("cancel"),
        do("acquire"),  # the first request is still under way: no second one
        hear(1, BroadcastToken(3, (1, 0), ())),
        expect(Notify(Granted(4))),
        do("release"),
        do("acquire"),
        expect(Notify(Granted(5))),
    )


CONFIG = VotingConfig(timeout_ns=50, backoff_ns=10, lease_ns=1000)


def client(config=CONFIG):
    """A client, 4, of the coordinators 1 to 3."""
    return VotingMutex(4, [1, 2, 3, 4], random=Random(1), coordinators=[1, 2, 3], config=config)


def asked(core):
    """Whom an attempt asks."""
    return [effect.to for effect in core.acquire(0) if isinstance(effect, Send)]


def answer(core, voter, verdict, highest=0, attempt=1):
    return core._hear(voter, BallotAnswer(attempt, verdict, highest), 0)


def test_a_majority_of_votes_lets_in_and_the_votes_go_back():
    core = client()
    one, two = asked(core)
    assert answer(core, one, GRANTED) == []
    assert answer(core, two, GRANTED) == [CancelTimer(Timer.TIMEOUT), Notify(Granted(1 << 8 | 3))]
    returned = [effect for effect in core.release(0) if isinstance(effect, Send)]
    assert returned == [Send(one, BallotReturn(1)), Send(two, BallotReturn(1))]


def test_one_denial_gives_the_other_votes_back_and_tries_again_later():
    core = client()
    one, two = asked(core)
    answer(core, one, GRANTED)
    effects = answer(core, two, DENIED)
    assert Send(one, BallotReturn(1)) in effects
    assert Send(two, BallotReturn(1)) not in effects
    assert [effect.timer for effect in effects if isinstance(effect, SetTimer)] == [Timer.RETRY]
    again = core.on_timer(Timer.RETRY, 0)
    assert core.attempts == 2
    assert any(isinstance(effect, Send) for effect in again)


def test_a_silent_coordinator_is_a_denial_and_its_vote_is_undone():
    core = client()
    one, two = asked(core)
    answer(core, one, GRANTED)
    effects = core.on_timer(Timer.TIMEOUT, 0)
    assert {effect.to for effect in effects if isinstance(effect, Send)} == {one, two}
    assert answer(core, two, GRANTED) == [], "too late"
    assert core.state is State.WANTED


def test_a_vote_for_a_token_that_is_too_low_is_asked_again_for_a_higher_one():
    core = client()
    one, two = asked(core)
    answer(core, one, GRANTED)
    effects = answer(core, two, BEHIND, highest=77 << 8 | 1)
    ballots = [effect.frame for effect in effects if isinstance(effect, Send)]
    assert ballots == [Ballot(2, 78 << 8 | 3)] * 2
    answer(core, one, GRANTED, attempt=2)
    assert answer(core, two, GRANTED, attempt=2)[-1] == Notify(Granted(78 << 8 | 3))


def test_votes_with_a_lease_run_out_at_the_holder_before_they_do_at_the_voters():
    core = client()
    one, two = asked(core)
    answer(core, one, GRANTED)
    answer(core, two, GRANTED)
    effects = core.on_timer(Timer.LEASE, 900)
    assert effects[0] == Notify(Lost(core.token, "the votes' lease has run out"))
    assert core.state is State.IDLE
    voter = VotingMutex(1, [1, 4], random=Random(1), config=CONFIG)
    converse(
        voter,
        hear(4, Ballot(1, 5)),
        expect(SetTimer(Timer.VOTE, 1000), Send(4, BallotAnswer(1, GRANTED, 5))),
        tick(Timer.VOTE),
    )
    assert voter.voted is None


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: CentralMutex(1, []), "1 to 256 members, not 0"),
        (lambda: CentralMutex(1, [2, 3]), "1 is not among the members 2, 3"),
        (lambda: CentralMutex(1, [1, 1]), "named twice"),
        (lambda: CentralMutex(1, [1, 1 << 16]), "not in 0 to 65535"),
        (lambda: TokenRingMutex(1, [1], rest_ns=-1), "rest_ns"),
        (lambda: VotingMutex(1, [1], random=Random(1), coordinators=[2]), "2 is no member"),
        (lambda: VotingConfig(timeout_ns=10, lease_ns=10), "must exceed timeout_ns"),
        (lambda: VotingConfig(backoff_ns=0), "above 0"),
        (
            lambda: VotingMutex(1, [1, 2, 3, 4], random=Random(1), config=VotingConfig(votes=2)),
            "more than half",
        ),
    ],
)
def test_impossible_settings_are_named(make, says):
    with pytest.raises(BadConfig, match=says):
        make()
