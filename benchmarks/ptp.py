"""How wrong a PTP measurement is where the truth is 0: ours beside ptp4l's own.  [I/O]

A ptp4l is master on one side of a veth, with software stamps and 32 Syncs a second. On the other
side, in turns: a ptp4l as slave that is told to leave the clock alone, which says what the last
Sync showed against its filtered path delay; and ``clocksync measure``, each exchange by itself and,
as a user gets it, by eights. Both sides read one clock. ``python -m benchmarks.ptp --help``.
"""

import argparse
import asyncio
import re
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack

from benchmarks.harness import Contestant, Impossible, Sample, compare, load, print_table, require
from benchmarks.harness import the_machine_alone as alone
from benchmarks.results import record
from clocksync.measuring.run import MeasureRun
from clocksync.measuring.settings import MeasureSettings
from tests.daemons import Daemon, DaemonFailed, ptp4l
from tests.namespaces import Host, pair
from tools import peers

CONDITIONS = ("idle", "loaded")
FAST = ("logSyncInterval -5", "logMinDelayReqInterval -5")
BURST = 8
SETTLING = 16
"""Offsets that a slave tells before its path delay is worth anything."""
_STATUS = re.compile(r"master_offset\s+(-?\d+)\s+ingress_time\s+(-?\d+)")


def slave(here: Host, count: int) -> list[Sample]:
    """What a ptp4l says of its last Sync, asked by linuxptp's own pmc until there are enough."""
    with ptp4l(here, *FAST, "slaveOnly 1") as daemon:
        told: dict[str, int] = {}
        ask = [*peers.command("pmc"), "-u", "-b", "0", "-s", str(daemon.folder / "socket")]
        deadline = time.monotonic() + 10 + count / 16
        while len(told) < count + SETTLING and time.monotonic() < deadline:
            ran = here.run([*ask, "GET TIME_STATUS_NP"])
            told |= {when: int(offset) for offset, when in _STATUS.findall(ran.stdout)}
    # linuxptp says ours minus theirs; before its first Sync all is 0.
    return [Sample(-offset) for when, offset in list(told.items())[SETTLING:] if when != "0"]


def ours(here: Host, master: Daemon, count: int, hybrid: bool) -> tuple[list[Sample], list[Sample]]:
    """Each exchange by itself, and the offsets of measurements of eight."""
    name = f"ptp://{master.address}%{here.device}" + "?hybrid" * hybrid
    single: list[Sample] = []
    whole: list[Sample] = []
    with here.inside():
        for _ in range(max(1, count // BURST)):
            run = MeasureRun([name], MeasureSettings(samples=BURST, interval_ns=0))
            row = asyncio.run(run.run()).hosts[0]
            listener = run.listener(0)
            if row.offset_ns is None or listener is None:
                continue
            whole.append(Sample(row.offset_ns, row.delay_ns))
            single += [Sample(one.offset_ns, one.delay_ns) for one in listener.samples]
    return single, whole


def run(rounds: int, count: int) -> list[Contestant]:
    """All rows, in turns."""
    theirs = Contestant("ptp4l, slave", "ptp4l")
    each, by_eight = (Contestant(f"clocksync, {what}", "ptp4l") for what in ("each", "of 8"))
    hybrid = Contestant("clocksync, of 8, hybrid", "ptp4l")
    for number in range(rounds):
        for condition in CONDITIONS:
            print(f"round {number + 1}: {condition}", file=sys.stderr)
            with ExitStack() as stack:
                left, right = stack.enter_context(pair())
                master = stack.enter_context(ptp4l(left, *FAST, "masterOnly 1", "hybrid_e2e 1"))
                if condition == "loaded":
                    stack.enter_context(load(right, left))
                theirs.add(condition, slave(right, count))
                single, whole = ours(right, master, count, False)
                each.add(condition, single)
                by_eight.add(condition, whole)
                hybrid.add(condition, ours(right, master, count, True)[1])
    return [theirs, each, by_eight, hybrid]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ptp")
    parser.add_argument("--rounds", type=int, default=3, help="how often each row has its turn")
    parser.add_argument("--samples", type=int, default=200, help="samples a row, round, condition")
    chosen = record.parse(parser, arguments)
    try:
        require("ptp4l", "pmc")
        with alone():
            rows = run(chosen.rounds, chosen.samples)
    except (Impossible, DaemonFailed) as error:
        return record.unable(error)
    print_table("|error| of PTP with software stamps, where the true offset is 0", rows, CONDITIONS)
    for condition in CONDITIONS:
        compare(f"Error of a PTP measurement, {condition}, 95 %", rows[2], rows[0], condition, 95)
    return 0


if __name__ == "__main__":
    sys.exit(record.run(main))
