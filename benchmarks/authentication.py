"""What authentication costs: our client and our server beside chronyd's, plain and by NTS.  [I/O]

Both clients ask both servers on loopback, one request after the other: plain, with an AES-CMAC key
and by NTS. What the system accounts to a process is divided by the exchanges it had, so waiting
does not count. chronyd cannot be told to ask as fast as it can: it polls 64 times a second, and its
row says what one of those polls costs it. A server is kept busy with requests made beforehand,
since sealing them is the client's affair; the load comes from Python, so it is chronyd's CPU time
that tells how fast that is, not its answers a second. Key establishment is counted on its own.
Rounds take turns; the best of each row counts, since whatever else runs on the machine can only
slow things down. ``python -m benchmarks.authentication --help``.
"""

import argparse
import asyncio
import os
import random
import select
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from rich.table import Table

from benchmarks.harness import Impossible, machine, tell, the_machine_alone
from benchmarks.results import record
from clocksync.measuring.credentials import Credentials
from clocksync.measuring.measure import measure_sync
from clocksync.measuring.result import Verdict
from clocksync.ntp.authentication import KeyAuthenticator
from clocksync.ntp.keyfile import read_keys
from clocksync.ntp.packet import NtpPacket
from clocksync.nts.client import NtsAuthenticator
from clocksync.nts.establish import establish
from clocksync.nts.service import NtsService
from clocksync.nts.tls import Client
from clocksync.runtime.units import SECOND
from clocksync.serve import Server
from tests.certificates import Authority, Pair
from tests.daemons import chrony_client, chrony_server, free_port, wait_for_measurements
from tools import peers

METHODS = ("plain", "key", "nts")
KEYS = "5 AES128 HEX:00112233445566778899aabbccddeeff\n"
CHRONY_POLLS = 192
IN_FLIGHT = 64


@dataclass(frozen=True, slots=True)
class Target:
    """A server that runs: where it answers, where it gives keys, and whose process it is."""

    address: str
    port: int
    ke_port: int
    pid: int


@dataclass(slots=True)
class Row:
    """One figure, a value a round."""

    what: str
    method: str
    values: list[float] = field(default_factory=list)
    best: Callable[[Sequence[float]], float] = min


def cpu_seconds(pid: int) -> float:
    """CPU time a process and its children have used, in user space and in the kernel: chronyd has
    children for key establishment."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    ticks = 0
    for one in (str(pid), *children):
        after_name = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        ticks += int(after_name[11]) + int(after_name[12])
    return ticks / os.sysconf("SC_CLK_TCK")


@contextmanager
def chronyd(folder: Path, pair: Pair) -> Iterator[Target]:
    ke_port = free_port("127.0.0.1", tcp=True)
    lines = f"keyfile {folder / 'keys'}\nntsserverkey {pair.key}\n"
    lines += f"ntsservercert {pair.certificate}\nntsport {ke_port}"
    with chrony_server(extra=lines) as daemon:
        yield Target(daemon.address, daemon.port, ke_port, daemon.process.pid)


@contextmanager
def ours(folder: Path, pair: Pair) -> Iterator[Target]:
    """Our server in a process of its own, so that its CPU time is its own."""
    ears, mouth = os.pipe()
    child = os.fork()
    if not child:
        os.close(ears)
        service = NtsService(pair.certificate, pair.key, port=0)
        server = Server(port=0, keys=read_keys(folder / "keys"), nts=service)
        server.open()
        os.write(mouth, f"{server.address[1]} {service.addresses[0][1]}\n".encode())
        server.serve_forever()
        os._exit(0)
    os.close(mouth)
    try:
        port, ke_port = map(int, os.read(ears, 100).split())
        yield Target("127.0.0.1", port, ke_port, child)
    finally:
        os.kill(child, 15)
        os.waitpid(child, 0)
        os.close(ears)


def our_client(target: Target, method: str, folder: Path, ca: Path, samples: int) -> float:
    """CPU us of an exchange of ``clocksync measure --burst``."""
    keys = read_keys(folder / "keys")
    credentials = {
        "plain": Credentials(),
        "key": Credentials(keys=keys, key=5),
        "nts": Credentials(nts=True, nts_ca=ca),
    }[method]
    port = target.ke_port if method == "nts" else target.port

    def run(count: int) -> float:
        before = time.process_time_ns()
        measurement = measure_sync(
            [f"{target.address}:{port}"], samples=count, burst=True, credentials=credentials
        )
        (row,) = measurement.hosts
        if row.verdict is not Verdict.TRUECHIMER or row.answered < count:
            raise Impossible(f"{method}: {row.answered} of {count} answered: {row.reason}")
        return time.process_time_ns() - before

    few = samples // 10  # the difference leaves out what a measurement costs however long it is
    return (run(samples) - run(few)) / (samples - few) / 1000


def chrony_as_client(target: Target, method: str, folder: Path, ca: Path) -> float:
    """CPU us of a poll of chronyd's, 64 a second, xleave."""
    how = {"plain": "", "key": "key 5", "nts": f"nts ntsport {target.ke_port}"}[method]
    extra = f"keyfile {folder / 'keys'}\nntstrustedcerts {ca}"
    options = f"iburst xleave minpoll -6 maxpoll -6 {how}"
    with chrony_client(target.address, target.port, options=options, extra=extra) as client:
        first = len(wait_for_measurements(client, 20))
        before = cpu_seconds(client.process.pid)
        last = len(wait_for_measurements(client, first + CHRONY_POLLS))
        return (cpu_seconds(client.process.pid) - before) / (last - first) * 1e6


