"""``clocksync measure`` against servers nobody here wrote: chronyd and ntpsec's ntpd.

All hosts of one machine share one clock, so the truth is 0 and must lie within every bound.
"""

import json
import subprocess
import sys
from typing import Any

import pytest

import clocksync
from clocksync.cli.measure import measure as measure_command
from clocksync.measuring.report import to_document
from clocksync.measuring.result import HostResult, Verdict
from clocksync.runtime.core import StampSource
from clocksync.runtime.errors import NotSynchronised
from clocksync.runtime.units import MILLISECOND, SECOND
from tests.daemons import Daemon, chrony_server
from tests.namespaces import Host

pytestmark = [pytest.mark.interop, pytest.mark.slow]
ANSWERED: dict[str, Any] = {"burst": True, "timeout_ns": 10 * SECOND}
"""For servers that answer everything: a busy machine must not turn an answer into silence."""
PATIENT: dict[str, Any] = {**ANSWERED, "samples": 8}
TRIES = 20


def only(measurement: clocksync.Measurement) -> HostResult:
    """The one row, whose bound holds the truth: both clocks are the same."""
    (row,) = measurement.hosts
    assert row.verdict is Verdict.TRUECHIMER, row.reason
    assert row.interval is not None
    assert 0 in row.interval
    return row


def named(server: Daemon) -> str:
    return f"{server.address}:{server.port}"


def test_chronyd_is_measured_in_interleaved_mode_with_kernel_stamps(chronyd: Daemon) -> None:
    rows = [only(clocksync.measure_sync([named(chronyd)], **PATIENT)) for _ in range(5)]
    for row in rows:
        assert (row.samples, row.answered, row.stratum) == (8, 8, 2)
        assert row.reference_id == "127.127.1.1"
        assert row.interleaved
        assert row.timestamps is StampSource.KERNEL
    assert min(row.error_bound_ns or SECOND for row in rows) < MILLISECOND


def test_chronyd_is_measured_without_kernel_stamps(chronyd: Daemon) -> None:
    row = only(clocksync.measure_sync([named(chronyd)], kernel_stamps=False, **ANSWERED))
    assert row.timestamps is StampSource.USER


@pytest.mark.parametrize("version", [3, 4])
def test_chronyd_is_measured_in_either_version(chronyd: Daemon, version: int) -> None:
    only(clocksync.measure_sync([named(chronyd)], samples=2, version=version, **ANSWERED))


def test_a_skew_is_claimed_when_the_samples_span_enough_time(chronyd: Daemon) -> None:
    for _ in range(TRIES):  # while delays are so long that none can be claimed
        row = only(clocksync.measure_sync([named(chronyd)], interval_ns=200 * MILLISECOND))
        if row.skew_bound_ppm is not None:
            break
    assert row.skew_ppm is not None
    assert row.skew_bound_ppm is not None
    assert abs(row.skew_ppm) <= row.skew_bound_ppm < 100


def test_a_chronyd_without_a_source_is_unsynchronised() -> None:
    with chrony_server(stratum=0) as server:
        measurement = clocksync.measure_sync([named(server)], samples=2, **ANSWERED)
        (row,) = measurement.hosts
        assert row.verdict is Verdict.UNSYNCHRONISED
        assert row.offset_ns is None
        assert measurement.exit_code == 1


def test_a_chronyd_that_limits_the_rate_is_measured_by_what_it_answers() -> None:
    with chrony_server(extra="ratelimit interval 10 burst 2 leak 4") as server:
        measurement = clocksync.measure_sync(
            [named(server)], samples=6, burst=True, timeout_ns=SECOND // 2
        )
        (row,) = measurement.hosts
        assert row.answered < row.samples
        assert row.verdict in (Verdict.TRUECHIMER, Verdict.KISS_OF_DEATH, Verdict.UNREACHABLE)


@pytest.mark.namespaces
def test_ntpsec_is_measured_across_a_cable(hosts: tuple[Host, Host], ntpd: Daemon) -> None:
    with hosts[0].inside():
        row = only(clocksync.measure_sync([ntpd.address], samples=4, **ANSWERED))
    assert row.stratum == 3


@pytest.mark.namespaces
def test_chronyd_is_measured_across_a_cable_to_well_below_a_microsecond(
    hosts: tuple[Host, Host], chronyd_in_namespace: Daemon
) -> None:
    """Not a benchmark: a hundredfold margin, and the best of a few tries."""
    with hosts[1].inside():
        rows: list[HostResult] = []
        while len(rows) < TRIES and not any(abs(row.offset_ns or 0) < 10_000 for row in rows):
            rows.append(only(clocksync.measure_sync([chronyd_in_namespace.address], **PATIENT)))
    assert all(row.interleaved for row in rows)
    assert min(abs(row.offset_ns or 0) for row in rows) < 10_000


@pytest.mark.namespaces
def test_a_host_whose_cable_is_cut_is_unreachable(
    hosts: tuple[Host, Host], chronyd_in_namespace: Daemon
) -> None:
    server, client = hosts
    server.cut()
    try:
        with client.inside():
            measurement = clocksync.measure_sync(
                [server.ipv4], samples=2, burst=True, timeout_ns=100 * MILLISECOND
            )
    finally:
        server.restore()
    assert measurement.hosts[0].verdict is Verdict.UNREACHABLE
    assert measurement.exit_code == 2


@pytest.mark.namespaces
def test_half_of_the_datagrams_lost_still_gives_a_true_bound(
    hosts: tuple[Host, Host], chronyd_in_namespace: Daemon
) -> None:
    server, client = hosts
    server.lose(0.5, port=123)
    try:
        with client.inside():
            measurement = clocksync.measure_sync(
                [server.ipv4], samples=24, burst=True, timeout_ns=200 * MILLISECOND
            )
    finally:
        server.lose(0)
    row = only(measurement)
    assert 0 < row.answered < row.samples


def test_the_command_prints_what_the_library_measures(chronyd: Daemon) -> None:
    command = [sys.executable, "-m", "clocksync", "measure", named(chronyd), "--burst", "--json"]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (finished.returncode, finished.stderr) == (0, "")
    document = json.loads(finished.stdout)
    same = to_document(clocksync.measure_sync([named(chronyd)], **ANSWERED))
    assert document.keys() == same.keys()
    assert document["hosts"][0].keys() == same["hosts"][0].keys()
    assert measure_command.__doc__


def test_now_is_told_from_what_chronyd_tracks(chronyd: Daemon) -> None:
    clock = clocksync.BoundedClock.from_chronyd(
        str(chronyd.folder / "socket"), chronyc=chronyc(), environment=environment()
    )
    measured = clocksync.BoundedClock.from_measurement(
        clocksync.measure_sync([named(chronyd)], **ANSWERED)
    )
    before, between, after = clock.now(), measured.now(), clock.now()
    assert before.earliest <= between.latest
    assert between.earliest <= after.latest
    assert after.width < SECOND


def test_now_refuses_a_chronyd_that_is_not_synchronised() -> None:
    with chrony_server(stratum=0) as server, pytest.raises(NotSynchronised, match="synchronised"):
        clocksync.BoundedClock.from_chronyd(
            str(server.folder / "socket"), chronyc=chronyc(), environment=environment()
        )


def chronyc() -> str:
    from tools import peers

    return peers.command("chronyc")[-1]


def environment() -> dict[str, str]:
    from tools import peers

    return dict(peers.environment())
