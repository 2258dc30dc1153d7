"""A large state on its way to a member that joins, and what others notice of it.  [I/O]

Three processes on loopback. Member 1 holds a state of ``--mib`` MiB, member 2 sends a small message
every few milliseconds and takes the time until it is delivered to itself, member 3 joins the group
that keeps the state. Printed: how long the transfer took, and the latency of the small messages
without and with it. ``python -m benchmarks.state_transfer [--mib 1024]``
"""

import argparse
import asyncio
import multiprocessing
import socket
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from multiprocessing.connection import Connection
from statistics import median

from rich.table import Table

import vsync
from benchmarks.harness import machine, tell, the_machine_alone
from benchmarks.results import record

PIECE = 1 << 20
PAUSE_S = 0.002
QUIET_S = 3.0
LONGEST_S = 600.0


class Blob(vsync.Replicated):
    """So many bytes."""

    def __init__(self, size: int) -> None:
        self.data = bytes(size)

    def apply(self, command: bytes, context: vsync.Context) -> object:
        return None

    def snapshot(self) -> Iterable[bytes]:
        data = memoryview(self.data)
        return (bytes(data[at : at + PIECE]) for at in range(0, len(data), PIECE))

    def restore(self, pieces: Iterable[bytes]) -> None:
        self.data = b"".join(pieces)


def _member(me: int, ports: dict[int, int], size: int, pipe: Connection) -> None:
    where = {member: f"127.0.0.1:{port}" for member, port in ports.items()}
    listen = where.pop(me)
    joining = vsync.join("state", id=me, listen=listen, peers=where, insecure_plaintext=True)
    work = {1: _hold, 2: _talk, 3: _receive}[me]

    async def run() -> None:
        async with joining as group, asyncio.timeout(LONGEST_S):
            taking = asyncio.ensure_future(_take(group))
            await work(group, size, pipe)
            taking.cancel()
            with suppress(asyncio.CancelledError):
                await taking

    asyncio.run(run())


async def _take(group: vsync.Group) -> None:
    async for _ in group.batches():
        pass


async def _said(pipe: Connection) -> None:
    await asyncio.to_thread(pipe.recv)


async def _hold(group: vsync.Group, size: int, pipe: Connection) -> None:
    await group.replicate("blob", Blob(size))
    pipe.send("ready")
    await _said(pipe)


async def _talk(group: vsync.Group, size: int, pipe: Connection) -> None:
    """Send small messages; tell their latencies, us, at each word of the other end."""
    pipe.send("ready")
    samples: list[float] = []
    while True:
        if pipe.poll():
            if pipe.recv() == "end":
                return
            pipe.send(samples)
            samples = []
        began = time.perf_counter()
        await group.deliver(b"hello")
        samples.append(1e6 * (time.perf_counter() - began))
        await asyncio.sleep(PAUSE_S)


async def _receive(group: vsync.Group, size: int, pipe: Connection) -> None:
    pipe.send("ready")
    await _said(pipe)
    began = time.perf_counter()
    state = await group.replicate("blob", Blob(0))
    seconds = time.perf_counter() - began
    assert len(state.machine.data) == size, "all of it came"
    pipe.send(seconds)
    await _said(pipe)


def measure(size: int) -> tuple[float, list[float], list[float]]:
    """Seconds of the transfer, and latencies before and during it."""
    context = multiprocessing.get_context("spawn")
    ports = {}
    for me in (1, 2, 3):
        with socket.socket(type=socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.1", 0))
            ports[me] = sock.getsockname()[1]
    pipes, processes = {}, []
    for me in ports:
        pipes[me], theirs = context.Pipe()
        process = context.Process(target=_member, args=(me, ports, size, theirs), daemon=True)
        process.start()
        processes.append(process)
    for pipe in pipes.values():
        pipe.recv()
    time.sleep(QUIET_S)
    pipes[2].send("look")
    pipes[2].recv()  # of the beginning
    time.sleep(QUIET_S)
    pipes[2].send("look")
    before = pipes[2].recv()
    pipes[3].send("go")
    seconds = pipes[3].recv()
    pipes[2].send("look")
    during = pipes[2].recv()
    for pipe in pipes.values():
        pipe.send("end")
    for process in processes:
        process.join(10)
        process.kill()
    return seconds, before, during


def main() -> int:
    """Print the table; 0."""
    parser = argparse.ArgumentParser(description="state transfer beside other traffic")
    parser.add_argument("--mib", type=int, default=1024)
    given = record.parse(parser)
    with the_machine_alone():
        seconds, before, during = measure(given.mib << 20)
    table = Table(
        title=f"{given.mib} MiB to a member that joins: {seconds:.1f} s,"
        f" {given.mib * 1.048576 / seconds:.0f} MB/s",
        caption=machine(),
    )
    table.add_column("small messages meanwhile")
    for title in ("messages", "median us", "99 % us", "longest us"):
        table.add_column(title, justify="right")
    for name, samples in (("before", before), ("during", during)):
        ordered = sorted(samples)
        table.add_row(
            name,
            f"{len(ordered)}",
            f"{median(ordered):,.0f}",
            f"{ordered[len(ordered) * 99 // 100]:,.0f}",
            f"{ordered[-1]:,.0f}",
        )
    tell(table)
    latencies = {"small messages of another member": {"before": before, "during": during}}
    record.spread("Latency while a state is transferred", "us", latencies)
    rate = given.mib * 1.048576 / seconds
    record.headline(f"{given.mib} MiB to a member that joins", rate, "MB/s", better="more")
    claim = "A small message meanwhile, median"
    record.headline(
        claim, median(during), "us", peer=median(before), peer_name="no transfer", is_floor=True
    )
    return 0


if __name__ == "__main__":
    sys.exit(record.run(main))
