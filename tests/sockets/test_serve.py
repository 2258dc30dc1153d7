"""The NTP server on real sockets, as a library and as a command."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import ntplib
import pytest
import typer
from typer.testing import CliRunner

from clocksync.cli.serve import serve
from clocksync.ntp.access import RateLimit
from clocksync.ntp.packet import NtpPacket
from clocksync.ntp.responder import Outcome
from clocksync.ntp.timestamps import from_unix_ns, to_unix_ns
from clocksync.runtime import mmsg
from clocksync.runtime.clocks import ManualClock, SoftwareClock, SystemClock
from clocksync.runtime.errors import BadConfig, MisusedCore
from clocksync.runtime.units import SECOND
from clocksync.serve import Server, stamp_map

BATCHED = pytest.mark.skipif(not mmsg.available(), reason="needs Linux's recvmmsg")
HOUR = 3600 * SECOND
PATHS = [pytest.param(True, marks=BATCHED, id="batched"), pytest.param(False, id="plain")]


def has_ipv6() -> bool:
    try:
        with closing(socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


HOSTS = ["127.0.0.1", pytest.param("::1", marks=pytest.mark.skipif(not has_ipv6(), reason="IPv6"))]


@pytest.fixture
def client() -> Iterator[socket.socket]:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sock:
        sock.settimeout(30)
        yield sock


def ask(client: socket.socket, server: Server, packet: NtpPacket) -> NtpPacket:
    client.sendto(packet.encode(), server.address)
    return NtpPacket.decode(client.recv(512))


@pytest.mark.parametrize("batched", PATHS)
@pytest.mark.parametrize("host", HOSTS)
def test_another_programs_client_reads_the_served_clock(host: str, batched: bool) -> None:
    clock = SoftwareClock(SystemClock(), offset_ns=HOUR)
    with Server(clock, bind=host, port=0, batched=batched) as server:
        answer = ntplib.NTPClient().request(host, port=server.address[1], version=3, timeout=30)
    assert (answer.version, answer.stratum, answer.leap) == (3, 8, 0)
    assert abs(answer.offset - 3600) <= answer.delay / 2 + 1e-5


@pytest.mark.parametrize("batched", PATHS)
def test_both_stamps_are_told_in_the_served_clocks_time(
    client: socket.socket, batched: bool
) -> None:
    clock = SoftwareClock(SystemClock(), offset_ns=-HOUR, rate_ppm=100_000)
    with Server(clock, port=0, batched=batched) as server:
        before = clock.read()
        reply = ask(client, server, NtpPacket(transmit_timestamp=7))
        after = clock.read()
    received = to_unix_ns(reply.receive_timestamp, near=before)
    transmitted = to_unix_ns(reply.transmit_timestamp, near=before)
    assert before <= received <= transmitted <= after


@BATCHED
def test_interleaved_answers_tell_when_the_kernel_sent_the_last_one(client: socket.socket) -> None:
    with Server(SoftwareClock(SystemClock(), HOUR), port=0) as server:
        first = ask(client, server, NtpPacket(transmit_timestamp=1))
        follow = NtpPacket(
            origin_timestamp=first.receive_timestamp, receive_timestamp=2, transmit_timestamp=3
        )
        second = ask(client, server, follow)
        summary = server.summary()
    assert second.origin_timestamp == 2
    assert first.transmit_timestamp < second.transmit_timestamp < second.receive_timestamp
    assert summary == "answered 2 (1 interleaved), dropped 0"


@BATCHED
def test_a_crowd_is_answered_once_each_and_told_apart() -> None:
    crowd = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(150)]
    server = Server(port=0)
    server.open()
    try:
        # Before anything is read, so that the server finds full batches.
        for i, sock in enumerate(crowd):
            sock.settimeout(30)
            sock.sendto(NtpPacket(poll=i % 8, transmit_timestamp=i + 1).encode(), server.address)
        server.serve_forever(count=len(crowd))
        answers = [NtpPacket.decode(sock.recv(512)) for sock in crowd]
    finally:
        server.close()
        for sock in crowd:
            sock.close()
    assert [answer.origin_timestamp for answer in answers] == list(range(1, 151))
    assert [answer.poll for answer in answers] == [i % 8 for i in range(150)]
    assert server.answered == 150


@pytest.mark.parametrize("batched", PATHS)
def test_garbage_gets_silence_and_is_counted(client: socket.socket, batched: bool) -> None:
    garbage = [
        b"",
        b"\x23",
        NtpPacket().encode()[:47],
        NtpPacket(version=5).encode(),
        NtpPacket(mode=6).encode(),
        NtpPacket(mode=7).encode(),
        NtpPacket(mode=4).encode(),
        NtpPacket().encode() + bytes(20),
        NtpPacket().encode() + bytes(3000),
    ]
    with Server(port=0, batched=batched) as server:
        for datagram in garbage:
            client.sendto(datagram, server.address)
        reply = ask(client, server, NtpPacket(transmit_timestamp=99))
    assert reply.origin_timestamp == 99
    counts = server.responder.counts
    assert +counts == {  # a batch counts what there was none of, too
        Outcome.TOO_SHORT: 3,
        Outcome.WRONG_VERSION: 1,
        Outcome.WRONG_MODE: 3,
        Outcome.AUTHENTICATED: 1,
        Outcome.TOO_LONG: 1,
        Outcome.BASIC: 1,
    }


@pytest.mark.parametrize("batched", PATHS)
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="127.0.0.2 is Linux's")
def test_on_all_addresses_it_answers_from_the_one_that_was_asked(
    client: socket.socket, batched: bool
) -> None:
    with Server(bind="0.0.0.0", port=0, batched=batched) as server:
        client.connect(("127.0.0.2", server.address[1]))
        client.send(NtpPacket(transmit_timestamp=5).encode())
        assert NtpPacket.decode(client.recv(512)).origin_timestamp == 5


@pytest.mark.skipif(not has_ipv6(), reason="IPv6")
def test_several_addresses_share_a_port_and_the_counts() -> None:
    with Server(bind=["127.0.0.1", "::1"], port=0) as server:
        port = server.address[1]
        assert server.addresses == [("127.0.0.1", port), ("::1", port)]
        for host in ("127.0.0.1", "::1"):
            ntplib.NTPClient().request(host, port=port, timeout=30)
        assert server.answered == 2


def test_the_limited_get_a_kiss_on_the_wire(client: socket.socket) -> None:
    with Server(port=0, limit=RateLimit(HOUR, burst=1)) as server:
        ask(client, server, NtpPacket())
        kiss = ask(client, server, NtpPacket(transmit_timestamp=3))
        assert (kiss.stratum, kiss.reference_id.to_bytes(4, "big")) == (0, b"RATE")
        assert kiss.origin_timestamp == 3
    assert server.summary().startswith("answered 1 (0 interleaved), 1 told to slow down, dropped 0")


def test_an_asynchronous_program_can_hold_a_server() -> None:
    async def main() -> ntplib.NTPStats:
        async with Server(port=0) as server:
            port = server.address[1]
            return await asyncio.to_thread(
                ntplib.NTPClient().request, "127.0.0.1", port=port, timeout=30
            )

    answer = asyncio.run(main())
    assert abs(answer.offset) <= answer.delay / 2 + 1e-5


def test_a_server_that_nobody_wakes_sees_by_itself_that_it_was_stopped() -> None:
    """As where a signal's handler ran only after the wait had begun."""
    server = Server(port=0)
    server.open()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    server._stopping = True
    thread.join(30)
    assert not thread.is_alive()


