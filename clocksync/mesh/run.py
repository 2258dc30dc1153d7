"""Measures a mesh over the network.  [I/O]"""

import asyncio
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random

from clocksync.mesh.agent import FRAMES
from clocksync.mesh.coordinator import Collected, Coordinator, Probing
from clocksync.peers.endpoint import DEFAULT_PORT, Endpoint, PeerSettings, is_loopback
from clocksync.runtime.mmsg import Address
from clocksync.runtime.units import MILLISECOND, SECOND

COORDINATORS_FROM = 60_000


async def collect(
    addresses: Sequence[Address],
    settings: PeerSettings,
    *,
    lasts_ns: int = SECOND,
    interval_ns: int = 10 * MILLISECOND,
    greet_ns: int = 3 * SECOND,
    on_probing: Callable[[Probing], None] | None = None,
) -> Collected:
    """Have the agents at `addresses` probe each other, and fetch their samples."""
    over: asyncio.Future[Collected] = asyncio.get_running_loop().create_future()

    def note(event: object) -> None:
        if isinstance(event, Collected) and not over.done():
            over.set_result(event)
        elif isinstance(event, Probing) and on_probing is not None:
            on_probing(event)

    core = Coordinator(
        addresses,
        Random(os.urandom(16)),
        lasts_ns=lasts_ns,
        interval_ns=interval_ns,
        greet_ns=greet_ns,
    )
    async with Endpoint(core, FRAMES, settings, on_event=note) as endpoint:
        try:
            return await over
        except asyncio.CancelledError:
            endpoint.call(core.stop)
            raise
