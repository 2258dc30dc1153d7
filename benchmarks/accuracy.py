"""How wrong each client is where the truth is 0: ours, chronyd, ntpdig and ntplib.  [I/O]

Two namespaces joined by veth; chronyd serves in one, once with interleaved mode and once without;
each client measures from the other, idle and under load. Rounds take turns, so that a machine that
slows down does so for all. ``python -m benchmarks.accuracy --help``.

A client that filters is compared with others that do: where a row says "best of 8", the sample with
the smallest delay of each 8 in a row is taken, which is what a burst of 8 of ours does.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import ntplib

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
from tests.daemons import (
    Daemon,
    DaemonFailed,
    chrony_client,
    chrony_server,
    ntpdig_query,
    wait_for_measurements,
)
from tests.namespaces import Host, pair

CONDITIONS = ("idle", "loaded")
BURST = 8
OURS = f"clocksync, burst of {BURST}"
_SETTLING = 8  # chronyd's first measurements come before its kernel stamps do
_NTPDIG_SHARE = 10  # each starts a Python of its own: a tenth of the samples takes as long

Measure = Callable[[Daemon, Host, int, Contestant], list[Sample]]


def ours(server: Daemon, client: Host, count: int, row: Contestant) -> list[Sample]:
    """``clocksync.measure_sync`` with bursts of 8, as a user of the library would call it.

    Notes what stamps and modes were used, and whether each bound held the truth.
    """
    import clocksync

    samples, used, broken = [], set(), 0
    with client.inside():
        for _ in range(count):
            host = clocksync.measure_sync([server.address], samples=BURST, burst=True).hosts[0]
            if host.offset_ns is None or host.error_bound_ns is None:
                used.add(f"no answer: {host.reason}")
                continue
            samples.append(Sample(host.offset_ns, host.delay_ns))
            mode = "interleaved" if host.interleaved else "basic"
            stamps = host.timestamps.value if host.timestamps else "unknown"
            used.add(f"{stamps} stamps, {mode}")
            broken += abs(host.offset_ns) > host.error_bound_ns
    # Set, not appended to: the last round's note stands for all, unless one went wrong.
    if broken or "OUTSIDE" not in row.note:
        truth = f"truth OUTSIDE {broken} of {count} bounds" if broken else "truth inside each bound"
        row.note = "; ".join([*sorted(used), truth])
    return samples


def chronyd(options: str) -> Measure:
    """chronyd as a client at 64 polls a second, read from its log of raw measurements."""

    def measure(server: Daemon, client: Host, count: int, row: Contestant) -> list[Sample]:
        polling = f"minpoll -6 maxpoll -6 iburst minsamples 8 {options}"
        with chrony_client(server.address, host=client, options=polling) as daemon:
            timeout_s = 10 + (count + _SETTLING) / 16
            logged = wait_for_measurements(daemon, count + _SETTLING, timeout_s)[_SETTLING:]
        interleaved = sum(measurement.interleaved for measurement in logged)
        row.note = f"{interleaved} of {len(logged)} measurements in interleaved mode"
        return [Sample(measurement.offset_ns, measurement.delay_ns) for measurement in logged]

    return measure


def ntpdig(server: Daemon, client: Host, count: int, row: Contestant) -> list[Sample]:
    """ntpsec's ntpdig, one process a sample."""
    samples, lost = [], 0
    for _ in range(max(1, count // _NTPDIG_SHARE)):
        try:
            answer = ntpdig_query(server.address, host=client)
        except DaemonFailed:
            lost += 1
            continue
        samples.append(Sample(round(float(str(answer["offset"])) * 1e9)))
    row.note = f"prints whole microseconds; {lost} lost in the last round"
    return samples


def python_ntplib(server: Daemon, client: Host, count: int, row: Contestant) -> list[Sample]:
    """ntplib, one request a sample."""
    samples = []
    with client.inside():
        for _ in range(count):
            try:
                answer = ntplib.NTPClient().request(server.address, version=4, timeout=1)
            except ntplib.NTPException:
                continue
            samples.append(Sample(round(answer.offset * 1e9), round(answer.delay * 1e9)))
    return samples


INTERLEAVED, BASIC = "chronyd", "chronyd, basic only"

# Name, server, how; the rows of the table in its order, but for the filtered ones.
ENTRIES: tuple[tuple[str, str, Measure], ...] = (
    (OURS, INTERLEAVED, ours),
    ("chronyd xleave", INTERLEAVED, chronyd("xleave")),
    (OURS, BASIC, ours),
    ("chronyd basic", BASIC, chronyd("")),
    ("ntplib", INTERLEAVED, python_ntplib),
    ("ntpdig", INTERLEAVED, ntpdig),
)


@contextmanager
def server_of(kind: str, host: Host) -> Iterator[Daemon]:
    """The chronyd that `kind` names; without a log of its clients it knows no interleaved mode."""
    with chrony_server(host, extra="noclientlog" if kind == BASIC else "") as daemon:
        yield daemon


def run(rounds: int, count: int, only: str) -> list[Contestant]:
    """All rows whose name holds `only`, measured in turns under each condition."""
    entries = [entry for entry in ENTRIES if only in entry[0]]
    if not entries:
        names = ", ".join(dict.fromkeys(name for name, _, _ in ENTRIES))
        raise Impossible(f"no row's name holds {only!r}: there are {names}")
    rows = [Contestant(name, kind) for name, kind, _ in entries]
    for number in range(rounds):
        for condition in CONDITIONS:
            for row, (name, kind, measure) in zip(rows, entries, strict=True):
                print(f"round {number + 1}: {condition}: {name}, {kind}", file=sys.stderr)
                with ExitStack() as stack:
                    left, right = stack.enter_context(pair())
                    daemon = stack.enter_context(server_of(kind, left))
                    if condition == "loaded":
                        stack.enter_context(load(right, left))
                    row.add(condition, measure(daemon, right, count, row))
    return rows


def with_filtered(rows: Sequence[Contestant]) -> list[Contestant]:
    """Below each row whose single samples say their delay, what a filter makes of the same ones."""
    result = []
    for row in rows:
        result.append(row)
        samples = [sample for some in row.samples.values() for sample in some]
        is_single = row.name != OURS and all(sample.delay_ns is not None for sample in samples)
        if samples and is_single:
            kept = {name: best_of(some, BURST) for name, some in row.samples.items()}
            result.append(Contestant(f"{row.name}, best of {BURST}", row.server, kept))
    return result


def save(rows: Sequence[Contestant], path: Path) -> None:
    """One JSON line a row and condition, with every error in ns."""
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            for condition, samples in row.samples.items():
                errors_ns = [sample.error_ns for sample in samples]
                line = {"client": row.name, "server": row.server, "condition": condition}
                file.write(json.dumps({**line, "errors_ns": errors_ns}) + "\n")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy")
    parser.add_argument("--rounds", type=int, default=3, help="how often each row has its turn")
    parser.add_argument("--samples", type=int, default=200, help="samples a row, round, condition")
    parser.add_argument("--only", default="", help="rows whose name holds this, such as clocksync")
    parser.add_argument("--save", type=Path, help="write every error to this file as JSON lines")
    chosen = record.parse(parser, arguments)
    try:
        require("chronyd", "ntpdig")
        with the_machine_alone():
            measured = run(chosen.rounds, chosen.samples, chosen.only)
    except (Impossible, DaemonFailed) as error:
        return record.unable(error)
    rows = with_filtered(measured)
    print_table("|error| where the true offset is 0", rows, CONDITIONS)
    best = {(row.name, row.server): row for row in rows}
    for server, peer in ((INTERLEAVED, "chronyd xleave"), (BASIC, "chronyd basic")):
        mine = best.get((OURS, server))
        for condition in CONDITIONS if mine else ():
            how = "basic mode" if server == BASIC else "interleaved"
            claim = f"Error of a measured offset, {how}, {condition}, 95 %"
            compare(claim, mine, best.get((f"{peer}, best of {BURST}", server)), condition, 95)
    if chosen.save:
        save(measured, chosen.save)
    return 0


if __name__ == "__main__":
    sys.exit(record.run(main))
