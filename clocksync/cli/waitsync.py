"""``clocksync waitsync``: wait until the local clock is certainly right.  [I/O]"""

import asyncio
import json as json_module
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from clocksync.cli import options
from clocksync.cli.options import duration

if TYPE_CHECKING:
    from clocksync.measuring.settings import NamedHost
    from clocksync.waiting import Reading

SAMPLES = 4
ANSWER_NS, ANSWER_MIN_NS = 1_000_000_000, 50_000_000


def waitsync(
    hosts: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[HOST[:PORT]]...",
            help="NTP servers to measure; without any, chronyd is asked, or else the kernel.",
            show_default=False,
        ),
    ] = None,
    max_error: Annotated[
        int,
        typer.Option(
            parser=duration, metavar="DURATION", help="The clock may be off by this at the most."
        ),
    ] = "1ms",  # type: ignore[assignment]
    timeout: Annotated[
        int | None,
        typer.Option(
            parser=duration, metavar="DURATION", help="Give up after this.  [default: never]"
        ),
    ] = None,
    inventory: options.Inventory = None,
    group: options.Group = None,
    interval: Annotated[
        int, typer.Option(parser=duration, metavar="DURATION", help="Between attempts.")
    ] = "1s",  # type: ignore[assignment]
    chronyd_socket: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="Command socket of the chronyd, where not the usual."),
    ] = None,
    ipv4: options.IPv4 = False,
    ipv6: options.IPv6 = False,
    json: options.Json = False,
) -> None:
    """Wait until the local clock is certainly within --max-error of true time.

    By measuring HOSTs, of which a majority must agree; or by what chronyd or the kernel knows.
    Exits with 0 once it is within, 1 if it was not until --timeout, 2 if nobody could tell.
    """
    from clocksync.runtime.errors import BadConfig
    from clocksync.waiting import Outcome, is_within, outcome, to_document

    if max_error <= 0 or interval < 0 or (timeout is not None and timeout < 0):
        raise BadConfig("durations must be longer than nothing")
    named = [entry.host for entry in options.entries(inventory, group)]
    everybody: list[str | NamedHost] = [*named, *(hosts or [])]
    family = options.family(ipv4, ipv6)
    wait_ns = ANSWER_NS if timeout is None else min(ANSWER_NS, max(timeout, ANSWER_MIN_NS))
    read: Callable[[], Reading] = (
        (lambda: by_hosts(everybody, family, wait_ns))
        if everybody
        else (lambda: by_machine(chronyd_socket))
    )
    began, readings = time.monotonic_ns(), [read()]
    attempts = 1
    while not is_within(readings[-1], max_error):
        waited = time.monotonic_ns() - began
        if timeout is not None and waited + interval > timeout:
            break
        time.sleep(interval / 1e9)
        readings = [*readings[:1], *readings[-1:], read()][-3:]
        attempts += 1
    ended, last = outcome(readings, max_error), readings[-1]
    waited = time.monotonic_ns() - began
    if json:
        document = to_document(last, ended, max_error, waited, attempts, time.time_ns())
        typer.echo(json_module.dumps(document, indent=2))
    elif ended is Outcome.SYNCHRONISED:
        typer.echo(f"synchronised: the local clock is {last.words}")
    else:
        typer.echo(f"clocksync: {ended.value}: {last.words}", err=True)
    raise typer.Exit(ended.exit_code)


def by_hosts(
    hosts: "list[str | NamedHost]", family: int | None, timeout_ns: int = ANSWER_NS
) -> "Reading":
    """Measure them once."""
    from clocksync.bounded import why_none
    from clocksync.measuring.measure import measure
    from clocksync.measuring.result import NOTHING_USABLE
    from clocksync.waiting import Reading

    measurement = asyncio.run(
        measure(hosts, samples=SAMPLES, burst=True, timeout_ns=timeout_ns, family=family)
    )
    if measurement.combined is None:
        known = measurement.exit_code != NOTHING_USABLE
        return Reading(None, "hosts", why_none(measurement), is_known_bad=known)
    return Reading(measurement.combined.interval, ", ".join(measurement.combined.truechimers))


def by_machine(chronyd_socket: str | None) -> "Reading":
    """What chronyd knows of the clock, or where none runs, the kernel."""
    from clocksync.chronyd import read_tracking
    from clocksync.kernel_clock import read_kernel_clock
    from clocksync.runtime.errors import NotSynchronised
    from clocksync.runtime.interval import Interval
    from clocksync.waiting import Reading

    try:
        return Reading(read_tracking(chronyd_socket).interval, "chronyd")
    except NotSynchronised as error:
        reason = error.reason
    is_known_bad = "not synchronised" in reason
    if chronyd_socket is not None or is_known_bad:
        return Reading(None, "chronyd", reason, is_known_bad)
    kernel = read_kernel_clock()
    if kernel is None:
        return Reading(None, "nobody", f"no chronyd ({reason}), and the kernel does not tell")
    if not kernel.synchronised:
        words = "the kernel has its clock as not synchronised, and no chronyd runs; name a HOST"
        return Reading(None, "kernel", words, is_known_bad=True)
    return Reading(Interval(-kernel.error_ns, kernel.error_ns), "kernel")
