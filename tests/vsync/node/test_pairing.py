"""Members' clocks against one another: what is asked, and what is concluded."""

import asyncio
import time
from contextlib import AsyncExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocksync.ntp.sample import Sample
from clocksync.peers.frames import Echo, Probe
from clocksync.runtime.clocks import SoftwareClock, SystemClock
from clocksync.runtime.core import Stamp, StampSource
from clocksync.runtime.interval import Interval
from clocksync.runtime.units import MILLISECOND, SECOND
from tests.vsync.node.loopback import SOON_S, joinings, seen
from vsync.node.clock import GivenClock
from vsync.node.clock import SystemClock as Machine
from vsync.node.pairing import (
    ASK_APART_NS,
    ASK_EVERY_NS,
    ASK_SELDOM_NS,
    READ_LATELY_NS,
    SAMPLES_ENOUGH,
    SAMPLES_KEPT,
    Agreed,
    Comparison,
    Pairs,
    agree,
    difference,
)
from vsync.ringtime import CLUELESS_NS

KERNEL = StampSource.KERNEL
MS = MILLISECOND


# What the clocks come to


def test_the_groups_clock_is_the_mean_of_those_nobody_contradicts():
    assert agree([(1, 0, 0, 5 * MS), (2, 3 * MS, 10, 5 * MS), (3, -1 * MS, 10, 5 * MS)]) == Agreed(
        666_667, Interval(-5 * MS, 5 * MS), (1, 2, 3)
    )


def test_a_clock_that_the_majority_contradicts_is_left_out():
    agreed = agree([(1, 0, 0, MS), (2, 100, 10, MS), (3, SECOND, 10, MS)])
    assert (agreed.offset_ns, agreed.members) == (50, (1, 2))
    ours = agree([(1, 0, 0, MS), (2, SECOND, 10, MS), (3, SECOND + 20, 10, MS)])
    assert (ours.offset_ns, ours.members) == (SECOND + 10, (2, 3))
    assert 0 not in ours.interval


def test_clocks_that_know_nothing_do_not_count_where_others_know():
    blind = 2 * CLUELESS_NS
    agreed = agree([(1, 0, 0, blind), (2, 5 * MS, 10, MS), (3, 7 * MS, 10, MS)])
    assert (agreed.offset_ns, agreed.members) == (6 * MS, (2, 3))
    nobody = agree([(1, 0, 0, blind), (2, 4 * MS, 10, blind)])
    assert nobody == Agreed(2 * MS, None, (1, 2))


def test_alone_our_clock_is_the_groups():
    assert agree([(1, 0, 0, MS)]) == Agreed(0, None, (1,))


@given(st.lists(st.tuples(st.integers(-MS, MS), st.integers(0, 1000)), min_size=3, max_size=6))
def test_every_member_works_out_the_same_but_for_the_error_of_the_differences(clocks):
    """True time is 0; each clock is off by so much, and read by each other with such an error."""
    found = []
    for me, (mine, _) in enumerate(clocks):
        seen_by_me = [
            (peer, 0, 0, 2 * MS) if peer == me else (peer, off - mine + error, error, 2 * MS)
            for peer, (off, error) in enumerate(clocks)
        ]
        found.append(mine + agree(seen_by_me).offset_ns)
    assert max(found) - min(found) <= 1002


def sample(t1, t2, t3, t4):
    return Sample(t1, t2, t3, t4, 0, 0, 1, KERNEL, True)


