"""NTS on real sockets: our client and our server, peers that are rude, keys that are lost."""

import asyncio
import contextlib
import json
import random
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import jsonschema
import pytest
import typer
from typer.testing import CliRunner

import clocksync
from clocksync.cli.serve import serve
from clocksync.measuring import report
from clocksync.measuring.credentials import Credentials
from clocksync.measuring.result import HostResult, Verdict
from clocksync.ntp.authentication import KeyAuthenticator
from clocksync.ntp.checks import Rejection
from clocksync.ntp.codec import NtpCodec
from clocksync.ntp.keyfile import read_keys
from clocksync.ntp.mac import SymmetricKey
from clocksync.ntp.packet import NtpPacket
from clocksync.ntp.responder import Outcome
from clocksync.nts import ALPN, ke_server, tls
from clocksync.nts.cookies import CookieJar
from clocksync.nts.establish import NotEstablished, establish
from clocksync.nts.ke_server import Ending, KeServer
from clocksync.nts.service import NtsService
from clocksync.runtime import mmsg
from clocksync.runtime.errors import BadConfig, MissingExtra
from clocksync.runtime.units import MILLISECOND, SECOND
from tests.certificates import Authority, Pair
from tests.sockets.servers import SCHEMA

BURST = {"burst": True, "timeout_ns": 10 * SECOND}
PATHS = [
    pytest.param(
        True, id="batched", marks=pytest.mark.skipif(not mmsg.available(), reason="Linux")
    ),
    pytest.param(False, id="plain"),
]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def pair(authority: Authority) -> Pair:
    return authority.sign("server", names=["localhost"], addresses=["127.0.0.1", "::1"])


@contextmanager
def serving(pair: Pair, **settings: object) -> Iterator[tuple[clocksync.Server, str]]:
    service = NtsService(pair.certificate, pair.key, port=0)
    with clocksync.Server(port=0, nts=service, **settings) as server:  # type: ignore[arg-type]
        yield server, f"127.0.0.1:{service.addresses[0][1]}"


def measured(host: str, authority: Authority, **settings: object) -> HostResult:
    credentials = Credentials(nts=True, nts_ca=authority.file)
    chosen = {**BURST, "credentials": credentials, **settings}
    measurement = clocksync.measure_sync([host], **chosen)
    jsonschema.validate(json.loads(report.to_json(measurement)), SCHEMA)
    (row,) = measurement.hosts
    assert row.authentication == "nts"
    return row


@pytest.mark.parametrize("batched", PATHS)
def test_a_host_is_measured_by_nts(authority: Authority, pair: Pair, batched: bool) -> None:
    with serving(pair, authenticated_only=True, batched=batched) as (server, host):
        row = measured(host, authority, samples=20)
        assert server.summary() == (
            f"answered 20 ({19 if batched else 0} interleaved), dropped 0; "
            "key establishment: 1 given keys"
        )
        assert row.port == server.address[1]
    assert (row.verdict, row.answered) == (Verdict.TRUECHIMER, 20)
    assert row.interval is not None
    assert 0 in row.interval


@pytest.mark.parametrize("batched", PATHS)
def test_plain_and_authenticated_requests_are_answered_side_by_side(
    authority: Authority, pair: Pair, batched: bool, tmp_path: Path
) -> None:
    file = tmp_path / "keys"
    file.write_text("5 AES128 HEX:00112233445566778899aabbccddeeff\n")
    file.chmod(0o600)
    keys = read_keys(file)
    with serving(pair, keys=keys, batched=batched) as (server, host):
        plain = f"{server.address[0]}:{server.address[1]}"
        assert measured(host, authority).verdict is Verdict.TRUECHIMER
        for credentials in (Credentials(keys=keys, key=5), None):
            (row,) = clocksync.measure_sync([plain], credentials=credentials, **BURST).hosts
            assert row.verdict is Verdict.TRUECHIMER
            assert row.authentication == ("key" if credentials else "none")
        both = Credentials(keys=keys, key=5, nts_ca=authority.file)
        one, other = clocksync.measure_sync(
            [f"nts://{host}", plain], credentials=both, **BURST
        ).hosts
        # Both have one address; it is asked in one way, and the other one is told.
        assert {one.verdict, other.verdict} == {Verdict.TRUECHIMER, Verdict.INVALID}
        told = one.reason or other.reason or ""
        assert "asked already with another authentication" in told


