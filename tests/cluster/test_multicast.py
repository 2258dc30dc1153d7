"""Groups in simulation, judged from outside: loss, delay, duplication, reordering, pauses, crashes.

A failing seed is looked at with ``tests.cluster.multicast_runs.campaign(seed)``.
"""

import pytest

from clocksync.runtime.simulation import Fault, Link, World
from clocksync.runtime.units import MILLISECOND, SECOND
from ordering.multicast.acknowledgement import Rule
from ordering.multicast.properties import (
    Observed,
    What,
    all_deliver_one_sequence,
    all_is_delivered,
    causes_come_first,
    judge,
    nothing_is_created,
    nothing_is_duplicated,
    senders_order_is_kept,
    what_was_seen_comes_first,
)
from ordering.testing import MemberSettings, Order, Simulated
from tests.cluster.multicast_runs import campaign, run

SEEDS = range(40)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, len(SEEDS), 10))
def test_every_order_keeps_its_promises(first: int) -> None:
    offences = [line for seed in SEEDS[first : first + 10] for line in campaign(seed)]
    assert not offences, "\n".join(offences)


def _broken(order: Order, promise) -> int:  # type: ignore[no-untyped-def]
    return sum(any(promise(run(seed, order).observed)) for seed in range(15))


@pytest.mark.slow
def test_weaker_orders_break_stronger_promises_so_the_judges_look() -> None:
    assert _broken(Order.FIFO, causes_come_first) > 3
    assert _broken(Order.FIFO, all_deliver_one_sequence) > 3
    assert _broken(Order.CAUSAL, all_deliver_one_sequence) > 3


def test_a_dead_members_full_window_stops_even_fifo_order_and_it_is_named() -> None:
    world, group = _three(Order.FIFO)
    world.run(50 * MILLISECOND)
    group.crash(3)
    for place in range(200):
        world.at((100 + place) * MILLISECOND, lambda: group.multicast(1, size=2000))
    world.run(5 * SECOND)
    assert 0 < len(group.observed.seen(2, What.DELIVERED)) < 50
    waiting = group.core(1).waiting()
    assert waiting is not None
    assert waiting.members == (3,)
    assert world.node(1).monotonic.read() - waiting.since_ns > 4.9 * SECOND


@pytest.mark.slow
def test_after_a_crash_fifo_and_causal_go_on_among_the_living() -> None:
    for order in (Order.FIFO, Order.CAUSAL):
        world, group = _three(order)
        world.at(5 * MILLISECOND, lambda group=group: group.crash(3))
        for place in range(10):
            world.at(
                (10 + place) * MILLISECOND,
                lambda group=group, place=place: group.multicast(1 + place % 2),
            )
        world.run(5 * SECOND)
        assert len(group.observed.seen(1, What.DELIVERED)) == 10
        assert len(group.observed.seen(2, What.DELIVERED)) == 10


@pytest.mark.parametrize("order", [Order.TOTAL, Order.SEQUENCER])
def test_total_order_stands_still_without_a_member_and_says_since_when(order: Order) -> None:
    world, group = _three(order)
    world.run(50 * MILLISECOND)
    group.crash(1)
    world.at(SECOND, lambda: group.multicast(2))
    world.run(2 * SECOND)
    assert group.observed.seen(2, What.DELIVERED) == []
    waiting = group.core(2).waiting()
    assert waiting is not None
    assert waiting.members == (1,)
    waited = world.node(2).monotonic.read() - waiting.since_ns
    assert 0.99 * SECOND < waited <= SECOND


def test_a_member_that_left_is_waited_for_by_nobody() -> None:
    world, group = _three(Order.TOTAL)
    group.multicast(3)
    world.run(100 * MILLISECOND)
    world.call(3, lambda core, now: core.leave(), "leave")
    world.run(200 * MILLISECOND)
    assert group.core(3).has_left(world.node(3).monotonic.read())
    world.crash(3)
    group.multicast(1)
    group.multicast(2)
    world.run(300 * MILLISECOND)
    assert [len(group.observed.seen(m, What.DELIVERED)) for m in (1, 2)] == [3, 3]
    assert group.core(1).waiting() is None


def test_of_two_that_leave_at_once_none_waits_for_ever_for_the_other() -> None:
    # In this run the last confirmation is lost, and whoever sent it is about to end.
    played = run(5249, Order.FIFO)
    assert played.observed.left == {3, 4}
    assert judge(played.observed, Order.FIFO) == []


def test_a_member_that_restarts_stays_out_and_its_peers_say_so() -> None:
    world, group = _three(Order.FIFO)
    world.run(50 * MILLISECOND)
    group.crash(3)
    world.restart(3)
    world.call(3, lambda core, now: core.multicast([b"a new life"], now), "multicast")
    world.run(3 * SECOND)
    assert group.observed.seen(1, What.DELIVERED) == []
    assert any("another process says it is this member" in str(told) for told in world.events(1))
    assert group.core(3).links.unconfirmed == [1, 2]


