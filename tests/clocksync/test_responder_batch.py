"""The fast path answers byte for byte as the readable core does, asked one by one in order."""

import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clocksync.ntp.access import AccessList, RateLimit
from clocksync.ntp.packet import NtpPacket
from clocksync.ntp.responder import KISS_RESTRICT, Departures, Reference, Responder, refusal
from clocksync.ntp.responder_batch import BatchResponder
from clocksync.runtime import kernel
from clocksync.runtime.clocks import ManualClock, SoftwareClock
from clocksync.runtime.mmsg import Address, ReceiveBatch, decode_name, encode_name
from clocksync.runtime.units import MILLISECOND, SECOND

T = 1_790_000_000_123_456_789
CMSG = struct.Struct("@Nii")
REQUEST_OF_A_STAMP = CMSG.pack(20, socket.SOL_SOCKET, kernel.SO_TIMESTAMPING)
FOUR = [("192.0.2.1", 123), ("192.0.2.1", 40_000), ("192.0.2.2", 123), ("198.51.100.9", 5)]
SIX = [("2001:db8::1", 123), ("2001:db8::2", 123), ("2001:db8:0:1::1", 9), ("fe80::1%3", 123)]


@dataclass(frozen=True)
class Incoming:
    """A datagram as the kernel would hand it over; no `stamp`: it took none."""

    payload: bytes
    sender: tuple[str, int]
    stamp: int | None = None
    local: bytes = b""

    @property
    def name(self) -> bytes:
        return encode_name(self.sender)

    @property
    def address(self) -> bytes:
        return self.name[4:8] if len(self.name) == 16 else self.name[8:24]


def control(level: int, kind: int, data: bytes) -> bytes:
    message = CMSG.pack(CMSG.size + len(data), level, kind) + data
    return message + bytes(-len(message) % 8)


def stamp_message(stamp: int) -> bytes:
    times = struct.pack("=qq", *divmod(stamp, SECOND)) + bytes(32)
    return control(socket.SOL_SOCKET, kernel.SO_TIMESTAMPING, times)


def fill(batch: ReceiveBatch, datagrams: Sequence[Incoming]) -> None:
    """What recvmmsg does, without a socket."""
    for i, datagram in enumerate(datagrams):
        kept = datagram.payload[: batch.data_bytes]
        ancillary = datagram.local
        if datagram.stamp is not None:
            ancillary = stamp_message(datagram.stamp) + ancillary
        for buffer, width, content in (
            (batch.data, batch.data_bytes, kept),
            (batch.control, batch.control_bytes, ancillary),
            (batch.names, 28, datagram.name),
        ):
            buffer[i * width : i * width + len(content)] = content
        header = batch.headers[i]
        header.length = len(kept)
        header.header.name_length = len(datagram.name)
        header.header.control_length = len(ancillary)
        header.header.flags = socket.MSG_TRUNC if len(kept) < len(datagram.payload) else 0
    batch.count = len(datagrams)


def looped(answer: bytes, stamp: int) -> Incoming:
    """What the error queue returns of an answer that left: all its headers, and the stamp."""
    return Incoming(bytes(14 + 20 + 8) + answer, FOUR[0], stamp)


def sent(fast: BatchResponder) -> list[tuple[bytes, tuple[str, int], bool]]:
    """The answers, where they go, and whether they ask for their stamp."""
    found = []
    for i in range(fast.outgoing.count):
        length = fast.outgoing.headers[i].header.name_length
        name = bytes(fast.outgoing.names[i * 28 : i * 28 + length])
        assert len(name) in (16, 28)
        answer = bytes(fast.outgoing.data[i * 48 : i * 48 + 48])
        found.append((answer, decode_name(name), asks_for_its_stamp(fast, i)))
    return found


def asks_for_its_stamp(fast: BatchResponder, i: int) -> bool:
    width = fast.outgoing.control_bytes
    length = fast.outgoing.headers[i].header.control_length
    return REQUEST_OF_A_STAMP in bytes(fast.outgoing.control[i * width : i * width + length])


