"""A mesh as JSON (schema ``clocksync.mesh/1``): a contract for scripts.

Units are in the names, offset is b minus a, what is unknown is null and never 0. The schema is
``clocksync/schemas/mesh-1.json``.
"""

import json
from typing import Any

from clocksync.meshing.result import HostState, MeshResult, Pair, Path
from clocksync.runtime.units import to_seconds

SCHEMA = "clocksync.mesh/1"


def to_document(result: MeshResult) -> dict[str, Any]:
    """The result as plain data, keys as the schema has them."""
    return {
        "schema": SCHEMA,
        "pairs": [_pair(pair) for pair in result.pairs],
        "loop_residual_s": _seconds(result.loop_residual_ns),
        "worst_loop": list(result.worst_loop),
        "as_of_s": to_seconds(result.as_of_ns),
        "hosts": [_host(host) for host in result.hosts],
        "paths": [_path(path) for path in result.paths],
        "steps": [{"ids": list(s.hosts), "by_s": to_seconds(s.by_ns)} for s in result.steps],
        "two_faced": list(result.two_faced),
        "troubles": result.troubles,
    }


def to_json(result: MeshResult) -> str:
    """The result as one line of JSON, in ASCII: the last line a script has to read."""
    return json.dumps(to_document(result))


def _pair(pair: Pair) -> dict[str, Any]:
    return {
        "a": pair.a,
        "b": pair.b,
        "offset_s": to_seconds(pair.offset_ns),
        "skew_ppm": pair.skew_ppm,
        "error_bound_s": to_seconds(pair.error_bound_ns),
        "probed": pair.was_measured,
    }


def _host(host: HostState) -> dict[str, Any]:
    return {
        "host": host.name,
        "address": host.address[0],
        "port": host.address[1],
        "id": host.number,
        "reference_id": host.reference,
        "offset_s": _seconds(host.offset_ns),
        "error_bound_s": _seconds(host.error_bound_ns),
        "skew_ppm": host.skew_ppm,
        "troubles": list(host.troubles),
    }


def _path(path: Path) -> dict[str, Any]:
    return {
        "a": path.a,
        "b": path.b,
        "offset_s": to_seconds(path.offset_ns),
        "delay_s": to_seconds(path.delay_ns),
        "exchanges": path.exchanges,
        "residual_s": to_seconds(path.residual_ns),
        "asymmetry_s": _seconds(path.asymmetry_ns),
        "asymmetry_at_least_s": to_seconds(path.asymmetry_least_ns),
        "asymmetry_proven_s": to_seconds(path.asymmetry_proven_ns),
    }


def _seconds(value: int | None) -> float | None:
    return None if value is None else to_seconds(value)
