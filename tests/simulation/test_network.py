"""Links: each kind of trouble is visible, and what is drawn is distributed as it says."""

import statistics
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocksync.runtime.core import StampSource
from clocksync.runtime.errors import BadConfig
from clocksync.runtime.simulation import (
    Constant,
    Disturbance,
    Exponential,
    Link,
    LogNormal,
    NodeOptions,
    Pareto,
    Uniform,
    World,
)
from clocksync.runtime.simulation.network import LONGEST_DELAY_NS
from tests.simulation.actors import Heard, Listener, Talker, rounds

SIZES = st.integers(0, 10**12)
DELAYS = st.one_of(
    st.builds(Constant, SIZES),
    st.tuples(SIZES, SIZES).map(lambda ends: Uniform(min(ends), max(ends))),
    st.builds(Exponential, SIZES, SIZES),
    st.builds(Pareto, SIZES, SIZES, st.floats(0.01, 10)),
    st.builds(LogNormal, SIZES, SIZES, st.floats(0, 50)),
)


def two(link: Link, seed: int = 1, count: int = 200) -> World:
    world = World(seed, link=link)
    world.add(1, Talker([2], count))
    world.add(2, Listener())
    world.run(count * 1_000_000 + 100_000_000)
    return world


@given(DELAYS, st.integers())
def test_no_delay_is_negative_or_endless(delay, seed):
    random = Random(seed)
    for _ in range(20):
        drawn = delay.draw(random)
        assert type(drawn) is int
        assert 0 <= drawn <= LONGEST_DELAY_NS


@pytest.mark.parametrize(
    ("delay", "lowest", "median", "share_over_1ms"),
    [
        (Uniform(0, 2_000_000), 0, 1_000_000, 0.5),
        (Exponential(100_000, 1_000_000), 100_000, 100_000 + 693_147, 0.4066),
        (Pareto(100_000, 900_000, 2.0), 100_000, 100_000 + 372_792, 0.25),
        (LogNormal(500_000, 500_000, 1.0), 500_000, 1_000_000, 0.5),
    ],
)
def test_delays_are_distributed_as_their_formulas_say(delay, lowest, median, share_over_1ms):
    random = Random(1)
    drawn = [delay.draw(random) for _ in range(20_000)]
    assert lowest <= min(drawn) <= lowest + 0.2 * median
    assert statistics.median(drawn) == pytest.approx(median, rel=0.03)
    share = sum(one > 1_000_000 for one in drawn) / len(drawn)
    assert share == pytest.approx(share_over_1ms, abs=0.02)


@pytest.mark.parametrize(
    "impossible",
    [
        lambda: Constant(-1),
        lambda: Uniform(5, 4),
        lambda: Exponential(0, -1),
        lambda: Pareto(0, 1, 0),
        lambda: LogNormal(0, 1, -1),
        lambda: Link(loss=1.5),
        lambda: Link(duplicate=-0.1),
    ],
)
def test_impossible_links_are_refused(impossible):
    with pytest.raises(BadConfig):
        impossible()


def test_an_untroubled_link_delivers_all():
    assert rounds(two(Link(delay=Uniform(0, 500_000))), 2) == list(range(1, 201))


def test_loss_loses():
    world = two(Link(loss=0.25))
    assert world.counts.lost == 200 - len(rounds(world, 2))
    assert 20 < world.counts.lost < 80


def test_duplication_duplicates():
    world = two(Link(duplicate=0.25))
    heard = rounds(world, 2)
    assert sorted(set(heard)) == list(range(1, 201))
    assert len(heard) - 200 == world.counts.duplicated
    assert 20 < world.counts.duplicated < 80


def test_reordering_reorders_and_loses_nothing():
    heard = rounds(two(Link(delay=Constant(1), reorder=0.3, reorder_by=Uniform(0, 5_000_000))), 2)
    assert heard != sorted(heard)
    assert sorted(heard) == list(range(1, 201))


