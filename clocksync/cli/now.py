"""``clocksync now``: the time, as an interval that contains it.  [I/O]"""

import asyncio
import json as json_module
from typing import TYPE_CHECKING, Annotated

import typer

from clocksync.cli import options

if TYPE_CHECKING:
    from clocksync.bounded import BoundedClock
    from clocksync.measuring.result import Measurement

SCHEMA = "clocksync.now/1"


def now(
    hosts: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[HOST[:PORT]]...",
            help="NTP servers to measure; without any, the chronyd of this machine is asked.",
            show_default=False,
        ),
    ] = None,
    samples: Annotated[
        int, typer.Option("--samples", "-n", min=1, max=10_000, help="Requests to each host.")
    ] = 1,
    timeout: options.Timeout = "1s",  # type: ignore[assignment]
    max_drift: options.MaxDrift = 500.0,
    chronyd_socket: Annotated[
        str | None,
        typer.Option(
            metavar="PATH", help="Command socket of the chronyd, where not the usual one."
        ),
    ] = None,
    json: options.Json = False,
) -> None:
    """Tell the time as an interval [earliest, latest] that contains it.

    From one measurement of HOSTS, or from what a running chronyd tracks. Exits with 1 if the hosts
    agree on no time or chronyd is not synchronised, 2 if nothing answered.
    """
    from clocksync.bounded import BoundedClock
    from clocksync.runtime.errors import NotSynchronised

    try:
        if hosts:
            clock, source = _measured(hosts, samples, timeout, max_drift)
        else:
            clock, source = BoundedClock.from_chronyd(chronyd_socket, max_drift), "chronyd"
    except NotSynchronised as error:
        hint = "" if hosts else "; name a host to measure: clocksync now HOST"
        typer.echo(f"clocksync: no trustworthy time: {error}{hint}", err=True)
        unsynchronised = "not synchronised" in error.reason
        raise typer.Exit(1 if unsynchronised else 2) from None
    _print(clock, source, json)


def _measured(
    hosts: list[str], samples: int, timeout_ns: int, max_drift_ppm: float
) -> tuple["BoundedClock", str]:
    from clocksync.bounded import BoundedClock, why_none
    from clocksync.measuring.measure import measure
    from clocksync.measuring.result import NOTHING_USABLE

    measurement: Measurement = asyncio.run(
        measure(hosts, samples=samples, timeout_ns=timeout_ns, max_drift_ppm=max_drift_ppm)
    )
    if measurement.combined is None:
        typer.echo(f"clocksync: no trustworthy time: {why_none(measurement)}", err=True)
        raise typer.Exit(2 if measurement.exit_code == NOTHING_USABLE else 1)
    return (
        BoundedClock.from_measurement(measurement, max_drift_ppm),
        ", ".join(measurement.combined.truechimers),
    )


def _print(clock: "BoundedClock", source: str, as_json: bool) -> None:
    from clocksync.measuring.report import rfc3339
    from clocksync.runtime.units import format_duration, to_seconds

    interval = clock.now()
    if as_json:
        document = {
            "schema": SCHEMA,
            "earliest": rfc3339(interval.earliest),
            "latest": rfc3339(interval.latest),
            "earliest_unix_ns": interval.earliest,
            "latest_unix_ns": interval.latest,
            "error_bound_s": to_seconds(interval.error),
            "source": source,
        }
        typer.echo(json_module.dumps(document, indent=2))
        return
    typer.echo(f"earliest  {rfc3339(interval.earliest)}")
    typer.echo(f"latest    {rfc3339(interval.latest)}")
    typer.echo(f"          ± {format_duration(interval.error)}, by {source}")
