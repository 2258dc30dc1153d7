"""``vsync explain``: draw histories.  [I/O]"""

from pathlib import Path
from typing import Annotated

import typer

from clocksync.runtime.errors import BadConfig
from vsync.check import judge, read_files
from vsync.explain import explain as draw


def explain(
    files: Annotated[list[Path], typer.Argument(help="Histories of one group (JSON Lines).")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Where to write; standard output if left out."),
    ] = None,
    title: Annotated[str, typer.Option(help="Written above the picture.")] = "",
    events: Annotated[
        str, typer.Option(metavar="FIRST..LAST", help="Which events, by number from 1.")
    ] = "",
) -> None:
    """Draw a history as a space-time picture in SVG: members, configurations, messages.

    What violates a rule is marked. A long history is drawn around its first violation, or summed
    up; --events chooses by hand. Exit 2: a file cannot be read, or is no history.
    """
    history = read_files(files, note=lambda line: typer.echo(f"vsync: {line}", err=True))
    first, last = _range(events)
    picture = draw(
        history,
        title=title or ", ".join(path.name for path in files),
        violations=judge(history).violations,
        first=first,
        last=last,
    )
    if output is None:
        typer.echo(picture, nl=False)
    else:
        output.write_text(picture, encoding="utf-8")


def _range(text: str) -> tuple[int | None, int | None]:
    if not text:
        return None, None
    first, dots, last = text.partition("..")
    if not dots or not all(part.isdecimal() for part in (first, last)):
        raise BadConfig(f"--events {text!r}: write it as FIRST..LAST, two numbers from 1")
    return int(first), int(last)
