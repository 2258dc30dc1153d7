"""Where ring benchmarks run: namespaces on one bridge, and programs in them.  [I/O]

Like ``vsync bench`` makes them, so that every program meets the same network; besides, a route for
multicast, and cables that can be cut. All of it is gone at the end of the ``with``, whatever ends
it: programs are ended by their process id, namespaces and links are removed.
"""

import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from benchmarks.harness import Impossible
from tests.namespaces import unavailable
from tools import peers

ROOT = Path(__file__).resolve().parent.parent
LONGEST_S = 60.0
"""How long a program may take for its next line."""

_TICKS = os.sysconf("SC_CLK_TCK")
_OFFLOADS = ("tso", "gso", "gro", "tx-udp-segmentation")
_count = itertools.count()


class Failed(Exception):
    """A program of a benchmark failed; the message is one line that says how."""


@dataclass(frozen=True, slots=True)
class Network:
    """What the links between members are like."""

    mtu: int = 1500
    offload: bool = True

    def __str__(self) -> str:
        return f"MTU {self.mtu}, segment offload on the links {'ON' if self.offload else 'OFF'}"


@dataclass(frozen=True, slots=True)
class Host:
    """One namespace."""

    name: str
    cable: str
    """The bridge's end of its link."""
    address: str

    @property
    def prefix(self) -> tuple[str, ...]:
        """What stands before a command that is to run there; the process is the command's own."""
        return ("ip", "netns", "exec", self.name)

    def cut(self) -> None:
        """Pull its cable out of the bridge."""
        _ip("link", "set", self.cable, "down")

    def restore(self) -> None:
        _ip("link", "set", self.cable, "up")


def require_hosts() -> None:
    """Check that there can be hosts.

    Raises:
        Impossible: there can be none here.
    """
    reason = unavailable()
    if reason:
        raise Impossible(reason)


@contextmanager
def hosts(count: int, network: Network) -> Iterator[list[Host]]:
    """So many namespaces on one bridge.

    Raises:
        Impossible: there can be none here.
    """
    require_hosts()
    tag, mtu = f"vr{os.getpid() % 100_000}x{next(_count)}", str(network.mtu)
    with ExitStack() as stack:
        bridge = f"{tag}b"
        _ip("link", "add", bridge, "type", "bridge", "mcast_snooping", "0")
        stack.callback(_quietly, "link", "del", bridge)
        _ip("link", "set", bridge, "mtu", mtu, "up")
        made = []
        for n in range(1, count + 1):
            host = Host(f"{tag}n{n}", f"{tag}v{n}", f"10.67.0.{n}")
            name, inside = host.name, ("-n", host.name)
            _ip("netns", "add", name)
            stack.callback(_quietly, "netns", "del", name)
            _ip("link", "add", host.cable, "type", "veth", "peer", "name", "eth0", "netns", name)
            # The kernel takes a namespace away when it gets round to it; this goes at once.
            stack.callback(_quietly, "link", "del", host.cable)
            _ip("link", "set", host.cable, "mtu", mtu, "master", bridge, "up")
            _ip(*inside, "addr", "add", f"{host.address}/24", "broadcast", "+", "dev", "eth0")
            _ip(*inside, "link", "set", "eth0", "mtu", mtu, "up")
            _ip(*inside, "link", "set", "lo", "up")
            _ip(*inside, "route", "add", "224.0.0.0/4", "dev", "eth0")
            if not network.offload:
                _switch_off((), host.cable)
                _switch_off(host.prefix, "eth0")
            made.append(host)
        yield made


