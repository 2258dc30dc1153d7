"""What a watch found over time, as columns: for pictures. From reports, or from logs. Pure."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from clocksync.runtime.errors import BadConfig
from clocksync.runtime.units import SECOND, to_seconds
from clocksync.watching.core import Report

POINTS_MAX = 20_000
"""Points kept of a host; beyond, every second one is left out and from then on not taken."""
_COLUMNS_NEEDED = {"event", "at", "host", "offset_s", "error_bound_s"}


@dataclass(frozen=True, slots=True)
class Point:
    """One host at one instant; an unknown offset is None."""

    at_s: float
    """Unix time, seconds."""
    offset_s: float | None
    error_bound_s: float | None
    answered: bool
    """Whether the host answered in that round; if not, the offset is carried on from before."""
    sample_s: float | None = None
    """The offset by the newest exchange alone."""


@dataclass(frozen=True, slots=True)
class Event:
    """An alarm that was raised."""

    at_s: float
    kind: str
    detail: str


@dataclass(slots=True)
class Series:
    """One host, in the order of time, in bounded memory."""

    host: str
    points: list[Point] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    _stride: int = 1
    _seen: int = 0

    def add(self, point: Point) -> None:
        """Take one more point, or thin what there is."""
        if self._seen % self._stride == 0:
            self.points.append(point)
        self._seen += 1
        if len(self.points) > POINTS_MAX:
            del self.points[1::2]
            self._stride *= 2


class History:
    """The series of all hosts, from the reports of a watch or the lines of its log."""

    def __init__(self) -> None:
        self.series: dict[str, Series] = {}
        self.bad_lines = 0
        """Lines of a log that are none; the last one may be half written."""

    def add(self, report: Report) -> None:
        """Take one more report."""
        at_s = to_seconds(report.at_ns)
        for row in report.rows:
            result = row.result
            offset = None if result.offset_ns is None else result.offset_ns / SECOND
            bound = None if result.error_bound_ns is None else result.error_bound_ns / SECOND
            alone = row.sample_offset_ns
            sample = None if alone is None else alone / SECOND
            self._of(result.host).add(Point(at_s, offset, bound, bool(row.reach & 1), sample))
        for change in report.changes:
            if change.raised:
                cause = change.alarm.cause
                self._event(cause.host, Event(at_s, cause.kind.value, cause.detail))

    def read(self, lines: Iterable[str], name: str) -> None:
        """Take the lines of a log, of either format; `name` is what errors call it.

        Raises:
            BadConfig: it is no log of a watch.
        """
        lines = iter(lines)
        first = next(lines, None)
        if first is None:
            raise BadConfig(f"{name} is empty")
        if first.startswith("{"):
            entries = self._json(first, lines)
        elif set(first.strip().split(",")) >= _COLUMNS_NEEDED:
            entries = csv.DictReader(lines, first.strip().split(","))
        else:
            raise BadConfig(f"{name} is no log of a watch: neither lines of JSON nor CSV")
        taken = 0
        for entry in entries:
            try:
                taken += self._take(entry)
            except (ValueError, KeyError, TypeError, OverflowError):
                self.bad_lines += 1
        if not taken:
            raise BadConfig(f"{name} is no log of a watch: none of its lines is about a host")

    def _json(self, first: str, lines: Iterator[str]) -> Iterator[dict[str, Any]]:
        for line in (first, *lines):
            try:
                entry = json.loads(line)
            except (ValueError, RecursionError):
                self.bad_lines += 1
                continue
            if isinstance(entry, dict):
                yield entry
            else:
                self.bad_lines += 1

    def _take(self, entry: Mapping[str, Any]) -> bool:
        at_s = _unix(entry["at"])
        if entry["event"] == "host":
            answered = bool(int(entry.get("reach") or 0) & 1)
            bound, offset = _number(entry["error_bound_s"]), _number(entry["offset_s"])
            sample = _number(entry.get("sample_offset_s"))
            self._of(str(entry["host"])).add(Point(at_s, offset, bound, answered, sample))
            return True
        if entry["event"] == "alarm" and entry["raised"] in (True, "true"):
            self._event(str(entry["host"]), Event(at_s, str(entry["kind"]), str(entry["detail"])))
        return False

    def _of(self, host: str) -> Series:
        return self.series.setdefault(host, Series(host))

    def _event(self, host: str, event: Event) -> None:
        events = self._of(host).events
        if len(events) < POINTS_MAX:
            events.append(event)


def _number(text: object) -> float | None:
    if text is None or text == "":
        return None
    value = float(text)  # type: ignore[arg-type]
    if value != value or abs(value) > 1e12:
        raise ValueError("no number")
    return value


def _unix(text: str) -> float:
    """RFC 3339 in UTC with any digits, as Unix seconds."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    moment = datetime.strptime(whole, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
    return moment.timestamp() + float(f"0.{fraction or 0}")
