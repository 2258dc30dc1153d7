"""One seed gives one run."""

from clocksync.runtime.simulation import World
from tests.hashes import printed
from tests.simulation.a_run import LENGTH_NS, run
from tests.simulation.actors import Talker


def test_one_seed_gives_one_run_whatever_the_hash_seed():
    digests = printed("-m", "tests.simulation.a_run", "7")
    assert len(digests) == 1
    assert int(digests.pop().split()[1]) > 500  # a long transcript agreed, not an empty one


def test_other_seeds_give_other_runs():
    digests = [run(seed).transcript.digest() for seed in range(5)]
    assert len(set(digests)) == 5


def test_a_run_in_pieces_is_the_run_in_one():
    digests = []
    for pieces in (1, 7, 100):
        world = World(3, keep=None)
        world.add(1, Talker([2]))
        world.add(2, Talker([1]))
        for piece in range(1, pieces + 1):
            world.run(LENGTH_NS * piece // pieces)
        digests.append(world.transcript.digest())
    assert len(set(digests)) == 1


def test_what_one_node_draws_does_not_depend_on_how_many_others_there_are():
    def draws(others: int) -> float:
        world = World(5)
        drawn = []
        for place in range(1 + others):
            world.add(place, lambda boot: drawn.append(boot.random.random()) or Talker([]))
        world.run(0)
        return drawn[0]

    assert draws(0) == draws(3)


def test_every_node_and_every_incarnation_draws_its_own():
    world = World(5)
    drawn = []
    for place in range(2):
        world.add(place, lambda boot: drawn.append(boot.random.random()) or Talker([]))
    world.run(0)
    world.crash(0)
    world.restart(0)
    assert len(set(drawn)) == len(drawn) == 3
