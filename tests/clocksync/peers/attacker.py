"""Somebody without a key who sits on every path, hears all, and sends what he likes of it."""

from collections.abc import Callable, Hashable
from random import Random

from clocksync.runtime.simulation import World

Ends = tuple[Hashable, Hashable]
"""Where a datagram goes to, and where it claims to come from."""


def attack(
    world: World, random: Random, misdirected: Callable[[Ends], Ends], within_ns: int
) -> None:
    """For each datagram that passes send three: earlier ones bent, cut, misdirected; or rubbish.

    Args:
        misdirected: changes the ends of a datagram; one in five goes through it.
        within_ns: each comes before that long.
    """
    recorded: list[tuple[Ends, bytes]] = []

    def hear(sender: Hashable, to: Hashable, data: bytes) -> bool:
        recorded.append(((to, sender), data))
        for _ in range(3):
            ends, old = random.choice(recorded)
            bent = bytearray(old)
            match random.randrange(5):
                case 0:
                    bent[random.randrange(len(bent))] ^= 1 << random.randrange(8)
                case 1:
                    del bent[random.randrange(len(bent)) :]
                case 2:
                    bent = bytearray(random.randbytes(random.randrange(200)))
                case 3:
                    ends = ends[::-1]
                case 4:
                    ends = misdirected(ends)
            victim, claimed = ends
            world.inject(victim, claimed, bytes(bent), random.randrange(within_ns))
        return False

    world.intercept(hear)
