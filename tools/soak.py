"""``make soak``: a ring of three under full load and random faults, for as long as you like.  [I/O]

Members in network namespaces (root on Linux) multicast as fast as the ring lets them, while cables
are pulled, datagrams lost, processes stopped and killed, keys rotated. Nothing may be lost or
repeated or come out of order, memory must stay flat, and after each fault all must be together
again. What is done is drawn from a seed.

Each message carries its number: who goes from message to message with its sender sees each number
once. Members that left a configuration for the same next one must have the same digest of it. What
a member submitted and left cleanly with was delivered to itself. (Histories would do, too: at full
load they are gigabytes. ``tests/sockets/test_ring.py`` judges those of shorter runs.)

Exits 0 if all that held, 1 if not, 2 where it cannot run.
"""

import argparse
import json
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from random import Random
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console

from clocksync.security import keys
from tests.namespaces import Host, bridge, unavailable

ROOT = Path(__file__).parent.parent
PORT = 5410
TOKEN_TIMEOUT_S = 0.3
LONGEST_S = 60.0
GROWTH_MOST = 0.15
GROWTH_BYTES = 32 << 20
"""What memory may grow by, beyond its share, between the first and the last third of a life."""


class Life:
    """One process of one member, and what it told."""

    def __init__(self, me: int, command: Sequence[str]) -> None:
        self.me = me
        self.view: tuple[int, ...] = ()
        self.changes: list[tuple[str, str]] = []
        """Configurations, with their kind, in order."""
        self.memory: list[int] = []
        self.end: dict[str, Any] = {}
        self._news = threading.Condition()
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
        )
        self._thread = threading.Thread(target=self._hear, daemon=True)
        self._thread.start()

    def _hear(self) -> None:
        assert self.process.stdout is not None, "a pipe"
        for line in self.process.stdout:
            told = json.loads(line)
            with self._news:
                if "configuration" in told:
                    self.changes.append((told["configuration"], told["kind"]))
                    if told["kind"] == "regular":
                        self.view = tuple(told["members"])
                elif "memory" in told:
                    self.memory.append(told["memory"])
                else:
                    self.end = told
                self._news.notify_all()

    def wait(self, view: tuple[int, ...]) -> bool:
        """Wait until this is its view; whether it came."""
        with self._news:
            return self._news.wait_for(lambda: self.view == view, LONGEST_S)

    def finish(self) -> None:
        """Wait for its end."""
        self.process.wait(LONGEST_S)
        self._thread.join(LONGEST_S)
        if self.process.stdout is not None:
            self.process.stdout.close()

    @property
    def growth(self) -> int:
        """Bytes by which memory grew from the first to the last third of its life."""
        third = len(self.memory) // 3
        if third < 3:
            return 0
        return round(median(self.memory[-third:]) - median(self.memory[third : 2 * third]))


class Soak:
    """Three members, and what is done to them."""

    def __init__(
        self, hosts: Sequence[Host], folder: Path, seed: int, size: int, rate: float
    ) -> None:
        self.hosts = dict(enumerate(hosts, 1))
        self.random = Random(seed)
        self.lives: dict[int, Life] = {}
        self.over: list[Life] = []
        self.offences: list[str] = []
        self.done: Counter[str] = Counter()
        self._folder, self._size, self._rate = folder, size, rate
        self.key = folder / "key"
        keys.generate(self.key)

    def start(self, me: int) -> None:
        """Begin a life of a member."""
        where = {n: f"{host.ipv4}:{PORT}" for n, host in self.hosts.items()}
        command = self.hosts[me].command(
            [
                *(sys.executable, "-m", "tools.soak_member", f"--id={me}"),
                f"--listen={where[me]}",
                *(f"--peer={n}={address}" for n, address in where.items() if n != me),
                *(f"--key-file={self.key}", f"--state={self._folder / f'state{me}'}"),
                *(
                    f"--size={self._size}",
                    f"--rate={self._rate}",
                    f"--token-timeout={TOKEN_TIMEOUT_S}",
                ),
            ]
        )
        self.lives[me] = Life(me, command)

    def together(self, *who: int) -> None:
        """All of these see each other, and nobody else."""
        for me in who:
            if not self.lives[me].wait(who):
                self.offences.append(f"member {me} never saw {who}: it sees {self.lives[me].view}")

    def fault(self) -> str:
        """Do something to somebody, and undo it; its name."""
        victim = self.random.choice(list(self.hosts))
        name, act = self.random.choice(FAULTS)
        act(self, victim)
        self.done[name] += 1
        self.together(*self.hosts)
        time.sleep(self.random.uniform(0.5, 2.0))
        return f"{name} (member {victim})"

    def kill(self, me: int) -> None:
        """As a power cut would."""
        life = self.lives.pop(me)
        life.process.kill()
        life.finish()

    def leave(self, me: int) -> None:
        """Let a member leave cleanly."""
        life = self.lives.pop(me)
        life.process.send_signal(signal.SIGTERM)
        life.finish()
        self.over.append(life)

    def judge(self) -> None:
        """What members told at their ends."""
        for life in self.over:
            if life.process.returncode:
                self.offences.append(f"member {life.me} ended with {life.process.returncode}")
            self.offences += [f"member {life.me}: {text}" for text in life.end.get("offences", ())]
            if life.end and life.end["submitted"] != life.end["own"]:
                self.offences.append(
                    f"member {life.me} submitted {life.end['submitted']},"
                    f" and {life.end['own']} came back"
                )
            limit = GROWTH_BYTES + GROWTH_MOST * max(life.memory, default=0)
            if life.growth > limit:
                self.offences.append(f"member {life.me}: memory grew by {life.growth >> 20} MiB")
        self._compare_digests()

    def _compare_digests(self) -> None:
        seen: dict[tuple[str, str], tuple[int, str]] = {}
        for life in self.over:
            digests = life.end.get("digests", {})
            for (name, _), (following, _) in zip(life.changes, life.changes[1:], strict=False):
                mine = digests.get(name, "")
                other, theirs = seen.setdefault((name, following), (life.me, mine))
                if mine != theirs:
                    self.offences.append(
                        f"members {other} and {life.me} differ in {name}, before {following}"
                    )

    def close(self) -> None:
        """End whatever still runs."""
        for life in self.lives.values():
            life.process.kill()
            life.finish()


