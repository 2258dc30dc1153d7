"""Elections: the highest that is alive leads, and everybody alive agrees on it."""

from random import Random

import pytest

from clocksync.runtime.core import CancelTimer, Notify, Send, SetTimer
from clocksync.runtime.errors import BadConfig, MalformedFrame
from clocksync.runtime.simulation import Link, Uniform, World
from clocksync.runtime.units import MILLISECOND, SECOND
from ordering.election import BullyElection, Elected, ElectionCodec, RingElection
from ordering.election.bully import Timer
from ordering.election.frames import Alive, Challenge, Passed, Proclamation, Roll, Victory
from tests.playbook import converse, do, expect, hear, tick

ELECTIONS = [BullyElection, RingElection]
ANSWER_NS = 20 * MILLISECOND


def group(kind, members, seed=0):
    link = Link(delay=Uniform(100_000, 5 * MILLISECOND), in_order=True)
    world = World(seed, codec=ElectionCodec(), link=link)
    for me in members:
        world.add(me, kind(me, members, answer_ns=ANSWER_NS))
    return world


def elect(world, who):
    world.call(who, lambda core, now: core.elect(now), "elect")


def leaders(world, members):
    return {world.node(member).core.leader for member in members}


@pytest.mark.parametrize("kind", ELECTIONS)
@pytest.mark.parametrize("seed", range(40))
def test_everybody_alive_agrees_on_the_highest_that_is_alive(kind, seed):
    random = Random(seed)
    members = random.sample(range(1, 100), random.randint(1, 6))
    dead = random.sample(members, random.randrange(len(members)))
    alive = [member for member in members if member not in dead]
    world = group(kind, members, seed)
    world.run_for(MILLISECOND)
    for member in dead:
        world.crash(member)
    for member in random.sample(alive, random.randint(1, len(alive))):
        elect(world, member)
    assert world.run_quiet(world.now + 60 * SECOND)
    assert leaders(world, alive) == {max(alive)}


@pytest.mark.parametrize("kind", ELECTIONS)
@pytest.mark.parametrize("seed", range(20))
def test_a_member_that_dies_during_an_election_does_not_end_up_leading(kind, seed):
    random, members = Random(seed), [3, 1, 4, 5, 2]
    world = group(kind, members, seed)
    elect(world, 2)
    world.after(random.randrange(8 * MILLISECOND), lambda: world.crash(5))
    world.run_for(30 * SECOND)
    elect(world, 1)  # somebody misses the dead leader in the end
    assert world.run_quiet(world.now + 60 * SECOND)
    assert leaders(world, [1, 2, 3, 4]) == {4}


@pytest.mark.parametrize("kind", ELECTIONS)
def test_two_sides_of_a_partition_elect_a_leader_each(kind):
    """Why an election alone makes nothing safe: see ordering.mutex.epochs."""
    world = group(kind, [1, 2, 3, 4, 5])
    world.partition([1, 2], [3, 4, 5])
    elect(world, 1)
    elect(world, 3)
    assert world.run_quiet(60 * SECOND)
    assert leaders(world, [1, 2]) == {2}
    assert leaders(world, [3, 4, 5]) == {5}


def test_a_bully_that_comes_back_takes_over():
    world = group(BullyElection, [1, 2, 3])
    world.partition([3])
    elect(world, 1)
    world.run_for(SECOND)
    assert leaders(world, [1, 2]) == {2}
    world.heal()
    elect(world, 3)
    world.run_for(SECOND)
    assert leaders(world, [1, 2, 3]) == {3}


def test_the_second_highest_needs_a_message_to_each_other_member():
    converse(
        BullyElection(4, [1, 2, 3, 4, 5], answer_ns=ANSWER_NS),
        do("elect"),
        expect(Send(5, Challenge(1)), SetTimer(Timer.ANSWER, ANSWER_NS)),
        tick(Timer.ANSWER),
        expect(
            CancelTimer(Timer.ANSWER),
            CancelTimer(Timer.VICTORY),
            *(Send(member, Victory(4)) for member in (1, 2, 3)),
            Notify(Elected(4)),
        ),
    )


def test_a_bully_whose_better_dies_after_answering_holds_another_election():
    converse(
        BullyElection(1, [1, 2], answer_ns=ANSWER_NS),
        do("elect"),
        expect(Send(2, Challenge(1)), SetTimer(Timer.ANSWER, ANSWER_NS)),
        hear(2, Alive(1)),
        expect(CancelTimer(Timer.ANSWER), SetTimer(Timer.VICTORY, 3 * ANSWER_NS)),
        tick(Timer.VICTORY),
        expect(Send(2, Challenge(2)), SetTimer(Timer.ANSWER, ANSWER_NS)),
    )


def test_strangers_and_answers_to_nothing_are_ignored():
    converse(
        BullyElection(1, [1, 2]),
        hear(9, Victory(9)),
        hear(2, Alive(7)),
        hear(2, Victory(9)),
    )
    converse(RingElection(1, [1, 2]), hear(2, Passed(3)), hear(2, Proclamation(1, 2, 9)))


def test_a_roll_whose_owner_is_dead_does_not_go_round_for_ever():
    ring = RingElection(1, [1, 2, 3])
    [passed] = ring._hear(2, Roll(5, (3, 1, 2)))
    assert passed == Send(2, Passed(5))


@pytest.mark.parametrize("kind", ELECTIONS)
def test_impossible_members_are_named(kind):
    for members in ([], [2], [1, 1]):
        with pytest.raises(BadConfig, match="must hold 1"):
            kind(1, members)
    with pytest.raises(BadConfig, match="answer_ns"):
        kind(1, [1], answer_ns=0)


def test_bytes_of_strangers_are_refused():
    codec = ElectionCodec()
    for data in (b"", b"\xff", b"\x00", b"\x03" + bytes(4) + b"\xff\xff"):
        with pytest.raises(MalformedFrame):
            codec.decode(data)
    with pytest.raises(ValueError, match="no frame of an election"):
        codec.encode(object())
    for frame in (Challenge(1), Roll(2, (1, 2)), Proclamation(1, 2, 3)):
        assert codec.decode(codec.encode(frame)) == frame
