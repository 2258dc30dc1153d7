"""True time lies within what a watch says, at every instant, in every simulated world.

The worlds are those of :mod:`tests.cluster.watch_world`, the questions those of
:mod:`tests.cluster.watch_properties`. A few dozen seeds run here; thousands are ``python -m
tools.campaign watch``, whole days ``python -m tools.campaign watch-day``.
"""

from collections import Counter

import pytest

from clocksync.runtime.simulation import Constant, Link, Pareto
from clocksync.runtime.units import MICROSECOND, MILLISECOND, SECOND
from clocksync.watching.alarms import LOCAL, Kind
from tests.cluster.watch_properties import check, check_day, judge
from tests.cluster.watch_world import LOUD_NS, Scenario, ServerPlan, Silence, Step, edges, play

BLOCKS, BLOCK = 2, 12
CABLE = Link(delay=Constant(100 * MICROSECOND))
# 1 ms with a heavy tail, 20 % longer one way than the other.
THERE = Link(delay=Pareto(550_000, 30_000, 1.5))
BACK = Link(delay=Pareto(450_000, 30_000, 1.5))


@pytest.mark.slow
@pytest.mark.parametrize("block", range(BLOCKS))
def test_the_truth_lies_within_every_bound(block: int) -> None:
    counts: Counter[str] = Counter()
    for seed in range(block * BLOCK, (block + 1) * BLOCK):
        counts += check(seed)
    # Properties that had nothing to look at would prove nothing.
    for what in ("liars", "local steps", "alarms silence", "alarms step"):
        assert counts[what], counts
    assert counts["bounds"] > 3000


@pytest.mark.parametrize("scenario", edges())
def test_the_truth_on_the_very_edge_is_within(scenario: Scenario) -> None:
    judge(play(scenario))


@pytest.mark.slow
def test_the_truth_lies_within_every_bound_of_a_day() -> None:
    assert check_day(1)["reports"] >= 1350


def plan(offset_ns: int = 0, **changes) -> ServerPlan:
    given = {"rate_ppm": 0.0, "wander_ppm": 0.0, "dispersion_ns": 45_776, "there": CABLE,
             "back": CABLE, **changes}  # fmt: skip
    return ServerPlan(offset_ns, **given)


def scenario(*servers: ServerPlan, **changes) -> Scenario:
    given = {"seed": 1, "duration_ns": 60 * SECOND, "interval_ns": SECOND, "max_drift_ppm": 100.0,
             "client_offset_ns": 0, "client_rate_ppm": 0.0, "client_wander_ppm": 0.0}  # fmt: skip
    return Scenario(servers=servers, **{**given, **changes})


def run(*servers: ServerPlan, **changes):
    played = play(scenario(*servers, **changes))
    judge(played)
    return played


def alarms(played):
    return [
        (change.alarm.cause.host, change.alarm.cause.kind, change.raised)
        for noted in played.reports
        for change in noted.report.changes
    ]


def test_a_quiet_watch_raises_no_alarm_and_is_near_the_truth() -> None:
    played = run(
        *[plan() for _ in range(3)], client_rate_ppm=50.0, client_offset_ns=7 * MILLISECOND
    )
    assert alarms(played) == []
    for noted in played.reports[10:]:
        for row in noted.report.rows:
            assert abs((row.result.offset_ns or 0) - noted.true_ns) < 200


def test_a_liar_of_five_is_named_and_the_others_agree_on_the_truth() -> None:
    liar = plan(LOUD_NS, honest=False)
    played = run(plan(), plan(), liar, plan(), plan(), client_rate_ppm=-50.0)
    assert alarms(played) == [("s2", Kind.FALSETICKER, True)]
    assert all(noted.report.combined is not None for noted in played.reports)


@pytest.mark.parametrize("by_ns", [-SECOND, 200 * MICROSECOND])
def test_a_step_of_ours_is_told_once_and_no_server_is_blamed(by_ns: int) -> None:
    played = run(plan(), plan(), plan(), steps=(Step(30 * SECOND + 5, by_ns, None),))
    assert alarms(played) == [(LOCAL, Kind.STEP, True), (LOCAL, Kind.STEP, False)]


def test_a_server_that_jumps_is_told_and_outvoted() -> None:
    liar = plan(honest=False)
    played = run(liar, plan(), plan(), steps=(Step(30 * SECOND + 5, 9 * MILLISECOND, 0),))
    told = alarms(played)
    assert ("s0", Kind.STEP, True) in told
    assert ("s0", Kind.FALSETICKER, True) in told
    assert {host for host, _, _ in told} == {"s0"}


def test_a_silence_is_told_and_cleared() -> None:
    played = run(plan(), plan(), silences=(Silence(20 * SECOND, 40 * SECOND, 0),))
    assert alarms(played) == [("s0", Kind.SILENCE, True), ("s0", Kind.SILENCE, False)]
    widest = max(n.report.rows[0].result.error_bound_ns or 0 for n in played.reports)
    assert widest > 20 * 100 * MICROSECOND  # 20 s at 100 ppm


def test_an_asymmetric_path_is_inside_its_bound_and_shows_as_an_offset() -> None:
    played = run(plan(there=THERE, back=BACK), client_rate_ppm=50.0)
    last = played.reports[-1]
    result = last.report.rows[0].result
    off = (result.offset_ns or 0) - last.true_ns
    assert 30_000 < off < 90_000  # half of the 100 us by which one way is longer
    assert (result.error_bound_ns or 0) > off
