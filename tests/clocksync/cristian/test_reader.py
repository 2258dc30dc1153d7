"""Cristian's reader in simulation: what it reads is inside its bound, whatever the network does."""

from collections.abc import Iterator
from random import Random

import pytest

from clocksync.cristian import CristianReader, CristianSettings
from clocksync.cristian.reader import Failed, Read, Stepped
from clocksync.cristian.reading import Reading, TooFast, proven, shortened
from clocksync.cristian.sources import PeerSource
from clocksync.meshing.agent import Agent
from clocksync.ntp.estimate import Estimate
from clocksync.ntp.sample import Sample
from clocksync.runtime.core import StampSource
from clocksync.runtime.errors import BadConfig
from clocksync.runtime.simulation import Constant, Link, Pareto, World
from clocksync.runtime.units import MICROSECOND, MILLISECOND, SECOND

US, MS = MICROSECOND, MILLISECOND
ASYMMETRIC = Link(delay=Pareto(MS, 100 * US, 1.5)), Link(delay=Pareto(1200 * US, 100 * US, 1.5))


def world_of(seed: int, follows: bool = False, links=ASYMMETRIC, **settings):
    settings = {"within_ns": 1150 * US, "max_drift_ppm": 110.0, **settings}
    world, random = World(seed=seed), Random(seed)
    core = CristianReader(PeerSource(1, 1000), CristianSettings(**settings), Random(seed), follows)
    for number, program in ((1, Agent(1, Random("agent"))), (2, core)):
        offset = random.randint(-3 * SECOND, 3 * SECOND)
        world.add(number, program, offset_ns=offset, rate_ppm=random.uniform(-50, 50))
        world.wander(number, 60 * SECOND, 5.0, 50.0)
    world.link(2, 1, links[0])
    world.link(1, 2, links[1])
    return world, core


def truth(world: World) -> int:
    return world.node(1).wall.read() - world.node(2).wall.read()


@pytest.mark.parametrize("seed", range(20))
def test_a_reading_holds_the_truth_and_ends_once_the_bound_is_reached(seed: int) -> None:
    world, core = world_of(seed)
    world.run_until(lambda: core.reading is not None, 60 * SECOND)
    reading = core.reading
    assert isinstance(reading, Reading)
    assert truth(world) in reading.interval
    assert abs(truth(world) - reading.offset_ns) <= reading.error_bound_ns
    if reading.is_within:
        assert reading.error_bound_ns <= 1150 * US
        assert reading.attempts <= 20
    else:
        assert reading.attempts == 20


def test_a_bound_below_half_the_least_round_trip_is_never_reached_and_the_best_is_told() -> None:
    world, _ = world_of(3, within_ns=900 * US, attempts=7)
    world.run(60 * SECOND)
    (event,) = [e for e in world.events(2) if isinstance(e, Read)]
    assert not event.reading.is_within
    assert (event.reading.attempts, event.reading.answered) == (7, 14)
    assert 1100 * US < event.reading.error_bound_ns < 2 * MS


def test_a_known_least_delay_makes_the_bound_smaller_by_as_much() -> None:
    bounds = {}
    for least in (0, 900 * US):
        world, core = world_of(3, within_ns=1, attempts=5, min_delay_ns=least)
        world.run(60 * SECOND)
        assert core.reading is not None
        bounds[least] = core.reading.error_bound_ns
    assert bounds[0] - bounds[900 * US] == pytest.approx(900 * US, abs=2 * US)


def test_a_least_delay_that_is_none_is_found_out() -> None:
    world, core = world_of(3, min_delay_ns=5 * MS)
    world.run(60 * SECOND)
    (event,) = [e for e in world.events(2) if isinstance(e, Failed)]
    assert "that is no minimum" in event.why
    assert core.reading is None


def test_who_does_not_answer_is_asked_ever_less_often_and_then_given_up() -> None:
    world, _ = world_of(3, attempts=9, timeout_ns=SECOND)
    world.cut(2, 1)
    world.run(300 * SECOND)
    (told,) = [t for t in world.told if isinstance(t.event, Failed)]
    assert told.event == Failed("no answer to 9 questions", 9)
    # A stranger may only have to be made acquaintance with: 50, 100, 200 ms, and so on.
    assert told.time == pytest.approx((1 + 2 + 4 + 6 * 8) * 50 * MS, rel=0.01)


