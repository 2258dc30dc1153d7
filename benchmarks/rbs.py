"""How wrong reference broadcasts are where the truth is 0, beside the paper's figure.  [I/O]

Five namespaces on one bridge: a beacon and four receivers, each a process of its own. All read one
clock, so every pair's offset is 0 and what a receiver finds is its error. Each finds it as in
service, from the latest M broadcasts, with and without the bias of its port taken off; idle, and
with every processor busy and a UDP flood over the bridge; with the kernel's stamps and with those
of a program that reads the clock itself. ``python -m benchmarks.rbs --help``.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.table import Table

from benchmarks.harness import Impossible, load, machine, require, tell, the_machine_alone
from benchmarks.results import record
from clocksync.rbs.plot import PAPER_DEVIATION_US, PAPER_US
from tests.namespaces import Host, bridge

CONDITIONS = ("idle", "loaded")
STAMPS = ("kernel", "user")
COUNTS = (1, 10, 30, 100)
PAPER_NAME = "the paper (2002), 802.11"
RECEIVERS = 4
PORT, GROUP = 3190, ("239.192.0.7", 3191)
WARM_UP = 100
"""Broadcasts before anything counts: kernels switch stamps on late, and bias needs bursts."""
PROTOTYPE = {1: "0.66 ± 0.70", 10: "0.37 ± 0.34", 30: "0.35 ± 0.27", 100: "0.27 ± 0.24"}
PROTOTYPE_RAW = {1: "1.9 ± 1.6", 10: "1.9 ± 1.0", 30: "1.9 ± 0.9", 100: "1.9 ± 0.9"}
"""A prototype of an afternoon, kernel stamps, on a machine of this kind: broadcasts every 1 ms."""


@dataclass(slots=True)
class Errors:
    """What four receivers were wrong by, ns, under one condition and with one kind of stamps."""

    calibrated: dict[int, list[int]] = field(default_factory=lambda: {m: [] for m in COUNTS})
    raw: dict[int, list[int]] = field(default_factory=lambda: {m: [] for m in COUNTS})
    two_way: list[int] = field(default_factory=list)
    """Of the fastest exchange of each burst: what probes alone would say."""
    bounds: list[int] = field(default_factory=list)
    outside: int = 0
    """Bounds that did not hold the truth."""

    def add(self, told: dict[str, list[list[int]]]) -> None:
        """What one receiver found."""
        for count, error, raw, earliest, latest in told["found"]:
            self.calibrated[count].append(error)
            self.raw[count].append(raw)
            self.bounds.append(max(latest - error, error - earliest))
            self.outside += not earliest <= 0 <= latest
        self.two_way += [error for _, error in told["bursts"]]


def run(rounds: int, broadcasts: int) -> dict[tuple[str, str], Errors]:
    """Every condition and kind of stamps in turns."""
    found = {(stamps, condition): Errors() for stamps in STAMPS for condition in CONDITIONS}
    for number in range(rounds):
        for (stamps, condition), errors in found.items():
            print(f"round {number + 1}: {condition}, {stamps} stamps", file=sys.stderr)
            with ExitStack() as stack:
                hosts = stack.enter_context(bridge(RECEIVERS + 1))
                if condition == "loaded":
                    stack.enter_context(load(hosts[0], hosts[-2]))
                for told in measure(hosts, broadcasts, stamps):
                    errors.add(told)
    return found


def measure(hosts: Sequence[Host], broadcasts: int, stamps: str) -> list[dict[str, object]]:
    """Run a beacon on the last host and receivers on the others; what each found."""
    with ExitStack() as stack:
        receivers = [
            stack.enter_context(_process(host, "child", str(n), host.ipv4, str(broadcasts), stamps))
            for n, host in enumerate(hosts[:-1], 1)
        ]
        for receiver in receivers:
            assert receiver.stdout is not None
            receiver.stdout.readline()  # it says when it listens
        stack.enter_context(_process(hosts[-1], "beacon", hosts[-1].ipv4))
        return [json.loads(receiver.communicate(timeout=300)[0]) for receiver in receivers]


@contextmanager
def _process(host: Host, *arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
    command = [sys.executable, "-m", "benchmarks.rbs", *arguments]
    process = host.popen(command, stdout=subprocess.PIPE)
    with process:
        try:
            yield process
        finally:
            process.kill()


async def beacon(address: str) -> None:
    """Broadcasts every 10 ms until it is killed."""
    from clocksync.peers.endpoint import Endpoint, PeerSettings
    from clocksync.rbs.beacon import Beacon
    from clocksync.rbs.receiver import FRAMES
    from clocksync.rbs.run import draw

    settings = PeerSettings(
        id=RECEIVERS + 1, listen=(address, PORT), multicast=GROUP, insecure_plaintext=True
    )
    async with Endpoint(Beacon(draw(64)), FRAMES, settings):
        await asyncio.Event().wait()


async def receive(number: int, address: str, broadcasts: int, stamps: str) -> None:
    """Hear broadcasts; after every few, find what a receiver of M would say now, for each M."""
    from clocksync.peers.endpoint import PeerSettings
    from clocksync.rbs.receiver import ReceiverSettings
    from clocksync.rbs.run import ReferenceBroadcasts

    network = PeerSettings(
        id=number, listen=(address, PORT), multicast=GROUP, insecure_plaintext=True
    )
    settings = ReceiverSettings(broadcasts=None, silence_ns=60 * 10**9)
    found: list[list[int]] = []
    bursts: dict[tuple[int, int], int] = {}
    whole = ReferenceBroadcasts([network], settings, kernel_stamps=stamps == "kernel")
    async with whole:
        print(flush=True)
        core = whole.core
        for heard in range(WARM_UP, WARM_UP + broadcasts + 1, 10):
            await whole.heard(heard)
            for peer, contact in core.contacts.items():
                if peer <= number:  # each pair once
                    continue
                bursts.update({(peer, at): offset for at, offset in contact.bursts})
                for count in COUNTS:
                    if heard % max(10, count):
                        continue
                    relation = contact.relation(number, core.heard, count, None)
                    if relation is None or relation.bias_ns is None:
                        continue
                    error, interval = relation.offset_ns, relation.interval
                    raw = error + relation.bias_ns
                    found.append([count, error, raw, interval.earliest, interval.latest])
    print(json.dumps({"found": found, "bursts": [[at, e] for (_, at), e in bursts.items()]}))


def tabulated(found: dict[tuple[str, str], Errors]) -> Table:
    """Mean and standard deviation of |error|, a row for each way and condition."""
    table = Table(
        title="reference broadcasts: |error| of a pair where the truth is 0, us, mean ± std",
        caption=machine(),
        caption_justify="left",
    )
    table.add_column("stamps and way")
    table.add_column("condition")
    for count in COUNTS:
        table.add_column(f"M = {count}", justify="right", no_wrap=True)
    for (stamps, condition), errors in found.items():
        rows = (("bias taken off", errors.calibrated), ("as they come", errors.raw))
        for way, by_count in rows:
            cells = [_cell(by_count[count]) for count in COUNTS]
            table.add_row(f"{stamps} stamps, {way}", condition, *cells)
    table.add_section()
    table.add_row("prototype, kernel, bias taken off", "idle", *PROTOTYPE.values())
    table.add_row("prototype, kernel, as they come", "idle", *PROTOTYPE_RAW.values())
    table.add_row(
        "the paper (2002), kernel, 802.11", "", "", "", f"{PAPER_US} ± {PAPER_DEVIATION_US}", ""
    )
    return table


def notes(found: dict[tuple[str, str], Errors]) -> Iterator[str]:
    """What the table does not say."""
    for (stamps, condition), errors in found.items():
        if not errors.bounds:
            yield f"{stamps}, {condition}: nothing was found"
            continue
        held = f"truth inside each of {len(errors.bounds)} bounds"
        if errors.outside:
            held = f"truth OUTSIDE {errors.outside} of {len(errors.bounds)} bounds"
        two_way = [abs(error) for error in errors.two_way]
        yield (
            f"{stamps}, {condition}: {held}, median {_us(statistics.median(errors.bounds))} us;"
            f" two-way exchanges alone, fastest of each burst: median"
            f" {_us(statistics.median(two_way))}, mean {_us(statistics.fmean(two_way))} us"
        )


def _cell(errors_ns: list[int]) -> str:
    if len(errors_ns) < 2:
        return "-"
    sizes = [abs(error) for error in errors_ns]
    return f"{_us(statistics.fmean(sizes))} ± {_us(statistics.stdev(sizes))}"


def _us(nanoseconds: float) -> str:
    return f"{nanoseconds / 1000:.2f}" if nanoseconds < 100_000 else f"{nanoseconds / 1000:.0f}"


def keep(found: dict[tuple[str, str], Errors]) -> None:
    """The same as data, as far as it is to be drawn or quoted."""
    series = {}
    for (stamps, condition), errors in found.items():
        for way, by_count in (("bias taken off", errors.calibrated), ("as they come", errors.raw)):
            points = [(count, _mean_us(values)) for count, values in by_count.items() if values]
            if condition == "idle" or (stamps == "kernel" and way == "bias taken off"):
                series[f"{stamps} stamps, {condition}, {way}"] = points
    paper = {PAPER_NAME: [(30.0, PAPER_US)]}
    record.lines(
        "Mean error of a pair of clocks against the number of broadcasts",
        "broadcasts M",
        "us",
        {**series, **paper},
        log="xy",
        peers=[PAPER_NAME],
    )
    for condition in CONDITIONS:
        if errors_ns := found["kernel", condition].calibrated[30]:
            claim = f"Error of a pair by 30 reference broadcasts, {condition}, mean"
            ours = _mean_us(errors_ns)
            record.headline(claim, ours, "us", peer=PAPER_US, peer_name=PAPER_NAME)


def _mean_us(errors_ns: list[int]) -> float:
    return statistics.fmean(abs(error) for error in errors_ns) / 1000


def plot(found: dict[tuple[str, str], Errors], path: Path) -> None:
    """Draw error against M."""
    from clocksync.rbs.plot import draw

    names = {
        ("user", "idle", "raw"): "user stamps",
        ("kernel", "idle", "raw"): "kernel stamps",
        ("kernel", "loaded", "calibrated"): "bias taken off, loaded",
        ("kernel", "idle", "calibrated"): "bias taken off, idle",
    }
    series = {
        name: [_row(m, getattr(found[stamps, condition], way)[m]) for m in COUNTS]
        for (stamps, condition, way), name in names.items()
    }
    draw(
        series,
        path,
        title="Error of a pair of clocks against the number of broadcasts",
        axis="|error|, mean and standard deviation, us",
        dashed={"bias taken off, loaded"},
        note="four receivers on a Linux bridge, in namespaces of one machine; the truth is 0",
    )


def _row(count: int, errors_ns: list[int]) -> tuple[int, float, float, int]:
    sizes = [abs(error) for error in errors_ns]
    return count, statistics.fmean(sizes), statistics.stdev(sizes), len(sizes)


def main(arguments: Sequence[str] | None = None) -> int:
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["child"]:
        number, address, broadcasts, stamps = arguments[1:]
        asyncio.run(receive(int(number), address, int(broadcasts), stamps))
        return 0
    if arguments[:1] == ["beacon"]:
        asyncio.run(beacon(arguments[1]))
        return 0
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rbs")
    parser.add_argument("--rounds", type=int, default=3, help="how often each has its turn")
    parser.add_argument("--broadcasts", type=int, default=1000, help="in each round, each turn")
    parser.add_argument("--plot", type=Path, help="draw error against M: .svg, .png or .pdf")
    chosen = record.parse(parser, arguments)
    try:
        require()
        with the_machine_alone():
            found = run(chosen.rounds, chosen.broadcasts)
    except Impossible as error:
        return record.unable(error)
    tell(tabulated(found), *notes(found))
    keep(found)
    if chosen.plot:
        plot(found, chosen.plot)
    return 0


if __name__ == "__main__":
    sys.exit(record.run(main))
