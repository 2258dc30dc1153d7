"""Time daemons that nobody here wrote, run for a test: chronyd, ntpd, ntpdig, ptp4l.

::

    with chrony_server(stratum=2) as server:
        measure_sync([f"{server.address}:{server.port}"])
        assert "Stratum" in server.ask_chronyc("tracking")

No daemon can touch the machine's clock: chronyd runs with ``-x``, ntpd with ``disable ntp``, and
both without CAP_SYS_TIME where this process may take it away. Each lives in a temporary folder of
its own, is ready when a raw NTP request got a synchronised answer, and is stopped by its pid at the
end of the ``with``. ntpd insists on port 123 and so wants a :class:`tests.namespaces.Host`; chronyd
takes one, or a free port on loopback.

A test whose program is missing is skipped with the reason, or fails: see :mod:`tests.namespaces`.
"""

import json
import os
import pwd
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from tests.namespaces import Host, stop_test
from tools import peers

# Nothing is ever waited for so long, but on a machine that stalls.
_READY_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 20.0
_COMMAND_TIMEOUT_S = 60.0
_PORT_ATTEMPTS = 3  # a port found free may be taken before the daemon opens it
_REQUEST = bytes([0x23]) + bytes(39) + b"daemons?"  # version 4, mode 3, any transmit timestamp


class DaemonFailed(Exception):
    """A daemon ended, or gave no synchronised answer in time; the message holds its log."""


@dataclass(frozen=True, slots=True)
class Daemon:
    """A running daemon: where it answers, its process, its folder."""

    address: str
    port: int
    process: "subprocess.Popen[bytes]"
    folder: Path
    host: Host | None

    @property
    def log(self) -> str:
        file = self.folder / "log"
        return file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""

    @property
    def output(self) -> str:
        """What it printed so far."""
        file = self.folder / "output"
        return file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""

    def ask_chronyc(self, *words: str) -> str:
        """What chronyc prints about a chronyd, such as ``ask_chronyc("tracking")``."""
        return _run(["chronyc", "-n", "-h", str(self.folder / "socket"), *words])


@contextmanager
def chrony_server(
    host: Host | None = None, *, address: str | None = None, stratum: int = 2, extra: str = ""
) -> Iterator[Daemon]:
    """A chronyd that serves the machine's own clock at `stratum`.

    It listens on `address`: the host's IPv4 address, or 127.0.0.1 where there is no host. `extra`
    holds further lines of configuration, such as ``ratelimit interval 3`` or what
    :func:`write_keys` needs. A `stratum` of 0 leaves it unsynchronised.
    """
    address = address or (host.ipv4 if host else "127.0.0.1")
    with _folder() as folder:
        for attempt in range(_PORT_ATTEMPTS):
            port = 123 if host else free_port(address)
            lines = [f"port {port}", f"bindaddress {address}", "allow", extra]
            if stratum:
                lines.append(f"local stratum {stratum}")
            process = _start_chronyd(folder, lines, host)
            daemon = Daemon(address, port, process, folder, host)
            try:
                _wait_until_it_answers(daemon, must_be_synchronised=stratum > 0)
            except DaemonFailed:
                _stop(process)
                if "Could not" in daemon.log and attempt + 1 < _PORT_ATTEMPTS:
                    continue
                raise
            break
        try:
            yield daemon
        finally:
            _stop(process)


@contextmanager
def chrony_client(
    server: str,
    port: int = 123,
    *,
    host: Host | None = None,
    options: str = "iburst",
    extra: str = "",
) -> Iterator[Daemon]:
    """A chronyd that follows `server` without touching the clock, and logs every measurement.

    `options` are those of its ``server`` line: ``xleave`` for interleaved mode,
    ``minpoll -6 maxpoll -6`` for 64 polls a second; `extra` holds further lines.
    :func:`chrony_measurements` reads its log.
    """
    with _folder() as folder:
        lines = [
            f"server {server} port {port} {options}",
            "port 0",
            f"logdir {folder}",
            "log rawmeasurements",
            extra,
        ]
        process = _start_chronyd(folder, lines, host)
        daemon = Daemon(server, port, process, folder, host)
        try:
            if not poll(daemon, (folder / "socket").exists, _READY_TIMEOUT_S):
                raise DaemonFailed(f"chronyd did not start:\n{daemon.log}")
            yield daemon
        finally:
            _stop(process)


@dataclass(frozen=True, slots=True)
class Measurement:
    """One line of a chronyd client's ``measurements.log``, described in chrony.conf(5)."""

    offset_ns: int  # theirs minus ours
    delay_ns: int
    interleaved: bool


def chrony_measurements(client: Daemon) -> list[Measurement]:
    """What a chronyd client has logged so far."""
    file = client.folder / "measurements.log"
    if not file.exists():
        return []
    found = []
    # The last line may be half written.
    for line in file.read_text(encoding="utf-8").splitlines(keepends=True):
        fields = line.split()
        if re.match(r"\d{4}-\d\d-\d\d .*\n", line) and len(fields) >= 20:
            offset_ns, delay_ns = (round(float(fields[n]) * 1e9) for n in (11, 12))
            found.append(Measurement(offset_ns, delay_ns, "I" in fields[17]))
    return found


