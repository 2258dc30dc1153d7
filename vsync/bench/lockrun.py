"""The lock benchmark: a server asked by all, and a ring whose members all hold the table.  [I/O]

Each of the members, or clients, asks for locks that nobody else wants, so what is measured is the
service. One process a namespace; the server has one of its own.
"""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, quantiles
from tempfile import TemporaryDirectory

from clocksync.security import keys
from vsync.bench.hosts import Places, places
from vsync.bench.lockwork import Counted, Phase, Task
from vsync.bench.processes import Process

SCHEMA = "vsync.locks/1"
WARM_UP_S = 0.3
SERVER, AGREED, SAFE = "server", "agreed", "safe"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be measured."""

    members: int = 3
    seconds: float = 1.0
    outstanding: tuple[int, ...] = (1, 64)
    delays_us: tuple[int, ...] = (0, 250)
    mtu: int = 1500
    insecure_plaintext: bool = False
    offload: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One way of locking, under one load."""

    way: str
    """``server``, or the ring with ``agreed`` or ``safe`` grants."""
    delay_us: int
    """Each way."""
    outstanding: int
    """Requests of each member on their way."""
    pipelined: bool
    locks_per_second: float
    """Of all together."""
    latency_us: dict[str, float]
    busiest_cpu_percent: float
    """Of the busiest process."""
    locks_per_frame: float
    """How many locks one message frame carried; 0 for the server."""
    look_ns: float
    """What it takes to learn who holds a lock."""


def measure(plan: Plan) -> tuple[list[Row], str]:
    """Run all of it.

    Returns:
        the rows; and why all processes share one loopback interface, if they do. Then there is no
        delay.

    Raises:
        BenchFailed: a process failed.
        NoPlace: a namespace could not be made.
    """
    rows: list[Row] = []
    loopback = ""
    for delay_us in plan.delays_us:
        if delay_us and loopback:
            continue
        for ways in ((SERVER,), (AGREED, SAFE)):
            with places(plan.members + 1, plan.mtu, plan.offload, delay_us) as found:
                loopback = found.why_loopback
                rows += _measured(plan, found, ways, delay_us)
    return rows, loopback


def _measured(plan: Plan, found: Places, ways: Sequence[str], delay_us: int) -> Iterator[Row]:
    with ExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory(prefix="vsync-locks-"))
        key_file = ""
        if not plan.insecure_plaintext:
            key_file = str(Path(folder) / "key")
            keys.generate(key_file)
        started = []
        for task in _tasks(plan, found, ways, key_file):
            place = found.places[task.id - 1]
            process = Process(place, "vsync.bench.lockwork", asdict(task))
            stack.callback(process.end)
            started.append(process)
        for process in started:
            process.expect("ready")
        for way in ways:
            for outstanding in plan.outstanding:
                for pipelined in (False, True):
                    counted = _phase(plan, started, way, outstanding, pipelined)
                    yield _row(plan, counted, way, delay_us, outstanding, pipelined)
        for process in started:
            process.tell("")
        for process in started:
            process.finish()


def _tasks(plan: Plan, found: Places, ways: Sequence[str], key_file: str) -> Iterator[Task]:
    where = [place.address for place in found.places]
    is_server = SERVER in ways
    for me in range(1, plan.members + 1):
        yield Task(
            "client" if is_server else "member",
            me,
            where[me - 1],
            {str(n): where[n - 1] for n in range(1, plan.members + 1) if n != me},
            where[plan.members],
            key_file,
            plan.mtu,
        )
    if is_server:
        me = plan.members + 1
        yield Task("server", me, where[me - 1], {}, "", "", plan.mtu)


def _phase(
    plan: Plan, started: Sequence[Process], way: str, outstanding: int, pipelined: bool
) -> list[Counted]:
    begin = time.monotonic_ns() + round(WARM_UP_S * 1e9)
    end = begin + round(plan.seconds * 1e9)
    phase = Phase(outstanding, pipelined, way if way != SERVER else AGREED, begin, end)
    for process in started:
        process.tell(json.dumps(asdict(phase)))
    return [Counted(**json.loads(process.line())) for process in started]


def _row(
    plan: Plan,
    counted: Sequence[Counted],
    way: str,
    delay_us: int,
    outstanding: int,
    pipelined: bool,
) -> Row:
    users = counted[: plan.members]
    locks = sum(one.locks for one in users)
    frames = max(one.frames for one in users)
    latencies = sorted(us for one in users for us in one.latencies_us)
    cuts = quantiles(latencies, n=100) if len(latencies) > 1 else [0.0] * 99
    whole = plan.seconds + WARM_UP_S
    return Row(
        way=way,
        delay_us=delay_us,
        outstanding=outstanding,
        pipelined=pipelined,
        locks_per_second=round(locks / plan.seconds, 1),
        latency_us={"p50": round(cuts[49], 1), "p99": round(cuts[98], 1)},
        busiest_cpu_percent=round(100 * max(one.cpu_seconds for one in counted) / whole, 1),
        locks_per_frame=round(locks / plan.seconds * whole / frames, 1) if frames else 0.0,
        look_ns=round(mean(one.look_ns for one in users), 1),
    )


def to_json(plan: Plan, rows: Sequence[Row], loopback: str) -> dict[str, object]:
    """The public format ``vsync.locks/1``."""
    return {
        "schema": SCHEMA,
        "members": plan.members,
        "encrypted": not plan.insecure_plaintext,
        "offload": plan.offload,
        "loopback": loopback,
        "rows": [asdict(row) for row in rows],
        "ratios": [asdict(ratio) for ratio in ratios(rows)],
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """The ring beside the server, under one load."""

    delay_us: int
    outstanding: int
    pipelined: bool
    agreed: float
    """How many times as many locks as the server's, with agreed grants."""
    safe: float
    safe_costs: float
    """Which part of the agreed rate is lost by safe grants; 0.4: two of five."""


def ratios(rows: Sequence[Row]) -> list[Ratio]:
    """The ring beside the server, for each load both were measured under."""
    rates = {(r.way, r.delay_us, r.outstanding, r.pipelined): r.locks_per_second for r in rows}
    found = []
    for (way, delay_us, outstanding, pipelined), rate in rates.items():
        if way == SERVER and rate:
            agreed = rates[AGREED, delay_us, outstanding, pipelined]
            safe = rates[SAFE, delay_us, outstanding, pipelined]
            found.append(
                Ratio(
                    delay_us=delay_us,
                    outstanding=outstanding,
                    pipelined=pipelined,
                    agreed=round(agreed / rate, 2),
                    safe=round(safe / rate, 2),
                    safe_costs=round(1 - safe / agreed, 2) if agreed else 0.0,
                )
            )
    return found
