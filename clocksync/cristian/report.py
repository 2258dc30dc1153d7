"""A reading for programs and for people."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from clocksync.cristian.reading import Reading
from clocksync.cristian.settings import CristianSettings
from clocksync.runtime.mmsg import Address
from clocksync.runtime.units import format_duration, to_seconds

SCHEMA = "clocksync.cristian/1"


@dataclass(slots=True)
class Followed:
    """How following a clock went. Durations in ns."""

    duration: int
    readings: int
    attempts: int
    steps: int
    failures: int
    worst_bound: int | None
    """Of the steered clock, as seen at every report; None: it was never read."""
    seen: int = 0
    within: int = 0
    """How often its bound was seen, and how often as asked for."""


def to_document(
    host: str,
    address: Address | None,
    settings: CristianSettings,
    reading: Reading | None,
    why: str | None,
    followed: Followed | None = None,
) -> dict[str, Any]:
    """What was read as plain data; unknown is null, never 0."""
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "host": host,
        "address": address[0] if address else None,
        "port": address[1] if address else None,
        "within_s": to_seconds(settings.within_ns),
        "min_delay_s": to_seconds(settings.min_delay_ns),
        "reached": reading is not None and reading.is_within,
        "reason": why,
        "offset_s": _seconds(None if reading is None else reading.offset_ns),
        "error_bound_s": _seconds(None if reading is None else reading.error_bound_ns),
        "round_trip_s": _seconds(None if reading is None else reading.round_trip_ns),
        "attempts": reading.attempts if reading is not None else None,
        "answered": reading.answered if reading is not None else 0,
        "timestamps": reading.source.value if reading is not None else None,
        "interleaved": reading.interleaved if reading is not None else None,
        "skew_ppm": reading.skew_ppm if reading is not None else None,
        "root_distance_s": _seconds(None if reading is None else reading.distance_ns),
        "followed": None,
    }
    if followed is not None:
        document["followed"] = {
            "duration_s": to_seconds(followed.duration),
            "readings": followed.readings,
            "attempts": followed.attempts,
            "steps": followed.steps,
            "failures": followed.failures,
            "worst_error_bound_s": _seconds(followed.worst_bound),
            "share_within": followed.within / followed.seen if followed.seen else None,
        }
    return document


def to_json(document: dict[str, Any]) -> str:
    """As one JSON text, in ASCII."""
    return json.dumps(document, indent=2)


def sentences(host: str, settings: CristianSettings, reading: Reading) -> Sequence[str]:
    """A reading in words."""
    offset = reading.offset_ns
    words = "right" if not offset else "slow" if offset > 0 else "fast"
    amount = f"{format_duration(abs(offset))} " if offset else ""
    attempts = "1 attempt" if reading.attempts == 1 else f"{reading.attempts} attempts"
    lines = [
        f"{host}: the local clock is {amount}{words} ± {format_duration(reading.error_bound_ns)},"
        f" after {attempts}"
    ]
    known = ""
    if settings.min_delay_ns:
        known = f" less {format_duration(settings.min_delay_ns)}, the least a way takes"
    lines.append(
        f"  half of the best round trip of {format_duration(reading.round_trip_ns)}{known};"
        f" stamps of the {reading.source.value}{', interleaved' if reading.interleaved else ''}"
    )
    if reading.distance_ns:
        lines.append(
            f"  the server says that it is within {format_duration(reading.distance_ns)} of true"
            " time: that is its affair, and not in the bound"
        )
    if not reading.is_within:
        lines.append(
            f"  not within {format_duration(settings.within_ns)}: that was the best of"
            f" {reading.answered} answers; more --attempts, a known --min-delay or a nearer host"
            " would help"
        )
    return lines


def _seconds(value: int | None) -> float | None:
    return None if value is None else to_seconds(value)