def wait_for_measurements(client: Daemon, count: int, timeout_s: float = 60.0) -> list[Measurement]:
    """The measurements of a chronyd client, once there are `count` of them.

    Raises:
        DaemonFailed: there were fewer after `timeout_s`.
    """
    if not poll(client, lambda: len(chrony_measurements(client)) >= count, timeout_s):
        have = len(chrony_measurements(client))
        raise DaemonFailed(f"chronyd made {have} of {count} measurements:\n{client.log}")
    return chrony_measurements(client)


def chrony_query(
    server: str,
    port: int = 123,
    *,
    host: Host | None = None,
    options: str = "",
    extra: str = "",
    wait_s: int = 30,
) -> float:
    """What one run of ``chronyd -Q`` says of `server`: its clock minus ours, seconds.

    It takes one sample, within `wait_s`, and prints six digits after the point; `extra` holds
    further lines of configuration.

    Raises:
        DaemonFailed: it found no usable server; the message holds what it said.
    """
    with _folder() as folder:
        line = f"server {server} port {port} iburst maxsamples 1 {options}"
        arguments = [*_chronyd(), "-Q", "-t", str(wait_s), *_private(folder)]
        arguments += [*extra.splitlines(), line]
        finished = _finished(arguments, host)
    said = finished.stdout + finished.stderr
    match = re.search(r"System clock wrong by (\S+) seconds", said)
    if not match:
        raise DaemonFailed(f"chronyd -Q measured nothing:\n{said}")
    return float(match[1])


@contextmanager
def ntpsec_server(host: Host, *, stratum: int = 3, extra: str = "") -> Iterator[Daemon]:
    """ntpsec's ntpd in `host`, port 123, serving the machine's clock at `stratum`; it takes about
    two seconds to offer it."""
    with _folder() as folder:
        # Orphan mode: a server with no source of its own says it is synchronised all the same.
        lines = ["disable ntp", f"tos orphan {stratum} orphanwait 1", "restrict default", extra]
        configuration = folder / "conf"
        configuration.write_text("\n".join([*lines, ""]), encoding="utf-8")
        arguments = [*_without_clock_rights(), *_command("ntpd"), "-n"]
        arguments += ["-c", str(configuration), "-l", str(folder / "log")]
        process = _popen(arguments, folder, host)
        daemon = Daemon(host.ipv4, 123, process, folder, host)
        try:
            # Asked 50 times a second, ntpd never comes to declare itself an orphan's server.
            _wait_until_it_answers(daemon, interval_s=0.25)
            yield daemon
        finally:
            _stop(process)


def ntpdig_query(
    server: str, *, host: Host | None = None, timeout_s: int = 20, options: Sequence[str] = ()
) -> dict[str, object]:
    """One sample of ntpsec's ntpdig from port 123 of `server`: its JSON. ``offset`` is theirs minus
    ours in seconds. `options` go before the server, such as ``-a 1 -k FILE`` for a key.

    Raises:
        DaemonFailed: it got no usable answer.
    """
    said = _run(["ntpdig", "-j", "-p", "1", "-t", str(timeout_s), *options, server], host)
    result: dict[str, object] = json.loads(said)
    return result


@contextmanager
def ptp4l(host: Host, *settings: str, arguments: Sequence[str] = ("-4",)) -> Iterator[Daemon]:
    """linuxptp's ptp4l on the card of `host`: software stamps, free running, eight messages of each
    kind a second. `settings` are further lines, such as ``masterOnly 1``. Ready when its port is
    master or slave."""
    with _folder() as folder:
        lines = [
            "[global]",
            "time_stamping software",
            "free_running 1",
            "logSyncInterval -3",
            "logMinDelayReqInterval -3",
            "logAnnounceInterval -2",
            # A stamp that comes late, on a busy machine, is a fault, which silences it for 16 s.
            "tx_timestamp_timeout 5000",
            "fault_reset_interval ASAP",
            "summary_interval -3",
            "use_syslog 0",
            "verbose 1",
            f"uds_address {folder / 'socket'}",
            *settings,
        ]
        (folder / "conf").write_text("\n".join([*lines, ""]), encoding="utf-8")
        command = [*_without_clock_rights(), *_command("ptp4l"), *arguments]
        command += ["-f", str(folder / "conf"), "-i", host.device]
        process = _popen(command, folder, host)
        daemon = Daemon(host.ipv4, 319, process, folder, host)
        try:
            if not poll(daemon, lambda: bool(_IN_STATE.search(daemon.output)), _READY_TIMEOUT_S):
                raise DaemonFailed(f"ptp4l came to no state:\n{daemon.output}")
            yield daemon
        finally:
            _stop(process)


_IN_STATE = re.compile(r"port 1: .* to (MASTER|GRAND_MASTER|SLAVE|UNCALIBRATED)\b")


