"""``clocksync agent``: lets our other hosts read this one's clock, and probes others.  [I/O]

Exit codes: 0 it was told to end; 2 it cannot listen as asked.
"""

import asyncio
import contextlib
from typing import Annotated

import typer

from clocksync.cli import peer_options
from clocksync.cli.options import duration
from clocksync.cli.stopping import when_told


def agent(
    id_: peer_options.Id,
    listen: peer_options.Listen,
    offset: peer_options.Offset = "0",
    rate: peer_options.Rate = 0.0,
    run_for: Annotated[
        str | None, typer.Option("--duration", metavar="S", help="End after this time.")
    ] = None,
    key: peer_options.KeyFile = None,
    insecure_plaintext: peer_options.Insecure = False,
    fleet: peer_options.Fleet = "clocks",
) -> None:
    """Answer our other hosts: `clocksync mesh HOST...` and `clocksync cristian HOST --key FILE`.

    Whoever has the key can read this host's clock, and can have it probe others; nobody can set it.
    """
    host = peer_options.Host(id_, listen, key, insecure_plaintext, fleet)
    after = None if run_for is None else duration(run_for) / 1_000_000_000
    asyncio.run(_run(host, duration(offset), rate, after))


async def _run(
    host: peer_options.Host, offset_ns: int, rate_ppm: float, after_s: float | None
) -> None:
    import os
    from random import Random

    from clocksync.meshing.agent import FRAMES, Agent
    from clocksync.peers.endpoint import Endpoint, wrong_clock
    from clocksync.runtime.addresses import format_endpoint
    from clocksync.runtime.clocks import reading_precision

    settings, clock = await host.settings(), wrong_clock(offset_ns, rate_ppm)
    core = Agent(settings.id, Random(os.urandom(16)), precision_ns=reading_precision(clock))
    ended = asyncio.Event()
    async with Endpoint(core, FRAMES, settings, on_event=_tell, clock=clock) as endpoint:
        at = format_endpoint(*endpoint.address)
        typer.echo(f"clocksync agent: host {host.id} answers on {at}")
        when_told(ended.set)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(after_s):
                await ended.wait()
    typer.echo(f"clocksync agent: {core.answers} probes answered, {core.refused} orders refused")


def _tell(event: object) -> None:
    from clocksync.meshing.agent import Asked, Lapsed, Ordered

    match event:
        case Asked(by):
            line = f"host {by} reads our clock"
        case Ordered(by, neighbours):
            line = f"host {by} has us probe {neighbours} others"
        case Lapsed(by, was_ended=False):
            line = f"host {by} has been silent for too long: its order is forgotten"
        case _:
            return
    typer.echo(f"clocksync agent: {line}", err=True)
