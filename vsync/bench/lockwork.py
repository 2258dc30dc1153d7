"""One process of the lock benchmark: a member, a client, or the server.  [I/O]

It is told what it is in one line of JSON, says ``ready``, and then answers each line of JSON, a
phase, with one: the locks it was granted between two instants of the machine's clock.

The server is what Dake's lecture compares with: one process that knows all locks, a request and an
answer for each. Both sides pack what they have to say at one time into one segment, as TCP does.
"""

import asyncio
import json
import resource
import struct
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

from vsync.config import RingConfig
from vsync.events import Kind
from vsync.identity import Service
from vsync.node.group import Group
from vsync.node.joining import join
from vsync.node.locks import Locks

SAMPLES_MOST = 100_000
LOOKS = 20_000
REQUESTS = 200
_REQUEST = struct.Struct(">BHI")  # verb, bytes of the name, the client's number
_ANSWER = struct.Struct(">BIQ")  # verb, the client's number, token
_ACQUIRE, _RELEASE = 1, 2


@dataclass(frozen=True, slots=True)
class Task:
    """What one process is."""

    kind: str
    """``member``, ``client`` or ``server``."""
    id: int
    listen: str
    peers: dict[str, str]
    server: str
    key_file: str
    mtu: int


@dataclass(frozen=True, slots=True)
class Phase:
    """What is measured at a time."""

    outstanding: int
    pipelined: bool
    """A release and the next request go together; otherwise the one is confirmed first."""
    service: str
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Counted:
    """What came of it."""

    locks: int
    latencies_us: list[float]
    cpu_seconds: float
    frames: int
    """Message frames this member delivered; 0 where there is no ring."""
    look_ns: float
    """What a look at who holds a lock takes: in memory, or as a request to the server."""


class Count:
    """Counts what is granted between two instants."""

    def __init__(self, phase: Phase) -> None:
        self._phase = phase
        self.locks = 0
        self.latencies: list[int] = []

    def granted(self, count: int, asked_at: int) -> None:
        """So many locks that were asked for together were granted."""
        now = time.monotonic_ns()
        if self._phase.begin <= now < self._phase.end:
            self.locks += count
            if len(self.latencies) < SAMPLES_MOST:
                self.latencies.append(now - asked_at)

    @property
    def is_over(self) -> bool:
        return time.monotonic_ns() >= self._phase.end


def names_of(task: Task, count: int) -> list[str]:
    """Locks that nobody else asks for."""
    return [f"{task.id}/{n}" for n in range(count)]


# A member of the ring


async def as_member(task: Task) -> None:
    """Join, and measure phases."""
    joining = join(
        "locks",
        id=task.id,
        listen=task.listen,
        peers={int(peer): address for peer, address in task.peers.items()},
        key=task.key_file or None,
        insecure_plaintext=not task.key_file,
        config=RingConfig.within(1_000_000_000, datagram_bytes=task.mtu - 28),
    )
    async with joining as group:
        await _everybody(group, tuple(sorted([task.id, *map(int, task.peers)])))
        services = {
            service.value: await group.locks(service.value, service=service) for service in Service
        }
        for locks in services.values():
            await locks.seen(len(task.peers) + 1)
        await _phases(task, lambda phase: _locks_of_ring(task, group, services, phase))


async def _everybody(group: Group, members: tuple[int, ...]) -> None:
    async for event in group:
        if (
            getattr(event, "kind", None) is Kind.REGULAR
            and getattr(event, "members", ()) == members
        ):
            return


async def _locks_of_ring(
    task: Task, group: Group, services: dict[str, Locks], phase: Phase
) -> Counted:
    locks, count = services[phase.service], Count(phase)
    names, ring = names_of(task, phase.outstanding), group.loop.engine.ring
    cpu, frames = _cpu(), ring.delivered
    while not count.is_over:
        asked_at = time.monotonic_ns()
        grants = await locks.acquire_many(names)
        count.granted(len(grants), asked_at)
        if phase.pipelined:
            locks.release_many(grants)
        else:
            await locks.give_back_many(grants)
    counted = _counted(count, _cpu() - cpu, ring.delivered - frames)
    began = time.monotonic_ns()
    for _ in range(LOOKS):
        locks.holder(names[0])
    return counted((time.monotonic_ns() - began) / LOOKS)


# A client of the server


class Client(asyncio.Protocol):
    """One connection; :meth:`take` is called with the answers of each read."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport
        self._rest = b""
        self._answers: deque[tuple[int, int, int]] = deque()
        self._news: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's has other parents

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        whole = len(data) - len(data) % _ANSWER.size
        self._rest = data[whole:]
        self._answers.extend(_ANSWER.iter_unpack(data[:whole]))
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    def say(self, requests: Sequence[tuple[int, int, bytes]]) -> None:
        """Send requests: verb, our number, the lock's name."""
        self.transport.write(
            b"".join(_REQUEST.pack(verb, len(name), n) + name for verb, n, name in requests)
        )

    async def answers(self) -> list[tuple[int, int, int]]:
        """All that have come."""
        while not self._answers:
            self._news = asyncio.get_running_loop().create_future()
            await self._news
        found = list(self._answers)
        self._answers.clear()
        return found


