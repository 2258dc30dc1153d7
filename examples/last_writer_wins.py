"""Last writer wins, and a bad clock does not: the group's timestamps beside the machine's own.

Three nodes keep one value each for a key, and the latest write is to win. Node 3's clock is an hour
ahead and it does not know. By its own clock whatever it writes wins for an hour over everything
the others write after it; by the group's timestamps the write that came last wins. Run it::

    python examples/last_writer_wins.py
"""

import asyncio
import time
from contextlib import AsyncExitStack

import vsync
from clocksync.runtime.interval import Interval

PORT = 47_741
WHERE = {node: f"127.0.0.1:{PORT + node}" for node in (1, 2, 3)}
WRITES = [(1, "first"), (3, "second, by the bad clock"), (2, "third")]
HOUR = 3600 * 10**9


class Clock:
    """A machine's clock with a bound of 2 ms, which may be off by more."""

    off_ns = 0

    def read(self) -> int:
        return time.time_ns() + self.off_ns

    def now(self) -> Interval:
        return Interval.around(self.read(), 2_000_000)


async def winners(group: vsync.Group) -> tuple[str, str]:
    """Who wins at this node: by the writers' own clocks, and by the group's timestamps."""
    by_clock, by_group = (0, ""), (0, "")
    for _ in WRITES:
        message = await anext(aiter(group))
        while not isinstance(message, vsync.Message):
            message = await anext(aiter(group))
        clock, _, value = message.payload.decode().partition(" ")
        by_clock = max(by_clock, (int(clock), value))
        by_group = max(by_group, (message.timestamp, value))
    return by_clock[1], by_group[1]


async def run(where: dict[int, str]) -> list[tuple[str, str]]:
    """Who wins at each node."""
    async with AsyncExitStack() as stack:
        clocks = {node: Clock() for node in where}
        groups = {}
        for node, at in where.items():
            others = {other: place for other, place in where.items() if other != node}
            joining = vsync.join(
                "kv", id=node, listen=at, peers=others, clock=clocks[node], insecure_plaintext=True
            )
            groups[node] = await stack.enter_async_context(joining)
        for group in groups.values():
            async for event in group:
                if isinstance(event, vsync.Configuration) and len(event.members) == len(where):
                    break
        clocks[3].off_ns = HOUR
        for node, value in WRITES:
            await groups[node].deliver(f"{clocks[node].read()} {value}".encode())
        return list(await asyncio.gather(*map(winners, groups.values())))


def main() -> None:
    everybody = asyncio.run(run(WHERE))
    for node, (by_clock, by_group) in enumerate(everybody, start=1):
        print(f"  node {node}: by the writers' clocks: {by_clock:<26}by the group: {by_group}")
    right = all(by_group == WRITES[-1][1] for _, by_group in everybody)
    print("the write that came last wins at every node" if right else "IT DOES NOT")


if __name__ == "__main__":
    main()
