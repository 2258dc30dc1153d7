"""Hosts that keep their clocks together, in simulation, judged by a checker that knows the time."""

from dataclasses import replace

import pytest

from clocksync.berkeley import BerkeleyHost, Obeyed
from clocksync.runtime.units import MILLISECOND, SECOND
from tests.cluster import berkeley_world
from tests.cluster.berkeley_world import KINDS, LIES, Group, Scenario, day, draw, play


@pytest.mark.slow
@pytest.mark.parametrize("first", [0, 1000])
def test_no_host_is_further_from_its_group_than_it_says(first: int) -> None:
    counts = sum(
        (berkeley_world.check(seed) for seed in range(first, first + 8)),
        start=berkeley_world.Counter(),
    )
    assert counts["looks inside the bound"] > 6_000
    assert counts["rounds"] > 150


@pytest.mark.parametrize("kind", KINDS)
def test_each_trouble_is_survived(kind: str) -> None:
    found = next(draw(seed) for seed in range(500) if draw(seed).kind == kind)
    play(replace(found, duration_ns=24 * SECOND, interval_ns=SECOND))


@pytest.mark.parametrize("lie", LIES)
def test_one_liar_of_five_moves_nobody_out_of_its_bound(lie: str) -> None:
    played = play(Scenario(5, "calm", 5, ((3, lie),), SECOND, 24 * SECOND, 0))
    assert played.counts["looks inside the bound"] > 500
    assert played.worst_error_ns < 10 * MILLISECOND


@pytest.mark.slow
def test_over_a_day_with_steps_and_a_liar_every_clock_is_inside_its_bound() -> None:
    played = day(3, interval_ns=128 * SECOND)
    assert played.counts["looks inside the bound"] > 30_000
    assert played.counts["steps"] == 3


def test_an_adjustment_is_followed_no_further_than_a_member_allows() -> None:
    scenario = Scenario(1, "calm", 3, (), SECOND, 20 * SECOND, 2 * SECOND)
    group = Group(scenario, max_adjust_ns=MILLISECOND)
    group.world.run(20 * SECOND)
    steps = [told.event.adjustment for told in group.world.told if isinstance(told.event, Obeyed)]
    assert len(steps) > 10
    assert max(map(abs, steps)) == MILLISECOND


def test_a_run_is_the_same_every_time() -> None:
    one, other = (play(Scenario(9, "lossy", 4, (), SECOND, 12 * SECOND)) for _ in range(2))
    assert one.world.told == other.world.told
    assert isinstance(one.world.node(1).core, BerkeleyHost)
