"""[I/O] ``ordering mutex``: the mutual exclusion algorithms side by side.

Exit codes: 0 everything measured is as predicted; 1 something is not; 2 usage, or a file that
cannot be written.
"""

import asyncio
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from clocksync.runtime.errors import BadConfig, ToolkitError
from ordering.mutex.comparison import MEMBERS_MAX, Row, compare, to_document
from ordering.mutex.report import (
    cost_table,
    crash_table,
    require_plotting,
    socket_table,
    write_plot,
)
from ordering.mutex.sockets import HOST, OnSockets, measure_on_sockets

PLOT_SIZES = (3, 5, 7, 9, 13, 17)
SOCKETS_MAX = 12
"""More members than this are not tried on sockets: they share this process."""
SOCKETS_S_MAX = 60


def mutex(
    compare_: Annotated[
        bool, typer.Option("--compare", help="Measure every algorithm beside the textbook.")
    ] = False,
    members: Annotated[int, typer.Option("-n", help="Members of the group, 2 to 64.")] = 5,
    sockets: Annotated[
        bool, typer.Option(help="Measure on sockets, too (up to 12 members).")
    ] = True,
    seed: Annotated[int, typer.Option(help="Of the simulation.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead.")] = False,
    plot: Annotated[
        Path | None, typer.Option(help="Draw messages and delay over the size, as SVG.")
    ] = None,
) -> None:
    """Compare the mutual exclusion algorithms: messages, delays, and what a crash does."""
    if not compare_:
        raise BadConfig("nothing to do: say --compare")
    if not 2 <= members <= MEMBERS_MAX:
        raise BadConfig(f"-n {members}: 2 to {MEMBERS_MAX} members can be compared")
    try:
        if plot is not None:
            require_plotting()  # before the work, not after it
        rows = compare(members, seed)
        over_sockets = _on_sockets(members) if sockets and members <= SOCKETS_MAX else []
        if plot is not None:
            sizes = sorted({*PLOT_SIZES, members})
            write_plot(plot, {n: rows if n == members else compare(n, seed) for n in sizes})
    except TimeoutError:
        raise ToolkitError(
            f"the members on {HOST} did not hear each other within {SOCKETS_S_MAX} s"
        ) from None
    if as_json:
        document = to_document(rows, members)
        document["sockets"] = [asdict(row) for row in over_sockets]
        typer.echo(json.dumps(document, allow_nan=False))
    else:
        _print(rows, over_sockets, members)
    grew = all(row.tokens_grew for row in over_sockets)
    raise typer.Exit(0 if grew and all(row.as_predicted for row in rows) else 1)


def _on_sockets(members: int) -> list[OnSockets]:
    async def limited() -> list[OnSockets]:
        async with asyncio.timeout(SOCKETS_S_MAX):
            return await measure_on_sockets(members)

    return asyncio.run(limited())


def _print(rows: list[Row], over_sockets: list[OnSockets], members: int) -> None:
    console = Console(width=None if sys.stdout.isatty() else 140)
    console.print(cost_table(rows, members))
    console.print(crash_table(rows))
    if over_sockets:
        console.print(socket_table(over_sockets, members))
