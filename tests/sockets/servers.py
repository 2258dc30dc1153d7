"""NTP responders that misbehave on purpose, each in one known way.  [I/O]

::

    with Responder(wrong_mode) as server:
        result = measure_sync([server.host], **QUICK)

A *behaviour* is a function from a :class:`Question` to the datagrams that answer it, so what a
server does depends on the number and the text of the request and on nothing else: no sleeps, no
chance. Each responder has a socket and a thread of its own, on loopback. Honest answers tell
the time of ``server.clock``, whose distance to the system's clock is known.
"""

import csv
import json
import random
import select
import socket
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from importlib import resources
from types import TracebackType
from typing import Any, Self

import jsonschema

from clocksync import Measurement, Verdict, measure_sync
from clocksync.measuring import report
from clocksync.measuring.result import HostResult
from clocksync.ntp import timestamps
from clocksync.ntp.packet import NtpPacket
from clocksync.runtime.clocks import SoftwareClock, SystemClock
from clocksync.runtime.mmsg import Address
from clocksync.runtime.units import SECOND

QUICK: dict[str, Any] = {"burst": True, "samples": 2, "timeout_ns": 3 * SECOND // 2}
"""For servers of whom some requests stay unanswered: few, so that each can be waited for as long as
a busy machine may take."""
PATIENT: dict[str, Any] = {"burst": True, "samples": 4, "timeout_ns": 5 * SECOND}
"""For servers that answer everything: a busy machine must not turn an answer into silence."""
DISPERSION_SHORT = 0x10  # 244 us
SCHEMA = json.loads(resources.files("clocksync").joinpath("schemas/measure-1.json").read_text())


@dataclass(frozen=True, slots=True)
class Question:
    """One request: which it was, from 0 on, who asked, and when by the server's clock."""

    number: int
    sender: Address
    packet: NtpPacket
    data: bytes
    arrived_at: int
    server: "Responder"

    def honest(self, **lies: int) -> NtpPacket:
        """The answer an honest server gives in basic mode, but for `lies`."""
        now = self.server.clock.read()
        packet = NtpPacket(
            leap=0,
            version=self.packet.version,
            mode=4,
            stratum=2,
            precision=-24,
            root_delay=DISPERSION_SHORT,
            root_dispersion=DISPERSION_SHORT,
            reference_id=0x7F000001,
            reference_timestamp=timestamps.from_unix_ns(self.arrived_at - 10 * SECOND),
            origin_timestamp=self.packet.transmit_timestamp,
            receive_timestamp=timestamps.from_unix_ns(self.arrived_at),
            transmit_timestamp=timestamps.from_unix_ns(now),
        )
        return replace(packet, **lies)

    def kiss(self, code: bytes, **lies: int) -> NtpPacket:
        """A kiss-o'-death with this code (RFC 5905 section 7.4)."""
        told: dict[str, int] = {"stratum": 0, "leap": 3}
        told["reference_id"] = int.from_bytes(code.ljust(4, b"\0"), "big")
        return self.honest(**{**told, **lies})


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Send this from another port than the one that was asked."""

    packet: NtpPacket


Answer = NtpPacket | bytes | Elsewhere
Behaviour = Callable[[Question], Iterable[Answer]]


class Responder:
    """Answers as `behaviour` says until the end of the ``with``.

    Args:
        behaviour: what it does.
        offset_ns, rate_ppm: how wrong its clock is.
        bind: the loopback address it listens on.
        port: 0 takes any free one.
    """

    def __init__(
        self,
        behaviour: "Behaviour | None" = None,
        *,
        offset_ns: int = 0,
        rate_ppm: float = 0.0,
        bind: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.clock = SoftwareClock(SystemClock(), offset_ns, rate_ppm)
        self.requests: list[NtpPacket] = []
        self.asked = threading.Event()
        """Set once a request was answered (or not answered, as the behaviour has it)."""
        self.failure: BaseException | None = None
        self._behaviour = behaviour or honest
        family = socket.AF_INET6 if ":" in bind else socket.AF_INET
        self._sock = socket.socket(family, socket.SOCK_DGRAM)
        self._other = socket.socket(family, socket.SOCK_DGRAM)
        self._sock.bind((bind, port))
        self._other.bind((bind, 0))
        self._ears, self._mouth = socket.socketpair()
        self.address, self.port = self._sock.getsockname()[:2]
        self.host = f"[{bind}]:{self.port}" if ":" in bind else f"{bind}:{self.port}"
        self._thread = threading.Thread(target=self._serve, daemon=True, name="responder")

    def _serve(self) -> None:
        try:
            while True:
                ready, _, _ = select.select([self._sock, self._ears], [], [])
                if self._ears in ready:
                    return
                data, sender = self._sock.recvfrom(2048)
                self._answer(data, sender, self.clock.at(time.time_ns()))
        except BaseException as error:  # told to the test, which is on another thread
            self.failure = error

    def _answer(self, data: bytes, sender: tuple[Any, ...], arrived_at: int) -> None:
        packet, _ = NtpPacket.decode_prefix(data)
        question = Question(
            len(self.requests), (sender[0], sender[1]), packet, data, arrived_at, self
        )
        self.requests.append(packet)
        for answer in self._behaviour(question):
            sock = self._sock
            if isinstance(answer, Elsewhere):
                sock, answer = self._other, answer.packet
            sock.sendto(answer if isinstance(answer, bytes) else answer.encode(), sender)
        self.asked.set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._mouth.send(b"x")
        self._thread.join()
        for sock in (self._sock, self._other, self._ears, self._mouth):
            sock.close()
        if self.failure is not None and error is None:
            raise self.failure


def honest(question: Question) -> Iterable[Answer]:
    yield question.honest()


def silent(question: Question) -> Iterable[Answer]:
    return ()


def lying(**lies: int) -> Behaviour:
    """An honest answer but for these fields."""
    return lambda question: [question.honest(**lies)]


def kissing(code: bytes, **lies: int) -> Behaviour:
    """Every answer a kiss-o'-death."""
    return lambda question: [question.kiss(code, **lies)]


def once(first: Behaviour, then: Behaviour = silent, count: int = 1) -> Behaviour:
    """`first` for so many requests, then something else."""
    return lambda question: (first if question.number < count else then)(question)


def before(spoof: Behaviour, then: Behaviour = honest) -> Behaviour:
    """What a forger sends arrives first, then the answer."""
    return lambda question: [*spoof(question), *then(question)]


def after(spoof: Behaviour, first: Behaviour = honest) -> Behaviour:
    """What a forger sends arrives last."""
    return lambda question: [*first(question), *spoof(question)]


def forged(question: Question, **lies: int) -> NtpPacket:
    """What somebody sends who cannot see the request: another origin, and a time far off."""
    told = question.honest(
        origin_timestamp=question.packet.transmit_timestamp ^ 1, **{"stratum": 1, **lies}
    )
    return told.__class__(
        **{
            **{name: getattr(told, name) for name in told.__dataclass_fields__},
            "transmit_timestamp": (told.transmit_timestamp + (1_000 << 32)) % (1 << 64),
            "receive_timestamp": (told.receive_timestamp + (1_000 << 32)) % (1 << 64),
        }
    )


def forged_kiss(code: bytes) -> Behaviour:
    return lambda question: [
        question.kiss(code, origin_timestamp=question.packet.transmit_timestamp ^ 1)
    ]


def cut_to(size: int) -> Behaviour:
    """An honest answer of which only so many bytes arrive."""
    return lambda question: [question.honest().encode()[:size]]


def padded_to(size: int) -> Behaviour:
    """An honest answer with zeros behind it."""
    return lambda question: [question.honest().encode().ljust(size, b"\0")]


def noise(seed: int, count: int = 20) -> Behaviour:
    """Random datagrams of random lengths, the same for one seed."""
    rng = random.Random(seed)
    return lambda question: [rng.randbytes(rng.choice((0, 1, 47, 48, 49, 68, 500, 1400)))
                             for _ in range(count)]  # fmt: skip


def mutated(seed: int) -> Behaviour:
    """The honest answer with one random byte changed, the origin among them or not."""
    rng = random.Random(seed)

    def answer(question: Question) -> Iterable[Answer]:
        data = bytearray(question.honest().encode())
        data[rng.randrange(48)] ^= rng.randrange(1, 256)
        yield bytes(data)

    return answer


class Replaying:
    """Answers each request with the answer to the first."""

    def __init__(self) -> None:
        self.first: NtpPacket | None = None

    def __call__(self, question: Question) -> Iterable[Answer]:
        self.first = self.first or question.honest()
        yield self.first


class Late:
    """Answers a request when the next one comes: after the client gave it up."""

    def __init__(self) -> None:
        self.held: NtpPacket | None = None

    def __call__(self, question: Question) -> Iterable[Answer]:
        if self.held is not None:
            yield self.held
        self.held = question.honest()


def stepping(by_ns: int, at: int) -> Behaviour:
    """An honest server whose clock jumps just before request number `at` is answered."""

    def answer(question: Question) -> Iterable[Answer]:
        if question.number == at:
            question.server.clock.step(by_ns)
            question = replace(question, arrived_at=question.arrived_at + by_ns)
        yield question.honest()

    return answer


def impatient(by_ns: int) -> Behaviour:
    """Claims to have held every request longer than the round trip can have taken."""

    def answer(question: Question) -> Iterable[Answer]:
        told = timestamps.from_unix_ns(question.arrived_at + by_ns)
        yield question.honest(transmit_timestamp=told)

    return answer


def set_in_future(by_ns: int) -> Behaviour:
    """Says that its clock was last set `by_ns` after this answer."""

    def answer(question: Question) -> Iterable[Answer]:
        told = timestamps.from_unix_ns(question.arrived_at + by_ns)
        yield question.honest(reference_timestamp=told)

    return answer


def set_long_ago(age_ns: int) -> Behaviour:
    """Says that its clock was last set that long ago."""
    return set_in_future(-age_ns)


def elsewhere(question: Question) -> Iterable[Answer]:
    """Answers from another port."""
    yield Elsewhere(question.honest())


def run(*hosts: "str | Responder", **settings: Any) -> Measurement:
    """Measure these and hold the result against what every result must be."""
    names = [host if isinstance(host, str) else host.host for host in hosts]
    measurement = measure_sync(names, **{**PATIENT, **settings})
    check(measurement)
    return measurement


def check(measurement: Measurement) -> None:
    """What holds for every measurement, whatever the servers did."""
    document = json.loads(report.to_json(measurement))
    jsonschema.validate(document, SCHEMA)
    rows = list(csv.DictReader(report.to_csv(measurement).splitlines()))
    assert [row["host"] for row in rows] == [row.host for row in measurement.hosts]
    for row in measurement.hosts:
        assert row.answered <= row.samples
        assert row.reason or row.verdict is Verdict.TRUECHIMER
        assert (row.offset_ns is None) == (row.error_bound_ns is None)
        if row.skew_bound_ppm is not None:
            assert row.skew_bound_ppm < 100
        for text in (row.reason or "", row.reference_id or "", row.host):
            assert text.isprintable()


def holds_truth(row: HostResult, server: Responder, measurement: Measurement) -> bool:
    """Whether the row's interval contains the true offset of the server's clock."""
    truth = server.clock.offset_at(measurement.measured_at_ns)
    return row.interval is not None and truth in row.interval
