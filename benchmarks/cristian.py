"""How many attempts a bound takes: Cristian's probability argument, measured.  [I/O]

Two network namespaces, an agent in one, a reader in the other, idle and under load. The round trips
of many probes give the chance p that an attempt is too slow for a bound, and with it the number of
attempts the paper expects, 1 / (1 - p); beside it what readings really took, and how far they were
off at the most: all hosts here have one clock. ``python -m benchmarks.cristian --help``.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from random import Random

from rich.table import Table

from benchmarks.harness import (
    Impossible,
    load,
    machine,
    percentile,
    require,
    tell,
    the_machine_alone,
)
from benchmarks.results import record
from clocksync.cristian import CristianClock
from clocksync.cristian.reading import Reading
from clocksync.meshing.agent import FRAMES, Agent
from clocksync.peers.endpoint import Endpoint, PeerSettings
from clocksync.runtime.udp import SystemStampClock
from clocksync.runtime.units import MILLISECOND
from clocksync.security import keys
from tests.namespaces import Host, pair

PERCENTILES = (5, 10, 25, 50, 75, 95)


async def readings(
    hosts: tuple[Host, Host], key: Path, within_ns: int, count: int, attempts: int
) -> list[Reading]:
    """So many readings, each by a reader of its own."""
    there, here = hosts
    clock = SystemStampClock()
    found: list[Reading] = []
    with there.inside():
        agent = Endpoint(
            Agent(1, Random("agent")),
            FRAMES,
            PeerSettings(id=1, listen=(there.ipv4, 0), key_file=key),
            clock=clock,
        )
        await agent.__aenter__()
    try:
        host, port = agent.address
        for number in range(count):
            with here.inside():
                reader = CristianClock(
                    f"{host}:{port}",
                    within_ns,
                    peers=PeerSettings(id=2 + number, listen=(here.ipv4, 0), key_file=key),
                    clock=clock,
                    follows=False,
                    attempts=attempts,
                    interval_ns=MILLISECOND,
                    max_drift_ppm=0.01,
                )
                await reader.__aenter__()
            try:
                found.append(await asyncio.wait_for(reader.reading(), 60))
            finally:
                await reader.__aexit__(None, None, None)
    finally:
        await agent.__aexit__(None, None, None)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cristian")
    parser.add_argument("--probes", type=int, default=300, help="to learn the round trips from")
    parser.add_argument("--readings", type=int, default=40, help="for each bound")
    options = record.parse(parser)
    table = Table(
        title="attempts for a bound: 1 / (1 - p) by the round trips, and what it took",
        caption=machine(),
        caption_justify="left",
    )
    for column in ("", "bound, us", "p", "expected", "taken, mean", "worst error, us"):
        table.add_column(column, justify="right")
    attempts: dict[str, dict[int, tuple[float, float]]] = {}
    try:
        require()
        with the_machine_alone(), pair() as hosts, tempfile.TemporaryDirectory() as folder:
            key = Path(folder, "fleet.key")
            keys.generate(key)
            for name in ("idle", "loaded"):
                with ExitStack() as stack:
                    if name == "loaded":
                        stack.enter_context(load(*hosts))
                    attempts[name] = _measure(name, hosts, key, options, table)
    except Impossible as error:
        return record.unable(error)
    tell(table)
    for what, column in (("expected by the round trips", 0), ("taken, mean", 1)):
        record.bars(
            f"Attempts for a bound, {what}",
            "attempts",
            {
                f"bound that {percent} % of attempts keep": {
                    name: found[percent][column] for name, found in attempts.items()
                }
                for percent in PERCENTILES
            },
            better="less",
        )
    for name, found in attempts.items():
        for percent in (5, 50):
            record.headline(
                f"Attempts for a bound that {percent} % of them keep, {name}, mean",
                found[percent][1],
                "attempts",
                asked=f"{found[percent][0]:.1f} expected: 1 / (1 - p)",
            )
    return 0


def _measure(
    name: str, hosts: tuple[Host, Host], key: Path, options: argparse.Namespace, table: Table
) -> dict[int, tuple[float, float]]:
    """Attempts expected and taken, by how many of a hundred keep the bound."""
    attempts = {}
    single = asyncio.run(readings(hosts, key, 1, options.probes, 1))
    bounds = sorted(reading.error_bound_ns for reading in single)
    for percent in PERCENTILES:
        within = percentile(bounds, percent)
        share = sum(bound <= within for bound in bounds) / len(bounds)
        found = asyncio.run(readings(hosts, key, within, options.readings, 200))
        taken = statistics.mean(reading.attempts for reading in found)
        worst = max(abs(reading.offset_ns) for reading in found)
        table.add_row(
            name, f"{within / 1000:.1f}", f"{1 - share:.2f}", f"{1 / share:.1f}",
            f"{taken:.1f}", f"{worst / 1000:.2f}",
        )  # fmt: skip
        attempts[percent] = 1 / share, taken
    return attempts


if __name__ == "__main__":
    sys.exit(record.run(main))
