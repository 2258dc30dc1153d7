"""How well members of a ring agree on the time when all their clocks are wrong.  [I/O]

    python -m benchmarks.ring_clocks [--seconds 5] [--members 3] [--busy]

Members in network namespaces of one machine, each with a software clock that is off by up to 50 ms
and 100 ppm. One kernel, one true clock: each tells what the group's clock shows it at instants of
that clock, and the differences between members are errors. With ``--busy`` all send as fast as the
ring takes it. Beside it: the same readings if members went by their own clocks.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence
from itertools import combinations
from statistics import median

from benchmarks.harness import Impossible, machine, percentile, the_machine_alone
from benchmarks.results import record
from benchmarks.ring_hosts import Failed, Host, Network, Program, hosts, interruptible, python
from benchmarks.ring_tables import columns, show
from clocksync.runtime.clocks import SoftwareClock, SystemClock
from clocksync.runtime.interval import Interval
from clocksync.runtime.units import MILLISECOND
from vsync import Configuration, Group, join

PORT = 5430
WRONG = ((50, 100.0), (-50, -100.0), (13, 40.0), (-29, 5.0), (41, -60.0))
"""Offset in ms and rate in ppm of each member's clock."""
ASKED_US = (1, 5)
"""Median and 95th percentile."""
READINGS, APART_S = 400, 0.005


class WrongClock:
    """A member's time source: wrong, and as far as it knows within 60 ms."""

    def __init__(self, offset_ns: int, rate_ppm: float) -> None:
        self._clock = SoftwareClock(SystemClock(), offset_ns, rate_ppm)

    def at(self, system_ns: int) -> int:
        """What it shows when the system's clock shows that."""
        return self._clock.at(system_ns)

    def now(self) -> Interval:
        """The time, as far as it knows."""
        return Interval.around(self._clock.read(), 60 * MILLISECOND)


async def member(me: int, addresses: Sequence[str], seconds: float, busy: bool) -> None:
    """Be on the ring for a while; then tell (system clock, the group's clock, our own), a line."""
    offset_ms, rate_ppm = WRONG[(me - 1) % len(WRONG)]
    clock = WrongClock(offset_ms * MILLISECOND, rate_ppm)
    where = {n: f"{address}:{PORT}" for n, address in enumerate(addresses, 1)}
    joining = join(
        "clocks",
        id=me,
        listen=where.pop(me),
        peers=where,
        clock=clock,
        events=False,
        insecure_plaintext=True,
    )
    async with joining as group:
        while True:
            await asyncio.sleep(0.01)
            if len(_members(group)) == len(addresses):
                break
        print("together", flush=True)
        async with asyncio.TaskGroup() as tasks:
            load = tasks.create_task(_load(group, busy))
            await asyncio.sleep(seconds)
            for _ in range(READINGS):
                system = time.time_ns()
                mine = clock.at(system)
                agreed = mine + group._clocks.agreed(mine).offset_ns
                print(json.dumps([system, agreed - system, mine - system]))
                await asyncio.sleep(APART_S)
            load.cancel()
        print("[]", flush=True)
        await asyncio.to_thread(sys.stdin.readline)


def _members(group: Group) -> tuple[int, ...]:
    configuration: Configuration | None = group.configuration
    return () if configuration is None else configuration.members


async def _load(group: Group, busy: bool) -> None:
    while True:
        await group.multicast_many([bytes(64)] * (1000 if busy else 1))
        if not busy:
            await asyncio.sleep(0.01)


def readings(found: Sequence[Host], seconds: float, busy: bool) -> list[list[list[int]]]:
    """What the members told.

    Raises:
        Failed: one of them told something else.
    """
    addresses = [host.address for host in found]
    command = [*python("benchmarks.ring_clocks"), "--seconds", str(seconds)]
    programs = []
    try:
        for me, host in enumerate(found, 1):
            more = ["--be", str(me), *addresses, *(["--busy"] if busy else [])]
            programs.append(Program([*host.prefix, *command, *more]))
        for program in programs:
            program.expect("together")
        told = [_told(program) for program in programs]
        for program in programs:
            program.tell("")
        return told
    finally:
        for program in programs:
            program.end(5.0)


def _told(program: Program) -> list[list[int]]:
    lines = []
    while line := json.loads(program.line()):
        lines.append(line)
    return lines


def apart(told: Sequence[Sequence[Sequence[int]]], column: int) -> list[int]:
    """How far any two members' readings are apart at one instant, ns: the second one's led to the
    first one's instant by its neighbours."""
    found = []
    for one, other in combinations(told, 2):
        place = 0
        for system, *values in one:
            while place + 1 < len(other) and other[place + 1][0] <= system:
                place += 1
            if place + 1 < len(other) and other[place][0] <= system:
                before, after = other[place], other[place + 1]
                part = (system - before[0]) / (after[0] - before[0])
                theirs = before[column] + (after[column] - before[column]) * part
                found.append(round(abs(theirs - values[column - 1])))
    return sorted(found)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; 2 where it cannot be measured, 130 if interrupted."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ring_clocks", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--seconds", type=float, default=5.0, help="of traffic before (5)")
    parser.add_argument("--members", type=int, default=3, choices=range(2, 17), metavar="N")
    parser.add_argument("--busy", action="store_true", help="only under full load")
    parser.add_argument("--be", nargs="+", metavar="X", help=argparse.SUPPRESS)
    options = record.parse(parser, arguments)
    if options.be:
        me, *addresses = options.be
        asyncio.run(member(int(me), addresses, options.seconds, options.busy))
        return 0
    try:
        with interruptible(), the_machine_alone():
            print(machine())
            _measure(options)
    except (Impossible, Failed) as error:
        return record.unable(error)
    except KeyboardInterrupt:
        return 130
    return 0


def _measure(options: argparse.Namespace) -> None:
    table = columns(("what is read", "load"), ("pairs of readings", "median us", "95 %", "largest"))
    spread: dict[str, dict[str, list[float]]] = {}
    for busy in (True,) if options.busy else (False, True):
        with hosts(options.members, Network()) as found:
            told = readings(found, options.seconds, busy)
        for name, column in (("the group's clock", 1), ("the members' own", 2)):
            errors = apart(told, column)
            figures = (median(errors), percentile(errors, 95), errors[-1])
            cells = (f"{value / 1000:,.2f}" for value in figures)
            load = "full" if busy else "little"
            table.add_row(name, load, f"{len(errors):,}", *cells)
            spread.setdefault(name, {})[f"{load} load"] = [error / 1000 for error in errors]
            if column == 1:
                for what, figure, asked in zip(("median", "95 %"), figures, ASKED_US, strict=False):
                    record.headline(
                        f"Group's clock, members apart, {load} load, {what}",
                        figure / 1000,
                        "us",
                        asked=f"{asked} us",
                        limit=asked,
                    )
    title = f"how far {options.members} members are apart after {options.seconds:g} s on a ring"
    show(title, table)
    record.spread("How far members are apart", "us", spread, peers=["the members' own"])
    worst = max(abs(ms) for ms, _ in WRONG[: options.members])
    asked = f"asked: median {ASKED_US[0]} us, 95 % {ASKED_US[1]} us"
    print(f"clocks wrong by up to {worst} ms and 100 ppm; {asked}")


if __name__ == "__main__":
    sys.exit(record.run(main))
