"""Symmetric keys and NTS with programs nobody here wrote: chronyd, ntpd and ntpdig, both ways."""

import asyncio
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import clocksync
from clocksync.measuring.credentials import Credentials
from clocksync.measuring.result import HostResult, Verdict
from clocksync.ntp.checks import Rejection
from clocksync.ntp.codec import NtpCodec
from clocksync.ntp.keyfile import read_keys
from clocksync.ntp.keys import Dialect
from clocksync.ntp.packet import NtpPacket
from clocksync.ntp.responder import Outcome
from clocksync.nts.client import NtsAuthenticator
from clocksync.nts.establish import establish
from clocksync.nts.service import NtsService
from clocksync.nts.tls import Client
from clocksync.runtime.clocks import SoftwareClock, SystemClock
from clocksync.runtime.units import MILLISECOND, SECOND
from tests.certificates import DAY, Authority
from tests.daemons import (
    Daemon,
    DaemonFailed,
    chrony_client,
    chrony_query,
    chrony_server,
    exchange,
    free_port,
    ntpdig_query,
    ntpsec_server,
    wait_for_measurements,
)
from tests.namespaces import Host

pytestmark = [pytest.mark.interop, pytest.mark.slow]

AHEAD_S = 1000  # no delay of a busy machine comes near
HEX16, HEX32, LONG = "00112233445566778899aabbccddeeff", "5a" * 32, "0f" * 40
CHRONY_KEYS = f"""\
# by chrony's rules
1 SHA1 HEX:{HEX16}
2 SHA256 ASCII:the-second-secret
3 SHA384 HEX:{LONG}
4 SHA512 HEX:{LONG}
5 AES128 HEX:{HEX16}
6 AES256 HEX:{HEX32}
7 SHA1 {LONG}
"""
NTPSEC_KEYS = f"""\
# by ntpsec's rules
1 SHA1 a-short-secret
2 SHA256 {LONG}
3 SHA512 {LONG}
4 AES {HEX16}
5 AES-256 {HEX32}
"""
WRONG_KEYS = f"1 SHA1 HEX:{HEX32}\n2 SHA256 ASCII:another\n5 AES128 HEX:{HEX32[:32]}\n"
BURST = {"samples": 3, "burst": True, "timeout_ns": 10 * SECOND}


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path


def by_key(path: Path, number: int, dialect: Dialect = Dialect.CHRONY) -> Credentials:
    return Credentials(keys=read_keys(path, dialect), key=number)


def only(measurement: clocksync.Measurement) -> HostResult:
    (row,) = measurement.hosts
    return row


def good(measurement: clocksync.Measurement, method: str) -> HostResult:
    """The one row, which is authenticated and whose bound holds the truth: one clock, two ends."""
    row = only(measurement)
    assert (row.verdict, row.authentication) == (Verdict.TRUECHIMER, method), row.reason
    assert row.interval is not None
    assert 0 in row.interval
    return row


# --- symmetric keys, we ask


@pytest.fixture(scope="module")
def keyed_chronyd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Daemon, Path]]:
    file = written(tmp_path_factory.mktemp("keys") / "keys", CHRONY_KEYS)
    with chrony_server(extra=f"keyfile {file}") as server:
        yield server, file


@pytest.mark.parametrize("number", range(1, 8))
def test_chronyd_answers_our_requests_with_every_kind_of_key(
    keyed_chronyd: tuple[Daemon, Path], number: int
) -> None:
    server, file = keyed_chronyd
    host = f"{server.address}:{server.port}"
    row = good(clocksync.measure_sync([host], credentials=by_key(file, number), **BURST), "key")
    assert row.answered == 3


def test_the_older_version_carries_digests_whole(keyed_chronyd: tuple[Daemon, Path]) -> None:
    server, file = keyed_chronyd
    host = f"{server.address}:{server.port}"
    good(clocksync.measure_sync([host], version=3, credentials=by_key(file, 4), **BURST), "key")


def test_interleaved_mode_and_keys_go_together(keyed_chronyd: tuple[Daemon, Path]) -> None:
    server, file = keyed_chronyd
    host = f"{server.address}:{server.port}"
    row = good(
        clocksync.measure_sync(
            [host], burst=True, timeout_ns=10 * SECOND, credentials=by_key(file, 5)
        ),
        "key",
    )
    assert row.interleaved


