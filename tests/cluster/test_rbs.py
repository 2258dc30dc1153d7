"""Receivers of reference broadcasts in simulation: bounds hold the truth, whatever happens."""

from collections import Counter

import pytest

from clocksync.rbs.receiver import Ended, ReceiverSettings
from clocksync.runtime.simulation import Constant, Link, Pareto
from clocksync.runtime.units import MICROSECOND, SECOND
from tests.cluster import rbs_day
from tests.cluster.rbs_properties import (
    FOUR,
    check,
    clean,
    estimates_are_exact,
    judge,
)
from tests.cluster.rbs_world import FAULTS, LIES, play

SEEDS, PART = 20, 10


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, SEEDS, PART))
def test_every_bound_holds_the_truth_in_every_world(first: int) -> None:
    totals: Counter[str] = Counter()
    for seed in range(first, first + PART):
        totals.update(check(seed))
    assert totals["judged"] > 50 * PART
    assert totals["chains judged"] > PART
    assert totals["unjudged"] < totals["judged"] / 10


@pytest.mark.slow
@pytest.mark.parametrize("lie", LIES)
def test_a_liar_spoils_no_pair_that_it_is_not_in(lie: str) -> None:
    counted = judge(clean(**FOUR, liar=2, lie=lie))
    assert counted["judged"]


@pytest.mark.slow
@pytest.mark.parametrize("fault", sorted(set(FAULTS)))
def test_what_goes_wrong_costs_no_bound_its_truth(fault: str) -> None:
    counted = judge(clean(fault=fault, link=Link(delay=Constant(20 * MICROSECOND), loss=0.1)))
    assert counted["judged"]


@pytest.mark.parametrize("beacon_loss", [0.0, 0.3])
def test_estimates_are_exact_where_nothing_disturbs(beacon_loss: float) -> None:
    estimates_are_exact(clean(beacon_loss=beacon_loss))


def test_a_tenth_of_late_arrivals_is_left_out() -> None:
    """Pareto tails: some broadcasts come late by many times the usual at one receiver."""
    played = play(clean(link=Link(delay=Pareto(20 * MICROSECOND, 400, 0.8))), lambda _: None)
    relations = played.receiver(1).relations()
    for relation in relations:
        truth = played.record.offset(
            (relation.a, played.receiver(1).web.epoch_of(relation.a)),
            (relation.b, relation.epoch_b),
            relation.as_of,
        )
        assert truth is not None
        assert abs(relation.offset_ns - truth) < 3 * MICROSECOND
    assert any(relation.rejected for relation in relations)


def test_hosts_that_hear_different_beacons_are_joined_by_those_that_hear_both() -> None:
    scenario = clean(east=(1, 2), west=(2, 3))
    played = play(scenario, lambda _: None)
    for host in (1, 2, 3):
        found = {(r.a, r.b): r for r in played.receiver(host).relations()}
        assert (found[1, 3].hops, found[1, 3].via) == (2, 2)
        assert found[1, 3].error_bound_ns >= found[1, 2].error_bound_ns


def test_two_domains_that_share_two_hosts_have_a_way_over_either() -> None:
    scenario = clean(**{**FOUR, "east": (1, 2, 3)}, west=(2, 3, 4))
    played = play(scenario, lambda _: None)
    found = {(r.a, r.b): r for r in played.receiver(1).relations()}
    assert found[1, 4].via in (2, 3)
    assert not found[1, 4].is_disputed
    assert judge(scenario)["chains judged"]


def test_where_one_of_two_ways_lies_the_bound_holds_what_both_say() -> None:
    """Who is right cannot be known: so both are held possible, and that is said."""
    lying = clean(**{**FOUR, "east": (1, 2, 3)}, west=(2, 3, 4), liar=2, lie="relations")
    played = play(lying, lambda _: None)
    found = {(r.a, r.b): r for r in played.receiver(1).relations()}[1, 4]
    truth = played.record.offset((1, played.receiver(1).epoch), (4, found.epoch_b), found.as_of)
    assert found.is_disputed
    assert truth is not None
    assert truth in found.interval


def test_offsets_around_a_triangle_add_up_and_a_liar_s_do_not() -> None:
    honest = play(clean(), lambda _: None)
    assert honest.receiver(1).web.loops() == ([], 1)
    lying = play(clean(liar=3, lie="relations"), lambda _: None)
    bad, looked_at = lying.receiver(1).web.loops()
    assert looked_at == 1
    disputed = [r for r in lying.receiver(1).relations() if r.is_disputed]
    assert bad or disputed


def test_without_probes_the_bound_is_the_spread_that_is_assumed() -> None:
    settings = ReceiverSettings(two_way=False, arrival_spread_ns=200 * MICROSECOND)
    played = play(clean(settings=settings), lambda _: None)
    for host in (1, 2, 3):
        relations = played.receiver(host).relations()
        assert len(relations) == 3
        for relation in relations:
            assert relation.bias_ns is None
            assert 50 * MICROSECOND < relation.error_bound_ns < SECOND // 1000
    assert judge(clean(settings=settings))["judged"]


def test_a_spread_that_arrivals_exceed_bounds_nothing() -> None:
    settings = ReceiverSettings(two_way=False, arrival_spread_ns=MICROSECOND)
    link = Link(delay=Pareto(20 * MICROSECOND, 100 * MICROSECOND, 1.5))
    played = play(clean(settings=settings, link=link), lambda _: None)
    assert played.receiver(1).web.own == {}


def test_a_slice_of_a_day_is_inside_at_all_times_though_clocks_are_set() -> None:
    """The whole day: ``python -m tools.campaign rbs-day``."""
    counted = rbs_day.check(1, lasts_s=2_400)
    assert counted["looks at present"] > 50
    assert counted["clocks set"] > 0


def test_it_ends_by_itself_when_the_beacon_dies_or_was_never_there() -> None:
    died = play(clean(fault="beacon dies", broadcasts=500), lambda _: None)
    assert {died.receiver(host).ended for host in (1, 2, 3)} == {Ended.FELL_SILENT}
    nobody = play(clean(east=(), west=(1, 2, 3), link=Link(loss=1.0)), lambda _: None)
    assert {nobody.receiver(host).ended for host in (1, 2, 3)} == {Ended.SILENCE}


def test_traffic_is_bounded_however_fast_the_beacon_is() -> None:
    slow = play(clean(broadcasts=100_000), lambda _: None)
    per_second = slow.world.counts.sent / 4
    # Three hosts: 10 reports and 5 relations each to two others, 25 bursts of 9 probes and answers.
    assert per_second < 3 * (15 * 2 + 25 * 18) + 2 * 300
