"""What timestamps cost: the ring's throughput as it is, and with their arithmetic taken out.  [I/O]

    python -m benchmarks.stamping [--rounds 5] [--seconds 2] [--sizes 64 1024]

Three members in three network namespaces, all sending. "Without" is the same program with the same
bytes on the wire, in which nobody reads what the others' clocks say, steadies it, or works out a
timestamp and its bound: each message gets the next number. Every round measures both, one after
the other and in turn first; the figures are medians.
"""

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.table import Table

from benchmarks import ring_ours
from benchmarks.harness import Impossible, machine, tell, the_machine_alone
from benchmarks.results import record
from benchmarks.ring_hosts import Failed, Network, require_hosts

AS_IT_IS, WITHOUT = "with timestamps", "without"
ASKED_PERCENT = 3.0
# Python runs a module of this name when it begins, wherever PYTHONPATH has it.
NAME = "sitecustomize.py"
TAKEN_OUT = """
from clocksync.runtime.interval import Interval
from vsync.ringtime import Reading, Stamper

NEXT = Reading(0, Interval(0, 0), 0)
Stamper.follow = Stamper.group_interval = Stamper.steadied = lambda *given: None
Stamper.read = lambda *given: NEXT
"""


@contextmanager
def members_of(kind: str) -> Iterator[None]:
    """Members that start meanwhile are of that kind."""
    before = os.environ.get("PYTHONPATH")
    with tempfile.TemporaryDirectory(prefix="clocksync-stamping-") as folder:
        if kind == WITHOUT:
            (Path(folder) / NAME).write_text(TAKEN_OUT, encoding="utf-8")
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (folder, before)))
        try:
            yield
        finally:
            if before is None:
                del os.environ["PYTHONPATH"]
            else:
                os.environ["PYTHONPATH"] = before


def measure(size: int, rounds: int, seconds: float) -> dict[str, list[float]]:
    """Messages/s of each kind, round by round.

    Raises:
        Failed: a member did.
    """
    found: dict[str, list[float]] = {AS_IT_IS: [], WITHOUT: []}
    for number in range(rounds):
        kinds = list(found)
        for kind in kinds if number % 2 == 0 else reversed(kinds):
            print(f"round {number + 1} of {rounds}, {size} bytes, {kind}", file=sys.stderr)
            with members_of(kind):
                result = ring_ours.bench(Network(1500), size=size, seconds=seconds)
            found[kind].append(result.messages_per_second)
    return found


def main() -> int:
    """Print the table; 0."""
    parser = argparse.ArgumentParser(description="What timestamps cost on a ring")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 1024])
    given = record.parse(parser)
    table = Table(title="3 members, all sending, encrypted, MTU 1500", caption=machine())
    for title in ("bytes", AS_IT_IS, "least", "most", WITHOUT, "least", "most", "cost"):
        table.add_column(title, justify="right")
    try:
        require_hosts()
        with the_machine_alone():
            found = {size: measure(size, given.rounds, given.seconds) for size in given.sizes}
    except (Failed, Impossible) as error:
        return record.unable(error)
    for size, rates in found.items():
        middle = {kind: statistics.median(each) for kind, each in rates.items()}
        cost = 100 * (1 - middle[AS_IT_IS] / middle[WITHOUT])
        figures = [
            f"{figure:,.0f}"
            for kind, each in rates.items()
            for figure in (middle[kind], min(each), max(each))
        ]
        table.add_row(f"{size:,}", *figures, f"{cost:+.1f} %")
        claim = f"What timestamps cost of the throughput, {size:,} bytes"
        record.headline(claim, cost, "%", better="less", asked="3 %", limit=ASKED_PERCENT)
    tell(table)
    return 0


if __name__ == "__main__":
    sys.exit(record.run(main))
