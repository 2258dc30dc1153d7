"""Members of a ring as processes in network namespaces, and what they told."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from clocksync.runtime.addresses import format_endpoint
from clocksync.security import keys
from tests.namespaces import Host, bridge
from vsync.check import judge, read_files
from vsync.node.status import ask

PORT = 5410
TOKEN_TIMEOUT_S = 0.3
LONGEST_S = 90.0


class Process:
    """One life of one member."""

    def __init__(self, command: Sequence[str], host: Host) -> None:
        self.process = host.popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.told: dict[str, object] = {}
        self.said = b""
        self.may_say = b""
        """What it may say on standard error, if anything."""

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def hear(self, words: bytes) -> None:
        """Wait until it has said this on standard error."""
        assert self.process.stderr is not None
        ends, pipe = time.monotonic() + LONGEST_S, self.process.stderr.fileno()
        while words not in self.said:
            ready, _, _ = select.select([pipe], [], [], max(0, ends - time.monotonic()))
            more = os.read(pipe, 65_536) if ready else b""
            assert more, f"waited for {words!r}, heard {self.said!r}"
            self.said += more

    def end(self) -> None:
        """Leave cleanly; keep what it tells."""
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        out, err = self.process.communicate(timeout=LONGEST_S)
        assert self.process.returncode == 0, err.decode()
        err = self.said + err
        self.said = err
        assert err == b"" or (self.may_say and self.may_say in err), err.decode()
        self.told = json.loads(out.decode().splitlines()[-1])

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate(timeout=LONGEST_S)


Place = Callable[[Host, Host], str]
"""The address of the second host, as the first one calls it."""


def by_ipv4(me: Host, host: Host) -> str:
    return host.ipv4


class Members:
    """Three members that multicast all the time, each in a namespace of its own.

    Their histories go to `folder`, and are judged at the end of the ``with`` in which
    :func:`members` made them.
    """

    def __init__(
        self,
        hosts: Sequence[Host],
        folder: Path,
        rate: int,
        more: Sequence[str],
        place: Place = by_ipv4,
    ) -> None:
        self.hosts = dict(enumerate(hosts, 1))
        self.folder, self.rate, self.more = folder, rate, more
        self.place = place
        self.alive: dict[int, Process] = {}
        self.key = folder / "key"
        keys.generate(self.key)

    def start(self, me: int) -> None:
        mine = self.hosts[me]
        where = {n: format_endpoint(self.place(mine, host), PORT) for n, host in self.hosts.items()}
        self.alive[me] = Process(
            [
                *(sys.executable, "-m", "vsync", "join", "test", "--json"),
                f"--status-socket={self.folder}/",
                f"--key-file={self.key}",
                *(f"--id={me}", f"--listen={where[me]}", f"--rate={self.rate}"),
                *(f"--peer={n}={address}" for n, address in where.items() if n != me),
                *(f"--history={self.history(me)}", f"--state={self.folder / f'state{me}'}"),
                f"--token-timeout={TOKEN_TIMEOUT_S}s",
                *self.more,
            ],
            self.hosts[me],
        )

    def status(self, me: int) -> dict[str, Any]:
        """What `vsync status` says of a member."""
        return ask(self.folder / f"test-{me}.sock")

    def history(self, me: int) -> Path:
        return self.folder / f"{me}.jsonl"

    def kill(self, me: int) -> None:
        """As a power cut would: and whoever killed it says so in the history."""
        self.alive.pop(me).kill()

    def view(self, me: int) -> tuple[int, ...]:
        """The members of the regular configuration that `me` told last."""
        return (self.views(me) or [()])[-1]

    def views(self, me: int) -> list[tuple[int, ...]]:
        """The members of all regular configurations that `me` told, in order."""
        if not self.history(me).exists():
            return []
        # The last line may be half written.
        lines = self.history(me).read_text().splitlines(keepends=True)
        return [
            tuple(json.loads(line)["members"])
            for line in lines
            if line.endswith("\n") and '"configuration"' in line and '"regular"' in line
        ]

    def wait(self, **views: tuple[int, ...]) -> None:
        """Wait until members see these: ``wait(m1=(1, 2), m2=(1, 2))``."""
        ends = time.monotonic() + LONGEST_S
        wanted = {int(name[1:]): view for name, view in views.items()}
        while any(self.view(me) != view for me, view in wanted.items()):
            seen = {me: self.view(me) for me in wanted}
            assert time.monotonic() < ends, f"waited for {wanted}, seen {seen}"
            time.sleep(0.05)

    def until(self, is_so: Callable[[], bool]) -> None:
        """Wait until that is so."""
        ends = time.monotonic() + LONGEST_S
        while not is_so():
            assert time.monotonic() < ends, "it never came"
            time.sleep(0.05)

    def until_accepted(self, count: int) -> None:
        """Wait until each, of those that live, has sent so many messages since it began."""
        for me in self.alive:
            self.until(lambda me=me: self.status(me)["accepted"]["messages"] >= count)

    def until_transports(self, *wanted: str) -> None:
        """Wait until messages of members leave in these ways, and all are on one ring."""
        everybody = list(self.hosts)
        told: list[tuple[str, list[int]]] = []

        def is_so() -> bool:
            status = [self.status(me) for me in self.hosts]
            told[:] = [(each["transport"], each["ring"]["members"]) for each in status]
            return told == [(way, everybody) for way in wanted]

        try:
            self.until(is_so)
        except AssertionError:
            raise AssertionError(f"waited for {wanted}, seen {told}") from None

    def together(self, *who: int) -> None:
        """Wait until these see each other and nobody else."""
        self.wait(**{f"m{me}": who for me in who})

    def run(self, seconds: float) -> None:
        """Let them work for a while."""
        time.sleep(seconds)

    def end(self) -> None:
        for process in self.alive.values():
            process.end()

    def digests(self) -> dict[str, set[str]]:
        """By regular configuration, the different digests that members who left it cleanly have."""
        found: dict[str, set[str]] = {}
        for process in self.alive.values():
            digests = process.told["digests"]
            assert isinstance(digests, dict)
            for name, digest in digests.items():
                found.setdefault(name, set()).add(digest)
        return found


@contextmanager
def members(
    folder: Path,
    rate: int = 400,
    more: Sequence[str] = (),
    count: int = 3,
    place: Place = by_ipv4,
) -> Iterator[Members]:
    """Members on one ring; when all is over their histories must keep every promise."""
    with bridge(count) as hosts:
        group = Members(hosts, folder, rate, more, place)
        try:
            for me in group.hosts:
                group.start(me)
            group.together(*group.hosts)
            yield group
            group.end()
        finally:
            for process in group.alive.values():
                process.kill()
        paths = [path for me in group.hosts if (path := group.history(me)).exists()]
        verdict = judge(read_files(paths))
        assert not verdict.violations, verdict.violations[:3]
