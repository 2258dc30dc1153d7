"""The fixtures themselves: that the real programs answer, and that we read them rightly.

Nothing of ours is under test here. ntplib and raw packets ask the daemons; a responder of twenty
lines, whose clock is wrong by a known amount, shows what sign each program gives an offset.
"""

import os
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ntplib
import pytest

from tests.daemons import (
    Daemon,
    DaemonFailed,
    chrony_client,
    chrony_query,
    chrony_server,
    exchange,
    ntpdig_query,
    ntpsec_server,
    wait_for_measurements,
    write_keys,
)
from tests.namespaces import Host, pair

pytestmark = [pytest.mark.interop, pytest.mark.slow]

_AHEAD_S = 1000  # far more than any scheduling delay, so that no test can pass by luck


def request(origin: int, receive: int, transmit: int) -> bytes:
    """A version 4 client's request with these three timestamps."""
    return bytes([0x23]) + bytes(23) + struct.pack(">3Q", origin, receive, transmit)


def timestamps(reply: bytes | None) -> tuple[int, int, int]:
    """Origin, receive and transmit timestamps of a reply."""
    assert reply is not None
    origin, receive, transmit = struct.unpack_from(">3Q", reply, 24)
    return origin, receive, transmit


@contextmanager
def server_that_is_ahead(host: Host) -> Iterator[None]:
    """An NTP server on port 123 of `host`, whose clock is `_AHEAD_S` ahead of everybody's."""
    with host.inside():
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((host.ipv4, 123))
    # Closing a socket does not wake a thread that blocks in recvfrom.
    sock.settimeout(0.1)
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            try:
                asked, sender = sock.recvfrom(2048)
            except TimeoutError:
                continue
            seconds, rest = divmod(time.time_ns(), 10**9)
            ntp = (seconds + 2_208_988_800 + _AHEAD_S) << 32 | (rest << 32) // 10**9
            head = struct.pack(">BBbbIII", 0x24, 1, 0, -20, 0, 0, 0x47505300)
            sock.sendto(
                head + struct.pack(">Q", ntp) + asked[40:48] + struct.pack(">2Q", ntp, ntp), sender
            )

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        sock.close()


def test_chronyd_answers_ntplib(chronyd: Daemon) -> None:
    statistics = ntplib.NTPClient().request(
        chronyd.address, port=chronyd.port, version=4, timeout=30
    )
    assert (statistics.stratum, statistics.leap, statistics.mode) == (2, 0, 4)
    assert abs(statistics.offset) <= statistics.delay / 2 + 1e-3


def test_chronyd_answers_on_ipv6() -> None:
    with chrony_server(address="::1") as server:
        reply = exchange(server.address, server.port, request(0, 0, 7))
        assert timestamps(reply)[0] == 7


def test_chronyd_answers_in_interleaved_mode(chronyd: Daemon) -> None:
    """RFC 9769 section 2: the answer's transmit timestamp is that of the previous answer.

    chronyd keeps nothing for a client before its first request that could be an interleaved one,
    so the third is the first that can be answered so. Only the address tells it its clients apart.
    """
    last = timestamps(exchange(chronyd.address, chronyd.port, request(0, 0, 1)))
    for cookie in range(2, 10, 2):
        asked = request(origin=last[1], receive=cookie, transmit=cookie + 1)
        reply = timestamps(exchange(chronyd.address, chronyd.port, asked))
        assert reply[0] in (cookie, cookie + 1)
        if reply[0] == cookie:
            assert last[1] < reply[2] < reply[1]
            # The kernel's stamp of the departure is later than what was written into the datagram.
            assert reply[2] > last[2]
            return
        assert reply[2] > reply[1]
        last = reply
    pytest.fail("four requests in interleaved mode were all answered in basic mode")


def test_chronyd_without_a_source_says_that_it_is_unsynchronised() -> None:
    with chrony_server(stratum=0) as server:
        reply = exchange(server.address, server.port, request(0, 0, 1))
        assert reply is not None
        assert reply[0] >> 6 == 3


def test_chronyd_with_a_rate_limit_leaves_requests_unanswered() -> None:
    limit = "ratelimit interval 10 burst 1 leak 4"
    with chrony_server(extra=limit) as server:
        replies = [
            exchange(server.address, server.port, request(0, 0, n), timeout_s=0.02)
            for n in range(20)
        ]
        assert replies.count(None) > 5


