"""A capture's result for programs: JSON of the schema clocksync.capture/1, and CSV by exchange."""

import json
from typing import Any

from clocksync.capture.book import Clock, Pair
from clocksync.capture.result import Reading, Result, Row, host_name
from clocksync.ntp.sample import Sample
from clocksync.runtime.units import SECOND, to_seconds

CSV_HEAD = "time,protocol,client,server,clock,offset_s,error_bound_s,delay_s"


def to_json(result: Result) -> str:
    """The whole document."""
    return json.dumps(to_document(result), indent=2)


def to_document(result: Result) -> dict[str, Any]:
    """What the schema describes."""
    observer = result.observer
    return {
        "schema": "clocksync.capture/1",
        "source": result.source,
        "whole": result.is_whole,
        "packets": observer.packets,
        "bytes": observer.bytes,
        "begins_at_unix_s": to_seconds(observer.first_ns) if observer.packets else None,
        "duration_s": to_seconds(result.duration_ns),
        "datagrams": {name: observer.looked_at[name] for name in ("NTP", "PTP", "clocksync")},
        "frames": dict(observer.toolkit.frames),
        "clusters": [
            {"cluster": cluster, "senders": sorted(senders)}
            for cluster, senders in sorted(observer.toolkit.clusters.items())
        ],
        "cautions": result.cautions,
        "pairs": [_pair(row) for row in result.rows],
    }


def _pair(row: Row) -> dict[str, Any]:
    pair, reading = row.pair, row.headline
    return {
        "protocol": pair.protocol.value,
        "client": host_name(pair, False),
        "server": host_name(pair, True),
        "observer": row.place.value,
        "observer_inferred": row.place_is_inferred,
        "verdict": row.verdict,
        "requests": pair.requests,
        "replies": pair.replies,
        "exchanges": pair.exchanges,
        "interleaved": pair.interleaved,
        "impossible": pair.impossible,
        "stratum": pair.stratum,
        "root_distance_s": _seconds(pair.root_distance_ns),
        "relative_to": row.relative_to,
        "offset_s": _seconds(None if reading is None else reading.estimate.offset_ns),
        "error_bound_s": _seconds(None if reading is None else reading.estimate.error_bound_ns),
        "server_to_capture": _reading(row.readings.get(Clock.SERVER)),
        "client_to_capture": _reading(row.readings.get(Clock.CLIENT)),
        "server_to_client": _reading(row.readings.get(Clock.BETWEEN)),
        "client_ahead_at_least_s": _floor(pair, False),
        "server_ahead_at_least_s": _floor(pair, True),
        "notes": dict(pair.notes),
    }


def _floor(pair: Pair, is_server: bool) -> float | None:
    floor = pair.server_floor if is_server else pair.client_floor
    return to_seconds(floor.value_ns) if floor.count else None


def _reading(reading: Reading | None) -> dict[str, Any] | None:
    if reading is None:
        return None
    found, course = reading.estimate, reading.course
    return {
        "offset_s": to_seconds(found.offset_ns),
        "error_bound_s": to_seconds(found.error_bound_ns),
        "delay_s": to_seconds(reading.delay_ns),
        "jitter_s": None if found.jitter_ns is None else found.jitter_ns / SECOND,
        "skew_ppm": found.skew_ppm,
        "skew_bound_ppm": found.skew_bound_ppm,
        "samples": course.count,
        "clock_was_set": reading.was_set,
        "least_s": to_seconds(course.least_ns),
        "median_s": to_seconds(course.median_ns),
        "greatest_s": to_seconds(course.greatest_ns),
        "course": [[to_seconds(s.t4), to_seconds(s.offset_ns)] for s in course.samples],
    }


def _seconds(value: int | None) -> float | None:
    return None if value is None else to_seconds(value)


def csv_line(pair: Pair, clock: Clock, sample: Sample) -> str:
    """One sample; its bound is that of the path alone, at the reply's passing."""
    values = sample.offset_ns, path_bound_ns(sample), sample.raw_delay_ns
    numbers = ",".join(map(_decimal, values))
    names = f"{pair.protocol.value},{host_name(pair, False)},{host_name(pair, True)}"
    return f"{_decimal(sample.t4)},{names},{clock.value},{numbers}"


def path_bound_ns(sample: Sample) -> int:
    """The bound of one sample by itself."""
    path = sample.path
    return max(path.latest - sample.offset_ns, sample.offset_ns - path.earliest)


def _decimal(value: int) -> str:
    whole, part = divmod(abs(value), SECOND)
    return f"{'-' if value < 0 else ''}{whole}.{part:09d}"
