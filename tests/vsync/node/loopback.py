"""Groups on the loopback interface, for tests of what an application sees."""

import asyncio
import socket
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager

from vsync.config import RingConfig
from vsync.events import Configuration, Kind
from vsync.node.joining import join

SOON_S = 20.0
CONFIG = RingConfig.within(300_000_000)


def free_ports(count):
    """Ports that nobody listens on now."""
    with ExitStack() as stack:
        found = []
        for _ in range(count):
            sock = stack.enter_context(socket.socket(type=socket.SOCK_DGRAM))
            sock.bind(("127.0.0.1", 0))
            found.append(sock.getsockname()[1])
        return found


def joinings(count, *, group="test", **more):
    """Members about to join."""
    at = {n: f"127.0.0.1:{port}" for n, port in enumerate(free_ports(count), 1)}
    plain = {"insecure_plaintext": "key" not in more, "config": CONFIG}
    return [
        join(
            group,
            id=me,
            listen=at[me],
            peers={n: address for n, address in at.items() if n != me},
            **(plain | more),
        )
        for me in at
    ]


async def seen(group, members):
    """Take events up to the regular configuration of `members`; what came before it."""
    before = []
    async with asyncio.timeout(SOON_S):
        async for event in group:
            is_change = isinstance(event, Configuration) and event.kind is Kind.REGULAR
            if is_change and event.members == members:
                return before
            before.append(event)
    raise AssertionError(f"{group.id} never saw {members}")


async def messages(group, count):
    """The next messages."""
    found = []
    async with asyncio.timeout(SOON_S):
        async for event in group:
            if not isinstance(event, Configuration):
                found.append(event)
                if len(found) == count:
                    return found
    raise AssertionError(f"the group ended after {len(found)} messages")


@asynccontextmanager
async def together(count, **more):
    """Members on one ring, in one event loop."""
    async with AsyncExitStack() as stack:
        groups = [await stack.enter_async_context(one) for one in joinings(count, **more)]
        everybody = tuple(range(1, count + 1))
        for group in groups:
            await seen(group, everybody)
        yield groups


@contextmanager
def blocking(count, **more):
    """The same for programs without asyncio."""
    with ExitStack() as stack:
        groups = [stack.enter_context(one) for one in joinings(count, **more)]
        for group in groups:
            for event in group:
                if isinstance(event, Configuration) and len(event.members) == count:
                    break
        yield groups
