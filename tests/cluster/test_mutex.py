"""Mutual exclusion in simulation: a few hundred schedules, and what each mode can and cannot do."""

from collections import Counter

import pytest

from clocksync.runtime.simulation import Constant, Link, World
from clocksync.runtime.units import MILLISECOND, SECOND
from ordering.mutex.algorithms import ALGORITHMS
from ordering.mutex.changes import Blocked, EpochBegan, Left
from ordering.mutex.contract import Granted, Lost, State
from ordering.mutex.epochs import EpochMutex
from ordering.mutex.fencing import FencedResource, StaleToken
from ordering.mutex.frames import MutexCodec
from tests.cluster.mutex_properties import check
from tests.cluster.mutex_world import EPOCHS

SEEDS = 350
PART = 50
LEASE_NS = EPOCHS.lease_ns


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, SEEDS, PART))
def test_every_property_holds_in_every_schedule(first: int) -> None:
    totals: Counter[str] = Counter()
    for seed in range(first, first + PART):
        totals.update(check(seed))
    assert totals["schedules"] == PART
    assert totals["entries"] > PART
    assert all(totals[algorithm] for algorithm in ALGORITHMS)


def group(algorithm: str = "central", members: int = 3) -> World:
    """Members of one epoch, a millisecond apart, that have their leases."""
    world = World(1, codec=MutexCodec(), link=Link(delay=Constant(MILLISECOND), in_order=True))
    numbers = list(range(1, members + 1))
    for me in numbers:
        world.add(me, lambda boot, me=me: member(me, numbers, algorithm, boot))
    world.run_for(10 * MILLISECOND)
    return world


def member(me, numbers, algorithm, boot, joins=False):
    make = ALGORITHMS[algorithm]
    return EpochMutex(me, numbers, make, random=boot.random, config=EPOCHS, joins=joins)


def ask(world: World, who: int, verb: str = "acquire") -> None:
    world.call(who, lambda core, now: getattr(core, verb)(now), verb)


def told(world: World, who: int, kind: type) -> list:
    return [event for event in world.events(who) if isinstance(event, kind)]


def enter(world: World, who: int) -> int:
    """`who` enters; its token."""
    before = len(told(world, who, Granted))
    ask(world, who)
    assert world.run_until(lambda: len(told(world, who, Granted)) > before, world.now + 5 * SECOND)
    return told(world, who, Granted)[-1].fencing_token


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_holder_that_dies_is_followed_by_another_in_the_next_epoch(algorithm: str) -> None:
    world = group(algorithm, 4)
    first = enter(world, 1)
    world.crash(1)
    second = enter(world, 3)
    assert (first >> 44, second >> 44) == (1, 2)
    assert world.node(3).core.members == (2, 3, 4)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_minority_blocks_and_says_so_and_goes_on_when_it_is_healed(algorithm: str) -> None:
    world = group(algorithm)
    world.partition([3], [1], [2])
    world.run_for(2 * LEASE_NS)
    for who in (1, 2, 3):
        ask(world, who)
    world.run_for(20 * LEASE_NS)
    assert not any(told(world, who, Granted) for who in (1, 2, 3))
    assert all("no majority of 3" in str(told(world, who, Blocked)[0]) for who in (1, 2, 3))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_holder_that_is_cut_off_loses_its_grant_before_the_others_go_on(algorithm: str) -> None:
    world = group(algorithm)
    first = enter(world, 2)
    world.partition([2])
    ask(world, 3)
    assert world.run_until(lambda: bool(told(world, 2, Lost)), world.now + 2 * LEASE_NS)
    assert not told(world, 3, Granted)
    assert world.run_until(lambda: bool(told(world, 3, Granted)), world.now + 20 * LEASE_NS)
    assert told(world, 3, Granted)[0].fencing_token > first
    ask(world, 3, "release")
    world.heal()
    assert enter(world, 2) > first, "it is let in again by itself"
    assert told(world, 2, EpochBegan)[-1].members[-1] == 2


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_paused_holder_can_overlap_and_its_token_is_refused(algorithm: str) -> None:
    world, resource = group(algorithm), FencedResource()
    old = enter(world, 2)
    resource.check(old)
    world.pause(2)
    new = enter(world, 3)
    assert world.node(2).core.state is State.HELD, "both believe they are inside"
    assert world.node(3).core.state is State.HELD
    resource.check(new)
    world.resume(2)  # it acts before it looks at its clock
    with pytest.raises(StaleToken, match="another holder entered"):
        resource.check(old)
    resource.check(new)
    world.run_for(2 * LEASE_NS)
    assert told(world, 2, Lost), "it finds out as soon as it looks"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_an_orderly_change_waits_for_the_holder(algorithm: str) -> None:
    world = group(algorithm)
    enter(world, 1)
    ask(world, 2, "leave")
    world.run_for(20 * LEASE_NS)
    assert not told(world, 1, Lost)
    assert len(told(world, 1, EpochBegan)) == 1, "the next epoch does not begin over its head"
    ask(world, 1, "release")
    assert world.run_until(lambda: bool(told(world, 2, Left)), world.now + 20 * LEASE_NS)
    world.run_for(LEASE_NS)
    assert told(world, 3, EpochBegan)[-1].members == (1, 3)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_newcomer_is_let_in_at_an_epoch_and_takes_part(algorithm: str) -> None:
    world = group(algorithm)
    before = enter(world, 1)
    ask(world, 1, "release")
    world.add(4, lambda boot: member(4, [1, 2, 3], algorithm, boot, joins=True))
    assert enter(world, 4) > before
    ask(world, 4, "release")
    world.run_for(LEASE_NS)
    assert {world.node(who).core.members for who in (1, 2, 3, 4)} == {(1, 2, 3, 4)}
    assert enter(world, 2) > before


