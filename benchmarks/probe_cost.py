"""What a probe costs in CPU time: ours, of one host and of thousands, beside ntplib.  [I/O]

All in one run against one chronyd, in a namespace of its own whose loopback answers for every
address of 127.0.0.0/8. The true offset is 0, so the largest offset measured among a thousand hosts
is the error. Rounds take turns; the least of each row counts, since whatever else runs on the
machine can only add. ``python -m benchmarks.probe_cost --help``.
"""

import argparse
import gc
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import ntplib
from rich.table import Table

from benchmarks.harness import Impossible, machine, require, tell, the_machine_alone
from benchmarks.results import record
from clocksync.measuring.measure import run_blocking
from clocksync.measuring.result import Measurement, Verdict
from clocksync.measuring.run import MeasureRun
from clocksync.measuring.settings import MeasureSettings
from tests.daemons import chrony_server
from tests.namespaces import pair

SEQUENTIAL = 2_000
WITHIN_NS = 100_000


@dataclass(slots=True)
class Row:
    """One way to probe: CPU microseconds per probe and probes per second, a value a round."""

    name: str
    probe: Callable[[], tuple[int, Measurement | None]]
    cpu_us: list[float] = field(default_factory=list)
    per_second: list[float] = field(default_factory=list)
    last: Measurement | None = None

    def run(self) -> None:
        """One round."""
        cpu, wall = time.process_time_ns(), time.monotonic_ns()
        probes, self.last = self.probe()
        self.cpu_us.append((time.process_time_ns() - cpu) / probes / 1000)
        self.per_second.append(probes * 1e9 / (time.monotonic_ns() - wall))


def with_ntplib(host: str) -> tuple[int, None]:
    """As its README shows: one request after the other, the port by name."""
    client = ntplib.NTPClient()
    for _ in range(SEQUENTIAL):
        client.request(host, version=4, timeout=5)
    return SEQUENTIAL, None


def with_ours(hosts: list[str], samples: int) -> tuple[int, Measurement]:
    """Back to back, kernel stamps both ways, interleaved where the server speaks it."""

    settings = MeasureSettings(samples=samples, interval_ns=0)
    measurement = run_blocking(MeasureRun(hosts, settings).run())
    return sum(row.samples for row in measurement.hosts), measurement


def main(arguments: list[str] | None = None) -> int:
    """Run; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--hosts", type=int, default=2_000)
    parser.add_argument("--samples", type=int, default=8)
    chosen = record.parse(parser, arguments)
    many = [f"127.1.{n >> 8}.{n & 255}" for n in range(1, chosen.hosts + 1)]
    try:
        require("chronyd")
        with (
            the_machine_alone(),
            pair() as (host, _),
            chrony_server(host, address="0.0.0.0"),
            host.inside(),
        ):
            rows = [
                Row("ntplib, one after the other", lambda: with_ntplib("127.0.0.1")),
                Row(
                    "clocksync, one after the other",
                    lambda: with_ours(["127.0.0.1"], SEQUENTIAL),
                ),
                Row(
                    f"clocksync, {chosen.hosts:,} hosts at once",
                    lambda: with_ours(many, chosen.samples),
                ),
            ]
            # What is imported stays: the collector need not look at it again for every client.
            gc.collect()
            gc.freeze()
            for _ in range(chosen.rounds):
                for row in rows:
                    row.run()
    except Impossible as error:
        return record.unable(error)
    show(rows)
    return 0


def show(rows: list[Row]) -> None:
    """The table, and how far off the worst of many hosts was."""
    table = Table(title="Cost of a probe, least of all rounds", caption=machine())
    for title in ("client", "CPU us a probe", "probes/s", "to ntplib"):
        table.add_column(title, justify="left" if title == "client" else "right")
    base = min(rows[0].cpu_us)
    for row in rows:
        least = min(row.cpu_us)
        cells = [f"{least:.1f}", f"{max(row.per_second):,.0f}", f"{least / base:.2f}"]
        table.add_row(row.name, *cells)
    tell(table)
    record.bars(
        "CPU time of a probe",
        "us",
        {row.name: {"CPU us a probe": min(row.cpu_us)} for row in rows},
        peers=["ntplib"],
        better="less",
    )
    for row in rows[1:]:
        cost = min(row.cpu_us)
        claim = f"CPU time of a probe: {row.name.partition(', ')[2]}"
        record.headline(claim, cost, "us", peer=base, peer_name="ntplib")
    for row in rows:
        if row.last is None or len(row.last.hosts) == 1:
            continue
        good = [h for h in row.last.hosts if h.verdict is Verdict.TRUECHIMER]
        errors = sorted(abs(h.offset_ns or 0) for h in good)
        asked, answered = (
            sum(getattr(h, k) for h in row.last.hosts) for k in ("samples", "answered")
        )
        within = sum(error <= WITHIN_NS for error in errors)
        tell(
            f"{row.name}: {answered:,} of {asked:,} requests answered, {len(good):,} truechimers, "
            f"{within:,} within 100 us, the worst off by {errors[-1] / 1000:.1f} us"
        )


if __name__ == "__main__":
    sys.exit(record.run(main))
