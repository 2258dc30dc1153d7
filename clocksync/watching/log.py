"""A watch as lines of JSON or CSV (schema ``clocksync.watch/1``): a contract for scripts. Pure.

Every report gives a line for each alarm that was raised or cleared, one for each host, and one for
what the majority agrees on. Units are in the names, ``offset`` is theirs minus ours, unknown is
null (empty in CSV) and never 0. The schema is ``clocksync/schemas/watch-1.json``.
"""

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

from clocksync.measuring.report import host_document, rfc3339
from clocksync.runtime.units import to_seconds
from clocksync.watching.alarms import Change, by_host
from clocksync.watching.core import Report
from clocksync.watching.rows import Row

SCHEMA = "clocksync.watch/1"
_NOT_WATCHED = (
    "authentication",
    "protocol",
    "offset_to_reference_s",
    "reference_error_bound_s",
    "samples",
    "answered",
    "out_of_bounds",
    "name",
    "group",
)
COLUMNS = (
    "event", "at", "elapsed_s", "host", "group", "address", "port", "verdict", "reason",
    "offset_s", "error_bound_s", "delay_s", "jitter_s", "skew_ppm", "skew_bound_ppm", "stratum",
    "reference_id", "leap", "root_delay_s", "root_dispersion_s", "timestamps", "interleaved",
    "reach", "missed", "age_s", "sample_offset_s", "sample_delay_s", "alarms", "kind", "raised",
    "since", "detail",
)  # fmt: skip


def documents(report: Report) -> Iterator[dict[str, Any]]:
    """All lines of one report, as plain data."""
    when = {"at": rfc3339(report.at_ns), "elapsed_s": to_seconds(report.elapsed_ns)}
    for change in report.changes:
        yield {"schema": SCHEMA, "event": "alarm", **when, **_alarm(change)}
    alarms = by_host(report.alarms)
    for row in report.rows:
        kinds = [alarm.cause.kind.value for alarm in alarms.get(row.result.host, [])]
        yield {"schema": SCHEMA, "event": "host", **when, **_host(row), "alarms": kinds}
    if report.combined is not None:
        interval = report.combined.interval
        yield {
            "schema": SCHEMA,
            "event": "combined",
            **when,
            "offset_s": to_seconds(interval.middle),
            "error_bound_s": to_seconds(interval.error),
            "truechimers": list(report.combined.truechimers),
            "falsetickers": list(report.combined.falsetickers),
        }


def _host(row: Row) -> dict[str, Any]:
    said = host_document(row.result)
    told = {key: value for key, value in said.items() if key not in _NOT_WATCHED}
    return {
        "group": row.group,
        **told,
        "reach": row.reach,
        "missed": row.missed,
        "age_s": _seconds(row.age_ns),
        "sample_offset_s": _seconds(row.sample_offset_ns),
        "sample_delay_s": _seconds(row.sample_delay_ns),
    }


def _seconds(value: int | None) -> float | None:
    return None if value is None else to_seconds(value)


def _alarm(change: Change) -> dict[str, Any]:
    cause = change.alarm.cause
    return {
        "host": cause.host,
        "kind": cause.kind.value,
        "raised": change.raised,
        "since": rfc3339(change.alarm.since_ns),
        "detail": cause.detail,
    }


def json_lines(report: Report) -> Iterator[str]:
    """One line of JSON each, in ASCII, without the end of line."""
    for document in documents(report):
        yield json.dumps(document)


def csv_header() -> str:
    """The first line of a CSV log."""
    return ",".join(COLUMNS)


def csv_lines(report: Report) -> Iterator[str]:
    """The same as :func:`json_lines` in columns; unknown is empty."""
    for document in documents(report):
        buffer = io.StringIO()
        writer = csv.DictWriter(buffer, COLUMNS, extrasaction="ignore", lineterminator="")
        writer.writerow({key: _cell(value) for key, value in document.items()})
        yield buffer.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return " ".join(map(str, value))
    return "" if value is None else value


def alarm_line(change: Change) -> str:
    """An alarm for people: when, whom, what.

    >>> from clocksync.watching.alarms import Alarm, Cause, Kind
    >>> told = Alarm(Cause("ntp1", Kind.SILENCE, "no answer to 3 requests in a row"), 0)
    >>> alarm_line(Change(told, True, 1_790_000_000_000_000_000))
    '2026-09-21T14:13:20Z ALARM ntp1 silence: no answer to 3 requests in a row'
    """
    cause, at = change.alarm.cause, rfc3339(change.at_ns)[:19] + "Z"
    if change.raised:
        return f"{at} ALARM {cause.host} {cause.kind.value}: {cause.detail}"
    return (
        f"{at} clear {cause.host} {cause.kind.value}, since {rfc3339(change.alarm.since_ns)[:19]}Z"
    )
