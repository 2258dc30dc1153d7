"""[I/O] Measures every algorithm on real sockets: messages and time of an entry.

All members live in this process, each with a socket of its own on the loopback, over the links that
members on different machines use. Retransmissions and acknowledgements of the links are not counted
as messages; the token that goes round an idle ring is.
"""

import asyncio
import random
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Protocol

from ordering.mutex.algorithms import ALGORITHMS
from ordering.mutex.facade import Mutex
from ordering.mutex.group import join
from ordering.mutex.linked import LinkedMutex

HOST = "127.0.0.1"
CONTESTANTS = "ordering.mutex"
ENTRIES = 60


@dataclass(frozen=True, slots=True)
class OnSockets:
    """What one algorithm cost on sockets."""

    algorithm: str
    messages: float
    """Of an entry, one member after the other asking."""
    entry_us: float
    """From asking to being inside, the median."""
    contended_per_s: float
    """Entries a second of the whole group, all members asking all the time."""
    tokens_grew: bool


class Grant(Protocol):
    """What a lock gives to who is inside."""

    @property
    def fencing_token(self) -> int: ...


class Lock(Protocol):
    """What is measured: the interface of :class:`ordering.mutex.Mutex`."""

    def acquire(self) -> AbstractAsyncContextManager[Grant]: ...


async def measure_on_sockets(n: int) -> list[OnSockets]:
    """Every algorithm with `n` members, and then what packages above measure likewise: each names
    an async function of `n` by an entry point in the group :data:`CONTESTANTS`."""
    rows = [await _measure(algorithm, n) for algorithm in ALGORITHMS]
    for entry in entry_points(group=CONTESTANTS):
        rows += await entry.load()(n)
    return rows


async def _measure(algorithm: str, n: int) -> OnSockets:
    async with AsyncExitStack() as stack:
        mutexes = await _group(stack, algorithm, n)

        async def settled() -> None:
            """Until nothing is under way any more: an entry that meets the end of the one before it
            is no longer alone, and takes messages of its own."""
            linked = [m.core for m in mutexes if isinstance(m.core, LinkedMutex)]
            while any(core.links.unflushed() for core in linked):  # noqa: ASYNC110  nobody tells
                await asyncio.sleep(0)

        return await measure(algorithm, mutexes, lambda: _sent(mutexes), settled)


async def measure(
    algorithm: str,
    locks: Sequence[Lock],
    sent: Callable[[], int],
    settled: Callable[[], Awaitable[None]],
) -> OnSockets:
    """What an entry costs; `locks` are one lock, as each member has it.

    Args:
        sent: how many messages all members have sent so far.
        settled: returns when an entry is over for all.
    """
    askers = locks[1:] or locks
    tokens: list[int] = []
    for lock in askers:  # until all links are up
        await _enter(lock, tokens)
    await settled()
    before, waits = sent(), []
    for count in range(ENTRIES):
        began_ns = time.perf_counter_ns()
        async with askers[count % len(askers)].acquire() as grant:
            waits.append(time.perf_counter_ns() - began_ns)
            tokens.append(grant.fencing_token)
        await settled()
    messages = (sent() - before) / ENTRIES
    began_ns = time.perf_counter_ns()
    async with asyncio.TaskGroup() as tasks:
        for lock in askers:
            tasks.create_task(_work(lock, tokens, ENTRIES // len(askers) + 1))
    took_ns = time.perf_counter_ns() - began_ns
    entered = len(tokens) - ENTRIES - len(askers)
    return OnSockets(
        algorithm,
        messages,
        sorted(waits)[len(waits) // 2] / 1000,
        entered / took_ns * 1e9,
        tokens == sorted(set(tokens)),
    )


async def _work(lock: Lock, tokens: list[int], entries: int) -> None:
    for _ in range(entries):
        await _enter(lock, tokens)
        await asyncio.sleep(0)  # the others' turn: who has the token could go on alone


async def _enter(lock: Lock, tokens: list[int]) -> None:
    async with lock.acquire() as grant:
        tokens.append(grant.fencing_token)


async def _group(stack: AsyncExitStack, algorithm: str, n: int) -> list[Mutex]:
    where = dict(zip(range(1, n + 1), free_endpoints(n), strict=True))
    name = f"comparison {random.SystemRandom().getrandbits(64)}"
    return [
        await stack.enter_async_context(
            join(
                me,
                listen=listen,
                peers={peer: address for peer, address in where.items() if peer != me},
                algorithm=algorithm,
                epochs=False,
                name=name,
            )
        )
        for me, listen in where.items()
    ]


def _sent(mutexes: list[Mutex]) -> int:
    cores = (mutex.core for mutex in mutexes)
    return sum(core.messages for core in cores if isinstance(core, LinkedMutex))


def free_endpoints(count: int) -> list[str]:
    """Ports of the loopback that were free a moment ago."""
    socks = [socket.socket(type=socket.SOCK_DGRAM) for _ in range(count)]
    try:
        for sock in socks:
            sock.bind((HOST, 0))
        return [f"{HOST}:{sock.getsockname()[1]}" for sock in socks]
    finally:
        for sock in socks:
            sock.close()