class Program:
    """One process, which tells lines and is told lines. End it with :meth:`end`."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str] | None = None) -> None:
        self.name = Path(command[0]).name
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def last_words(self) -> list[str]:
        """What it wrote last on standard error, if anything; ends it."""
        self._process.kill()
        _, errors = self._process.communicate()
        return [line for line in errors.splitlines() if line.strip()][-1:]

    def tell(self, line: str) -> None:
        """Say a line to it.

        Raises:
            Failed: it has ended.
        """
        assert self._process.stdin is not None, "a pipe"
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise Failed(self._said()) from None

    def line(self, timeout_s: float = LONGEST_S) -> str:
        """Its next line.

        Raises:
            Failed: it ended, or was ended because it said nothing for so long.
        """
        assert self._process.stdout is not None, "a pipe"
        alarm = threading.Timer(timeout_s, self._process.kill)
        alarm.start()
        try:
            line = self._process.stdout.readline()
        finally:
            alarm.cancel()
        if not line:
            raise Failed(self._said())
        return line.strip()

    def expect(self, word: str) -> None:
        """Wait for that line.

        Raises:
            Failed: it said something else, or nothing.
        """
        line = self.line()
        if line != word:
            raise Failed(f"{self.name} said {line!r} instead of {word!r}")

    def kill(self) -> None:
        """As a power cut would; collected by :meth:`end`."""
        self._process.kill()

    def end(self, softly_s: float = 0.0) -> None:
        """End it: asked to first, if it gets time for that."""
        if softly_s and self._process.poll() is None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(softly_s)
        self._process.kill()
        # Not `communicate`: it cannot be asked again after one that failed.
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            with contextlib.suppress(OSError):  # what was not written yet has no reader
                assert pipe is not None
                pipe.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(LONGEST_S)

    def _said(self) -> str:
        return f"{self.name} ended early: {(self.last_words() or ['it said nothing'])[0]}"


def cpu_seconds(pid: int) -> float:
    """Processor time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def cpu_percent(pids: Sequence[int], seconds: float) -> float:
    """What these processes take of one core together, watched for so long."""
    before, began = sum(map(cpu_seconds, pids)), time.monotonic()
    time.sleep(seconds)
    return 100 * (sum(map(cpu_seconds, pids)) - before) / (time.monotonic() - began)


class Strangers:
    """How much of the processors went to others since this was made: noise in every figure."""

    def __init__(self) -> None:
        self._before, self._own, self._began = _machine_busy(), _own_cpu(), time.monotonic()

    def percent(self) -> float:
        """Of all processors."""
        busy, own = _machine_busy() - self._before, _own_cpu() - self._own
        elapsed = (time.monotonic() - self._began) * (os.cpu_count() or 1)
        return max(0.0, 100 * (busy - own) / max(elapsed, 1e-9))


def _machine_busy() -> float:
    first = Path("/proc/stat").read_text(encoding="ascii").partition("\n")[0].split()
    user, nice, system = map(int, first[1:4])
    return (user + nice + system) / _TICKS


def _own_cpu() -> float:
    """Of this process and of all children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


@contextmanager
def interruptible() -> Iterator[None]:
    """SIGTERM ends a benchmark as Ctrl-C does, and a second one does not disturb the tidying."""

    def stop(number: int, frame: FrameType | None) -> None:
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = [(each, signal.signal(each, stop)) for each in (signal.SIGINT, signal.SIGTERM)]
    try:
        yield
    finally:
        for each, handler in before:
            signal.signal(each, handler)


def find_ethtool() -> str:
    """Why segment offload cannot be switched off here; empty if it can. Puts an ``ethtool`` that
    was fetched on the PATH."""
    if shutil.which("ethtool") is None:
        path = peers.find("ethtool")
        if path is None:
            return "no ethtool here: python -m tools.peers fetch --all"
        os.environ["PATH"] = f"{os.environ.get('PATH', '')}{os.pathsep}{path.parent}"
    return ""


def python(module: str) -> list[str]:
    """The command that runs a module of this project."""
    return [sys.executable, "-m", module]


def _switch_off(prefix: tuple[str, ...], device: str) -> None:
    for feature in _OFFLOADS:  # one by one: not every kernel knows them all
        subprocess.run(
            [*prefix, "ethtool", "-K", device, feature, "off"], capture_output=True, check=False
        )


def _ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"ip {' '.join(arguments)}: {done.stderr.strip()}")


def _quietly(*arguments: str) -> None:
    with contextlib.suppress(Failed):
        _ip(*arguments)