def write_keys(folder: Path, keys: dict[int, tuple[str, str]]) -> Path:
    """A key file that chronyd, ntpd and ntpdig all read: number -> (``SHA1`` or the like, secret).

    The secret is at most 20 printable characters: ntpsec reads longer ones as hex digits.
    """
    file = folder / "keys"
    lines = [f"{number} {kind} {secret}\n" for number, (kind, secret) in keys.items()]
    file.write_text("".join(lines), encoding="utf-8")
    file.chmod(0o600)
    return file


def exchange(
    address: str, port: int, request: bytes, *, host: Host | None = None, timeout_s: float = 20.0
) -> bytes | None:
    """Send one datagram and return the first that comes back, or None when none does in time."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with host.inside() if host else nullcontext():
        sock = socket.socket(family, socket.SOCK_DGRAM)
    with sock:
        sock.settimeout(timeout_s)
        try:
            sock.connect((address, port))
            sock.send(request)
            return sock.recv(2048)
        except (TimeoutError, ConnectionRefusedError):
            return None


def free_port(address: str = "127.0.0.1", tcp: bool = False) -> int:
    """A UDP port of `address` that nobody had a moment ago, or a `tcp` port."""
    with socket.socket(
        socket.AF_INET6 if ":" in address else socket.AF_INET,
        socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM,
    ) as sock:
        sock.bind((address, 0))
        port: int = sock.getsockname()[1]
        return port


@contextmanager
def _folder() -> Iterator[Path]:
    # A short path: that of a Unix socket holds 107 bytes, and pytest's are long.
    with tempfile.TemporaryDirectory(prefix="clocksync-") as folder:
        yield Path(folder)


def _command(program: str) -> list[str]:
    try:
        return peers.command(program)
    except peers.PeersMissing as error:
        stop_test(str(error))


def _without_clock_rights() -> list[str]:
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        return []
    return ["setpriv", "--bounding-set=-sys_time", "--inh-caps=-sys_time"]


def _chronyd() -> list[str]:
    # -F 0: Debian's system call filter knows nothing of the libraries of a test machine.
    user = pwd.getpwuid(os.geteuid()).pw_name
    return [*_without_clock_rights(), *_command("chronyd"), "-x", "-U", "-u", user, "-F", "0"]


def _private(folder: Path) -> list[str]:
    """Configuration that keeps a chronyd out of every other one's way."""
    return [f"pidfile {folder / 'pid'}", "cmdport 0", f"bindcmdaddress {folder / 'socket'}"]


def _start_chronyd(
    folder: Path, lines: Sequence[str], host: Host | None
) -> "subprocess.Popen[bytes]":
    configuration = folder / "conf"
    configuration.write_text("\n".join([*lines, *_private(folder), ""]), encoding="utf-8")
    log = folder / "log"
    log.unlink(missing_ok=True)
    arguments = [*_chronyd(), "-n", "-f", str(configuration), "-l", str(log)]
    return _popen(arguments, folder, host)


def _popen(arguments: list[str], folder: Path, host: Host | None) -> "subprocess.Popen[bytes]":
    with (folder / "output").open("wb") as output:
        return subprocess.Popen(
            host.command(arguments) if host else arguments,
            env=peers.environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def _wait_until_it_answers(
    daemon: Daemon, must_be_synchronised: bool = True, interval_s: float = 0.02
) -> None:
    def answers() -> bool:
        reply = exchange(daemon.address, daemon.port, _REQUEST, host=daemon.host, timeout_s=0.1)
        # Leap 3 is "not synchronised"; RFC 5905 figure 9.
        return reply is not None and not (must_be_synchronised and reply[0] >> 6 == 3)

    if not poll(daemon, answers, _READY_TIMEOUT_S, interval_s):
        output = (daemon.folder / "output").read_text(encoding="utf-8", errors="replace")
        place = f"{daemon.address}:{daemon.port}"
        raise DaemonFailed(f"no answer from {place}:\n{output}{daemon.log}")


def poll(
    daemon: Daemon, is_so: Callable[[], bool], timeout_s: float, interval_s: float = 0.02
) -> bool:
    """Ask until it is so; False when the daemon ends first, or the time does."""
    deadline = time.monotonic() + timeout_s
    while not is_so():
        if time.monotonic() > deadline or daemon.process.poll() is not None:
            return False
        # Another process tells nobody that it is ready: asking again is all there is.
        time.sleep(interval_s)
    return True


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(_STOP_TIMEOUT_S)


def _run(arguments: list[str], host: Host | None = None) -> str:
    arguments = [*_command(arguments[0]), *arguments[1:]]
    finished = _finished(arguments, host)
    if finished.returncode:
        raise DaemonFailed(f"{arguments[0]}: {finished.stdout}{finished.stderr}")
    return finished.stdout


def _finished(arguments: list[str], host: Host | None) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        host.command(arguments) if host else arguments,
        env=peers.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_COMMAND_TIMEOUT_S,
        check=False,
    )
