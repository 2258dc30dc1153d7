"""``clocksync watch HOST...``: the clocks of hosts, for as long as wanted.  [I/O]"""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from clocksync.cli import options
from clocksync.cli.options import duration


def watch(
    hosts: options.Hosts = None,
    inventory: options.Inventory = None,
    group: options.Group = None,
    interval: options.Rounds = "2s",  # type: ignore[assignment]
    burst: Annotated[
        int, typer.Option(min=1, max=16, metavar="N", help="Requests to one host in a round.")
    ] = 2,
    timeout: options.Timeout = "1s",  # type: ignore[assignment]
    for_: Annotated[
        int | None,
        typer.Option("--duration", parser=duration, metavar="DURATION", help="End after this."),
    ] = None,
    count: Annotated[
        int | None, typer.Option("--count", "-n", min=1, help="End after this many reports.")
    ] = None,
    max_offset: Annotated[
        int | None,
        typer.Option(
            parser=duration, metavar="DURATION", help="Alarm when |offset| + bound exceeds this."
        ),
    ] = None,
    max_error: Annotated[
        int | None,
        typer.Option(
            parser=duration, metavar="DURATION", help="Alarm when the bound exceeds this."
        ),
    ] = None,
    max_drift: Annotated[
        float,
        typer.Option(
            metavar="PPM", help="Largest rate difference that bounds allow for; alarm beyond."
        ),
    ] = 500.0,
    silence: Annotated[
        int, typer.Option(min=1, metavar="N", help="Alarm after N requests without an answer.")
    ] = 3,
    log: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Append to FILE.jsonl or FILE.csv; SIGHUP reopens it."),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw FILE.svg, .png or .pdf at the end (extra plot)."),
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option(
            metavar="[ADDRESS:]PORT",
            help="Serve Prometheus metrics (extra metrics); ADDRESS: 127.0.0.1.",
        ),
    ] = None,
    ipv4: options.IPv4 = False,
    ipv6: options.IPv6 = False,
    source: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Send from this local address.")
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print lines of JSON, as --log writes them.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print alarms only (on stderr).")
    ] = False,
) -> None:
    """Watch the clocks of HOSTs, each with an error bound that holds at all times.

    A live view on a terminal, a line a host and interval elsewhere. Alarms are lines on stderr,
    when raised and when cleared. Exits with 0 if there was no alarm, 1 if there was one, 2 if no
    host ever answered.
    """
    from clocksync.cli.watch_output import Output, check_plot, metrics_address, run_watch
    from clocksync.runtime.clocks import reading_precision
    from clocksync.runtime.errors import BadConfig
    from clocksync.runtime.udp import SystemStampClock
    from clocksync.watching.settings import Limits, WatchSettings

    targets = options.targets(
        hosts, inventory, group, "clocksync watch pool.ntp.org --interval 64s"
    )
    if json and quiet:
        raise BadConfig("--json and --quiet exclude each other")
    settings = WatchSettings(
        interval_ns=interval,
        burst=burst,
        timeout_ns=timeout,
        silence=silence,
        max_drift_ppm=max_drift,
        precision_ns=reading_precision(SystemStampClock()),
        limits=Limits(offset_ns=max_offset, error_ns=max_error),
    )
    if for_ is not None and for_ <= 0:
        raise BadConfig("the duration must be longer than nothing")
    if plot is not None:
        check_plot(plot)
    address = None if metrics is None else metrics_address(metrics)
    family = options.family(ipv4, ipv6)
    with Output(json, quiet, log, plot) as output:
        code = asyncio.run(
            run_watch(targets, settings, output, address, for_, count, family, source)
        )
    raise typer.Exit(code)
