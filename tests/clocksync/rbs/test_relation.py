"""Relations turned round, put one after the other, and chosen among: held against true clocks."""

from random import Random

import pytest

from clocksync.rbs.relation import Relation, best_of
from clocksync.runtime.interval import Interval

DRIFT = 500.0
EPOCH = 1_790_000_000 * 10**9


def clock(offset, ppm):
    return lambda true: EPOCH + true + offset + true * ppm // 1_000_000


def between(a, b, clocks, at, error, slip=0):
    """What is known of a and b at a true time: off by `slip`, within `error`."""
    reading = clocks[a](at)
    truth = clocks[b](at) - reading
    return Relation(
        a=a,
        b=b,
        epoch_b=1,
        as_of=reading,
        interval=Interval.around(truth + slip, error),
        offset_ns=truth + slip,
        skew_ppm=0.0,
        standard_error_ns=10.0,
        broadcasts=30,
    )


@pytest.fixture(params=range(20))
def world(request):
    random = Random(request.param)
    clocks = {
        n: clock(random.randint(-(10**10), 10**10), random.randint(-200, 200)) for n in (1, 2, 3)
    }
    return random, clocks


def draw(random):
    error = random.randint(1, 10**6)
    return random.randint(0, 10**9), error, random.randint(-error, error)


def holds(relation, clocks):
    """Whether the truth is inside at the true time when `a` reads `as_of`."""
    low, high = -(10**11), 10**11
    while low < high:
        middle = (low + high) // 2
        if clocks[relation.a](middle) < relation.as_of:
            low = middle + 1
        else:
            high = middle
    truth = clocks[relation.b](low) - clocks[relation.a](low)
    return relation.interval.earliest - 2 <= truth <= relation.interval.latest + 2


def test_a_relation_holds_at_any_other_instant(world):
    random, clocks = world
    relation = between(1, 2, clocks, *draw(random))
    for _ in range(20):
        reading = relation.as_of + random.randint(-(10**10), 10**10)
        assert holds(relation.at(reading, DRIFT), clocks)


def test_turned_round_it_holds(world):
    random, clocks = world
    relation = between(1, 2, clocks, *draw(random))
    turned = relation.reversed(7, DRIFT)
    assert (turned.a, turned.b, turned.epoch_b) == (2, 1, 7)
    assert holds(turned, clocks)
    assert abs(turned.reversed(1, DRIFT).offset_ns - relation.offset_ns) == 0


def test_a_chain_holds(world):
    random, clocks = world
    chain = between(1, 2, clocks, *draw(random)).then(between(2, 3, clocks, *draw(random)), DRIFT)
    assert (chain.a, chain.b, chain.hops, chain.via) == (1, 3, 2, 2)
    assert holds(chain, clocks)


def test_the_bound_of_a_chain_is_the_sum_and_more():
    clocks = {n: clock(0, 0) for n in (1, 2, 3)}
    one, other = between(1, 2, clocks, 0, 1_000), between(2, 3, clocks, 0, 500)
    assert 1_500 <= one.then(other, DRIFT).error_bound_ns <= 1_510
    with pytest.raises(ValueError, match="from 3 does not go on from 2"):
        one.then(between(3, 1, clocks, 0, 1), DRIFT)


def test_what_two_hear_of_each_other_goes_before_any_chain():
    clocks = {n: clock(0, 0) for n in (1, 2, 3)}
    direct, near = between(1, 3, clocks, 0, 10_000), between(1, 2, clocks, 0, 1)
    chain = near.then(between(2, 3, clocks, 0, 1), DRIFT)
    assert best_of([chain, direct], DRIFT) is direct
    assert best_of([chain], DRIFT) is chain
    assert best_of([], DRIFT) is None


def test_of_chains_the_one_of_least_error_is_taken():
    clocks = {n: clock(0, 0) for n in (1, 2, 3)}
    last = between(2, 3, clocks, 0, 10)
    wide, narrow = (between(1, 2, clocks, 0, error).then(last, DRIFT) for error in (900, 100))
    assert best_of([wide, narrow], DRIFT) is narrow


def test_two_that_contradict_each_other_are_both_held_possible():
    clocks = {1: clock(0, 0), 2: clock(0, 0)}
    one, other = between(1, 2, clocks, 0, 100), between(1, 2, clocks, 0, 100, slip=5_000)
    found = best_of([one, other], DRIFT)
    assert found.is_disputed
    assert found.interval.contains(one.interval)
    assert found.interval.contains(other.interval)
    assert found.standard_error_ns is None
