"""A paused holder overlaps with its successor, and the resource stops it: why grants have tokens.

Three members, leases of 400 ms. Member 2 enters and its process stands still for two seconds. The
others find that it has been silent for longer than a lease, begin an epoch without it, and member 3
enters. Then 2 wakes up and writes before it looks at its clock.

Run it: ``python examples/mutex_paused_holder.py``
"""

from clocksync.runtime.simulation import Boot, World
from clocksync.runtime.units import SECOND, format_duration
from ordering.mutex import ALGORITHMS, EpochMutex, FencedResource, MutexCodec, StaleToken, State

MEMBERS = [1, 2, 3]


def program(boot: Boot) -> EpochMutex:
    """What every member runs."""
    return EpochMutex(int(str(boot.address)), MEMBERS, ALGORITHMS["central"], random=boot.random)


def main() -> None:
    """Tell the story, line by line, as it happens."""
    world, store = World(seed=1, codec=MutexCodec()), FencedResource()
    for member in MEMBERS:
        world.add(member, program, application=lambda who, event: say(f"member {who}: {event}"))

    def say(what: str) -> None:
        print(f"{format_duration(world.now):>8}  {what}")

    def core(member: int) -> EpochMutex:
        found = world.node(member).core
        assert isinstance(found, EpochMutex)
        return found

    def enter(member: int) -> int:
        world.call(member, EpochMutex.acquire, "acquire")
        world.run_until(lambda: core(member).state is State.HELD, world.now + 10 * SECOND)
        return core(member).token

    def write(member: int, token: int) -> None:
        try:
            store.check(token)
            say(f"member {member} writes: accepted")
        except StaleToken as refused:
            say(f"member {member} writes: {refused}")

    world.run_for(SECOND // 10)
    old = enter(2)
    write(2, old)
    world.pause(2)
    say("member 2 stands still, inside")
    new = enter(3)
    write(3, new)
    world.run_until(lambda: False, world.now + SECOND)
    say(f"member 2 wakes up and believes it is inside: {core(2).state is State.HELD}")
    world.resume(2)
    write(2, old)
    world.run_for(SECOND // 10)


if __name__ == "__main__":
    main()
