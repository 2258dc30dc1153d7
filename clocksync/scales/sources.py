"""Where leap seconds come from on this machine.  [I/O]

Of all lists found, the one that is known to be true for longest is taken: a system's list is often
older than tzdata's. Lists that cannot be read, and lists that contradict each other where both
should know, are told as cautions.
"""

import zoneinfo
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from clocksync.scales.builtin import BUILT_IN
from clocksync.scales.leapfiles import SIZE_MAX, BadLeapFile, parse_leap_file
from clocksync.scales.leaps import LeapTable

NAMES = ("leap-seconds.list", "leapseconds", "right/UTC")
"""What a zone directory may hold, the most trustworthy first: a hash, an expiry, neither."""


@dataclass(frozen=True, slots=True)
class Leaps:
    """The table to use, all that were found (best first), and what is not well with them."""

    table: LeapTable
    found: tuple[LeapTable, ...]
    cautions: tuple[str, ...] = ()


def read_leap_file(path: str | Path) -> LeapTable:
    """Read one leap second file.

    Raises:
        BadLeapFile: it cannot be read, or is damaged; one line names it and says why.
    """
    try:
        with Path(path).open("rb") as file:
            raw = file.read(SIZE_MAX + 1)
    except OSError as error:
        raise BadLeapFile(f"{path}: {error.strerror}") from None
    return parse_leap_file(raw, str(path))


def find_leaps(directories: Iterable[str | Path] | None = None) -> Leaps:
    """The best leap second table of this machine: the lists of the zone directories (those of
    :mod:`zoneinfo` by default), of the ``tzdata`` package, and the built-in one."""
    found: list[LeapTable] = []
    cautions: list[str] = []
    for table in _candidates(zoneinfo.TZPATH if directories is None else directories):
        if isinstance(table, BadLeapFile):
            cautions.append(f"{table}; it is not used")
        else:
            found.append(table)
    found.append(BUILT_IN)
    found.sort(key=lambda table: -table.known_until_ns)  # stable: equals stay in order of trust
    best = found[0]
    cautions += [
        f"{other.source} and {best.source} disagree on leap seconds; the latter is used"
        for other in found[1:]
        if _contradict(best, other)
    ]
    return Leaps(best, tuple(found), tuple(cautions))


def _candidates(directories: Iterable[str | Path]) -> Iterator[LeapTable | BadLeapFile]:
    for directory in directories:
        for name in NAMES:
            path = Path(directory) / name
            if path.is_file():
                try:
                    yield read_leap_file(path)
                except BadLeapFile as error:
                    yield error
    try:
        raw = (resources.files("tzdata") / "zoneinfo" / "leapseconds").read_bytes()
        yield parse_leap_file(raw, "the tzdata package")
    except (ModuleNotFoundError, OSError):
        return
    except BadLeapFile as error:
        yield error


def _contradict(one: LeapTable, other: LeapTable) -> bool:
    """Whether two tables differ where both should know."""
    until = min(one.known_until_ns, other.known_until_ns)
    known = [[leap for leap in t.leaps if leap.midnight_ns <= until] for t in (one, other)]
    return known[0] != known[1]
