"""``clocksync measure HOST...``: how far the clocks of hosts are from ours.  [I/O]"""

import asyncio
import gc
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clocksync.cli import options
from clocksync.cli.options import duration
from clocksync.cli.stopping import until_told

if TYPE_CHECKING:
    from clocksync.measuring.result import Measurement
    from clocksync.measuring.run import MeasureRun


def measure(
    hosts: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="HOST[:PORT]...",
            help="NTP servers, port 123 by default; ptp://HOST%INTERFACE[/DOMAIN][?hybrid] is a PTP"
            " master, which needs ports 319 and 320 (root).",
            show_default=False,
        ),
    ] = None,
    inventory: options.Inventory = None,
    group: options.Group = None,
    samples: Annotated[
        int, typer.Option("--samples", "-n", min=1, max=10_000, help="Requests to each host.")
    ] = 8,
    interval: Annotated[
        int | None,
        typer.Option(
            parser=duration,
            metavar="DURATION",
            help="Between requests to one host.  [default: 2s]",
            show_default=False,
        ),
    ] = None,
    burst: Annotated[
        bool, typer.Option("--burst", help="Ask again at once: for your own servers.")
    ] = False,
    timeout: options.Timeout = "1s",  # type: ignore[assignment]
    reference: Annotated[
        str | None, typer.Option(metavar="HOST[:PORT]", help="Relate every offset to this host.")
    ] = None,
    max_offset: Annotated[
        int | None,
        typer.Option(
            parser=duration,
            metavar="DURATION",
            help="A host is out of bounds when |offset| + bound exceeds this.",
        ),
    ] = None,
    all_addresses: Annotated[
        bool, typer.Option("--all-addresses", help="A row for each address of each host.")
    ] = False,
    ipv4: options.IPv4 = False,
    ipv6: options.IPv6 = False,
    source: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Send from this local address.")
    ] = None,
    max_drift: options.MaxDrift = 500.0,
    keys: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Symmetric keys, as chrony and ntpsec write them."),
    ] = None,
    key: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[HOST=]ID",
            help="Authenticate with this key of --keys; of every host, or of HOST only.",
            show_default=False,
        ),
    ] = None,
    keys_format: options.KeysFormat = options.Dialect.AUTO,
    nts: Annotated[
        bool,
        typer.Option(
            "--nts",
            help="Authenticate every host by NTS; its port is then that of key establishment,"
            " 4460 by default. For one among others write nts://HOST.",
        ),
    ] = False,
    nts_ca: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Trust these certificates for NTS, not the system's."),
    ] = None,
    json: options.Json = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV, a line a host.")] = False,
) -> None:
    """Measure how far the clocks of HOSTs are from the local one, each with an error bound.

    Needs no privileges (but for PTP) and never touches the system clock. Exits with 0 if every
    host is a truechimer (and within --max-offset), 1 if not, 2 if no host gave a usable answer.
    """
    from clocksync.measuring.credentials import Credentials
    from clocksync.measuring.run import MeasureRun
    from clocksync.measuring.settings import MeasureSettings
    from clocksync.ntp.keyfile import read_keys
    from clocksync.ntp.keys import Dialect
    from clocksync.runtime.clocks import reading_precision
    from clocksync.runtime.errors import BadConfig
    from clocksync.runtime.udp import SystemStampClock
    from clocksync.runtime.units import SECOND

    named = [entry.host for entry in options.entries(inventory, group)]
    if not hosts and not named and reference is None:
        raise BadConfig("name at least one host, for example: clocksync measure pool.ntp.org")
    if json and csv:
        raise BadConfig("--json and --csv exclude each other")
    if interval is None:
        interval = 0 if burst else 2 * SECOND
    default, key_of = Credentials.parse_keys(key or [])
    credentials = Credentials(
        keys=None if keys is None else read_keys(keys, Dialect(keys_format.value)),
        key=default,
        key_of=key_of,
        nts=nts,
        nts_ca=nts_ca,
    )
    settings = MeasureSettings(
        samples=samples,
        interval_ns=interval,
        timeout_ns=timeout,
        max_drift_ppm=max_drift,
        precision_ns=reading_precision(SystemStampClock()),
    )
    with _Progress() as progress:
        run = MeasureRun(
            [*named, *(hosts or [])],
            settings,
            reference=reference,
            offset_max_ns=max_offset,
            all_addresses=all_addresses,
            family=options.family(ipv4, ipv6),
            source=source,
            credentials=credentials,
            on_settled=progress.update,
        )
        # What is loaded by now stays: without it the collector passes over it again and again,
        # which is a tenth of the work of measuring thousands of hosts.
        gc.freeze()
        measurement = asyncio.run(_until_interrupted(run))
    _print(measurement, json, csv)
    raise typer.Exit(measurement.exit_code)


async def _until_interrupted(run: "MeasureRun") -> "Measurement":
    """Run; the first Ctrl-C ends the measurement with what it has, the second ends the program."""
    with until_told(run.stop):
        return await run.run()


def _print(measurement: "Measurement", as_json: bool, as_csv: bool) -> None:
    from clocksync.measuring import report

    if as_json:
        typer.echo(report.to_json(measurement))
    elif as_csv:
        typer.echo(report.to_csv(measurement), nl=False)
    else:
        from clocksync.measuring.table import print_table

        print_table(measurement)


class _Progress:
    """A bar on a terminal's standard error while it works; nothing elsewhere."""

    def __init__(self) -> None:
        self._bar = None
        if sys.stderr is not None and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import (
                BarColumn,
                MofNCompleteColumn,
                Progress,
                TextColumn,
                TimeElapsedColumn,
            )

            self._bar = Progress(
                TextColumn("measuring"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("hosts"),
                TimeElapsedColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._task = self._bar.add_task("measuring", total=None)

    def __enter__(self) -> "_Progress":
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar:
            self._bar.stop()

    def update(self, settled: int, total: int) -> None:
        if self._bar:
            self._bar.update(self._task, completed=settled, total=total)