def test_chronyd_gives_no_answer_to_another_secret(
    keyed_chronyd: tuple[Daemon, Path], tmp_path: Path
) -> None:
    server, _ = keyed_chronyd
    host = f"{server.address}:{server.port}"
    wrong = by_key(written(tmp_path / "wrong", WRONG_KEYS), 5)
    row = only(
        clocksync.measure_sync(
            [host], credentials=wrong, timeout_ns=100 * MILLISECOND, samples=2, burst=True
        )
    )
    assert row.verdict is Verdict.UNREACHABLE
    assert row.reason == (
        "no answer to 2 requests (one that does not accept key 5 may say nothing)"
    )


@pytest.mark.namespaces
def test_ntpd_answers_our_requests_with_its_own_kinds_of_keys(
    hosts: tuple[Host, Host], tmp_path: Path
) -> None:
    file = written(tmp_path / "ntp.keys", NTPSEC_KEYS)
    wrong = written(tmp_path / "wrong", WRONG_KEYS)
    trusted = f"keys {file}\ntrustedkey 1 2 3 4 5"
    with ntpsec_server(hosts[1], extra=trusted) as server, hosts[0].inside():
        for number in range(1, 6):
            keys = by_key(file, number, Dialect.NTPSEC)
            good(clocksync.measure_sync([server.address], credentials=keys, **BURST), "key")
        row = only(
            clocksync.measure_sync(
                [server.address],
                credentials=by_key(wrong, 1),
                timeout_ns=200 * MILLISECOND,
                samples=2,
                burst=True,
            )
        )
    assert row.offset_ns is None
    assert row.verdict in (Verdict.INVALID, Verdict.UNREACHABLE)


# --- symmetric keys, we answer


@contextmanager
def a_server_ahead(
    keys: Path | None = None,
    dialect: Dialect = Dialect.CHRONY,
    nts: NtsService | None = None,
    host: Host | None = None,
) -> Iterator[clocksync.Server]:
    """Our server, a thousand seconds ahead, which answers the authenticated only."""
    server = clocksync.Server(
        SoftwareClock(SystemClock(), AHEAD_S * SECOND),
        bind=host.ipv4 if host else "127.0.0.1",
        port=123 if host else 0,
        keys=None if keys is None else read_keys(keys, dialect),
        nts=nts,
        authenticated_only=True,
    )
    if host is not None:
        with host.inside():
            server.open()
    with server:
        yield server


@pytest.mark.parametrize("number", [1, 4, 6])
def test_chronyd_accepts_our_answers_with_a_key(tmp_path: Path, number: int) -> None:
    file = written(tmp_path / "keys", CHRONY_KEYS)
    with a_server_ahead(file) as server:
        said = chrony_query(*server.address, options=f"key {number}", extra=f"keyfile {file}")
    assert said == pytest.approx(AHEAD_S, abs=10)


def test_chronyd_is_refused_with_another_secret(tmp_path: Path) -> None:
    file, wrong = written(tmp_path / "keys", CHRONY_KEYS), written(tmp_path / "wrong", WRONG_KEYS)
    with a_server_ahead(file) as server:
        with pytest.raises(DaemonFailed):
            chrony_query(*server.address, options="key 5", extra=f"keyfile {wrong}", wait_s=2)
        counts = server.responder.counts
    assert counts[Outcome.KISSED_UNPROVEN] > 0
    assert not server.answered


@pytest.mark.namespaces
def test_ntpdig_accepts_our_answers_with_a_key(hosts: tuple[Host, Host], tmp_path: Path) -> None:
    file = written(tmp_path / "ntp.keys", NTPSEC_KEYS)
    with a_server_ahead(file, Dialect.NTPSEC, host=hosts[1]):
        for number in ("1", "4"):
            options = ["-a", number, "-k", str(file)]
            said = ntpdig_query(hosts[1].ipv4, host=hosts[0], options=options)
            assert float(str(said["offset"])) == pytest.approx(AHEAD_S, abs=10)


# --- NTS, we ask


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@contextmanager
def an_nts_chronyd(authority: Authority, name: str, **certificate: object) -> Iterator[str]:
    """A chronyd with NTS under a certificate of ours; whom to measure."""
    lines = _nts(authority, name, **certificate)
    with chrony_server(extra=lines):
        yield f"127.0.0.1:{lines.split()[-1]}"


def _nts(authority: Authority, name: str = "server", **certificate: object) -> str:
    pair = authority.sign(name, **certificate)  # type: ignore[arg-type]
    port = free_port("127.0.0.1", tcp=True)
    return f"ntsserverkey {pair.key}\nntsservercert {pair.certificate}\nntsport {port}"


