"""``clocksync doctor [HOST...]``: what is wrong with the time of this machine.  [I/O]"""

import asyncio
from typing import Annotated

import typer

from clocksync.cli import options
from clocksync.cli.options import duration


def doctor(
    hosts: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[HOST[:PORT]]...", help="NTP servers to compare with.", show_default=False
        ),
    ] = None,
    inventory: options.Inventory = None,
    group: options.Group = None,
    samples: Annotated[
        int, typer.Option("--samples", "-n", min=1, max=1000, help="Requests to each host.")
    ] = 8,
    timeout: options.Timeout = "1s",  # type: ignore[assignment]
    max_offset: Annotated[
        int,
        typer.Option(
            parser=duration,
            metavar="DURATION",
            help="The local clock is off if it is certainly further away than this.",
        ),
    ] = "100ms",  # type: ignore[assignment]
    ipv4: options.IPv4 = False,
    ipv6: options.IPv6 = False,
    json: options.Json = False,
) -> None:
    """Say what is wrong with the time of this machine, and what to do about it.

    It only looks: at the kernel's clock, at who steers it, at its own sockets, and at HOSTs. Exits
    with 0 if nothing is wrong (there may be notes), 1 if something is, 2 if no HOST answered.
    """
    from clocksync.doctor.collect import collect
    from clocksync.doctor.report import diagnose, lines, to_json

    named = [entry.host for entry in options.entries(inventory, group)]
    family = options.family(ipv4, ipv6)
    evidence = asyncio.run(collect([*named, *(hosts or [])], samples, timeout, max_offset, family))
    diagnosis = diagnose(evidence)
    if json:
        typer.echo(to_json(diagnosis))
    else:
        from rich.console import Console

        console = Console(highlight=False)
        for part in lines(diagnosis):
            console.print(part, soft_wrap=True)
    raise typer.Exit(diagnosis.exit_code)
