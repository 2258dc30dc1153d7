"""Majority voting as taught ends in a deadlock, and how asking votes back resolves it.

Three members ask at the same time. "As long as you get more than half of the votes, you can access
the resource": each votes for itself, and nobody ever gets a second vote.

Run it: ``python examples/mutex_deadlock.py``
"""

from clocksync.runtime.simulation import Constant, Link, World
from clocksync.runtime.units import MILLISECOND, SECOND
from ordering.mutex import Granted, MajorityMutex, MutexCodec

MEMBERS = [1, 2, 3]


def run(resolves: bool) -> list[object]:
    """Let all ask at once; who got in, in order."""
    link = Link(delay=Constant(MILLISECOND), in_order=True)
    world, served = World(seed=1, codec=MutexCodec(), link=link, keep=None), []

    def hear(member: object, event: object) -> None:
        if isinstance(event, Granted):
            served.append(member)
            world.after(MILLISECOND, lambda: world.call(member, MajorityMutex.release, "release"))

    for member in MEMBERS:
        world.add(member, MajorityMutex(member, MEMBERS, resolves=resolves), application=hear)
    for member in MEMBERS:
        world.call(member, MajorityMutex.acquire, "acquire")
    world.run_quiet(10 * SECOND)
    print(*world.transcript.lines(), sep="\n")
    return served


def main() -> None:
    """Both forms, with all that was said."""
    print("As taught: an OK is given once, and kept until it is released.")
    print(f"Served: {run(resolves=False) or 'nobody, and never will be'}\n")
    print("With inquiries: a voter that hears of an earlier request asks for its vote back.")
    print(f"Served: {run(resolves=True)}")


if __name__ == "__main__":
    main()