def test_a_server_can_be_stopped_from_elsewhere_and_started_again() -> None:
    server = Server(port=0)
    server.open()
    stopper = threading.Thread(target=server.stop)
    stopper.start()
    server.serve_forever()
    stopper.join()
    with server:
        assert server.address[1] > 0
    with pytest.raises(IndexError):
        server.address  # noqa: B018  a closed server has none


def test_a_server_is_started_once() -> None:
    with Server(port=0) as server, pytest.raises(MisusedCore, match="was started"):
        server.start()


def test_the_duration_ends_it() -> None:
    server = Server(port=0)
    server.serve_forever(duration_ns=1)
    assert server.answered == 0


def test_an_address_in_use_is_said_in_one_line() -> None:
    with Server(port=0) as server, pytest.raises(BadConfig, match=r"127\.0\.0\.1:\d+ is in use"):
        Server(port=server.address[1]).open()


@pytest.mark.parametrize("bind", ["203.0.113.77", "no.such.name.invalid", []])
def test_an_address_that_is_not_ours_is_said_in_one_line(bind) -> None:
    with pytest.raises(BadConfig, match="address"):
        Server(bind=bind, port=0).open()


def test_stamps_are_mapped_through_every_clock_on_the_way() -> None:
    inner = SoftwareClock(SystemClock(), offset_ns=100)
    assert stamp_map(SystemClock()) is None
    for clock, shift in [(inner, 100), (SoftwareClock(inner, offset_ns=1000), 1100)]:
        mapping = stamp_map(clock)
        assert mapping is not None
        assert mapping(5) == 5 + shift
    unrelated = stamp_map(ManualClock(HOUR))
    assert unrelated is not None
    assert unrelated(SystemClock().read()) <= HOUR


