"""RINEX observation files, versions 2 and 3: pseudoranges and signal strengths, epoch by epoch.

It streams: one epoch is in memory. Of GPS and Galileo it keeps code measurements and strengths; of
other systems only the name. Names of signals are those of version 3 (``C1C``); those of version 2
are translated. Events in the middle (a new site, new kinds of observations, comments, cycle slips)
are read as the standard says. A stretch that is no RINEX is skipped up to the next epoch and told.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from clocksync.gnss.geodesy import Ecef
from clocksync.gnss.instants import from_calendar, full_year, to_gps
from clocksync.gnss.rinex_text import (
    BadRinex,
    Header,
    Lines,
    position,
    read_header,
    real,
    satellite_name,
)

_WIDTH = 16
_PER_LINE_2 = 5
_SATELLITES_PER_LINE = 12
_SATELLITES_MAX = 999
_SPECIAL = range(2, 6)
"""Event flags 2 to 5: header lines follow. 6: cycle slips, in the form of observations."""
_SLIPS = 6
_FAULTS_KEPT = 20
_EPOCH_2 = re.compile(r" [ \d]\d [ \d]\d [ \d]\d [ \d]\d [ \d]\d[ \d]{2}\d\.\d{7}  \d[ \d]{3}")
# Version 2 names to version 3's: what the letters mean for GPS and Galileo alike is not one signal,
# so each system has its own.
_NAMES_2 = {
    "G": {"C1": "C1C", "P1": "C1W", "C2": "C2X", "P2": "C2W", "C5": "C5X"},
    "E": {"C1": "C1X", "C5": "C5X", "C7": "C7X", "C8": "C8X", "C6": "C6X"},
}


@dataclass(frozen=True, slots=True)
class Observed:
    """What was measured of one satellite: pseudoranges (m) by signal, strengths (dBHz) by band."""

    ranges: dict[str, float] = field(default_factory=dict)
    strengths: dict[int, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Epoch:
    """One instant of the receiver's clock, as GPS time in ns, and what it measured then."""

    time: int
    observed: dict[str, Observed]
    power_failed: bool = False
    """The receiver was off since the epoch before: its clock may have jumped."""
    position: Ecef | None = None
    """The antenna, by the headers up to here: marker plus the antenna's offset."""


_Columns: TypeAlias = list[tuple[str, int]]
"""Signal and its first column, in one line that holds all of a satellite's values."""


@dataclass(slots=True)
class _Kinds:
    """The kinds of observations of one system, in the file's order."""

    names: list[str]
    ranges: _Columns = field(default_factory=list)
    strengths: list[tuple[int, int]] = field(default_factory=list)


