"""Voting when coordinators forget: exclusion is lost only if at least 2m - n of the voters do."""

from itertools import combinations

import pytest

from clocksync.runtime.simulation import Constant, Link, World
from clocksync.runtime.units import MILLISECOND, SECOND
from ordering.mutex import FencedResource, StaleToken, State, VotingConfig, VotingMutex
from ordering.mutex.frames import MutexCodec


def group(n: int, m: int, seed: int = 0, lease_ns: int = 0) -> World:
    """n coordinators and two clients, of which the first one is inside."""
    config = VotingConfig(
        votes=m, timeout_ns=10 * MILLISECOND, backoff_ns=2 * MILLISECOND, lease_ns=lease_ns
    )
    link = Link(delay=Constant(MILLISECOND), in_order=True)
    world = World(seed, codec=MutexCodec(), link=link)
    members = list(range(1, n + 3))

    def program(boot):
        return VotingMutex(
            boot.address, members, random=boot.random, coordinators=members[:n], config=config
        )

    for me in members:
        world.add(me, program)
    world.call(n + 1, lambda core, now: core.acquire(now), "acquire")
    assert world.run_until(lambda: is_inside(world, n + 1), SECOND)
    return world


def is_inside(world: World, who: int) -> bool:
    return world.node(who).core.state is State.HELD


def voters(world: World, n: int) -> list[int]:
    return [who for who in range(1, n + 1) if world.node(who).core.voted is not None]


@pytest.mark.parametrize(("n", "m"), [(3, 2), (4, 3), (5, 3), (5, 4), (6, 4)])
def test_a_second_client_gets_in_exactly_when_2m_minus_n_voters_forget(n: int, m: int) -> None:
    for count in range(m + 1):
        world = group(n, m)
        for who in next(combinations(voters(world, n), count)):
            world.crash(who, keep_storage=False)
            world.restart(who)
        world.call(n + 2, lambda core, now: core.acquire(now), "acquire")
        both = world.run_until(lambda world=world: is_inside(world, n + 2), world.now + 20 * SECOND)
        assert both == (count >= 2 * m - n), f"{count} of {m} voters forgot"


def test_the_second_client_need_not_have_the_higher_token_then() -> None:
    """Who forgets its vote forgets the tokens too: fencing stands and falls with the majority."""
    world = group(3, 2)
    for who in voters(world, 3):
        world.crash(who, keep_storage=False)
        world.restart(who)
    world.call(5, lambda core, now: core.acquire(now), "acquire")
    assert world.run_until(lambda: is_inside(world, 5), world.now + 20 * SECOND)
    assert world.node(5).core.token >> 8 == world.node(4).core.token >> 8


def test_a_dead_holder_blocks_without_a_lease_and_with_one_only_as_long() -> None:
    for lease_ns, goes_on in ((0, False), (100 * MILLISECOND, True)):
        world = group(3, 2, lease_ns=lease_ns)
        world.crash(4)
        world.call(5, lambda core, now: core.acquire(now), "acquire")
        limit_ns = world.now + 5 * SECOND
        assert world.run_until(lambda world=world: is_inside(world, 5), limit_ns) == goes_on


def test_a_paused_holder_overlaps_after_its_lease_and_its_token_is_refused() -> None:
    world, resource = group(3, 2, lease_ns=100 * MILLISECOND), FencedResource()
    old = world.node(4).core.token
    resource.check(old)
    world.pause(4)
    world.call(5, lambda core, now: core.acquire(now), "acquire")
    assert world.run_until(lambda: is_inside(world, 5), world.now + 5 * SECOND)
    assert is_inside(world, 4), "it stands still, and believes what it believed"
    resource.check(world.node(5).core.token)
    with pytest.raises(StaleToken):
        resource.check(old)
    world.resume(4)
    world.run_for(MILLISECOND)
    assert not is_inside(world, 4), "it finds out as soon as its timer runs"


def test_dead_coordinators_up_to_n_minus_m_cost_attempts_and_nothing_else() -> None:
    world = group(5, 3)
    world.call(6, lambda core, now: core.release(now), "release")
    world.run_for(10 * MILLISECOND)
    for who in (1, 2):
        world.crash(who)
    world.call(7, lambda core, now: core.acquire(now), "acquire")
    assert world.run_until(lambda: is_inside(world, 7), world.now + 20 * SECOND)
    world.call(7, lambda core, now: core.release(now), "release")
    world.crash(3)
    world.call(7, lambda core, now: core.acquire(now), "acquire")
    assert not world.run_until(lambda: is_inside(world, 7), world.now + 5 * SECOND)
