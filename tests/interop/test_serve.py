"""Our responder asked by clients nobody here wrote: chronyd, ntpdig and ntplib."""

from collections.abc import Iterator
from contextlib import contextmanager

import ntplib
import pytest

import clocksync
from clocksync.runtime.clocks import SoftwareClock, SystemClock
from clocksync.runtime.units import SECOND
from tests.daemons import (
    chrony_client,
    chrony_query,
    ntpdig_query,
    wait_for_measurements,
)
from tests.namespaces import Host

pytestmark = [pytest.mark.interop, pytest.mark.slow]

AHEAD_S = 1000  # no delay of a busy machine comes near


@contextmanager
def a_server_ahead(host: Host | None = None) -> Iterator[clocksync.Server]:
    """A server whose clock is `AHEAD_S` ahead; on port 123 of `host` if one is given."""
    clock = SoftwareClock(SystemClock(), AHEAD_S * SECOND)
    if host is None:
        with clocksync.Server(clock, port=0) as server:
            yield server
        return
    with host.inside():
        server = clocksync.Server(clock, bind=host.ipv4, port=123)
        server.open()
    with server:
        yield server


def test_ntplib_accepts_our_answers() -> None:
    with a_server_ahead() as server:
        host, port = server.address
        statistics = ntplib.NTPClient().request(host, port=port, version=4, timeout=30)
    assert statistics.offset == pytest.approx(AHEAD_S, abs=10)
    assert (statistics.leap, statistics.mode, statistics.stratum) == (0, 4, 8)


def test_chronyd_accepts_our_answers() -> None:
    with a_server_ahead() as server:
        assert chrony_query(*server.address) == pytest.approx(AHEAD_S, abs=10)


def test_chronyd_gets_our_interleaved_answers() -> None:
    with clocksync.Server(port=0) as server:
        polling = "minpoll -6 maxpoll -6 iburst xleave"
        with chrony_client(*server.address, options=polling) as client:
            measurements = wait_for_measurements(client, 20)
    assert any(one.interleaved for one in measurements)
    # The same clock at either end, so that half the delay is the bound; what has the least delay is
    # now and then what a stamp came late for.
    within = [abs(m.offset_ns) <= m.delay_ns / 2 + 1_000 for m in measurements]
    assert sum(within) >= 0.8 * len(within), measurements


@pytest.mark.namespaces
def test_ntpdig_accepts_our_answers(hosts: tuple[Host, Host]) -> None:
    """ntpdig asks port 123 only, so the server needs a host of its own."""
    with a_server_ahead(hosts[1]):
        said = ntpdig_query(hosts[1].ipv4, host=hosts[0])
    offset = said["offset"]
    assert isinstance(offset, float)
    assert offset == pytest.approx(AHEAD_S, abs=10)
