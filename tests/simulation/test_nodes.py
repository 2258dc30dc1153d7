"""Clocks of simulated nodes: exact, and the same as the toolkit's own software clock."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocksync.runtime.clocks import ManualClock, SoftwareClock
from clocksync.runtime.simulation import Condition, Constant, Link, NodeOptions, World
from clocksync.runtime.simulation.nodes import Oscillator, WallClock
from clocksync.runtime.units import SECOND
from tests.simulation.actors import Listener

RATES = st.integers(-500_000_000, 500_000_000).map(lambda parts: parts / 1_000_000)


class Truth:
    now = 0


def test_a_clock_at_100_ppm_gains_100_us_in_a_second():
    world = World()
    node = world.add(1, Listener(), rate_ppm=100, monotonic_start_ns=5)
    before = node.wall.read()
    world.run(SECOND)
    assert node.monotonic.read() == 5 + SECOND + 100_000
    assert node.wall.read() - before == SECOND + 100_000


@given(RATES, RATES, st.integers(0, 10**18), st.integers(0, 10**18))
def test_the_oscillator_agrees_with_a_software_clock(first, second, early, late):
    truth, base = Truth(), ManualClock()
    oscillator = Oscillator(truth, 0, first)
    clock = SoftwareClock(base, 0, first)
    for passes, rate in ((early, second), (late, first)):
        truth.now += passes
        base.advance(passes)
        assert oscillator.read() == clock.read()
        oscillator.retune(rate)
        clock.set_rate(rate)
        assert oscillator.read() == clock.read()


@given(RATES, st.integers(0, 10**15), st.integers(0, 10**15))
def test_the_true_time_of_a_reading_is_the_first_instant_that_shows_it(rate, start, ahead):
    oscillator = Oscillator(Truth(), start, rate)
    at = oscillator.true_time_of(start + ahead)
    assert oscillator.at(at) >= start + ahead
    assert oscillator.at(at - 1) < start + ahead


@given(RATES, st.integers(-(10**12), 10**12), st.integers(0, 10**12))
def test_a_step_of_the_wall_clock_leaves_the_monotonic_one_alone(rate, step, passes):
    truth = Truth()
    oscillator = Oscillator(truth, 0, rate)
    wall = WallClock(oscillator, 10**18)
    wall.step(step)
    foretold = wall.at(passes)
    truth.now += passes
    assert wall.read() == foretold
    assert wall.read() - 10**18 == step + oscillator.read()


@given(st.integers(-(10**8), 10**8), st.integers(1, 3600))
def test_a_slew_moves_the_wall_clock_by_what_was_asked_and_ends(by, seconds):
    world = World()
    node = world.add(1, Listener())
    world.slew_wall(1, by, over_ns=seconds * SECOND)
    world.run(seconds * SECOND)
    assert node.wall.read() - world.true_wall_time == pytest.approx(by, abs=seconds + 1)
    error = node.wall.read() - world.true_wall_time
    world.run_for(SECOND)
    assert node.wall.read() - world.true_wall_time == error


def test_a_slew_moves_it_evenly():
    world = World()
    node = world.add(1, Listener())
    world.slew_wall(1, 1_000_000, over_ns=10 * SECOND)
    world.run(5 * SECOND)
    assert node.wall.read() - world.true_wall_time == 500_000


def test_timers_of_a_fast_clock_run_out_early_in_true_time():
    world = World()
    for rate in (-100_000, 0, 100_000):
        world.add(rate, Listener(), rate_ppm=rate, monotonic_start_ns=0)
        world.call(rate, lambda core, now: core.alarm("ring", 990_000))
    world.run(SECOND)
    assert [(told.node, told.time) for told in world.told] == [
        (100_000, 900_000),
        (0, 990_000),
        (-100_000, 1_100_000),
    ]
    assert {told.event for told in world.told} == {("timer", "ring", 990_000)}


def test_pending_timers_follow_a_change_of_rate():
    world = World()
    for address, rate in ((1, 1_000_000), (2, -500_000)):
        world.add(address, Listener(), monotonic_start_ns=0)
        world.call(address, lambda core, now: core.alarm("ring", 1000))
        world.at(400, lambda address=address, rate=rate: world.set_rate(address, rate))
    world.run(SECOND)
    # 400 shown; the remaining 600 pass in half the time, or in twice.
    assert [(told.node, told.time) for told in world.told] == [(1, 700), (2, 1600)]
    assert world.told[0].event == ("timer", "ring", 1000)


def test_a_step_of_the_wall_clock_moves_no_timer():
    world = World()
    world.add(1, Listener())
    world.call(1, lambda core, now: core.alarm("ring", 1000))
    world.step_wall(1, -SECOND)
    world.run(SECOND)
    assert [told.time for told in world.told] == [1000]


def test_a_rate_that_wanders_stays_within_its_bound_and_the_clock_never_goes_back():
    world = World(seed=2)
    node = world.add(1, Listener())
    world.wander(1, every_ns=1_000_000, by_ppm=10, within_ppm=25)
    rates, last = [], node.monotonic.read()
    for millisecond in range(1, 301):
        world.run(millisecond * 1_000_000)
        rates.append(node.monotonic.rate_ppm)
        assert node.monotonic.read() > last
        last = node.monotonic.read()
    assert max(map(abs, rates)) == 25
    assert len(set(rates)) > 100
    gained = node.wall.read() - world.true_wall_time
    # Each rate holds for the millisecond after it; 300 roundings of up to 1 ns.
    assert gained == pytest.approx(sum(rates[:-1]), abs=300)


def test_a_clock_that_would_run_backwards_is_refused():
    with pytest.raises(ValueError, match="runs backwards"):
        World().add(1, Listener(), rate_ppm=-1_000_000)


def test_a_paused_node_hears_later_what_arrived_and_stamps_tell_when():
    world = World(link=Link(delay=Constant(1000)))
    world.add(1, Listener())
    world.add(2, Listener())
    world.call(2, lambda core, now: core.alarm("ring", 5000))
    world.pause(2)
    world.call(1, lambda core, now: core.say(2, 1))
    world.run(50_000)
    assert world.told == []
    assert not world.call(2, lambda core, now: core.say(1, 1))
    world.resume(2)
    world.run(60_000)
    heard, rang = sorted(world.events(2), key=lambda event: isinstance(event, tuple))
    assert heard.stamp.time == world.epoch_ns + 1000
    assert rang[0] == "timer"
    assert [told.time for told in world.told] == [50_000, 50_000]


def test_a_paused_node_s_socket_overflows():
    world = World(link=Link(delay=Constant(1000)))
    world.add(1, Listener())
    world.add(2, Listener(), options=NodeOptions(backlog=3))
    world.run(0)
    world.pause(2)
    for number in range(5):
        world.call(1, lambda core, now, number=number: core.say(2, number))
    world.run(10_000)
    world.resume(2)
    world.run(20_000)
    assert [event.round for event in world.events(2)] == [0, 1, 2]
    assert world.counts.overflowed == 2


def test_a_crashed_node_forgets_and_a_restarted_one_begins_anew():
    world = World(link=Link(delay=Constant(1000)))
    boots = []

    def program(boot):
        boots.append((boot.incarnation, dict(boot.storage)))
        boot.storage["boots"] = boot.incarnation
        return Listener()

    world.add(1, Listener())
    world.add(2, program)
    world.call(2, lambda core, now: core.alarm("ring", 5000))
    world.call(1, lambda core, now: core.say(2, 1))
    world.crash(2)
    world.run(10_000)
    assert world.node(2).condition is Condition.DOWN
    assert world.told == []
    assert world.counts.down == 1
    world.restart(2)
    world.call(1, lambda core, now: core.say(2, 2))
    world.run(20_000)
    assert [event.round for event in world.events(2)] == [2]
    world.crash(2, keep_storage=False)
    world.restart(2)
    assert boots == [(1, {}), (2, {"boots": 1}), (3, {})]


def test_what_was_meant_for_a_dead_incarnation_does_not_reach_the_next():
    options = NodeOptions(latency=Constant(500))
    world = World(link=Link(delay=Constant(1000)))
    world.add(1, lambda boot: Listener(), options=options)
    world.add(2, Listener())
    world.refuse("nobody")
    world.call(1, lambda core, now: core.say("nobody", 1, "stamp and refusal come later"))
    world.call(1, lambda core, now: core.alarm("ring", 2000))
    world.call(2, lambda core, now: core.say(1, 1))
    world.at(400, lambda: (world.crash(1), world.restart(1)))
    world.at(1200, lambda: (world.crash(1), world.restart(1)))  # in its socket, not handed over
    world.run(10_000)
    assert world.events(1) == []
    assert world.counts.down == 1
    assert world.run_quiet(10_000)
    assert world.now == 10_000


def test_what_is_under_way_reaches_the_incarnation_that_runs_when_it_arrives():
    world = World(link=Link(delay=Constant(1000)))
    world.add(1, lambda boot: Listener())
    world.add(2, Listener())
    world.call(2, lambda core, now: core.say(1, 1))
    world.at(400, lambda: (world.crash(1), world.restart(1)))
    world.run(10_000)
    assert [event.round for event in world.events(1)] == [1]


def test_stamps_and_refusals_wait_for_the_end_of_a_pause():
    world = World(link=Link(delay=Constant(1000)))
    world.add(1, Listener(), options=NodeOptions(latency=Constant(500)))
    world.refuse("nobody")
    world.call(1, lambda core, now: core.say("nobody", 1, "tag"))
    world.pause(1)
    world.run(10_000)
    assert world.events(1) == []
    world.resume(1)
    assert world.run_quiet(20_000)
    (_, tag, stamp, _), refusal = world.events(1)
    assert (tag, stamp.time - world.epoch_ns) == ("tag", 500)  # when it left, not when told
    assert refusal[0] == "refused"


def test_a_crash_of_a_paused_node_ends_what_waited():
    world = World(link=Link(delay=Constant(1000)))
    world.add(1, lambda boot: Listener(), options=NodeOptions(latency=Constant(500)))
    world.add(2, Listener())
    world.call(2, lambda core, now: core.say(1, 1))
    world.call(2, lambda core, now: core.say(1, 2))
    world.call(1, lambda core, now: core.say(2, 1, "tag"))
    world.pause(1)
    world.run(10_000)
    world.crash(1)
    world.restart(1)
    world.resume(1)
    assert world.run_quiet(20_000)
    assert world.events(1) == []
    assert (world.counts.down, world.counts.in_flight) == (2, 0)


def test_after_a_pause_timers_or_datagrams_may_come_first():
    firsts = []
    for seed in range(20):
        world = World(seed, link=Link(delay=Constant(1000)))
        world.add(1, Listener())
        world.add(2, Listener())
        world.call(1, lambda core, now: core.alarm("ring", 500))
        world.call(2, lambda core, now: core.say(1, 1))
        world.pause(1)
        world.run(5000)
        world.resume(1)
        world.run(6000)
        firsts.append(type(world.events(1)[0]).__name__)
    assert set(firsts) == {"tuple", "Heard"}
