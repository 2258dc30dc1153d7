"""The tables of :mod:`benchmarks.ring`: medians, spreads, and what stands beside what."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median

from rich.console import Console
from rich.table import Table

from benchmarks.results import record
from benchmarks.ring_hosts import Network

WIDTH = 132
FULL = 0.9
"""So much of what others leave of the processors is all: the rest is the kernel's own work."""


@dataclass(frozen=True, slots=True)
class Case:
    """One row: a program on a network, with messages of a size."""

    network: Network
    program: str
    encrypted: bool
    size: int

    @property
    def family(self) -> str:
        """Whose program it is."""
        return self.program.partition(",")[0]


@dataclass(frozen=True, slots=True)
class Measured:
    """One measurement of it."""

    messages_per_second: float
    shares: Sequence[float] = ()
    cpu_percent: float = 0.0
    """Of one core, all members together; 0 where it is not measured."""


@dataclass
class Results:
    """All that was measured."""

    rates: dict[Case, list[Measured]] = field(default_factory=dict)
    latencies: dict[tuple[str, int], list[tuple[float, float]]] = field(default_factory=dict)
    idle: dict[str, list[float]] = field(default_factory=dict)
    rotations_us: list[float] = field(default_factory=list)
    """Of the bare ring with nothing to send."""
    transports: dict[str, None] = field(default_factory=dict)
    """How the messages of vsync left, in its own words."""
    skipped: list[str] = field(default_factory=list)
    strangers_percent: float = 0.0
    """Of all processors, what other programs took meanwhile."""

    def add(self, case: Case, measured: Measured) -> None:
        self.rates.setdefault(case, []).append(measured)

    def add_latency(self, program: str, size: int, latency_us: tuple[float, float]) -> None:
        self.latencies.setdefault((program, size), []).append(latency_us)

    def add_idle(self, program: str, percent: float) -> None:
        self.idle.setdefault(program, []).append(percent)

    def rate(self, case: Case) -> float:
        """The median."""
        return median([one.messages_per_second for one in self.rates[case]])

    def best(self, like: Case, family: str) -> float:
        """The best median of that family with the same size, network and protection; 0 if none."""
        found = [
            self.rate(case)
            for case in self.rates
            if case.family == family
            and (case.network, case.size, case.encrypted)
            == (like.network, like.size, like.encrypted)
        ]
        return max(found, default=0.0)


def print_all(results: Results, cores: int) -> None:
    """Every table, and what limits."""
    for network in dict.fromkeys(case.network for case in results.rates):
        rows = [case for case in results.rates if case.network == network]
        show(f"messages/s delivered at every member; {network}", throughput(results, rows))
        told = limit(results, rows, cores)
        print(told)
        record.note(f"{network}: {told}")
    if results.latencies:
        first = next(iter(results.rates), None)
        where = f"; {first.network}" if first else ""
        show(f"latency, one message on its way, us to its own delivery{where}", latency(results))
        if results.rotations_us:
            told = f"one idle rotation of the bare ring takes {median(results.rotations_us):.0f} us"
            print(told)
            record.note(told)
    if results.idle:
        show("idle: CPU of three members together, % of one core", idle(results))
    if results.transports:
        told = f"messages of vsync left by: {'; '.join(results.transports)}"
        print(f"\n{told}")
        record.note(told)
    told = f"other programs took {results.strangers_percent:.0f} % of the processors meanwhile" + (
        ": do not quote these figures" if results.strangers_percent > 5 else ""
    )
    print(told)
    record.note(told)
    keep(results)


PEERS = ("corosync", "bare ring")
THREE = ", three at once"
"""Ends the name of a row in which all three members send and wait, each for its own message."""


def keep(results: Results) -> None:
    """The same as data, as far as it is to be drawn or quoted."""
    programs = dict.fromkeys(case.program for case in results.rates)
    for network in dict.fromkeys(case.network for case in results.rates):
        series: dict[str, list[tuple[float, float]]] = {program: [] for program in programs}
        for case in results.rates:
            if case.network == network:
                series[case.program].append((case.size, results.rate(case)))
        title = f"Messages delivered at every member, {network}"
        record.lines(title, "bytes of a message", "messages/s", series, log="xy", peers=PEERS)
        for case in results.rates:
            is_quoted = case.family == "vsync" and case.encrypted and case.network == network
            if is_quoted and case.size in (64, 1024):
                record.headline(
                    f"Messages of {case.size:,} bytes, encrypted, {network}",
                    results.rate(case),
                    "messages/s",
                    better="more",
                    peer=results.best(case, "corosync") or None,
                    peer_name="corosync, encrypted",
                )
    middles: dict[str, dict[str, float | None]] = {}
    for (program, size), found in results.latencies.items():
        middles.setdefault(program, {})[f"{size:,} bytes"] = median([p50 for p50, _ in found])
    record.bars("Latency of one message, median", "us", middles, peers=PEERS, better="less")
    ours, peer = "vsync, encrypted, AGREED", "corosync, knet aes256+sha256, AGREED"
    if ours in middles:
        record.headline(
            "Latency of one message of 64 bytes, encrypted, median",
            middles[ours].get("64 bytes"),
            "us",
            peer=middles.get(peer, {}).get("64 bytes"),
            peer_name=peer,
        )
    for program, percents in results.idle.items():
        if program.startswith("vsync"):
            theirs = [median(x) for name, x in results.idle.items() if name.startswith("corosync")]
            record.headline(
                "CPU time of three idle members together",
                median(percents),
                "% of a core",
                peer=min(theirs, default=None),
                peer_name="corosync, least of its transports",
            )


