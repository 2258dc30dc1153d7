"""How long a group is without a ring after a crash or a pulled cable, beside corosync.  [I/O]

    python -m benchmarks.ring_crash [--runs 5] [--quick]

Three idle members in three network namespaces. One is killed (``kill -9``), or the bridge's end of
its cable is taken down; measured is the time from then to the new regular configuration at the last
of the two survivors: ours by their own history files, corosync's by the configuration change that
CPG tells its clients. Every process of a machine reads one monotonic clock, so instants compare.
Each trial is a new group, and the victim changes from trial to trial, since the one that holds an
idle token is missed soonest.

After a kill the machine goes on and says that nobody listens (ICMP), which ours takes as a hint;
a cut cable says nothing. What is asked of ours: 1.3 times the token timeout.
"""

import argparse
import json
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks import corosync, ring_ours
from benchmarks.harness import Impossible, machine, the_machine_alone
from benchmarks.results import record
from benchmarks.ring_hosts import (
    LONGEST_S,
    Failed,
    Host,
    Network,
    Program,
    Strangers,
    hosts,
    interruptible,
    require_hosts,
)
from benchmarks.ring_tables import columns, show

TIMEOUTS_MS = (1000, 200, 100, 50)
COROSYNC_TIMEOUTS_MS = (1000, 200)
"""At less than 200 ms corosync loses members on a busy machine, so nobody would run it so."""
TRANSPORTS = (corosync.SEALED, corosync.UDP)
EVENTS = ("kill -9", "cable cut")
OURS = "vsync, encrypted"
ASKED = 1.3
MEMBERS = (1, 2, 3)


@dataclass
class Outages:
    """What was measured, ms."""

    of: dict[tuple[str, int, str], list[float]] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    strangers_percent: float = 0.0

    def add(self, program: str, token_ms: int, event: str, outage_ns: int) -> None:
        self.of.setdefault((program, token_ms, event), []).append(outage_ns / 1e6)


def ours(found: Sequence[Host], token_ms: int, event: str, trial: int) -> int:
    """One outage of our ring, ns.

    Raises:
        Failed: there was no ring, before or after.
    """
    victim, survivors = _cast(trial)
    with ring_ours.ring(found, token_ms=token_ms) as ring:
        _let_idle(token_ms, trial)
        began = _strike(event, found[victim - 1], ring.members[victim])
        try:
            return ring.wait(survivors, since_ns=began) - began
        finally:
            found[victim - 1].restore()


def theirs(
    found: Sequence[Host],
    client: Path,
    transport: corosync.Transport,
    token_ms: int,
    event: str,
    trial: int,
) -> int:
    """One outage of corosync, ns.

    Raises:
        Failed: there was no group, before or after.
    """
    victim, survivors = _cast(trial)
    with (
        corosync.cluster(found, client, transport, mtu=1500, token_ms=token_ms) as cluster,
        ExitStack() as stack,
    ):
        watchers = {}
        for me in survivors:
            watchers[me] = cluster.client(me, "watch", len(MEMBERS))
            stack.callback(watchers[me].end)
        # A member of the group, so that its absence is a change of it.
        member = cluster.client(victim, "watch", len(MEMBERS))
        stack.callback(member.end)
        for program in (*watchers.values(), member):
            program.expect("ready")
        told = [_Changes(program) for program in watchers.values()]
        _let_idle(token_ms, trial)
        began = _strike(event, found[victim - 1], cluster.daemons[victim - 1])
        try:
            return max(changes.wait(len(survivors), began) for changes in told) - began
        finally:
            found[victim - 1].restore()


class _Changes:
    """What one client of CPG is told of the group's members."""

    def __init__(self, program: Program) -> None:
        self._told: list[tuple[int, int]] = []
        self._thread = threading.Thread(target=self._read, args=(program,), daemon=True)
        self._thread.start()

    def _read(self, program: Program) -> None:
        with suppress(Failed, ValueError, OSError):
            while True:
                change = json.loads(program.line())
                self._told.append((change["at"], change["members"]))

    def wait(self, members: int, since_ns: int) -> int:
        """When so many were left, or there."""
        ends = time.monotonic() + LONGEST_S
        while time.monotonic() < ends:
            for at, count in self._told:
                if at >= since_ns and count == members:
                    return at
            time.sleep(0.01)
        raise Failed(f"no configuration of {members} in {LONGEST_S:.0f} s")


def _cast(trial: int) -> tuple[int, tuple[int, ...]]:
    victim = MEMBERS[trial % len(MEMBERS)]
    return victim, tuple(me for me in MEMBERS if me != victim)


def _let_idle(token_ms: int, trial: int) -> None:
    """Until the token rests, and then some, so that trials meet different moments of its hold."""
    time.sleep(0.3 + 0.037 * trial + token_ms / 4000)


def _strike(event: str, host: Host, process: Program) -> int:
    began = time.monotonic_ns()
    if event == EVENTS[0]:
        process.kill()
    else:
        host.cut()
    return began


