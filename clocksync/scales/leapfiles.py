"""Leap second files, read strictly: a wrong table is worse than none.

Three formats: the list of NIST and IERS (``leap-seconds.list``, with an expiry and a SHA-1 hash
over its numbers), tzdata's ``leapseconds`` (with an expiry in a comment), and the leap second
records of compiled zone files (TZif, RFC 9636 section 3.2, as under ``right/``; an expiry from
version 4 on). All begin in 1972. What is cut, altered, out of order or has no end to its validity
is refused with one line that says why.

The hash guards against damage, not against malice: whoever changes the list can make a new one.
"""

import hashlib
import re
import struct
from collections.abc import Iterator
from itertools import pairwise

from clocksync.ntp.timestamps import UNIX_EPOCH_IN_NTP
from clocksync.runtime.errors import ToolkitError
from clocksync.runtime.units import SECOND
from clocksync.scales.civil import DAY, NoSuchTime, day_of
from clocksync.scales.eras import EPOCH_NS
from clocksync.scales.leaps import FIRST_DAY, FIRST_OFFSET, Leap, LeapTable

SIZE_MAX = 1 << 20
"""A list is 5 KB and a zone file 1 KB; nobody's is this long."""

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_LEAPS_MAX = 1_000
_SECONDS_MAX = 1 << 38  # past the year 9999


class BadLeapFile(ToolkitError, ValueError):
    """A leap second file is damaged or none; the message names it and says why."""


def parse_leap_file(raw: bytes, source: str) -> LeapTable:
    """Read a leap second file of any of the three formats; `source` is its name in messages.

    Raises:
        BadLeapFile: it is none, or damaged.
    """
    try:
        if len(raw) > SIZE_MAX:
            raise BadLeapFile("is far too long for a leap second file")
        if raw.startswith(b"TZif"):
            return _parse_tzif(raw, source)
        text = raw.decode("utf-8")
        if re.search(r"^#@", text, re.M) or re.search(r"^\d+\s+\d+", text, re.M | re.A):
            return _parse_list(text, source)
        if re.search(r"^(Leap|Expires)\b|^#\s*[Ll]eap seconds? ", text, re.M):
            return _parse_tzdata(text, source)
        raise BadLeapFile("is no leap second file (leap-seconds.list, leapseconds or TZif)")
    except UnicodeDecodeError:
        raise BadLeapFile(f"{source} is no leap second file: it is not text") from None
    except (BadLeapFile, NoSuchTime) as error:
        joint = " " if isinstance(error, BadLeapFile) else ": "
        raise BadLeapFile(f"{source}{joint}{error}") from None


def list_hash(updated: str, expires: str, data: list[tuple[str, str]]) -> tuple[int, ...]:
    """The SHA-1 hash of a leap-seconds.list as its ``#h`` line has it, five words of 32 bits: over
    the digits of its ``#$`` and ``#@`` lines and of both columns of data, nothing between."""
    digits = updated + expires + "".join(second + offset for second, offset in data)
    digest = hashlib.sha1(digits.encode("ascii"), usedforsecurity=False).digest()
    return struct.unpack(">5I", digest)