@dataclass(slots=True)
class ObservationFile:
    """An observation file that is being read: iterate over :meth:`epochs` once.

    Raises:
        BadRinex: this is no observation file, or its epochs are in a time scale that cannot be
            related to GPS time.
    """

    lines: Lines
    header: Header
    leap_seconds: int | None = None
    faults: list[str] = field(default_factory=list)
    """Stretches that could not be read, a line for each of the first; grows with reading."""
    fault_count: int = 0
    marker: Ecef | None = None
    antenna: tuple[float, float, float] = (0.0, 0.0, 0.0)
    _kinds: dict[str, _Kinds] = field(default_factory=dict)
    _scale: str = "GPS"
    _factors: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.header.kind != "O":
            raise BadRinex(
                f"{self.header.name}: not an observation file (its kind is {self.header.kind!r})"
            )
        self.leap_seconds = self.header.leap_seconds or self.leap_seconds
        first = self.header.first("TIME OF FIRST OBS") or ""
        default = {"R": "GLO", "E": "GAL", "C": "BDT"}.get(self.header.system, "GPS")
        # Columns 49 to 51, which some writers miss by one.
        named = re.search(r"[A-Z]{3}", first[43:])
        self._scale = named[0] if named else default
        self._apply(self.header.lines)
        if not self._kinds:
            raise BadRinex(f"{self.header.name}: the header names no kinds of observations")
        self._in_gps_time(0)

    @property
    def steered(self) -> bool:
        """Whether the receiver took its own estimate of its clock error out of the epochs."""
        return (self.header.first("RCV CLOCK OFFS APPL") or "").strip() == "1"

    @property
    def position(self) -> Ecef | None:
        """Where the antenna is by the header: the marker, raised by the antenna's offset."""
        if self.marker is None or not any(self.antenna):
            return self.marker
        from clocksync.gnss.geodesy import LocalFrame

        up, east, north = self.antenna
        return LocalFrame.at(self.marker).point(east, north, up)

    def epochs(self) -> Iterator[Epoch]:
        """The epochs of the file, in its order, without those that hold an event only."""
        read = self._epoch_2 if self.header.version < 3 else self._epoch_3
        while True:
            try:
                line = next(self.lines)
            except StopIteration:
                return
            except BadRinex as error:  # of a compressed file that ends early
                self._note(str(error))
                return
            if not line.strip():
                continue
            start = self.lines.number
            try:
                epoch = read(line)
            except BadRinex as error:
                self._note(str(error))
                self._resume(start)
                continue
            except StopIteration:
                self._note(f"{self.header.name}:{self.lines.number}: ends within an epoch")
                return
            if epoch is not None:
                yield epoch

    def _note(self, fault: str) -> None:
        self.fault_count += 1
        if len(self.faults) < _FAULTS_KEPT:
            self.faults.append(fault)

    def _resume(self, start: int) -> None:
        """Skip to what looks like the next epoch."""
        try:
            for line in self.lines:
                if self.lines.number > start and self._begins(line):
                    self.lines.put_back(line)
                    return
        except BadRinex as error:
            self._note(str(error))

    def _begins(self, line: str) -> bool:
        if self.header.version >= 3:
            return line.startswith(">")
        return _EPOCH_2.match(line) is not None

    # Version 3: a line beginning with ">", then one line a satellite.

    def _epoch_3(self, line: str) -> Epoch | None:
        if not line.startswith(">"):
            raise self.lines.bad(f"an epoch should begin here, not {line[:20]!r}")
        flag = self._flag(line[29:32])
        if flag in _SPECIAL:
            self._apply_event(self._count(line[32:35].strip() or "0"))
            return None
        count = self._count(line[32:35])
        time = self._time(line[2:29])
        observed: dict[str, Observed] = {}
        for _ in range(count):
            row = next(self.lines)
            name = satellite_name(row)
            if name is None:
                if row.startswith(">"):
                    self.lines.put_back(row)
                raise self.lines.bad(f"a satellite should stand here, not {row[:3]!r}")
            observed[name] = self._values(name, row, 3)
        return self._made(time, observed, flag)

    # Version 2: satellites in the epoch's line, then their values, five to a line.

    def _epoch_2(self, line: str) -> Epoch | None:
        flag = self._flag(line[26:29])
        if flag in _SPECIAL:
            self._apply_event(self._count(line[29:32].strip() or "0"))
            return None
        count = self._count(line[29:32])
        time = self._time(line[:26])
        names: list[str] = []
        while True:
            for start in range(32, 32 + 3 * min(count - len(names), _SATELLITES_PER_LINE), 3):
                name = satellite_name(line[start : start + 3], self.header.system)
                if name is None:
                    raise self.lines.bad(f"no satellite: {line[start : start + 3]!r}")
                names.append(name)
            if len(names) >= count:
                break
            line = next(self.lines)
        observed = {}
        rows = -(-len(self._kinds["G"].names) // _PER_LINE_2)
        for name in names:
            parts = []
            for _ in range(rows):
                row = next(self.lines)
                if _EPOCH_2.match(row):
                    self.lines.put_back(row)
                    raise self.lines.bad(f"values of {name} are missing")
                parts.append(row[:80].ljust(80))
            observed[name] = self._values(name, "".join(parts), 0)
        return self._made(time, observed, flag)

    def _made(self, time: int, observed: dict[str, Observed], flag: int) -> Epoch | None:
        if flag == _SLIPS:
            return None
        return Epoch(time, observed, flag == 1, self.position)

    def _values(self, name: str, row: str, offset: int) -> Observed:
        kinds = self._kinds.get(name[0])
        found = Observed()
        if kinds is None or name[0] not in "GE":
            return found
        best_digit = 0
        for code, start in kinds.ranges:
            text = row[offset + start : offset + start + _WIDTH]
            if text[:14].isspace() or not text:
                continue
            metres = real(text[:14])
            if metres is None:
                raise self.lines.bad(f"{name} {code} should be a number, not {text[:14]!r}")
            if metres:
                found.ranges[code] = metres / self._factors.get(name[0] + code, 1.0)
                if text[15:16].isdigit():
                    best_digit = max(best_digit, int(text[15]))
        if best_digit:
            # One digit for 6 dB: 1 is below 12 dBHz, 9 is 54 and more (RINEX 2.11, 5.7). The best
            # band's, because some receivers write a 1 for what they do not know.
            least = 6.0 * best_digit + 3.0
            found.strengths.update((int(code[1]), least) for code in found.ranges)
        for band, start in kinds.strengths:
            strength = real(row[offset + start : offset + start + 14])
            if strength:
                found.strengths[band] = strength
        return found

    # Headers, at the beginning and in the middle.

    def _apply_event(self, count: int) -> None:
        lines = []
        for _ in range(count):
            line = next(self.lines)
            if self._begins(line):
                self.lines.put_back(line)
                raise self.lines.bad("an event announces more lines than follow")
            lines.append((line[60:80].strip(), line[:60].ljust(60)))
        self._apply(lines)

    def _apply(self, lines: list[tuple[str, str]]) -> None:
        for label, content in lines:
            if label == "APPROX POSITION XYZ":
                self.marker = position(content)
            elif label == "ANTENNA: DELTA H/E/N":
                up, east, north = (real(content[at : at + 14]) or 0.0 for at in (0, 14, 28))
                self.antenna = up, east, north
        self._apply_kinds_2([c for label, c in lines if label == "# / TYPES OF OBSERV"])
        self._apply_kinds_3([c for label, c in lines if label == "SYS / # / OBS TYPES"])
        self._apply_factors([c for label, c in lines if label == "SYS / SCALE FACTOR"])

    def _apply_kinds_2(self, contents: list[str]) -> None:
        if not contents:
            return
        names = " ".join(content[6:60] for content in contents).split()
        if len(names) != self._count(contents[0][:6]):
            raise self.lines.bad(f"{contents[0][:6].strip()} kinds announced, {len(names)} named")
        for system in "GE":
            kinds = _Kinds(names)
            for index, name in enumerate(names):
                if name in _NAMES_2[system]:
                    kinds.ranges.append((_NAMES_2[system][name], index * _WIDTH))
                elif name[0] == "S" and name[1:].isdigit():
                    kinds.strengths.append((int(name[1:]), index * _WIDTH))
            self._kinds[system] = kinds

    def _apply_kinds_3(self, contents: list[str]) -> None:
        announced: dict[str, int] = {}
        named: dict[str, list[str]] = {}
        system = ""
        for content in contents:
            if content[0].strip():
                system = content[0]
                announced[system], named[system] = self._count(content[3:6]), []
            if system:
                named[system] += content[6:60].split()
        for system, names in named.items():
            if len(names) != announced[system]:
                raise self.lines.bad(
                    f"{announced[system]} kinds of {system} announced, {len(names)} named"
                )
            kinds = _Kinds(names)
            for index, name in enumerate(names):
                if len(name) == 3 and name[1].isdigit():
                    if name[0] == "C":
                        kinds.ranges.append((name, index * _WIDTH))
                    elif name[0] == "S":
                        kinds.strengths.append((int(name[1]), index * _WIDTH))
            self._kinds[system] = kinds

    def _apply_factors(self, contents: list[str]) -> None:
        """What values were multiplied with before they were written (version 3)."""
        for content in contents:
            system, factor = content[0], real(content[2:6]) or 1.0
            codes = content[10:58].split() or self._kinds.get(system, _Kinds([])).names
            self._factors.update((system + code, factor) for code in codes)

    # Fields.

    def _flag(self, text: str) -> int:
        text = text.strip() or "0"
        if text not in "0123456":
            raise self.lines.bad(f"event flag {text!r}")
        return int(text)

    def _count(self, text: str) -> int:
        if not text.strip().isdigit() or int(text) > _SATELLITES_MAX:
            raise self.lines.bad(f"{text.strip()!r} should be a count")
        return int(text)

    def _time(self, text: str) -> int:
        try:
            *date, seconds = text.split()
            year, month, day, hour, minute = (int(part) for part in date)
            time = from_calendar(full_year(year), month, day, hour, minute, seconds)
        except (ValueError, TypeError):
            raise self.lines.bad(f"no time: {text.strip()!r}") from None
        return self._in_gps_time(time)

    def _in_gps_time(self, time: int) -> int:
        try:
            return to_gps(time, self._scale, self.leap_seconds)
        except ValueError as error:
            raise BadRinex(f"{self.header.name}: {error}") from None


def read_observations(
    lines: Lines, header: Header | None = None, leap_seconds: int | None = None
) -> ObservationFile:
    """Open an observation file; `leap_seconds` (of a navigation file) serves where it tells none.

    Raises:
        BadRinex: this is no RINEX observation file.
    """
    return ObservationFile(lines, header or read_header(lines), leap_seconds)
