"""What a capture says of each pair of hosts: offsets with bounds, where the observer sat, verdicts.

The offset of a pair is the server's clock minus the client's where that can be known, else the
server's minus the one that stamped the capture; ``relative_to`` says which.
"""

import ipaddress
from dataclasses import dataclass
from enum import Enum

from clocksync.capture.book import Clock, Pair
from clocksync.capture.course import Course
from clocksync.capture.observer import Observer
from clocksync.ntp.estimate import Estimate


class Place(Enum):
    """Where the capture was taken."""

    CLIENT = "client"
    SERVER = "server"
    BETWEEN = "between"
    UNKNOWN = "unknown"


_CLEARLY = 4
"""One side's delay must be so many times the other's before a place is inferred from delays."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One clock against another, ns; ``offset_ns`` ± ``error_bound_ns`` contains the truth."""

    estimate: Estimate
    course: Course
    rests_on: int
    """Kept samples the estimate rests on; fewer than all where a clock was set meanwhile."""

    @property
    def delay_ns(self) -> int:
        """The shortest round trip of this part of the way, whatever the bound was widened by."""
        return max(0, min(sample.raw_delay_ns for sample in self.course.samples))

    @property
    def was_set(self) -> bool:
        """Whether the samples of the whole capture contradict each other."""
        return self.rests_on < len(self.course.samples)


@dataclass(frozen=True, slots=True)
class Row:
    """One pair."""

    pair: Pair
    place: Place
    place_is_inferred: bool
    readings: dict[Clock, Reading]
    offset_max_ns: int | None

    @property
    def headline(self) -> Reading | None:
        """What the pair's offset is taken from."""
        return self.readings.get(Clock.BETWEEN) or (
            self.readings.get(Clock.SERVER) if self.place is not Place.SERVER else None
        )

    @property
    def relative_to(self) -> str | None:
        """Against whose clock the headline is: ``client`` or ``capture``."""
        if self.headline is None:
            return None
        known = Clock.BETWEEN in self.readings or self.place is Place.CLIENT
        return "client" if known else "capture"

    @property
    def is_out(self) -> bool:
        """Whether the offset may exceed what is allowed, or certainly does by one-sided stamps."""
        if self.offset_max_ns is None:
            return False
        reading = self.headline
        if reading is not None:
            found = reading.estimate
            return abs(found.offset_ns) + found.error_bound_ns > self.offset_max_ns
        floor = self.pair.client_floor
        return bool(floor.count) and floor.value_ns > self.offset_max_ns

    @property
    def verdict(self) -> str:
        """One word or two for the table."""
        if self.is_out:
            return "out of bounds"
        if self.readings:
            return "measured"
        if self.pair.requests and not self.pair.replies:
            return "unanswered"
        return "one way only" if not self.pair.exchanges else "no usable stamps"

    @property
    def remarks(self) -> list[str]:
        """Sentences about what is not plain, most telling first."""
        pair = self.pair
        found = [f"{count:,} {words}" for words, count in pair.notes.most_common()]
        if pair.impossible:
            found.append(f"{pair.impossible:,} replies with impossible stamps")
        if any(reading.was_set for reading in self.readings.values()):
            found.append("a clock was set meanwhile: the offset rests on what came after")
        return found


@dataclass(frozen=True, slots=True)
class Result:
    """A whole capture."""

    source: str
    observer: Observer
    rows: list[Row]
    cautions: list[str]
    is_whole: bool
    duration_ns: int

    @property
    def has_traffic(self) -> bool:
        """Whether there was a datagram of NTP, PTP or the toolkit."""
        return any(self.observer.looked_at.values())

    @property
    def exit_code(self) -> int:
        """0 good; 1 a pair is out of bounds, or the file could not be read whole; 2 no time
        traffic at all."""
        if not self.has_traffic:
            return 2
        return int(any(row.is_out for row in self.rows) or not self.is_whole)


def conclude(
    observer: Observer,
    source: str,
    *,
    place: Place | None = None,
    offset_max_ns: int | None = None,
    trouble: str | None = None,
    without_stamp: int = 0,
) -> Result:
    """What was seen so far. `place` None: inferred for each pair."""
    rows = []
    for pair in observer.book.pairs:
        readings = {}
        for clock, course in pair.courses.items():
            found = course.estimate()
            if found is not None:
                readings[clock] = Reading(found[0], course, found[1])
        where = place or infer_place(pair, readings)
        rows.append(Row(pair, where, place is None, readings, offset_max_ns))
    cautions = [] if trouble is None else [trouble]
    cautions += _cautions(observer, without_stamp)
    duration = max(0, observer.last_ns - observer.first_ns)
    return Result(source, observer, rows, cautions, trouble is None, duration)


def infer_place(pair: Pair, readings: dict[Clock, Reading]) -> Place:
    """Where the observer sits: by which way packets went, where the capture tells that; else by
    which part of the way is the shorter, where both are known."""
    sent, got = pair.outward, pair.inward
    if sent[0] and not got[0] and not sent[1]:
        return Place.CLIENT
    if sent[1] and not got[1] and not sent[0]:
        return Place.SERVER
    if any(sent) or any(got):
        return Place.BETWEEN if sent[0] and got[0] else Place.UNKNOWN
    near, far = readings.get(Clock.CLIENT), readings.get(Clock.SERVER)
    if near is None or far is None:
        return Place.UNKNOWN
    to_client, to_server = (max(1, each.delay_ns) for each in (near, far))
    if to_client * _CLEARLY < to_server:
        return Place.CLIENT
    return Place.SERVER if to_server * _CLEARLY < to_client else Place.BETWEEN


def _cautions(observer: Observer, without_stamp: int) -> list[str]:
    book, tools = observer.book, observer.toolkit
    why = "another key, or no hello of their sender" if tools.has_key else "--key FILE opens them"
    counted = [
        (tools.sealed, f"sealed frames not opened: {why}"),
        (observer.fragments, "fragments skipped"),
        (observer.cut_short, "packets that end within their headers"),
        (observer.ntp.short, "packets on an NTP port too short for NTP"),
        (observer.ptp.malformed, "packets on a PTP port that are no PTP of version 2"),
        (observer.ntp.unmatched, "NTP replies to no request that was seen"),
        (observer.backwards, "stamps earlier than the one before: is the capture in order?"),
        (without_stamp, "packets stored without a time"),
        (book.forgotten, "pairs forgotten to bound memory (--pairs)"),
        (book.strangers_forgotten, "hosts without an exchange forgotten to bound memory"),
    ]
    found = [f"{count:,} {words}" for count, words in counted if count]
    links = [f"{count:,} packets of link type {n}" for n, count in observer.unread_links.items()]
    return found + [f"{each}, which is not read" for each in links]


def host_name(pair: Pair, is_server: bool) -> str:
    """An address for people, with the node's number where the toolkit's frames tell it."""
    raw = pair.server if is_server else pair.client
    number = pair.server_number if is_server else pair.client_number
    text = raw.hex(":") if len(raw) == 6 else str(ipaddress.ip_address(raw))
    return text if number is None else f"{text} #{number}"
