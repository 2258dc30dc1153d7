"""``clocksync capture IFACE | FILE``: what passing packets tell about clocks.  [I/O]"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clocksync.cli import options
from clocksync.cli.options import duration as as_duration
from clocksync.cli.stopping import once_told
from clocksync.runtime.errors import BadConfig

if TYPE_CHECKING:
    from collections.abc import Callable

    from clocksync.capture.packets import Located
    from clocksync.capture.result import Result
    from clocksync.security.opener import Opener


class At(Enum):
    """Where the capture was taken: a copy of :class:`clocksync.capture.result.Place`, which would
    load the arithmetic with the command line."""

    AUTO = "auto"
    CLIENT = "client"
    SERVER = "server"
    BETWEEN = "between"


def capture(
    source: Annotated[
        str, typer.Argument(metavar="IFACE|FILE", help="An interface, or a pcap or pcapng file.")
    ],
    at: Annotated[
        At, typer.Option("--at", help="Where the capture was taken; inferred where it can be.")
    ] = At.AUTO,
    max_offset: Annotated[
        int | None,
        typer.Option(
            parser=as_duration,
            metavar="DURATION",
            help="A pair is out of bounds when |offset| + bound exceeds this.",
        ),
    ] = None,
    duration: Annotated[
        int | None,
        typer.Option(
            parser=as_duration, metavar="DURATION", help="Of an interface: stop after this long."
        ),
    ] = None,
    count: Annotated[
        int | None, typer.Option(min=1, help="Of an interface: stop after so many packets.")
    ] = None,
    ntp_port: Annotated[
        list[int] | None,
        typer.Option(min=1, max=65535, help="Another UDP port that speaks NTP, besides 123."),
    ] = None,
    pairs: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="Remember at most so many pairs of hosts.")
    ] = 2_000,
    rows: Annotated[int, typer.Option(min=1, help="Print at most so many pairs.")] = 50,
    packets: Annotated[
        bool, typer.Option("--packets", help="Print a line for each packet looked at.")
    ] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV, a line for each sample.")] = False,
    picture: Annotated[
        Path | None,
        typer.Option("--plot", metavar="FILE", help="Draw offsets: FILE.svg, .png or .pdf."),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(
            "--key", metavar="FILE", help="The fleet's key: opens what its hosts have sealed."
        ),
    ] = None,
    json: options.Json = False,
) -> None:
    """Tell offset and delay of every pair of hosts whose NTP, PTP or toolkit packets pass by.

    Sends nothing. Exits with 0, with 1 if a pair is out of --max-offset or the file could not be
    read whole, with 2 if there is no time traffic or no capture. An interface needs root or
    CAP_NET_RAW; Ctrl-C prints what there is.
    """
    from clocksync.capture.observer import Observer
    from clocksync.capture.report import CSV_HEAD, csv_line, to_json
    from clocksync.capture.result import Place
    from clocksync.capture.run import read_file, watch_interface

    if json + csv + packets > 1:
        raise BadConfig("--json, --csv and --packets exclude each other")
    path, is_interface = Path(source), _is_interface(source)
    if not is_interface and not path.exists():
        raise BadConfig(f"{source} is neither an interface nor a file")
    if not is_interface and (duration is not None or count is not None):
        raise BadConfig("--duration and --count are for interfaces; a file is read to its end")
    draw = _drawer(picture)
    observer = Observer(
        frozenset({123, *(ntp_port or ())}),
        pairs,
        on_sample=(lambda *sample: typer.echo(csv_line(*sample))) if csv else None,
        opener=_opener(key),
    )
    if packets:
        observer.watch(_printer(observer.describe))
    if csv:
        typer.echo(CSV_HEAD)
    place = None if at is At.AUTO else Place(at.value)
    with once_told() as is_stopped, _progress() as update:
        if is_interface:
            result = watch_interface(
                source,
                observer,
                place=place,
                offset_max_ns=max_offset,
                duration_ns=duration,
                count=count,
                is_stopped=is_stopped,
            )
        else:
            result = read_file(
                path,
                observer,
                place=place,
                offset_max_ns=max_offset,
                on_progress=update,
                is_stopped=is_stopped,
            )
    if json:
        typer.echo(to_json(result))
    else:
        _print(result, None if csv or packets else rows)
    draw(result)
    raise typer.Exit(result.exit_code)


def _print(result: "Result", rows: int | None) -> None:
    """The table; `rows` None: only what is to be said besides, on standard error."""
    if result.has_traffic and rows is not None:
        from clocksync.capture.table import print_table

        print_table(result, rows)
        return
    words = result.cautions
    if not result.has_traffic:
        packets = f"{result.observer.packets:,} packets"
        words = ["; ".join([f"no NTP, PTP or toolkit traffic in {packets}", *words])]
    for each in words:
        typer.echo(f"clocksync: {result.source}: {each}", err=True)


def _drawer(picture: Path | None) -> "Callable[[Result], object]":
    """Draws a result, where it is to be drawn; what stands in the way is found out first."""
    if picture is None:
        return lambda result: None
    from clocksync.capture.picture import draw
    from clocksync.watching.plot import check

    check(picture)
    return lambda result: draw(result, picture)


def _opener(key: Path | None) -> "Opener | None":
    if key is None:
        return None
    from clocksync.security import keys
    from clocksync.security.opener import Opener

    return Opener(keys.read(key))


def _is_interface(name: str) -> bool:
    import socket

    try:
        return name in {each for _, each in socket.if_nameindex()}
    except OSError:
        return False


def _printer(
    describe: "Callable[[str, Located], str]",
) -> "Callable[[int, str, Located], None]":
    def show(when: int, name: str, found: "Located") -> None:
        typer.echo(f"{when // 10**9}.{when % 10**9:09d} {describe(name, found)}")

    return show


@contextmanager
def _progress() -> "Iterator[Callable[[int, int], None]]":
    """A bar on a terminal's standard error while it reads; nothing elsewhere."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("reading"), BarColumn(), DownloadColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
