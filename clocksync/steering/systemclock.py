"""The real system clock: whether it may be steered, and the call that does it.  [I/O]

:func:`open_system_clock` is the only way to the call. It refuses, in one line that says what to do,
where this is not Linux, where the privilege is missing, where another program keeps the clock, and
where the environment says ``CLOCKSYNC_NEVER_SET_THE_CLOCK``.
"""

import ctypes
import os
import platform
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from clocksync.runtime.errors import BadConfig
from clocksync.runtime.timex import Timex
from clocksync.steering.timex import Call, KernelClock, KernelState

FORBIDDEN = "CLOCKSYNC_NEVER_SET_THE_CLOCK"
"""Where this is set in the environment, the system's clock is not touched, whoever asks."""
_CAP_SYS_TIME = 25  # linux/capability.h
# The names of processes as the kernel keeps them: 15 characters.
_KEEPERS = {
    "chronyd": "chronyd",
    "ntpd": "ntpd",
    "ntpd-rs": "ntpd-rs",
    "ntp-daemon": "ntpd-rs",
    "openntpd": "openntpd",
    "ptp4l": "ptp4l",
    "phc2sys": "phc2sys",
    "timemaster": "timemaster",
    "systemd-timesyn": "systemd-timesyncd",
}
_LOCK = "\0clocksync-system-clock"


def clock_adjtime(timex: Timex) -> int:
    """The real call, on ``CLOCK_REALTIME``. Only :func:`open_system_clock` hands it out.

    Raises:
        OSError: the kernel refuses.
    """
    # Whoever came here past refusal() has a bug, and must not find out what it does.
    assert not os.environ.get(FORBIDDEN), f"{FORBIDDEN} is set, and the call was reached"
    library = ctypes.CDLL(None, use_errno=True)
    state = int(library.clock_adjtime(time.CLOCK_REALTIME, ctypes.byref(timex)))
    if state < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"clock_adjtime: {os.strerror(number)}")
    return state


@dataclass(frozen=True, slots=True)
class Machine:
    """What is asked of the machine before its clock is steered; a test hands in another."""

    system: str = sys.platform
    word: str = platform.architecture()[0]
    proc: Path = Path("/proc")
    call: Call = clock_adjtime


def refusal(machine: Machine) -> str | None:
    """Why the clock of this machine is not steered, and what to do about it; None: it may be."""
    if os.environ.get(FORBIDDEN):
        return f"{FORBIDDEN} is set: the system's clock is not touched here"
    if not machine.system.startswith("linux") or machine.word != "64bit":
        return "--system steers the clock of 64-bit Linux only: leave it out"
    if not _may_set_time(machine.proc):
        return (
            "--system needs the privilege CAP_SYS_TIME: run as root, or give it alone with"
            " systemd-run -p AmbientCapabilities=CAP_SYS_TIME"
        )
    keepers = other_keepers(machine.proc)
    if keepers:
        names = " and ".join(f"{name} (process {pid})" for pid, name in keepers)
        return f"{names} keeps the system's clock already: stop it first, or leave out --system"
    return None


def _may_set_time(proc: Path) -> bool:
    try:
        status = (proc / "self" / "status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    for line in status.splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.partition(":")[2], 16) >> _CAP_SYS_TIME & 1)
    return False


def other_keepers(proc: Path) -> list[tuple[int, str]]:
    """Processes that keep the system's clock, or may: (pid, name)."""
    found = []
    for folder in proc.iterdir():
        if not folder.name.isdigit():
            continue
        try:
            name = (folder / "comm").read_text(encoding="ascii", errors="replace").strip()
        except OSError:  # it has ended meanwhile
            continue
        if name in _KEEPERS:
            found.append((int(folder.name), _KEEPERS[name]))
    return sorted(found)


class SystemLock:
    """Held by the one process of this host that steers the clock; the kernel frees it."""

    def __init__(self) -> None:
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            self._sock.bind(_LOCK)
        except OSError:
            self._sock.close()
            raise BadConfig(
                "another clocksync discipline --system steers this clock: stop it first"
            ) from None

    def close(self) -> None:
        """Let another one."""
        self._sock.close()


def open_system_clock(machine: Machine | None = None) -> tuple[KernelClock, SystemLock]:
    """The system's clock, to be steered by this process alone.

    Raises:
        BadConfig: it may not be; the message says why, and what to do.
    """
    machine = machine or Machine()
    why = refusal(machine)
    if why is not None:
        raise BadConfig(why)
    lock = SystemLock()
    try:
        return KernelClock(machine.call), lock
    except OSError as error:
        lock.close()
        raise BadConfig(f"the kernel refuses to have its clock steered: {error.strerror}") from None


class DryClock:
    """Says what it would do to the system's clock, where that changes much, and does nothing."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._frequency: float | None = None
        self._slew = 0
        self._max_error_us = 0
        self._synchronised: bool | None = None

    def state(self) -> KernelState:
        return KernelState(self._frequency or 0.0, self._max_error_us)

    def set_frequency(self, ppm: float) -> None:
        if self._frequency is None or abs(ppm - self._frequency) >= 0.5:
            self._say(f"would set the frequency to {ppm:+.3f} ppm")
            self._frequency = ppm

    def slew(self, by_us: int) -> None:
        if abs(by_us - self._slew) > 10 + abs(self._slew) // 10:
            self._say(f"would slew by {by_us:+d} us" if by_us else "would end the slew")
            self._slew = by_us

    def step(self, by_ns: int) -> None:
        self._say(f"would step by {by_ns / 1e9:+.9f} s")

    def tell(self, max_error_us: int, estimate_us: int, synchronised: bool) -> None:
        self._max_error_us = max_error_us
        if synchronised is not self._synchronised:
            words = "synchronised" if synchronised else "not synchronised"
            self._say(f"would say that it is {words}, within {max_error_us} us")
            self._synchronised = synchronised
