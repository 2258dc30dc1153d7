"""How far apart five hosts are after each round of the Berkeley algorithm, and their claim.  [I/O]

Five network namespaces on a bridge, software clocks off by up to two seconds and 100 ppm. All of
them stand on one clock, so how far apart they really are is known, and compared with the bound that
the daemon and its members claim. Idle and under load, with rates corrected and without; the paper
says of the latter that the error is linear in drift and interval: the last column.
``python -m benchmarks.berkeley --help``.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from rich.table import Table

from benchmarks.harness import Impossible, load, machine, require, tell, the_machine_alone
from benchmarks.results import record
from clocksync.berkeley import BerkeleySettings, RoundDone
from clocksync.berkeley.run import BerkeleyNode
from clocksync.peers.endpoint import PeerSettings
from clocksync.peers.steady import SteadyClock
from clocksync.runtime.units import MILLISECOND, SECOND
from clocksync.security import keys
from tests.namespaces import Host, bridge

CLOCKS = {1: (0, 0.0), 2: (400, 80.0), 3: (-1500, -100.0), 4: (2100, 30.0), 5: (0, -20.0)}
"""Milliseconds and parts per million."""
LOOKS = 9


@dataclass
class Condition:
    """One column: what was seen after each round, over all repetitions; ns."""

    name: str
    steers_rate: bool
    is_loaded: bool
    apart: dict[int, list[int]] = field(default_factory=dict)
    claimed: dict[int, list[int]] = field(default_factory=dict)


def look(nodes: list[BerkeleyNode]) -> tuple[int, int]:
    """How far apart the settled clocks are at one instant, and how far they say they may be."""
    spreads = []
    for _ in range(LOOKS):
        instant = time.time_ns()
        settled = [node.core.me.clock.settled(node.clock.at(instant)) for node in nodes]
        spreads.append(max(settled) - min(settled))
    claims = sorted(node.status().drifted or 0 for node in nodes)
    return round(statistics.median(spreads)), claims[-1] + claims[-2]


async def run(
    hosts: list[Host], key: Path, rounds: int, interval_ns: int, condition: Condition
) -> None:
    """One run; what is seen just before each next round."""
    daemon_at = (hosts[0].ipv4, 3190)
    nodes: list[BerkeleyNode] = []
    ended = asyncio.Event()

    def note(event: object) -> None:
        if isinstance(event, RoundDone) and not event.is_last:
            loop.call_later(interval_ns * 0.9 / SECOND, keep, event.round)

    def keep(number: int) -> None:
        if all(node.core.me.clock.claim or node is nodes[0] for node in nodes):
            apart, claimed = look(nodes)
            condition.apart.setdefault(number, []).append(apart)
            condition.claimed.setdefault(number, []).append(claimed)
        if number >= rounds:
            ended.set()

    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        for number, host in enumerate(hosts, 1):
            offset_ms, rate = CLOCKS[number]
            settings = BerkeleySettings(
                id=number,
                contact=None if number == 1 else daemon_at,
                interval_ns=interval_ns,
                members=len(hosts) - 1 if number == 1 else None,
                steers_rate=condition.steers_rate,
            )
            peers = PeerSettings(id=number, listen=(host.ipv4, 3190), key_file=key)
            clock = SteadyClock(offset_ms * MILLISECOND, rate)
            node = BerkeleyNode(
                settings, peers, clock=clock, on_event=note if number == 1 else None
            )
            nodes.append(node)
            with host.inside():
                await stack.enter_async_context(node)
        await asyncio.wait_for(ended.wait(), 30 + 3 * rounds * interval_ns / SECOND)


def print_result(conditions: list[Condition], rounds: int, interval_ns: int) -> None:
    """A row for each round."""
    rates = [rate for _, rate in CLOCKS.values()]
    drift_us = (max(rates) - min(rates)) * interval_ns / SECOND
    table = Table(
        title=f"five hosts, a round every {interval_ns / SECOND:g} s: worst pair just before the"
        " next round, us (and what they claim)",
        caption=machine(),
        caption_justify="left",
    )
    table.add_column("after round", justify="right")
    for condition in conditions:
        table.add_column(condition.name, justify="right")
    table.add_column("drift x interval", justify="right")
    for number in range(1, rounds + 1):
        cells = []
        for condition in conditions:
            apart = condition.apart.get(number)
            if not apart:
                cells.append("-")
                continue
            claimed = statistics.median(condition.claimed[number])
            cells.append(f"{statistics.median(apart) / 1000:.2f} (± {claimed / 1000:.0f})")
        table.add_row(str(number), *cells, f"{drift_us:.0f}")
    tell(table, width=140)
    record.lines(
        "Worst pair of five hosts just before the next round",
        "round",
        "us",
        {
            condition.name: [
                (number, statistics.median(apart) / 1000)
                for number, apart in condition.apart.items()
            ]
            for condition in conditions
        },
        log="y",
    )
    for condition in conditions[:2]:
        if apart := condition.apart.get(rounds):
            claim = f"Worst of five hosts after {rounds} Berkeley rounds, {condition.name}, median"
            asked = f"{drift_us:.0f} us: drift x interval"
            worst = statistics.median(apart) / 1000
            record.headline(claim, worst, "us", asked=asked, limit=drift_us)
    for condition in conditions:
        seen = [
            apart <= claimed
            for number, values in condition.apart.items()
            for apart, claimed in zip(values, condition.claimed[number], strict=True)
        ]
        tell(f"{condition.name}: inside what they claim {sum(seen)} of {len(seen)} times")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.berkeley")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--interval", type=float, default=0.5, metavar="S")
    options = record.parse(parser)
    interval_ns = round(options.interval * SECOND)
    conditions = [
        Condition("idle", True, False),
        Condition("loaded", True, True),
        Condition("idle, rates left alone", False, False),
    ]
    try:
        require()
        with the_machine_alone(), bridge(5) as hosts, tempfile.TemporaryDirectory() as folder:
            key = Path(folder, "fleet.key")
            keys.generate(key)
            for _ in range(options.repetitions):
                for condition in conditions:
                    with ExitStack() as stack:
                        if condition.is_loaded:
                            stack.enter_context(load(hosts[1], hosts[2]))
                        asyncio.run(run(hosts, key, options.rounds, interval_ns, condition))
    except Impossible as error:
        return record.unable(error)
    print_result(conditions, options.rounds, interval_ns)
    return 0


if __name__ == "__main__":
    sys.exit(record.run(main))
