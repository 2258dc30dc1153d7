"""``clocksync measure ptp://...`` against linuxptp's ptp4l, in hosts that share one clock.

ptp4l runs free with software stamps. The truth is 0, or 37 s where it says that it counts TAI and
does not mean it.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.resources import files

import jsonschema
import pytest

import clocksync
from clocksync.measuring.report import to_document
from clocksync.measuring.result import HostResult, Verdict
from clocksync.runtime.core import StampSource
from clocksync.runtime.errors import BadConfig
from clocksync.runtime.units import MILLISECOND
from tests.daemons import Daemon, chrony_server, ptp4l
from tests.namespaces import Host, pair
from vsync.node.clock import GivenClock
from vsync.node.timesource import opened

pytestmark = [pytest.mark.interop, pytest.mark.slow]
GOOD_MASTER = ("masterOnly 1", "hybrid_e2e 1", "clockClass 6", "clockAccuracy 0x23")


@pytest.fixture(scope="module")
def cable() -> Iterator[tuple[Host, Host]]:
    with pair() as both:
        yield both


@pytest.fixture(scope="module")
def master(cable: tuple[Host, Host]) -> Iterator[Daemon]:
    with ptp4l(cable[0], *GOOD_MASTER) as daemon:
        yield daemon


def measured(here: Host, *names: str, **settings: object) -> clocksync.Measurement:
    with here.inside():
        return clocksync.measure_sync(list(names), **{"burst": True, "samples": 4, **settings})


def only(measurement: clocksync.Measurement) -> HostResult:
    (row,) = measurement.hosts
    assert row.verdict is Verdict.TRUECHIMER, row.reason
    assert row.interval is not None
    return row


@pytest.mark.parametrize("option", ["", "?hybrid", "/0"])
def test_ptp4l_is_measured_end_to_end(
    cable: tuple[Host, Host], master: Daemon, option: str
) -> None:
    row = only(measured(cable[1], f"ptp://{master.address}%{cable[1].device}{option}"))
    assert 0 in row.interval
    assert (row.protocol, row.samples, row.answered, row.stratum) == ("ptp", 4, 4, 1)
    assert row.timestamps is StampSource.KERNEL
    assert row.root_dispersion_ns == 1000
    assert row.error_bound_ns < MILLISECOND
    assert row.reference_id in master.output  # "selected local clock ... as best master"


def test_ptp4l_stands_the_vote_beside_chronyd(cable: tuple[Host, Host], master: Daemon) -> None:
    with chrony_server(cable[0]) as server:
        names = [server.address, f"ptp://{master.address}%{cable[1].device}"]
        measurement = measured(cable[1], *names, reference=server.address)
    document = to_document(measurement)
    schema = json.loads(files("clocksync").joinpath("schemas/measure-1.json").read_text())
    jsonschema.validate(document, schema)
    assert [row["protocol"] for row in document["hosts"]] == ["ntp", "ptp"]
    assert document["combined"]["truechimers"] == names
    assert document["hosts"][1]["offset_to_reference_s"] is not None
    assert measurement.exit_code == 0


def test_its_timescale_is_told_where_nobody_vouches_for_it(
    cable: tuple[Host, Host], master: Daemon
) -> None:
    row = only(measured(cable[1], f"ptp://{master.address}%{cable[1].device}"))
    assert "its timescale is arbitrary (ARB)" in (row.reason or "")


def test_another_domain_is_silent_and_says_where_the_master_is(
    cable: tuple[Host, Host], master: Daemon
) -> None:
    place = f"ptp://{master.address}%{cable[1].device}/3"
    (row,) = measured(cable[1], place).hosts
    assert row.verdict is Verdict.UNREACHABLE
    assert f"heard: {master.address} in domain 0" in (row.reason or "")


def test_a_peer_to_peer_master_is_told(cable: tuple[Host, Host], master: Daemon) -> None:
    with ptp4l(cable[1], "masterOnly 1", "delay_mechanism P2P", "domainNumber 9") as peer:
        # The port of ours is taken by it: listen from the other side, where one is, too.
        place = f"ptp://{master.address}%{cable[1].device}"
        with pytest.raises(BadConfig, match="port 319, which is in use"):
            measured(cable[1], place)
        assert peer.process.poll() is None


def test_a_master_by_ipv6_and_one_that_is_peer_to_peer() -> None:
    with pair() as (left, right):
        with ptp4l(left, "masterOnly 1", arguments=("-6",)):
            row = only(measured(right, f"ptp://{left.ipv6}%{right.device}"))
            assert 0 in row.interval
        with ptp4l(left, "masterOnly 1", "delay_mechanism P2P"):
            (row,) = measured(right, f"ptp://{left.ipv4}%{right.device}").hosts
            assert row.verdict is Verdict.UNREACHABLE
            assert "peer to peer (P2P)" in (row.reason or "")


def test_errors_are_one_line(cable: tuple[Host, Host]) -> None:
    host = cable[1]
    run = [sys.executable, "-m", "clocksync", "measure"]
    as_nobody = ["setpriv", "--reuid=65534", "--clear-groups", "--bounding-set=-all"]
    for command, says in (
        ([*run, "ptp://10.0.0.1%nowhere"], "there is no interface 'nowhere'"),
        ([*as_nobody, *run, f"ptp://10.77.0.1%{host.device}"], "grant CAP_NET_BIND_SERVICE"),
    ):
        finished = subprocess.run(
            host.command(command), capture_output=True, text=True, timeout=30, check=False
        )
        assert finished.returncode == 2, finished
        assert says in finished.stderr
        assert len(finished.stderr.splitlines()) == 1


def test_ptp4l_tells_a_member_of_a_ring_the_time(cable: tuple[Host, Host], master: Daemon) -> None:
    notes: list[str] = []
    said = f"ptp://{master.address}%{cable[1].device}"
    with cable[1].inside(), opened(said, notes.append) as source:
        assert source is not None
        clock, ends = GivenClock(source), time.monotonic() + 60
        while clock.read(0).error >= MILLISECOND:
            assert time.monotonic() < ends, notes
            time.sleep(0.05)
        before, interval, after = time.time_ns(), clock.read(0), time.time_ns()
    assert interval.earliest <= after
    assert before <= interval.latest
    assert (source.state, notes) == ("measured", [])
