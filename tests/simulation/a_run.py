"""One run with everything in it, as a program: prints the digest of its transcript."""

import sys
from random import Random

from clocksync.runtime.core import StampSource
from clocksync.runtime.simulation import (
    Exponential,
    Link,
    LogNormal,
    NodeOptions,
    Pareto,
    Uniform,
    World,
    inflict,
    random_faults,
)
from tests.simulation.actors import Talker

NAMES = ["ada", "bob", "eve", "kim", "zoe"]
LENGTH_NS = 60_000_000


def run(seed: int, count: int = 40) -> World:
    world = World(seed, keep=None, link=Link(delay=Exponential(20_000, 200_000), duplicate=0.02))
    for place, name in enumerate(NAMES):
        others = [other for other in NAMES if other != name]
        world.add(
            name,
            lambda boot, others=others: Talker(
                others, count, every_ns=boot.random.randrange(800_000, 1_200_000)
            ),
            offset_ns=place * 1_000_000,
            rate_ppm=place * 40 - 80,
            options=NodeOptions(
                stamps=StampSource.USER if place % 2 else StampSource.KERNEL,
                latency=Uniform(1_000, 60_000),
                stamp_loss=0.1,
            ),
        )
    world.group("all", NAMES)
    world.link("ada", "bob", Link(delay=Pareto(50_000, 20_000), corrupt=0.05))
    world.link("bob", "ada", Link(delay=LogNormal(10_000, 90_000), reorder=0.2))
    world.refuse("nobody")
    world.after(3_000_000, lambda: world.call("kim", lambda core, now: core.say("nobody", 9, "t")))
    world.after(4_000_000, lambda: world.call("zoe", lambda core, now: core.say("all", 10)))
    world.after(5_000_000, lambda: world.inject("eve", "mallory", b"\xff\x00garbage"))
    inflict(world, random_faults(Random(f"{seed}/faults"), NAMES, LENGTH_NS, count=12))
    world.run(LENGTH_NS)
    world.heal()
    return world


if __name__ == "__main__":
    world = run(int(sys.argv[1]))
    sys.stdout.write(f"{world.transcript.digest()} {len(world.transcript)} {world.events_run}\n")
