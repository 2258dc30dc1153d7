"""One member of a benchmark, a process of its own.  [I/O]

It is told what to do in one line of JSON on standard input, says ``ready`` when everybody is on the
ring, begins at the next line, and ends with one line of JSON: what it counted between two instants
of the machine's monotonic clock, the same for all members.
"""

import asyncio
import json
import resource
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass

from vsync.config import RingConfig
from vsync.events import Configuration, Kind, Messages
from vsync.identity import Service
from vsync.node.group import Group
from vsync.node.joining import join

SAMPLES_MOST = 200_000


@dataclass(frozen=True, slots=True)
class Task:
    """What one member is to do."""

    id: int
    listen: str
    peers: dict[str, str]
    members: int
    size: int
    sends: bool
    service: str
    outstanding: int
    batch: int
    mtu: int
    config: dict[str, int]
    key_file: str
    """Empty: without one."""
    multicast: bool


@dataclass(frozen=True, slots=True)
class Counted:
    """What one member saw between the two instants."""

    id: int
    delivered: int
    origins: dict[str, int]
    latencies_us: list[float]
    cpu_seconds: float
    rotations: int
    seconds: float
    transport: str


class Worker:
    """Sends as fast as its own messages come back, and counts."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.origins: Counter[int] = Counter()
        self.latencies: list[int] = []
        self.is_counting = False
        self._due: asyncio.Queue[int] = asyncio.Queue()
        self._ready = asyncio.Event()

    async def run(self) -> Counted:
        """From joining to having left."""
        task = self.task
        config = RingConfig.within(1_000_000_000, datagram_bytes=task.mtu - 28, **task.config)
        joining = join(
            "bench",
            id=task.id,
            listen=task.listen,
            peers={int(peer): address for peer, address in task.peers.items()},
            key=task.key_file or None,
            insecure_plaintext=not task.key_file,
            config=config,
            multicast=task.multicast,
        )
        async with joining as group, asyncio.TaskGroup() as tasks:
            tasks.create_task(self._receive(group))
            await self._ready.wait()
            await _say("ready")
            begin, end = map(int, (await _hear()).split())
            sending = tasks.create_task(self._send(group)) if task.sends else None
            await _until(begin)
            self.is_counting = True
            cpu, turns = _cpu(), group.loop.rotations
            await _until(end)
            self.is_counting = False
            counted = Counted(
                task.id,
                sum(self.origins.values()),
                {str(origin): count for origin, count in self.origins.items()},
                [ns / 1000 for ns in self.latencies],
                _cpu() - cpu,
                group.loop.rotations - turns,
                (end - begin) / 1e9,
                group.loop.transport,
            )
            await _say(json.dumps(asdict(counted)))
            await _hear()  # until everybody has counted
            if sending is not None:
                sending.cancel()
            await group.leave()
        return counted

    async def _receive(self, group: Group) -> None:
        me, members = self.task.id, tuple(range(1, self.task.members + 1))
        origins, latencies = self.origins, self.latencies
        async for events in group.batches():
            now, own = time.monotonic_ns(), 0
            for event in events:
                if isinstance(event, Messages):
                    count = len(event.payloads)
                    if self.is_counting:
                        origins[event.origin] += count
                    if event.origin == me:
                        own += count
                        if self.is_counting and len(latencies) < SAMPLES_MOST:
                            # The first of a datagram waited longest.
                            latencies.append(now - _sent_at(event.payloads[0]))
                elif event.kind is Kind.REGULAR and event.members == members:
                    self._ready.set()
                elif isinstance(event, Configuration) and self.is_counting:
                    raise RuntimeError(f"the ring broke in the benchmark: {event.reason.value}")
            if own:
                self._due.put_nowait(own)

    async def _send(self, group: Group) -> None:
        """Keep so many of ours on their way."""
        task, service = self.task, Service(self.task.service)
        room, filler = task.outstanding, bytes(max(0, task.size - 8))
        while True:
            while room > 0:
                count = min(room, task.batch)
                payload = (time.monotonic_ns().to_bytes(8, "big") + filler)[: task.size]
                await group.multicast_many([payload] * count, service)
                room -= count
            room += await self._due.get()
            while not self._due.empty():
                room += self._due.get_nowait()


def _sent_at(payload: bytes) -> int:
    return int.from_bytes(payload[:8], "big") if len(payload) >= 8 else time.monotonic_ns()


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def _until(monotonic_ns: int) -> None:
    await asyncio.sleep(max(0.0, (monotonic_ns - time.monotonic_ns()) / 1e9))


async def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def _hear() -> str:
    return await asyncio.to_thread(sys.stdin.readline)


def main() -> None:
    """Run one member."""
    task = Task(**json.loads(sys.stdin.readline()))
    try:
        import uvloop
    except ImportError:
        asyncio.run(Worker(task).run())
    else:
        uvloop.run(Worker(task).run())


if __name__ == "__main__":
    main()