def format_list(table: LeapTable) -> str:
    """Write a table as a leap-seconds.list, with its hash: for tests, and to carry one along."""
    seconds, offset = FIRST_DAY * 86_400 + UNIX_EPOCH_IN_NTP, FIRST_OFFSET
    data = [(str(seconds), str(offset))]
    for leap in table.leaps:
        offset += leap.change
        data.append((str(leap.midnight_ns // SECOND + UNIX_EPOCH_IN_NTP), str(offset)))
    updated, expires = (
        str((ns - EPOCH_NS) // SECOND) for ns in (table.updated_ns or 0, table.known_until_ns)
    )
    words = " ".join(f"{word:08x}" for word in list_hash(updated, expires, data))
    rows = "".join(f"{second}\t{offset}\n" for second, offset in data)
    return f"#$\t{updated}\n#@\t{expires}\n{rows}#h\t{words}\n"


def _parse_list(text: str, source: str) -> LeapTable:
    """NIST's and IERS's: ``#$ updated``, ``#@ expires``, ``seconds offset`` since 1900, ``#h``."""
    stamps: dict[str, str] = {}
    data: list[tuple[str, str]] = []
    wrong: int | None = None
    for number, line in enumerate(text.splitlines(), 1):
        mark = line[:2]
        if mark in ("#$", "#@", "#h"):
            if mark in stamps:
                raise BadLeapFile(f"has two {mark} lines")
            stamps[mark] = line[2:].strip()
        else:
            content = line.partition("#")[0].split()
            if not content:
                continue
            if len(content) != 2 or not all(re.fullmatch("[0-9]{1,12}", c) for c in content):
                wrong = wrong or number
                continue
            data.append((content[0], content[1]))
    for mark, meaning in (("#$", "update"), ("#@", "expiry"), ("#h", "hash")):
        if mark not in stamps:
            raise BadLeapFile(f"has no {meaning} line ({mark}): it may be cut short")
    if wrong:
        raise BadLeapFile(f"has no seconds and offset in line {wrong}")
    updated, expires = stamps["#$"], stamps["#@"]
    if not (re.fullmatch("[0-9]{1,12}", updated) and re.fullmatch("[0-9]{1,12}", expires)):
        raise BadLeapFile("has an update or expiry line that is no number")
    # Words are compared as numbers: lists have been published without a word's leading zeros.
    words = stamps["#h"].split()
    if not all(re.fullmatch("[0-9a-fA-F]{1,8}", word) for word in words):
        raise BadLeapFile("has a hash line (#h) that is no SHA-1 hash")
    if tuple(int(word, 16) for word in words) != list_hash(updated, expires, data):
        raise BadLeapFile("does not match its hash (#h): it was altered or damaged")
    steps = [(int(second) - UNIX_EPOCH_IN_NTP, int(offset)) for second, offset in data]
    if steps[:1] != [(FIRST_DAY * 86_400, FIRST_OFFSET)]:
        raise BadLeapFile("does not begin with TAI - UTC = 10 s in 1972")
    leaps = tuple(
        _leap(second, offset - before) for (_, before), (second, offset) in pairwise(steps)
    )
    until, since = (int(each) * SECOND + EPOCH_NS for each in (expires, updated))
    return LeapTable(leaps, until, source, since)


def _parse_tzdata(text: str, source: str) -> LeapTable:
    """tzdata's: ``Leap 2016 Dec 31 23:59:60 + S``, ``#updated`` and ``#expires`` POSIX seconds."""
    leaps, known_until, updated = [], None, None
    for number, line in enumerate(text.splitlines(), 1):
        if match := re.match(r"#(updated|expires) ([0-9]{1,12})\b", line):
            if match[1] == "updated":
                updated = int(match[2]) * SECOND
            else:
                known_until = int(match[2]) * SECOND
            continue
        words = line.partition("#")[0].split()
        if not words:
            continue
        wrong = BadLeapFile(f"has no leap second in line {number}: {' '.join(words)[:60]}")
        if words[0] == "Expires" and len(words) == 5 and words[4] == "00:00:00":
            known_until = _tzdata_day(words[1:4], wrong) * DAY
        elif words[0] == "Leap" and len(words) == 7:
            change = {("23:59:60", "+"): 1, ("23:59:59", "-"): -1}.get((words[4], words[5]))
            if change is None or not words[6].startswith("S"):
                raise wrong
            leaps.append(Leap(_tzdata_day(words[1:4], wrong), change))
        else:
            raise wrong
    if known_until is None:
        raise BadLeapFile("does not say when it expires: it may be cut short")
    return LeapTable(tuple(leaps), known_until, source, updated)


def _tzdata_day(words: list[str], wrong: BadLeapFile) -> int:
    try:
        return day_of(int(words[0]), _MONTHS.index(words[1]) + 1, int(words[2]))
    except ValueError:
        raise wrong from None


def _leap(second: int, change: int) -> Leap:
    """The leap second before POSIX second `second`."""
    day, rest = divmod(second, 86_400)
    if rest or not 0 <= second < _SECONDS_MAX:
        raise BadLeapFile("has a leap second that is not at the end of a day")
    return Leap(day - 1, change)


def _parse_tzif(raw: bytes, source: str) -> LeapTable:
    """The leap second records of a compiled zone: when, in seconds that count the ones before, and
    the sum of all so far. From version 4 on a last record that changes nothing is the expiry."""
    try:
        records, version = list(_tzif_records(raw)), raw[4:5]
    except struct.error:
        raise BadLeapFile("is cut short") from None
    if not records:
        raise BadLeapFile("has no leap second records: use a zone under right/")
    leaps: list[Leap] = []
    total, known_until = 0, None
    for at, (when, correction) in enumerate(records):
        second, change = when - total, correction - total
        if change == 0 and at == len(records) - 1 and version >= b"4":
            known_until = second * SECOND
            break
        if abs(change) != 1:
            raise BadLeapFile("has leap second records that do not change by one second")
        # An inserted second is told as its own beginning, one left out as the second after it.
        leaps.append(_leap(second if change > 0 else second + 1, change))
        total = correction
    if known_until is None:  # it knew of its last leap second when it was made, and no more
        known_until = leaps[-1].midnight_ns
    return LeapTable(tuple(leaps), known_until, source)


def _tzif_records(raw: bytes) -> Iterator[tuple[int, int]]:
    header = struct.Struct(">4sc15x6I")
    at, width = 0, 4
    while True:
        magic, version, isutc, isstd, leap, times, types, chars = header.unpack_from(raw, at)
        if magic != b"TZif":
            raise BadLeapFile("is no zone file")
        at += header.size + times * (width + 1) + types * 6 + chars
        body = at
        at += leap * (width + 4) + isstd + isutc
        if version == b"\0" or width == 8:
            break
        width = 8
    footer = raw[at:]  # a line break, the rule for the future, a line break
    whole = len(footer) > 1 and footer[:1] == footer[-1:] == b"\n" if width == 8 else len(raw) >= at
    if not whole or leap > _LEAPS_MAX:
        raise BadLeapFile("is cut short")
    record = struct.Struct(">ii" if width == 4 else ">qi")
    for number in range(leap):
        yield record.unpack_from(raw, body + number * record.size)
