"""The time a running chronyd keeps, with its bound, asked through its own ``chronyc``.  [I/O]

chronyd knows more than one measurement can: it has followed its sources for hours. Its manual
bounds the clock error by ``|system time offset| + root dispersion + root delay / 2``
(chronyc(1), "tracking"); the first term is known in sign, so it shifts the interval instead.
"""

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from clocksync.ntp.packet import printable
from clocksync.runtime.errors import NotSynchronised
from clocksync.runtime.interval import Interval
from clocksync.runtime.units import parse_duration

ANSWER_WITHIN_S = 5
_NOT_SYNCHRONISED = "Not synchronised"
_FIELDS = 14


@dataclass(frozen=True, slots=True)
class Tracking:
    """What chronyd says of the system clock. Durations in ns; offset: true time minus ours."""

    reference_id: str
    stratum: int
    offset_ns: int
    root_delay_ns: int
    root_dispersion_ns: int
    leap_status: str

    @property
    def interval(self) -> Interval:
        """True time minus the system clock."""
        return Interval.around(
            self.offset_ns, self.root_dispersion_ns + (self.root_delay_ns + 1) // 2 + 1
        )


def parse_tracking(line: str) -> Tracking:
    """Read a line of ``chronyc -c tracking``.

    Raises:
        NotSynchronised: chronyd has no time yet, or the line is none of its own.
    """
    fields = line.strip().split(",")
    if len(fields) != _FIELDS:
        raise NotSynchronised(f"chronyc's answer is not understood: {line.strip()[:80]!r}")
    if fields[13] == _NOT_SYNCHRONISED:
        raise NotSynchronised("chronyd runs, but is not synchronised to anything yet")
    try:
        return Tracking(
            reference_id=fields[0],
            stratum=int(fields[2]),
            # "System time": positive is "slow of NTP time", so true time is ahead of ours.
            offset_ns=parse_duration(fields[4]),
            root_delay_ns=abs(parse_duration(fields[10])),
            root_dispersion_ns=parse_duration(fields[11]),
            leap_status=fields[13],
        )
    except ValueError as error:
        raise NotSynchronised(f"chronyc's answer is not understood: {error}") from None


def find_chronyc() -> str | None:
    """The path of ``chronyc``, or None where it is not installed."""
    return shutil.which("chronyc") or next(
        (path for path in ("/usr/bin/chronyc", "/usr/local/bin/chronyc") if Path(path).exists()),
        None,
    )


def read_tracking(
    socket: str | None = None,
    chronyc: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> Tracking:
    """Ask the chronyd of this machine, by `chronyc` (found on the path by default), run in
    `environment`. `socket`: its command socket, where not the usual one.

    Raises:
        NotSynchronised: there is no chronyd to ask, or it has no time.
    """
    program = chronyc or find_chronyc()
    if program is None:
        raise NotSynchronised("chronyc is not installed")
    command = [program, "-c", *(["-h", socket] if socket else []), "tracking"]
    try:
        done = subprocess.run(
            command,
            check=False,
            capture_output=True,
            encoding="ascii",
            errors="backslashreplace",
            timeout=ANSWER_WITHIN_S,
            env=environment,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotSynchronised(f"chronyc did not answer: {error}") from None
    if done.returncode:
        words = (done.stdout + done.stderr).strip().splitlines() or ["no reason given"]
        raise NotSynchronised(f"chronyd does not answer: {printable(words[-1].encode())}")
    return parse_tracking(done.stdout)
