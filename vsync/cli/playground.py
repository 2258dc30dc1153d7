"""``vsync playground``: a group to play with, in a browser.  [I/O]"""

import asyncio
from typing import Annotated

import typer

from clocksync.cli.dashboard import Bind, Port
from clocksync.exposition import LOOPBACK

PORT = 8766


def playground(
    port: Port = PORT,
    bind: Bind = LOOPBACK,
    seed: Annotated[int, typer.Option(help="Decides everything that is drawn.")] = 0,
) -> None:
    """Serve a page to play with: five members on a ring that can be cut, killed and healed.

    Guided scenes show what virtual synchrony promises, and what cannot happen. All of it is
    simulated in this process, each viewer has a world of its own, and nothing outside is touched;
    the page loads nothing from elsewhere. Ends on Ctrl-C.
    """
    asyncio.run(_run(port, bind, seed))


async def _run(port: int, bind: str, seed: int) -> None:
    from clocksync.cli.dashboard import serve
    from clocksync.dashboard.server import Board, Server, libraries
    from vsync.playground.serving import Playground

    libraries()
    board = Board("playground", is_live=True)
    await serve(Server(board, bind, port, Playground(board, seed).routes()), bind)
