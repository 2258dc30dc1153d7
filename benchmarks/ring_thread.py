"""What a busy application costs its ring: visits of the token a second at a member of three.

    python -m benchmarks.ring_thread

The application's thread waits, blocks in a system call, computes in Python, or computes in calls
that keep the interpreter's lock for milliseconds; the token is never held, so that every rotation
counts. Prints, never asserts.
"""

import argparse
import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack

from benchmarks.results import record
from vsync.config import RingConfig
from vsync.events import Configuration
from vsync.node.group import Group
from vsync.node.joining import Joining, join

SECONDS = 3.0
CONFIG = RingConfig.within(1_000_000_000, idle_visits=10**9)


def joining(me: int, ports: list[int]) -> Joining:
    """A member about to join."""
    at = {n: f"127.0.0.1:{port}" for n, port in enumerate(ports, 1)}
    return join(
        "ring-thread",
        id=me,
        listen=at[me],
        peers={n: address for n, address in at.items() if n != me},
        insecure_plaintext=True,
        config=CONFIG,
    )


def wait(ends: float) -> None:
    time.sleep(max(0.0, ends - time.monotonic()))


def compute(ends: float) -> None:
    count = 0
    while time.monotonic() < ends:
        count += 1


def hold(ends: float) -> None:
    while time.monotonic() < ends:
        sorted(range(200_000, 0, -1))


BUSY: dict[str, Callable[[float], None] | None] = {
    "waits in its event loop": None,
    "blocks in a system call": wait,
    "computes in Python": compute,
    "computes in calls that keep the lock": hold,
}


async def together(group: Group) -> None:
    """Wait for all three."""
    async for event in group:
        if isinstance(event, Configuration) and len(event.members) == 3:
            return


async def measure(ports: list[int], seconds: float) -> dict[str, float]:
    """Be member 1, busy in each way; visits of the token a second."""
    rates = {}
    async with joining(1, ports) as group:
        await together(group)
        for name, busy in BUSY.items():
            await asyncio.sleep(0.3)
            before, began = group.loop.rotations, time.monotonic()
            if busy is None:
                await asyncio.sleep(seconds)
            else:
                busy(began + seconds)
            rate = (group.loop.rotations - before) / (time.monotonic() - began)
            rates[f"the application {name}"] = rate
            print(f"the application {name:<38} {rate:8,.0f} visits/s")
    return rates


async def idle(me: int, ports: list[int]) -> None:
    """Be one of the others."""
    async with joining(me, ports) as group:
        async for _ in group.batches():
            pass


def keep(rates: dict[str, float]) -> None:
    """The same as data."""
    sheet = record.sheet("Visits of the token at a member of three", ("", "visits/s"))
    for name, rate in rates.items():
        sheet.add(name, f"{rate:,.0f}")
    bars = {name: {"visits/s": rate} for name, rate in rates.items()}
    record.bars("Visits of the token at a member of three", "visits/s", bars)
    first = next(iter(rates))
    for name in (name for name in rates if "computes in Python" in name):
        claim = f"Visits of the token while {name}"
        record.headline(
            claim,
            rates[name],
            "visits/s",
            better="more",
            peer=rates[first],
            peer_name="while it waits",
            is_floor=True,
        )


def main() -> None:
    """Start the others, be the first."""
    if sys.argv[1:2] == ["be"]:
        asyncio.run(idle(int(sys.argv[2]), [int(port) for port in sys.argv[3:]]))
        return
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ring_thread")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each way to be busy")
    options = record.parse(parser)
    with ExitStack() as stack:
        ports = []
        for _ in range(3):
            sock = stack.enter_context(socket.socket(type=socket.SOCK_DGRAM))
            sock.bind(("127.0.0.1", 0))
            ports.append(int(sock.getsockname()[1]))
    others = [
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.ring_thread", "be", str(me), *map(str, ports)]
        )
        for me in (2, 3)
    ]
    try:
        keep(asyncio.run(measure(ports, options.seconds)))
    finally:
        for other in others:
            other.kill()
            other.wait()


if __name__ == "__main__":
    sys.exit(record.run(main))
