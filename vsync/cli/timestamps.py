"""``vsync timestamps``: what the timestamps of histories are worth.  [I/O]"""

import json as jsonlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vsync.cli.check import Files

if TYPE_CHECKING:
    from vsync.check.times import Spread, Times

SCHEMA = "vsync.timestamps/1"
WIDTH = 96
"""Of the table, however wide the terminal is: it has no long texts."""


def timestamps(
    files: Files,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw the bounds over time: .svg, .png or .pdf."),
    ] = None,
) -> None:
    """Report on the timestamps in histories: order, bounds, distance from the truth.

    Exit 0: the same everywhere, growing, causal, true within their bounds; 1: some are not; 2: a
    file cannot be read, is no history, or holds no timestamp.
    """
    from clocksync.runtime.errors import BadConfig
    from vsync.check.files import read_files
    from vsync.check.times import survey

    times = survey(read_files(files, note=lambda line: typer.echo(f"vsync: {line}", err=True)))
    if not times.stamps:
        raise BadConfig("no message was delivered in these histories: there is no timestamp")
    if plot is not None:
        from vsync.explain.times import draw

        draw(times, plot)
    if json:
        typer.echo(jsonlib.dumps(document(times)))
    else:
        _print(times)
        if plot is not None:
            typer.echo(f"drawn: {plot}")
    raise typer.Exit(1 if times.violations else 0)


def document(times: "Times") -> dict[str, object]:
    """The report as ``vsync.timestamps/1``; schema in ``vsync/schemas/timestamps-1.json``."""
    counts: dict[str, int] = dict(times.more)
    for violation in times.violations:
        counts[violation.rule] = counts.get(violation.rule, 0) + 1
    return {
        "schema": SCHEMA,
        "timestamps": len(times.stamps),
        "bound_s": _seconds(times.bound),
        "off_s": _seconds(times.off),
        "with_true_time": times.with_truth,
        "violations": counts,
        "nodes": [
            {
                "id": origin.node,
                "timestamps": origin.stamps,
                "bound_s": _seconds(origin.bound),
                "suspicions": origin.suspicions,
                "suspect": origin.suspect,
                "unverified": origin.unverified,
            }
            for origin in times.origins
        ],
    }


def _seconds(spread: "Spread | None") -> dict[str, float] | None:
    if spread is None:
        return None
    return {
        "median": spread.median_ns / 1e9,
        "p95": spread.p95_ns / 1e9,
        "largest": spread.largest_ns / 1e9,
    }


def _print(times: "Times") -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from clocksync.runtime.units import format_duration
    from vsync.check.verdict import one_line

    console = Console(width=WIDTH, highlight=False)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("node", justify="right")
    for title in ("stamps", "bound", "95 %", "largest", "suspicions", "suspect", "unverified"):
        table.add_column(title, justify="right", no_wrap=True)
    for origin in times.origins:
        bound = origin.bound
        table.add_row(
            f"{origin.node}",
            f"{origin.stamps:,}",
            *(f"± {format_duration(n)}" for n in (bound.median_ns, bound.p95_ns, bound.largest_ns)),
            f"{origin.suspicions:,}",
            f"{origin.suspect:,}",
            f"{origin.unverified:,}",
        )
    console.print(table)
    off = times.off
    if off is not None:
        figures = (off.median_ns, off.p95_ns, off.largest_ns)
        middle, high, most = map(format_duration, figures)
        console.print(
            f"off from the truth, of {times.with_truth:,} stamps: median {middle}, 95 % {high},"
            f" at the most {most}"
        )
    for violation in times.violations[:20]:
        typer.echo(one_line(f"{violation.rule} {violation.text}"))
    found = len(times.violations) + sum(times.more.values())
    console.print(
        f"{len(times.stamps):,} timestamps: "
        + (f"{found:,} violations" if found else "the same everywhere, growing, causal")
        + ("" if off is None or found else ", true within their bounds")
    )