async def as_client(task: Task) -> None:
    """Connect, and measure phases."""
    host, _, port = task.server.rpartition(":")
    loop = asyncio.get_running_loop()
    while True:
        try:
            _, client = await loop.create_connection(Client, host, int(port))
            break
        except OSError:
            await asyncio.sleep(0.05)
    await _phases(task, lambda phase: _locks_of_server(task, client, phase))


async def _locks_of_server(task: Task, client: Client, phase: Phase) -> Counted:
    count, cpu = Count(phase), _cpu()
    names = [name.encode() for name in names_of(task, phase.outstanding)]
    asked = [time.monotonic_ns()] * len(names)
    requests = [(_ACQUIRE, n, name) for n, name in enumerate(names)]
    owed = 0
    while requests or owed:
        if requests:
            client.say(requests)
            owed += len(requests)
            requests = []
        for verb, n, _ in await client.answers():
            owed -= 1
            if verb == _ACQUIRE:
                count.granted(1, asked[n])
                requests.append((_RELEASE, n, names[n]))
            # A step that is confirmed is over; one that is not goes with the next.
            if (verb == _ACQUIRE) is phase.pipelined and not count.is_over:
                asked[n] = time.monotonic_ns()
                requests.append((_ACQUIRE, n, names[n]))
    counted = _counted(count, _cpu() - cpu, 0)
    began = time.monotonic_ns()
    for _ in range(REQUESTS):  # one that changes nothing takes what a question would
        client.say([(_RELEASE, 0, b"nobody's")])
        await client.answers()
    return counted((time.monotonic_ns() - began) / REQUESTS)


# The server


class Server(asyncio.Protocol):
    """One client's connection to the server; the table is shared by all."""

    def __init__(self, holders: dict[bytes, "Server"], queues: dict[bytes, deque[Any]]) -> None:
        self.holders, self.queues = holders, queues
        self.transport: asyncio.Transport
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's has other parents

    def data_received(self, data: bytes) -> None:
        data, at, answers = self._rest + data, 0, []
        size = len(data)
        while size - at >= _REQUEST.size:
            verb, length, number = _REQUEST.unpack_from(data, at)
            end = at + _REQUEST.size + length
            if end > size:
                break
            name = data[at + _REQUEST.size : end]
            at = end
            if verb == _ACQUIRE and name in self.holders:
                self.queues.setdefault(name, deque()).append((self, number))
                continue
            if verb == _ACQUIRE:
                self.holders[name] = self
            elif self.holders.get(name) is self:
                self._pass_on(name)
            answers.append(_ANSWER.pack(verb, number, time.monotonic_ns()))
        self._rest = data[at:]
        if answers:
            self.transport.write(b"".join(answers))

    def _pass_on(self, name: bytes) -> None:
        del self.holders[name]
        queue = self.queues.get(name)
        if queue:
            other, number = queue.popleft()
            self.holders[name] = other
            other.transport.write(_ANSWER.pack(_ACQUIRE, number, time.monotonic_ns()))


async def as_server(task: Task) -> None:
    """Serve, and say what it cost."""
    host, _, port = task.listen.rpartition(":")
    holders: dict[bytes, Server] = {}
    queues: dict[bytes, deque[Any]] = {}
    loop = asyncio.get_running_loop()
    await loop.create_server(lambda: Server(holders, queues), host, int(port))
    await _phases(task, _serve)


async def _serve(phase: Phase) -> Counted:
    cpu = _cpu()
    await asyncio.sleep(max(0.0, (phase.end - time.monotonic_ns()) / 1e9))
    return Counted(0, [], _cpu() - cpu, 0, 0.0)


# All of them


def _counted(count: Count, cpu: float, frames: int) -> Callable[[float], Counted]:
    latencies = [ns / 1000 for ns in count.latencies]
    return lambda look_ns: Counted(count.locks, latencies, cpu, frames, look_ns)


async def _phases(task: Task, measure: Callable[[Phase], Any]) -> None:
    await _say("ready")
    while line := (await asyncio.to_thread(sys.stdin.readline)).strip():
        phase = Phase(**json.loads(line))
        await _say(json.dumps(asdict(await measure(phase))))


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    """Run one process."""
    task = Task(**json.loads(sys.stdin.readline()))
    run = {"member": as_member, "client": as_client, "server": as_server}[task.kind]
    try:
        import uvloop
    except ImportError:
        asyncio.run(run(task))
    else:
        uvloop.run(run(task))


if __name__ == "__main__":
    main()
