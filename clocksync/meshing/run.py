"""Measures a mesh over the network.  [I/O]

::

    result = await clocksync.mesh(["10.0.0.1", "10.0.0.2", "10.0.0.3"], key_file="fleet.key")
    print(result.offset(1, 3))
"""

import asyncio
import contextlib
import os
import random
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

from clocksync.meshing.agent import FRAMES
from clocksync.meshing.coordinator import Collected, Coordinator, Probing
from clocksync.meshing.result import MeshResult
from clocksync.meshing.settings import HOSTS_MAX, MeshSettings
from clocksync.meshing.solve import solve
from clocksync.peers.endpoint import DEFAULT_PORT, Endpoint, PeerSettings
from clocksync.runtime.addresses import numeric
from clocksync.runtime.errors import BadConfig
from clocksync.runtime.mmsg import Address

OWN_NUMBERS = range(60_000, 65_535)


def own_number() -> int:
    """A number for who only coordinates, where nobody is likely to have the same."""
    return random.choice(OWN_NUMBERS)


async def mesh(
    hosts: Sequence[str],
    settings: MeshSettings | None = None,
    *,
    on_probing: Callable[[Probing], None] | None = None,
    **changes: Any,
) -> MeshResult:
    """Have the agents at `hosts` (``HOST[:PORT]``) probe each other, and work out their clocks.

    Args:
        settings: how; or name single ones as keywords: see :class:`MeshSettings`.
        on_probing: told once it is known who takes part.

    Raises:
        BadConfig: a setting is impossible, a name does not resolve, or the key cannot be read.
    """
    if settings is None:
        if isinstance(changes.get("key_file"), str):
            changes["key_file"] = Path(changes["key_file"])
        settings = MeshSettings(**changes)
    elif changes:
        raise BadConfig("give the settings, or single ones as keywords, not both")
    addresses, names = await _where(hosts)
    listen = (settings.source or _own_address(addresses[0]), 0)
    peers = PeerSettings(
        id=own_number() if settings.id is None else settings.id,
        listen=listen,
        key_file=settings.key_file,
        insecure_plaintext=settings.insecure_plaintext,
        fleet=settings.fleet,
        contacts=tuple(addresses),
    )
    collected = await collect(addresses, peers, settings, on_probing)
    # Hundreds of hosts take seconds: the loop goes on meanwhile.
    return await asyncio.to_thread(
        solve,
        collected,
        dict(enumerate(names)),
        liars=settings.liars,
        max_drift_ppm=settings.max_drift_ppm,
    )


async def collect(
    addresses: Sequence[Address],
    peers: PeerSettings,
    settings: MeshSettings,
    on_probing: Callable[[Probing], None] | None = None,
) -> Collected:
    """The samples alone: of agents at numeric `addresses`. Cancelled, it ends what agents do."""
    over: asyncio.Future[Collected] = asyncio.get_running_loop().create_future()

    def note(event: object) -> None:
        if isinstance(event, Collected) and not over.done():
            over.set_result(event)
        elif isinstance(event, Probing) and on_probing is not None:
            on_probing(event)

    core = Coordinator(
        addresses,
        Random(os.urandom(16)),
        lasts_ns=settings.duration_ns,
        interval_ns=settings.interval_ns,
        greet_ns=settings.timeout_ns,
    )
    async with Endpoint(core, FRAMES, peers, on_event=note) as endpoint:
        try:
            return await over
        except asyncio.CancelledError:
            endpoint.call(core.give_up)
            raise


async def _where(hosts: Sequence[str]) -> tuple[list[Address], list[str]]:
    """Numeric addresses, each once, and what each was called."""
    if isinstance(hosts, str):
        raise BadConfig(f"give a list of hosts, not {hosts!r}")
    found: dict[Address, str] = {}
    for name in hosts:
        found.setdefault(await _numeric(name), name)
    if len(found) < 2:
        raise BadConfig("a mesh takes at least two hosts, each running `clocksync agent`")
    if len(found) > HOSTS_MAX:
        raise BadConfig(f"{len(found)} hosts are more than a mesh takes: {HOSTS_MAX}")
    if len({":" in host for host, _ in found}) > 1:
        raise BadConfig("name all hosts by IPv4 addresses, or all by IPv6 addresses")
    for host, _ in found:
        if "%" in host:
            raise BadConfig(f"{host} means something on this host alone: give a global address")
    return list(found), list(found.values())


async def _numeric(text: str) -> Address:
    address = await numeric(text, DEFAULT_PORT)
    if not address[1]:
        raise BadConfig(f"{text!r}: nobody can be reached at port 0")
    return address


def _own_address(target: Address) -> str:
    """From which of our addresses `target` is reached; nothing is sent to find out."""
    family = socket.AF_INET6 if ":" in target[0] else socket.AF_INET
    with contextlib.closing(socket.socket(family, socket.SOCK_DGRAM)) as sock:
        try:
            sock.connect(target)
        except OSError as error:
            raise BadConfig(f"{target[0]} cannot be reached: {error.strerror}") from None
        return str(sock.getsockname()[0])