def measure(options: argparse.Namespace) -> Outages:
    """All trials, one program after the other in each.

    Raises:
        Impossible: nothing can be measured here.
    """
    outages = Outages()
    with tempfile.TemporaryDirectory(prefix="clocksync-crash-") as folder, ExitStack() as stack:
        client = None
        try:
            client = None if options.without_corosync else corosync.build(Path(folder))
        except Impossible as error:
            outages.skipped.append(f"corosync: {error}")
        found = stack.enter_context(hosts(len(MEMBERS), Network()))
        strangers = Strangers()
        for trial in range(options.runs):
            print(f"trial {trial + 1} of {options.runs}", file=sys.stderr)
            for event in EVENTS:
                for token_ms in options.timeouts:
                    with _noting(outages, OURS, token_ms, event):
                        outages.add(OURS, token_ms, event, ours(found, token_ms, event, trial))
                if client is None:
                    continue
                for transport in TRANSPORTS:
                    for token_ms in COROSYNC_TIMEOUTS_MS:
                        with _noting(outages, transport.name, token_ms, event):
                            taken = theirs(found, client, transport, token_ms, event, trial)
                            outages.add(transport.name, token_ms, event, taken)
        outages.strangers_percent = strangers.percent()
    return outages


@contextmanager
def _noting(outages: Outages, program: str, token_ms: int, event: str) -> Iterator[None]:
    """Note what failed, and go on."""
    where = f"{program}, {token_ms} ms, {event}"
    print(f"  {where}", file=sys.stderr)
    try:
        yield
    except Failed as error:
        outages.skipped.append(f"{where}: {error}")


def print_outages(outages: Outages) -> None:
    """A row for each program, event and timeout."""
    table = columns(
        ("program", "event"),
        ("token ms", "trials", "median ms", "least", "most", "x token", f"asked {ASKED}x"),
    )
    for event in EVENTS:
        if table.row_count:
            table.add_row("")
        for (program, token_ms, of), found in outages.of.items():
            if of == event:
                table.add_row(program, event, *_figures(program, token_ms, found))
    show("from the event to the new regular configuration at the last survivor", table)
    strangers = f"other programs took {outages.strangers_percent:.0f} % of the processors meanwhile"
    print(f"\n{strangers}")
    record.note(strangers)
    if outages.skipped:
        print("\nskipped or failed:")
        for line in dict.fromkeys(outages.skipped):
            print(f"  {line}")
            record.note(f"skipped or failed: {line}")
    keep(outages)


def keep(outages: Outages) -> None:
    """The same as data, as far as it is to be drawn or quoted."""
    bars: dict[str, dict[str, float | None]] = {}
    for (program, token_ms, event), found in outages.of.items():
        bars.setdefault(f"{program}, {token_ms} ms", {})[event] = median(found) / token_ms
    title = "No ring after a crash, in token timeouts"
    record.bars(title, "x token timeout", bars, peers=["corosync"], better="less")
    for (program, token_ms, event), found in outages.of.items():
        if program == OURS:
            theirs = outages.of.get((corosync.SEALED.name, token_ms, event))
            record.headline(
                f"No ring after {event}, token timeout {token_ms} ms, median",
                median(found),
                "ms",
                peer=median(theirs) if theirs else None,
                peer_name=corosync.SEALED.name,
                asked=f"{ASKED} x timeout: {ASKED * token_ms:g} ms",
                limit=ASKED * token_ms,
            )


def _figures(program: str, token_ms: int, found: Sequence[float]) -> Iterable[str]:
    ratio = median(found) / token_ms
    asked = ("within" if ratio <= ASKED else "OVER") if program == OURS else "-"
    milliseconds = (f"{value:,.0f}" for value in (median(found), min(found), max(found)))
    return (str(token_ms), str(len(found)), *milliseconds, f"{ratio:.2f}", asked)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; 0, also where corosync is missing. 130 if interrupted."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ring_crash", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--runs", type=int, default=5, help="trials of each (5)")
    parser.add_argument("--timeouts", type=int, nargs="+", default=TIMEOUTS_MS, metavar="MS")
    parser.add_argument("--without-corosync", action="store_true")
    parser.add_argument("--quick", action="store_true", help="one trial of each")
    options = record.parse(parser, arguments)
    if options.quick:
        options.runs = 1
    if options.runs < 1 or min(options.timeouts) < 20:
        parser.error("--runs from 1, --timeouts from 20 ms")
    try:
        require_hosts()
        with interruptible(), the_machine_alone():
            outages = measure(options)
    except Impossible as error:
        record.impossible(error)
        print(f"ring_crash: skipped: {error}")
        return 0
    except KeyboardInterrupt:
        print("ring_crash: interrupted; all that was started has been ended", file=sys.stderr)
        return 130
    print(machine())
    print("ONE trial: a smoke test" if options.runs == 1 else f"medians of {options.runs} trials")
    print_outages(outages)
    return 0


if __name__ == "__main__":
    sys.exit(record.run(main))
