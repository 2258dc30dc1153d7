"""What ``clocksync watch`` knows, as messages for the page. Pure."""

from collections.abc import Iterator

from clocksync.dashboard.log import Message
from clocksync.runtime.units import to_seconds
from clocksync.watching.alarms import by_host
from clocksync.watching.core import Report
from clocksync.watching.rows import Row


def messages(report: Report) -> Iterator[Message]:
    """One report: a message for each host, and one for each alarm raised or cleared."""
    at_s = to_seconds(report.elapsed_ns)
    alarms = by_host(report.alarms)
    for row in report.rows:
        told = [alarm.cause.detail for alarm in alarms.get(row.result.host, [])]
        yield _clock(row, at_s, told)
    for change in report.changes:
        cause = change.alarm.cause
        yield {
            "kind": "alarm",
            "at_s": at_s,
            "host": cause.host,
            "what": cause.kind.value,
            "raised": change.raised,
            "detail": cause.detail,
        }


def _clock(row: Row, at_s: float, alarms: list[str]) -> Message:
    result = row.result
    known = result.offset_ns is not None and result.error_bound_ns is not None
    return {
        "kind": "clock",
        "at_s": at_s,
        "host": result.host,
        "verdict": result.verdict.value,
        "reason": result.reason,
        "offset_s": to_seconds(result.offset_ns or 0) if known else None,
        "error_bound_s": to_seconds(result.error_bound_ns or 0) if known else None,
        "delay_s": None if result.delay_ns is None else to_seconds(result.delay_ns),
        "stratum": result.stratum,
        "age_s": None if row.age_ns is None else to_seconds(row.age_ns),
        "alarms": alarms,
    }
