"""Our side of the ring benchmarks: ``vsync bench``, and members that can be killed.  [I/O]"""

import json
import signal
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from benchmarks.ring_hosts import LONGEST_S, Failed, Host, Network, Program, python
from clocksync.runtime.errors import ToolkitError
from clocksync.security import keys
from vsync.bench.run import Plan, Result, measure

PORT = 5410
_JOIN = ("join", "ring-benchmark", "--json", "--status-socket=none")


def bench(
    network: Network,
    *,
    size: int,
    seconds: float,
    encrypted: bool = True,
    members: int = 3,
    senders: int = 0,
    outstanding: int = 0,
    service: str = "agreed",
) -> Result:
    """What ``vsync bench`` says with these options; it makes a network of its own.

    Raises:
        Failed: a member did.
    """
    with _at_most(LONGEST_S + 2 * seconds):
        return measure(
            Plan(
                members=members,
                size=size,
                senders=senders or members,
                seconds=seconds,
                service=service,
                outstanding=outstanding,
                mtu=network.mtu,
                insecure_plaintext=not encrypted,
                offload=network.offload,
            )
        )


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """A member that says nothing must not stop the whole benchmark."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Failed(f"vsync bench: nothing came of it in {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    except ToolkitError as error:
        raise Failed(f"vsync bench: {error}") from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@dataclass(frozen=True, slots=True)
class Seen:
    """A regular configuration, as a member told it."""

    at_ns: int
    """On the machine's monotonic clock."""
    members: tuple[int, ...]


class Ring:
    """Members of one group, a ``vsync join`` in each host. Made by :func:`ring`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.members: dict[int, Program] = {}

    def start(self, hosts: Sequence[Host], token_ms: int, mtu: int) -> None:
        key = self.folder / "key"
        keys.generate(key)
        where = {n: f"{host.address}:{PORT}" for n, host in enumerate(hosts, 1)}
        for me, host in enumerate(hosts, 1):
            options = [f"--id={me}", f"--listen={where[me]}", f"--key-file={key}", f"--mtu={mtu}"]
            options += [f"--peer={n}={address}" for n, address in where.items() if n != me]
            options += [f"--history={self._history(me)}", f"--token-timeout={token_ms}ms"]
            command = [*host.prefix, *python("vsync"), *_JOIN, *options]
            self.members[me] = Program(command)

    def end(self) -> None:
        for member in self.members.values():
            member.end()

    def seen(self, me: int) -> list[Seen]:
        """The regular configurations that a member told so far."""
        path, found = self._history(me), []
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
                if line.endswith("\n") and '"regular"' in line:
                    event = json.loads(line)
                    found.append(Seen(event["at"], tuple(event["members"])))
        return found

    def wait(self, members: Sequence[int], since_ns: int = 0) -> int:
        """Wait until all of these are alone together; the instant at which the last of them was.

        Raises:
            Failed: they are not, for long.
        """
        wanted, ends = tuple(members), time.monotonic() + LONGEST_S
        while True:
            told = []
            for me in members:
                seen = self.seen(me)
                if seen and seen[-1].members == wanted and seen[-1].at_ns >= since_ns:
                    told.append(seen[-1].at_ns)
            if len(told) == len(wanted):
                return max(told)
            if time.monotonic() > ends:
                raise Failed(f"members {wanted} did not find together in {LONGEST_S:.0f} s")
            time.sleep(0.02)

    def _history(self, me: int) -> Path:
        return self.folder / f"{me}.jsonl"


@contextmanager
def ring(hosts: Sequence[Host], *, token_ms: int = 1000, mtu: int = 1500) -> Iterator[Ring]:
    """A ring of all these hosts, encrypted and idle.

    Raises:
        Failed: it does not come about.
    """
    with tempfile.TemporaryDirectory(prefix="clocksync-ring-") as folder, ExitStack() as stack:
        made = Ring(Path(folder))
        stack.callback(made.end)
        made.start(hosts, token_ms, mtu)
        made.wait(range(1, len(hosts) + 1))
        yield made