def requests(target: Target, method: str, folder: Path, ca: Path, count: int) -> list[bytes]:
    """Requests made beforehand; by NTS all with one cookie, which a server cannot know."""
    packets = [NtpPacket(transmit_timestamp=number + 1) for number in range(count)]
    if method == "plain":
        return [packet.encode() for packet in packets]
    if method == "key":
        keyed = KeyAuthenticator(read_keys(folder / "keys")[5])
        return [keyed.seal(packet).encode() for packet in packets]
    got = asyncio.run(establish(Client(ca), target.address, (target.address, target.ke_port)))
    rng = random.Random(1)
    return [NtsAuthenticator(got, rng).seal(packet).encode() for packet in packets]


def serve_rate(target: Target, made: list[bytes], seconds: float) -> tuple[float, float]:
    """Answers a second, and CPU us of the server for each, with 64 requests in flight."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect((target.address, target.port))
    sock.setblocking(False)
    before, began, got, at = cpu_seconds(target.pid), time.monotonic_ns(), 0, 0
    for _ in range(IN_FLIGHT):
        sock.send(made[at])
        at += 1
    until = began + round(seconds * SECOND)
    while time.monotonic_ns() < until:
        if not select.select([sock], [], [], 0.2)[0]:
            break  # they are lost: as many as there were
        try:
            while True:
                if len(sock.recv(2048)) != len(made[0]):
                    raise Impossible(f"{target.port}: an answer that is no answer to its request")
                got += 1
                sock.send(made[at % len(made)])
                at += 1
        except BlockingIOError:
            pass
    elapsed = (time.monotonic_ns() - began) / SECOND
    sock.close()
    return got / elapsed, (cpu_seconds(target.pid) - before) / max(1, got) * 1e6


def establishing(target: Target, ca: Path, count: int) -> tuple[float, float]:
    """CPU ms of our client and of the server for one key establishment."""
    trusting = Client(ca)

    async def all_of_them() -> None:
        for _ in range(count):
            await establish(trusting, target.address, (target.address, target.ke_port))

    own, theirs = time.process_time_ns(), cpu_seconds(target.pid)
    asyncio.run(all_of_them())
    own = time.process_time_ns() - own
    return own / count / 1e6, (cpu_seconds(target.pid) - theirs) / count * 1e3


class Contest:
    """All rows of one run."""

    def __init__(self, folder: Path, chosen: argparse.Namespace) -> None:
        self.folder, self.chosen = folder, chosen
        (folder / "keys").touch(0o600)
        (folder / "keys").write_text(KEYS)
        authority = Authority(folder)
        self.ca = authority.file
        self.pair = authority.sign("server", names=["localhost"])
        self.rows: dict[tuple[str, str], Row] = {}

    def note(self, what: str, method: str, value: float, best: Callable[..., float] = min) -> None:
        self.rows.setdefault((what, method), Row(what, method, best=best)).values.append(value)

    def round(self, servers: dict[str, Target]) -> None:
        folder, ca, chosen = self.folder, self.ca, self.chosen
        theirs, mine = servers["chronyd"], servers["clocksync serve"]
        for method in METHODS:
            cost = our_client(theirs, method, folder, ca, chosen.samples)
            self.note("clocksync measure: CPU us an exchange", method, cost)
            cost = chrony_as_client(mine, method, folder, ca)
            self.note("chronyd as client: CPU us a poll", method, cost)
            for name, target in servers.items():
                made = requests(target, method, folder, ca, 2000)
                rate, cost = serve_rate(target, made, chosen.seconds)
                self.note(f"{name}: answers/s", method, rate, max)
                self.note(f"{name}: CPU us an answer", method, cost)
        for name, target in servers.items():
            own, cost = establishing(target, ca, 50)
            self.note(f"{name}: CPU ms a key establishment", "nts", cost)
            self.note("our client: CPU ms a key establishment", "nts", own)

    def show(self) -> None:
        """The table, and what each method costs beside plain."""
        table = Table(title="Authentication, best of all rounds", caption=machine())
        table.add_column("what")
        for method in METHODS:
            table.add_column(method, justify="right")
        table.add_column("key to plain", justify="right")
        table.add_column("nts to plain", justify="right")
        for what in dict.fromkeys(what for what, _ in self.rows):
            found = [self.rows.get((what, method)) for method in METHODS]
            values = [row.best(row.values) if row else None for row in found]
            cells = ["-" if v is None else f"{v:,.0f}" if v > 999 else f"{v:.1f}" for v in values]
            for value in values[1:]:
                known = value is not None and values[0]
                cells.append(f"{value / values[0]:.2f}" if known else "-")  # type: ignore[operator]
            table.add_row(what, *cells)
        tell(table, width=130)
        self.keep()

    def keep(self) -> None:
        """The same as data, and what is to be quoted."""
        by: dict[str, dict[str, dict[str, float | None]]] = {}
        for (what, method), row in self.rows.items():
            who, _, figure = what.partition(": ")
            by.setdefault(figure, {}).setdefault(who, {})[method] = row.best(row.values)
        for figure in ("CPU us an answer", "answers/s"):
            better: Literal["more", "less"] = "more" if figure == "answers/s" else "less"
            title = figure.replace("CPU us", "CPU time of the server for")
            unit = "us" if better == "less" else figure
            record.bars(title, unit, by.get(figure, {}), peers=["chronyd"], better=better)
        for method, name in (("plain", "without"), ("key", "with a key"), ("nts", "by NTS")):
            cost = by.get("CPU us an answer", {})
            record.headline(
                f"CPU time of the server for an answer {name}",
                cost.get("clocksync serve", {}).get(method),
                "us",
                peer=cost.get("chronyd", {}).get(method),
                peer_name="chronyd",
            )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--samples", type=int, default=2_000)
    parser.add_argument("--seconds", type=float, default=2.0)
    chosen = record.parse(parser, arguments)
    try:
        if not sys.platform.startswith("linux"):
            raise Impossible("CPU time of another process is read from Linux's /proc")
        if peers.find("chronyd") is None:
            raise Impossible("chronyd is not there: make peers")
        with the_machine_alone(), tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
            contest = Contest(Path(folder), chosen)
            place = (contest.folder, contest.pair)
            servers = {
                "clocksync serve": stack.enter_context(ours(*place)),
                "chronyd": stack.enter_context(chronyd(*place)),
            }
            for _ in range(chosen.rounds):
                contest.round(servers)
    except Impossible as error:
        return record.unable(error)
    contest.show()
    return 0


if __name__ == "__main__":
    sys.exit(record.run(main))
