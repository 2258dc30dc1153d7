"""What evidence says of this machine and its clock. Pure: one function a check.

Each yields findings, or says why it could not be made. :data:`CHECKS` names them all.
"""

from collections.abc import Callable, Iterator

from clocksync.doctor.evidence import Evidence, Finding, Severity, Unchecked
from clocksync.measuring.table import clock_words
from clocksync.runtime.interval import Interval
from clocksync.runtime.units import MICROSECOND, SECOND, format_duration

LOCAL = "local clock"
SLOW_SOURCES = frozenset({"hpet", "acpi_pm", "jiffies", "refined-jiffies", "pit"})
"""Clock sources that take a microsecond or more to read, or tick coarsely."""
FREQUENCY_LIMIT_PPM = 500.0
"""What the kernel can correct (adjtimex(2))."""
FREQUENCY_LARGE_PPM = 400.0
ERROR_LARGE_NS = SECOND
STEP_NOTICED_NS = 100 * MICROSECOND

Outcome = Iterator[Finding | Unchecked]
Check = Callable[[Evidence], Outcome]


def time_daemons(evidence: Evidence) -> Outcome:
    """Exactly one program steers the clock."""
    if evidence.daemons is None:
        yield Unchecked("time-daemons", evidence.why.get("daemons", "processes cannot be listed"))
        return
    steering = sorted({daemon.name for daemon in evidence.daemons if daemon.steers})
    if len(steering) > 1:
        pids = ", ".join(f"{d.name} ({d.pid})" for d in evidence.daemons if d.steers)
        yield Finding(
            "several-time-daemons",
            Severity.ERROR,
            LOCAL,
            f"{len(steering)} programs steer this clock against each other: {pids}",
            f"keep one, for example: systemctl disable --now {_service(steering[-1])}",
        )
    elif not steering and not _is_kept_right(evidence):
        idle = ", ".join(f"{d.name} ({d.pid})" for d in evidence.daemons)
        yield Finding(
            "no-time-daemon",
            Severity.ERROR if not evidence.hypervisor else Severity.WARNING,
            LOCAL,
            "no program that steers the clock runs here"
            + (f" ({idle} only looks on)" if idle else ""),
            "run chronyd; in a container that is the host's business, so look there",
        )


def _is_kept_right(evidence: Evidence) -> bool:
    """Whether the kernel says that somebody disciplines it: perhaps from outside a container."""
    return evidence.kernel is not None and evidence.kernel.synchronised


def _service(name: str) -> str:
    return {"ntpd": "ntpsec", "ntp-daemon": "ntpd-rs"}.get(name, name)


def kernel_state(evidence: Evidence) -> Outcome:
    """The kernel says that its clock is disciplined, and how far it can be off."""
    kernel = evidence.kernel
    if kernel is None:
        yield Unchecked("kernel-state", evidence.why.get("kernel", "adjtimex is not to be had"))
        return
    if not kernel.synchronised:
        yield Finding(
            "kernel-unsynchronised",
            Severity.WARNING,
            LOCAL,
            f"the kernel has its clock as not synchronised (status 0x{kernel.status:x}, bound"
            f" {format_duration(kernel.error_ns)})",
            "wait until the time daemon has a source; chronyc sources shows why it has none",
        )
    elif kernel.error_ns >= ERROR_LARGE_NS:
        yield Finding(
            "kernel-bound-large",
            Severity.WARNING,
            LOCAL,
            f"the kernel bounds the error of its clock by {format_duration(kernel.error_ns)} only",
            "its time daemon has had no update for long: look at its sources",
        )
    if abs(kernel.frequency_ppm) > FREQUENCY_LARGE_PPM:
        yield Finding(
            "drift-out-of-range",
            Severity.WARNING,
            LOCAL,
            f"the kernel corrects its oscillator by {kernel.frequency_ppm:+.1f} ppm, of"
            f" {FREQUENCY_LIMIT_PPM:.0f} that it can",
            "another clock source may be steadier; if not, the hardware is at its limit",
        )
    if kernel.leap:
        what = "inserted" if kernel.leap > 0 else "left out"
        yield Finding(
            "leap-pending",
            Severity.NOTE,
            LOCAL,
            f"the kernel has a leap second to be {what} at the end of the day",
            "let programs that cannot bear a repeated second know, or smear at all hosts alike",
        )


