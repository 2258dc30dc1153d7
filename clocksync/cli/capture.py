"""``clocksync capture IFACE | FILE``: what passing packets tell about clocks.  [I/O]"""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clocksync.cli import options
from clocksync.cli.options import duration as as_duration
from clocksync.runtime.errors import BadConfig

if TYPE_CHECKING:
    from collections.abc import Callable

    from clocksync.capture.packets import Located


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
    path, place = Path(source), None if at is At.AUTO else Place(at.value)
    is_file = path.exists() and not _is_interface(source)
    if is_file and (duration is not None or count is not None):
        raise BadConfig("--duration and --count are for interfaces; a file is read to its end")
    if not is_file and not _is_interface(source):
        raise BadConfig(f"{source} is neither an interface nor a file")
    observer = Observer(
        frozenset({123, *(ntp_port or ())}),
        pairs,
        on_sample=(lambda *sample: typer.echo(csv_line(*sample))) if csv else None,
    )
    if packets:
        observer.watch(_printer(observer.describe))
    if csv:
        typer.echo(CSV_HEAD)
    with _stoppable() as is_stopped:
        if is_file:
            with _progress() as update:
                result = read_file(
                    path,
                    observer,
                    place=place,
                    offset_max_ns=max_offset,
                    on_progress=update,
                    is_stopped=is_stopped,
                )
        else:
            result = watch_interface(
                source,
                observer,
                place=place,
                offset_max_ns=max_offset,
                duration_ns=duration,
                count=count,
                is_stopped=is_stopped,
            )
    if json:
        typer.echo(to_json(result))
    elif not result.rows:
        trouble = "".join(f"; {each}" for each in result.cautions)
        words = f"no NTP, PTP or toolkit traffic in {observer.packets:,} packets{trouble}"
        typer.echo(f"clocksync: {source}: {words}", err=True)
    elif not csv and not packets:
        from clocksync.capture.table import print_table

        print_table(result, rows)
    else:
        for words in result.cautions:
            typer.echo(f"clocksync: {source}: {words}", err=True)
    raise typer.Exit(result.exit_code)


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
def _stoppable() -> "Iterator[Callable[[], bool]]":
    """The first Ctrl-C ends the capture with what it has, the second ends the program."""
    stopped = []

    def stop(*_: object) -> None:
        stopped.append(True)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = {each: signal.signal(each, stop) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(stopped)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


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
