"""``make demo-multicast``: three processes, one sequence.  [I/O]

Three ``ordering demo`` processes multicast by themselves and compare digests; each runs in a
network namespace of its own where that is possible (root on Linux), else on a loopback address of
its own. The digests are printed side by side. Exits 0 if they agree, 1 if they differ, 2 if a
member failed otherwise.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from tests.namespaces import Host, bridge, unavailable

ROOT = Path(__file__).parent.parent
MEMBERS = (1, 2, 3)
PORT = 47_600
LONGEST_S = 120.0


@dataclass(frozen=True, slots=True)
class Ended:
    """How one member's process ended."""

    code: int
    told: Mapping[str, object]
    errors: str


def run(order: str, count: int, rate: float, hosts: Sequence[Host] | None) -> list[Ended]:
    """Run the members to their end, in `hosts` or on loopback."""
    if hosts is None:
        where = {me: f"127.0.0.1:{PORT + me}" for me in MEMBERS}
    else:
        where = {me: f"{host.ipv4}:{PORT}" for me, host in zip(MEMBERS, hosts, strict=True)}
    with ExitStack() as stack:
        started = []
        for place, me in enumerate(MEMBERS):
            command = _command(me, where, order, count, rate)
            if hosts is not None:
                command = hosts[place].command(command)
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            stack.callback(_end, process)
            started.append(process)
        return [_ended(process) for process in started]


def _command(me: int, where: Mapping[int, str], order: str, count: int, rate: float) -> list[str]:
    peers = [f"--peer={other}={address}" for other, address in where.items() if other != me]
    what = [f"--order={order}", f"--count={count}", f"--rate={rate}"]
    is_ring = order in ("agreed", "safe")
    module = ["tools.demo_ring_member"] if is_ring else ["ordering", "demo", "--json"]
    return [
        *(sys.executable, "-m", *module),
        *(f"--id={me}", f"--listen={where[me]}", *peers, *what),
    ]


def _ended(process: "subprocess.Popen[str]") -> Ended:
    output, errors = process.communicate(timeout=LONGEST_S)
    lines = output.splitlines()
    return Ended(process.returncode, json.loads(lines[-1]) if lines else {}, errors)


def _end(process: "subprocess.Popen[str]") -> None:
    if process.poll() is None:
        process.kill()
        process.communicate()


def main() -> int:
    """Run the demo; its exit code."""
    parser = argparse.ArgumentParser(description="Three processes multicast in one order.")
    parser.add_argument(
        "--order", default="total", help="one of `ordering demo`; agreed or safe: over a ring"
    )
    parser.add_argument("--count", type=int, default=1000, help="messages of each member")
    parser.add_argument("--rate", type=float, default=500.0, help="messages a second of each")
    given = parser.parse_args()
    console = Console(highlight=False)
    reason = unavailable()
    with ExitStack() as stack:
        hosts = None if reason else stack.enter_context(bridge(len(MEMBERS)))
        place = f"on loopback, because {reason}" if reason else "each in a network namespace"
        console.print(f"Three members multicast {given.count} messages each, {place}:\n")
        ended = run(given.order, given.count, given.rate, hosts)
    for me, one in zip(MEMBERS, ended, strict=True):
        sent, delivered, digest = (
            one.told.get(key, "-") for key in ("sent", "delivered", "digest")
        )
        # soft_wrap: a digest is there to be compared, whole.
        console.print(f"member {me}: sent {sent}, delivered {delivered}", soft_wrap=True)
        console.print(f"  {digest}", style="bold", soft_wrap=True)
    for one in ended:
        if one.errors:
            console.print(one.errors.strip(), markup=False)
    worst = max(one.code for one in ended)
    if not worst and len({one.told.get("digest") for one in ended}) > 1:
        worst = 1  # members of a ring do not compare among themselves
    verdict = {0: "All delivered the same sequence.", 1: "The sequences differ."}
    console.print(verdict.get(worst, "A member did not get to compare."))
    return min(worst, 2)


if __name__ == "__main__":
    sys.exit(main())