def test_a_wildcard_server_answers_authenticated_requests_from_where_they_came(
    authority: Authority, pair: Pair
) -> None:
    with serving(pair, bind="0.0.0.0") as (_, host):
        assert measured(host, authority).verdict is Verdict.TRUECHIMER


def forgetful(jar: CookieJar, after: int) -> None:
    """Let a jar lose its keys once it has opened so many cookies."""
    right, left = jar.open, [after]

    def open_(cookie: bytes, now: int) -> object:
        left[0] -= 1
        if left[0] == -1:
            for _ in range(4):
                jar.rotate()
        return right(cookie, now)

    jar.open = open_  # type: ignore[assignment, method-assign]


@pytest.mark.skipif(not mmsg.available(), reason="needs Linux's recvmmsg")
def test_a_full_batch_of_all_kinds_is_answered_each_in_its_way(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("5 AES128 HEX:00112233445566778899aabbccddeeff\n6 SHA512 ASCII:six\n")
    file.chmod(0o600)
    keys = read_keys(file)
    wrong = SymmetricKey(5, "AES128", bytes(16))
    crowd = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(60)]
    server = clocksync.Server(port=0, keys=keys)
    server.open()
    try:
        for number, sock in enumerate(crowd):  # before anything is read: full batches
            sock.settimeout(30)
            packet = NtpPacket(transmit_timestamp=number + 1)
            key = (wrong, keys[5], keys[6], None)[number % 4]
            request = packet if key is None else KeyAuthenticator(key).seal(packet)
            sock.sendto(request.encode(), server.address)
        server.serve_forever(count=45)
        answers = [NtpCodec().decode(sock.recv(512)) for sock in crowd]
    finally:
        server.close()
        for sock in crowd:
            sock.close()
    assert [answer.origin_timestamp for answer in answers] == list(range(1, 61))
    for number, answer in enumerate(answers):
        match number % 4:
            case 3:
                assert len(answer.encode()) == 48
            case 0:
                assert KeyAuthenticator(wrong).open(answer) is Rejection.CRYPTO_NAK
            case place:
                assert KeyAuthenticator(keys[4 + place]).open(answer) is None
    assert server.responder.counts[Outcome.KISSED_UNPROVEN] == 15


def test_new_keys_are_fetched_once_when_the_server_has_lost_its_own(
    authority: Authority, pair: Pair
) -> None:
    with serving(pair) as (server, host):
        assert server.nts is not None
        forgetful(server.nts.jar, after=3)
        row = measured(host, authority, samples=12, timeout_ns=3 * SECOND)
        assert server.summary().endswith("key establishment: 2 given keys")
    assert row.verdict is Verdict.TRUECHIMER
    assert row.answered == 11
    assert row.reason == "it had to be asked for new keys, because it no longer knew its cookies"


def test_a_server_that_refuses_its_own_cookies_is_given_up(
    authority: Authority, pair: Pair
) -> None:
    with serving(pair) as (server, host):
        service = server.nts
        assert service is not None
        service.jar.open = lambda cookie, now: None  # type: ignore[method-assign]
        row = measured(host, authority, samples=50, timeout_ns=2 * SECOND)
        assert server.summary().endswith("key establishment: 2 given keys")
    assert (row.verdict, row.samples, row.answered) == (Verdict.INVALID, 2, 0)
    assert row.reason == "it accepts none of the cookies that it gives"


def test_a_name_is_resolved_and_every_address_can_have_its_row(
    authority: Authority, pair: Pair
) -> None:
    with serving(pair) as (_, host):
        port = host.rpartition(":")[2]
        row = measured(f"localhost:{port}", authority, family=4)
        assert (row.verdict, row.address) == (Verdict.TRUECHIMER, "127.0.0.1")
        row = measured(f"localhost:{port}", authority, all_addresses=True, family=4)
        assert row.verdict is Verdict.TRUECHIMER