def test_loss_costs_attempts_and_never_truth() -> None:
    lossy = tuple(Link(delay=link.delay, loss=0.4, duplicate=0.2) for link in ASYMMETRIC)
    for seed in range(10):
        world, core = world_of(seed, links=lossy, attempts=60)
        world.run_until(lambda core=core: core.reading is not None, 200 * SECOND)
        assert core.reading is not None
        assert truth(world) in core.reading.interval


def look(world: World, core: CristianReader, every_ns: int, until_ns: int) -> Iterator[int]:
    """Follow, and hold the steered clock against the truth; yields its bounds."""
    shown = None
    while world.now < until_ns:
        world.run_for(every_ns)
        own, remote = world.node(2).wall.read(), world.node(1).wall.read()
        reading, bound, interval = core.read(own), core.error_bound(own), core.remote(own)
        assert shown is None or reading >= shown, "the steered clock went back"
        shown = reading
        if bound is None or interval is None:
            continue
        assert remote in interval
        assert abs(reading - remote) <= bound
        if not core.steering.pending(own):
            yield bound


@pytest.mark.slow
def test_over_a_day_the_steered_clock_is_inside_its_bound_at_all_times() -> None:
    world, core = world_of(11, follows=True, within_ns=20 * MS, interval_ns=SECOND)
    bounds = sorted(look(world, core, 7 * SECOND, 86_400 * SECOND))
    assert len(bounds) > 12_000
    assert bounds[-1] <= 20 * MS, "and what was asked for was kept"
    assert core.total_attempts < 2500, "at no greater pace than drift asks for"


def test_a_clock_that_was_set_is_noticed_at_the_next_reading_and_followed_without_a_step() -> None:
    world, core = world_of(4, follows=True, within_ns=5 * MS)
    list(look(world, core, SECOND, 60 * SECOND))
    world.step_wall(1, 2 * SECOND)
    world.run_until(lambda: core.steps > 0, 200 * SECOND)
    assert [e.gap_ns > SECOND for e in world.events(2) if isinstance(e, Stepped)] == [True]
    assert list(look(world, core, SECOND, world.now + 60 * SECOND)), "it has come there"


def test_a_round_trip_is_split_by_what_each_way_takes_at_least() -> None:
    sample = Sample(1000, 5600, 5700, 2300, 7, 9, 1, StampSource.KERNEL, True)
    proof = proven([sample], 2300, 500, 0.001)
    assert isinstance(proof, Estimate)
    assert proof.offset_ns == 4000
    assert 100 <= proof.error_bound_ns <= 104
    assert shortened(sample, 0).root_distance_ns == 0
    assert isinstance(proven([sample], 2300, 700, 500.0), TooFast)
    assert proven([], 0, 0, 500.0) is None


def test_how_many_attempts_it_takes_is_what_the_paper_says() -> None:
    """Section 4: with p the chance that a round trip is too long, 1 / (1 - p) on average."""
    taken, too_long, asked = [], 0, 0
    links = (Link(delay=Constant(MS)), Link(delay=Pareto(MS, 300 * US, 1.5)))
    draws = Random(5)
    for _ in range(20_000):
        asked += 1
        too_long += (MS + links[1].delay.draw(draws)) / 2 > 1100 * US
    for seed in range(200):
        # So far apart that an attempt is one question, and that earlier ones are of no use.
        settings = {"within_ns": 1100 * US, "interval_ns": 20 * SECOND, "attempts": 500}
        world, core = world_of(seed, links=links, **settings)
        assert world.run_until(lambda core=core: core.reading is not None, 10_000 * SECOND)
        taken.append(core.reading.attempts)
    expected = 1 / (1 - too_long / asked)
    assert sum(taken) / len(taken) == pytest.approx(expected, rel=0.25)
    assert expected > 1.8


@pytest.mark.parametrize(
    "setting",
    [{"within_ns": 0}, {"attempts": 0}, {"interval_ns": -1}, {"timeout_ns": 0},
     {"min_delay_ns": -1}, {"max_drift_ppm": 0.0}],
)  # fmt: skip
def test_settings_that_cannot_be_are_refused(setting) -> None:
    with pytest.raises(BadConfig):
        CristianSettings(**{"within_ns": 1000, **setting})
