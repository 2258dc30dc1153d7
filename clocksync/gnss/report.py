"""Fixes as JSON (schema ``clocksync.gnss/1``), written epoch by epoch: a contract for scripts.

Units are in the names; unknown is null, never 0. The schema is ``clocksync/schemas/gnss-1.json``.
Times are GPS time (no leap seconds, no ``Z``), by the receiver's clock.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from clocksync.gnss.fix import Fix, Status
from clocksync.gnss.geodesy import to_geodetic
from clocksync.gnss.instants import iso
from clocksync.gnss.summary import Spread, Summary
from clocksync.runtime.units import SECOND

SCHEMA = "clocksync.gnss/1"


def fix_document(fix: Fix) -> dict[str, Any]:
    """One epoch as plain data, keys as the schema has them."""
    place = to_geodetic(fix.position) if fix.position else None
    return {
        "time": iso(fix.time),
        "status": fix.status.value,
        "reason": fix.reason,
        "position_ecef_m": [round(metres, 4) for metres in fix.position] if fix.position else None,
        "latitude_deg": place and round(place.latitude_deg, 9),
        "longitude_deg": place and round(place.longitude_deg, 9),
        "height_m": place and round(place.height_m, 4),
        "horizontal_bound_m": _rounded(fix.horizontal_bound_m),
        "vertical_bound_m": _rounded(fix.vertical_bound_m),
        "horizontal_protection_m": _rounded(fix.horizontal_protection_m),
        "clock_error_s": _seconds(fix.clock_error_ns),
        "clock_error_std_s": _seconds(fix.clock_error_std_ns),
        "clock_error_bound_s": _seconds(fix.clock_error_bound_ns),
        "galileo_minus_gps_s": _seconds(fix.galileo_minus_gps_ns),
        "horizontal_dilution": _rounded(fix.horizontal_dilution),
        "chi_square": _rounded(fix.chi_square),
        "chi_square_limit": _rounded(fix.chi_square_limit),
        "satellites": fix.satellites,
        "residuals_m": {each.satellite: round(each.residual_m, 3) for each in fix.used},
        "excluded": [
            {"satellite": each.satellite, "cause": each.cause.value, "reason": each.reason}
            for each in fix.excluded
        ],
    }


def summary_document(summary: Summary) -> dict[str, Any]:
    """What all epochs say together, as plain data."""
    drift = summary.drift
    return {
        "epochs": summary.epochs,
        "statuses": {
            each.value: summary.statuses[each] for each in Status if summary.statuses[each]
        },
        "horizontal_error_m": _spread(summary.horizontal),
        "vertical_error_m": _spread(summary.vertical),
        "outside_the_bound": summary.outside if summary.easts else None,
        "clock_drift_ppb": drift and drift.ppb,
        "clock_drift_std_ppb": drift and drift.std_ppb,
        "clock_jumps": drift and drift.jumps,
    }


def json_lines(
    fixes: Iterable[Fix], summary: Summary, cautions: list[str], **more: Any
) -> Iterator[str]:
    """The document in pieces, an epoch a line, so that it streams; `summary` grows with it and
    `cautions` is read at the end."""
    yield f'{{"schema": {json.dumps(SCHEMA)}, "time_scale": "GPS", "epochs": ['
    pending: str | None = None
    for fix in fixes:
        if pending is not None:
            yield pending + ","
        summary.add(fix)
        pending = json.dumps(fix_document(fix))
    if pending is not None:
        yield pending
    rest = {"cautions": cautions, "summary": summary_document(summary), **more}
    yield f"], {json.dumps(rest)[1:]}"


def _spread(spread: Spread | None) -> dict[str, float] | None:
    if spread is None:
        return None
    return {
        "median": round(spread.median_m, 3),
        "p95": round(spread.p95_m, 3),
        "max": round(spread.max_m, 3),
    }


def _seconds(value_ns: float | None) -> float | None:
    return None if value_ns is None else round(value_ns / SECOND, 13)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
