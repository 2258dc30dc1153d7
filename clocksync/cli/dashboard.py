"""``clocksync dashboard HOST...``: the clocks of hosts, in a browser.  [I/O]"""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from clocksync.cli import options
from clocksync.dashboard import PORT
from clocksync.exposition import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

    from clocksync.dashboard.server import Server
    from clocksync.runtime.errors import ToolkitError
    from clocksync.watching.rows import Target

Port = Annotated[int, typer.Option(min=0, max=65535, help="0: one that is free.")]
Bind = Annotated[str, typer.Option(metavar="ADDRESS", help="Where to serve it.")]


def dashboard(
    hosts: options.Hosts = None,
    inventory: options.Inventory = None,
    group: options.Group = None,
    interval: options.Rounds = "2s",  # type: ignore[assignment]
    port: Port = PORT,
    bind: Bind = LOOPBACK,
    ipv4: options.IPv4 = False,
    ipv6: options.IPv6 = False,
) -> None:
    """Serve a page that shows the clocks of HOSTs as bands: the offset, and what it is certain to.

    The same figures as `clocksync watch` prints. The page only shows; it loads nothing from
    elsewhere. Ends on Ctrl-C.
    """
    targets = options.targets(
        hosts, inventory, group, "clocksync dashboard pool.ntp.org --interval 64s"
    )
    asyncio.run(_run(targets, interval, options.family(ipv4, ipv6), port, bind))


async def _run(
    targets: "list[Target]", interval: int, family: int | None, port: int, bind: str
) -> None:
    import time

    from clocksync.dashboard.clocks import messages
    from clocksync.dashboard.server import Board, Server
    from clocksync.runtime.clocks import reading_precision
    from clocksync.runtime.udp import SystemStampClock
    from clocksync.watching.core import Report
    from clocksync.watching.run import WatchRun
    from clocksync.watching.settings import WatchSettings

    began = time.monotonic()
    title = targets[0].name if len(targets) == 1 else f"{len(targets)} hosts"
    board = Board(title, is_live=True, now_s=lambda: time.monotonic() - began)
    settings = WatchSettings(
        interval_ns=interval, precision_ns=reading_precision(SystemStampClock())
    )

    def on_report(report: Report) -> None:
        board.log.extend(messages(report))

    run = WatchRun(targets, settings, on_report=on_report, family=family)
    server = Server(board, bind, port)
    await serve(server, bind, run.run())


async def serve(server: "Server", bind: str, *jobs: "Coroutine[None, None, None]") -> None:
    """Say where the page is, and serve it until Ctrl-C or SIGTERM while `jobs` run.

    Raises:
        ToolkitError: what ended one of them.
    """
    from clocksync.cli.stopping import until_told
    from clocksync.dashboard.server import warning
    from clocksync.runtime.errors import ToolkitError

    failure: ToolkitError | None = None
    with until_told(server.stop):
        try:
            async with asyncio.TaskGroup() as tasks:
                working = [tasks.create_task(job) for job in jobs]
                typer.echo(f"the page is at {server.url} (Ctrl-C ends it)", err=True)
                told = warning(bind)
                if told is not None:
                    typer.echo(f"warning: {told}", err=True)
                await server.run()
                for job in working:
                    job.cancel()
        except* ToolkitError as failed:
            failure = next(iter(_single(failed)))
    if failure is not None:
        raise failure from None


def _single(group: "BaseExceptionGroup[ToolkitError]") -> "Iterator[ToolkitError]":
    for each in group.exceptions:
        if isinstance(each, BaseExceptionGroup):
            yield from _single(each)
        else:
            yield each
