"""Answers per second of ``clocksync serve`` beside chronyd's, each on one core, in one run.  [I/O]

The server has the first processor to itself, a load generator in C the second: 256 requests in
flight from four sockets, each answer followed by the next request. Servers take turns, round by
round, and the best round of each counts, since whatever else runs on the machine can only slow a
server down. CPU time is what the system accounts to the server's process for an answer.
``python -m benchmarks.serve_rate --help``.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.table import Table

from benchmarks.harness import Impossible, machine, tell, the_machine_alone
from benchmarks.results import record
from tests.daemons import DaemonFailed, chrony_server
from tools import peers

SOURCE = Path(__file__).with_name("ntp_load.c")
SERVE = "import typer; from clocksync.cli.serve import serve; typer.run(serve)"


@dataclass(frozen=True, slots=True)
class Running:
    """A server that runs: its process, and where it listens."""

    pid: int
    address: str
    port: int

    def cpu_seconds(self) -> float:
        """CPU time used so far, in user space and in the kernel."""
        after_name = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


@dataclass(slots=True)
class Row:
    """A server in one mode: the best of its rounds."""

    name: str
    mode: str
    options: Sequence[str] | None = None  # of ours; None: chronyd
    per_second: float = 0.0
    cpu_us: float = float("inf")
    interleaved: int = 0
    lost: int = 0

    @contextmanager
    def server(self) -> Iterator[Running]:
        """The server, running on the first processor."""
        if self.options is None:
            with chrony_server() as daemon:
                yield Running(daemon.process.pid, daemon.address, daemon.port)
            return
        command = [sys.executable, "-c", SERVE, "--port", "0", *self.options]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            try:
                # "serving on 127.0.0.1:1123 (stratum 8, system clock)"
                address, _, port = process.stdout.readline().split()[2].rpartition(":")
                yield Running(process.pid, address.strip("[]"), int(port))
            finally:
                process.terminate()

    def run(self, load: Path, arguments: argparse.Namespace, cores: Sequence[int]) -> None:
        """One round."""
        with self.server() as server:
            os.sched_setaffinity(server.pid, cores[:1])
            before = server.cpu_seconds()
            command = [str(load), server.address, str(server.port), str(arguments.seconds)]
            command += [str(arguments.in_flight), str(arguments.sockets), self.mode]
            output = subprocess.run(
                ["taskset", "-c", str(cores[-1]), *command],
                capture_output=True,
                text=True,
                check=True,
            ).stdout.split()
            used = server.cpu_seconds() - before
        per_second, answers, interleaved, lost = float(output[0]), *map(int, output[1:])
        self.per_second = max(self.per_second, per_second)
        self.cpu_us = min(self.cpu_us, used / max(1, answers) * 1e6)
        self.interleaved += interleaved
        self.lost += lost


@dataclass(slots=True)
class Contest:
    """All rows, chronyd's first where it is there."""

    rows: list[Row] = field(default_factory=list)

    @classmethod
    def of(cls, has_chronyd: bool) -> "Contest":
        """The servers to compare, each in both modes."""
        wrong = ["--offset", "5ms", "--rate", "20"]
        limited = ["--limit-interval", "1us", "--limit-burst", "1000000", "--deny", "192.0.2.0/24"]
        six = ["--bind", "::1"]
        rows = []
        for mode in ("basic", "interleaved"):
            if has_chronyd:
                rows.append(Row("chronyd", mode))
            rows.append(Row("clocksync serve", mode, []))
            rows.append(Row("clocksync serve, wrong clock", mode, wrong))
            rows.append(Row("clocksync serve, rate limit and access list", mode, limited))
            rows.append(Row("clocksync serve, IPv6", mode, six))
        return cls(rows)

    def show(self) -> None:
        """The table."""
        table = Table(title="Answers of one core, best of all rounds", caption=machine())
        for title in ("server", "mode", "answers/s", "CPU us an answer", "to chronyd", "lost"):
            table.add_column(title, justify="left" if title in ("server", "mode") else "right")
        for row in self.rows:
            base = next((r for r in self.rows if r.options is None and r.mode == row.mode), None)
            ratio = f"{row.per_second / base.per_second:.2f}" if base else "-"
            figures = [f"{row.per_second:,.0f}", f"{row.cpu_us:.2f}", ratio, f"{row.lost:,}"]
            table.add_row(row.name, row.mode, *figures)
        tell(table)
        for row in self.rows:
            if row.mode == "interleaved" and not row.interleaved:
                tell(f"{row.name} never answered in interleaved mode")
        self.keep()

    def keep(self) -> None:
        """The same as data."""
        rates: dict[str, dict[str, float | None]] = {}
        for row in self.rows:
            rates.setdefault(row.name, {})[row.mode] = row.per_second
        record.bars("Answers of one core", "answers/s", rates, peers=["chronyd"])
        for mode in ("basic", "interleaved"):
            record.headline(
                f"NTP answers of one core, {mode}",
                rates["clocksync serve"].get(mode),
                "answers/s",
                better="more",
                peer=rates.get("chronyd", {}).get(mode),
                peer_name="chronyd",
            )


def compiled(folder: Path) -> Path:
    """The load generator, built for this machine.

    Raises:
        Impossible: there is no C compiler.
    """
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if compiler is None:
        raise Impossible("there is no C compiler: apt-get install gcc")
    load = folder / "ntp_load"
    subprocess.run([compiler, "-O2", "-Wall", "-o", str(load), str(SOURCE)], check=True)
    return load


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the contest; 0, or 2 where it cannot run."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.5)
    parser.add_argument("--in-flight", type=int, default=256)
    parser.add_argument("--sockets", type=int, default=4)
    chosen = record.parse(parser, arguments)
    try:
        if not hasattr(os, "sched_setaffinity"):
            raise Impossible("processes can be held on a processor on Linux only")
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) < 2:
            raise Impossible("it takes two processors, one for the load")
        with the_machine_alone(), tempfile.TemporaryDirectory() as folder:
            load = compiled(Path(folder))
            contest = Contest.of(has_chronyd=peers.find("chronyd") is not None)
            for _ in range(chosen.rounds):
                for row in contest.rows:
                    row.run(load, chosen, cores)
    except (Impossible, DaemonFailed, subprocess.CalledProcessError) as error:
        return record.unable(error)
    contest.show()
    return 0


if __name__ == "__main__":
    sys.exit(record.run(main))
