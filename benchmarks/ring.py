"""Our ring beside the bare ring and corosync, in one run.  [I/O]

    python -m benchmarks.ring [--runs 5] [--seconds 2] [--quick]

Three members in three network namespaces on one bridge, all of them sending. Every run measures
every program once, one after the other, so that all meet the same machine; figures are medians over
the runs. One table for each kind of network: MTU 1500 with segment offload on the links and without
(a card that cuts large pieces itself, and one that does not), and MTU 9000. Everybody has equally
many bytes on their way: corosync's clients wait for their own messages as our senders do.

Further: latency of one message at a time, at one member and at all three; idle CPU. Where a peer
cannot be had, a line says so. The daemons of corosync run at real-time priority, as they do by
default, all others at normal priority: on a machine that is not idle it has an advantage.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from pathlib import Path

from benchmarks import corosync, ring_floor, ring_ours
from benchmarks.harness import Impossible, machine, the_machine_alone
from benchmarks.results import record
from benchmarks.ring_hosts import (
    Failed,
    Network,
    Strangers,
    cpu_percent,
    find_ethtool,
    hosts,
    interruptible,
    require_hosts,
)
from benchmarks.ring_tables import THREE, Case, Measured, Results, print_all

NETWORKS = {
    "1500": Network(1500),
    "1500-no-offload": Network(1500, offload=False),
    "9000": Network(9000),
}
SIZES = (64, 1024, 8192, 65_536)
LATENCY_SIZES = (64, 1024)
WAITING = {1: "", 3: THREE}
"""How many send and wait for each message, and how the row says it."""
TRANSPORTS = (corosync.SEALED, corosync.KNET, corosync.UDP)
OURS = {True: "vsync, encrypted", False: "vsync, plaintext"}
FLOOR = {True: "bare ring, AES-GCM", False: "bare ring, plain"}
OUTSTANDING_BYTES = 3_000_000
"""On their way in the whole group, as ``vsync bench`` has it."""
SETTLING_S = 4.0
"""A ring that has just come about learns its members' clocks and links first."""


