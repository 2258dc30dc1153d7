"""How wrong a watch is in steady state where the truth is 0, beside chronyd and ptp4l.  [I/O]

Two namespaces joined by veth read one clock, so that whatever a program prints is its error. From
one of them ``clocksync watch`` follows a chronyd in the other at as many polls a second as chronyd
itself does beside it; ptp4l, with software stamps, follows a ptp4l at its own eight. None of them
moves a clock. Rounds take turns, idle and loaded. ``python -m benchmarks.watch --help``.

Of each program the figure is of every value it would act on once it has settled: the watch's offset
after each round, chronyd's raw measurements and the best of each eight of them (more or less what
its filter keeps), ptp4l's master offset. The watch's bound must hold the truth each time; the note
says so, or that it did not.
"""

import argparse
import asyncio
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.accuracy import BURST as BURST_OF_8
from benchmarks.accuracy import CONDITIONS, with_filtered
from benchmarks.harness import (
    Contestant,
    Impossible,
    Sample,
    compare,
    load,
    print_table,
    require,
    the_machine_alone,
)
from benchmarks.results import record
from clocksync.runtime.clocks import reading_precision
from clocksync.runtime.udp import SystemStampClock
from clocksync.runtime.units import SECOND
from clocksync.watching.core import Report
from clocksync.watching.rows import Target
from clocksync.watching.run import WatchRun
from clocksync.watching.settings import WatchSettings
from tests.daemons import DaemonFailed, chrony_client, chrony_server, wait_for_measurements
from tests.namespaces import Host, pair
from tools import peers

POLLS = 64  # a second
BURST = 2  # of them in a round, as the command has it
SETTLING = 80  # reports until the window of 64 is full and chronyd's kernel stamps have begun
_PTP_OFFSET = re.compile(r"master offset\s+(-?\d+)")
_PTP_SETTLING = 4
_PTP_POLLS = 8

Measure = Callable[[Host, Host, int, Contestant], list[Sample]]


def ours(server: Host, client: Host, count: int, row: Contestant) -> list[Sample]:
    """A watch of one host, as the command runs it."""
    samples: list[Sample] = []
    broken = 0

    def take(report: Report) -> None:
        nonlocal broken
        result = report.rows[0].result
        if report.number <= SETTLING or result.offset_ns is None or result.error_bound_ns is None:
            return
        samples.append(Sample(result.offset_ns))
        broken += abs(result.offset_ns) > result.error_bound_ns
        row.note = (
            f"{result.timestamps.value if result.timestamps else 'no'} stamps,"
            f" {'interleaved' if result.interleaved else 'basic'}"
        )

    with chrony_server(server), client.inside():
        settings = WatchSettings(
            interval_ns=BURST * SECOND // POLLS,
            burst=BURST,
            precision_ns=reading_precision(SystemStampClock()),
        )

        async def watch() -> None:
            run = WatchRun([Target.parse(server.ipv4)], settings, on_report=take)
            await run.run(count=SETTLING + count)

        asyncio.run(watch())
    truth = f"truth OUTSIDE {broken} of {len(samples)} bounds" if broken else "truth in each bound"
    row.note = f"{row.note}; {truth}"
    return samples


def chronyd(server: Host, client: Host, count: int, row: Contestant) -> list[Sample]:
    """chronyd interleaved, read from its log of raw measurements."""
    polling = "minpoll -6 maxpoll -6 iburst minsamples 8 xleave"
    with (
        chrony_server(server) as daemon,
        chrony_client(daemon.address, host=client, options=polling) as following,
    ):
        timeout_s = 10 + (count + SETTLING) / (POLLS / 4)
        logged = wait_for_measurements(following, count + SETTLING, timeout_s)[SETTLING:]
    row.note = f"{sum(m.interleaved for m in logged)} of {len(logged)} in interleaved mode"
    return [Sample(measurement.offset_ns, measurement.delay_ns) for measurement in logged]


