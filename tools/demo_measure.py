"""``make demo``: measure three clocks whose error is known, and hold the answers against it.  [I/O]

Three responders on loopback serve software clocks that are wrong by a known offset and rate: two
admit an error of half a millisecond, the third claims to be exact and is three seconds off. They
are measured like any other host, and every true offset must lie within its bound. Exits 1 if one
does not.
"""

import multiprocessing
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection

from rich import box
from rich.console import Console
from rich.table import Table

import clocksync
from clocksync.measuring.table import clock_words, print_table
from clocksync.ntp.responder import Reference
from clocksync.runtime.clocks import SoftwareClock, SystemClock
from clocksync.runtime.units import MICROSECOND, MILLISECOND, SECOND, format_duration

WRONG = (
    (300 * MICROSECOND, 40.0, 500 * MICROSECOND),
    (-200 * MICROSECOND, -25.0, 500 * MICROSECOND),
    (3 * SECOND, 10.0, 0),
)
"""Offset, rate (ppm) and admitted error (root dispersion) of each server's clock."""


def _serve(clock: SoftwareClock, admitted_ns: int, ready: Connection) -> None:
    """One server's process: it serves until it is ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    server = clocksync.Server(clock, port=0, reference=Reference(root_dispersion_ns=admitted_ns))
    server.open()
    ready.send(server.address)
    server.serve_forever()


@contextmanager
def _server(clock: SoftwareClock, admitted_ns: int) -> Iterator[str]:
    """A server in a process of its own, where nothing of ours delays it; gives its address."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=_serve, args=(clock, admitted_ns, theirs), daemon=True)
    process.start()
    try:
        yield "{}:{}".format(*ours.recv())
    finally:
        process.terminate()
        process.join()


def main() -> int:
    """Run the demo; its exit code."""
    clocks = [SoftwareClock(SystemClock(), offset, rate) for offset, rate, _ in WRONG]
    console = Console(highlight=False)
    with ExitStack() as stack:
        hosts = [
            stack.enter_context(_server(clock, admitted))
            for clock, (*_, admitted) in zip(clocks, WRONG, strict=True)
        ]
        console.print("Three servers on loopback, each with a clock wrong in a known way:\n")
        command = f"$ clocksync measure {' '.join(hosts)} --interval 250ms"
        console.print(command, style="bold", soft_wrap=True)
        result = clocksync.measure_sync(hosts, interval_ns=250 * MILLISECOND)
    print_table(result)
    console.print()
    console.print("The truth is that the local clock is right. Each server beside what it served:")
    return _compare(result, clocks, console)


def _compare(result: clocksync.Measurement, clocks: list[SoftwareClock], console: Console) -> int:
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for title in ("host", "truth", "measured", "error", "bound"):
        table.add_column(title, justify="left" if title == "host" else "right")
    table.add_column("inside")
    outside = 0
    for row, clock in zip(result.hosts, clocks, strict=True):
        if row.offset_ns is None or row.error_bound_ns is None:
            console.print(f"{row.host}: {row.verdict.value}: {row.reason}")
            return 1
        truth = clock.offset_at(result.measured_at_ns)
        error = row.offset_ns - truth
        inside = abs(error) <= row.error_bound_ns
        outside += not inside
        table.add_row(
            row.host,
            clock_words(truth),
            clock_words(row.offset_ns),
            format_duration(error),
            f"± {format_duration(row.error_bound_ns)}",
            "[green]yes[/]" if inside else "[bold red]NO[/]",
        )
    console.print(table)
    console.print("A bound is broken." if outside else "Every true offset lies inside its bound.")
    return 1 if outside else 0


if __name__ == "__main__":
    sys.exit(main())
