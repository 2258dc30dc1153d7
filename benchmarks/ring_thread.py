"""What a busy application costs its ring: visits of the token a second at a member of three.

    python -m benchmarks.ring_thread

The application's thread waits, blocks in a system call, computes in Python, or computes in calls
that keep the interpreter's lock for milliseconds; the token is never held, so that every rotation
counts. Prints, never asserts.
"""

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack

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


async def measure(ports: list[int]) -> None:
    """Be member 1, busy in each way."""
    async with joining(1, ports) as group:
        await together(group)
        for name, busy in BUSY.items():
            await asyncio.sleep(0.3)
            before, began = group.loop.rotations, time.monotonic()
            if busy is None:
                await asyncio.sleep(SECONDS)
            else:
                busy(began + SECONDS)
            rate = (group.loop.rotations - before) / (time.monotonic() - began)
            print(f"the application {name:<38} {rate:8,.0f} visits/s")


async def idle(me: int, ports: list[int]) -> None:
    """Be one of the others."""
    async with joining(me, ports) as group:
        async for _ in group.batches():
            pass


def main() -> None:
    """Start the others, be the first."""
    if len(sys.argv) > 1:
        asyncio.run(idle(int(sys.argv[1]), [int(port) for port in sys.argv[2:]]))
        return
    with ExitStack() as stack:
        ports = []
        for _ in range(3):
            sock = stack.enter_context(socket.socket(type=socket.SOCK_DGRAM))
            sock.bind(("127.0.0.1", 0))
            ports.append(int(sock.getsockname()[1]))
    others = [
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.ring_thread", str(me), *map(str, ports)]
        )
        for me in (2, 3)
    ]
    try:
        asyncio.run(measure(ports))
    finally:
        for other in others:
            other.kill()
            other.wait()


if __name__ == "__main__":
    main()
