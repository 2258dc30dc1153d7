"""True time lies within what the measuring client says, in every simulated world.

The worlds are those of :mod:`tests.cluster.measure_world`, the questions those of
:mod:`tests.cluster.measure_properties`. A few hundred seeds run here; ten thousand and more are
``python -m tools.campaign measure``. A failure names its seed, and
``python -m tools.campaign measure --seeds N..N`` brings it back.
"""

from collections import Counter
from dataclasses import replace

import pytest

from clocksync.measuring.result import Verdict
from clocksync.measuring.settings import MeasureSettings
from clocksync.runtime.simulation import EPOCH_NS, Constant, Link
from clocksync.runtime.units import MICROSECOND, MILLISECOND, SECOND
from tests.cluster.measure_properties import PROPERTIES, check, hosts
from tests.cluster.measure_world import (
    KINDS,
    LOUD_NS,
    WRAP_NS,
    ClockPlan,
    Played,
    Scenario,
    ServerPlan,
    Step,
    draw,
    play,
)
from tests.hashes import printed

BLOCKS, BLOCK = 6, 500


@pytest.mark.slow
@pytest.mark.parametrize("block", range(BLOCKS))
def test_the_truth_lies_within_every_bound(block: int) -> None:
    counts: Counter[str] = Counter()
    for seed in range(block * BLOCK, (block + 1) * BLOCK):
        counts += check(seed)
    # Properties that had nothing to look at would prove nothing.
    assert all(counts[f"worlds of {kind}"] for kind in KINDS), counts
    assert counts["honest bounds held"] > 2 * BLOCK
    assert counts["samples interleaved"] > BLOCK
    assert counts["skews claimed"] > BLOCK // 5
    assert counts["combined"] > BLOCK // 2
    assert counts["undecided"] > BLOCK // 20
    assert counts["rows falseticker"] > BLOCK // 10


def test_one_seed_gives_one_measurement_whatever_the_hash_seed() -> None:
    program = (
        "from tests.cluster.measure_world import draw, play\n"
        "print(*(play(draw(seed)).digest() for seed in range(12)))"
    )
    digests = printed("-c", program)
    assert len(digests) == 1
    assert len(set(digests.pop().split())) == 12  # and other seeds give other measurements


# Worlds made by hand, in which all can be said beforehand

CABLE = Link(delay=Constant(MILLISECOND))
SETTINGS = MeasureSettings(samples=4, interval_ns=20 * MILLISECOND, precision_ns=4)


def server(offset_ns: int = 0, **plan) -> ServerPlan:
    return ServerPlan(**{"clock": ClockPlan(offset_ns), "there": CABLE, "back": CABLE} | plan)


def measured(*servers: ServerPlan, steps: tuple[Step, ...] = (), **changes) -> Played:
    scenario = Scenario(0, "by hand", EPOCH_NS, ClockPlan(0), SETTINGS, servers, steps)
    played = play(replace(scenario, **changes))
    assert [offence for holds in PROPERTIES for offence in holds(played)] == []
    return played


def verdicts(played: Played) -> list[Verdict]:
    return [row.verdict for row in played.measurement.hosts]


def test_a_path_of_one_way_only_shows_as_error_within_the_bound() -> None:
    nothing, whole = Link(delay=Constant(0)), Link(delay=Constant(2 * MILLISECOND))
    for there, back, sign in ((whole, nothing, 1), (nothing, whole, -1)):
        (row,) = measured(server(there=there, back=back)).measurement.hosts
        assert row.offset_ns is not None
        assert row.error_bound_ns is not None
        assert abs(row.offset_ns - sign * MILLISECOND) < 10  # all of it taken for an offset
        assert MILLISECOND <= row.error_bound_ns < MILLISECOND + 3 * MICROSECOND


def test_an_offset_is_theirs_minus_ours() -> None:
    ahead = server(5 * MILLISECOND, honest=False)
    for one, ours_ns in ((ahead, 0), (server(), -5 * MILLISECOND)):
        (row,) = measured(one, client=ClockPlan(ours_ns)).measurement.hosts
        assert row.offset_ns is not None
        assert abs(row.offset_ns - 5 * MILLISECOND) < 10


