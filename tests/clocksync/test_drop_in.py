"""The drop-in beside ntplib itself, asking the same server: names, units and meanings agree."""

import asyncio

import ntplib
import pytest

from clocksync import BadConfig, ntp
from clocksync.runtime.units import MILLISECOND, SECOND
from tests.sockets.servers import Responder, kissing, lying, silent
from tests.sockets.test_measure_bad_input import needs_ipv6

SAID = {
    "leap": 1,
    "stratum": 1,
    "poll": 6,
    "precision": -20,
    "root_delay": 0x00018000,
    "root_dispersion": 0x00004000,
    "reference_id": int.from_bytes(b"GPS\0", "big"),
}


@pytest.mark.parametrize("offset_ns", [0, 5 * SECOND, -3600 * SECOND])
def test_what_the_server_says_reads_the_same_in_both(offset_ns: int) -> None:
    with Responder(lying(**SAID), offset_ns=offset_ns) as server:
        theirs = ntplib.NTPClient().request(server.address, version=4, port=server.port)
        ours = ntp.request(server.address, version=4, port=server.port)
    plain = ["leap", "version", "mode", "stratum", "poll", "precision", "root_delay"]
    for name in [*plain, "root_dispersion", "ref_id"]:
        assert getattr(ours, name) == getattr(theirs, name), name
    assert (ours.root_delay, ours.root_dispersion) == (1.5, 0.25)
    # Told by two answers a moment apart, in seconds since 1900 and since 1970.
    for name in ("ref", "orig", "recv", "tx", "dest"):
        stamp = "ref_timestamp" if name == "ref" else f"{name}_timestamp"
        assert abs(getattr(ours, stamp) - getattr(theirs, stamp)) < 60, name
        assert abs(getattr(ours, f"{name}_time") - getattr(theirs, f"{name}_time")) < 60, name


@pytest.mark.parametrize("offset_ns", [0, 5 * SECOND, -3600 * SECOND])
def test_offset_and_delay_have_the_sign_the_unit_and_the_truth_of_ntplib(offset_ns: int) -> None:
    with Responder(offset_ns=offset_ns) as server:
        theirs = ntplib.NTPClient().request(server.address, version=4, port=server.port)
        ours = ntp.NTPClient().request(server.address, port=server.port)
    truth = offset_ns / SECOND
    assert abs(theirs.offset - truth) <= theirs.delay / 2 + 2e-6  # floats since 1900
    assert abs(ours.offset - truth) <= ours.delay / 2 + 1e-8
    assert abs(ours.offset - truth) <= ours.error_bound
    assert ours.error_bound >= ours.delay / 2 + ours.root_delay / 2 + ours.root_dispersion
    assert 0 < ours.delay < 5


def test_the_texts_are_those_of_ntplib() -> None:
    assert isinstance(ntp.NTPException(), ntplib.NTPException)
    assert ntp.ref_id_to_text(SAID["reference_id"], 1) == ntplib.ref_id_to_text(0x47505300, 1)
    assert ntp.leap_to_text(3) == ntplib.leap_to_text(3)
    assert ntp.stratum_to_text(2) == ntplib.stratum_to_text(2)
    assert ntp.mode_to_text(4) == ntplib.mode_to_text(4)
    assert ntp.system_to_ntp_time(0) == ntplib.system_to_ntp_time(0)


@pytest.mark.parametrize("version", [1, 2, 3, 4])
def test_every_version_ntplib_asks_in_can_be_asked_in(version: int) -> None:
    with Responder() as server:
        assert ntp.request(server.address, version=version, port=server.port).version == version


def test_a_port_may_be_a_number_in_letters() -> None:
    with Responder() as server:
        assert ntp.request(server.address, port=str(server.port)).stratum == 2


@needs_ipv6
def test_an_ipv6_address_needs_no_brackets() -> None:
    with Responder(bind="::1") as server:
        assert ntp.request("::1", port=server.port).stratum == 2


def test_it_works_inside_an_event_loop_too() -> None:
    async def ask(server: Responder) -> ntp.NTPStats:
        return ntp.request(server.address, port=server.port)

    with Responder(offset_ns=SECOND) as server:
        assert abs(asyncio.run(ask(server)).offset - 1) < 0.5


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        (silent, "^No response received from 127.0.0.1.$"),  # ntplib's own words
        (kissing(b"RATE"), "RATE"),
        (lying(leap=3), "not synchronised"),
        (lying(origin_timestamp=5), "does not echo"),
        (lying(mode=5), "server mode"),
    ],
)
def test_no_usable_answer_is_an_ntp_exception_that_says_why(behaviour: object, words: str) -> None:
    with Responder(behaviour) as server, pytest.raises(ntp.NTPException, match=words):  # type: ignore[arg-type]
        ntp.request(server.address, port=server.port, timeout=50 * MILLISECOND / SECOND)


def test_a_refused_port_is_told_at_once() -> None:
    with pytest.raises(ntp.NTPException, match="refused"):
        ntp.request("127.9.9.8", port=9, timeout=5)


@pytest.mark.parametrize(
    "bad",
    [
        {"host": "a b"},
        {"host": ""},
        {"port": 0},
        {"port": 65536},
        {"port": "time"},
        {"port": "１２"},
        {"version": 5},
        {"timeout": 0},
        {"timeout": float("nan")},
        {"timeout": float("inf")},
    ],
    ids=str,
)
def test_what_cannot_be_asked_is_the_callers_mistake(bad: dict[str, object]) -> None:
    with pytest.raises(BadConfig):
        ntp.request(**{"host": "127.9.9.8", **bad})
