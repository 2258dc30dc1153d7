"""Whatever servers and networks do, a measurement ends in time with a true word on every host."""

import errno
import random
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from clocksync import Measurement, Verdict
from clocksync.measuring.result import HostResult
from clocksync.runtime.clocks import SoftwareClock, SystemClock
from clocksync.runtime.units import MILLISECOND, SECOND
from tests.sockets import servers
from tests.sockets.servers import (
    QUICK,
    Answer,
    Behaviour,
    Question,
    Responder,
    after,
    before,
    check,
    cut_to,
    elsewhere,
    forged,
    forged_kiss,
    holds_truth,
    honest,
    kissing,
    lying,
    noise,
    once,
    padded_to,
    run,
    set_in_future,
    set_long_ago,
    silent,
    stepping,
)

GETADDRINFO = "clocksync.measuring.resolver.socket.getaddrinfo"
A_YEAR_NS = 365 * 86_400 * SECOND


@pytest.fixture(autouse=True)
def _no_exception_was_swallowed(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """asyncio only logs what a callback raises: here that fails the test."""
    yield
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []


SPOOFS: dict[str, Behaviour] = {
    "another origin": lambda question: [forged(question)],
    "an origin of zero": lambda question: [question.honest(origin_timestamp=0, stratum=1)],
    "a kiss to somebody else, DENY": forged_kiss(b"DENY"),
    "a kiss to somebody else, RATE": forged_kiss(b"RATE"),
    "a kiss with an origin of zero": lambda question: [question.kiss(b"RSTR", origin_timestamp=0)],
    "a client's request": lambda question: [question.packet],
    "a broadcast": lambda question: [question.honest(mode=5)],
    "version 3": lambda question: [question.honest(version=3)],
    "half a packet": lambda question: [question.honest().encode()[:24]],
    "nothing at all": lambda question: [b""],
    "more than anybody asked for": lambda question: [question.honest().encode() * 40],
    "noise": noise(1),
    "an unsynchronised server's word": lambda question: [forged(question, leap=3, stratum=16)],
}


@pytest.mark.parametrize("spoof", SPOOFS.values(), ids=SPOOFS)
def test_a_spoofed_reply_changes_nothing(spoof: Behaviour) -> None:
    with Responder(before(spoof), offset_ns=2 * MILLISECOND) as server:
        measurement = run(server)
    (row,) = measurement.hosts
    assert (row.verdict, row.samples, row.answered) == (Verdict.TRUECHIMER, 4, 4)
    assert (row.stratum, row.leap, measurement.exit_code) == (2, 0, 0)
    assert holds_truth(row, server, measurement)


AFTERWARDS: dict[str, Behaviour] = {
    "a duplicate": lambda question: [question.honest(), question.honest()],
    "a duplicate that says otherwise": lambda question: [
        question.honest(receive_timestamp=1 << 63, transmit_timestamp=1 << 63)
    ],
    "a duplicate that kisses": lambda question: [question.kiss(b"DENY")],
}


@pytest.mark.parametrize("spoof", AFTERWARDS.values(), ids=AFTERWARDS)
@pytest.mark.parametrize("kernel_stamps", [True, False])
def test_a_second_answer_to_one_request_changes_nothing(
    spoof: Behaviour, kernel_stamps: bool
) -> None:
    with Responder(after(spoof), offset_ns=-2 * MILLISECOND) as server:
        measurement = run(server, kernel_stamps=kernel_stamps)
    (row,) = measurement.hosts
    assert (row.verdict, row.samples, row.answered) == (Verdict.TRUECHIMER, 4, 4)
    assert holds_truth(row, server, measurement)
    assert row.jitter_ns is not None
    assert row.jitter_ns < SECOND


def test_an_answer_replayed_from_an_earlier_request_is_ignored_and_told() -> None:
    with Responder(servers.Replaying(), offset_ns=MILLISECOND) as server:
        measurement = run(server, **QUICK)
    (row,) = measurement.hosts
    assert (row.verdict, row.samples, row.answered) == (Verdict.TRUECHIMER, 2, 1)
    assert holds_truth(row, server, measurement)


WORTHLESS: dict[str, tuple[Behaviour, str]] = {
    "cut to 47 bytes": (cut_to(47), "no NTP packet"),
    "empty": (cut_to(0), "no NTP packet"),
    "oversized": (padded_to(3_000), "no NTP packet"),
    "mode 0": (lying(mode=0), "server mode"),
    "mode 1": (lying(mode=1), "server mode"),
    "mode 2": (lying(mode=2), "server mode"),
    "mode 3": (lying(mode=3), "server mode"),
    "mode 5": (lying(mode=5), "server mode"),
    "mode 6": (lying(mode=6), "server mode"),
    "mode 7": (lying(mode=7), "server mode"),
    "version 0": (lying(version=0), "another version"),
    "version 7": (lying(version=7), "another version"),
    "another origin": (lying(origin_timestamp=1), "does not echo"),
    "no origin": (lying(origin_timestamp=0), "does not echo"),
    "no receive stamp": (lying(receive_timestamp=0), "empty timestamp"),
    "no transmit stamp": (lying(transmit_timestamp=0), "empty timestamp"),
    "root delay of 32 s": (lying(root_delay=32 << 16, root_dispersion=0), "16 s or more"),
    "root dispersion of 16 s": (lying(root_delay=0, root_dispersion=16 << 16), "16 s or more"),
    "largest root delay": (lying(root_delay=0xFFFFFFFF), "16 s or more"),
    "largest root dispersion": (lying(root_dispersion=0xFFFFFFFF), "16 s or more"),
    "together 16 s": (lying(root_delay=16 << 16, root_dispersion=8 << 16), "16 s or more"),
    "set in the future": (set_in_future(60 * SECOND), "last set after"),
    "set ten years ago": (set_long_ago(10 * A_YEAR_NS), "16 s or more"),
    "answered before asked": (servers.impatient(-SECOND), "before it was asked"),
    "a negative delay": (servers.impatient(SECOND), "longer than the round trip"),
}


def test_an_oversized_answer_is_worthless_with_our_own_stamps_too() -> None:
    with Responder(padded_to(3_000)) as server:
        (row,) = run(server, **QUICK, kernel_stamps=False).hosts
    assert row.verdict is Verdict.INVALID
    assert "no NTP packet" in (row.reason or "")


@pytest.fixture(scope="module")
def worthless() -> dict[str, HostResult]:
    """What is said of each: asked all at once, all can be waited for as long as one."""
    with ExitStack() as stack:
        hosts = [stack.enter_context(Responder(behaviour)) for behaviour, _ in WORTHLESS.values()]
        measurement = run(*hosts, **{**QUICK, "timeout_ns": 3 * SECOND})
    assert (measurement.combined, measurement.exit_code) == (None, 2)
    return dict(zip(WORTHLESS, measurement.hosts, strict=True))


@pytest.mark.parametrize("name", WORTHLESS)
def test_a_host_that_gives_only_worthless_answers_is_invalid(
    worthless: dict[str, HostResult], name: str
) -> None:
    row = worthless[name]
    assert row.verdict is Verdict.INVALID
    assert WORTHLESS[name][1] in (row.reason or "")
    assert (row.samples, row.offset_ns) == (2, None)


def test_a_root_distance_just_below_16_seconds_is_usable_and_in_the_bound() -> None:
    with Responder(lying(root_delay=16 << 16, root_dispersion=(8 << 16) - 16)) as server:
        measurement = run(server)
    (row,) = measurement.hosts
    assert row.verdict is Verdict.TRUECHIMER
    assert row.error_bound_ns is not None
    assert row.error_bound_ns > 15_999 * MILLISECOND
    assert (row.root_delay_ns, row.leap) == (16 * SECOND, 0)


def test_a_clock_not_set_for_days_gets_a_bound_that_allows_for_its_drift() -> None:
    with Responder(set_long_ago(2 * 86_400 * SECOND)) as server:
        (row,) = run(server).hosts
    assert row.error_bound_ns is not None
    assert row.error_bound_ns > 2 * 86_400 * 15_000  # 15 ppm of two days


@pytest.mark.parametrize(
    "lies",
    [
        {"leap": 3},
        {"stratum": 16},
        {"stratum": 255},
        {"stratum": 0, "reference_id": 0},
        {"leap": 3, "stratum": 0, "reference_id": int.from_bytes(b"INIT", "big")},
        {"leap": 3, "stratum": 16, "receive_timestamp": 0, "transmit_timestamp": 0},
    ],
    ids=str,
)
def test_a_server_without_time_is_unsynchronised_however_it_says_so(lies: dict[str, int]) -> None:
    with Responder(lying(**lies)) as server:
        measurement = run(server)
    (row,) = measurement.hosts
    assert row.verdict is Verdict.UNSYNCHRONISED
    assert (row.answered, row.offset_ns, measurement.exit_code) == (4, None, 1)


@pytest.mark.parametrize("code", [b"RATE", b"DENY", b"RSTR"])
def test_a_kiss_that_echoes_our_request_ends_the_questions(code: bytes) -> None:
    with Responder(kissing(code)) as server:
        measurement = run(server)
    (row,) = measurement.hosts
    assert row.verdict is Verdict.KISS_OF_DEATH
    assert code.decode() in (row.reason or "")
    assert (row.samples, len(server.requests), row.answered) == (1, 1, 0)
    assert measurement.exit_code == 2


def test_what_was_learnt_before_a_kiss_still_counts() -> None:
    with Responder(once(honest, kissing(b"RATE")), offset_ns=SECOND) as server:
        measurement = run(server)
    (row,) = measurement.hosts
    assert (row.verdict, row.samples, row.answered) == (Verdict.TRUECHIMER, 2, 1)
    assert "RATE" in (row.reason or "")
    assert holds_truth(row, server, measurement)


@pytest.mark.parametrize(
    ("code", "shown"), [(b"XYZQ", "XYZQ"), (b"\x1b[2J", "\\x1b[2J"), (b"\n\0A\xff", "\\x0a\\x00A")]
)
def test_an_unknown_kiss_is_shown_escaped_and_stops_nothing(code: bytes, shown: str) -> None:
    with Responder(kissing(code)) as server:
        (row,) = run(server).hosts
    assert row.verdict is Verdict.KISS_OF_DEATH
    assert shown in (row.reason or "")
    assert row.samples == 4


def test_a_reference_id_that_would_move_the_cursor_is_escaped() -> None:
    told = int.from_bytes(b"\x1b[2J", "big")
    with Responder(lying(stratum=1, reference_id=told)) as server:
        (row,) = run(server).hosts
    assert (row.verdict, row.reference_id) == (Verdict.TRUECHIMER, "\\x1b[2J")


def test_an_answer_from_another_port_is_no_answer_but_is_told() -> None:
    with Responder(elsewhere) as server:
        measurement = run(server, **QUICK)
    (row,) = measurement.hosts
    assert (row.verdict, measurement.exit_code) == (Verdict.UNREACHABLE, 2)
    assert any("2 datagrams from addresses that were not asked" in c for c in measurement.cautions)


def test_a_host_that_answers_once_then_never_is_measured_by_that_answer() -> None:
    with Responder(once(honest), offset_ns=-SECOND) as server:
        measurement = run(server, **QUICK)
    (row,) = measurement.hosts
    assert (row.verdict, row.samples, row.answered) == (Verdict.TRUECHIMER, 2, 1)
    assert (row.jitter_ns, row.skew_ppm) == (None, None)
    assert holds_truth(row, server, measurement)


def test_a_host_that_only_answers_the_last_request_is_measured_by_that_answer() -> None:
    with Responder(once(silent, honest)) as server:
        measurement = run(server, **QUICK)
    (row,) = measurement.hosts
    assert (row.verdict, row.samples, row.answered) == (Verdict.TRUECHIMER, 2, 1)


def test_an_answer_after_the_timeout_is_none() -> None:
    with Responder(servers.Late()) as server:
        measurement = run(server, **{**QUICK, "samples": 4, "timeout_ns": 300 * MILLISECOND})
    (row,) = measurement.hosts
    assert (row.verdict, row.samples, row.answered) == (Verdict.INVALID, 4, 0)


@pytest.mark.parametrize("by_ns", [5 * SECOND, -5 * SECOND, A_YEAR_NS])
def test_a_server_clock_that_steps_meanwhile_contradicts_itself(by_ns: int) -> None:
    with Responder(stepping(by_ns, at=2)) as server:
        measurement = run(server)
    (row,) = measurement.hosts
    assert row.verdict is Verdict.INVALID
    assert "contradict" in (row.reason or "")
    assert (row.answered, row.offset_ns, measurement.exit_code) == (4, None, 2)


def test_a_local_clock_that_steps_meanwhile_is_told() -> None:
    local = SoftwareClock(SystemClock())

    def step_ours(question: Question) -> Iterable[Answer]:
        if question.number == 2:
            local.step(30 * SECOND)
        yield question.honest()

    with Responder(step_ours) as server:
        measurement = run(server, clock=local)
    assert any("the local clock was stepped by 30.0 s" in c for c in measurement.cautions)
    assert measurement.hosts[0].verdict is Verdict.INVALID


def test_a_changed_byte_anywhere_never_breaks_the_measurement() -> None:
    with ExitStack() as stack:
        liars = [stack.enter_context(Responder(servers.mutated(seed))) for seed in range(12)]
        first = stack.enter_context(Responder(honest))
        measurement = run(first, *liars, **{**QUICK, "samples": 8, "timeout_ns": SECOND})
    assert measurement.hosts[0].answered == 8
    assert len(measurement.hosts) == 13


def test_noise_alone_makes_a_host_invalid_and_no_other_host_suffers() -> None:
    with Responder(noise(7)) as noisy, Responder(offset_ns=MILLISECOND) as server:
        measurement = run(noisy, server, **QUICK)
    bad, good = measurement.hosts
    assert bad.verdict is Verdict.INVALID
    assert (good.verdict, good.answered) == (Verdict.TRUECHIMER, 2)
    assert measurement.exit_code == 1


def test_nothing_listens_there() -> None:
    measurement = run("127.9.9.8:9")
    (row,) = measurement.hosts
    assert (row.verdict, measurement.exit_code) == (Verdict.UNREACHABLE, 2)
    assert "refused" in (row.reason or "")


def names(table: dict[str, list[str] | OSError]) -> Any:
    """A ``getaddrinfo`` that knows these names and numeric addresses."""
    real = socket.getaddrinfo

    def resolve(name: str, port: int, family: int = 0, *rest: Any) -> list[Any]:
        found = table.get(name, [name])
        if isinstance(found, OSError):
            raise found
        return [answer for each in found for answer in real(each, port, family, *rest)]

    return resolve


def test_a_name_that_does_not_resolve_is_a_row_and_the_others_are_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unknown = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    monkeypatch.setattr(GETADDRINFO, names({"no.example": unknown}))
    with Responder() as server:
        measurement = run("no.example", server)
    row, good = measurement.hosts
    assert (row.verdict, row.address, row.samples) == (Verdict.UNREACHABLE, None, 0)
    assert "does not resolve: name or service not known" in (row.reason or "")
    assert (good.verdict, measurement.exit_code) == (Verdict.TRUECHIMER, 1)


def test_a_name_whose_resolution_hangs_ends_with_the_measurement(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    release = threading.Event()

    def hang(*_: Any) -> list[Any]:
        release.wait(60)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(GETADDRINFO, hang)
    began = time.monotonic()
    measurement = run("hangs.example", **{**QUICK, "samples": 1})
    release.set()
    assert time.monotonic() - began < 20  # a hang guard
    (row,) = measurement.hosts
    assert (row.verdict, row.reason) == (Verdict.UNREACHABLE, "the name was not resolved in time")


@pytest.mark.parametrize("name", ["...", "a" * 64 + ".example", "x" * 300])
def test_a_name_no_host_can_have_is_a_row(name: str) -> None:
    (row,) = run(name, **QUICK).hosts
    assert row.verdict is Verdict.UNREACHABLE
    assert "no host can have that name" in (row.reason or "")


def test_an_interface_that_is_not_there_is_named_as_the_cause() -> None:
    (row,) = run("fe80::1%nosuch0", **QUICK).hosts
    assert row.verdict is Verdict.UNREACHABLE
    assert "that address cannot be used" in (row.reason or "")


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            sock.bind(("::1", 0))
    except OSError as error:
        return error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
    return True


needs_ipv6 = pytest.mark.skipif(not _has_ipv6(), reason="there is no IPv6 loopback here")


@needs_ipv6
def test_of_a_name_with_a_dead_address_the_live_one_is_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(GETADDRINFO, names({"both": ["::1", "127.0.0.1"]}))
    with Responder() as server:
        measurement = run(f"both:{server.port}")
        each = run(f"both:{server.port}", all_addresses=True)
    (row,) = measurement.hosts
    assert (row.address, row.verdict, row.answered) == ("127.0.0.1", Verdict.TRUECHIMER, 4)
    assert measurement.exit_code == 0
    assert [row.address for row in each.hosts] == ["::1", "127.0.0.1"]
    assert [row.verdict for row in each.hosts] == [Verdict.UNREACHABLE, Verdict.TRUECHIMER]
    assert each.exit_code == 1


def test_of_a_name_with_a_silent_address_the_next_one_is_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Responder(silent) as mute, Responder(bind="127.0.0.2", port=mute.port) as server:
        table: dict[str, list[str] | OSError] = {"two": ["127.0.0.1", "127.0.0.2"]}
        monkeypatch.setattr(GETADDRINFO, names(table))
        measurement = run(f"two:{server.port}", timeout_ns=2 * SECOND)
    (row,) = measurement.hosts
    assert (row.address, row.verdict, row.answered) == ("127.0.0.2", Verdict.TRUECHIMER, 4)
    assert len(mute.requests) == 1


def disagreement(offsets: list[int], **settings: Any) -> Measurement:
    with ExitStack() as stack:
        hosts = [stack.enter_context(Responder(offset_ns=offset)) for offset in offsets]
        return run(*hosts, **settings)


@pytest.mark.parametrize("offsets", [[0, SECOND], [0, SECOND, 2 * SECOND], [0, 0, SECOND, SECOND]])
def test_without_a_majority_no_side_is_taken(offsets: list[int]) -> None:
    measurement = disagreement(offsets)
    assert {row.verdict for row in measurement.hosts} == {Verdict.UNDECIDED}
    assert measurement.combined is None
    assert measurement.exit_code == 1
    assert all(row.offset_ns is not None for row in measurement.hosts)


def test_two_of_three_name_the_liar() -> None:
    measurement = disagreement([0, SECOND, 0])
    verdicts = [row.verdict for row in measurement.hosts]
    assert verdicts == [Verdict.TRUECHIMER, Verdict.FALSETICKER, Verdict.TRUECHIMER]
    assert measurement.combined is not None
    assert 0 in measurement.combined.interval
    assert len(measurement.combined.truechimers) == 2
    assert "off by at least" in (measurement.hosts[1].reason or "")
    assert measurement.exit_code == 1


def test_a_majority_that_agrees_on_a_lie_wins_and_the_honest_host_stands_out() -> None:
    """No vote can do better: that is why the falsetickers are named."""
    measurement = disagreement([SECOND, SECOND, 0])
    assert measurement.hosts[2].verdict is Verdict.FALSETICKER
    assert measurement.exit_code == 1


def test_one_server_named_twice_has_one_vote() -> None:
    with Responder(offset_ns=SECOND) as liar, Responder() as server:
        measurement = run(liar, liar, server)
    assert {row.verdict for row in measurement.hosts} == {Verdict.UNDECIDED}
    assert len(liar.requests) == 4
    assert [row.answered for row in measurement.hosts] == [4, 4, 4]


def test_silent_hosts_end_within_the_time_that_was_promised() -> None:
    with ExitStack() as stack:
        mute = [stack.enter_context(Responder(silent)) for _ in range(3)]
        began = time.monotonic()
        measurement = run(
            *mute, samples=3, interval_ns=100 * MILLISECOND, timeout_ns=200 * MILLISECOND
        )
        assert time.monotonic() - began < 15  # a hang guard: promised are 2.9 s
    assert {row.verdict for row in measurement.hosts} == {Verdict.UNREACHABLE}
    assert [len(server.requests) for server in mute] == [3, 3, 3]
    assert measurement.exit_code == 2


def test_fresh_noise_from_every_seed_is_survived() -> None:
    seeds = random.Random(3)
    with ExitStack() as stack:
        hosts = [
            stack.enter_context(Responder(before(noise(seeds.getrandbits(32), 60), honest)))
            for _ in range(3)
        ]
        measurement = run(*hosts)
    assert [row.verdict for row in measurement.hosts] == [Verdict.TRUECHIMER] * 3
    check(measurement)