def test_a_measurement_with_keys_that_cannot_be_is_refused_before_anything_is_sent(
    tmp_path: Path,
) -> None:
    file = tmp_path / "keys"
    file.write_text("5 AES128 HEX:00112233445566778899aabbccddeeff\n6 MD5 weak\n")
    file.chmod(0o600)
    keys = read_keys(file)
    for settings, words in [
        ({"key": 5}, "a key is named, but no file of keys"),
        ({"keys": keys}, "there is a file of keys, but none is named"),
        ({"keys": keys, "key": 6}, "key 6 of .* is of type MD5, which is refused"),
        ({"keys": keys, "key_of": {"other": 5}}, "a key is named for other, which is not measured"),
        ({"keys": keys, "key_of": {"host": 5}, "nts": True}, "uses NTS, so it can have no"),
        ({"nts": True, "nts_ca": file}, "holds no certificates in PEM"),
    ]:
        with pytest.raises(BadConfig, match=words):
            clocksync.MeasureRun(["host"], credentials=Credentials(**settings))
    with pytest.raises(FileNotFoundError):
        clocksync.MeasureRun(["host"], credentials=Credentials(nts=True, nts_ca=tmp_path / "no"))
    for texts in (["x"], ["=5"], ["a="], ["5", "6"], ["a=5", "a=6"], ["\u0665"]):
        with pytest.raises(BadConfig):
            Credentials.parse_keys(texts)


def test_without_the_extra_one_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, authority: Authority, pair: Pair
) -> None:
    monkeypatch.setitem(sys.modules, "OpenSSL", None)
    tls.library.cache_clear()
    try:
        with pytest.raises(MissingExtra, match=r"pip install 'clocksync\[nts\]'$"):
            clocksync.MeasureRun(["nts://host"])
        with pytest.raises(MissingExtra, match=r"pip install 'clocksync\[nts\]'$"):
            NtsService(pair.certificate, pair.key)
    finally:
        tls.library.cache_clear()


# --- rude clients of ours


@contextmanager
def establishing(pair: Pair, **settings: object) -> Iterator[KeServer]:
    jar = CookieJar(random.Random(1).randbytes)
    server = KeServer(tls.Server(pair.certificate, pair.key), jar, ["127.0.0.1"], 0, **settings)  # type: ignore[arg-type]
    try:
        yield server
    finally:
        server.close()


def dial(server: KeServer) -> socket.socket:
    return socket.create_connection(server.addresses[0], timeout=60)


def rest(sock: socket.socket) -> bytes:
    """All that still comes until the peer closes, however it closes."""
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := sock.recv(4096):
            data += piece
    return data


def test_garbage_is_closed_and_counted(pair: Pair) -> None:
    with establishing(pair) as server:
        for garbage in (b"GET / HTTP/1.0\r\n\r\n", bytes(5000), b"\x16\x03\x01" + b"\xff" * 40_000):
            with dial(server) as sock:
                with contextlib.suppress(OSError):
                    sock.sendall(garbage)
                assert len(rest(sock)) < 100
    assert server.counts[Ending.GRANTED] == 0
    assert server.counts.total() == 3


def test_who_says_nothing_is_closed_in_time(pair: Pair) -> None:
    with establishing(pair, timeout_ns=50 * MILLISECOND) as server, dial(server) as sock:
        assert rest(sock) == b""
    assert server.counts == {Ending.SLOW: 1}


def test_a_crowd_is_turned_away_and_the_next_is_served(
    pair: Pair, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ke_server, "CONNECTIONS_MAX", 3)
    with establishing(pair) as server:
        crowd = [dial(server) for _ in range(3)]
        with dial(server) as sock:
            assert rest(sock) == b""
        assert server.counts == {Ending.CROWDED: 1}
        for sock in crowd:
            sock.close()
        client = tls.Client(authority.file)
        got = None
        while got is None:  # until the server has noticed that the others have gone
            with contextlib.suppress(NotEstablished):
                got = asyncio.run(establish(client, "127.0.0.1", server.addresses[0]))
    assert len(got.cookies) == 8


