"""Runs thousands of seeds of a simulation on all cores, resumably, and keeps totals.  [I/O]

::

    python -m tools.campaign                            each campaign goes on, 10,000 seeds further
    python -m tools.campaign measure --seeds 0..9999    these seeds, but for those done already
    python -m tools.campaign measure --seeds 17..17     one seed again: how a failure is replayed
    python -m tools.campaign ring --dask tcp://h:8786   on many machines (extra campaign)

A campaign is a function from a seed to what it counted, which raises where a property does not
hold. Every finished chunk of seeds is appended to the totals file at once, with a fingerprint of
the code it was run on: an interrupted campaign goes on where it was, and results of other code
count for nothing.

Exit 0: every property held. 1: one did not; the seed, what it says and how to replay it are
printed. 2: usage.
"""

import argparse
import hashlib
import json
import os
import signal
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from clocksync.runtime.errors import MissingExtra, ToolkitError

ROOT = Path(__file__).resolve().parents[1]
TOTALS = ROOT / "out" / "campaign.jsonl"

# A name for people, and the function: "module:function".
CAMPAIGNS = {
    "berkeley": "tests.cluster.berkeley_world:check",
    "discipline": "tests.cluster.discipline_properties:check",
    "measure": "tests.cluster.measure_properties:check",
    "ptp": "tests.cluster.ptp_world:check",
    "authenticated": "tests.cluster.authenticated_world:check",
    "mesh": "tests.cluster.mesh_runs:check",
    "mesh-day": "tests.cluster.mesh_day:check",
    "mesh-large": "tests.cluster.mesh_runs:check_large",
    "multicast": "tests.cluster.multicast_runs:check",
    "mutex": "tests.cluster.mutex_properties:check",
    "mutex-storm": "tests.cluster.mutex_properties:check_storm",
    "rbs": "tests.cluster.rbs_properties:check",
    "rbs-day": "tests.cluster.rbs_day:check",
    "replication": "tests.cluster.replication_runs:check",
    "ring": "tests.cluster.ring_runs:check",
    "ring-day": "tests.cluster.ring_long:check_day",
    "ring-liveness": "tests.cluster.ring_runs:check_liveness",
    "ring-scopes": "tests.vsync.small_scope.campaign:check",
    "ring-time": "tests.cluster.ring_time:check",
    "watch": "tests.cluster.watch_properties:check",
    "watch-day": "tests.cluster.watch_properties:check_day",
}
# How many seeds make sense of those whose seeds take minutes; each is a chunk of its own.
LONG = {
    "mesh-day": 3,
    "mesh-large": 3,
    "rbs-day": 3,
    "ring-day": 1,
    "ring-scopes": 30,
    "watch-day": 20,
}
# What a result depends on: any change here, and earlier results are of other code.
CODE = ("clocksync", "ordering", "vsync", "tests/cluster")

CHUNK = 100
COUNT = 10_000

