"""A measurement as JSON (schema ``clocksync.measure/1``) and CSV: contracts for scripts.

Units are in the names, ``offset`` is theirs minus ours, unknown is null and never 0. The schema is
``clocksync/schemas/measure-1.json``.
"""

import csv
import io
import json
from datetime import UTC, datetime
from typing import Any

from clocksync.measuring.result import HostResult, Measurement
from clocksync.runtime.units import SECOND, to_seconds

SCHEMA = "clocksync.measure/1"


def to_document(measurement: Measurement) -> dict[str, Any]:
    """The measurement as plain data, keys as the schema has them."""
    combined = measurement.combined
    return {
        "schema": SCHEMA,
        "measured_at": rfc3339(measurement.measured_at_ns),
        "combined": combined
        and {
            "earliest_offset_s": to_seconds(combined.interval.earliest),
            "latest_offset_s": to_seconds(combined.interval.latest),
            "truechimers": list(combined.truechimers),
            "falsetickers": list(combined.falsetickers),
        },
        "cautions": list(measurement.cautions),
        "hosts": [host_document(row) for row in measurement.hosts],
    }


def host_document(row: HostResult) -> dict[str, Any]:
    """One row as plain data."""
    return {
        "host": row.host,
        "address": row.address,
        "port": row.port,
        "verdict": row.verdict.value,
        "reason": row.reason,
        "offset_s": _seconds(row.offset_ns),
        "error_bound_s": _seconds(row.error_bound_ns),
        "offset_to_reference_s": _seconds(row.offset_to_reference_ns),
        "reference_error_bound_s": _seconds(row.reference_error_bound_ns),
        "delay_s": _seconds(row.delay_ns),
        "jitter_s": _seconds(row.jitter_ns),
        "skew_ppm": row.skew_ppm,
        "skew_bound_ppm": row.skew_bound_ppm,
        "stratum": row.stratum,
        "reference_id": row.reference_id,
        "leap": row.leap,
        "root_delay_s": _seconds(row.root_delay_ns),
        "root_dispersion_s": _seconds(row.root_dispersion_ns),
        "timestamps": row.timestamps and row.timestamps.value,
        "interleaved": row.interleaved,
        "samples": row.samples,
        "answered": row.answered,
        "out_of_bounds": row.out_of_bounds,
        "authentication": row.authentication,
        "name": row.name,
        "group": row.group,
        "protocol": row.protocol,
    }


def to_json(measurement: Measurement) -> str:
    """The measurement as one JSON text; in ASCII, which every terminal and pipe can carry."""
    return json.dumps(to_document(measurement), indent=2)


def to_csv(measurement: Measurement) -> str:
    """One line a host under a header; unknown is empty."""
    buffer = io.StringIO()
    rows = [
        {"measured_at": rfc3339(measurement.measured_at_ns), **host_document(row)}
        for row in measurement.hosts
    ]
    writer = csv.DictWriter(buffer, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: _cell(value) for key, value in row.items()})
    return buffer.getvalue()


def rfc3339(time_ns: int) -> str:
    """Unix nanoseconds as RFC 3339 UTC with all nine digits.

    >>> rfc3339(1_790_000_000_000_000_001)
    '2026-09-21T14:13:20.000000001Z'
    """
    seconds, rest = divmod(time_ns, SECOND)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def _seconds(value: float | None) -> float | None:
    return None if value is None else value / SECOND


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else value