timestamps = st.sampled_from([0, 1, 2, 5 << 32]) | st.integers(0, (1 << 64) - 1)
requests = st.builds(
    NtpPacket,
    version=st.sampled_from([4, 4, 4, 4, 3, 1, 0, 5]),
    mode=st.sampled_from([3, 3, 3, 3, 3, 3, 4, 6]),
    leap=st.integers(0, 3),
    poll=st.integers(-6, 17),
    origin_timestamp=timestamps,
    receive_timestamp=timestamps,
    transmit_timestamp=timestamps,
).map(NtpPacket.encode)
extension = struct.pack(">HH", 0x204, 32) + bytes(28)
trailers = st.sampled_from([b""] * 12 + [extension, bytes(20), bytes(24), bytes(3), bytes(1200)])
payloads = st.builds(bytes.__add__, requests, trailers) | st.binary(max_size=60)
# Few instants, so that several requests have the same; several eras; and none at all.
stamps = st.none() | st.sampled_from(
    [0, T, T + 1, T + SECOND, T // SECOND * SECOND, 4_085_978_496 * SECOND + 7, 999_999_999]
)


@st.composite
def conversations(draw: st.DrawFn) -> list[list[tuple[int, bytes, int, int | None]]]:
    """Batches of (which earlier answer to follow up or -1, payload, place of sender, stamp)."""
    row = st.tuples(st.integers(-3, 12), payloads, st.integers(0, 3), stamps)
    return draw(st.lists(st.lists(row, min_size=1, max_size=20), min_size=1, max_size=4))


@st.composite
def responders(draw: st.DrawFn) -> tuple[Responder, Responder]:
    """Two of the same settings."""
    limit = draw(st.none() | st.tuples(st.sampled_from([1, 3 * SECOND]), st.integers(1, 6)))
    rules = draw(st.sampled_from([{}, {"deny": ["192.0.2.1", "2001:db8::/64"]}]))
    reference = Reference(
        stratum=draw(st.sampled_from([0, 1, 8, 16])),
        root_dispersion_ns=draw(st.integers(0, SECOND)),
        reference_time=draw(st.sampled_from([None, T - SECOND])),
    )
    interleaved, eager = draw(st.booleans()), draw(st.booleans())
    kiss = draw(st.sampled_from([None, KISS_RESTRICT]))
    capacity = draw(st.sampled_from([3, 1000]))
    return tuple(
        Responder(
            reference,
            AccessList(**rules),
            None if limit is None else RateLimit(*limit),
            kiss,
            interleaved,
            eager,
            Departures(capacity),
        )
        for _ in range(2)
    )


class Twins:
    """The core asked one by one, and the fast path, side by side."""

    def __init__(self, plain: Responder, quick: Responder, family: int, rate: float | None) -> None:
        base = ManualClock(T)
        self.clock = SoftwareClock(base, 5 * MILLISECOND, rate or 0.0)
        self.mapping = None if rate is None else self.clock.at
        self.plain = plain
        self.fast = BatchResponder(quick, family, mapping=self.mapping, size=32)

    def told(self, stamp: int) -> int:
        return stamp if self.mapping is None else self.mapping(stamp)

    def step(
        self, datagrams: list[Incoming], now: int, singly: bool
    ) -> list[tuple[bytes, Address]]:
        """Both answer; they must agree. Returns the answers and where they went."""
        # One of the receive stamps, since an answer whose stamps are equal is a special case.
        arrived_at, transmit_at = T + 50, self.told(T + SECOND)
        expected = []
        for datagram in datagrams:
            cause = refusal(datagram.payload)
            if cause is not None:
                self.plain.counts[cause] += 1
                continue
            request, _ = NtpPacket.decode_prefix(datagram.payload)
            received = self.told(datagram.stamp or arrived_at)
            answer = self.plain.answer(request, datagram.address, received, transmit_at, now)
            if answer is not None:
                expected.append((answer.packet.encode(), datagram.sender, answer.stamp_wanted))
        fill(self.fast.incoming, datagrams)
        if singly:
            self.fast.prepare_singly(arrived_at, now, lambda: transmit_at)
        else:
            count = self.fast.prepare(arrived_at, now)
            for start in range(0, count, 3):
                self.fast.stamp(start, min(start + 3, count), transmit_at)
        assert sent(self.fast) == expected
        assert self.fast.responder.counts == self.plain.counts
        assert self.fast.responder.departures._known == self.plain.departures._known
        self._leave([answer for answer, _, stamp_wanted in expected if stamp_wanted])
        return [(answer, sender) for answer, sender, _ in expected]

    def _leave(self, answers: list[bytes]) -> None:
        """The answers leave: the core is told, the fast path reads the error queue."""
        left_at = [T + SECOND + i // 2 for i in range(len(answers))]
        for answer, stamp in zip(answers, left_at, strict=True):
            self.plain.departed(NtpPacket.decode(answer).receive_timestamp, self.told(stamp))
        fill(self.fast.errors, [looped(*pair) for pair in zip(answers, left_at, strict=True)])
        assert self.fast.departed() == len(answers)


@settings(max_examples=200, deadline=None)
@given(
    responders(),
    conversations(),
    st.sampled_from([socket.AF_INET, socket.AF_INET6]),
    st.sampled_from([None, 0.0, -250.0]),
    st.booleans(),
)
def test_a_batch_is_answered_as_one_by_one(pair, conversation, family, rate, singly) -> None:
    twins = Twins(*pair, family, rate)
    answers: list[tuple[bytes, Address]] = []
    for turn, rows in enumerate(conversation):
        datagrams = []
        for follows, payload, place, stamp in rows:
            sender = (FOUR if family == socket.AF_INET else SIX)[place]
            if 0 <= follows < len(answers):
                earlier, its_sender = answers[-1 - follows]
                payload = NtpPacket(
                    origin_timestamp=NtpPacket.decode(earlier).receive_timestamp,
                    receive_timestamp=3,
                    transmit_timestamp=3 if follows in (1, 4) else 4,
                ).encode()
                sender = sender if place == 3 else its_sender
            datagrams.append(Incoming(payload, sender, stamp))
        answers += twins.step(datagrams, now=turn * SECOND, singly=singly)


def test_a_full_batch_of_follow_ups_is_answered_interleaved() -> None:
    twins = Twins(Responder(), Responder(), socket.AF_INET, None)
    first = [Incoming(NtpPacket(transmit_timestamp=i + 1).encode(), FOUR[0], T) for i in range(32)]
    answers = twins.step(first, now=0, singly=False)
    follow_ups = [
        NtpPacket(
            origin_timestamp=NtpPacket.decode(answer).receive_timestamp,
            receive_timestamp=1 << 32 | i,
            transmit_timestamp=4,
        ).encode()
        for i, (answer, _) in enumerate(answers)
    ]
    seconds = twins.step([Incoming(f, FOUR[1], T + 9) for f in follow_ups], now=1, singly=False)
    assert [NtpPacket.decode(second).origin_timestamp for second, _ in seconds] == [
        1 << 32 | i for i in range(32)
    ]


def test_a_request_that_was_cut_is_never_answered() -> None:
    fast = BatchResponder(Responder())
    long = NtpPacket().encode() + bytes(5000)
    fill(fast.incoming, [Incoming(long, FOUR[0], T)] * 5)
    assert fast.prepare(T, 0) == 0
    assert fast.prepare_singly(T, 0, lambda: T) == 0


@pytest.mark.parametrize("singly", [True, False])
@pytest.mark.parametrize("stamp", [T, None])
@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_on_a_wildcard_socket_an_answer_leaves_from_where_it_was_asked(
    family: int, stamp: int | None, singly: bool
) -> None:
    four = family == socket.AF_INET
    asked_at, interface = bytes(range(1, 5)) if four else bytes(range(1, 17)), struct.pack("=I", 7)
    if four:
        level, kind = socket.IPPROTO_IP, kernel.IP_PKTINFO
        told, expected = interface + asked_at * 2, bytes(4) + asked_at * 2
    else:
        level, kind = socket.IPPROTO_IPV6, kernel.IPV6_PKTINFO
        told, expected = asked_at + interface, asked_at + bytes(4)
    request = NtpPacket(transmit_timestamp=1).encode()
    sender = (FOUR if four else SIX)[0]
    fast = BatchResponder(Responder(), family, is_wildcard=True)
    fill(fast.incoming, [Incoming(request, sender, stamp, control(level, kind, told))] * 6)

    count = fast.prepare_singly(T, 0, lambda: T) if singly else fast.prepare(T, 0)

    assert count == 6
    for i in range(count):
        start = i * fast.outgoing.control_bytes
        length = fast.outgoing.headers[i].header.control_length
        message = bytes(fast.outgoing.control[start : start + length])
        assert message.startswith(control(level, kind, expected))
        assert message.endswith(REQUEST_OF_A_STAMP + struct.pack("=II", kernel.TX_SOFTWARE, 0))
