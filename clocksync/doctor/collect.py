"""Finding out what an examination needs to know.  [I/O]

Everything is only read: files under ``/proc`` and ``/sys``, the kernel's clock, a socket to oneself
on loopback, and answers of the hosts that were named. ``root`` can be another folder than ``/``.
"""

import asyncio
import contextlib
import select
import socket
from collections.abc import Sequence
from pathlib import Path

from clocksync.chronyd import Tracking, find_chronyc, read_tracking
from clocksync.doctor.evidence import (
    ClockSource,
    Daemon,
    Evidence,
    HostEvidence,
    Stamps,
    Watched,
)
from clocksync.kernel_clock import read_kernel_clock
from clocksync.measuring.result import Measurement
from clocksync.measuring.run import MeasureRun
from clocksync.measuring.settings import MeasureSettings, NamedHost
from clocksync.ntp.packet import printable
from clocksync.runtime import kernel
from clocksync.runtime.clocks import reading_precision
from clocksync.runtime.core import Stamp
from clocksync.runtime.errors import NotSynchronised
from clocksync.runtime.sockets import set_options
from clocksync.runtime.udp import StampClock, SystemStampClock
from clocksync.runtime.units import MILLISECOND, SECOND
from clocksync.watching.run import read_tie
from clocksync.watching.ties import Ties

STEERING = {
    "chronyd": "chronyd",
    "ntpd": "ntpd",
    "ntp-daemon": "ntp-daemon",
    "systemd-timesyn": "systemd-timesyncd",  # the kernel keeps 15 letters of a name
    "phc2sys": "phc2sys",
}
"""Programs that steer a clock, by what the kernel calls them."""
ONLY_LOOKING = {"chronyd": ("-x", "-Q")}
"""Options with which they do not."""
LOOK_ALONE_S = 1.0
"""How long to watch the clock where there are no hosts to measure meanwhile."""
LOOK_EVERY_S = 0.01
STAMP_TRIES = 200
STAMP_WITHIN_S = 0.5
MEASURE_EVERY_NS = 250 * MILLISECOND


async def collect(
    hosts: Sequence[str | NamedHost] = (),
    samples: int = 8,
    timeout_ns: int = SECOND,
    max_offset_ns: int = 100 * MILLISECOND,
    family: int | None = None,
    root: Path = Path("/"),
) -> Evidence:
    """Look at this machine, and measure `hosts` meanwhile.

    Raises:
        BadConfig: a host is no host.
    """
    clock, enough = SystemStampClock(), asyncio.Event()
    why: dict[str, str] = {}
    daemons = running_daemons(root / "proc")
    if daemons is None:
        why["daemons"] = "there is no /proc that lists processes"
    steers = any(daemon.name == "chronyd" and daemon.steers for daemon in daemons or ())
    if steers and find_chronyc() is None:
        why["chronyd"], steers = "chronyc is not installed", False
    run = _measuring(hosts, samples, timeout_ns, family) if hosts else None
    measurement: Measurement | None = None
    found: tuple[HostEvidence, ...] = ()
    async with asyncio.TaskGroup() as group:
        looking = group.create_task(watch_clock(clock, enough))
        if run is not None:
            measurement, found = await _measure(run)
        else:
            await asyncio.sleep(LOOK_ALONE_S)
        enough.set()
    return Evidence(
        at_ns=clock.read(),
        kernel=read_kernel_clock(),
        daemons=daemons,
        clock_source=read_clock_source(root),
        hypervisor=read_hypervisor(root),
        watched=looking.result(),
        stamps=await asyncio.to_thread(try_stamps),
        chronyd=await asyncio.to_thread(_ask_chronyd) if steers else None,
        addresses=own_addresses(found),
        hosts=found,
        combined=None if measurement is None else measurement.combined,
        max_offset_ns=max_offset_ns,
        why=why,
    )


def _measuring(
    hosts: Sequence[str | NamedHost], samples: int, timeout_ns: int, family: int | None
) -> MeasureRun:
    settings = MeasureSettings(
        samples=samples,
        interval_ns=MEASURE_EVERY_NS,
        timeout_ns=timeout_ns,
        precision_ns=reading_precision(SystemStampClock()),
    )
    return MeasureRun(hosts, settings, family=family)


