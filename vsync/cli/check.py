"""``vsync check``: judge histories.  [I/O]"""

from pathlib import Path
from typing import Annotated

import typer

from vsync.check import judge, read_files, render

Files = Annotated[
    list[Path],
    typer.Argument(help="Histories (JSON Lines); several files are those of one group."),
]


def check(files: Files) -> None:
    """Judge histories by the rules of extended virtual synchrony.

    Names each rule that is violated, the events and their lines. Exit 0: nothing is violated; 1:
    something is; 2: a file cannot be read, or is no history.
    """
    verdict = judge(read_files(files, note=lambda line: typer.echo(f"vsync: {line}", err=True)))
    typer.echo(render(verdict))
    raise typer.Exit(1 if verdict.violations else 0)
