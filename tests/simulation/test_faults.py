"""Schedules of faults: every kind does what it says, ends when it says, and shrinks."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocksync.runtime.errors import BadConfig
from clocksync.runtime.simulation import (
    Condition,
    Constant,
    Fault,
    Link,
    World,
    inflict,
    random_faults,
    shrink,
)
from clocksync.runtime.simulation.faults import KINDS
from tests.simulation.actors import Heard, Listener, Talker, rounds

MS = 1_000_000
EVERY_NS = MS
COUNT = 100


def after(*faults: Fault) -> World:
    """1 talks to 2 and 3 every ms, 0.1 ms away; the faults happen; it is 200 ms later."""
    world = World(seed=1, link=Link(delay=Constant(100_000)))
    world.add(1, lambda boot: Talker([2, 3], COUNT), monotonic_start_ns=0)
    world.add(2, lambda boot: Listener())
    world.add(3, lambda boot: Listener())
    inflict(world, faults)
    world.run(200 * MS)
    return world


WINDOW = range(20, 41)  # sent at 20 to 40 ms


def test_a_partition_lasts_as_long_as_it_says():
    world = after(Fault(int(19.5 * MS), "partition", (2,), 21 * MS))
    assert rounds(world, 2) == [n for n in range(1, COUNT + 1) if n not in WINDOW]
    assert rounds(world, 3) == list(range(1, COUNT + 1))


@pytest.mark.parametrize(("mute", "reaches"), [(1, 79), (2, 100)])
def test_an_asymmetric_cut_silences_a_node_that_still_hears(mute, reaches):
    world = after(Fault(int(19.5 * MS), "asymmetric", (mute,), 21 * MS))
    assert len(rounds(world, 2)) == reaches


@pytest.mark.parametrize("kind", ["loss", "duplicate", "corrupt"])
def test_link_faults_hit_only_while_they_last_and_only_whom_they_name(kind):
    world = after(Fault(int(19.5 * MS), kind, (2,), 21 * MS, 1.0))
    heard = rounds(world, 2)
    outside = [n for n in heard if n not in WINDOW]
    inside = [n for n in heard if n in WINDOW]
    assert sorted(set(range(1, COUNT + 1)) - set(outside)) == list(WINDOW) or kind == "corrupt"
    assert rounds(world, 3) == list(range(1, COUNT + 1))
    match kind:
        case "loss":
            assert inside == []
        case "duplicate":
            assert inside == sorted([*WINDOW, *WINDOW])
        case "corrupt":
            assert world.counts.corrupted == len(WINDOW)


def test_held_back_datagrams_are_overtaken_and_delayed_ones_come_late():
    world = after(Fault(int(19.5 * MS), "reorder", (2,), 21 * MS, 1.0))
    heard = rounds(world, 2)
    assert heard != sorted(heard)
    assert sorted(heard) == list(range(1, COUNT + 1))
    late = after(Fault(int(19.5 * MS), "delay", (2,), 21 * MS, 10.0 * MS))
    took = {
        told.event.round: told.time - told.event.round * EVERY_NS
        for told in late.told
        if told.node == 2 and isinstance(told.event, Heard)
    }
    assert all((took[n] > 100_000) == (n in WINDOW) for n in took)


def test_a_crash_ends_in_a_boot_and_loses_what_came_meanwhile():
    world = after(Fault(int(19.5 * MS), "crash", (2,), 21 * MS))
    assert rounds(world, 2) == [n for n in range(1, COUNT + 1) if n not in WINDOW]
    assert world.node(2).incarnation == 2
    assert after(Fault(20 * MS, "crash", (2,))).node(2).condition is Condition.DOWN


def test_a_restart_is_at_once_and_the_new_incarnation_starts_from_the_beginning():
    world = after(Fault(int(50.5 * MS), "restart", (1,), amount=1))
    assert rounds(world, 2) == [*range(1, 51), *range(1, 101)]
    assert world.node(1).storage_lost


def test_a_pause_delays_everything_and_loses_nothing():
    world = after(Fault(int(19.5 * MS), "pause", (2,), 21 * MS))
    assert rounds(world, 2) == list(range(1, COUNT + 1))
    assert [told.time for told in world.told if told.node == 2].count(int(40.5 * MS)) == 21


def test_clock_faults_step_the_wall_and_change_the_rate_for_a_while():
    world = after(
        Fault(10 * MS, "clock", (2,), amount=-5_000), Fault(10 * MS, "rate", (3,), 20 * MS, 300.0)
    )
    assert world.node(2).wall.read() - world.true_wall_time == -5_000
    assert world.node(3).wall.read() - world.true_wall_time == 20 * MS * 300 // 1_000_000
    assert world.node(3).monotonic.rate_ppm == 0


def test_healing_ends_the_faults_of_the_network_and_their_own_end_does_no_harm():
    world = World(link=Link(delay=Constant(1)))
    world.add(1, Listener())
    world.add(2, Listener())
    inflict(world, [Fault(0, "partition", (1,), 50), Fault(60, "partition", (1,))])
    world.run(10)
    world.heal()
    world.run(70)
    world.call(1, lambda core, now: core.say(2, 1))
    world.run(80)
    assert (rounds(world, 2), world.counts.cut) == ([], 1)


@given(st.integers(), st.integers(1, 9), st.integers(1000, 10**12), st.integers(0, 30))
def test_drawn_faults_are_in_order_end_in_time_and_name_only_nodes(seed, nodes, until, count):
    faults = random_faults(Random(seed), range(nodes), until, count=count)
    assert faults == random_faults(Random(seed), range(nodes), until, count=count)
    assert len(faults) == count
    assert faults == sorted(faults, key=lambda fault: fault.at_ns)
    for fault in faults:
        assert 0 <= fault.at_ns < fault.ends_ns <= until or fault.lasts_ns == 0
        assert fault.lasts_ns or fault.kind in ("clock", "restart")
        assert fault.nodes
        assert set(fault.nodes) <= set(range(nodes))
        assert eval(repr(fault)) == fault


def test_every_kind_is_drawn_and_can_be_chosen():
    drawn = random_faults(Random(1), [1, 2, 3], 10**9, count=300)
    assert {fault.kind for fault in drawn} == set(KINDS)
    only = random_faults(Random(1), [1, 2, 3], 10**9, kinds=["pause", "loss"], count=50)
    assert {fault.kind for fault in only} == {"pause", "loss"}


def test_a_fault_reads_as_a_line():
    fault = Fault(120_000_000, "loss", (1, 2), 300_000_000, 0.25)
    assert str(fault) == "0.120000 loss 0.25 1 2 for 0.300000 s"


@pytest.mark.parametrize(
    "fields",
    [(0, "sabotage", (1,)), (-1, "loss", (1,)), (0, "loss", (1,), -1), (0, "loss", (1,), 0, 1.5)],
)
def test_impossible_faults_are_refused(fields):
    with pytest.raises(BadConfig):
        Fault(*fields)


@given(st.sets(st.integers(0, 39), min_size=1, max_size=4))
def test_shrinking_leaves_exactly_what_the_failure_needs(needed):
    faults = [Fault(at, "pause", (1,)) for at in range(40)]
    runs = []

    def fails(some):
        runs.append(some)
        return needed <= {fault.at_ns for fault in some}

    assert {fault.at_ns for fault in shrink(faults, fails)} == needed
    assert len(runs) < 250


def test_there_is_nothing_to_shrink_in_a_run_that_passes():
    with pytest.raises(ValueError, match="does not fail"):
        shrink([Fault(0, "pause", (1,))], lambda some: False)