Check = Callable[[int], Counter[str]]
Seeds = tuple[int, int]
"""The first and the last one."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """What came of some seeds. With a failure the seeds from that one on are not done."""

    seeds: Seeds
    totals: dict[str, int]
    failed: int | None = None
    report: str = ""


def run_chunk(function: str, seeds: Seeds) -> Chunk:
    """Check seeds one after the other, in whatever process this is called."""
    check = _load(function)
    totals: Counter[str] = Counter()
    for seed in range(seeds[0], seeds[1] + 1):
        try:
            totals.update(check(seed))
        except Exception as error:
            told = isinstance(error, AssertionError)
            report = str(error) if told else traceback.format_exc()
            return Chunk((seeds[0], seed - 1), dict(totals), seed, report)
    return Chunk(seeds, dict(totals))


def _load(function: str) -> Check:
    module, _, name = function.partition(":")
    check: Check = getattr(import_module(module), name)
    return check


def fingerprint(root: Path = ROOT) -> str:
    """Twelve digits that change with the code that results depend on."""
    sha = hashlib.sha256()
    for folder in CODE:
        for path in sorted((root / folder).rglob("*.py")):
            sha.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes() + b"\0")
    return sha.hexdigest()[:12]


class Totals:
    """The totals file: one JSON line for every chunk that was finished."""

    def __init__(self, path: Path, campaign: str, code: str) -> None:
        self.path, self.campaign, self.code = path, campaign, code
        self.done: list[Seeds] = []
        self.highest = -1
        """The highest seed done, on whatever code."""
        self.sums: Counter[str] = Counter()
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
            self._read(line)

    def _read(self, line: str) -> None:
        try:
            entry = json.loads(line)
            if entry["campaign"] != self.campaign:
                return
            self.highest = max(self.highest, entry["last"])
            if entry["code"] == self.code:
                self.done.append((entry["first"], entry["last"]))
                self.sums.update(entry["totals"])
        except (ValueError, KeyError, TypeError):
            return  # half a line of a run that was killed: that chunk is run again

    def add(self, chunk: Chunk) -> None:
        """Append what a chunk came to."""
        first, last = chunk.seeds
        if last < first:
            return
        entry = {
            "campaign": self.campaign,
            "code": self.code,
            "first": first,
            "last": last,
            "totals": chunk.totals,
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
        self.done.append(chunk.seeds)
        self.sums.update(chunk.totals)

    def left(self, seeds: Seeds) -> list[Seeds]:
        """The parts of `seeds` that are not done, in chunks."""
        chunks: list[Seeds] = []
        size = 1 if self.campaign in LONG else CHUNK
        at = seeds[0]
        for first, last in [*sorted(self.done), (seeds[1] + 1, seeds[1] + 1)]:
            while at < min(first, seeds[1] + 1):
                end = min(at + size, first, seeds[1] + 1) - 1
                chunks.append((at, end))
                at = end + 1
            at = max(at, last + 1)
        return chunks


def parse_seeds(text: str) -> Seeds:
    """``A..B`` or ``A``, both included.

    Raises:
        argparse.ArgumentTypeError: it is neither.

    >>> parse_seeds("5..9"), parse_seeds("7")
    ((5, 9), (7, 7))
    """
    first, dots, last = text.partition("..")
    if not dots:
        last = first
    if not (first.isascii() and first.isdigit() and last.isascii() and last.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} are no seeds: write for example 0..9999")
    if int(last) < int(first):
        raise argparse.ArgumentTypeError(f"{text!r} ends before it begins")
    return int(first), int(last)


def run(
    campaign: str,
    seeds: Seeds,
    totals: Totals,
    workers: int,
    console: Console,
    dask: str = "",
) -> Chunk | None:
    """Run what is left of `seeds`; the chunk with a failure, or None where every property held."""
    chunks = totals.left(seeds)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    count = seeds[1] - seeds[0] + 1
    waiting = sum(last - first + 1 for first, last in chunks)
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(f"{campaign} {seeds[0]}..{seeds[1]}", total=count)
        progress.advance(task, count - waiting)
        for chunk in _outcomes(CAMPAIGNS[campaign], chunks, workers, dask):
            totals.add(chunk)
            progress.advance(task, chunk.seeds[1] - chunk.seeds[0] + 1)
            if chunk.failed is not None:
                return chunk
    return None


def _outcomes(function: str, chunks: Sequence[Seeds], workers: int, dask: str) -> Iterator[Chunk]:
    if not dask and (workers == 1 or len(chunks) < 2):
        for seeds in chunks:
            yield run_chunk(function, seeds)
        return
    with ExitStack() as stack:
        if dask:
            pool = _dask_executor(dask, stack)
        else:
            # Spawned, not forked: the progress bar has a thread, and a fork would copy its locks.
            pool = ProcessPoolExecutor(workers, get_context("spawn"), _leave_interrupts)
            stack.callback(pool.shutdown, wait=True, cancel_futures=True)
        for future in as_completed([pool.submit(run_chunk, function, seeds) for seeds in chunks]):
            yield future.result()


def _dask_executor(address: str, stack: ExitStack) -> Executor:
    """The workers of a Dask cluster, each started in a checkout of this code.

    Raises:
        ToolkitError: Dask is not installed, or nobody answers at that address.
    """
    try:
        from distributed import Client
    except ImportError:
        raise MissingExtra("Dask", "campaign") from None
    try:
        client = stack.enter_context(Client(address, timeout="5s"))
    except (OSError, ValueError) as error:
        raise ToolkitError(f"no Dask scheduler at {address}: {error}") from None
    executor: Executor = client.get_executor()
    return executor


def _leave_interrupts() -> None:
    """Ctrl-C reaches every process of a terminal: let the one that waits for the others decide."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tools.campaign", description="run many seeds of a simulation on all cores"
    )
    parser.add_argument("campaign", nargs="?", choices=sorted(CAMPAIGNS), help="default: all")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--seeds", type=parse_seeds, metavar="A..B", help="both included")
    which.add_argument(
        "--count", type=int, metavar="N", help=f"the next N seeds ({COUNT:,}, of long ones fewer)"
    )
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, metavar="N")
    parser.add_argument(
        "--dask", default="", metavar="ADDRESS", help="a Dask scheduler, as tcp://host:8786"
    )
    parser.add_argument("--totals", type=Path, default=TOTALS, metavar="FILE")
    options = parser.parse_args(arguments)
    if options.workers < 1 or (options.count is not None and options.count < 1):
        parser.error("at least one worker and one seed are needed")
    console, code = Console(stderr=True), fingerprint()
    for campaign in [options.campaign] if options.campaign else sorted(CAMPAIGNS):
        totals = Totals(options.totals, campaign, code)
        # Fresh seeds each time; of a long one the same, which are done unless the code changed.
        first = 0 if campaign in LONG else totals.highest + 1
        count = options.count or LONG.get(campaign, COUNT)
        seeds = options.seeds or (first, first + count - 1)
        try:
            failure = run(campaign, seeds, totals, options.workers, console, options.dask)
        except ToolkitError as error:
            print(f"{parser.prog}: {error}", file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            print(f"{campaign}: interrupted; the same command goes on with --seeds {_to(seeds)}")
            return 1
        if failure is not None:
            print(f"{campaign}: seed {failure.failed} failed\n{failure.report.rstrip()}\n")
            again = f"--seeds {failure.failed}..{failure.failed}"
            print(f"to replay it: python -m tools.campaign {campaign} {again}")
            return 1
        print(f"{campaign} {_to(seeds)}: every property held (code {code})")
        print(*(f"  {count:>12,} {name}" for name, count in sorted(totals.sums.items())), sep="\n")
    return 0


def _to(seeds: Seeds) -> str:
    return f"{seeds[0]}..{seeds[1]}"


if __name__ == "__main__":
    sys.exit(main())
