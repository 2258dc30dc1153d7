"""``make demo-ring``: three members through a pulled cable, a kill -9 and two merges.  [I/O]

Each member keeps a replica of one board (a dictionary), writes to it a few times a second, and says
what it is told: configurations, quorum, state received. Without arguments this runs three of them
in network namespaces (root on Linux) and does to them what the title says; at the end all boards
must be the same. Exits 0 if they are, 1 if not, 2 where it cannot run.

On hosts of your own, one member each::

    vsync key generate demo.key     # once; copy it to all
    python -m tools.ring_demo --id 1 --listen 10.0.0.1:5410 --peer 2=10.0.0.2:5410 \\
        --peer 3=10.0.0.3:5410 --key-file demo.key
"""

import argparse
import asyncio
import hashlib
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.text import Text

import vsync
from clocksync.runtime.errors import ToolkitError
from clocksync.security import keys
from tests.namespaces import Host, bridge, unavailable
from vsync.replication.events import PrimaryChanged, Restored

ROOT = Path(__file__).parent.parent
MEMBERS = (1, 2, 3)
PORT = 5410
TOKEN_TIMEOUT_NS = 500_000_000
LOOK_S = 2.0
WRITE_EVERY_S = 0.25
LONGEST_S = 60.0
COLOURS = {1: "cyan", 2: "green", 3: "magenta"}


# One member


async def member(me: int, listen: str, peers: Mapping[int, str], key: str) -> None:
    """Be one, until SIGTERM or Ctrl-C."""
    everybody = {me, *peers}
    over, enough = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, over.set)
    loop.add_signal_handler(signal.SIGUSR1, enough.set)
    joining = vsync.join(
        "ring-demo",
        id=me,
        listen=listen,
        peers=peers,
        key=key,
        quorum=vsync.MajorityOfExpected(frozenset(everybody)),
        config=vsync.RingConfig.within(TOKEN_TIMEOUT_NS),
    )
    async with joining as group, asyncio.TaskGroup() as tasks:
        board = await group.replicate("board", vsync.ReplicatedDict())
        jobs = [
            tasks.create_task(_tell_changes(group)),
            tasks.create_task(_tell_state(board)),
            tasks.create_task(_write(board, me, enough)),
        ]
        await over.wait()
        # Behind all that was written before: a look at the board now is a look at the whole of it.
        # Who leaves last may be too few for it, and has it all then: nothing was written meanwhile.
        with suppress(TimeoutError, ToolkitError):
            async with asyncio.timeout(LOOK_S):
                await board.submit(vsync.ReplicatedDict.read(""))
        for job in jobs:
            job.cancel()
        say(f"leaves; {_described(board)}")


async def _tell_changes(group: vsync.Group) -> None:
    async for event in group:
        if isinstance(event, vsync.Configuration):
            joined = f", joined {_named(event.joined)}" if event.joined else ""
            left = f", left {_named(event.left)}" if event.left else ""
            say(
                f"{event.kind.value} configuration {event.id}: members {_named(event.members)}"
                f"{joined}{left}: {event.reason.value}"
            )


async def _tell_state(board: "vsync.State[vsync.ReplicatedDict]") -> None:
    async for event in board.events():
        match event:
            case Restored(_, source, applied):
                say(f"receives the board from member {source}: {applied} changes")
            case PrimaryChanged(_, is_primary):
                side = "the majority: the board goes on" if is_primary else "a minority: waits"
                say(f"is in {side}; {_described(board)}")


async def _write(
    board: "vsync.State[vsync.ReplicatedDict]", me: int, enough: asyncio.Event
) -> None:
    written = 0
    while not enough.is_set():
        await asyncio.sleep(WRITE_EVERY_S)
        written += 1
        try:
            await board.submit(vsync.ReplicatedDict.set(f"member {me}", written))
        except vsync.CommandRejected:
            continue  # no majority here
        except ToolkitError as error:
            say(f"a change was not kept: {error}")
    say(f"has written {written} times, and stops")


def _named(members: Sequence[int]) -> str:
    return ", ".join(map(str, members)) or "nobody"


def _described(board: "vsync.State[vsync.ReplicatedDict]") -> str:
    items = sorted(board.machine.items())
    digest = hashlib.sha256(repr(items).encode()).hexdigest()[:12]
    return f"{len(items)} entries, digest {digest}"


def say(line: str) -> None:
    """A line of this member's, at once."""
    print(line, flush=True)


# All three