def ptp(server: Host, client: Host, count: int, row: Contestant) -> list[Sample]:
    """ptp4l with software stamps, free running: it prints the offset it would correct."""
    rate = "-3"
    common = [
        "[global]", "time_stamping software", "free_running 1", f"logSyncInterval {rate}",
        f"logMinDelayReqInterval {rate}", "summary_interval -7", "freq_est_interval 0",
        "logAnnounceInterval -2", "use_syslog 0", "verbose 1",
    ]  # fmt: skip
    wanted = max(1, count // 16)  # free running it prints one a second
    with ExitStack() as stack:
        _ptp4l(stack, server, [*common, "masterOnly 1"])
        following = _ptp4l(stack, client, [*common, "slaveOnly 1"])
        offsets: list[int] = []
        deadline = time.monotonic() + 20 + 3 * (wanted + _PTP_SETTLING)
        while len(offsets) < wanted + _PTP_SETTLING:
            if time.monotonic() > deadline:
                raise DaemonFailed(f"ptp4l told {len(offsets)} offsets of {wanted}")
            time.sleep(0.1)
            offsets = [int(o) for o in _PTP_OFFSET.findall(following.read_text(encoding="utf-8"))]
    row.note = f"{_PTP_POLLS} syncs a second, of which it prints one when free running"
    return [Sample(offset) for offset in offsets[_PTP_SETTLING:]]


def _ptp4l(stack: ExitStack, host: Host, lines: Sequence[str]) -> Path:
    """Run a ptp4l in `host`; the file of what it prints."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="clocksync-")))
    sockets = [f"uds_address {folder / 'uds'}"]
    configuration, output = folder / "conf", folder / "output"
    configuration.write_text("\n".join([*lines, *sockets, ""]), encoding="utf-8")
    arguments = [*peers.command("ptp4l"), "-f", str(configuration), "-i", host.device, "-m"]
    stack.enter_context(_running(host, arguments, output))
    return output


@contextmanager
def _running(host: Host, arguments: Sequence[str], output: Path) -> Iterator[None]:
    with output.open("wb") as file:
        process = host.popen(arguments, stdout=file, stderr=subprocess.STDOUT)
        try:
            yield
        finally:
            process.kill()
            process.wait()


ENTRIES: tuple[tuple[str, str, Measure], ...] = (
    ("clocksync watch", "chronyd", ours),
    ("chronyd xleave", "chronyd", chronyd),
    ("ptp4l, software stamps", "ptp4l", ptp),
)


def run(rounds: int, count: int, only: str) -> list[Contestant]:
    """All rows whose name holds `only`, in turns."""
    entries = [entry for entry in ENTRIES if only in entry[0]]
    if not entries:
        raise Impossible(f"no row's name holds {only!r}: there are {[e[0] for e in ENTRIES]}")
    rows = [Contestant(name, server) for name, server, _ in entries]
    for number in range(rounds):
        for condition in CONDITIONS:
            for row, (name, _, measure) in zip(rows, entries, strict=True):
                print(f"round {number + 1}: {condition}: {name}", file=sys.stderr)
                with ExitStack() as stack:
                    left, right = stack.enter_context(pair())
                    if condition == "loaded":
                        stack.enter_context(load(right, left))
                    row.add(condition, measure(left, right, count, row))
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.watch")
    parser.add_argument("--rounds", type=int, default=3, help="how often each row has its turn")
    parser.add_argument("--samples", type=int, default=400, help="values a row, round, condition")
    parser.add_argument("--only", default="", help="rows whose name holds this, such as clocksync")
    chosen = record.parse(parser, arguments)
    try:
        require("chronyd", "ptp4l")
        with the_machine_alone():
            rows = run(chosen.rounds, chosen.samples, chosen.only)
    except (Impossible, DaemonFailed, peers.PeersMissing) as error:
        return record.unable(error)
    rows = with_filtered(rows)
    print_table("|error| in steady state where the truth is 0", rows, CONDITIONS)
    named = {row.name: row for row in rows}
    for condition in CONDITIONS if ENTRIES[0][0] in named else ():
        claim = f"Error of a clock that is watched, {condition}, 95 %"
        peer = named.get(f"chronyd xleave, best of {BURST_OF_8}")
        compare(claim, named[ENTRIES[0][0]], peer, condition, 95)
    return 0


if __name__ == "__main__":
    sys.exit(record.run(main))
