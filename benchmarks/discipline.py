"""How far a clock kept to a server is off, where the truth is 0: ours beside chronyd's.  [I/O]

Two namespaces joined by veth read one system clock. chronyd serves it in one; from the other it is
followed by ``clocksync discipline`` (as a library), with each servo, and by chronyd in its ``-x``
mode, which tracks without touching the clock. All ask at the same rate, interleaved. What each
believes of the system clock's offset is read again and again: it is 0, so that is its error. The
note says how wide the bound was, and whether it held.

Rounds take turns, idle and under load. ``python -m benchmarks.discipline --help``.
"""

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack

import clocksync
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
from clocksync.chronyd import parse_tracking
from clocksync.runtime.errors import NotSynchronised
from clocksync.steering.settings import SERVOS, DisciplineSettings
from tests.daemons import Daemon, DaemonFailed, chrony_client, chrony_server
from tests.namespaces import Host, pair

CONDITIONS = ("idle", "loaded")
SETTLING_S = 6.0
LOOK_S = 0.05
CHRONYC_FORMAT = "-c"

Track = Callable[[Daemon, Host, float], list[tuple[int, int]]]
"""Follow a server for so many seconds: (error, bound) in ns, look after look."""


def ours(servo: str, poll: int) -> Track:
    """A :func:`clocksync.discipline` that is looked at while it follows."""

    async def follow(address: str, seconds: float) -> list[tuple[int, int]]:
        settings = DisciplineSettings(servo=servo, poll_min=poll, poll_max=poll, precision_ns=200)
        looks = []
        loop = asyncio.get_running_loop()
        async with clocksync.discipline([address], settings) as clock:
            await clock.locked()
            await asyncio.sleep(SETTLING_S)
            ends = loop.time() + seconds
            while loop.time() < ends:
                looks.append((clock.offset_ns(), clock.error_bound_ns() or 0))
                await asyncio.sleep(LOOK_S)
        return looks

    def track(server: Daemon, client: Host, seconds: float) -> list[tuple[int, int]]:
        with client.inside():
            return asyncio.run(follow(server.address, seconds))

    return track


def chronyd(poll: int) -> Track:
    """chronyd with ``-x``, asked what it tracks."""

    def track(server: Daemon, client: Host, seconds: float) -> list[tuple[int, int]]:
        options = f"minpoll {poll} maxpoll {poll} iburst xleave"
        looks: list[tuple[int, int]] = []
        with chrony_client(server.address, host=client, options=options) as daemon:
            ends = time.monotonic() + SETTLING_S + seconds
            while time.monotonic() < ends:
                time.sleep(LOOK_S)
                if time.monotonic() < ends - seconds:
                    continue
                try:
                    tracking = parse_tracking(daemon.ask_chronyc(CHRONYC_FORMAT, "tracking"))
                except NotSynchronised:
                    continue
                looks.append((tracking.offset_ns, tracking.interval.error))
        return looks

    return track


def run(rounds: int, seconds: float, poll: int) -> list[Contestant]:
    """All rows, measured in turns under each condition."""
    entries = [(f"clocksync, {servo}", ours(servo, poll)) for servo in SERVOS]
    entries.append(("chronyd -x", chronyd(poll)))
    rows = [Contestant(name, "chronyd") for name, _ in entries]
    bounds: dict[str, list[tuple[int, int]]] = {name: [] for name, _ in entries}
    for number in range(rounds):
        for condition in CONDITIONS:
            for row, (name, track) in zip(rows, entries, strict=True):
                print(f"round {number + 1}: {condition}: {name}", file=sys.stderr)
                with ExitStack() as stack:
                    left, right = stack.enter_context(pair())
                    server = stack.enter_context(chrony_server(left))
                    if condition == "loaded":
                        stack.enter_context(load(right, left))
                    looks = track(server, right, seconds)
                row.add(condition, [Sample(error) for error, _ in looks])
                bounds[name] += looks
    for row in rows:
        looks = bounds[row.name]
        if looks:
            middle = statistics.median(bound for _, bound in looks) / 1000
            broken = sum(abs(error) > bound for error, bound in looks)
            row.note = f"median bound {middle:.1f} us; truth outside {broken} of {len(looks)}"
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.discipline")
    parser.add_argument("--rounds", type=int, default=2, help="how often each row has its turn")
    parser.add_argument("--seconds", type=float, default=10.0, help="of looking, a row and round")
    parser.add_argument("--poll", type=int, default=-4, help="each asks every 2^N s")
    chosen = record.parse(parser, arguments)
    try:
        require("chronyd")
        with the_machine_alone():
            rows = run(chosen.rounds, chosen.seconds, chosen.poll)
    except (Impossible, DaemonFailed) as error:
        return record.unable(error)
    print_table("|error| of the clock that is kept, where the truth is 0", rows, CONDITIONS)
    for condition in CONDITIONS:
        claim = f"Error of a disciplined clock, {condition}, 95 %"
        compare(claim, rows[0], rows[-1], condition, 95)
    return 0


if __name__ == "__main__":
    sys.exit(record.run(main))
