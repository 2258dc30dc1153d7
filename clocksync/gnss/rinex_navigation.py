"""RINEX navigation files, versions 2 and 3: the ephemerides of GPS and Galileo.

A record is a line that names a satellite and a time, and indented lines of four numbers each.
Records of other systems are counted and left out. A record that cannot be an orbit of its system
(numbers missing, an axis or an eccentricity no satellite has) is left out too, and counted.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from clocksync.gnss.atmosphere import Klobuchar
from clocksync.gnss.ephemeris import Ephemeris, Message
from clocksync.gnss.instants import from_calendar, full_year, nearest_week_second
from clocksync.gnss.rinex_text import BadRinex, Header, Lines, read_header, real, satellite_name
from clocksync.runtime.units import SECOND

HOUR = 3600 * SECOND
_FIELDS = 31
"""Clock (3), then seven lines of four."""
_NEEDED = (0, 1, 2, *range(4, 20), 23, 24, 25)
_ROOT_A = {"G": (5_000.0, 5_300.0), "E": (5_200.0, 5_700.0)}
"""Of no other medium orbit: square roots of metres."""
_GALILEO_VALID_NS = 4 * HOUR
_GPS_FIT_HOURS = 4.0
_FOR_E5A, _FOR_E5B = 1 << 8, 1 << 9
_FROM_E5A = 1 << 1


@dataclass(slots=True)
class Navigation:
    """What navigation files say."""

    ephemerides: list[Ephemeris] = field(default_factory=list)
    klobuchar: Klobuchar | None = None
    galileo_minus_gps_s: float | None = None
    """The system time offset as broadcast (GGTO), if the header has it."""
    leap_seconds: int | None = None
    left_out: Counter[str] = field(default_factory=Counter)
    """Records of other systems and unusable ones: what they were, and how many."""
    faults: list[str] = field(default_factory=list)

    def merge(self, other: "Navigation") -> None:
        """Add what another file says; where both have one value, the first stays."""
        self.ephemerides += other.ephemerides
        self.klobuchar = self.klobuchar or other.klobuchar
        if self.galileo_minus_gps_s is None:
            self.galileo_minus_gps_s = other.galileo_minus_gps_s
        if self.leap_seconds is None:
            self.leap_seconds = other.leap_seconds
        self.left_out += other.left_out
        self.faults += other.faults


def read_navigation(lines: Lines, header: Header | None = None) -> Navigation:
    """Read a navigation file; its header may have been read from `lines` before.

    Raises:
        BadRinex: this is no RINEX navigation file.
    """
    header = header or read_header(lines)
    if header.kind != "N":
        raise BadRinex(f"{header.name}: not a navigation file (its kind is {header.kind!r})")
    found = Navigation(leap_seconds=header.leap_seconds)
    _read_corrections(header, found)
    column = 3 if header.version < 3 else 4
    for opening, rest in _records(lines, header, found.faults):
        if header.version < 3:
            name = satellite_name(header.system + opening[:2].strip())
        else:
            name = satellite_name(opening)
        if name is None:
            found.left_out["lines that begin no record"] += 1
        elif name[0] not in "GE":
            found.left_out[f"records of {name[0]}"] += 1
        else:
            ephemeris = _ephemeris(name, opening, rest, column)
            if ephemeris is None:
                found.left_out[f"unusable records of {name}"] += 1
            else:
                found.ephemerides.append(ephemeris)
    return found


def _records(lines: Lines, header: Header, faults: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Each record as its first line and those indented below it."""
    opening: str | None = None
    rest: list[str] = []
    width = 2 if header.version < 3 else 1
    while True:
        try:
            line = next(lines)
        except StopIteration:
            break
        except BadRinex as error:  # of a compressed file that ends early
            faults.append(str(error))
            break
        if line[:width].strip():
            if opening is not None:
                yield opening, rest
            opening, rest = line, []
        elif line.strip():
            rest.append(line)
    if opening is not None:
        yield opening, rest


