"""``clocksync gnss OBS NAV``: position and clock error, as a GNSS receiver finds them.  [I/O]"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clocksync.cli import options
from clocksync.cli.options import duration
from clocksync.runtime.errors import BadConfig

if TYPE_CHECKING:
    from collections.abc import Iterable

    from clocksync.gnss.fix import Fix
    from clocksync.gnss.settings import ReceiverSettings

_PANEL = "With --simulate"


def gnss(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="OBS NAV...",
            help="RINEX 2 or 3: one observation file, one or more navigation files, in any order; "
            "also compressed.",
            show_default=False,
        ),
    ] = None,
    systems: Annotated[
        str, typer.Option(metavar="LETTERS", help="G: GPS, E: Galileo, or both.")
    ] = "GE",
    mask: Annotated[
        float, typer.Option(metavar="DEGREES", help="Leave out satellites lower than this.")
    ] = 10.0,
    max_age: Annotated[
        int | None,
        typer.Option(
            parser=duration,
            metavar="DURATION",
            help="Use ephemerides up to this far from their time.  [default: as each says]",
            show_default=False,
        ),
    ] = None,
    ionosphere: Annotated[
        str, typer.Option(metavar="HOW", help="auto, model, pair (two frequencies) or none.")
    ] = "auto",
    rows: Annotated[
        int, typer.Option(min=2, help="Print at most so many epochs in the table.")
    ] = 20,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw positions and clock into a .png or .svg."),
    ] = None,
    json: options.Json = False,
    simulate: Annotated[
        bool, typer.Option("--simulate", help="Simulate a receiver whose truth is known instead.")
    ] = False,
    clock_error: Annotated[
        int,
        typer.Option(
            parser=duration,
            metavar="DURATION",
            help="The receiver's clock is ahead by this.",
            rich_help_panel=_PANEL,
        ),
    ] = "1us",  # type: ignore[assignment]
    satellites: Annotated[
        int,
        typer.Option(min=1, max=10, help="How many are in view.", rich_help_panel=_PANEL),
    ] = 8,
    lie: Annotated[
        str | None,
        typer.Option(
            metavar="SATELLITE[:METRES]",
            help="This one's pseudorange is so much too long, 300 m by default; 'any' picks one.",
            rich_help_panel=_PANEL,
        ),
    ] = None,
    noise: Annotated[
        float, typer.Option(metavar="METRES", help="Of a pseudorange.", rich_help_panel=_PANEL)
    ] = 0.0,
    seed: Annotated[
        int, typer.Option(help="Of the noise; one seed gives one run.", rich_help_panel=_PANEL)
    ] = 1,
) -> None:
    """Find position and clock error from pseudoranges, with bounds, as a GNSS receiver does.

    Exits with 0 if every epoch is solved, 1 if one is not, or satellites contradict each other, or
    a file could not be read whole, 2 if the input is unusable.
    """
    from clocksync.gnss.settings import ReceiverSettings

    settings = ReceiverSettings(
        mask_deg=mask, systems=frozenset(systems.upper()), ionosphere=ionosphere
    )
    if simulate:
        if files:
            raise BadConfig("--simulate takes no files")
        if plot:
            raise BadConfig("--simulate draws no plot")
        _simulate(settings, clock_error, satellites, lie, noise, seed, json)
        return
    if not files or len(files) < 2:
        raise BadConfig(
            "name an observation file and a navigation file: clocksync gnss OBS NAV; "
            "or see what a receiver does: clocksync gnss --simulate"
        )
    _run(files, settings, max_age, rows, plot, json)


def _run(
    files: list[Path],
    settings: "ReceiverSettings",
    max_age: int | None,
    rows: int,
    plot: Path | None,
    as_json: bool,
) -> None:
    from clocksync.gnss.report import json_lines
    from clocksync.gnss.rinex_text import BadRinex
    from clocksync.gnss.run import Positioning
    from clocksync.gnss.summary import Summary

    if plot:
        from clocksync.gnss.plot import require_plotting

        require_plotting(plot)
    summary = Summary()
    with _counting() as counted:
        run = Positioning.of(files, settings, max_age)
        fixes = counted(run.fixes())
        first = next(fixes, None)
        if first is None:
            told = next((each for each in run.cautions if "could not" in each), "no epoch in it")
            raise BadRinex(f"{run.path}: {told}")
        everything = _chain(first, fixes)
        if as_json:
            for line in json_lines(everything, summary, run.cautions):
                typer.echo(line)
        else:
            from clocksync.gnss.table import print_run

            print_run(everything, summary, run, rows)
    if plot:
        from clocksync.gnss.plot import write_plot

        write_plot(plot, summary, run.path.name)
    raise typer.Exit(0 if summary.all_solved and not run.faulty else 1)


def _simulate(
    settings: "ReceiverSettings",
    clock_error: int,
    satellites: int,
    lie: str | None,
    noise: float,
    seed: int,
    as_json: bool,
) -> None:
    import random

    from clocksync.gnss.simulation import Scene, parse_lie

    scene = Scene.of(
        settings=settings,
        clock_error_ns=clock_error,
        satellites=satellites,
        lie=parse_lie(lie) if lie else None,
        noise_m=noise,
        draw=random.Random(seed),
    )
    if as_json:
        from clocksync.gnss.report import json_lines
        from clocksync.gnss.summary import Summary

        for line in json_lines([scene.fix], Summary(), [], truth=scene.truth_document()):
            typer.echo(line)
    else:
        from clocksync.gnss.lesson import print_lesson

        print_lesson(scene)
    raise typer.Exit(0 if scene.is_right else 1)


def _chain(first: "Fix", rest: "Iterable[Fix]") -> "Iterator[Fix]":
    yield first
    yield from rest


@contextmanager
def _counting() -> "Iterator[Callable[[Iterator[Fix]], Iterator[Fix]]]":
    """A count of epochs on a terminal's standard error while it works; nothing elsewhere."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield iter
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = SpinnerColumn(), TextColumn("{task.completed:.0f} epochs"), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("solving", total=None)

        def counted(fixes: "Iterator[Fix]") -> "Iterator[Fix]":
            for fix in fixes:
                progress.advance(task)
                yield fix

        yield counted