def test_a_liar_among_three_is_named_and_left_out() -> None:
    played = measured(server(), server(LOUD_NS, honest=False, loud=True), server())
    assert verdicts(played) == [Verdict.TRUECHIMER, Verdict.FALSETICKER, Verdict.TRUECHIMER]
    assert played.measurement.combined is not None
    assert 0 in played.measurement.combined.interval


def test_liars_in_the_majority_that_disagree_leave_it_undecided() -> None:
    liars = [server(LOUD_NS * i, honest=False, loud=True) for i in (1, 2, 3)]
    played = measured(server(), server(), *liars)
    assert verdicts(played) == [Verdict.UNDECIDED] * 5
    assert played.measurement.combined is None
    assert played.measurement.exit_code == 1


def test_liars_in_the_majority_that_agree_are_believed_and_honest_rows_still_hold() -> None:
    liars = [server(LOUD_NS, honest=False, loud=True) for _ in range(3)]
    played = measured(server(), server(), *liars)
    assert verdicts(played) == [Verdict.FALSETICKER] * 2 + [Verdict.TRUECHIMER] * 3
    assert all(0 in row.interval for row in played.measurement.hosts[:2] if row.interval)
    assert played.measurement.exit_code == 1


@pytest.mark.parametrize("by_ns", [-SECOND, 5 * MILLISECOND])
@pytest.mark.parametrize("place", [0, None])
def test_a_step_beyond_the_bounds_is_told(by_ns: int, place: int | None) -> None:
    before = ClockPlan(0 if place is None else -by_ns)
    step = Step(at_ns=30 * MILLISECOND, by_ns=by_ns, place=place)
    played = measured(server(clock=before, honest=place is None), steps=(step,))
    (row,) = played.measurement.hosts
    assert row.verdict is Verdict.INVALID
    assert row.reason is not None
    assert "stepped" in row.reason
    assert played.measurement.exit_code == 2


@pytest.mark.parametrize("by_ns", [-500 * MICROSECOND, 500 * MICROSECOND])
def test_a_step_within_the_bounds_leaves_the_truth_within_a_step_of_them(by_ns: int) -> None:
    step = Step(at_ns=30 * MILLISECOND, by_ns=by_ns, place=0)
    played = measured(server(-by_ns, honest=False), steps=(step,))
    (row,) = played.measurement.hosts
    assert row.interval is not None
    assert played.truth_ns in row.interval.widened(abs(by_ns))


@pytest.mark.parametrize("epoch_ns", [WRAP_NS - 30 * MILLISECOND, WRAP_NS + SECOND, 2 * WRAP_NS])
def test_measuring_goes_on_over_the_end_of_an_era(epoch_ns: int) -> None:
    (row,) = measured(server(), epoch_ns=epoch_ns).measurement.hosts
    assert row.verdict is Verdict.TRUECHIMER
    assert row.answered == SETTINGS.samples


def test_a_server_whose_clock_ticks_coarsely_is_measured_within_its_tick() -> None:
    coarse = ClockPlan(0, tick_ns=MILLISECOND)
    (row,) = measured(server(clock=coarse, precision=-9)).measurement.hosts
    assert row.answered == SETTINGS.samples
    assert row.error_bound_ns is not None
    assert row.error_bound_ns >= MILLISECOND


def test_a_few_answers_of_many_requests_are_enough() -> None:
    half = Link(delay=Constant(MILLISECOND), loss=0.4)
    played = measured(*[server(there=half, back=half) for _ in range(8)])
    rows = [row for _, row, _ in hosts(played)]
    assert {row.answered for row in rows} > {1, 2}
    assert all(row.verdict is Verdict.TRUECHIMER for row in rows if row.answered)


def test_forged_answers_and_kisses_change_nothing_but_a_caution() -> None:
    slow = replace(SETTINGS, timeout_ns=10 * MILLISECOND)
    clean = measured(server(), settings=slow)
    forged = measured(server(), settings=slow, forgeries=500)  # over 1.6 s, while it takes 0.06
    (row,), (same,) = clean.measurement.hosts, forged.measurement.hosts
    assert same.verdict is Verdict.TRUECHIMER
    assert same.reason is not None
    assert "forged" in same.reason
    assert replace(same, reason=None) == row


def test_the_scenario_of_a_seed_says_all_there_is_to_know() -> None:
    assert repr(draw(7)) == repr(draw(7))
    assert play(draw(7)).digest() == play(draw(7)).digest()