def test_random_delays_let_datagrams_overtake_unless_the_link_keeps_order():
    wild = Exponential(0, 3_000_000)
    assert rounds(two(Link(delay=wild)), 2) != list(range(1, 201))
    assert rounds(two(Link(delay=wild, in_order=True)), 2) == list(range(1, 201))


def test_corruption_is_caught_or_changes_what_arrives():
    world = two(Link(corrupt=0.5), seed=3)
    heard = rounds(world, 2)
    assert world.counts.corrupted > 50
    assert world.counts.malformed > 0
    assert sum(world.counts.malformed_why.values()) == world.counts.malformed
    assert len(heard) + world.counts.malformed == 200
    assert set(heard) - set(range(1, 201))  # without a checksum a flipped bit passes for a frame


def test_directions_are_independent():
    world = World()
    world.add(1, Talker([2], 1))
    world.add(2, Talker([], 0))
    world.link_both(1, 2, Link(delay=Constant(7_000)), back=Link(delay=Constant(2_000)))
    world.run_quiet(10**9)
    times = {told.node: told.time for told in world.told if isinstance(told.event, Heard)}
    sent = world.told[0].time
    assert times == {2: sent + 7_000, 1: sent + 9_000}


def test_a_partition_cuts_what_is_under_way_and_healing_ends_it():
    world = World(link=Link(delay=Constant(1000)))
    for address in (1, 2, 3):
        world.add(address, Listener())

    def say(sender, to, number):
        world.call(sender, lambda core, now: core.say(to, number))

    say(1, 2, 1)
    world.partition([1])
    say(2, 1, 2)
    say(2, 3, 3)
    world.run(5_000)
    assert (rounds(world, 1), rounds(world, 2), rounds(world, 3)) == ([], [], [3])
    assert world.counts.cut == 2
    world.partition([3])  # replaces the other
    say(1, 2, 4)
    say(3, 1, 5)
    world.run(10_000)
    assert (rounds(world, 1), rounds(world, 2)) == ([], [4])
    world.heal()
    say(3, 1, 6)
    world.run(20_000)
    assert rounds(world, 1) == [6]


def test_one_direction_can_be_cut_alone():
    world = World(link=Link(delay=Constant(1000)))
    world.add(1, Listener())
    world.add(2, Listener())
    token = world.cut(1, 2)
    world.call(1, lambda core, now: core.say(2, 1))
    world.call(2, lambda core, now: core.say(1, 2))
    world.run(5_000)
    assert (rounds(world, 1), rounds(world, 2)) == ([2], [])
    world.calm(token)
    world.calm(token)
    world.call(1, lambda core, now: core.say(2, 3))
    world.run(10_000)
    assert rounds(world, 2) == [3]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=4))
def test_disturbances_add_up_as_independent_causes_and_leave_no_trace(losses):
    world = World(link=Link(loss=0.1))
    world.add(1, Listener())
    world.add(2, Listener())
    path = world._network.path((1, 2))
    tokens = [world.disturb([(1, 2)], Disturbance(loss=loss)) for loss in losses]
    passes = 0.9
    for loss in losses:
        passes *= 1 - loss
    assert path.loss == pytest.approx(1 - passes)
    for token in tokens:
        world.calm(token)
    assert path.loss == 0.1


def test_a_cut_holds_whatever_else_is_wrong_with_the_path():
    world = World()
    world.add(1, Listener())
    world.add(2, Listener())
    world.cut(1, 2)
    world.disturb([(1, 2)], Disturbance(loss=0.0, duplicate=1.0))
    world.call(1, lambda core, now: core.say(2, 1))
    world.run(1_000_000)
    assert rounds(world, 2) == []
    assert world.counts.cut == 1


def test_a_socket_hands_over_in_the_order_of_arrival_however_long_the_program_takes():
    world = World(link=Link(delay=Constant(1000)))
    world.add(1, Talker([2], 100, every_ns=1_000))
    world.add(2, Listener(), options=NodeOptions(latency=Exponential(0, 50_000)))
    world.run(10_000_000)
    assert rounds(world, 2) == list(range(1, 101))


