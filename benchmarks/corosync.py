"""corosync and clients of its process groups (CPG), beside which our ring is measured.  [I/O]

Debian's corosync, unpacked by ``python -m tools.peers fetch --all`` or installed; one daemon in
each host, with files of its own: a private ``/run`` and ``/dev/shm``, and a state directory there.
It gets its defaults, real-time priority among them, but for what a benchmark names. The client is
``cpg_load.c``, compiled here.
"""

import json
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness import Impossible
from benchmarks.ring_hosts import LONGEST_S, Failed, Host, Program, cpu_seconds
from tools import peers

SOURCE = Path(__file__).with_name("cpg_load.c")
WARM_UP_S = 1.0
LONGEST_START_S = 30.0
_PLUGINS = "usr/lib/*-linux-*/kronosnet"

# $0 configuration, $1 daemon, $2 a directory to lay over $3 so that the daemon finds its plug-ins
# (their place is compiled in), if it was unpacked and not installed.
_START = """
mount -t tmpfs none /run && mount -t tmpfs none /dev/shm && mkdir /run/state || exit 1
if [ -n "$2" ]; then mount -t overlay overlay -o "lowerdir=$2:$3" "$3" || exit 1; fi
exec "$1" -f -c "$0"
"""


@dataclass(frozen=True, slots=True)
class Transport:
    """How daemons talk."""

    name: str
    transport: str
    encrypted: bool = False


UDP = Transport("corosync, udp", "udp")
KNET = Transport("corosync, knet", "knet")
SEALED = Transport("corosync, knet aes256+sha256", "knet", encrypted=True)


@dataclass(frozen=True, slots=True)
class Carried:
    """What a group of clients carried."""

    messages_per_second: float
    shares: list[float]
    cpu_percent: float
    """Of one core, daemons and clients together."""
    p50_us: float
    p99_us: float