class Stage:
    """Three members in three namespaces, and what they say."""

    def __init__(self, hosts: Sequence[Host], key: Path, console: Console) -> None:
        self.hosts = dict(zip(MEMBERS, hosts, strict=True))
        self.said: dict[int, list[str]] = {me: [] for me in MEMBERS}
        self._key, self._console = key, console
        self._began = time.monotonic()
        self._processes: dict[int, subprocess.Popen[str]] = {}
        self._news = threading.Condition()

    def start(self, me: int) -> None:
        """Start a member."""
        where = {n: f"{host.ipv4}:{PORT}" for n, host in self.hosts.items()}
        peers = [f"--peer={n}={address}" for n, address in where.items() if n != me]
        process = self._processes[me] = subprocess.Popen(
            self.hosts[me].command(
                [
                    *(sys.executable, "-m", "tools.ring_demo", f"--id={me}"),
                    *(f"--listen={where[me]}", *peers, f"--key-file={self._key}"),
                ]
            ),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        threading.Thread(target=self._hear, args=(me, process), daemon=True).start()

    def _hear(self, me: int, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None, "a pipe"
        for line in process.stdout:
            with self._news:
                self.said[me].append(line.rstrip())
                self._news.notify_all()
            self._show(Text(f"member {me}  {line.rstrip()}", style=COLOURS[me]))

    def act(self, what: str) -> None:
        """Say what is done to them."""
        self._show(Text(f"--- {what}", style="bold"))

    def _show(self, text: Text) -> None:
        self._console.print(Text(f"{time.monotonic() - self._began:6.2f} s  "), text, sep="")

    def wait(self, me: int, *words: str, since: int) -> None:
        """Wait until a member has said a line with all these words, from its line `since` on."""

        def has_said() -> bool:
            return any(all(word in line for word in words) for line in self.said[me][since:])

        with self._news:
            if not self._news.wait_for(has_said, LONGEST_S):
                raise ToolkitError(f"member {me} never said {words}")

    def marks(self) -> dict[int, int]:
        """How much each has said so far."""
        return {me: len(lines) for me, lines in self.said.items()}

    def kill(self, me: int) -> None:
        """As a power cut would."""
        self._processes[me].kill()
        self._processes[me].wait()

    def end(self) -> dict[int, str]:
        """Let all stop writing, then leave; the digest of each one's board."""
        for process in self._processes.values():
            process.send_signal(signal.SIGUSR1)
        for me in MEMBERS:
            self.wait(me, "and stops", since=0)
        for process in self._processes.values():
            process.send_signal(signal.SIGTERM)
        for process in self._processes.values():
            process.wait(LONGEST_S)
        for me in MEMBERS:
            self.wait(me, "leaves;", since=0)
        return {me: self.said[me][-1].rpartition(" ")[2] for me in MEMBERS}

    def close(self) -> None:
        """End whatever still runs."""
        for process in self._processes.values():
            if process.poll() is None:
                process.kill()
            process.wait()


def play(stage: Stage) -> dict[int, str]:
    """What is done to them; the digests at the end."""
    everybody = "members 1, 2, 3"
    stage.act("three members start; each writes to the board four times a second")
    for me in MEMBERS:
        stage.start(me)
    for me in MEMBERS:
        stage.wait(me, "regular", everybody, since=0)
        stage.wait(me, "the majority", since=0)
    time.sleep(1)
    marks = stage.marks()
    stage.act("the cable of member 3 is pulled")
    stage.hosts[3].cut()
    stage.wait(1, "regular", "members 1, 2:", since=marks[1])
    stage.wait(3, "a minority", since=marks[3])
    time.sleep(1)
    marks = stage.marks()
    stage.act("and put back: two components merge, and member 3 gets what it missed")
    stage.hosts[3].restore()
    for me in MEMBERS:
        stage.wait(me, "regular", everybody, since=marks[me])
    stage.wait(3, "receives the board", since=marks[3])
    time.sleep(1)
    marks = stage.marks()
    stage.act("member 2 is killed (kill -9)")
    stage.kill(2)
    for me in (1, 3):
        stage.wait(me, "regular", "members 1, 3:", since=marks[me])
    time.sleep(1)
    marks = stage.marks()
    stage.act("and started again: it knows nothing, and receives the board")
    stage.start(2)
    for me in MEMBERS:
        stage.wait(me, "regular", everybody, since=marks[me])
    stage.wait(2, "receives the board", since=marks[2])
    time.sleep(1)
    stage.act("all stop writing, and leave")
    return stage.end()


def conduct() -> int:
    """Run the demo; its exit code."""
    console = Console(highlight=False, soft_wrap=True)
    reason = unavailable()
    if reason:
        console.print(f"The demo needs network namespaces: {reason}.")
        return 2
    with ExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory(prefix="ring-demo-"))
        key = Path(folder) / "key"
        keys.generate(key)
        stage = Stage(stack.enter_context(bridge(len(MEMBERS))), key, console)
        stack.callback(stage.close)
        try:
            digests = play(stage)
        except ToolkitError as error:
            console.print(f"The demo stopped: {error}")
            return 2
    same = len(set(digests.values())) == 1
    console.print()
    for me, digest in digests.items():
        console.print(f"board of member {me}: {digest}")
    console.print("All boards are the same." if same else "The boards differ.")
    return 0 if same else 1


def main() -> int:
    """Conduct the demo, or be one member of it."""
    parser = argparse.ArgumentParser(description="Three members of a ring, and what befalls them.")
    parser.add_argument("--id", type=int, help="be this member, on a host of your own")
    parser.add_argument("--listen", help="HOST:PORT")
    parser.add_argument("--peer", action="append", default=[], help="ID=HOST:PORT; repeatable")
    parser.add_argument("--key-file", help="vsync key generate FILE")
    given = parser.parse_args()
    if given.id is None:
        return conduct()
    if not given.listen or not given.key_file:
        parser.error("--id needs --listen, --peer and --key-file")
    peers = {int(number): where for number, _, where in (p.partition("=") for p in given.peer)}
    try:
        asyncio.run(member(given.id, given.listen, peers, given.key_file))
    except ToolkitError as error:
        print(f"ring_demo: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
