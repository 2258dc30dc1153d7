"""What a benchmark ran on: without it no figure means anything.  [I/O]"""

import os
import platform
import subprocess
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tools import peers

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = (
    *("numpy", "cryptography", "ntplib", "rich", "uvloop", "astropy", "gnss-lib-py", "georinex"),
    *("hlcpy", "vectorclock", "pysyncobj", "redis"),
)
"""What figures depend on or stand beside."""
_LOOK_S = 0.5


def processor() -> str:
    """What it calls itself."""
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def line() -> str:
    """The machine in one line, as tables have it below them."""
    versions = [f"{name} {version}" for name, version in peers.versions().items()]
    named = [text for text in versions if text.startswith(("chrony", "ntpsec "))]
    python = f"Python {platform.python_version()}"
    parts = [f"{os.cpu_count()} x {processor()}", f"Linux {platform.release()}", python, *named]
    return ", ".join(parts)


def facts() -> dict[str, object]:
    """The machine, what runs on it, and how busy it is now: before a benchmark begins.

    It looks for half a second.
    """
    return {
        "processor": processor(),
        "processors": os.cpu_count() or 1,
        "memory_bytes": _memory_bytes(),
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "load_before": [round(value, 2) for value in os.getloadavg()],
        "busy_before_percent": busy_percent(_LOOK_S),
        "peers": peers.versions(),
        "packages": _packages(),
    }


def busy_percent(seconds: float) -> float | None:
    """How much of all processors is used in so many seconds from now; None where nobody says."""
    before = _ticks()
    if before is None:
        return None
    time.sleep(seconds)
    after = _ticks() or before
    total, idle = after[0] - before[0], after[1] - before[1]
    return round(100 * (total - idle) / total, 1) if total else 0.0


def commit() -> str:
    """What this checkout is of, with a mark where files differ from it; empty outside of one."""
    try:
        head = _git("rev-parse", "--short=12", "HEAD")
        changed = _git("status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        return ""
    return head + "+changes" * bool(changed)


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _ticks() -> tuple[int, int] | None:
    """All, and idle ones, of all processors since it started."""
    try:
        first = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0]
    except OSError:
        return None
    fields = [int(field) for field in first.split()[1:9]]  # after that guests, counted already
    return sum(fields), fields[3] + fields[4]


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return None


def _packages() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
