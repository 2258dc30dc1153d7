"""RINEX files as lines of columns: the header that all kinds share, numbers, satellites.

Versions 2 and 3 (the IGS's "RINEX 2.11" and "RINEX 3.05"). Everything is in fixed columns; a blank
field means that there is no value. Strict where a number decides something, lenient where files of
the field are known to be sloppy: satellites as ``G 1``, exponents as ``D``, ``d`` or ``E``, lines
cut at the last character.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from clocksync.runtime.errors import ToolkitError

SYSTEMS = {
    "G": "GPS",
    "R": "GLONASS",
    "E": "Galileo",
    "C": "BeiDou",
    "J": "QZSS",
    "S": "SBAS",
    "I": "NavIC",
}
_HEADER_LINES_MAX = 5_000
_LINE_MAX = 4_096
"""Longer than any line of RINEX: sixty signals of 16 columns. What is longer is no RINEX."""


class BadRinex(ToolkitError, ValueError):
    """A file is no RINEX, or not one that can be used; the message names file, line and reason."""


@dataclass(slots=True)
class Lines:
    """The lines of a file, counted, one of which can be put back."""

    name: str
    source: Iterator[str]
    number: int = 0
    _back: str | None = None

    @classmethod
    def of(cls, name: str, lines: Iterable[str]) -> "Lines":
        """Lines from anything that yields text; line ends may be there or not."""
        return cls(name, iter(lines))

    def __iter__(self) -> "Lines":
        return self

    def __next__(self) -> str:
        if self._back is not None:
            line, self._back = self._back, None
        else:
            line = next(self.source).rstrip("\r\n")
        self.number += 1
        if len(line) > _LINE_MAX:
            raise self.bad("a line longer than any of RINEX")
        return line

    def put_back(self, line: str) -> None:
        """The next line is this one again."""
        self._back = line
        self.number -= 1

    def bad(self, reason: str) -> BadRinex:
        """The exception that names this file and line."""
        return BadRinex(f"{self.name}:{self.number}: {reason}")


@dataclass(slots=True)
class Header:
    """The header of a RINEX file: version, kind, and its lines by label, in order."""

    name: str
    version: float
    kind: str
    """``O`` observations, ``N`` navigation, or another letter of the standard."""
    system: str
    """The letter of the one system, or ``M``."""
    lines: list[tuple[str, str]] = field(default_factory=list)
    """Label and content, the first 60 columns."""

    def all(self, label: str) -> list[str]:
        """The contents of every line with this label."""
        return [content for each, content in self.lines if each == label]

    def first(self, label: str) -> str | None:
        """The content of the first line with this label, or None."""
        return next((content for each, content in self.lines if each == label), None)

    @property
    def leap_seconds(self) -> int | None:
        """GPS time minus UTC, if the header tells."""
        content = self.first("LEAP SECONDS")
        try:
            return int(content[:6]) if content else None
        except ValueError:
            return None


def read_header(lines: Lines) -> Header:
    """Read up to ``END OF HEADER``.

    Raises:
        BadRinex: this is no RINEX, of a version not known here, or its header does not end.
    """
    first = next(lines, "")
    if first[60:].strip() != "RINEX VERSION / TYPE":
        if "CRINEX VERS" in first:
            raise BadRinex(f"{lines.name}: compressed by Hatanaka's method inside another archive")
        raise BadRinex(
            f"{lines.name}: not a RINEX file: its first line does not say 'RINEX VERSION / TYPE'"
        )
    version = real(first[:9]) or math.nan
    if not 2 <= version < 4:
        raise BadRinex(
            f"{lines.name}: RINEX version {first[:9].strip() or 'unknown'}; 2 and 3 are read here"
        )
    header = Header(lines.name, version, *_kind(first, version))
    for line in lines:
        label = line[60:80].strip()
        if label == "END OF HEADER":
            return header
        header.lines.append((label, line[:60].ljust(60)))
        if len(header.lines) > _HEADER_LINES_MAX:
            break
    raise BadRinex(f"{lines.name}: the header does not end: no 'END OF HEADER'; a truncated file?")


def _kind(first: str, version: float) -> tuple[str, str]:
    kind, system = first[20:21].upper(), first[40:41].upper().strip()
    if version < 3 and kind in ("G", "H", "E", "L"):
        # RINEX 2 has a kind of navigation file for each system; 2.12 wrote E for Galileo's.
        return "N", {"G": "R", "H": "S", "E": "E", "L": "E"}[kind]
    return kind, system or "G"


def real(text: str) -> float | None:
    """A number of Fortran; None where the field is blank or holds none.

    >>> real(" 0.595785677433D-04"), real("   "), real("-.5d1"), real("1.2x"), real("nan")
    (5.95785677433e-05, None, -5.0, None, None)
    """
    text = text.strip()
    if not text:
        return None
    try:
        value = float(text.replace("D", "E").replace("d", "e"))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def satellite_name(text: str, default_system: str = "G") -> str | None:
    """A satellite as a letter and two digits; None where the text names none.

    >>> satellite_name("G 1"), satellite_name(" 30"), satellite_name("E5"), satellite_name("*")
    ('G01', 'G30', 'E05', None)
    """
    system, number = text[:1].strip() or default_system, text[1:3].strip()
    if system == "M":
        system = "G"
    if system not in SYSTEMS or not (number.isascii() and number.isdigit()):
        return None
    return f"{system}{int(number):02d}"


def position(content: str) -> tuple[float, float, float] | None:
    """Three coordinates in columns of 14; None where one is missing or all are zero (unknown)."""
    values = [real(content[start : start + 14]) for start in (0, 14, 28)]
    if None in values or not any(values):
        return None
    x, y, z = (value or 0.0 for value in values)
    return x, y, z
