"""The ring's lock service as rows of ``ordering mutex --compare``.  [I/O]

The package below does not import this one: it finds :func:`measure_locks` by its entry point.
"""

import asyncio
from contextlib import AsyncExitStack

from ordering.mutex.sockets import OnSockets, free_endpoints, measure
from vsync.identity import Service
from vsync.node.joining import join
from vsync.replication.quorum import MajorityOfExpected


async def measure_locks(n: int) -> list[OnSockets]:
    """A group of `n` members in this process, each with a socket and a thread of its own. Messages
    are datagrams, the token's hops among them."""
    return [await _measure(n, service) for service in Service]


async def _measure(n: int, service: Service) -> OnSockets:
    where = dict(zip(range(1, n + 1), free_endpoints(n), strict=True))
    members = frozenset(where)
    async with AsyncExitStack() as stack:
        joining = [
            stack.enter_async_context(
                join(
                    "comparison",
                    id=me,
                    listen=listen,
                    peers={peer: address for peer, address in where.items() if peer != me},
                    insecure_plaintext=True,
                    quorum=MajorityOfExpected(members),
                )
            )
            for me, listen in where.items()
        ]
        groups = await asyncio.gather(*joining)
        locks = [await group.locks(service=service) for group in groups]
        for each in locks:
            await each.seen(n)
        return await measure(
            f"ring, {service.value}",
            [each.named("the lock") for each in locks],
            lambda: sum(group.loop.sockets.counters["sent"] for group in groups),
            _settled,
        )


async def _settled() -> None:
    """Nobody waits: the next request is ordered behind the release."""