# What is done


def lose_some(soak: Soak, me: int) -> None:
    """A bad cable."""
    soak.hosts[me].lose(soak.random.choice((0.02, 0.1, 0.3)))
    time.sleep(soak.random.uniform(0.5, 2))
    soak.hosts[me].lose(0)


def lose_multicast(soak: Soak, me: int) -> None:
    """A switch that forgets a multicast group."""
    soak.hosts[me].lose(1.0, to="224.0.0.0/4")
    time.sleep(soak.random.uniform(1, 5))
    soak.hosts[me].lose(0)


def cut(soak: Soak, me: int) -> None:
    """A pulled cable."""
    soak.hosts[me].cut()
    others = tuple(n for n in soak.hosts if n != me)
    soak.together(*others)
    time.sleep(soak.random.uniform(0, 1))
    soak.hosts[me].restore()


def deafen(soak: Soak, me: int) -> None:
    """One does not hear another, which hears it."""
    other = soak.random.choice([n for n in soak.hosts if n != me])
    soak.hosts[me].lose(1.0, sender=soak.hosts[other].ipv4)
    time.sleep(soak.random.uniform(1, 4) * TOKEN_TIMEOUT_S)
    soak.hosts[me].lose(0)


def stop(soak: Soak, me: int) -> None:
    """A process that stands still."""
    soak.lives[me].process.send_signal(signal.SIGSTOP)
    time.sleep(soak.random.choice((0.6, 1.1, 5)) * TOKEN_TIMEOUT_S)
    soak.lives[me].process.send_signal(signal.SIGCONT)


def kill(soak: Soak, me: int) -> None:
    """A power cut, with or without the disk."""
    soak.kill(me)
    soak.together(*(n for n in soak.hosts if n != me))
    if soak.random.random() < 0.5:
        (soak._folder / f"state{me}" / "ring.json").unlink(missing_ok=True)
    soak.start(me)


def leave(soak: Soak, me: int) -> None:
    """A restart as it should be."""
    soak.leave(me)
    soak.together(*(n for n in soak.hosts if n != me))
    soak.start(me)


def rotate(soak: Soak, me: int) -> None:
    """A new key, in three steps."""
    for _ in range(3):
        keys.rotate(soak.key)
        for life in soak.lives.values():
            life.process.send_signal(signal.SIGHUP)
        time.sleep(0.3)


FAULTS: tuple[tuple[str, Callable[[Soak, int], None]], ...] = (
    ("loss", lose_some),
    ("no multicast", lose_multicast),
    ("cable", cut),
    ("one-way", deafen),
    ("stop", stop),
    ("kill", kill),
    ("leave", leave),
    ("key", rotate),
)


def run(minutes: float, seed: int, size: int, rate: float, console: Console) -> int:
    """Soak; the exit code."""
    reason = unavailable()
    if reason:
        console.print(f"A soak needs network namespaces: {reason}.")
        return 2
    load = f"{rate:g} messages/s each" if rate else "full load"
    console.print(f"Three members under {load}, {size} bytes, and faults; seed {seed}.")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="soak-")))
        soak = Soak(stack.enter_context(bridge(3)), folder, seed, size, rate)
        stack.callback(soak.close)
        for me in soak.hosts:
            soak.start(me)
        soak.together(*soak.hosts)
        began = time.monotonic()
        while (passed := time.monotonic() - began) < 60 * minutes and not soak.offences:
            console.print(f"{passed:7.1f} s  {soak.fault()}")
        for me in list(soak.lives):
            soak.leave(me)
        soak.judge()
    _report(soak, time.monotonic() - began, console)
    return 1 if soak.offences else 0


def _report(soak: Soak, seconds: float, console: Console) -> None:
    last = soak.over[-3:]
    delivered = max(life.end.get("delivered", 0) for life in soak.over)
    console.print()
    console.print(f"{sum(soak.done.values())} faults in {seconds:.0f} s: {dict(soak.done)}")
    console.print(f"delivered in the longest life: {delivered:,} messages")
    for life in last:
        peak = max(life.memory, default=0) >> 20
        console.print(f"member {life.me}: at most {peak} MiB, grew by {life.growth >> 20} MiB")
    for offence in soak.offences[:20]:
        console.print(f"WRONG: {offence}", markup=False)
    if not soak.offences:
        console.print("Nothing was lost, repeated, or out of order; memory is flat.")


def main() -> int:
    """Run a soak; its exit code."""
    parser = argparse.ArgumentParser(description="A ring under full load and random faults.")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    parser.add_argument("--size", type=int, default=64, help="bytes of a message, 16 or more")
    parser.add_argument("--rate", type=float, default=0.0, help="messages/s of each; 0: all it can")
    given = parser.parse_args()
    if not 0 < given.minutes <= 10_000 or not 16 <= given.size <= 1 << 20:
        parser.error("--minutes is more than 0, --size 16 to 1048576")
    console = Console(highlight=False, soft_wrap=True)
    return run(given.minutes, given.seed, given.size, given.rate, console)


if __name__ == "__main__":
    sys.exit(main())