async def _measure(run: MeasureRun) -> tuple[Measurement, tuple[HostEvidence, ...]]:
    measurement = await run.run()
    found = []
    for number, result in enumerate(measurement.hosts):
        record = run.record(number)
        samples_of = () if record is None else tuple(record.association.samples)
        found.append(HostEvidence(result, samples_of))
    return measurement, tuple(found)


async def watch_clock(clock: StampClock, enough: asyncio.Event) -> Watched:
    """Read the wall clock against a steady one until `enough` is set; what was seen."""
    first = read_tie(clock)
    ties, last = Ties(first), first
    stepped_ns = slept_ns = 0
    while True:
        is_last = enough.is_set()
        last = read_tie(clock)
        slept_ns += ties.slept(last)
        step = ties.step(last)
        stepped_ns += 0 if step is None else step.middle
        if is_last:
            return Watched(last.steady_ns - first.steady_ns, stepped_ns, slept_ns)
        await asyncio.sleep(LOOK_EVERY_S)


def running_daemons(proc: Path) -> tuple[Daemon, ...] | None:
    """The time daemons among the processes; None where they cannot be listed."""
    if not (proc / "self").exists():
        return None
    found = []
    for folder in proc.iterdir():
        if not folder.name.isdigit():
            continue
        try:
            name = (folder / "comm").read_text(encoding="utf-8", errors="replace").strip()
            words = (folder / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
        except OSError:  # it has ended meanwhile
            continue
        if name in STEERING:
            looks = any(word in ONLY_LOOKING.get(name, ()) for word in words)
            found.append(Daemon(STEERING[name], int(folder.name), not looks))
    return tuple(sorted(found, key=lambda daemon: daemon.pid))


def read_clock_source(root: Path) -> ClockSource | None:
    """What the kernel counts time with; None where it does not say."""
    folder = root / "sys/devices/system/clocksource/clocksource0"
    try:
        current = (folder / "current_clocksource").read_text(encoding="ascii").strip()
        available = (folder / "available_clocksource").read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError):
        return None
    return ClockSource(current, tuple(available))


def read_hypervisor(root: Path) -> str | None:
    """What runs this virtual machine, as far as it says; None: no sign of any."""
    try:
        information = (root / "proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    flags = next((line for line in information.splitlines() if line.startswith("flags")), "")
    if "hypervisor" not in flags.split():
        return None
    try:
        maker = (root / "sys/class/dmi/id/sys_vendor").read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        maker = ""
    return printable(maker.encode()) or "of a maker that is not told"


def try_stamps() -> Stamps | None:
    """Send a few datagrams to oneself over loopback; whether the kernel stamped any each way.

    Several, because the kernel begins to stamp some time after it was first asked to.
    """
    if not kernel.IS_LINUX:
        return Stamps(received=False, sent=False)
    received = sent = False
    try:
        with socket.socket(type=socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.1", 0))
            set_options(sock, socket.AF_INET, True)
            for _ in range(STAMP_TRIES):
                sock.sendto(bytes(48), sock.getsockname())
                ready, _, _ = select.select([sock], [], [], STAMP_WITHIN_S)
                if not ready:
                    continue
                _, control, *_ = sock.recvmsg(64, 512, socket.MSG_DONTWAIT)
                received = received or kernel.receive_stamp(control) is not None
                sent = sent or _departure(sock)
                if received and sent:
                    break
    except OSError:
        return None
    return Stamps(received, sent)


def _departure(sock: socket.socket) -> bool:
    try:
        _, control, *_ = sock.recvmsg(64, 512, kernel.MSG_ERRQUEUE | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    return isinstance(kernel.error_queue_verdict(control), Stamp)


def _ask_chronyd() -> Tracking | str:
    try:
        return read_tracking()
    except NotSynchronised as error:
        return error.reason


def own_addresses(hosts: Sequence[HostEvidence]) -> tuple[str, ...]:
    """The addresses by which this machine would reach the hosts."""
    found: dict[str, None] = {}
    for host in hosts:
        address = host.result.address
        if address is None:
            continue
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.connect((address.partition("%")[0], 9))  # sends nothing: it only looks up a route
            found[sock.getsockname()[0]] = None
    return tuple(found)