def test_chronyd_is_measured_by_nts_in_interleaved_mode(authority: Authority) -> None:
    trusting = Credentials(nts=True, nts_ca=authority.file)
    with an_nts_chronyd(authority, "server") as host:
        row = good(
            clocksync.measure_sync([host], credentials=trusting, **{**BURST, "samples": 24}), "nts"
        )
        assert (row.answered, row.stratum, row.interleaved) == (24, 2, True)
        command = [sys.executable, "-m", "clocksync", "measure", "--nts", host, "--json"]
        command += ["--nts-ca", str(authority.file), "--burst", "--samples", "2"]
        said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(said.stdout)["hosts"][0]["authentication"] == "nts"


@pytest.mark.parametrize(
    ("name", "certificate", "words"),
    [
        ("elsewhere", {"names": ["ntp.test"], "addresses": []}, "is for ntp.test, not for 127.0"),
        ("expired", {"since": -9 * DAY, "until": -2 * DAY}, "was valid until "),
        ("early", {"since": 2 * DAY}, "is not valid before "),
    ],
)
def test_a_certificate_that_proves_nothing_is_refused_in_one_line(
    authority: Authority, name: str, certificate: dict[str, object], words: str
) -> None:
    with an_nts_chronyd(authority, name, **certificate) as host:
        row = only(
            clocksync.measure_sync(
                [host], credentials=Credentials(nts=True, nts_ca=authority.file), **BURST
            )
        )
    assert (row.verdict, row.offset_ns, row.samples) == (Verdict.INVALID, None, 0)
    assert row.reason is not None
    assert row.reason.startswith("NTS key establishment: its certificate ")
    assert words in row.reason
    assert "\n" not in row.reason


def test_a_server_that_the_system_does_not_know_is_refused(authority: Authority) -> None:
    with an_nts_chronyd(authority, "unknown") as host:
        row = only(clocksync.measure_sync([host], credentials=Credentials(nts=True), **BURST))
    assert row.reason is not None
    assert "signed by nobody who is trusted here (--nts-ca names others)" in row.reason


def test_a_chronyd_that_does_not_know_a_cookie_says_so(authority: Authority) -> None:
    with an_nts_chronyd(authority, "one") as host, chrony_server(extra=_nts(authority)) as other:
        name, _, port = host.rpartition(":")
        got = asyncio.run(establish(Client(authority.file), name, (name, int(port))))
        authenticator = NtsAuthenticator(got, random.Random(1))
        request = authenticator.seal(NtpPacket(transmit_timestamp=7)).encode()
        answer = exchange(other.address, other.port, request)
        assert answer is not None
        assert authenticator.open(NtpCodec().decode(answer)) is Rejection.NTS_NAK
    assert authenticator.must_rekey


# --- NTS, we answer


def test_chronyd_follows_our_nts_server(authority: Authority) -> None:
    pair = authority.sign("ours", names=["localhost"])
    service = NtsService(pair.certificate, pair.key, port=0)
    with a_server_ahead(nts=service) as server:
        trust = f"ntstrustedcerts {authority.file}"
        options = f"nts ntsport {service.addresses[0][1]} minpoll -4 maxpoll -4 xleave"
        host, port = server.address
        with chrony_client(host, port, options=options, extra=trust) as client:
            measured = wait_for_measurements(client, 20)
        assert server.summary().endswith("key establishment: 1 given keys")
    # The first one: afterwards it thinks that it has set its clock.
    assert measured[0].offset_ns / SECOND == pytest.approx(AHEAD_S, abs=10)
    assert any(one.interleaved for one in measured)


def test_chronyd_gets_new_keys_when_ours_are_gone(authority: Authority) -> None:
    pair = authority.sign("rotating", names=["localhost"])
    service = NtsService(pair.certificate, pair.key, port=0)
    with a_server_ahead(nts=service) as server:
        options = f"nts ntsport {service.addresses[0][1]} minpoll -4 maxpoll -4"
        trust = f"ntstrustedcerts {authority.file}"
        with chrony_client(*server.address, options=options, extra=trust) as client:
            wait_for_measurements(client, 3)
            for _ in range(4):
                service.jar.rotate()
            have = len(wait_for_measurements(client, 3))
            wait_for_measurements(client, have + 8)
        assert server.responder.counts[Outcome.KISSED_UNPROVEN] >= 1


def test_chronyd_refuses_us_under_another_name(authority: Authority) -> None:
    pair = authority.sign("other", names=["ntp.test"], addresses=[])
    service = NtsService(pair.certificate, pair.key, port=0)
    trust = f"ntstrustedcerts {authority.file}"
    with a_server_ahead(nts=service) as server:
        options = f"nts ntsport {service.addresses[0][1]}"
        with pytest.raises(DaemonFailed):
            chrony_query(*server.address, options=options, extra=trust, wait_s=2)
