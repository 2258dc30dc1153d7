"""The socket driver carries out effects and feeds inputs, in order, over real sockets.

Each conversation runs with kernel stamps and batches, and again the way it goes where the system
has neither.
"""

import asyncio
import select
import socket
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import cast

import pytest

from clocksync.ntp.codec import NtpCodec
from clocksync.ntp.packet import NtpPacket
from clocksync.runtime.clocks import SoftwareClock, SystemClock
from clocksync.runtime.core import (
    Arrival,
    CancelTimer,
    Effects,
    Notify,
    Send,
    SetTimer,
    SilentCore,
    Stamp,
    StampSource,
)
from clocksync.runtime.mmsg import Address, available
from clocksync.runtime.udp import UdpDriver
from clocksync.runtime.units import MILLISECOND, SECOND
from tests.sockets.servers import Answer, Question, Responder, honest, silent

BOTH_WAYS = pytest.mark.parametrize(
    "kernel_stamps",
    [
        pytest.param(
            True,
            marks=pytest.mark.skipif(not available(), reason="kernel stamps are Linux's"),
            id="kernel",
        ),
        pytest.param(False, id="user"),
    ],
)
NOBODY = ("127.9.9.8", 9)


@pytest.fixture(autouse=True)
def _no_exception_was_swallowed(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []


@dataclass(slots=True)
class Recorder(SilentCore):
    """A core that writes down its inputs, and answers each by what `then` says."""

    then: Callable[[tuple[object, ...]], Effects] = lambda _: []
    inputs: list[tuple[object, ...]] = field(default_factory=list)

    def _note(self, *what: object) -> Effects:
        self.inputs.append(what)
        return self.then(what)

    def on_frame(self, arrival: Arrival, now: int) -> Effects:
        return self._note("frame", arrival)

    def on_timer(self, timer: Hashable, now: int) -> Effects:
        return self._note("timer", timer)

    def on_sent(self, tag: Hashable, stamp: Stamp, now: int) -> Effects:
        return self._note("sent", tag, stamp)

    def on_malformed(self, sender: Hashable, now: int) -> Effects:
        return self._note("malformed", sender)

    def on_refused(self, to: Hashable, tag: Hashable, reason: str, now: int) -> Effects:
        return self._note("refused", to, tag, reason)

    def of(self, kind: str) -> list[tuple[object, ...]]:
        return [what[1:] for what in self.inputs if what[0] == kind]


def talk(
    core: Recorder,
    first: Effects,
    count: int,
    kind: str,
    *,
    at_once: Effects | None = None,
    **options: object,
) -> UdpDriver:
    """Carry out `first`, then `at_once` before anything was read, and run until the core had
    `count` inputs of that kind."""

    async def conversation() -> UdpDriver:
        enough = asyncio.Event()
        answer = core.then

        def then(what: tuple[object, ...]) -> Effects:
            if len(core.of(kind)) >= count:
                enough.set()
            return answer(what)

        core.then = then
        driver = UdpDriver(core, NtpCodec(), **options)  # type: ignore[arg-type]
        try:
            driver.perform(first)
            driver.perform(at_once or [])
            await asyncio.wait_for(enough.wait(), 60)
        finally:
            driver.close()
            driver.close()
        return driver

    return asyncio.run(conversation())


def request(cookie: int) -> NtpPacket:
    return NtpPacket(transmit_timestamp=cookie)


def where(server: Responder) -> Address:
    return server.address, server.port


@BOTH_WAYS
def test_the_transmit_stamp_comes_before_the_answer_and_the_stamps_are_in_order(
    kernel_stamps: bool,
) -> None:
    core = Recorder()
    with Responder() as server:
        before = time.time_ns()
        driver = talk(
            core,
            [Send(where(server), request(5), tag="a")],
            1,
            "frame",
            kernel_stamps=kernel_stamps,
        )
        after = time.time_ns()
    kinds = [what[0] for what in core.inputs]
    assert kinds == (["sent", "sent", "frame"] if kernel_stamps else ["sent", "frame"])
    (*_, (tag, sent)), ((arrival,),) = core.of("sent"), core.of("frame")
    assert isinstance(sent, Stamp)
    assert isinstance(arrival, Arrival)
    expected = StampSource.KERNEL if kernel_stamps else StampSource.USER
    assert (tag, sent.source, arrival.stamp.source) == ("a", expected, expected)
    assert before <= sent.time <= arrival.stamp.time <= after
    assert arrival.sender == where(server)
    assert isinstance(arrival.frame, NtpPacket)
    assert arrival.frame.origin_timestamp == 5
    assert (driver.counters.sent, driver.counters.received) == (1, 1)


@BOTH_WAYS
def test_stamps_are_told_in_the_time_of_the_clock_that_was_handed_in(kernel_stamps: bool) -> None:
    core, ahead = Recorder(), 3600 * SECOND
    with Responder() as server:
        before = time.time_ns()
        talk(
            core,
            [Send(where(server), request(5), tag="a")],
            1,
            "frame",
            kernel_stamps=kernel_stamps,
            clock=SoftwareClock(SystemClock(), ahead),
        )
        after = time.time_ns()
    stamps = [stamp for _, stamp in core.of("sent")]
    stamps += [arrival.stamp for (arrival,) in core.of("frame") if isinstance(arrival, Arrival)]
    assert len(stamps) >= 2
    for stamp in stamps:
        assert isinstance(stamp, Stamp)
        assert before + ahead <= stamp.time <= after + ahead


@BOTH_WAYS
@pytest.mark.parametrize("ports", [1, 3])
def test_hundreds_of_datagrams_each_get_their_own_stamp_and_answer(
    kernel_stamps: bool, ports: int
) -> None:
    core, count = Recorder(), 300
    with ExitStack() as stack:
        servers = [stack.enter_context(Responder()) for _ in range(3)]
        sends: Effects = [
            Send(where(servers[n % 3]), request(n + 1), tag=n + 1) for n in range(count)
        ]
        talk(core, sends, count, "frame", kernel_stamps=kernel_stamps, ports=ports)
    echoed = [
        arrival.frame.origin_timestamp
        for (arrival,) in core.of("frame")
        if isinstance(arrival, Arrival) and isinstance(arrival.frame, NtpPacket)
    ]
    assert sorted(echoed) == list(range(1, count + 1))
    last: dict[object, object] = dict(core.of("sent"))  # type: ignore[arg-type]
    assert sorted(last) == list(range(1, count + 1))  # type: ignore[type-var]
    if kernel_stamps:
        assert {s.source for s in last.values() if isinstance(s, Stamp)} == {StampSource.KERNEL}


@pytest.mark.skipif(not available(), reason="kernel stamps are Linux's")
def test_of_many_at_once_each_kernel_stamp_comes_before_its_answer() -> None:
    async def conversation(core: Recorder, server: Responder) -> None:
        enough = asyncio.Event()
        core.then = lambda what: enough.set() or [] if len(core.of("frame")) == 20 else []
        driver = UdpDriver(core, NtpCodec())
        try:
            driver.perform([Send(where(server), request(n), tag=n) for n in range(1, 21)])
            # Block the loop until an answer is there, before the driver has looked for stamps.
            (port,) = driver._by_descriptor.values()
            watcher = select.poll()
            watcher.register(port.sock, select.POLLIN)
            while not any(events & select.POLLIN for _, events in watcher.poll(60_000)):
                pass  # the stamps themselves wake the poll, too
            await asyncio.wait_for(enough.wait(), 60)
        finally:
            driver.close()

    core = Recorder()
    with Responder() as server:
        asyncio.run(conversation(core, server))
    stamped: set[object] = set()
    for kind, *rest in core.inputs:
        if kind == "sent" and cast(Stamp, rest[1]).source is StampSource.KERNEL:
            stamped.add(rest[0])
        elif kind == "frame":
            assert cast(NtpPacket, cast(Arrival, rest[0]).frame).origin_timestamp in stamped


@pytest.mark.skipif(not available(), reason="kernel stamps are Linux's")
def test_a_refusal_that_comes_when_no_stamp_is_awaited_is_told() -> None:
    async def conversation(core: Recorder, server: Responder) -> None:
        told = asyncio.Event()
        core.then = lambda what: told.set() or [] if what[0] == "refused" else []
        driver = UdpDriver(core, NtpCodec())
        try:
            driver.perform([Send(where(server), request(7), tag="a")])
            (port,) = driver._by_descriptor.values()
            assert port.owed == 0
            # The same datagram again where nobody listens: its refusal names the same tag.
            port.sock.sendto(request(7).encode(), NOBODY)
            await asyncio.wait_for(told.wait(), 60)
        finally:
            driver.close()

    core = Recorder()
    with Responder(silent) as server:
        asyncio.run(conversation(core, server))
    assert [tag for _, tag, _ in core.of("refused")] == ["a"]


@BOTH_WAYS
def test_bytes_that_are_no_frame_are_told_and_what_follows_still_comes(kernel_stamps: bool) -> None:
    core = Recorder()
    with Responder(lambda q: [b"", b"short", q.honest().encode()[:47], q.honest()]) as server:
        driver = talk(
            core, [Send(where(server), request(1))], 1, "frame", kernel_stamps=kernel_stamps
        )
    assert core.of("malformed") == [(where(server),)] * 3
    assert driver.counters.malformed == 3


@BOTH_WAYS
def test_a_refused_port_is_told_and_fails_no_other_send(kernel_stamps: bool) -> None:
    """A refusal waits in the socket and fails the next call on it, whoever that is for."""
    core = Recorder()
    with Responder() as server:
        sends: Effects = []
        for n in range(1, 21):
            sends += [
                Send(NOBODY, request(1000 + n), tag=-n),
                Send(where(server), request(n), tag=n),
            ]
        talk(core, sends, 20, "frame", kernel_stamps=kernel_stamps)
    assert len(core.of("frame")) == 20
    refused = core.of("refused")
    assert {to for to, _, _ in refused} <= {NOBODY}
    assert all(isinstance(tag, int) and tag < 0 for _, tag, _ in refused)
    if kernel_stamps:
        assert {words for *_, words in refused} == {
            "connection refused: nothing listens on that port"
        }


@BOTH_WAYS
def test_a_refusal_that_waits_in_the_socket_does_not_fail_the_next_send(
    kernel_stamps: bool,
) -> None:
    core = Recorder()
    with Responder() as server:
        talk(
            core,
            [Send(NOBODY, request(1), tag=-1)],
            1,
            "frame",
            at_once=[Send(where(server), request(2), tag=2)],
            kernel_stamps=kernel_stamps,
        )
    assert [tag for tag, _ in core.of("sent") if tag == 2]
    assert {to for to, _, _ in core.of("refused")} <= {NOBODY}


@BOTH_WAYS
def test_an_address_that_cannot_be_sent_to_is_refused_with_its_reason(kernel_stamps: bool) -> None:
    core = Recorder()
    gone = ("fe80::1%nosuch0", 123)
    talk(core, [Send(gone, request(1), tag="a")], 1, "refused", kernel_stamps=kernel_stamps)
    ((to, tag, words),) = core.of("refused")
    assert (to, tag) == (gone, "a")
    assert words


@BOTH_WAYS
def test_a_source_that_is_not_ours_is_a_refusal_and_no_crash(kernel_stamps: bool) -> None:
    core = Recorder()
    talk(
        core,
        [Send(("127.0.0.1", 9), request(1), tag="a")],
        1,
        "refused",
        kernel_stamps=kernel_stamps,
        source="192.0.2.77",
    )
    assert core.of("refused")[0][2] == "cannot assign requested address"


def test_timers_ring_in_order_once_and_a_cancelled_one_never() -> None:
    core = Recorder()
    effects: Effects = [
        SetTimer("late", 30 * MILLISECOND),
        SetTimer("early", 10 * MILLISECOND),
        SetTimer("never", 1),
        SetTimer("replaced", 10 * MILLISECOND + 1),
        SetTimer("replaced", 40 * MILLISECOND),
        CancelTimer("never"),
        CancelTimer("unknown"),
    ]
    talk(core, effects, 3, "timer")
    assert core.of("timer") == [("early",), ("late",), ("replaced",)]


def test_what_a_timer_provokes_is_carried_out() -> None:
    with Responder() as server:
        core = Recorder(
            lambda what: [Send(where(server), request(9))] if what[0] == "timer" else []
        )
        talk(core, [SetTimer("now", 0)], 1, "frame")
    assert len(server.requests) == 1


def test_an_event_goes_to_the_application() -> None:
    told: list[object] = []
    core = Recorder(lambda what: [Notify(what)])
    talk(core, [SetTimer("x", 0)], 1, "timer", on_event=told.append)
    assert told == [("timer", "x")]


@BOTH_WAYS
def test_a_closed_driver_leaves_no_socket_and_no_timer(kernel_stamps: bool) -> None:
    core = Recorder()

    async def conversation() -> None:
        driver = UdpDriver(core, NtpCodec(), kernel_stamps=kernel_stamps)
        with Responder(silent) as mute:
            driver.perform([Send(where(mute), request(1)), SetTimer("x", 1 * MILLISECOND)])
            driver.close()
            after = asyncio.get_running_loop().create_future()
            asyncio.get_running_loop().call_later(0.01, after.set_result, None)
            await after

    asyncio.run(conversation())  # an open socket would fail the test with a ResourceWarning
    assert core.of("timer") == []


@BOTH_WAYS
def test_what_comes_unasked_from_anywhere_is_the_cores_to_judge(kernel_stamps: bool) -> None:
    core = Recorder()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind(("127.0.0.7", 0))

        def answer(question: Question) -> list[Answer]:
            stranger.sendto(question.honest().encode(), question.sender)
            return []

        with Responder(answer) as server:
            talk(core, [Send(where(server), request(1))], 1, "frame", kernel_stamps=kernel_stamps)
        ((arrival,),) = core.of("frame")
        assert isinstance(arrival, Arrival)
        assert arrival.sender == stranger.getsockname()


def test_honest_answers_are_honest() -> None:
    """The helper of these tests, held against the codec."""
    core = Recorder()
    with Responder(honest, offset_ns=7 * SECOND) as server:
        talk(core, [Send(where(server), request(3))], 1, "frame")
    ((arrival,),) = core.of("frame")
    assert isinstance(arrival, Arrival)
    assert isinstance(arrival.frame, NtpPacket)
    assert (arrival.frame.mode, arrival.frame.stratum) == (4, 2)