@pytest.mark.parametrize("options", ["", "xleave"])
def test_a_chronyd_client_logs_what_it_measures(chronyd: Daemon, options: str) -> None:
    polling = f"minpoll -6 maxpoll -6 iburst {options}"
    with chrony_client(chronyd.address, chronyd.port, options=polling) as client:
        measurements = wait_for_measurements(client, 20)
        assert any(one.interleaved for one in measurements) is (options == "xleave")
        assert all(abs(measurement.offset_ns) < 10**10 for measurement in measurements)


@pytest.mark.namespaces
def test_a_server_that_is_ahead_has_a_positive_offset_in_every_program() -> None:
    with pair() as (server, client), server_that_is_ahead(server):
        with client.inside():
            asked = ntplib.NTPClient().request(server.ipv4, version=4, timeout=30)
        assert asked.offset == pytest.approx(_AHEAD_S, abs=10)
        assert ntpdig_query(server.ipv4, host=client)["offset"] == pytest.approx(_AHEAD_S, abs=10)
        assert chrony_query(server.ipv4, host=client) == pytest.approx(_AHEAD_S, abs=10)
        polling = "iburst minpoll -2 maxpoll -2"
        with chrony_client(server.ipv4, host=client, options=polling) as chronyd:
            measured = wait_for_measurements(chronyd, 1)[0]
        assert measured.offset_ns / 1e9 == pytest.approx(_AHEAD_S, abs=10)


@pytest.mark.namespaces
def test_ntpd_answers_ntplib_and_ntpdig_and_chronyd(ntpd: Daemon, hosts: tuple[Host, Host]) -> None:
    with hosts[0].inside():
        statistics = ntplib.NTPClient().request(ntpd.address, version=4, timeout=30)
    assert (statistics.stratum, statistics.leap, statistics.mode) == (3, 0, 4)
    assert abs(statistics.offset) <= statistics.delay / 2 + 1e-3
    assert ntpdig_query(ntpd.address, host=hosts[0])["stratum"] == 3
    assert abs(chrony_query(ntpd.address, host=hosts[0])) < 10


@pytest.mark.namespaces
def test_chronyd_and_ntpd_accept_the_same_key_file(tmp_path: Path) -> None:
    right = write_keys(tmp_path, {1: ("SHA1", "the-right-secret")})
    other = tmp_path / "other"
    other.mkdir()
    wrong = write_keys(other, {1: ("SHA1", "another-secret")})
    with pair() as (server, client):
        for start, extra in (
            (chrony_server, f"keyfile {right}"),
            (ntpsec_server, f"keys {right}\ntrustedkey 1"),
        ):
            with start(server, extra=extra) as daemon:
                accepted = ntpdig_query(
                    daemon.address, host=client, options=["-a", "1", "-k", str(right)]
                )
                assert abs(float(str(accepted["offset"]))) < 10
                with pytest.raises(DaemonFailed):
                    ntpdig_query(
                        daemon.address,
                        host=client,
                        timeout_s=2,
                        options=["-a", "1", "-k", str(wrong)],
                    )


@pytest.mark.namespaces
@pytest.mark.skipif(os.name != "posix" or not Path("/proc").exists(), reason="reads /proc")
def test_no_daemon_may_set_the_clock(ntpd: Daemon, chronyd: Daemon) -> None:
    for daemon in (ntpd, chronyd):
        status = Path(f"/proc/{daemon.process.pid}/status").read_text(encoding="utf-8")
        for line in status.splitlines():
            if line.startswith(("CapEff", "CapPrm", "CapBnd")):
                # CAP_SYS_TIME is bit 25, linux/capability.h.
                assert not int(line.split()[1], 16) >> 25 & 1, f"{daemon.log}{line}"


def test_a_daemon_is_gone_after_its_block(tmp_path: Path) -> None:
    with chrony_server() as server:
        assert server.process.poll() is None
    assert server.process.poll() is not None
    assert not server.folder.exists()
    assert exchange(server.address, server.port, request(0, 0, 1), timeout_s=0.2) is None


def test_a_daemon_that_cannot_start_says_why() -> None:
    with pytest.raises(DaemonFailed, match="Invalid directive"), chrony_server(extra="nonsense on"):
        pass
