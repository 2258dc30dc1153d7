"""``measure`` on real sockets: truth lies in every bound, every option does what it says."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from clocksync import (
    BadConfig,
    Measurement,
    MeasureRun,
    MeasureSettings,
    Server,
    Verdict,
    measure,
    measure_sync,
)
from clocksync.measuring.result import Asked, conclude
from clocksync.ntp.responder import Reference
from clocksync.runtime.clocks import SoftwareClock, SystemClock
from clocksync.runtime.core import StampSource
from clocksync.runtime.mmsg import available
from clocksync.runtime.units import MILLISECOND, SECOND
from tests import namespaces
from tests.sockets.servers import (
    PATIENT,
    QUICK,
    Answer,
    Question,
    Responder,
    check,
    holds_truth,
    lying,
    run,
    silent,
)
from tests.sockets.test_measure_bad_input import GETADDRINFO, names, needs_ipv6

TRIES = 20
YEAR_NS = 31_556_952 * SECOND
ERA_ONE_STARTS_NS = 2_085_978_496 * SECOND  # 2036-02-07 06:28:16 UTC, RFC 5905 section 6
SOURCES = [
    pytest.param(
        StampSource.KERNEL,
        marks=pytest.mark.skipif(not available(), reason="kernel stamps are read on Linux only"),
    ),
    StampSource.USER,
]


@pytest.fixture(autouse=True)
def _no_exception_was_swallowed(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """asyncio only logs what a callback raises: here that fails the test."""
    yield
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []


def serving(offset_ns: int = 0, rate_ppm: float = 0.0, **settings: object) -> Server:
    clock = SoftwareClock(SystemClock(), offset_ns, rate_ppm)
    reference = Reference(stratum=1, root_dispersion_ns=1_000, precision=-24)
    return Server(clock, port=0, reference=reference, **settings)  # type: ignore[arg-type]


def named(server: Server) -> str:
    host, port = server.address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("interleaved", [True, False])
@pytest.mark.parametrize(
    ("offset_ns", "rate_ppm"),
    [(0, 0.0), (412_345, 0.0), (-3 * SECOND, 40.0), (40 * YEAR_NS, 0.0), (7, -300.0)],
)
def test_the_true_offset_lies_in_the_bound(
    source: StampSource, interleaved: bool, offset_ns: int, rate_ppm: float
) -> None:
    with serving(offset_ns, rate_ppm) as server:
        measurement = run(
            named(server),
            samples=8,
            interleaved=interleaved,
            kernel_stamps=source is StampSource.KERNEL,
        )
    (row,) = measurement.hosts
    clock = server.clock
    assert isinstance(clock, SoftwareClock)
    assert (row.verdict, row.samples, row.answered) == (Verdict.TRUECHIMER, 8, 8)
    assert row.interval is not None
    assert clock.offset_at(measurement.measured_at_ns) in row.interval
    assert row.timestamps is source
    assert measurement.combined is not None
    assert measurement.combined.interval.contains(row.interval)
    assert measurement.exit_code == 0


def test_a_positive_offset_means_that_ours_is_behind() -> None:
    with serving(5 * SECOND) as server:
        (row,) = run(named(server)).hosts
    assert row.offset_ns is not None
    assert 4 * SECOND < row.offset_ns < 6 * SECOND


@pytest.mark.skipif(not available(), reason="interleaved mode needs transmit stamps")
def test_interleaved_mode_is_used_where_the_server_speaks_it_and_told() -> None:
    with serving() as server:
        (row,) = run(named(server), samples=8).hosts
        (basic,) = run(named(server), samples=8, interleaved=False).hosts
    assert (row.interleaved, basic.interleaved) == (True, False)


@pytest.mark.parametrize("version", [3, 4])
def test_the_version_asked_for_is_spoken(version: int) -> None:
    with Responder() as server:
        (row,) = run(server, version=version).hosts
    assert row.verdict is Verdict.TRUECHIMER
    assert {packet.version for packet in server.requests} == {version}


def test_a_request_tells_nothing_but_a_random_origin() -> None:
    with Responder() as server:
        run(server, samples=8, interleaved=False)
    cookies = {packet.transmit_timestamp for packet in server.requests}
    assert len(cookies) == 8
    for packet in server.requests:
        assert (packet.mode, packet.stratum, packet.reference_timestamp) == (3, 0, 0)
        assert (packet.origin_timestamp, packet.receive_timestamp) == (0, 0)


@needs_ipv6
@pytest.mark.parametrize("kernel_stamps", [True, False])
def test_ipv6_is_measured_alike(kernel_stamps: bool) -> None:
    with Responder(bind="::1", offset_ns=SECOND) as server:
        measurement = run(server, kernel_stamps=kernel_stamps)
    (row,) = measurement.hosts
    assert (row.verdict, row.address, row.answered) == (Verdict.TRUECHIMER, "::1", 4)
    assert holds_truth(row, server, measurement)


@needs_ipv6
def test_one_family_only_is_asked_where_that_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GETADDRINFO, names({"both": ["127.0.0.1"], "six": ["::1"]}))
    with Responder() as server:
        host = f"both:{server.port}"
        assert run(host, family=4).hosts[0].verdict is Verdict.TRUECHIMER
        refused = run(server, family=6).hosts[0]
    assert refused.verdict is Verdict.UNREACHABLE
    assert refused.reason == "that address is not of the family asked for"


@pytest.mark.parametrize("kernel_stamps", [True, False])
def test_requests_leave_from_the_source_address_that_was_asked_for(kernel_stamps: bool) -> None:
    senders: list[str] = []

    def note(question: Question) -> list[Answer]:
        senders.append(question.sender[0])
        return [question.honest()]

    with Responder(note) as server:
        run(server, source="127.0.0.3", kernel_stamps=kernel_stamps)
    assert senders == ["127.0.0.3"] * 4


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"source": "nonsense"}, "'nonsense' is no address to send from"),
        ({"source": "192.0.2.77"}, "cannot send from 192.0.2.77"),
        ({"source": "127.0.0.1", "family": 6}, "IPv4 address, but IPv6"),
        ({"family": 5}, "4 or 6"),
        ({"offset_max_ns": -1}, "cannot be negative"),
        ({"max_drift_ppm": float("inf")}, "maximum drift"),
        ({"max_drift_ppm": 0.0}, "maximum drift"),
        ({"samples": 0}, "samples"),
        ({"timeout_ns": 0}, "timeout"),
        ({"interval_ns": -1}, "interval"),
        ({"version": 5}, "version"),
    ],
)
def test_a_setting_that_cannot_be_is_named(settings: dict[str, object], words: str) -> None:
    with pytest.raises(BadConfig, match=words):
        measure_sync(["127.0.0.1:9"], **settings)


def test_nobody_named_is_a_mistake() -> None:
    with pytest.raises(BadConfig, match="no host is named"):
        measure_sync([])


class TestReference:
    """Offsets to a host of one's own choice."""

    def test_a_listed_reference_is_measured_once(self) -> None:
        with Responder(offset_ns=SECOND) as server, Responder(offset_ns=-SECOND) as base:
            measurement = run(server, base, reference=base.host)
        assert len(base.requests) == 4
        other, own = measurement.hosts
        assert other.offset_to_reference_ns is not None
        assert other.reference_error_bound_ns is not None
        assert abs(other.offset_to_reference_ns - 2 * SECOND) <= other.reference_error_bound_ns
        assert (own.offset_to_reference_ns, own.reference_error_bound_ns) == (0, 0)

    def test_an_unlisted_reference_gets_a_row_of_its_own(self) -> None:
        with Responder() as server, Responder(offset_ns=20 * MILLISECOND) as base:
            measurement = run(server, reference=base.host)
        assert [row.host for row in measurement.hosts] == [server.host, base.host]
        related = measurement.hosts[0]
        assert related.offset_to_reference_ns is not None
        assert related.reference_error_bound_ns is not None
        error = related.offset_to_reference_ns + 20 * MILLISECOND
        assert abs(error) <= related.reference_error_bound_ns

    def test_a_reference_alone_is_enough_to_measure(self) -> None:
        with Responder() as base:
            measurement = run(reference=base.host)
        assert [row.host for row in measurement.hosts] == [base.host]
        assert measurement.exit_code == 0

    def test_a_reference_without_an_answer_relates_nothing_and_fails_the_limit(self) -> None:
        with Responder() as server:
            measurement = run(server, reference="127.9.9.8:9", offset_max_ns=60 * SECOND)
        row, base = measurement.hosts
        assert (row.verdict, base.verdict) == (Verdict.TRUECHIMER, Verdict.UNREACHABLE)
        assert (row.offset_to_reference_ns, row.reference_error_bound_ns) == (None, None)
        assert row.out_of_bounds
        assert "the reference gave no usable answer" in (row.reason or "")
        assert measurement.exit_code == 1

    def test_the_limit_is_on_the_offset_to_the_reference(self) -> None:
        """Both clocks are a minute off, but not from each other."""
        with Responder(offset_ns=60 * SECOND) as server, Responder(offset_ns=60 * SECOND) as base:
            related = run(server, reference=base.host, offset_max_ns=SECOND)
            absolute = run(server, base, offset_max_ns=SECOND)
        assert (related.exit_code, absolute.exit_code) == (0, 1)
        assert all(row.out_of_bounds for row in absolute.hosts)

    @needs_ipv6
    def test_of_a_reference_with_rows_for_each_address_the_first_usable_one_counts(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        table: dict[str, list[str] | OSError] = {"both": ["::1", "127.0.0.1"]}
        monkeypatch.setattr(GETADDRINFO, names(table))
        with Responder(offset_ns=SECOND) as base, Responder() as server:
            measurement = run(server, reference=f"both:{base.port}", all_addresses=True)
        assert len(measurement.hosts) == 3
        assert measurement.hosts[0].offset_to_reference_ns is not None


def _run_to_the_end(
    hosts: list[str], settings: MeasureSettings, stopping: bool = False
) -> tuple[MeasureRun, Measurement]:
    async def work() -> tuple[MeasureRun, Measurement]:
        measuring = MeasureRun(
            hosts, settings, on_settled=lambda *_: measuring.stop() if stopping else None
        )
        return measuring, await asyncio.wait_for(measuring.run(), 60)

    return asyncio.run(work())


def test_the_limit_is_exceeded_by_a_nanosecond_more_and_not_by_its_own_value() -> None:
    settings = MeasureSettings(samples=2, interval_ns=0, timeout_ns=5 * SECOND)
    with Responder(offset_ns=-SECOND) as server:
        measuring, measurement = _run_to_the_end([server.host], settings)
    (row,) = measurement.hosts
    assert row.offset_ns is not None
    assert row.error_bound_ns is not None
    edge = abs(row.offset_ns) + row.error_bound_ns
    asked = [Asked(server.host, server.port, measuring.record(0))]
    at, below = (
        conclude(asked, measurement.measured_at_ns, settings, offset_max_ns=limit)
        for limit in (edge, edge - 1)
    )
    assert (at.hosts[0].out_of_bounds, at.exit_code) == (False, 0)
    assert (below.hosts[0].out_of_bounds, below.exit_code) == (True, 1)
    assert below.hosts[0].verdict is Verdict.TRUECHIMER


def test_a_limit_that_holds_leaves_the_exit_code_alone() -> None:
    with Responder(offset_ns=5 * MILLISECOND) as server:
        assert run(server, offset_max_ns=30 * SECOND).exit_code == 0
        assert run(server, offset_max_ns=4 * MILLISECOND).exit_code == 1


def test_a_lone_consistent_host_is_a_truechimer_however_far_off_it_is() -> None:
    with Responder(offset_ns=-20 * YEAR_NS) as server:
        measurement = run(server, samples=1)
    (row,) = measurement.hosts
    assert (row.verdict, row.reason, measurement.exit_code) == (Verdict.TRUECHIMER, None, 0)
    assert (row.jitter_ns, row.skew_ppm, row.skew_bound_ppm) == (None, None, None)
    assert holds_truth(row, server, measurement)


def test_the_skew_is_claimed_with_a_bound_that_holds_once_samples_span_enough_time() -> None:
    """What is claimed holds always; on a busy machine delays may be too long to claim any."""
    with serving(rate_ppm=150.0) as server:
        for _ in range(TRIES):
            (row,) = run(named(server), samples=7, burst=False, interval_ns=150 * MILLISECOND).hosts
            if row.skew_bound_ppm is not None:
                break
    assert row.skew_ppm is not None
    assert row.skew_bound_ppm is not None
    assert abs(row.skew_ppm - 150.0) <= row.skew_bound_ppm < 100


@pytest.mark.parametrize("ahead_ns", [0, 5 * SECOND, -5 * SECOND])
@pytest.mark.parametrize("kernel_stamps", [True, False])
def test_measuring_goes_on_over_the_end_of_the_era_and_after(
    ahead_ns: int, kernel_stamps: bool
) -> None:
    for local_ns in (ERA_ONE_STARTS_NS - SECOND, ERA_ONE_STARTS_NS + YEAR_NS):
        shift = local_ns - time.time_ns()
        local = SoftwareClock(SystemClock(), shift)
        with Responder(offset_ns=shift + ahead_ns) as server:
            measurement = run(server, clock=local, kernel_stamps=kernel_stamps)
        (row,) = measurement.hosts
        assert row.interval is not None
        assert ahead_ns in row.interval
        assert row.error_bound_ns is not None
        assert row.error_bound_ns < 10 * SECOND
        assert abs(measurement.measured_at_ns - local_ns) < 60 * SECOND


def test_the_offset_is_to_the_clock_that_was_handed_in() -> None:
    with Responder(offset_ns=7 * SECOND) as server:
        (row,) = run(server, clock=SoftwareClock(SystemClock(), 5 * SECOND)).hosts
    assert row.interval is not None
    assert 2 * SECOND in row.interval


def test_progress_ends_with_every_host_settled() -> None:
    told: list[tuple[int, int]] = []
    with Responder() as server, Responder() as other:
        run(
            server,
            other,
            "127.9.9.8:9",
            on_settled=lambda done, total: told.append((done, total)),
        )
    assert [done for done, _ in told] == [1, 2, 3]
    assert told[-1] == (3, 3)


def test_the_synchronous_twin_works_inside_a_running_loop_and_beside_the_other() -> None:
    async def both(host: str) -> list[Measurement]:
        return [measure_sync([host], **PATIENT), await measure([host], **PATIENT)]

    with Responder() as server:
        assert [each.exit_code for each in asyncio.run(both(server.host))] == [0, 0]


def test_a_run_that_is_stopped_returns_what_it_has() -> None:
    with Responder() as server, Responder(silent) as mute:
        settings = MeasureSettings(samples=3, interval_ns=0, timeout_ns=600 * SECOND)
        _, measurement = _run_to_the_end([server.host, mute.host], settings, stopping=True)
    check(measurement)
    good, unheard = measurement.hosts
    assert (good.verdict, good.answered) == (Verdict.TRUECHIMER, 3)
    assert (unheard.verdict, unheard.reason) == (Verdict.UNREACHABLE, "no answer to 1 request")
    assert any("interrupted" in caution for caution in measurement.cautions)
    assert measurement.exit_code == 1


def test_a_burst_does_not_wait_and_an_explicit_interval_holds() -> None:
    with Responder() as server:
        began = time.monotonic_ns()
        run(server, samples=3, burst=True, interval_ns=50 * MILLISECOND)
        assert time.monotonic_ns() - began >= 100 * MILLISECOND
        run(server, samples=3)
    assert len(server.requests) == 6


def test_stratum_reference_and_roots_are_told_as_the_server_says_them() -> None:
    lies = {"stratum": 1, "reference_id": int.from_bytes(b"GPS\0", "big"), "leap": 1}
    with Responder(lying(**lies, root_delay=1 << 15, root_dispersion=1 << 14)) as server:
        (row,) = run(server).hosts
    assert (row.stratum, row.reference_id, row.leap) == (1, "GPS", 1)
    assert (row.root_delay_ns, row.root_dispersion_ns) == (SECOND // 2, SECOND // 4)
    assert row.error_bound_ns is not None
    assert row.error_bound_ns > SECOND // 2
    assert "leap second" in (row.reason or "")


MANY = 10_000


def many_hosts(port: int) -> list[str]:
    return [f"127.{1 + n // 62_500}.{n // 250 % 250}.{1 + n % 250}:{port}" for n in range(MANY)]


@pytest.mark.namespaces
@pytest.mark.slow
def test_ten_thousand_hosts_are_measured_at_once() -> None:
    with ExitStack() as stack:
        (host,) = stack.enter_context(namespaces.bridge(1))
        with host.inside():
            server = stack.enter_context(serving(30 * MILLISECOND, bind="0.0.0.0"))
            measurement = measure_sync(
                many_hosts(server.address[1]), samples=2, burst=True, timeout_ns=20 * SECOND
            )
    assert len(measurement.hosts) == MANY
    usable = [row for row in measurement.hosts if row.verdict is Verdict.TRUECHIMER]
    assert len(usable) == MANY, next(row for row in measurement.hosts if row not in usable)
    wrong = [row for row in usable if row.interval and 30 * MILLISECOND not in row.interval]
    assert wrong == []
    assert measurement.combined is not None


@pytest.mark.namespaces
@pytest.mark.slow
def test_ten_thousand_silent_hosts_end_in_time() -> None:
    with ExitStack() as stack:
        (host,) = stack.enter_context(namespaces.bridge(1))
        with host.inside():
            mute = stack.enter_context(Responder(silent, bind="0.0.0.0"))
            began = time.monotonic()
            measurement = measure_sync(
                many_hosts(mute.port), **{**QUICK, "samples": 1, "timeout_ns": SECOND // 5}
            )
            assert time.monotonic() - began < 30  # a hang guard: promised are 2.2 s
    assert {row.verdict for row in measurement.hosts} == {Verdict.UNREACHABLE}
    assert {row.samples for row in measurement.hosts} == {1}
    assert measurement.exit_code == 2
