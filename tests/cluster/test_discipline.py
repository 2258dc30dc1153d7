"""A disciplined clock never goes back and its bound holds true time, in every simulated world.

The worlds are those of :mod:`tests.cluster.discipline_world`, the questions those of
:mod:`tests.cluster.discipline_properties`. Some seeds run here; many are
``python -m tools.campaign discipline``, which also brings one back: ``--seeds N..N``.
"""

from collections import Counter
from dataclasses import replace

import pytest

from clocksync.runtime.units import MICROSECOND, MILLISECOND, SECOND
from clocksync.steering.settings import DisciplineSettings
from clocksync.steering.states import Cause, ClockStepped, State, StateChanged
from tests.cluster.discipline_properties import KINDS, check, play
from tests.cluster.discipline_world import (
    CLIENT,
    HOUR,
    MINUTE,
    Happening,
    HostPlan,
    Plan,
    Run,
)

CI_SEEDS = 24
QUICK = DisciplineSettings(poll_min=2, poll_max=6, precision_ns=4)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(3))
def test_the_promises_hold_in_drawn_worlds(block: int) -> None:
    counts: Counter[str] = Counter()
    for seed in range(block * CI_SEEDS // 3, (block + 1) * CI_SEEDS // 3):
        counts += check(seed)
    # Properties that had nothing to look at would prove nothing.
    assert all(counts[f"worlds of {kind}"] for kind in KINDS), counts
    assert counts["bounds looked at"] > 10_000
    assert counts["errors looked at"] > 1_000
    assert counts["looks in holdover"] > 100


# Worlds made by hand, in which all can be said beforehand


def plan(*hosts: HostPlan, minutes: int = 30, **changes) -> Plan:
    made = Plan(7, minutes * MINUTE, hosts or (HostPlan(),) * 3, QUICK, rate_ppm=20.0)
    return replace(made, **changes)


def moves(run: Run) -> list[tuple[State, Cause]]:
    told = [it.event for it in run.world.told if isinstance(it.event, StateChanged)]
    return [(event.after, event.cause) for event in told]


def error(run: Run) -> int:
    return run.core.read(run.now) - run.world.true_wall_time


def test_a_clock_that_is_behind_is_stepped_once_and_locks() -> None:
    run = play(plan(offset_ns=-HOUR, minutes=5)).run
    assert moves(run) == [(State.STEPPING, Cause.AGREED), (State.LOCKED, Cause.SETTLED)]
    steps = [it.event for it in run.world.told if isinstance(it.event, ClockStepped)]
    assert len(steps) == 1
    assert abs(steps[0].by_ns - HOUR) < MILLISECOND
    assert abs(error(run)) < 100 * MICROSECOND


def test_a_clock_that_is_ahead_is_slewed_back_and_never_stands_still() -> None:
    run = Run(plan(offset_ns=10 * SECOND))
    run.world.run(SECOND)
    before, seen = run.core.read(run.now), []
    for _ in range(10):
        run.world.run_for(SECOND)
        reading = run.core.read(run.now)
        seen.append(reading - before)
        before = reading
    assert all(SECOND // 2 < moved < SECOND for moved in seen)
    run.world.run(5 * MINUTE)
    assert not [it for it in run.world.told if isinstance(it.event, ClockStepped)]
    assert abs(error(run)) < 100 * MICROSECOND


def test_holdover_keeps_the_frequency_and_returns_without_a_jump() -> None:
    lost = (Happening(20 * MINUTE, "lose"), Happening(80 * MINUTE, "find"))
    watcher = play(plan(minutes=100, happenings=lost, over_ns=80 * MINUTE))
    run = watcher.run
    assert moves(run)[2:] == [
        (State.HOLDOVER, Cause.SOURCES_LOST),
        (State.LOCKED, Cause.RETURNED),
    ]
    assert watcher.counts["looks in holdover"] > 500


def test_the_bound_in_holdover_is_near_what_two_rates_can_differ_by() -> None:
    run = Run(plan(minutes=200, wander="none", happenings=(Happening(60 * MINUTE, "lose"),)))
    run.world.run(60 * MINUTE)
    before = run.core.error_bound_ns(run.now)
    run.world.run(120 * MINUTE)
    after = run.core.error_bound_ns(run.now)
    # An hour with a frequency known to about 2 ppm, which can change by 4 meanwhile: 7 + 7 ms.
    assert before is not None
    assert after is not None
    assert before < 2 * MILLISECOND
    assert 5 * MILLISECOND < after < 20 * MILLISECOND
    assert abs(error(run)) < MILLISECOND


def test_a_minority_of_hosts_that_is_left_is_not_followed() -> None:
    liar = HostPlan(offset_ns=SECOND, honest=False)
    hosts = (liar, HostPlan(), HostPlan(), HostPlan(), HostPlan())
    gone = (Happening(10 * MINUTE, "lose", (1, 2, 3)),)
    run = Run(plan(*hosts, happenings=gone))
    run.world.run(30 * MINUTE)
    assert run.core.state is State.HOLDOVER
    assert abs(error(run)) < MILLISECOND


@pytest.mark.parametrize("by_ns", [-3 * SECOND, 3 * SECOND])
def test_a_step_of_all_hosts_is_doubted_then_followed(by_ns: int) -> None:
    """The truth changes, as far as anybody can see: until it is confirmed the bound covers both."""
    run = Run(plan())
    run.world.run(10 * MINUTE)
    for place in range(3):
        run.step_server(place, by_ns)
    covered = []

    def look() -> None:
        bound = run.core.bound_at(run.now)
        assert bound is not None
        truth = run.world.true_wall_time
        if run.core.cause is Cause.CONTRADICTED:
            covered.append(truth in bound and truth + by_ns in bound)

    run.world.invariant(look)
    run.world.run(20 * MINUTE)
    assert covered
    assert all(covered)
    causes = [cause for _, cause in moves(run)][2:]
    assert causes == [Cause.CONTRADICTED, Cause.CONFIRMED, Cause.SETTLED]
    assert abs(error(run) - by_ns) < 200 * MICROSECOND


def test_one_lie_that_is_taken_back_is_no_reason_to_move() -> None:
    run = Run(plan(HostPlan(), minutes=30))
    run.world.run(10 * MINUTE)
    run.step_server(0, SECOND)
    run.world.run_until(lambda: run.core.cause is Cause.CONTRADICTED, 11 * MINUTE)
    run.step_server(0, -SECOND)
    run.world.run(12 * MINUTE)
    assert [cause for _, cause in moves(run)][2:] == [Cause.CONTRADICTED, Cause.RETURNED]
    assert abs(error(run)) < 100 * MICROSECOND


def test_an_oscillator_that_breaks_its_promise_is_found_out_and_followed() -> None:
    run = Run(plan(minutes=90, wander="none"))
    run.world.run(40 * MINUTE)
    run.retune(40_000)  # 40 ppm at once, where 4 an hour are assumed
    run.world.run(90 * MINUTE)
    assert Cause.CONTRADICTED in [cause for _, cause in moves(run)]
    assert run.core.state is State.LOCKED
    bound = run.core.bound_at(run.now)
    assert bound is not None
    assert run.world.true_wall_time in bound
    assert abs(error(run)) < 200 * MICROSECOND


def test_a_wall_clock_that_is_set_does_not_move_the_disciplined_one() -> None:
    run = Run(plan())
    run.world.run(10 * MINUTE)
    for by_ns in (HOUR, -2 * HOUR):
        run.step_ours(by_ns)
        run.world.run_for(2 * MINUTE)
        assert run.core.state is State.LOCKED
        assert abs(error(run)) < 100 * MICROSECOND


def test_without_hosts_the_bound_is_lost_in_the_end() -> None:
    settings = replace(QUICK, bound_max_ns=50 * MILLISECOND)
    run = Run(plan(minutes=600, settings=settings, happenings=(Happening(MINUTE, "lose"),)))
    run.world.run(600 * MINUTE)
    assert moves(run)[-1] == (State.UNLOCKED, Cause.BOUND_LOST)
    assert run.core.bound_at(run.now) is None
    run.find()
    run.world.run_for(10 * MINUTE)
    assert moves(run)[-1] == (State.LOCKED, Cause.SETTLED)


def test_hosts_are_asked_more_rarely_as_noise_outweighs_drift() -> None:
    noisy = tuple(HostPlan(tail_ns=2 * MILLISECOND) for _ in range(3))
    run = Run(plan(*noisy, minutes=120))
    run.world.run(120 * MINUTE)
    assert run.core.poll.exponent > QUICK.poll_min


def test_one_seed_gives_one_run() -> None:
    told = [[str(it) for it in play(plan(minutes=5)).run.world.told] for _ in range(2)]
    assert told[0] == told[1]
    assert CLIENT in play(plan(minutes=1)).run.world.addresses