@dataclass
class Run:
    """What is to be measured, and what was."""

    seconds: float
    sizes: Sequence[int]
    idle_seconds: float
    client: Path | None
    """corosync's; None where there is none."""
    results: Results = field(default_factory=Results)

    def everything(self, network: Network, extras: bool) -> None:
        """One run of every program on this network."""
        for size in self.sizes:
            for encrypted in (True, False):
                self._try(OURS[encrypted], partial(self._ours, network, size, encrypted))
        self._try("bare ring", partial(self._floor, network, extras))
        if extras:
            for encrypted in (True, False):
                self._try(OURS[encrypted], partial(self._ours_waiting, network, encrypted))
            self._try(OURS[True], partial(self._ours_idle, network))
        if self.client is not None:
            for transport in TRANSPORTS:
                self._try(transport.name, partial(self._corosync, network, transport, extras))

    def _try(self, who: str, measure: Callable[[], None]) -> None:
        print(f"  {who} ...", file=sys.stderr)
        try:
            measure()
        except Failed as error:
            self.results.skipped.append(f"{who}: {error}")

    def _ours(self, network: Network, size: int, encrypted: bool) -> None:
        result = ring_ours.bench(network, size=size, seconds=self.seconds, encrypted=encrypted)
        self.results.transports.setdefault(result.transport)
        self.results.add(
            Case(network, OURS[encrypted], encrypted, size),
            Measured(result.messages_per_second, result.shares, sum(result.cpu_percent)),
        )

    def _ours_waiting(self, network: Network, encrypted: bool) -> None:
        for size in LATENCY_SIZES:
            for service, (senders, words) in product(("agreed", "safe"), WAITING.items()):
                result = ring_ours.bench(
                    network,
                    size=size,
                    seconds=self.seconds,
                    encrypted=encrypted,
                    senders=senders,
                    outstanding=1,
                    service=service,
                )
                latency = result.latency_us["p50"], result.latency_us["p99"]
                program = f"{OURS[encrypted]}, {service.upper()}{words}"
                self.results.add_latency(program, size, latency)

    def _ours_idle(self, network: Network) -> None:
        with hosts(3, network) as found, ring_ours.ring(found, mtu=network.mtu) as ring:
            pids = [member.pid for member in ring.members.values()]
            self._idle(OURS[True], pids)

    def _idle(self, program: str, pids: Sequence[int]) -> None:
        time.sleep(SETTLING_S)
        self.results.add_idle(program, cpu_percent(pids, self.idle_seconds))

    def _floor(self, network: Network, extras: bool) -> None:
        with hosts(3, network) as found:
            for encrypted in (True, False):
                for size in self.sizes:
                    floor = ring_floor.measure(
                        found,
                        mtu=network.mtu,
                        size=size,
                        encrypted=encrypted,
                        seconds=self.seconds,
                    )
                    if floor.lost:
                        where = f"{FLOOR[encrypted]}, {size} B, {network}"
                        self.results.skipped.append(f"{where}: a datagram was lost, no figure")
                        continue
                    self.results.add(
                        Case(network, FLOOR[encrypted], encrypted, size),
                        Measured(floor.messages_per_second),
                    )
            if extras:
                idle = ring_floor.measure(
                    found, mtu=network.mtu, size=0, encrypted=False, seconds=self.seconds
                )
                if idle.rotations_per_second:
                    self.results.rotations_us.append(1e6 / idle.rotations_per_second)

    def _corosync(self, network: Network, transport: corosync.Transport, extras: bool) -> None:
        client = self.client
        assert client is not None, "asked before"
        name = transport.name
        with (
            hosts(3, network) as found,
            corosync.cluster(found, client, transport, mtu=network.mtu) as cluster,
        ):
            if extras:
                pids = [daemon.pid for daemon in cluster.daemons]
                self._idle(name, pids)
                for size, (senders, words) in product(LATENCY_SIZES, WAITING.items()):
                    carried = cluster.carry(size, self.seconds, senders=senders, outstanding=1)
                    latency = carried.p50_us, carried.p99_us
                    self.results.add_latency(f"{name}, AGREED{words}", size, latency)
            for size in self.sizes:
                outstanding = max(4, OUTSTANDING_BYTES // (size + 2) // 3)
                carried = cluster.carry(size, self.seconds, outstanding=outstanding)
                self.results.add(
                    Case(network, name, transport.encrypted, size),
                    Measured(carried.messages_per_second, carried.shares, carried.cpu_percent),
                )


def measure(options: argparse.Namespace) -> Results:
    """All runs.

    Raises:
        Impossible: nothing can be measured here.
    """
    chosen: dict[str, Network] = {name: NETWORKS[name] for name in options.network or NETWORKS}
    skipped = []
    with tempfile.TemporaryDirectory(prefix="clocksync-ring-") as folder:
        client = None
        if options.without_corosync:
            skipped.append("corosync: left out, as asked")
        else:
            try:
                client = corosync.build(Path(folder))
            except Impossible as error:
                skipped.append(f"corosync: {error}")
        no_ethtool = find_ethtool()
        if no_ethtool:
            chosen = {name: network for name, network in chosen.items() if network.offload}
            skipped.append(f"links without offload: {no_ethtool}")
        run = Run(options.seconds, options.sizes, options.idle_seconds, client)
        run.results.skipped += skipped
        strangers = Strangers()
        for number in range(1, options.runs + 1):
            for place, network in enumerate(chosen.values()):
                print(f"run {number} of {options.runs}, {network}", file=sys.stderr)
                run.everything(network, extras=place == 0)
        run.results.strangers_percent = strangers.percent()
        return run.results


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ring", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--runs", type=int, default=5, help="medians of so many (5)")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement (2)")
    parser.add_argument("--idle-seconds", type=float, default=5.0, help="of idle CPU (5)")
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), metavar="BYTES")
    parser.add_argument("--network", choices=NETWORKS, action="append", help="default: all three")
    parser.add_argument("--without-corosync", action="store_true")
    parser.add_argument("--quick", action="store_true", help="one run of 1 s each")
    options = record.parse(parser, arguments)
    if options.quick:
        options.runs, options.seconds, options.idle_seconds = 1, 1.0, 1.0
    if options.runs < 1 or options.seconds <= 0 or not all(8 <= n <= 65_536 for n in options.sizes):
        parser.error("--runs from 1, --seconds above 0, --sizes from 8 to 65536")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables; 0, also where a peer is missing. 130 if interrupted."""
    options = parse(arguments)
    try:
        require_hosts()
        with interruptible(), the_machine_alone():
            results = measure(options)
    except Impossible as error:
        record.impossible(error)
        print(f"ring: skipped: {error}")
        return 0
    except KeyboardInterrupt:
        print("ring: interrupted; all that was started has been ended", file=sys.stderr)
        return 130
    print(machine())
    runs = f"medians of {options.runs} runs" if options.runs > 1 else "ONE run: a smoke test"
    print(f"{runs} of {options.seconds:g} s, 3 members, all send")
    print_all(results, os.cpu_count() or 1)
    if results.skipped:
        print("\nskipped or failed:")
        for line in dict.fromkeys(results.skipped):
            print(f"  {line}")
            record.note(f"skipped or failed: {line}")
    return 0


if __name__ == "__main__":
    sys.exit(record.run(main))
