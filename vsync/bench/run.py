"""Running a benchmark: members in their places, one clock, one result.  [I/O]"""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory

from clocksync.runtime.errors import ToolkitError
from vsync.bench.hosts import Place, places
from vsync.bench.worker import Counted, Task
from vsync.security import keys

SCHEMA = "vsync.bench/1"
WARM_UP_S = 1.0
LONGEST_START_S = 30.0


class BenchFailed(ToolkitError):
    """A member failed; the message says what it said."""


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
            process = _start(place, _task(plan, me, found.places, outstanding, key_file))
            stack.callback(_end, process)
            started.append(process)
        for process in started:
            _expect(process, "ready")
        begin = time.monotonic_ns() + round(WARM_UP_S * 1e9)
        end = begin + round(plan.seconds * 1e9)
        for process in started:
            _tell(process, f"{begin} {end}")
        counted = [Counted(**json.loads(_line(process))) for process in started]
        for process in started:
            _tell(process, "")
        for process in started:
            if process.wait(timeout=LONGEST_START_S):
                raise BenchFailed(_said(process))
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
        offload=plan.offload,
    )


def _start(place: Place, task: Task) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [*place.prefix, sys.executable, "-m", "vsync.bench.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    _tell(process, json.dumps(asdict(task)))
    return process


def _tell(process: "subprocess.Popen[str]", line: str) -> None:
    assert process.stdin is not None, "a pipe"
    try:
        process.stdin.write(line + "\n")
        process.stdin.flush()
    except BrokenPipeError:
        raise BenchFailed(_said(process)) from None


def _line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None, "a pipe"
    line = process.stdout.readline()
    if not line:
        raise BenchFailed(_said(process))
    return line


def _expect(process: "subprocess.Popen[str]", word: str) -> None:
    line = _line(process).strip()
    if line != word:
        raise BenchFailed(f"a member said {line!r} instead of {word!r}")


def _said(process: "subprocess.Popen[str]") -> str:
    process.kill()
    _, errors = process.communicate()
    lines = [line for line in errors.splitlines() if line.strip()]
    return f"a member ended early: {lines[-1] if lines else 'it said nothing'}"


def _end(process: "subprocess.Popen[str]") -> None:
    if process.poll() is None:
        process.kill()
    process.communicate()


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
        loopback=loopback,
    )
