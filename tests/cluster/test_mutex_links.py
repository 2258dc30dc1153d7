"""Mutexes over the links they need, on a network that loses, repeats, reorders and cuts."""

import pytest

from clocksync.runtime.envelope import Envelope
from clocksync.runtime.simulation import Link, Uniform, World
from clocksync.runtime.units import MILLISECOND, SECOND
from ordering.links import Segment
from ordering.mutex import ALGORITHMS, EpochMutex, Granted, LinkedMutex, Lost, State
from tests.cluster.mutex_properties import check_storm
from tests.cluster.mutex_world import EPOCHS

BAD = Link(
    delay=Uniform(100_000, 3 * MILLISECOND), loss=0.2, duplicate=0.1, reorder=0.2, corrupt=0.02
)
MEMBERS = [1, 2, 3]
ROUNDS = 3


def play(algorithm: str, seed: int, epochs: bool) -> tuple[World, list[tuple[int, int]]]:
    """Every member enters a few times. The world, and who entered with which token."""
    world, entries, inside = World(seed, codec=Envelope((Segment,), 7, 0), link=BAD), [], set()
    make = ALGORITHMS[algorithm]

    def program(boot):
        me = boot.address
        if epochs:
            inner = EpochMutex(me, MEMBERS, make, random=boot.random, config=EPOCHS)
        else:
            inner = make(me, MEMBERS, generation=0, random=boot.random)
        others = [member for member in MEMBERS if member != me]
        return LinkedMutex(inner, others, boot.random.getrandbits(60) | 1)

    def hear(me, event):
        if isinstance(event, Granted):
            assert not inside, f"{me} enters while {inside} inside"
            inside.add(me)
            entries.append((me, event.fencing_token))
            world.after(MILLISECOND, lambda: leave(me, event.fencing_token))
        elif isinstance(event, Lost):
            inside.discard(me)
            ask(me)

    def leave(me, token):
        if me in inside and entries[-1] == (me, token):
            inside.discard(me)
            world.call(me, lambda core, now: core.release(now), "release")
            if [who for who, _ in entries].count(me) < ROUNDS:
                ask(me)

    def ask(me):
        if world.node(me).core.state is State.IDLE:
            world.call(me, lambda core, now: core.acquire(now), "acquire")

    for me in MEMBERS:
        world.add(me, program, application=hear)
    world.run_for(MILLISECOND)
    for me in MEMBERS:
        ask(me)

    def is_over():
        return all([who for who, _ in entries].count(me) >= ROUNDS for me in MEMBERS)

    assert world.run_until(is_over, 60 * SECOND), f"{algorithm}, seed {seed}: {entries}"
    return world, entries


@pytest.mark.parametrize("epochs", [False, True], ids=["bare", "epochs"])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_bad_networks_cost_time_and_nothing_else(algorithm: str, epochs: bool) -> None:
    for seed in range(4):
        world, entries = play(algorithm, seed, epochs)
        tokens = [token for _, token in entries]
        assert tokens == sorted(set(tokens))
        assert world.counts.lost, "the network was bad"


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, 20, 10))
def test_storms_of_partitions_delays_and_crashes_never_let_two_in(first: int) -> None:
    entries = sum(check_storm(seed)["entries"] for seed in range(first, first + 10))
    assert entries > 30
