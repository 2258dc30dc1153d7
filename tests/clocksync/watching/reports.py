"""Rows and reports made by hand."""

from typing import Any

from clocksync.measuring.result import Combined, HostResult, Verdict
from clocksync.runtime.core import StampSource
from clocksync.runtime.interval import Interval
from clocksync.runtime.units import MICROSECOND, SECOND
from clocksync.watching.alarms import Alarm, Cause, Change, Kind
from clocksync.watching.core import Report
from clocksync.watching.rows import Row

AT = 1_790_000_000 * SECOND


def row(host: str = "ntp1", **changes: Any) -> Row:
    """A good row; keys of the result and of the row may be mixed."""
    own = {"group": None, "reach": 255, "missed": 0, "age_ns": 2_000_000, "refusal": "",
           "sample_offset_ns": 12_100, "sample_delay_ns": 200_000}  # fmt: skip
    mine = {key: changes.pop(key) for key in list(changes) if key in own}
    result = {
        "host": host, "port": 123, "address": "192.0.2.1", "verdict": Verdict.TRUECHIMER,
        "reason": None, "offset_ns": 12 * MICROSECOND, "error_bound_ns": 100 * MICROSECOND,
        "delay_ns": 200_000, "jitter_ns": 850.5, "skew_ppm": 1.25, "skew_bound_ppm": 0.5,
        "stratum": 2, "reference_id": "GPS", "leap": 0, "root_delay_ns": 0,
        "root_dispersion_ns": 30_518, "timestamps": StampSource.KERNEL, "interleaved": True,
        "samples": 40, "answered": 40,
    }  # fmt: skip
    return Row(HostResult(**{**result, **changes}), **{**own, **mine})


def silent(host: str = "ntp2", **changes: Any) -> Row:
    """A host that never answered."""
    unknown = ("offset_ns", "error_bound_ns", "delay_ns", "jitter_ns", "skew_ppm", "stratum",
               "skew_bound_ppm", "reference_id", "leap", "root_delay_ns", "root_dispersion_ns",
               "timestamps", "age_ns", "sample_offset_ns", "sample_delay_ns")  # fmt: skip
    told = {"verdict": Verdict.UNREACHABLE, "reason": "no answer to 5 requests in a row"}
    nothing = dict.fromkeys(unknown)
    return row(host, **{**nothing, **told, "answered": 0, "reach": 0, "missed": 5, **changes})


def alarm(host: str = "ntp2", kind: Kind = Kind.SILENCE, since_ns: int = AT) -> Alarm:
    return Alarm(Cause(host, kind, "no answer to 5 requests in a row"), since_ns)


def report(*rows: Row, number: int = 7, changes: bool = False, combined: bool = True) -> Report:
    """A report of these rows, with an alarm for each that is silent."""
    alarms = tuple(alarm(r.result.host) for r in rows if r.missed)
    good = tuple(r.result.host for r in rows if r.result.interval)
    return Report(
        number=number,
        at_ns=AT + 5,
        elapsed_ns=number * 2 * SECOND,
        rows=rows,
        combined=Combined(Interval(-50_000, 90_000), good, ()) if combined and good else None,
        alarms=alarms,
        changes=tuple(Change(one, True, AT + 5) for one in alarms) if changes else (),
    )