def test_tls_that_is_not_for_nts_is_not_answered(
    pair: Pair, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = tls.Client(authority.file)
    client._context.set_alpn_protos([b"http/1.1"])
    with establishing(pair) as server, pytest.raises(NotEstablished) as caught:
        asyncio.run(establish(client, "127.0.0.1", server.addresses[0]))
    assert "not NTS key establishment (no ntske/1)" in str(caught.value)
    assert ALPN == b"ntske/1"


# --- rude servers


@contextmanager
def peer(behaviour: Callable[[socket.socket], object]) -> Iterator[tuple[str, int]]:
    """A TCP server of one connection that does as it is told, and then closes."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            sock, _ = listener.accept()
            with sock:
                behaviour(sock)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[:2]
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def endless(sock: socket.socket) -> None:
    while True:
        sock.sendall(b"\x16\x03\x03\x00\x04\x00\x00\x00\x00" * 500)


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        (lambda sock: sock.recv(1), "closed the connection|reset by peer"),
        (lambda sock: sock.sendall(b"SSH-2.0-OpenSSH_9.2\r\n"), "does not speak TLS"),
        (lambda sock: sock.sendall(bytes(200_000)), "does not speak TLS|failed|closed"),
        (endless, "it sends more than an answer can be"),
        (lambda sock: rest(sock), "no answer within 0.2 s"),
    ],
    ids=["closes", "another protocol", "zeros", "endless", "silent"],
)
def test_a_peer_that_is_no_nts_server_is_told_in_one_line(
    authority: Authority, behaviour: Callable[[socket.socket], object], words: str
) -> None:
    client = tls.Client(authority.file)
    # Only who says nothing is waited for to the end.
    timeout_ns = 200 * MILLISECOND if "0.2 s" in words else 60 * SECOND
    with peer(behaviour) as address, pytest.raises(NotEstablished, match=words) as caught:
        asyncio.run(establish(client, "127.0.0.1", address, timeout_ns=timeout_ns))
    assert str(caught.value).startswith("NTS key establishment: ")
    assert str(caught.value).isprintable()


def test_where_nothing_listens_the_row_says_so(authority: Authority) -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    row = measured(f"127.0.0.1:{port}", authority)
    assert row.verdict is Verdict.UNREACHABLE
    assert row.reason == "NTS key establishment: connection refused: nothing listens on that port"
    assert row.port == port


# --- the commands


app = typer.Typer()
app.command()(serve)


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.stdout, result.stderr


def test_what_serve_cannot_do_is_one_line_and_exit_2(
    pair: Pair, authority: Authority, tmp_path: Path
) -> None:
    other = authority.sign("other")
    shared = tmp_path / "shared.key"
    shared.write_bytes(pair.key.read_bytes())
    shared.chmod(0o644)
    no_keys = tmp_path / "keys"
    no_keys.touch(0o600)
    for arguments, words in [
        (["--nts"], "NTS needs a certificate and its key: say --cert FILE --key FILE"),
        (["--cert", pair.certificate], "say --nts too"),
        (["--nts", "--cert", no_keys, "--key", pair.key], "holds no certificate in PEM"),
        (["--nts", "--cert", pair.certificate, "--key", other.key], "no private key in PEM that"),
        (["--nts", "--cert", pair.certificate, "--key", pair.certificate], "chmod 600"),
        (["--nts", "--cert", pair.certificate, "--key", shared], "open to others than its owner"),
        (["--keys", no_keys], "holds no key"),
        (["--require-key"], "only authenticated requests are to be answered, but there is no key"),
    ]:
        code, out, err = run("--port", "0", "--nts-port", "0", *arguments)
        assert (code, out) == (2, ""), err
        assert words in err
        assert err.count("\n") == 1


def test_the_command_names_both_of_its_ports(pair: Pair) -> None:
    nts = ["--nts", "--cert", pair.certificate, "--key", pair.key, "--nts-port", "0"]
    code, out, err = run("--port", "0", "--duration", "1ns", *nts)
    assert (code, err) == (0, "")
    first, last = out.splitlines()
    assert "(stratum 8, system clock, NTS on TCP 127.0.0.1:" in first
    assert last == "answered 0 (0 interleaved), dropped 0; key establishment: nobody asked for keys"