def show(title: str, table: Table) -> None:
    """One table under its headline."""
    print(f"\n{title}")
    record.table(table, title)
    # Where the output goes to a file, rich would take 80 columns and fold the figures.
    Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False).print(table)


def columns(texts: Iterable[str], numbers: Iterable[str]) -> Table:
    """A table without lines: texts to the left, then numbers to the right."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in texts:
        table.add_column(title, no_wrap=True)
    for title in numbers:
        table.add_column(title, justify="right", no_wrap=True)
    return table


def throughput(results: Results, rows: Sequence[Case]) -> Table:
    """A block for each size."""
    table = columns(
        ("bytes", "program"),
        ("messages/s", "least", "most", "MB/s", "x corosync", "% of bare", "CPU %", "shares %"),
    )
    for size in sorted({case.size for case in rows}):
        if table.row_count:
            table.add_row("")
        of_size = [case for case in rows if case.size == size]
        for case in sorted(of_size, key=lambda case: not case.encrypted):
            table.add_row(f"{size:,}", case.program, *_figures(results, case))
    return table


def _figures(results: Results, case: Case) -> list[str]:
    runs, rate = results.rates[case], results.rate(case)
    rates = [one.messages_per_second for one in runs]
    peer, floor = results.best(case, "corosync"), results.best(case, "bare ring")
    shares = [median(column) for column in zip(*(one.shares for one in runs), strict=True)]
    cpu = median([one.cpu_percent for one in runs])
    return [
        f"{rate:,.0f}",
        f"{min(rates):,.0f}",
        f"{max(rates):,.0f}",
        f"{rate * case.size / 1e6:,.1f}",
        f"{rate / peer:,.1f}" if peer and case.family != "corosync" else "-",
        f"{100 * rate / floor:.0f}" if floor and case.family != "bare ring" else "-",
        f"{cpu:.0f}" if cpu else "-",
        " ".join(f"{100 * share:.0f}" for share in shares) or "-",
    ]


def limit(results: Results, rows: Sequence[Case], cores: int) -> str:
    """One line: what stops ours from carrying more, by what its members took of the processors."""
    told = []
    ours = [case for case in rows if case.family == "vsync" and case.encrypted]
    for case in (ours[:1] + ours[-1:]) if len(ours) > 1 else ours:
        used = median([one.cpu_percent for one in results.rates[case]]) / 100
        left = cores * (1 - results.strangers_percent / 100)
        what = "processors" if used >= FULL * left else "waiting: one member works at a time"
        told.append(f"{case.size:,} B {what} ({used:.1f} of {cores} cores by the three)")
    return f"what limits vsync, encrypted: {'; '.join(told) or 'not measured'}"


def latency(results: Results) -> Table:
    """A row for each program and size."""
    table = columns(("bytes", "program"), ("p50", "p99", "p50 x corosync"))
    for size in sorted({size for _, size in results.latencies}):
        if table.row_count:
            table.add_row("")
        middles = {
            program: median([p50 for p50, _ in found])
            for (program, of_size), found in results.latencies.items()
            if of_size == size
        }
        sealed = {name: "aes" in name or "encrypted" in name for name in middles}
        for program, middle in sorted(middles.items(), key=lambda item: not sealed[item[0]]):
            late = median([p99 for _, p99 in results.latencies[program, size]])
            peers = [
                other
                for name, other in middles.items()
                if name.startswith("corosync")
                and sealed[name] == sealed[program]
                and name.endswith(THREE) == program.endswith(THREE)
            ]
            is_peer = program.startswith("corosync")
            beside = f"{middle / min(peers):.2f}" if peers and not is_peer and min(peers) else "-"
            table.add_row(f"{size:,}", program, f"{middle:,.0f}", f"{late:,.0f}", beside)
    return table


def idle(results: Results) -> Table:
    """A row for each program."""
    table = columns(("program",), ("CPU %",))
    for program, found in results.idle.items():
        table.add_row(program, f"{median(found):.1f}")
    return table