def test_members_that_all_leave_all_get_away() -> None:
    world = group(members=3)
    for who in (1, 2, 3):
        ask(world, who, "leave")
    everybody_left = lambda: all(told(world, who, Left) for who in (1, 2, 3))  # noqa: E731
    assert world.run_until(everybody_left, world.now + 40 * LEASE_NS)


def test_the_coordinator_that_dies_is_replaced_and_waiting_requests_are_served() -> None:
    world = group(members=5)
    enter(world, 2)
    for who in (3, 4, 5):
        ask(world, who)
    world.run_for(5 * MILLISECOND)
    world.crash(1)
    ask(world, 2, "release")
    for _ in range(3):
        served = {who for who in (3, 4, 5) if told(world, who, Granted)}
        assert world.run_until(
            lambda served=served: any(told(world, w, Granted) for w in {3, 4, 5} - served),
            world.now + 5 * SECOND,
        )
        inside = [who for who in (3, 4, 5) if world.node(who).core.state is State.HELD]
        assert len(inside) == 1
        ask(world, inside[0], "release")
    assert world.node(5).core.members == (2, 3, 4, 5)


def test_a_proposer_that_dies_is_followed_by_another() -> None:
    world = group(members=5)
    world.crash(5)
    world.run_for(EPOCHS.silence_ns + 2 * MILLISECOND)
    world.call(1, lambda core, now: core._propose_if_needed(now), "propose")
    world.run_for(3 * MILLISECOND // 2)  # its question has arrived, and no answer
    world.crash(1)
    assert all(world.node(who).core._agreement.proposer == 1 for who in (2, 3, 4))
    enter(world, 3)
    assert world.node(3).core.members == (2, 3, 4)


def test_two_proposers_at_once_make_one_epoch() -> None:
    world = group(members=5)
    world.crash(4)
    world.run_for(EPOCHS.silence_ns)
    for who in (1, 2, 3):  # all of them at the same instant
        world.call(who, lambda core, now: core._propose_if_needed(now), "propose")
    world.run_for(20 * LEASE_NS)
    epochs = {
        (e.generation, e.members) for who in (1, 2, 3, 5) for e in told(world, who, EpochBegan)
    }
    assert len({generation for generation, _ in epochs}) == len(epochs), "one membership each"
    assert world.node(5).core.members == (1, 2, 3, 5)
