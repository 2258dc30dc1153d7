"""[I/O] A mutex over sockets: what an application uses.

::

    peers = {2: "10.0.0.2:4100", 3: "10.0.0.3:4100"}
    async with join(1, listen="10.0.0.1:4100", peers=peers) as mutex:
        async with mutex.acquire(timeout_s=5) as grant:
            ...

Members may start in any order. A group is known by its name, its algorithm and its members; groups
that differ in one of these do not hear each other. Nothing but `listen` is listened on.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from zlib import crc32

from clocksync.runtime.addresses import parse_endpoint, resolve
from clocksync.runtime.envelope import Envelope
from clocksync.runtime.errors import BadConfig, ToolkitError
from clocksync.runtime.mmsg import Address
from clocksync.runtime.units import NodeId
from ordering.links.driver import LinkDriver, open_socket
from ordering.links.link import LinkSettings
from ordering.links.links import PeerMisbehaved
from ordering.links.segment import Segment
from ordering.mutex.algorithms import ALGORITHMS
from ordering.mutex.changes import Left
from ordering.mutex.contract import checked_members
from ordering.mutex.epochs import EpochMutex
from ordering.mutex.facade import Mutex
from ordering.mutex.leases import EpochConfig
from ordering.mutex.linked import Inner, LinkedMutex

LEAVE_S_MAX = 5.0
"""How long leaving waits for the others to agree; then it just goes."""
FLUSH_S_MAX = 0.3
"""Without epochs nobody agrees: how long what was sent last may take to arrive."""


@asynccontextmanager
async def join(
    me: int,
    *,
    listen: str,
    peers: Mapping[int, str],
    algorithm: str = "central",
    epochs: bool = True,
    config: EpochConfig | None = None,
    link: LinkSettings | None = None,
    name: str = "",
    first_generation: int = 1,
    on_notice: Callable[[str], None] | None = None,
) -> AsyncIterator[Mutex]:
    """Be member `me` of a group for the time of the ``async with``; leave at its end.

    Args:
        listen: the address to listen on, ``host:port``.
        peers: where each other member listens.
        algorithm: a name of :data:`ordering.mutex.ALGORITHMS`, the same everywhere.
        epochs: go on without members that die, and let leaving ones go. Without, the group is the
            textbook's: it waits for the dead, and a member that leaves is one.
        config: of the epochs, the same everywhere.
        name: of the group and its resource.
        first_generation: the same everywhere; if the whole group is restarted, higher than any
            before, or its fencing tokens begin anew.
        on_notice: told in a line what a person should know of a peer.

    Raises:
        BadConfig: a number, an address or the algorithm is impossible.
        OSError: `listen` cannot be listened on.
    """
    members, ours, theirs = await _checked(me, listen, peers, algorithm)
    system = random.SystemRandom()
    seeded = random.Random(system.getrandbits(64))
    make, core = ALGORITHMS[algorithm], None
    inner: Inner
    if epochs:
        inner = core = EpochMutex(
            *(me, members, make),
            random=seeded,
            config=config,
            first_generation=first_generation,
        )
    else:
        inner = make(me, members, generation=first_generation, random=seeded)
    others = [member for member in members if member != me]
    linked = LinkedMutex(inner, others, system.getrandbits(63) | 1, link)
    mutex: Mutex

    def hear(event: object) -> None:
        if isinstance(event, PeerMisbehaved):
            if on_notice is not None:
                on_notice(str(event))
        else:
            mutex.hear(event)

    def fail(error: BaseException) -> None:
        mutex.close(error)

    progress = asyncio.Event()
    cluster = crc32(f"mutex/{name}/{algorithm}/{epochs}/{members}/{first_generation}".encode())
    driver = LinkDriver(
        linked,
        Envelope((Segment,), cluster, me),
        open_socket(ours),
        theirs,
        on_event=hear,
        after_step=progress.set,
        on_failure=fail,
    )
    mutex = Mutex(linked, driver.call)
    try:
        driver.start()
        yield mutex
        await _leave(mutex, driver, linked, core, progress)
    finally:
        mutex.close()
        driver.close()


async def _checked(
    me: int, listen: str, peers: Mapping[int, str], algorithm: str
) -> tuple[tuple[NodeId, ...], Address, dict[int, Address]]:
    """The members, where we listen, and where the others do."""
    if algorithm not in ALGORITHMS:
        raise BadConfig(f"{algorithm!r} is no algorithm: choose from {', '.join(ALGORITHMS)}")
    if me in peers:
        raise BadConfig(f"member {me} is this one, and is named as a peer, too")
    members = checked_members(sorted({me, *peers}))
    ours = await resolve(parse_endpoint(listen))
    theirs = {peer: await resolve(parse_endpoint(where)) for peer, where in peers.items()}
    for peer, address in theirs.items():
        if not address[1] or address == ours:
            raise BadConfig(f"member {peer} at {peers[peer]}: not a port of its own")
    return members, ours, theirs


async def _leave(
    mutex: Mutex,
    driver: LinkDriver,
    linked: LinkedMutex,
    core: EpochMutex | None,
    progress: asyncio.Event,
) -> None:
    """Tell the others that we go, and wait a while until they have heard it."""

    def is_out() -> bool:
        left = core is None or any(isinstance(event, Left) for event in mutex.events)
        return driver.closed or (left and not linked.links.unflushed())

    with suppress(TimeoutError, ToolkitError):
        async with asyncio.timeout(LEAVE_S_MAX if core is not None else FLUSH_S_MAX):
            if core is not None:
                driver.call(lambda now: linked.carried(core.leave(now), now))
            while not is_out():
                progress.clear()
                await progress.wait()
