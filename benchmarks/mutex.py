"""Locks/s of every mutex, beside Redis and PySyncObj, in one run.  [I/O]

Three processes on loopback addresses, one lock. *Alone*: one of them (not the coordinator) enters
and leaves as fast as it can. *Contended*: all three do. With epochs is what survives crashes; bare
is the textbook's algorithm. Peers, where they are installed: Redis 7's ``SET NX`` and delete from
Python (one server, no replication, nothing on disk: it does not survive a crash), and PySyncObj's
replicated lock (Raft among the three). ``python -m benchmarks.mutex [--seconds S] [--redis PATH]``
"""

import argparse
import asyncio
import contextlib
import multiprocessing
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from multiprocessing.synchronize import Barrier as BarrierType

from rich.table import Table

import vsync
from benchmarks.harness import machine, tell, the_machine_alone
from benchmarks.results import record
from ordering.mutex import ALGORITHMS, Mutex, join
from tools import peers
from vsync.node.locks import Lock

MEMBERS = (1, 2, 3)
TOGETHER_S = 60.0
"""How long processes wait for each other at most."""

Entered = tuple[int, float]
"""Entries, and the median of how long one took from asking to having left, in us."""


@dataclass(frozen=True)
class Result:
    """One contestant: its name, and what was measured alone and contended."""

    name: str
    alone: Entered
    contended: list[Entered]


@dataclass(frozen=True)
class Part:
    """What one of the three processes is to do, and with whom."""

    me: int
    asks: bool
    seconds: float
    ports: dict[int, int]
    gate: BarrierType
    results: "multiprocessing.SimpleQueue[Entered]"

    def addresses(self) -> tuple[str, dict[int, str]]:
        """Where this process listens, and where the others do."""
        where = {member: f"127.0.0.1:{port}" for member, port in self.ports.items()}
        return where.pop(self.me), where

    def wait(self) -> None:
        """Until all three are here."""
        self.gate.wait(TOGETHER_S)

    def tell(self, entered: list[float]) -> None:
        """How long each entry took, if this process asks."""
        if self.asks:
            self.results.put((len(entered), 1e6 * statistics.median(entered or [0.0])))

    def enter(self, once: Callable[[float], bool]) -> None:
        """Enter and leave as fast as it goes, if this process asks, while all are there.

        Args:
            once: enters and leaves; false if it gave up, when the time that it is told was over.
        """
        self.wait()
        entered, end = [], time.perf_counter() + self.seconds
        while self.asks and time.perf_counter() < end:
            began = time.perf_counter()
            if once(end):
                entered.append(time.perf_counter() - began)
        self.tell(entered)
        self.wait()

    async def enter_mutex(self, mutex: Mutex | Lock) -> None:
        """The same in an event loop, after a first time that does not count."""
        async with mutex.acquire(TOGETHER_S):
            pass
        await asyncio.to_thread(self.wait)
        entered, end = [], time.perf_counter() + self.seconds
        while self.asks and time.perf_counter() < end:
            began = time.perf_counter()
            async with mutex.acquire(TOGETHER_S):
                pass
            entered.append(time.perf_counter() - began)
            await asyncio.sleep(0)
        self.tell(entered)
        await asyncio.to_thread(self.wait)


def measure(
    name: str, work: Callable[..., None], seconds: float, arguments: tuple[object, ...] = ()
) -> Result:
    """Run three processes of `work`, first with one that asks, then with three."""
    alone = _run(work, (2,), seconds, arguments)
    return Result(name, alone[0], _run(work, MEMBERS, seconds, arguments))


def _run(
    work: Callable[..., None],
    askers: tuple[int, ...],
    seconds: float,
    arguments: tuple[object, ...],
) -> list[Entered]:
    context = multiprocessing.get_context("spawn")
    gate, results = context.Barrier(len(MEMBERS)), context.SimpleQueue()
    ports = _ports()
    processes = [
        context.Process(
            target=work,
            args=(Part(me, me in askers, seconds, ports, gate, results), *arguments),
        )
        for me in MEMBERS
    ]
    for process in processes:
        process.start()
    found = [results.get() for _ in askers]
    for process in processes:
        process.join(TOGETHER_S)
        if process.exitcode is None:
            process.kill()
    return found


def _ports() -> dict[int, int]:
    socks = {me: socket.socket() for me in MEMBERS}
    for sock in socks.values():
        sock.bind(("127.0.0.1", 0))
    ports = {me: sock.getsockname()[1] for me, sock in socks.items()}
    for sock in socks.values():
        sock.close()
    return ports


def ours(part: Part, algorithm: str, epochs: bool) -> None:
    """A member of a group of ours."""
    listen, others = part.addresses()

    async def run() -> None:
        joined = join(part.me, listen=listen, peers=others, algorithm=algorithm, epochs=epochs)
        async with joined as mutex:
            await part.enter_mutex(mutex)

    asyncio.run(run())


def ring(part: Part, service: str) -> None:
    """A member of a ring with a lock service: what survives crashes, partitions and merges."""
    listen, others = part.addresses()

    async def run() -> None:
        joining = vsync.join(
            "locks",
            id=part.me,
            listen=listen,
            peers=others,
            insecure_plaintext=True,
            quorum=vsync.MajorityOfExpected(frozenset(MEMBERS)),
        )
        async with joining as group:
            locks = await group.locks(service=vsync.Service(service))
            await locks.seen(len(MEMBERS))
            await part.enter_mutex(locks.named("the lock"))

    asyncio.run(run())


