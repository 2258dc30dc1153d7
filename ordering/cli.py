"""[I/O] The ``ordering`` command.

Exit codes: 0 good; 1 what was looked at is bad (a message received before it was sent); 2 usage,
or a file that cannot be read.
"""

import sys
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from clocksync.cli import options
from clocksync.cli.running import run_app
from clocksync.runtime.units import format_duration
from ordering.demo import demo
from ordering.diagram import Rows, draw
from ordering.mutex_cli import mutex
from ordering.process import process_text
from ordering.trace.export import to_shiviz, to_tsviz
from ordering.trace.files import read_run
from ordering.trace.run import Run

app = typer.Typer(
    name="ordering",
    help="Order events of distributed programs without trusting their clocks.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Files = Annotated[
    list[Path],
    typer.Argument(help="Traces or histories (JSON Lines); several files make one run."),
]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="Where to write; standard output if left out.")
]


class LogFormat(Enum):
    """Logs that other viewers read."""

    SHIVIZ = "shiviz"
    TSVIZ = "tsviz"


@app.callback()
def ordering(version: options.Version = False) -> None:
    """Order events of distributed programs without trusting their clocks."""


app.command()(demo)
app.command()(mutex)


@app.command()
def diagram(
    files: Files,
    output: Output = None,
    rows: Annotated[
        Rows, typer.Option(help="What goes down the page: causality, or the processes' clocks.")
    ] = Rows.CAUSAL,
    title: Annotated[str, typer.Option(help="Written above the picture.")] = "",
    labels: Annotated[bool, typer.Option(help="Write each event's text beside it.")] = True,
) -> None:
    """Draw a run as a space-time diagram in SVG."""
    _write(output, lambda: draw(read_run(*files), rows=rows, title=title, labels=labels))


@app.command()
def export(
    files: Files,
    output: Output = None,
    to: Annotated[LogFormat, typer.Option(help="The viewer the log is for.")] = LogFormat.SHIVIZ,
) -> None:
    """Write a run as a log for ShiViz or TSViz."""
    convert = to_shiviz if to is LogFormat.SHIVIZ else to_tsviz
    _write(output, lambda: convert(read_run(*files)))


@app.command()
def check(files: Files) -> None:
    """Say what a run holds, and name the messages that were received before they were sent.

    Exit 1 if there are such messages: the processes' clocks disagree by more than a message's
    delay.
    """
    run = read_run(*files)
    typer.echo(_summary(run))
    backward = run.received_before_sent()
    for message in backward:
        by = format_duration(message.by_ns)
        bounds = ", beyond both error bounds" if message.certain else ""
        typer.echo(
            f"{message.sent.name} to {message.received.name}: received {by} before it was sent, "
            f"by the clocks{bounds}"
        )
    raise typer.Exit(1 if backward else 0)


def _summary(run: Run) -> str:
    names = ", ".join(map(process_text, run.processes))
    received = len(run.messages())
    return (
        f"{_counted(len(run.events), 'event')} of "
        f"{_counted(len(run.processes), 'process', 'processes')} ({names}), "
        f"{_counted(received, 'message')} received"
    )


def _counted(count: int, one: str, many: str = "") -> str:
    return f"{count} {one if count == 1 else many or one + 's'}"


def _write(output: Path | None, make: Callable[[], str]) -> None:
    text = make().encode(errors="replace").decode()  # what UTF-8 cannot write becomes a ?
    if output:
        output.write_text(text, "utf-8")
    else:
        sys.stdout.write(text)
        sys.stdout.flush()


def run() -> None:
    """Run the command line and exit: an error is one line and a code."""
    run_app(app, "ordering")
