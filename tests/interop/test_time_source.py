"""A member whose time source is chronyd, with a chronyd."""

import pytest

from clocksync.chronyd import parse_tracking
from clocksync.kernel_clock import UNSYNCHRONISED_NS
from tests.daemons import Daemon, chrony_server
from vsync.node.timesource import Chronyd

pytestmark = [pytest.mark.interop, pytest.mark.slow]


def source_of(daemon: Daemon, notes: list[str]) -> Chronyd:
    return Chronyd(notes.append, lambda: parse_tracking(daemon.ask_chronyc("-c", "tracking")))


def test_the_bound_is_what_chronyd_tracks() -> None:
    notes: list[str] = []
    with chrony_server() as daemon:
        source = source_of(daemon, notes)
        assert (source.state, notes) == ("synchronised", [])
        assert source.now().error < UNSYNCHRONISED_NS // 1000


def test_a_chronyd_without_a_time_is_told_and_waited_for() -> None:
    notes: list[str] = []
    with chrony_server(stratum=0) as daemon:
        source = source_of(daemon, notes)
        assert source.now().error == UNSYNCHRONISED_NS
        assert len(notes) == 1
        assert "not synchronised to anything yet" in notes[0]