def redis(part: Part, port: int) -> None:
    """A client of one Redis: SET NX until it succeeds, then delete."""
    from redis import Redis

    client = Redis(port=port)
    client.ping()

    def once(_end: float) -> bool:
        while not client.set("lock", part.me, nx=True, px=10_000):
            pass
        client.delete("lock")
        return True

    part.enter(once)
    client.close()


def pysyncobj(part: Part) -> None:
    """A member of a PySyncObj group with its replicated lock manager."""
    from pysyncobj import SyncObj
    from pysyncobj.batteries import ReplLockManager

    listen, others = part.addresses()
    lock = ReplLockManager(autoUnlockTime=75)
    node = SyncObj(listen, list(others.values()), consumers=[lock])
    while not node.isReady():
        time.sleep(0.01)

    def once(end: float) -> bool:
        while not lock.tryAcquire("lock", sync=True, timeout=5):
            if time.perf_counter() > end:
                return False
        lock.release("lock", sync=True, timeout=5)
        return True

    part.enter(once)
    node.destroy()


@contextlib.contextmanager
def redis_server(program: str) -> Iterator[int]:
    """A Redis of our own: nothing on disk, the loopback only. Its port."""
    [port, *_] = _ports().values()
    with tempfile.TemporaryDirectory() as folder:
        options = ["--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no"]
        quiet = subprocess.DEVNULL
        arguments = [program, *options, "--dir", folder]
        with subprocess.Popen(arguments, env=peers.environment(), stdout=quiet) as server:
            try:
                _wait_for(port)
                yield port
            finally:
                server.terminate()


def _wait_for(port: int) -> None:
    for _ in range(200):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.1):
            return
        time.sleep(0.05)
    raise TimeoutError(f"nothing listens on port {port}")


def contestants(seconds: float, redis_program: str | None) -> Iterator[Result | str]:
    """A result, or the reason why there is none."""
    for algorithm in ALGORITHMS:
        for epochs in (True, False):
            name = f"{algorithm}, {'with epochs' if epochs else 'bare'}"
            yield measure(name, ours, seconds, (algorithm, epochs))
    for service in vsync.Service:
        yield measure(f"lock service on a ring, {service.value}", ring, seconds, (service.value,))
    if redis_program is None or find_spec("redis") is None:
        yield "Redis: left out; it needs redis-server and pip install redis"
    else:
        try:
            with redis_server(redis_program) as port:
                yield measure("Redis SET NX, one server", redis, seconds, (port,))
        except TimeoutError as error:
            yield f"Redis: left out; {redis_program} did not start: {error}"
    if find_spec("pysyncobj") is None:
        yield "PySyncObj: left out; pip install pysyncobj"
    else:
        yield measure("PySyncObj ReplLockManager", pysyncobj, seconds)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutex", description="locks/s")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    parser.add_argument("--redis", help="path of redis-server, if neither fetched nor on PATH")
    options = record.parse(parser)
    table = Table(title="one lock, three processes, loopback", caption=machine())
    table.add_column("mutex")
    for head in (
        "alone\nlocks/s",
        "alone\nmedian us",
        "three ask\nlocks/s",
        "three ask\nmedian us",
    ):
        table.add_column(head, justify="right")
    table.add_column("each of the three", justify="right")
    reasons, results = [], []
    with the_machine_alone():
        found = peers.find("redis-server")
        for result in contestants(options.seconds, options.redis or (found and str(found))):
            if isinstance(result, str):
                reasons.append(result)
                continue
            print(f"{result.name}: done", file=sys.stderr)
            results.append(result)
            counts = [count for count, _ in result.contended]
            table.add_row(
                result.name,
                f"{result.alone[0] / options.seconds:,.0f}",
                f"{result.alone[1]:,.0f}",
                f"{sum(counts) / options.seconds:,.0f}",
                f"{statistics.median(us for _, us in result.contended):,.0f}",
                " ".join(f"{count / options.seconds:,.0f}" for count in counts),
            )
    tell(table, *reasons)
    keep(results, options.seconds)
    return 0


PEERS = ("Redis", "PySyncObj")


def keep(results: list[Result], seconds: float) -> None:
    """The same as data."""
    rates = {
        result.name: {
            "alone": result.alone[0] / seconds,
            "three ask": sum(count for count, _ in result.contended) / seconds,
        }
        for result in results
    }
    record.bars("Locks of one kind, three processes", "locks/s", rates, peers=PEERS)
    latencies = {result.name: {"alone": result.alone[1]} for result in results}
    record.bars(
        "From asking to having left, alone, median", "us", latencies, peers=PEERS, better="less"
    )
    ours = {name: rate for name, rate in rates.items() if not name.startswith(PEERS)}
    if not any(name.startswith(PEERS) for name in rates):
        best = max(ours, key=lambda name: ours[name]["alone"])
        record.headline(f"Locks, alone: {best}", ours[best]["alone"], "locks/s", better="more")
    for peer in PEERS:
        beside = next((name for name in rates if name.startswith(peer)), "")
        for asked in ("alone", "three ask") if beside else ():
            # What a peer promises, and no more: Redis is one server, PySyncObj survives crashes.
            kept = [name for name in ours if peer == "Redis" or "ring" in name]
            best = max(kept, key=lambda name: ours[name][asked])
            record.headline(
                f"Locks, {asked}: {best}",
                ours[best][asked],
                "locks/s",
                better="more",
                peer=rates[beside][asked],
                peer_name=beside,
            )


if __name__ == "__main__":
    sys.exit(record.run(main))
