"""What Linux has and others lack is taken away here: measuring must go on without it."""

import errno
import select
import socket
from typing import ClassVar

import pytest

import clocksync
from clocksync.measuring.result import Verdict
from clocksync.runtime import kernel, mmsg, udp
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


class Sandbox(socket.socket):
    """A socket of a kernel without stamps and error queues, as some sandboxes have."""

    lacks: ClassVar[frozenset[int]] = frozenset()

    def setsockopt(self, level: int, option: int, value: int) -> None:  # type: ignore[override]
        if level == socket.SOL_SOCKET and option in self.lacks:
            raise OSError(errno.ENOPROTOOPT, "Protocol not available")
        super().setsockopt(level, option, value)


@pytest.mark.skipif(not kernel.IS_LINUX, reason="these are Linux's options")
@pytest.mark.parametrize(
    ("lacks", "source"),
    [
        ({kernel.SO_TIMESTAMPING}, StampSource.USER),  # no stamp of departures
        ({kernel.SO_TIMESTAMPING, kernel.SO_TIMESTAMPNS}, StampSource.USER),
        ({kernel.SO_RCVBUFFORCE, socket.SO_RCVBUF}, StampSource.KERNEL),
    ],
)
def test_a_kernel_that_lacks_an_option_is_measured_from_all_the_same(
    monkeypatch: pytest.MonkeyPatch, lacks: set[int], source: StampSource
) -> None:
    with clocksync.Server(port=0) as server:
        host, port = server.address
        monkeypatch.setattr(Sandbox, "lacks", frozenset(lacks))
        monkeypatch.setattr(udp.socket, "socket", Sandbox)
        measurement = clocksync.measure_sync([f"{host}:{port}"], samples=4, burst=True)
    (row,) = measurement.hosts
    assert (row.verdict, row.answered) == (Verdict.TRUECHIMER, 4)
    assert row.timestamps is source
    assert row.interval is not None
    assert 0 in row.interval