def build(folder: Path) -> Path:
    """The client, compiled.

    Raises:
        Impossible: corosync, its library or a compiler is missing.
    """
    if peers.find("corosync") is None:
        raise Impossible("no corosync here: python -m tools.peers fetch --all")
    if shutil.which("nsenter") is None or shutil.which("unshare") is None:
        raise Impossible("no nsenter and unshare here: apt-get install util-linux")
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if compiler is None:
        raise Impossible("there is no C compiler: apt-get install gcc")
    program = folder / "cpg_load"
    where = [f"-I{peers.ROOT}/usr/include"]
    for library in (peers.ROOT / "usr/lib").glob("*-linux-*"):
        where += [f"-L{library}", f"-Wl,-rpath-link,{library}"]
    done = subprocess.run(
        [compiler, "-O2", "-Wall", "-Wextra", "-o", str(program), str(SOURCE), *where, "-lcpg"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["the compiler failed"]
        raise Impossible(f"cpg_load.c cannot be compiled: {last[0]} (libcpg-dev is needed)")
    return program


class Cluster:
    """A daemon in each host. Made by :func:`cluster`."""

    def __init__(self, hosts: Sequence[Host], folder: Path, client: Path) -> None:
        self.hosts, self.folder, self._client = hosts, folder, client
        self.daemons: list[Program] = []
        self._env = peers.environment()

    def start(self, transport: Transport, mtu: int, token_ms: int) -> None:
        """Start all, and wait until they see each other.

        Raises:
            Failed: they do not.
        """
        key = self.folder / "key"
        key.write_bytes(secrets.token_bytes(256))
        found = peers.find("corosync")
        assert found is not None, "build() looked"
        overlay = _overlay(found, self.folder)
        for me, host in enumerate(self.hosts, 1):
            path = self.folder / f"{me}.conf"
            text = configuration(self.hosts, me, transport, mtu, token_ms, self.folder)
            path.write_text(text, encoding="ascii")
            (self.folder / f"{me}.log").touch()
            command = [*host.prefix, "unshare", "-m", "--propagation", "private"]
            command += ["sh", "-c", _START, str(path), str(found), *overlay]
            self.daemons.append(Program(command, self._env))
        self._wait_together(transport)

    def client(self, me: int, *arguments: object) -> Program:
        """A client at the daemon of that host."""
        inside = ["nsenter", "-t", str(self.daemons[me - 1].pid), "-m", "-n", "--"]
        return Program([*inside, str(self._client), *map(str, arguments)], self._env)

    def carry(self, size: int, seconds: float, senders: int = 0, outstanding: int = 0) -> Carried:
        """Let the first `senders` (0: all) multicast, and count.

        Raises:
            Failed: a client did.
        """
        count = len(self.hosts)
        with ExitStack() as stack:
            clients = []
            for me in range(1, count + 1):
                sends = int(me <= (senders or count))
                clients.append(self.client(me, "flood", count, sends, size, outstanding))
                stack.callback(clients[-1].end)
            for client in clients:
                client.expect("ready")
            begin = time.monotonic_ns() + round(WARM_UP_S * 1e9)
            for client in clients:
                client.tell(f"{begin} {begin + round(seconds * 1e9)}")
            pids = [program.pid for program in (*self.daemons, *clients)]
            time.sleep(WARM_UP_S)
            before, began = sum(map(cpu_seconds, pids)), time.monotonic()
            time.sleep(seconds * 0.9)  # until before they tell and the first of them ends
            used = (sum(map(cpu_seconds, pids)) - before) / (time.monotonic() - began)
            found = [json.loads(client.line(LONGEST_S + seconds)) for client in clients]
        total = sum(one["delivered"] for one in found) or 1
        return Carried(
            min(one["delivered"] for one in found) / seconds,
            [
                sum(one["origins"].get(str(node), 0) for one in found) / total
                for node in range(1, (senders or count) + 1)
            ],
            100 * used,
            found[0]["p50"],
            found[0]["p99"],
        )

    def _wait_together(self, transport: Transport) -> None:
        ends = time.monotonic() + LONGEST_START_S
        while time.monotonic() < ends:
            logs = [self._log(me) for me in range(1, len(self.hosts) + 1)]
            # knet begins with a small MTU and finds the right one a little later.
            if all(f"Sync members[{len(logs)}]" in log for log in logs) and (
                transport.transport != "knet" or all("data MTU changed" in log for log in logs)
            ):
                time.sleep(0.3)
                return
            if any(daemon.has_ended for daemon in self.daemons):
                break
            time.sleep(0.05)
        last = self._log(1).strip().splitlines()[-1:] or self.daemons[0].last_words()
        raise Failed(f"{transport.name} did not start: {last[0] if last else 'it said nothing'}")

    def _log(self, me: int) -> str:
        return (self.folder / f"{me}.log").read_text(encoding="utf-8", errors="replace")


@contextmanager
def cluster(
    hosts: Sequence[Host], client: Path, transport: Transport, *, mtu: int, token_ms: int = 0
) -> Iterator[Cluster]:
    """Daemons in these hosts, together.

    Args:
        token_ms: the token timeout; 0 for corosync's own.

    Raises:
        Failed: they did not start.
    """
    with tempfile.TemporaryDirectory(prefix="clocksync-corosync-") as folder:
        made = Cluster(hosts, Path(folder), client)
        try:
            made.start(transport, mtu, token_ms)
            yield made
        finally:
            for daemon in made.daemons:
                daemon.end()


def configuration(
    hosts: Sequence[Host], me: int, transport: Transport, mtu: int, token_ms: int, folder: Path
) -> str:
    """The file of one daemon."""
    cipher, digest = ("aes256", "sha256") if transport.encrypted else ("none", "none")
    lines = ["totem {", "version: 2", "cluster_name: bench", f"transport: {transport.transport}"]
    lines += [f"crypto_cipher: {cipher}", f"crypto_hash: {digest}"]
    if transport.encrypted:
        lines.append(f"keyfile: {folder / 'key'}")
    if token_ms:
        lines += [f"token: {token_ms}", "token_coefficient: 0"]
    if transport.transport == "udp":
        if mtu != 1500:
            lines.append(f"netmtu: {mtu - 100}")
        lines += ["interface {", "ringnumber: 0", f"bindnetaddr: {hosts[me - 1].address}"]
        lines += ["mcastaddr: 239.67.0.1", "mcastport: 5405", "ttl: 1", "}"]
    lines += ["}", "nodelist {"]
    for n, host in enumerate(hosts, 1):
        lines += ["node {", f"ring0_addr: {host.address}", f"nodeid: {n}", f"name: host{n}", "}"]
    lines += ["}", "system {", "state_dir: /run/state", "}"]
    lines += ["logging {", "to_stderr: no", "to_syslog: no", "to_logfile: yes"]
    lines += [f"logfile: {folder / f'{me}.log'}", "timestamp: hires", "}", ""]
    return "\n".join(lines)


def _overlay(daemon: Path, folder: Path) -> tuple[str, str]:
    """What to lay over which directory, as `_START` takes it."""
    if not daemon.is_relative_to(peers.ROOT):
        return "", ""
    for plugins in peers.ROOT.glob(_PLUGINS):
        layer = folder / "layer"
        layer.mkdir()
        (layer / "kronosnet").symlink_to(plugins)
        return str(layer), f"/{plugins.parent.relative_to(peers.ROOT)}"
    return "", ""