def test_a_difference_follows_its_skew():
    """The other clock is 5 ms ahead and gains 100 ppm."""
    samples = []
    for n in range(20):
        at = n * 250 * MS
        theirs = at + 5 * MS + at // 10_000
        samples.append(sample(at, theirs + 500, theirs + 600, at + 1_100))
    apart = difference(Comparison(tuple(samples)))
    later = apart.at_ns + SECOND
    assert abs(apart.offset_at(later) - (5 * MS + later // 10_000)) < 2_000
    assert abs(apart.skew_ppm - 100) < 1


def test_samples_from_before_and_after_a_step_contradict_each_other():
    before, after = sample(0, 500, 600, 1_100), sample(MS, MS + SECOND, MS + SECOND, MS + 1_000)
    assert difference(Comparison((before, after))) is None


# What is asked


def ahead(by):
    return lambda stamp: stamp + by


def turn(asking, answering, me, other, at, takes=1_000):
    """One probe and its answer, both paths taking as long."""
    (probe,) = [send for send in asking.ask(at, [other]) if send.to == other]
    asking.on_sent(probe.tag, Stamp(at, KERNEL))
    echo = answering.on_probe(me, probe.frame, Stamp(at + takes, KERNEL))
    answering.on_sent(echo.tag, Stamp(at + takes + 300, KERNEL))
    asking.on_echo(other, echo.frame, Stamp(at + 2 * takes + 300, KERNEL))


def test_two_members_find_how_far_their_clocks_are_apart():
    one, two = Pairs(ahead(0), 100), Pairs(ahead(7 * MS), 200)
    for n in range(5):
        turn(one, two, 1, 2, n * ASK_EVERY_NS)
        turn(two, one, 2, 1, n * ASK_EVERY_NS + MS)
    assert abs(difference(one.known[2]).offset_ns - 7 * MS) <= 200
    assert abs(difference(two.known[1]).offset_ns + 7 * MS) <= 200


def test_it_asks_a_few_times_a_second_and_seldomer_where_there_are_many():
    pairs = Pairs(ahead(0), 100)
    assert [send.to for send in pairs.ask(5, [2, 3])] == [2, 3]
    assert pairs.due_ns() == 5 + ASK_EVERY_NS
    pairs.ask(5, range(2, 102))
    assert pairs.due_ns() == 5 + 100 * ASK_APART_NS


def test_it_asks_seldom_once_it_knows_and_nobody_reads():
    one, two = Pairs(ahead(0), 100), Pairs(ahead(0), 200)
    at = READ_LATELY_NS + 1
    for _ in range(SAMPLES_ENOUGH):
        turn(one, two, 1, 2, at)
        assert one.due_ns() == at + ASK_EVERY_NS
        at += ASK_EVERY_NS
    turn(one, two, 1, 2, at)
    assert one.due_ns() == at + ASK_SELDOM_NS
    one.read_ns = at
    one.ask(at + ASK_SELDOM_NS, [2])
    assert one.due_ns() == at + ASK_SELDOM_NS + ASK_EVERY_NS
    one.read_ns = 0
    one.ask(at + ASK_SELDOM_NS, [2, 3])  # who has just come is not known yet
    assert one.due_ns() == at + ASK_SELDOM_NS + ASK_EVERY_NS


def test_who_has_gone_is_forgotten_and_does_not_count():
    one, two = Pairs(ahead(0), 100), Pairs(ahead(0), 200)
    turn(one, two, 1, 2, 0)
    assert one.known
    one.ask(ASK_EVERY_NS, [3])
    assert one.known == {}
    one.on_echo(2, Echo(0, 0, 0, 0, 0, 100), Stamp(1, KERNEL))
    one.on_sent(object(), Stamp(1, KERNEL))
    assert one.known == {}


def test_memory_is_bounded_and_a_step_can_be_forgotten():
    one, two = Pairs(ahead(0), 100), Pairs(ahead(0), 200)
    for n in range(3 * SAMPLES_KEPT):
        turn(one, two, 1, 2, n * ASK_EVERY_NS)
    assert len(one.known[2].samples) == SAMPLES_KEPT
    one.forget(2)
    one.forget(9)
    assert one.known == {}
    turn(one, two, 1, 2, 10**12)
    assert len(one.known[2].samples) == 1


def test_a_probe_is_answered_whoever_asks():
    assert Pairs(ahead(3), 1).on_probe(7, Probe(5), Stamp(10, KERNEL)).frame.arrived == 13


# On sockets


class Wrong:
    """A clock that is off and runs at another rate, and knows that it may be."""

    def __init__(self, offset_ns, rate_ppm):
        self.clock = SoftwareClock(SystemClock(), offset_ns, rate_ppm)

    def at(self, system_ns):
        return self.clock.at(system_ns)

    def now(self):
        return Interval.around(self.clock.read(), 60 * MS)


@pytest.mark.slow
def test_members_whose_clocks_are_wrong_by_50_ms_agree():
    """The truth is known: all run over one machine's clock."""
    wrong = [Wrong(50 * MS, 100), Wrong(-30 * MS, -80), Wrong(0, 3)]

    async def run():
        async with AsyncExitStack() as stack:
            groups = []
            members = joinings(3)
            for joining, clock in zip(members, wrong, strict=True):
                joining.clock = GivenClock(clock)
                groups.append(await stack.enter_async_context(joining))
            for group in groups:
                await seen(group, (1, 2, 3))
            for _ in range(round(SOON_S / 0.05)):
                if all(_is_compared(group) for group in groups):
                    break
                await asyncio.sleep(0.05)
            now = time.time_ns()
            readings = []
            for group, own in zip(groups, wrong, strict=True):
                mine = own.at(now)
                apart = group._clocks.differences(mine)
                for peer, found in apart.items():
                    truth = wrong[peer - 1].at(now) - mine
                    age = abs(mine - found.at_ns)
                    slack = found.error_ns + age // 1000  # 500 ppm on either side
                    assert abs(found.offset_at(mine) - truth) <= slack
                agreed = group._clocks.agreed(mine)
                assert agreed.members == (1, 2, 3)
                readings.append((mine + agreed.offset_ns, max(d.error_ns for d in apart.values())))
                assert time.time_ns() in group.now()
            bound = sum(error for _, error in readings) + MS
            told = members[0].observer.look()["clocks"]
            assert told["compared_by"].startswith("two-way probes")
            assert set(told["members"]) == {"2", "3"}
            assert abs(told["members"]["2"]["offset_ns"] + 80 * MS) < 10 * MS
            values = [reading for reading, _ in readings]
            assert max(values) - min(values) <= bound < 20 * MS
            mean = sum(own.at(now) for own in wrong) // 3
            assert abs(values[0] - mean) <= bound

    asyncio.run(run())


def _is_compared(group):
    known = group.loop.probing.pairs.known
    return len(known) == 2 and all(
        sum(sample.interleaved for sample in comparison.samples) >= 2
        for comparison in known.values()
    )


@pytest.mark.slow
def test_a_time_source_without_a_map_is_told_by_its_middle():
    class Shifted:
        def now(self):
            return Interval.around(time.time_ns() + SECOND, 5)

    told = GivenClock(Shifted()).tell(1_000)
    assert abs(told - 1_000 - SECOND) < 100 * MS
    assert Machine().tell(5) == 5
