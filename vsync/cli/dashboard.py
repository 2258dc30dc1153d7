"""``vsync dashboard``: see a group, live or recorded, in a browser.  [I/O]"""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from clocksync.cli.dashboard import Bind, Port
from clocksync.dashboard import PORT
from clocksync.exposition import LOOPBACK
from clocksync.runtime.errors import BadConfig


def dashboard(
    attach: Annotated[
        list[str] | None,
        typer.Option(
            metavar="GROUP[-ID]",
            help="Ask members that run on this machine, or a socket's PATH; repeatable."
            "  [default: the group that runs here]",
        ),
    ] = None,
    file: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="HISTORY", help="Show histories of one group, and what is appended; repeatable."
        ),
    ] = None,
    port: Port = PORT,
    bind: Bind = LOOPBACK,
) -> None:
    """Serve a page that shows a group: its ring, changes, messages in their order, timestamps.

    With --attach as it is now, with --file as it was, step by step; with both, members that run and
    each of their messages. The page only shows; it loads nothing from elsewhere. Ends on Ctrl-C.
    """
    asyncio.run(_run(attach or [], file or [], port, bind))


async def _run(attach: list[str], paths: list[Path], port: int, bind: str) -> None:
    import time

    from clocksync.cli.dashboard import serve
    from clocksync.dashboard.server import Board, Server
    from vsync.dashboard.running import Files, ask_all, finder, follow, thinned

    names = ", ".join(path.name for path in paths)
    is_live = bool(attach) or not paths
    if len(set(paths)) < len(paths):
        raise BadConfig("--file: a history is named twice")
    title, find = finder(attach) if is_live else (names, None)
    began_ns = time.monotonic_ns()

    def now_s() -> float:
        return (time.monotonic_ns() - began_ns) / 1e9

    board = Board(title, is_live=is_live, now_s=now_s if is_live else None)
    server = Server(board, bind, port)
    files = None
    if paths:
        files = Files(paths, began_ns if is_live else None)
        board.log.extend(files.whole())
        board.notes = thinned(files.share)
        if not is_live and board.log.end == 0:
            raise BadConfig(f"{names}: no events: is it a history?")
    jobs = []
    if files is not None:
        jobs.append(follow(files, board))
    if find is not None:
        jobs.append(ask_all(find, board, now_s))
    await serve(server, bind, *jobs)
