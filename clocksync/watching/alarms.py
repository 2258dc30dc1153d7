"""Alarms: raised when something is wrong, cleared when it has been right for a while. Pure.

A *cause* is found anew in every report; an alarm is what causes become over time. It is raised with
the first report that has a cause and cleared with the `hold`-th in a row that has not, so that
one that comes and goes is told twice and not all night.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from clocksync.measuring.result import Verdict
from clocksync.runtime.units import format_duration
from clocksync.watching.rows import Row
from clocksync.watching.settings import Limits

LOCAL = "local clock"
"""Whom an alarm is about that is no host's."""


class Kind(Enum):
    """What can be wrong."""

    OFFSET = "offset"
    ERROR = "error"
    DRIFT = "drift"
    STEP = "step"
    SILENCE = "silence"
    FALSETICKER = "falseticker"
    UNSYNCHRONISED = "unsynchronised"
    KISS_OF_DEATH = "kiss-of-death"
    INVALID = "invalid"
    NO_MAJORITY = "no-majority"


@dataclass(frozen=True, slots=True)
class Cause:
    """Something wrong with one host (or the local clock), as of one report."""

    host: str
    kind: Kind
    detail: str


@dataclass(frozen=True, slots=True)
class Alarm:
    """A cause that lasts."""

    cause: Cause
    since_ns: int
    """Local wall time of the report that raised it."""


@dataclass(frozen=True, slots=True)
class Change:
    """An alarm was raised, or cleared."""

    alarm: Alarm
    raised: bool
    at_ns: int


@dataclass(slots=True)
class _Kept:
    alarm: Alarm
    good_reports: int = 0


class AlarmBook:
    """All alarms that are active."""

    def __init__(self, hold: int) -> None:
        self._hold = hold
        self._kept: dict[tuple[str, Kind], _Kept] = {}
        self.raised = 0
        """How many were raised since the beginning."""

    @property
    def active(self) -> list[Alarm]:
        """In the order they were raised; with what was last said of each."""
        return [kept.alarm for kept in self._kept.values()]

    def update(self, causes: Iterable[Cause], at_ns: int) -> list[Change]:
        """What the causes of one report change."""
        changes: list[Change] = []
        found = {(cause.host, cause.kind): cause for cause in causes}
        for key, kept in list(self._kept.items()):
            cause = found.pop(key, None)
            if cause is not None:
                kept.alarm, kept.good_reports = Alarm(cause, kept.alarm.since_ns), 0
                continue
            kept.good_reports += 1
            if kept.good_reports >= self._hold:
                del self._kept[key]
                changes.append(Change(kept.alarm, False, at_ns))
        for key, cause in found.items():
            self._kept[key] = _Kept(Alarm(cause, at_ns))
            self.raised += 1
            changes.append(Change(self._kept[key].alarm, True, at_ns))
        return changes


_BY_VERDICT = {
    Verdict.FALSETICKER: Kind.FALSETICKER,
    Verdict.UNSYNCHRONISED: Kind.UNSYNCHRONISED,
    Verdict.KISS_OF_DEATH: Kind.KISS_OF_DEATH,
    Verdict.INVALID: Kind.INVALID,
}


def causes_of(row: Row, limits: Limits, silence: int) -> list[Cause]:
    """What is wrong with one host; steps and drifts beyond what bounds allow for, which leave no
    trace in a row, are not among it."""
    result, found = row.result, []

    def add(kind: Kind, detail: str) -> None:
        found.append(Cause(result.host, kind, detail))

    if result.verdict in _BY_VERDICT:
        add(_BY_VERDICT[result.verdict], result.reason or result.verdict.value)
    if row.missed >= silence:
        times = "request" if row.missed == 1 else "requests in a row"
        add(Kind.SILENCE, f"no answer to {row.missed} {times}" + _why(row))
    elif result.address is None and row.refusal:
        add(Kind.SILENCE, row.refusal)
    if result.offset_ns is not None and result.error_bound_ns is not None:
        reached = abs(result.offset_ns) + result.error_bound_ns
        if limits.offset_ns is not None and reached > limits.offset_ns:
            add(
                Kind.OFFSET,
                f"|offset| + bound is {format_duration(reached)},"
                f" more than {format_duration(limits.offset_ns)}",
            )
        if limits.error_ns is not None and result.error_bound_ns > limits.error_ns:
            add(
                Kind.ERROR,
                f"the bound is {format_duration(result.error_bound_ns)},"
                f" more than {format_duration(limits.error_ns)}",
            )
    return found


def _why(row: Row) -> str:
    return f": {row.refusal}" if row.refusal else ""


def by_host(alarms: Iterable[Alarm]) -> Mapping[str, list[Alarm]]:
    """The active alarms of each host."""
    found: dict[str, list[Alarm]] = {}
    for alarm in alarms:
        found.setdefault(alarm.cause.host, []).append(alarm)
    return found
