"""``clocksync agent``: lets others of one's own hosts read this one's clock.  [I/O]

Exit codes: 0 it was told to end; 2 it cannot listen as asked.
"""

import asyncio
import signal
from typing import Annotated

import typer

from clocksync.cli import peer_options
from clocksync.cli.options import duration


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
    """Answer the probes of our other hosts, such as `clocksync cristian HOST --key FILE`."""
    host = peer_options.Host(id_, listen, key, insecure_plaintext, fleet)
    after = None if run_for is None else duration(run_for) / 1_000_000_000
    asyncio.run(_run(host, duration(offset), rate, after))


async def _run(
    host: peer_options.Host, offset_ns: int, rate_ppm: float, after_s: float | None
) -> None:
    from clocksync.peers.agent import FRAMES, Agent, Asked
    from clocksync.peers.endpoint import Endpoint
    from clocksync.peers.steady import SteadyClock

    def note(event: object) -> None:
        if isinstance(event, Asked):
            typer.echo(f"clocksync agent: host {event.by} reads our clock", err=True)

    settings = await host.settings()
    core, ended = Agent(), asyncio.Event()
    clock = SteadyClock(offset_ns, rate_ppm)
    async with Endpoint(core, FRAMES, settings, on_event=note, clock=clock) as endpoint:
        where, port = endpoint.address
        at = f"[{where}]:{port}" if ":" in where else f"{where}:{port}"
        typer.echo(f"clocksync agent: host {host.id} answers on {at}")
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, ended.set)
        try:
            async with asyncio.timeout(after_s):
                await ended.wait()
        except TimeoutError:
            pass
    typer.echo(f"clocksync agent: {core.answers} answers to {len(core.known)} hosts")