# --- the command

app = typer.Typer()
app.command()(serve)


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize(
    ("arguments", "described"),
    [
        ([], "(stratum 8, system clock)"),
        (["--offset", "5ms", "--rate", "20"], "(stratum 8, clock +5.00 ms +20 ppm)"),
        (["--offset", "-0.25", "--stratum", "3"], "(stratum 3, clock -250 ms +0 ppm)"),
    ],
)
def test_it_says_where_and_what_it_serves(arguments, described) -> None:
    code, out, err = run("--port", "0", "--duration", "1ns", *arguments)
    first, second = out.splitlines()
    assert (code, err) == (0, "")
    assert first.startswith("serving on 127.0.0.1:")
    assert first.endswith(described)
    assert second == "answered 0 (0 interleaved), dropped 0"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--port", "70000"], "port 70000 is not one of 0 to 65535"),
        (["--stratum", "17"], "stratum 17 is not one of 0 to 16"),
        (["--bind", "203.0.113.77"], "203.0.113.77:1123 is no address of this host"),
        (["--offset", "soon"], "'soon' is no duration"),
        (["--rate", "nan"], "--rate nan is no clock"),
        (["--deny", "everybody"], "'everybody' is no network"),
        (["--denied", "LOUD"], "--denied 'LOUD' is none of"),
        (["--limit-interval", "0"], "a rate limit needs an interval"),
        (["--reference-id", "TOOLONG"], "'TOOLONG' is no reference id"),
        (["--root-delay", "-1"], "root delay -1000000000 ns is not between"),
    ],
)
def test_what_it_cannot_do_is_one_line_and_exit_2(arguments, said) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("clocksync serve: ")
    assert said in err
    assert err.count("\n") == 1


COMMAND = "import typer; from clocksync.cli.serve import serve; typer.run(serve)"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly_with_a_summary(number: signal.Signals, client) -> None:
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND, "--port", "0", "--offset", "1h"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=root,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        address = process.stdout.readline().split()[2].rpartition(":")
        now = SystemClock().read()
        client.sendto(NtpPacket(transmit_timestamp=1).encode(), (address[0], int(address[2])))
        reply = NtpPacket.decode(client.recv(512))
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    assert abs(reply.receive_timestamp - from_unix_ns(now + HOUR)) < 60 << 32
    assert (process.returncode, err) == (0, "")
    assert out == "answered 1 (0 interleaved), dropped 0\n"
