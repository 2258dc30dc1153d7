"""What Linux has and others lack is taken away here: measuring must go on without it."""

import select

import pytest

import clocksync
from clocksync.measuring.result import Verdict
from clocksync.runtime import mmsg
from clocksync.runtime.clocks import SoftwareClock, SystemClock
from clocksync.runtime.core import StampSource
from clocksync.runtime.units import MILLISECOND


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system with neither epoll nor recvmmsg and sendmmsg."""
    monkeypatch.delattr(select, "epoll")
    monkeypatch.setattr(mmsg, "available", lambda: False)


@pytest.mark.usefixtures("elsewhere")
def test_hosts_are_measured_with_our_own_stamps() -> None:
    clock = SoftwareClock(SystemClock(), offset_ns=50 * MILLISECOND)
    with clocksync.Server(clock, port=0) as server:
        host, port = server.address
        measurement = clocksync.measure_sync([f"{host}:{port}"], samples=4, burst=True)
    (row,) = measurement.hosts
    assert (row.verdict, row.answered) == (Verdict.TRUECHIMER, 4)
    assert row.timestamps is StampSource.USER
    assert row.interval is not None
    assert clock.offset_at(measurement.measured_at_ns) in row.interval


@pytest.mark.usefixtures("elsewhere")
def test_a_silent_host_is_unreachable() -> None:
    measurement = clocksync.measure_sync(
        ["127.0.0.1:9"], samples=1, timeout_ns=20 * MILLISECOND, burst=True
    )
    assert measurement.hosts[0].verdict is Verdict.UNREACHABLE