def _ephemeris(name: str, opening: str, rest: list[str], column: int) -> Ephemeris | None:
    values = [real(opening[column + 19 * n :][:19]) for n in (1, 2, 3)]
    for line in rest[:7]:
        values += [real(line[column + 19 * n :][:19]) for n in range(4)]
    values += [None] * (_FIELDS - len(values))
    try:
        *date, seconds = opening[column - 1 : column + 19].split()
        year, month, day, hour, minute = (int(part) for part in date)
        toc = from_calendar(full_year(year), month, day, hour, minute, seconds)
    except ValueError:
        return None
    if any(values[n] is None for n in _NEEDED):
        return None
    numbers = [value or 0.0 for value in values]
    low, high = _ROOT_A[name[0]]
    if not (low <= numbers[10] <= high and 0 <= numbers[8] < 0.5 and 0 <= numbers[11] <= 604_800):
        return None
    return _build(name, toc, numbers)


def _build(name: str, toc: int, numbers: list[float]) -> Ephemeris:
    message, valid_ns = Message.LNAV, _GALILEO_VALID_NS
    if name[0] == "E":
        message = _galileo_message(int(numbers[20]))
    else:
        # Hours of fit, or 0 and 1 as the satellite sent it: 0 is four hours.
        valid_ns = round(max(numbers[28], _GPS_FIT_HOURS) / 2 * HOUR)
    toe = nearest_week_second(numbers[11], toc)
    known = abs(numbers[27]) <= 2 * 604_800  # 0.9999E9 where it is not
    return Ephemeris(
        satellite=name,
        message=message,
        toc=toc,
        toe=toe,
        sent=nearest_week_second(numbers[27], toc) if known else toe,
        clock=(numbers[0], numbers[1], numbers[2]),
        issue=int(numbers[3]),
        crs=numbers[4],
        mean_motion_difference=numbers[5],
        mean_anomaly=numbers[6],
        cuc=numbers[7],
        eccentricity=numbers[8],
        cus=numbers[9],
        root_a=numbers[10],
        cic=numbers[12],
        node=numbers[13],
        cis=numbers[14],
        inclination=numbers[15],
        crc=numbers[16],
        perigee=numbers[17],
        node_rate=numbers[18],
        inclination_rate=numbers[19],
        accuracy_m=numbers[23],
        health=int(numbers[24]),
        group_delays_s=(numbers[25], numbers[26] if name[0] == "E" else 0.0),
        valid_ns=valid_ns,
    )


def _galileo_message(source: int) -> Message:
    """Which message: bits 8 and 9 say whose clock this is, bits 0 to 2 where it was heard. Writers
    that fill in nothing mean I/NAV."""
    if source & _FOR_E5B:
        return Message.INAV
    if source & _FOR_E5A or source & 0b111 == _FROM_E5A:
        return Message.FNAV
    return Message.INAV


def _read_corrections(header: Header, found: Navigation) -> None:
    alpha = beta = None
    if header.version >= 3:
        for content in header.all("IONOSPHERIC CORR"):
            if content.startswith("GPSA"):
                alpha = _four(content[5:], 12)
            elif content.startswith("GPSB"):
                beta = _four(content[5:], 12)
        for content in header.all("TIME SYSTEM CORR"):
            if content.startswith("GPGA"):
                found.galileo_minus_gps_s = real(content[5:22])
    elif header.system == "G":  # Galileo's, in files of 2.12, are those of another model
        alpha = _four((header.first("ION ALPHA") or "")[2:], 12)
        beta = _four((header.first("ION BETA") or "")[2:], 12)
    if alpha and beta and any(alpha):
        found.klobuchar = Klobuchar(alpha, beta)


def _four(text: str, width: int) -> tuple[float, float, float, float] | None:
    values = [real(text[width * n :][:width]) for n in range(4)]
    if None in values:
        return None
    first, second, third, fourth = (value or 0.0 for value in values)
    return first, second, third, fourth
