"""What benchmarks share: load, statistics, tables, and having the machine to oneself.  [I/O]

Two namespaces of one machine read one clock, so that between them the true offset is exactly 0 and
whatever a program prints is its error. Load is what hurts a clock client most: every processor
busy, and a UDP flood over the very link it measures on.
"""

import fcntl
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import machine as what_it_is
from benchmarks.results import record
from tests.namespaces import Host, unavailable
from tools import peers

ALONE = "CLOCKSYNC_MACHINE_ALONE"
FLOOD_PORT = 9  # discard, RFC 863
_FLOOD_BYTES = 1400

_BUSY = "while True: pass"
# A sink that never reads: the kernel drops what does not fit, and sends no ICMP about it.
_SINK = "import signal, socket, sys; s = socket.socket(type=socket.SOCK_DGRAM)"
_SINK += "; s.bind((sys.argv[1], int(sys.argv[2]))); print(flush=True); signal.pause()"
_FLOOD = """
import socket, sys
sock = socket.socket(type=socket.SOCK_DGRAM)
sock.connect((sys.argv[1], int(sys.argv[2])))
datagram = bytes(int(sys.argv[3]))
while True:
    try:
        sock.send(datagram)
    except OSError:
        pass
"""


class Impossible(Exception):
    """This benchmark cannot run here; the message is one line that says why."""


def require(*programs: str) -> None:
    """Check that hosts can be made and that these peers are there.

    Raises:
        Impossible: one of them is not.
    """
    reason = unavailable()
    if reason:
        raise Impossible(reason)
    missing = [program for program in programs if peers.find(program) is None]
    if missing:
        raise Impossible(f"{', '.join(missing)} not there: make peers")


@contextmanager
def the_machine_alone() -> Iterator[None]:
    """Wait until no other benchmark runs on this machine, and keep others waiting.

    What is started meanwhile has the machine, too, and waits for nobody. The lock is released by
    the kernel when the process ends, however it ends.
    """
    if ALONE in os.environ:
        yield
        return
    path = Path(tempfile.gettempdir()) / "clocksync-benchmarks.lock"
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("another benchmark is running: waiting for it to end", file=sys.stderr)
            fcntl.flock(file, fcntl.LOCK_EX)
        os.environ[ALONE] = "1"
        try:
            yield
        finally:
            del os.environ[ALONE]


@contextmanager
def load(sender: Host, receiver: Host) -> Iterator[None]:
    """Every processor busy, and a UDP flood from `sender` to `receiver`."""
    with ExitStack() as stack:
        sink = [sys.executable, "-c", _SINK, receiver.ipv4, str(FLOOD_PORT)]
        process = stack.enter_context(_running(receiver.command(sink)))
        assert process.stdout is not None
        process.stdout.readline()  # it says when it listens
        for _ in range(os.cpu_count() or 1):
            stack.enter_context(_running([sys.executable, "-c", _BUSY]))
        target = [receiver.ipv4, str(FLOOD_PORT), str(_FLOOD_BYTES)]
        stack.enter_context(_running(sender.command([sys.executable, "-c", _FLOOD, *target])))
        yield


@contextmanager
def _running(arguments: Sequence[str]) -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


@dataclass(frozen=True, slots=True)
class Sample:
    """One reading of a clock program: its error, and the round trip it believes in, if it says."""

    error_ns: int
    delay_ns: int | None = None


def best_of(samples: Sequence[Sample], size: int) -> list[Sample]:
    """Of each `size` samples in a row the one with the smallest delay: what a filter would keep."""
    groups = [samples[n : n + size] for n in range(0, len(samples) - size + 1, size)]
    return [min(group, key=lambda sample: sample.delay_ns or 0) for group in groups]


@dataclass(slots=True)
class Contestant:
    """One row of the table: a program, what it talks to, and its samples under each condition."""

    name: str
    server: str
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    note: str = ""

    def add(self, condition: str, samples: Sequence[Sample]) -> None:
        self.samples.setdefault(condition, []).extend(samples)

    def cells(self, condition: str) -> tuple[str, str, str]:
        """Median and 95th percentile of |error| in us, and how many samples there are."""
        errors_ns = sorted(abs(sample.error_ns) for sample in self.samples.get(condition, []))
        if not errors_ns:
            return "-", "-", "0"
        median = statistics.median(errors_ns)
        return _microseconds(median), _microseconds(percentile(errors_ns, 95)), str(len(errors_ns))

    def error_us(self, condition: str, percent: float) -> float | None:
        """A percentile of |error|; None without samples."""
        errors_ns = sorted(abs(sample.error_ns) for sample in self.samples.get(condition, []))
        return percentile(errors_ns, percent) / 1000 if errors_ns else None


def percentile(ordered: Sequence[int], percent: float) -> int:
    """The smallest value that at least `percent` per cent of the `ordered` ones do not exceed."""
    if not ordered:
        raise ValueError("there is no percentile of nothing")
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(0, int(rank) - 1)]


def _microseconds(nanoseconds: float) -> str:
    return f"{nanoseconds / 1000:.2f}"


def tell(*found: Table | str, width: int = 120) -> None:
    """Print tables and notes, and record them."""
    # Where the output goes to a file, rich would take 80 columns and fold the figures.
    console = Console(width=None if sys.stdout.isatty() else width)
    for one in found:
        console.print(one)
        if isinstance(one, Table):
            record.table(one)
        else:
            record.note(one)


def print_table(
    title: str,
    contestants: Sequence[Contestant],
    conditions: Sequence[str],
    peers: Sequence[str] = ("chronyd", "ntp", "ptp4l"),
) -> None:
    """Print all rows, a group of columns for each condition, and the notes below.

    Args:
        peers: how the names of contestants begin that are not ours.
    """
    table = Table(title=title, caption=machine(), caption_justify="left")
    table.add_column("client")
    table.add_column("server")
    for condition in conditions:
        for what in ("median us", "p95 us", "n"):
            table.add_column(f"{condition}\n{what}", justify="right")
    for contestant in contestants:
        cells = [cell for condition in conditions for cell in contestant.cells(condition)]
        table.add_row(contestant.name, contestant.server, *cells)
    tell(table)
    servers = {contestant.server for contestant in contestants}
    spread = {}
    for contestant in contestants:
        if contestant.note:
            tell(f"{contestant.name}, {contestant.server}: {contestant.note}")
        where = f" ({contestant.server})" if len(servers) > 1 else ""
        spread[f"{contestant.name}{where}"] = {
            condition: [abs(sample.error_ns) / 1000 for sample in samples]
            for condition, samples in contestant.samples.items()
        }
    record.spread(title, "us", spread, peers=peers)


def compare(
    claim: str,
    ours: Contestant,
    peer: Contestant | None,
    condition: str,
    percent: float = 50,
    **asked: Any,
) -> None:
    """A figure to quote: a percentile of |error| of ours, beside a peer's in the same run."""
    record.headline(
        claim,
        ours.error_us(condition, percent),
        "us",
        peer=peer.error_us(condition, percent) if peer else None,
        peer_name=peer.name if peer else "",
        **asked,
    )


def machine() -> str:
    """One line about what this ran on: without it no figure means anything."""
    return what_it_is.line()
