"""What becomes of a pair's samples: probes alone or in twos, all of them or the coded ones.  [I/O]

::

    python -m benchmarks.mesh_filters

Four namespaces on a bridge read one clock, so the true offset is 0. A pair's offset at the end of a
second is worked out in different ways from the same samples; each row is the error of each pair
alone, without the graph:

- *line*: the line of widest margin between the clouds, what the mesh uses;
- *least round trip*: the one sample that took least, of each direction, and their mean;
- *median*: of the offsets of all exchanges;
- *coded*: the line, from only those probes that came as far apart as they left, to within so much
  (Huygens' coded probes); the note says how many that leaves.

Probes travel in twos (what agents do) or singly.
"""

import argparse
import asyncio
import statistics
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import combinations, pairwise

from benchmarks.accuracy import CONDITIONS
from benchmarks.harness import (
    Contestant,
    Impossible,
    Sample,
    load,
    print_table,
    require,
    the_machine_alone,
)
from benchmarks.results import record
from clocksync.meshing import pairs
from clocksync.meshing.coordinator import Collected
from clocksync.meshing.frames import Row
from clocksync.meshing.run import collect
from clocksync.meshing.settings import MeshSettings
from clocksync.ntp.sample import MAX_DRIFT_PPM
from clocksync.peers.endpoint import PeerSettings
from clocksync.runtime.units import MILLISECOND, SECOND
from tests.namespaces import Host, bridge

COUNT = 4
TOLERANCES_NS = (300, 1_000)
_AGENT = """
import clocksync.meshing.agent as agent
agent.TOGETHER = {together}
from clocksync.cli.entry import run
run()
"""


def measure(hosts: Sequence[Host]) -> Collected:
    """The samples of a second."""
    settings = MeshSettings(duration_ns=SECOND, interval_ns=20 * MILLISECOND)
    peers = PeerSettings(id=60_000, listen=(hosts[0].ipv4, 0), insecure_plaintext=True)
    addresses = [(host.ipv4, 3190) for host in hosts]
    with hosts[0].inside():
        return asyncio.run(collect(addresses, peers, settings))


def by_line(ours: Sequence[Row], theirs: Sequence[Row], end: int) -> float | None:
    points = pairs.cloud(ours, theirs, 0, 0, end, 2)
    return pairs.line(points, MAX_DRIFT_PPM).offset if points.is_usable else None


def by_least(ours: Sequence[Row], theirs: Sequence[Row]) -> float:
    def offset(rows: Sequence[Row]) -> float:
        best = min(rows, key=lambda row: (row.t4 - row.t1) - (row.t3 - row.t2))
        return (best.t2 - best.t1 + best.t3 - best.t4) / 2

    return (offset(ours) - offset(theirs)) / 2


def by_median(ours: Sequence[Row], theirs: Sequence[Row]) -> float:
    offsets = [(row.t2 - row.t1 + row.t3 - row.t4) / 2 for row in ours]
    offsets += [-(row.t2 - row.t1 + row.t3 - row.t4) / 2 for row in theirs]
    return statistics.median(offsets)


def coded(rows: Sequence[Row], tolerance_ns: int) -> list[Row]:
    """Those of twos that came as far apart as they left, both ways."""
    kept: list[Row] = []
    for one, two in pairwise(rows):
        if two.t1 - one.t1 < MILLISECOND:
            there = (two.t2 - one.t2) - (two.t1 - one.t1)
            back = (two.t4 - one.t4) - (two.t3 - one.t3)
            if max(abs(there), abs(back)) <= tolerance_ns:
                kept += [one, two]
    return kept


def judge(collected: Collected, together: int, condition: str, rows: dict[str, Contestant]) -> None:
    """Add the errors of one measurement to the rows."""

    def add(name: str, error: float | None) -> Contestant:
        label = "in twos" if together == 2 else "single"
        row = rows.setdefault(f"{label}: {name}", Contestant(f"{label}: {name}", "each pair alone"))
        row.add(condition, [] if error is None else [Sample(round(error))])
        return row

    for a, b in combinations(range(1, COUNT + 1), 2):
        both = [
            [row for row in collected.rows.get(ends, []) if row.is_exact]
            for ends in ((a, b), (b, a))
        ]
        if not all(both):
            continue
        end = max(both[0][-1].t1, both[1][-1].t1)
        add("line", by_line(*both, end))
        add("least round trip", by_least(*both))
        add("median", by_median(*both))
        for tolerance in TOLERANCES_NS if together == 2 else ():
            pure = [coded(some, tolerance) for some in both]
            row = add(f"coded to {tolerance} ns, line", by_line(*pure, end))
            row.note = f"kept {100 * sum(map(len, pure)) // sum(map(len, both))} % (last pair)"


def run(rounds: int, meshes: int) -> list[Contestant]:
    """All rows, in turns."""
    rows: dict[str, Contestant] = {}
    for number in range(rounds):
        for condition in CONDITIONS:
            for together in (2, 1):
                print(f"round {number + 1}: {condition}, {together} together", file=sys.stderr)
                with ExitStack() as stack:
                    hosts = stack.enter_context(bridge(COUNT))
                    for place, host in enumerate(hosts, 1):
                        program = _AGENT.format(together=together)
                        options = ["--id", str(place), "--listen", host.ipv4]
                        command = [sys.executable, "-c", program, "agent", *options]
                        process = stack.enter_context(
                            host.popen(
                                [*command, "--insecure-plaintext"],
                                stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL,
                            )
                        )
                        stack.callback(process.kill)
                        assert process.stdout is not None
                        process.stdout.readline()
                    if condition == "loaded":
                        stack.enter_context(load(hosts[1], hosts[0]))
                    for _ in range(meshes):
                        judge(measure(hosts), together, condition, rows)
    return list(rows.values())


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mesh_filters")
    parser.add_argument("--rounds", type=int, default=2, help="how often each has its turn")
    parser.add_argument("--meshes", type=int, default=15, help="measurements a turn")
    chosen = record.parse(parser, arguments)
    try:
        require()
        with the_machine_alone():
            rows = run(chosen.rounds, chosen.meshes)
    except Impossible as error:
        return record.unable(error)
    print_table("|error| where the true offset is 0", rows, CONDITIONS)
    return 0


if __name__ == "__main__":
    sys.exit(record.run(main))