def test_a_refused_address_answers_after_a_round_trip():
    world = World(link=Link(delay=Constant(1000)))
    world.add(1, Listener())
    world.refuse("nobody", "port unreachable")
    world.call(1, lambda core, now: core.say("nobody", 1, "tag"))
    world.run(10_000)
    assert [(told.time, told.event) for told in world.told if told.event[0] == "refused"] == [
        (2000, ("refused", "nobody", "tag", "port unreachable"))
    ]
    world.accept("nobody")
    world.call(1, lambda core, now: core.say("nobody", 2))
    world.run(20_000)
    assert world.counts.nowhere == 1
    assert world.counts.refused == 1


def test_a_group_reaches_every_member_but_the_sender_each_over_its_own_path():
    world = World()
    for address in (1, 2, 3):
        world.add(address, Listener())
    world.link(1, 2, Link(delay=Constant(200)))
    world.link(1, 3, Link(delay=Constant(300)))
    world.group("all", [1, 2, 3])
    world.call(1, lambda core, now: core.say("all", 5, "tag"))
    world.run(1_000_000)
    assert [(told.node, told.time) for told in world.told] == [(1, 0), (2, 200), (3, 300)]


@pytest.mark.parametrize("source", [StampSource.KERNEL, StampSource.HARDWARE])
def test_kernel_stamps_tell_when_it_left_and_came_and_user_ones_are_off_by_the_latency(source):
    for stamps, left, came in ((source, 10, 1010), (StampSource.USER, 0, 1020)):
        options = NodeOptions(stamps=stamps, latency=Constant(10))
        world = World(link=Link(delay=Constant(1000)))
        world.add(1, Listener(), options=options, offset_ns=50)
        world.add(2, Listener(), options=options, offset_ns=70)
        world.call(1, lambda core, now: core.say(2, 1, "tag"))
        world.run(10_000)
        (_, _, sent, _), heard = (told.event for told in world.told)
        assert (sent.time - world.epoch_ns - 50, sent.source) == (left, stamps)
        assert (heard.stamp.time - world.epoch_ns - 70, heard.stamp.source) == (came, stamps)
        assert world.told[0].time == left  # a program has its own reading at once
        assert world.told[-1].time == 1020  # either way the program has it after the latency


def test_user_stamps_are_late_by_a_positive_draw_unless_told_otherwise():
    world = World(link=Link(delay=Constant(1000)))
    world.add(1, Listener())
    world.add(2, Listener(), options=NodeOptions(stamps=StampSource.USER))
    for number in range(50):
        world.call(1, lambda core, now, number=number: core.say(2, number))
        world.run_for(1_000_000)
    late = [
        event.stamp.time - world.epoch_ns - number * 1_000_000 - 1000
        for number, event in enumerate(world.events(2))
    ]
    assert len(set(late)) > 40
    assert 5_000 <= min(late) <= max(late) <= 60_000


def test_a_stamp_can_come_twice_or_never():
    for options, sources in (
        (NodeOptions(stamp_twice=True), [StampSource.USER, StampSource.KERNEL]),
        (NodeOptions(stamp_loss=1.0), []),
    ):
        world = World()
        world.add(1, Listener(), options=options)
        world.call(1, lambda core, now: core.say(2, 1, "tag"))
        world.run(1000)
        assert [told.event[2].source for told in world.told] == sources


def test_an_interceptor_sees_every_datagram_and_can_swallow_and_replay():
    world = World(link=Link(delay=Constant(1000)))
    world.add(1, Talker([2], 5))
    world.add(2, Listener())
    seen = []

    def look(sender, to, data):
        seen.append((sender, to, data))
        return len(seen) == 2

    world.intercept(look)
    world.run(100_000_000)
    assert rounds(world, 2) == [1, 3, 4, 5]
    assert world.counts.intercepted == 1
    world.inject(2, "mallory", seen[1][2])
    world.inject(2, "mallory", b"")
    world.run_for(1)
    assert rounds(world, 2)[-1] == 2
    assert world.events(2)[-1].sender == "mallory"
    assert world.counts.malformed_why == {"empty": 1}