def clock_source(evidence: Evidence) -> Outcome:
    """The kernel counts time with something quick and fine."""
    source = evidence.clock_source
    if source is None:
        yield Unchecked("clock-source", evidence.why.get("clock_source", "sysfs does not tell"))
        return
    if source.current in SLOW_SOURCES:
        better = next((name for name in source.available if name not in SLOW_SOURCES), None)
        yield Finding(
            "slow-clock-source",
            Severity.WARNING,
            LOCAL,
            f"the kernel reads time from {source.current}, which is slow or coarse"
            + (f"; {better} is available" if better else ""),
            f"echo {better} > /sys/devices/system/clocksource/clocksource0/current_clocksource"
            if better
            else "the kernel's log says why it distrusts the others (dmesg | grep -i clocksource)",
        )
    if evidence.hypervisor is not None:
        yield Finding(
            "virtual-machine",
            Severity.NOTE,
            LOCAL,
            f"this is a virtual machine ({evidence.hypervisor}), its clock source {source.current}",
            "a machine that was paused or moved is behind until its daemon's next update: alarm on"
            " steps (clocksync watch)",
        )


def clock_moves(evidence: Evidence) -> Outcome:
    """While it was looked at the wall clock kept pace with the steady one."""
    watched = evidence.watched
    if watched is None:
        yield Unchecked("clock-moves", evidence.why.get("watched", "it was not watched"))
        return
    over = format_duration(watched.elapsed_ns)
    if abs(watched.stepped_ns) >= STEP_NOTICED_NS:
        way = "ahead" if watched.stepped_ns > 0 else "back"
        yield Finding(
            "clock-stepped",
            Severity.ERROR,
            LOCAL,
            f"it was set {way} by {format_duration(abs(watched.stepped_ns))} within {over}",
            "find out who does it: a second daemon, a script with date -s, a hypervisor's agent",
        )
    if watched.slept_ns:
        yield Finding(
            "machine-slept",
            Severity.WARNING,
            LOCAL,
            f"it slept for {format_duration(watched.slept_ns)} within {over}",
            "a machine that others take the time from must not sleep",
        )


def kernel_stamps(evidence: Evidence) -> Outcome:
    """The kernel stamps datagrams as they come and go."""
    stamps = evidence.stamps
    if stamps is None:
        yield Unchecked("kernel-stamps", evidence.why.get("stamps", "it was not tried"))
        return
    missing = [
        name for name, there in (("received", stamps.received), ("sent", stamps.sent)) if not there
    ]
    if missing:
        yield Finding(
            "no-kernel-stamps",
            Severity.WARNING,
            LOCAL,
            f"the kernel does not stamp what is {' and '.join(missing)}: clocks are read"
            " microseconds to milliseconds later, when the program gets its turn",
            "use Linux with SO_TIMESTAMPING; gVisor and some containers lack it",
        )


def chronyd_state(evidence: Evidence) -> Outcome:
    """A chronyd that runs here has a source."""
    if "chronyd" in evidence.why:
        yield Unchecked("chronyd-state", evidence.why["chronyd"])
    elif isinstance(evidence.chronyd, str):
        yield Finding(
            "chronyd-without-source",
            Severity.WARNING,
            LOCAL,
            evidence.chronyd,
            "chronyc sources and chronyc activity show which servers do not answer",
        )


def local_clock(evidence: Evidence) -> Outcome:
    """A majority of the hosts does not say that the clock is off; nor that its kernel is wrong."""
    if evidence.combined is None:
        return
    interval = evidence.combined.interval
    least = _least(interval)
    if least > evidence.max_offset_ns:
        yield Finding(
            "clock-off",
            Severity.ERROR,
            LOCAL,
            f"it is {clock_words(interval.middle)} ± {format_duration(interval.error)}, say "
            + ", ".join(evidence.combined.truechimers[:3]),
            "let the time daemon correct it (chronyc makestep), then find out why it did not",
        )
    kernel = evidence.kernel
    if kernel is not None and kernel.synchronised and least > kernel.error_ns:
        yield Finding(
            "kernel-bound-broken",
            Severity.ERROR,
            LOCAL,
            f"the kernel bounds its error by {format_duration(kernel.error_ns)}, and it is off by"
            f" at least {format_duration(least)}",
            "its time daemon follows a wrong source: compare more servers, and leave that one out",
        )


def _least(interval: Interval) -> int:
    """The smallest distance from 0 that is left possible."""
    return max(0, interval.earliest, -interval.latest)


CHECKS: tuple[Check, ...] = (
    time_daemons,
    kernel_state,
    clock_source,
    clock_moves,
    kernel_stamps,
    chronyd_state,
    local_clock,
)
