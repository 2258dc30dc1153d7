"""A scheduler on three nodes: all fire the same job at the same group time, whatever their clocks.

A job is due at an instant of the group's time. Time passes for a replica only with the messages it
delivers, so a member multicasts a tick now and then; with the first message stamped at or after a
job's time every node fires it, at the same place in the order and with the same reading of the
time. A node with a wrong clock fires no sooner and no later than the others. Run it::

    python examples/scheduler.py
"""

import asyncio
import time
from contextlib import AsyncExitStack

import vsync
from clocksync.runtime.interval import Interval

PORT = 47_731
WHERE = {node: f"127.0.0.1:{PORT + node}" for node in (1, 2, 3)}
JOBS = {"backup": 100, "report": 150, "mail": 250}
"""Name, and after how many ms it is due."""
MS = 1_000_000


class WrongClock:
    """A time source that is off by so much and does not know; nothing before `wrong` is set."""

    def __init__(self, off_ns: int) -> None:
        self.off_ns, self.wrong = off_ns, False

    def now(self) -> Interval:
        off = self.off_ns if self.wrong else 0
        return Interval.around(time.time_ns() + off, 2 * MS)


async def fire(group: vsync.Group, start: int) -> list[tuple[str, vsync.Timestamp]]:
    """Fire all jobs; what was fired, and when by the group's time."""
    due = {name: start + after * MS for name, after in JOBS.items()}
    fired: list[tuple[str, vsync.Timestamp]] = []
    ticking = asyncio.ensure_future(tick(group)) if group.id == 1 else None
    async for event in group:
        if not isinstance(event, vsync.Message):
            continue
        for name in sorted(due, key=lambda name: due[name]):
            if event.timestamp >= due[name]:
                del due[name]
                fired.append((name, group.timestamp()))
        if not due:
            break
    if ticking is not None:
        ticking.cancel()
    return fired


async def tick(group: vsync.Group) -> None:
    """Let time pass. Any member may, and more than one."""
    while True:
        await group.multicast(b"tick")
        await asyncio.sleep(0.01)


async def run(where: dict[int, str]) -> list[list[tuple[str, vsync.Timestamp]]]:
    """What each node fired. The third one's clock is an hour ahead, and it does not know."""
    async with AsyncExitStack() as stack:
        groups, clocks = [], [WrongClock(0), WrongClock(0), WrongClock(3_600_000 * MS)]
        for (node, at), clock in zip(where.items(), clocks, strict=True):
            others = {other: place for other, place in where.items() if other != node}
            joining = vsync.join(
                "jobs", id=node, listen=at, peers=others, clock=clock, insecure_plaintext=True
            )
            groups.append(await stack.enter_async_context(joining))
        for group in groups:
            async for event in group:
                if isinstance(event, vsync.Configuration) and len(event.members) == len(where):
                    break
        clocks[2].wrong = True
        begun = await groups[2].deliver(b"begin")
        return await asyncio.gather(*(fire(group, begun.timestamp) for group in groups))


def main() -> None:
    everybody = asyncio.run(run(WHERE))
    for node, fired in enumerate(everybody, start=1):
        times = ", ".join(f"{name} at {at.timestamp % 10**12 / 1e9:.6f}" for name, at in fired)
        print(f"  node {node}: {times}")
    same = all(fired == everybody[0] for fired in everybody)
    print("the same jobs at the same group time everywhere" if same else "THEY DIFFER")


if __name__ == "__main__":
    main()
