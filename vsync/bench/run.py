"""Running a benchmark: members in their places, one clock, one result.  [I/O]"""

import json
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory

from clocksync.security import keys
from vsync.bench.hosts import Place, places
from vsync.bench.processes import Process
from vsync.bench.worker import Counted, Task

SCHEMA = "vsync.bench/1"
WARM_UP_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be measured."""

    members: int = 3
    size: int = 64
    senders: int = 3
    seconds: float = 5.0
    service: str = "agreed"
    outstanding: int = 0
    """Messages of each sender on their way; 0: as many as fill the ring."""
    mtu: int = 1500
    insecure_plaintext: bool = False
    offload: bool = True
    """Of the links. Without, the kernel cuts what leaves in one call before it reaches them."""
    multicast: bool = True
    config: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of it; ``to_json`` is the public format ``vsync.bench/1``."""

    messages_per_second: float
    """The least over members of messages delivered."""
    bytes_per_second: float
    latency_us: dict[str, float]
    """From submitting to delivery to ourselves."""
    shares: list[float]
    """Per sender, of all that was delivered."""
    cpu_percent: list[float]
    """Per member."""
    rotations_per_second: float
    encrypted: bool
    offload: bool
    members: int
    size: int
    senders: int
    service: str
    outstanding: int
    mtu: int
    transport: str
    """How messages left: by IP multicast, or by unicast and why."""
    loopback: str
    """Why the members share one loopback interface; empty if they do not."""

    def to_json(self) -> dict[str, object]:
        return {"schema": SCHEMA, **asdict(self)}


def measure(plan: Plan) -> Result:
    """Run it.

    Raises:
        BenchFailed: a member failed.
        NoPlace: a namespace could not be made.
    """
    outstanding = plan.outstanding or _filling(plan)
    with places(plan.members, plan.mtu, plan.offload) as found, ExitStack() as stack:
        key_file = ""
        if not plan.insecure_plaintext:
            folder = stack.enter_context(TemporaryDirectory(prefix="vsync-bench-"))
            key_file = str(Path(folder) / "key")
            keys.generate(key_file)
        started = []
        for me, place in enumerate(found.places, 1):
            task = _task(plan, me, found.places, outstanding, key_file)
            process = Process(place, "vsync.bench.worker", asdict(task))
            stack.callback(process.end)
            started.append(process)
        for process in started:
            process.expect("ready")
        begin = time.monotonic_ns() + round(WARM_UP_S * 1e9)
        end = begin + round(plan.seconds * 1e9)
        for process in started:
            process.tell(f"{begin} {end}")
        counted = [Counted(**json.loads(process.line())) for process in started]
        for process in started:
            process.tell("")
        for process in started:
            process.finish()
    return _result(plan, counted, outstanding, found.why_loopback)


def _filling(plan: Plan) -> int:
    """Enough on their way to fill every visit, and not so much that they only wait."""
    return max(4, min(40_000, 3_000_000 // max(1, plan.size + 2) // max(1, plan.senders)))


def _task(plan: Plan, me: int, where: Sequence[Place], outstanding: int, key_file: str) -> Task:
    return Task(
        id=me,
        listen=where[me - 1].address,
        peers={str(n): place.address for n, place in enumerate(where, 1) if n != me},
        members=plan.members,
        size=plan.size,
        sends=me <= plan.senders,
        service=plan.service,
        outstanding=outstanding,
        batch=max(1, min(1000, outstanding // 4)),
        mtu=plan.mtu,
        config=dict(plan.config),
        key_file=key_file,
        multicast=plan.multicast,
    )


def _result(plan: Plan, counted: Sequence[Counted], outstanding: int, loopback: str) -> Result:
    seconds = plan.seconds
    rate = min(one.delivered for one in counted) / seconds
    latencies = sorted(us for one in counted for us in one.latencies_us)
    total = sum(one.delivered for one in counted) or 1
    by_sender = [
        sum(one.origins.get(str(sender), 0) for one in counted) / total
        for sender in range(1, plan.senders + 1)
    ]
    cuts = quantiles(latencies, n=100) if len(latencies) > 1 else [0.0] * 99
    return Result(
        messages_per_second=round(rate, 1),
        bytes_per_second=round(rate * plan.size, 1),
        latency_us={"p50": round(cuts[49], 1), "p99": round(cuts[98], 1)},
        shares=[round(share, 4) for share in by_sender],
        cpu_percent=[round(100 * one.cpu_seconds / seconds, 1) for one in counted],
        rotations_per_second=round(counted[0].rotations / seconds, 1),
        encrypted=not plan.insecure_plaintext,
        offload=plan.offload,
        members=plan.members,
        size=plan.size,
        senders=plan.senders,
        service=plan.service,
        outstanding=outstanding,
        mtu=plan.mtu,
        transport=counted[0].transport,
        loopback=loopback,
    )
