"""Cristian's reader asks servers nobody here wrote: chronyd."""

import pytest

from clocksync.cristian import read_clock_sync
from clocksync.runtime.units import SECOND
from tests.daemons import chrony_server

pytestmark = [pytest.mark.interop, pytest.mark.slow]


def test_chronyd_is_read_to_within_the_bound_and_has_the_clock_of_this_machine() -> None:
    with chrony_server(stratum=2) as server:
        reading = read_clock_sync(f"{server.address}:{server.port}", SECOND // 10)
    assert reading.is_within
    assert abs(reading.offset_ns) <= reading.error_bound_ns
    assert reading.distance_ns is not None