def test_identifiers_alone_block_where_stamps_disagree_and_whole_stamps_do_not() -> None:
    # m = (6, P1) and n = (1, P2) are concurrent: P1's clock stands at 5 when it sends m.
    for rule, is_done in ((Rule.IDENTIFIERS_ONLY, False), (Rule.SPARING, True), (Rule.FULL, True)):
        world = World(seed=1)
        group = Simulated(world, (1, 2), MemberSettings(order=Order.TOTAL, rule=rule))
        world.run(10 * MILLISECOND)
        group.core(1).order.time = 5  # type: ignore[attr-defined]
        group.multicast(1)
        group.multicast(2)
        world.run(SECOND)
        done = [len(group.observed.seen(member, What.DELIVERED)) for member in (1, 2)]
        assert done == ([2, 2] if is_done else [0, 0]), rule
        assert (group.core(1).waiting() is None) is is_done


def test_an_application_that_does_not_take_its_deliveries_slows_its_peers() -> None:
    world, group = _three(Order.FIFO)
    world.run(50 * MILLISECOND)
    world.call(2, lambda core, now: core.shut(True), "shut")
    for number in range(400):
        world.at((60 + number) * MILLISECOND, lambda: group.multicast(1, size=2000))
    world.run(2 * SECOND)
    taken = len(group.observed.seen(2, What.DELIVERED))
    assert taken < 100
    assert not group.core(1).has_room
    world.call(2, lambda core, now: core.shut(False), "open")
    assert world.run_quiet(20 * SECOND)
    assert len(group.observed.seen(2, What.DELIVERED)) == 400
    assert judge(group.observed, Order.FIFO) == [
        "all_is_delivered: the run did not come to rest"
    ]  # nobody told it that it did


def test_the_repr_of_a_fault_brings_it_back() -> None:
    fault = Fault(5, "pause", (1,), 7)
    assert eval(repr(fault)) == fault


def _three(order: Order) -> tuple[World, Simulated]:
    world = World(seed=4, link=Link())
    return world, Simulated(world, (1, 2, 3), MemberSettings(order=order))


# The judges themselves, on runs made by hand.

M, D, P = What.MULTICAST, What.DELIVERED, What.PREVIEWED


@pytest.mark.parametrize(
    ("judged", "logs", "offends"),
    [
        (nothing_is_created, {1: [(M, 1, b"a"), (D, 1, b"a")], 2: [(D, 1, b"a")]}, False),
        (nothing_is_created, {1: [], 2: [(D, 1, b"a")]}, True),
        (nothing_is_created, {1: [(M, 1, b"a")], 2: [(D, 2, b"a")]}, True),
        (nothing_is_duplicated, {1: [(D, 1, b"a"), (D, 1, b"b")]}, False),
        (nothing_is_duplicated, {1: [(D, 1, b"a"), (D, 1, b"a")]}, True),
        (senders_order_is_kept, {1: [(M, 1, b"a"), (M, 1, b"b")], 2: [(D, 1, b"a")]}, False),
        (senders_order_is_kept, {1: [(M, 1, b"a"), (M, 1, b"b")], 2: [(D, 1, b"b")]}, True),
        (
            causes_come_first,
            {1: [(M, 1, b"a")], 2: [(D, 1, b"a"), (M, 2, b"b")], 3: [(D, 1, b"a"), (D, 2, b"b")]},
            False,
        ),
        (
            causes_come_first,
            {1: [(M, 1, b"a")], 2: [(D, 1, b"a"), (M, 2, b"b")], 3: [(D, 2, b"b"), (D, 1, b"a")]},
            True,
        ),
        (all_deliver_one_sequence, {1: [(D, 1, b"a")], 2: [(D, 1, b"a"), (D, 2, b"b")]}, False),
        (all_deliver_one_sequence, {1: [(D, 2, b"b")], 2: [(D, 1, b"a"), (D, 2, b"b")]}, True),
        (
            what_was_seen_comes_first,
            {
                1: [(M, 1, b"a"), (P, 1, b"a")],
                2: [(P, 1, b"a"), (M, 2, b"b"), (P, 2, b"b"), (D, 2, b"b"), (D, 1, b"a")],
            },
            True,
        ),
        (all_is_delivered, {1: [(M, 1, b"a"), (D, 1, b"a")], 2: [(D, 1, b"a")]}, False),
        (all_is_delivered, {1: [(M, 1, b"a")], 2: [(D, 1, b"a")]}, True),
    ],
)
def test_a_judge_sees_what_is_wrong_and_only_that(judged, logs, offends) -> None:  # type: ignore[no-untyped-def]
    assert bool(list(judged(Observed(logs, is_quiet=True)))) is offends
