"""How far off a mesh of four hosts is, beside its pairs alone and beside chronyd.  [I/O]

::

    python -m benchmarks.mesh                       the table: three rounds, idle and loaded
    python -m benchmarks.mesh --rounds 1 --meshes 5 a quick look

Four namespaces on a bridge read one clock, so that what a program prints is its error. Each mesh is
one `clocksync.mesh` of the default two seconds with agents that are processes of their own:

- *worst pair*: of a mesh's six errors the largest. The promise is 0.2 us at the 95th percentile.
- *each pair*: all six.
- *pairs alone*: what the exchanges of each two hosts say without the others, from the same samples.
- *chronyd xleave*: a client and a server of the same four hosts, polling 64 times a second, as in
  `benchmarks.accuracy`; and the best of 8 of them by delay.

Under load every processor is busy and one of the hosts floods another. `--wrong` gives the agents
software clocks with known offsets and rates instead, and their errors are told at the instant the
result is of.
"""

import argparse
import asyncio
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.accuracy import BURST, CONDITIONS, INTERLEAVED, chronyd
from benchmarks.harness import (
    Contestant,
    Impossible,
    Sample,
    best_of,
    compare,
    load,
    print_table,
    require,
    the_machine_alone,
)
from benchmarks.results import record
from clocksync.meshing.result import MeshResult
from clocksync.security import keys
from tests.daemons import DaemonFailed, chrony_server
from tests.namespaces import Host, bridge

COUNT = 4
WORST, EACH, ALONE = "mesh, worst pair", "mesh, each pair", "pairs alone"
ASKED_US = 0.2
OFFSETS_NS = (0, 5_000_000, -20_000, 3_000_000_000)


@contextmanager
def agents(hosts: Sequence[Host], key: Path, are_wrong: bool) -> Iterator[None]:
    """An agent on each host, sealed under `key`."""
    with ExitStack() as stack:
        for number, host in enumerate(hosts, 1):
            offset = OFFSETS_NS[number - 1] if are_wrong else 0
            command = [sys.executable, "-m", "clocksync", "agent", "--id", str(number)]
            command += ["--listen", host.ipv4, "--key", str(key), f"--offset={offset}ns"]
            process = stack.enter_context(
                host.popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            )
            stack.callback(process.kill)
            assert process.stdout is not None
            process.stdout.readline()  # it says when it listens
        yield


def measure(hosts: Sequence[Host], key: Path, loss: list[str]) -> MeshResult:
    """One mesh, asked for from the first host."""
    import clocksync

    with hosts[0].inside():
        result = asyncio.run(clocksync.mesh([host.ipv4 for host in hosts], key_file=key))
    loss += result.troubles
    return result


def errors(result: MeshResult, are_wrong: bool) -> tuple[list[int], list[int], list[int], int]:
    """Of pairs, of pairs alone, bounds, and how many bounds miss the truth."""
    truth = OFFSETS_NS if are_wrong else (0,) * COUNT
    pairs = [pair.offset_ns - (truth[pair.b - 1] - truth[pair.a - 1]) for pair in result.pairs]
    alone = [path.offset_ns - (truth[path.b - 1] - truth[path.a - 1]) for path in result.paths]
    bounds = [pair.error_bound_ns for pair in result.pairs]
    return pairs, alone, bounds, sum(abs(e) > b for e, b in zip(pairs, bounds, strict=True))


def run(rounds: int, meshes: int, polls: int, are_wrong: bool) -> list[Contestant]:
    """All rows, measured in turns under each condition."""
    rows = {name: Contestant(name, f"{COUNT} hosts") for name in (WORST, EACH, ALONE)}
    peer = Contestant("chronyd xleave", INTERLEAVED)
    bounds: list[int] = []
    loops: list[int] = []
    troubles: list[str] = []
    missed = 0
    for number in range(rounds):
        for condition in CONDITIONS:
            print(f"round {number + 1}: {condition}", file=sys.stderr)
            with ExitStack() as stack:
                folder = Path(stack.enter_context(TemporaryDirectory()))
                keys.generate(folder / "fleet.key")
                hosts = stack.enter_context(bridge(COUNT))
                stack.enter_context(agents(hosts, folder / "fleet.key", are_wrong))
                if condition == "loaded":
                    stack.enter_context(load(hosts[1], hosts[0]))
                for _ in range(meshes):
                    result = measure(hosts, folder / "fleet.key", troubles)
                    pairs, alone, some, misses = errors(result, are_wrong)
                    rows[WORST].add(condition, [Sample(max(pairs, key=abs, default=0))])
                    rows[EACH].add(condition, [Sample(error) for error in pairs])
                    rows[ALONE].add(condition, [Sample(error) for error in alone])
                    bounds += some
                    loops.append(result.loop_residual_ns or 0)
                    missed += misses
                if polls:
                    daemon = stack.enter_context(chrony_server(hosts[0]))
                    peer.add(condition, chronyd("xleave")(daemon, hosts[1], polls, peer))
    rows[EACH].note = (
        f"median bound ± {statistics.median(bounds) / 1000:.1f} us, truth outside {missed} of"
        f" {len(bounds)}; loops close to within {statistics.median(loops)} ns (median);"
        f" {len(troubles)} cautions{': ' + troubles[0] if troubles else ''}"
    )
    if not polls:
        return list(rows.values())
    filtered = {name: best_of(some, BURST) for name, some in peer.samples.items()}
    best = Contestant(f"{peer.name}, best of {BURST}", peer.server, filtered)
    return [*rows.values(), peer, best]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mesh")
    parser.add_argument("--rounds", type=int, default=3, help="how often each condition has a turn")
    parser.add_argument("--meshes", type=int, default=15, help="measurements a round, condition")
    parser.add_argument("--polls", type=int, default=200, help="of chronyd; 0 leaves it out")
    parser.add_argument("--wrong", action="store_true", help="agents with clocks that are wrong")
    chosen = record.parse(parser, arguments)
    try:
        require(*(["chronyd"] if chosen.polls else []))
        with the_machine_alone():
            rows = run(chosen.rounds, chosen.meshes, chosen.polls, chosen.wrong)
    except (Impossible, DaemonFailed) as error:
        return record.unable(error)
    print_table("|error| where the true offset is known", rows, CONDITIONS)
    peer = rows[-1] if chosen.polls else None
    for condition in CONDITIONS:
        claim = f"Error of a mesh's worst pair, {condition}, 95 %"
        compare(claim, rows[0], peer, condition, 95, asked=f"{ASKED_US} us", limit=ASKED_US)
    return 0


if __name__ == "__main__":
    sys.exit(record.run(main))
