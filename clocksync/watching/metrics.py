"""A watch for Prometheus, by HTTP.  [I/O]

Needs the extra ``metrics``. Offsets, bounds and verdicts are as of the scrape, not of the last
report: a bound that grows in silence grows here as well. Alarms are those of the last report.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from clocksync import exposition
from clocksync.exposition import Metric, Sample
from clocksync.measuring.result import Verdict
from clocksync.runtime.units import to_seconds
from clocksync.watching.alarms import LOCAL, Kind
from clocksync.watching.core import Report, Watch
from clocksync.watching.rows import Row

ANSWER_WITHIN_S = 5


METRICS = tuple(
    Metric(f"clocksync_{name}", text)
    for name, text in (
        ("offset_seconds", "the host's clock minus the local one; positive: local is slow"),
        ("error_bound_seconds", "true time lies within the offset plus or minus this"),
        ("delay_seconds", "round trip of the best sample"),
        ("jitter_seconds", "root mean square of the samples about their line"),
        ("skew_ppm", "rate of the host's clock relative to the local one"),
        ("skew_bound_ppm", "how far the skew may be off"),
        ("stratum", "stratum the host says it has"),
        ("leap_indicator", "the host's: 0 none, 1 insert, 2 delete, 3 unsynchronised"),
        ("root_distance_seconds", "error the host claims for itself"),
        ("last_answer_age_seconds", "since the host's last answer"),
        ("verdict", "1 for what became of the host, by verdict"),
        ("alarm", "1 while the alarm is active, by kind"),
        ("requests_total", "requests sent to the host"),
        ("answers_total", "answers accepted from the host"),
        ("combined_offset_seconds", "middle of what a majority agrees on; absent without one"),
        ("combined_error_bound_seconds", "true time lies within the combined offset +- this"),
        ("alarms_raised_total", "alarms raised since the watch began"),
        ("reports_total", "rounds of requests that are over"),
    )
)


def samples(report: Report, raised: int) -> Iterator[Sample]:
    """All that can be said now; what is unknown is absent, never 0."""
    active = {(alarm.cause.host, alarm.cause.kind) for alarm in report.alarms}
    for row in report.rows:
        labels = {"host": row.result.host, "group": row.group or ""}
        for name, value in _of_host(row):
            if value is not None:
                yield name, labels, value
        for verdict in Verdict:
            is_so = row.result.verdict is verdict
            yield "clocksync_verdict", {**labels, "verdict": verdict.value}, is_so
        for kind in Kind:
            is_active = (row.result.host, kind) in active
            yield "clocksync_alarm", {**labels, "kind": kind.value}, is_active
    for kind in (Kind.STEP, Kind.NO_MAJORITY):
        labels = {"host": LOCAL, "group": "", "kind": kind.value}
        yield "clocksync_alarm", labels, (LOCAL, kind) in active
    if report.combined is not None:
        interval = report.combined.interval
        yield "clocksync_combined_offset_seconds", {}, to_seconds(interval.middle)
        yield "clocksync_combined_error_bound_seconds", {}, to_seconds(interval.error)
    yield "clocksync_alarms_raised_total", {}, raised
    yield "clocksync_reports_total", {}, report.number


def _of_host(row: Row) -> Iterator[tuple[str, float | None]]:
    result = row.result
    yield "clocksync_offset_seconds", _seconds(result.offset_ns)
    yield "clocksync_error_bound_seconds", _seconds(result.error_bound_ns)
    yield "clocksync_delay_seconds", _seconds(result.delay_ns)
    yield "clocksync_jitter_seconds", None if result.jitter_ns is None else result.jitter_ns / 1e9
    yield "clocksync_skew_ppm", result.skew_ppm
    yield "clocksync_skew_bound_ppm", result.skew_bound_ppm
    yield "clocksync_stratum", result.stratum
    yield "clocksync_leap_indicator", result.leap
    if result.root_delay_ns is not None and result.root_dispersion_ns is not None:
        distance_ns = (result.root_delay_ns + 1) // 2 + result.root_dispersion_ns
        yield "clocksync_root_distance_seconds", to_seconds(distance_ns)
    yield "clocksync_last_answer_age_seconds", _seconds(row.age_ns)
    yield "clocksync_requests_total", result.samples
    yield "clocksync_answers_total", result.answered


def _seconds(value: int | None) -> float | None:
    return None if value is None else to_seconds(value)


@contextmanager
def serving(address: tuple[str, int], watch: Watch) -> Iterator[int]:
    """Serve at `address` until the end, from inside the loop that runs the watch; gives the port.

    Raises:
        MissingExtra: the extra is missing.
        BadConfig: the address cannot be used.
    """
    loop = asyncio.get_running_loop()

    async def report() -> Report:
        return watch.look()

    def look() -> Iterator[Sample]:
        told = asyncio.run_coroutine_threadsafe(report(), loop)
        return samples(told.result(ANSWER_WITHIN_S), watch.alarms.raised)

    with exposition.serving(address, METRICS, look) as port:
        yield port
