"""Batches of datagrams over real loopback sockets, IPv4 and IPv6."""

import errno
import select
import socket
import sys
import time
from collections.abc import Iterator

import pytest

from clocksync.runtime import kernel
from clocksync.runtime.core import Stamp, StampSource
from clocksync.runtime.kernel import NetworkError, error_queue_verdict, receive_stamp
from clocksync.runtime.mmsg import (
    ReceiveBatch,
    SendBatch,
    available,
    decode_name,
    encode_name,
)

pytestmark = pytest.mark.skipif(not available(), reason="recvmmsg is Linux's")

WAIT_S = 5.0  # a limit that only a failure reaches
TIMESTAMPING = (
    kernel.SOFTWARE | kernel.RX_SOFTWARE | kernel.TX_SOFTWARE | kernel.OPT_ID | kernel.OPT_TSONLY
)


class Pair:
    """Two bound sockets on loopback that do not block."""

    def __init__(self, family: socket.AddressFamily, host: str) -> None:
        self.sender = socket.socket(family, socket.SOCK_DGRAM)
        self.receiver = socket.socket(family, socket.SOCK_DGRAM)
        for sock in (self.sender, self.receiver):
            sock.setblocking(False)
            sock.bind((host, 0))
        self.source = self.sender.getsockname()[:2]
        self.target = encode_name(self.receiver.getsockname()[:2])

    def close(self) -> None:
        self.sender.close()
        self.receiver.close()


@pytest.fixture(params=["127.0.0.1", "::1"])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    try:
        made = Pair(family, request.param)
    except OSError as error:
        pytest.skip(f"no {request.param} here: {error}")
    yield made
    made.close()


def _batch_to(target: bytes, payloads: list[bytes], size: int = 64) -> SendBatch:
    batch = SendBatch(size, data_bytes=512)
    for payload in payloads:
        batch.add(payload, target)
    return batch


def _await(sock: socket.socket, event: int) -> None:
    poll = select.poll()
    poll.register(sock, event)
    assert poll.poll(WAIT_S * 1000), "nothing came"


def _receive_all(sock: socket.socket, batch: ReceiveBatch, count: int) -> list[list[bytes]]:
    """The payloads of each call until `count` datagrams are there."""
    calls: list[list[bytes]] = []
    while sum(map(len, calls)) < count:
        _await(sock, select.POLLIN)
        got = batch.receive(sock)
        calls.append([batch.payload(i) for i in range(got)])
    return calls


@pytest.mark.parametrize("count", [1, 7, 8, 9, 16, 17])
def test_every_datagram_arrives_once_in_order_whatever_the_batch(pair: Pair, count: int) -> None:
    # Lengths fall and rise, so that a length left over from the last batch would show.
    payloads = [bytes([i]) * (500 - 31 * i if i % 2 else 3 * i) for i in range(count)]
    assert _batch_to(pair.target, payloads).send(pair.sender) == count
    batch = ReceiveBatch(size=8, data_bytes=512)
    calls = _receive_all(pair.receiver, batch, count)
    assert [payload for call in calls for payload in call] == payloads
    assert [len(call) for call in calls] == [8] * (count // 8) + [count % 8] * (count % 8 > 0)
    assert batch.receive(pair.receiver) == batch.count == 0


def test_an_empty_datagram_is_a_datagram(pair: Pair) -> None:
    assert _batch_to(pair.target, [b"", b"x", b""]).send(pair.sender) == 3
    assert _receive_all(pair.receiver, ReceiveBatch(size=8), 3) == [[b"", b"x", b""]]


def test_the_sender_is_told_in_both_forms(pair: Pair) -> None:
    _batch_to(pair.target, [b"x"]).send(pair.sender)
    batch = ReceiveBatch(size=2)
    _receive_all(pair.receiver, batch, 1)
    assert batch.has_sender(0)
    assert batch.sender(0) == pair.source
    assert batch.raw_sender(0) == encode_name(pair.source)
    # The raw form is an address to answer to.
    answer = SendBatch(1)
    answer.add(b"back", batch.raw_sender(0))
    assert answer.send(pair.receiver) == 1
    assert _receive_all(pair.sender, batch, 1) == [[b"back"]]


def test_a_datagram_longer_than_its_slot_is_cut_and_marked_and_its_neighbour_whole(
    pair: Pair,
) -> None:
    payloads = [b"a" * 16, b"b" * 17, b"c" * 500, b"d" * 15]
    _batch_to(pair.target, payloads).send(pair.sender)
    batch = ReceiveBatch(size=8, data_bytes=16)
    assert _receive_all(pair.receiver, batch, 4) == [[p[:16] for p in payloads]]
    assert [batch.was_cut(i) for i in range(4)] == [False, True, True, False]
    assert [batch.length(i) for i in range(4)] == [16, 16, 16, 15]
    # The mark does not stay for the next datagram in the slot.
    _batch_to(pair.target, [b"e", b"f"]).send(pair.sender)
    _receive_all(pair.receiver, batch, 2)
    assert [batch.was_cut(i) for i in range(2)] == [False, False]


def test_a_batch_is_used_again(pair: Pair) -> None:
    batch = _batch_to(pair.target, [b"long" * 50, b"second"], size=2)
    receive = ReceiveBatch(size=2)
    assert batch.send(pair.sender) == 2
    _receive_all(pair.receiver, receive, 2)
    batch.clear()
    assert batch.send(pair.sender) == 0
    batch.add(b"short", pair.target)
    assert batch.send(pair.sender) == 1
    assert _receive_all(pair.receiver, receive, 1) == [[b"short"]]


def test_the_rest_of_a_batch_is_sent_from_where_it_stopped(pair: Pair) -> None:
    batch = _batch_to(pair.target, [b"0", b"1", b"2"])
    assert batch.send(pair.sender, start=1) == 2
    assert batch.send(pair.sender, start=3) == 0
    assert _receive_all(pair.receiver, ReceiveBatch(), 2) == [[b"1", b"2"]]


def test_the_kernels_stamps_of_arrival_and_departure_lie_between_our_own_readings(
    pair: Pair,
) -> None:
    for sock in (pair.sender, pair.receiver):
        sock.setsockopt(socket.SOL_SOCKET, kernel.SO_TIMESTAMPING, TIMESTAMPING)
    received = ReceiveBatch(size=4, control_bytes=256)
    for _ in range(100):  # the kernel may stamp only from some datagrams after it was asked
        before = time.time_ns()
        _batch_to(pair.target, [b"x"]).send(pair.sender)
        _receive_all(pair.receiver, received, 1)
        after = time.time_ns()
        if received.kernel_stamp(0):
            break
    arrived = received.kernel_stamp(0)
    assert before <= arrived <= after
    assert receive_stamp(received.ancillary(0)) == Stamp(arrived, StampSource.KERNEL)

    departures = ReceiveBatch(size=200, data_bytes=64, control_bytes=256)
    _await(pair.sender, select.POLLERR)
    last = None
    while departures.receive(pair.sender, kernel.MSG_ERRQUEUE):
        last = error_queue_verdict(departures.ancillary(departures.count - 1))
        told = departures.departures()
        assert told == [departures.departure(i) for i in range(departures.count)]
    assert isinstance(last, Stamp)
    assert before <= last.time <= arrived
    assert last.source is StampSource.KERNEL


def test_the_departure_of_an_earlier_datagram_in_the_slot_is_not_that_of_the_next(
    pair: Pair,
) -> None:
    level, option = (
        (socket.IPPROTO_IPV6, kernel.IPV6_RECVERR)
        if pair.sender.family == socket.AF_INET6
        else (socket.IPPROTO_IP, kernel.IP_RECVERR)
    )
    pair.sender.setsockopt(level, option, 1)
    flags = kernel.SOFTWARE | kernel.TX_SOFTWARE
    pair.sender.setsockopt(socket.SOL_SOCKET, kernel.SO_TIMESTAMPING, flags)
    batch = ReceiveBatch(size=1, control_bytes=192)
    _batch_to(pair.target, [b"x"]).send(pair.sender)
    _await(pair.sender, select.POLLERR)
    assert batch.receive(pair.sender, kernel.MSG_ERRQUEUE) == 1
    (departed,) = batch.departures()
    assert Stamp(departed, StampSource.KERNEL) == error_queue_verdict(batch.ancillary(0))
    _receive_all(pair.receiver, batch, 1)  # without stamps: no control message at all
    assert batch.departures() == [0]


def test_the_end_of_a_datagram_is_no_longer_than_it(pair: Pair) -> None:
    batch = ReceiveBatch(size=4)
    _batch_to(pair.target, [b"01234567", b"abc", b""]).send(pair.sender)
    _receive_all(pair.receiver, batch, 3)
    assert [batch.ending(i, 8) for i in range(3)] == [b"01234567", b"abc", b""]
    assert batch.ending(0, 2) == b"67"


def test_without_a_stamp_there_is_none(pair: Pair) -> None:
    _batch_to(pair.target, [b"x"]).send(pair.sender)
    batch = ReceiveBatch(size=1)
    _receive_all(pair.receiver, batch, 1)
    assert batch.kernel_stamp(0) == 0
    assert receive_stamp(batch.ancillary(0)) is None
    bare = ReceiveBatch(size=1, control_bytes=0)
    _batch_to(pair.target, [b"x"]).send(pair.sender)
    _receive_all(pair.receiver, bare, 1)
    assert (bare.kernel_stamp(0), bare.departures(), bare.ancillary(0)) == (0, [0], [])


def test_several_control_messages_are_told_apart(pair: Pair) -> None:
    six = pair.receiver.family == socket.AF_INET6
    level = socket.IPPROTO_IPV6 if six else socket.IPPROTO_IP
    info, hops = (kernel.IPV6_PKTINFO, 52) if six else (kernel.IP_PKTINFO, 2)  # IPV6_HOPLIMIT, TTL
    batch = ReceiveBatch(size=1)

    def arrival() -> dict[tuple[int, int], bytes]:
        _batch_to(pair.target, [b"x"]).send(pair.sender)
        _receive_all(pair.receiver, batch, 1)
        return {(at, kind): data for at, kind, data in batch.ancillary(0)}

    # The same slot again and again: what little came before must not limit what comes next.
    assert arrival() == {}
    pair.receiver.setsockopt(level, kernel.IPV6_RECVPKTINFO if six else kernel.IP_PKTINFO, 1)
    # struct in_pktinfo has 12 bytes, struct in6_pktinfo 20: neither fills the alignment.
    assert len(arrival()[level, info]) == (20 if six else 12)
    assert batch.kernel_stamp(0) == 0  # long enough to be one, and none
    pair.receiver.setsockopt(level, 51 if six else 12, 1)  # IPV6_RECVHOPLIMIT, IP_RECVTTL
    found = arrival()
    assert set(found) == {(level, info), (level, hops)}
    assert 0 < int.from_bytes(found[level, hops], sys.byteorder) < 256


def test_a_refused_port_is_news_of_the_error_queue(pair: Pair) -> None:
    level, option, origin = (
        (socket.IPPROTO_IPV6, kernel.IPV6_RECVERR, kernel.ORIGIN_ICMP6)
        if pair.sender.family == socket.AF_INET6
        else (socket.IPPROTO_IP, kernel.IP_RECVERR, kernel.ORIGIN_ICMP)
    )
    pair.sender.setsockopt(level, option, 1)
    target = decode_name(pair.target)
    pair.receiver.close()
    _batch_to(pair.target, [b"anyone?"]).send(pair.sender)
    _await(pair.sender, select.POLLERR)
    errors = ReceiveBatch(size=4, control_bytes=256)
    assert errors.receive(pair.sender, kernel.MSG_ERRQUEUE) == 1
    assert error_queue_verdict(errors.ancillary(0)) == NetworkError(errno.ECONNREFUSED, origin)
    assert errors.payload(0) == b"anyone?"
    assert errors.sender(0) == target


def test_a_datagram_that_cannot_be_sent_raises_and_the_ones_before_it_went(pair: Pair) -> None:
    batch = SendBatch(4, data_bytes=512)
    batch.add(b"good", pair.target)
    batch.add(b"bad", b"\xff" * len(pair.target))  # a family that does not exist
    batch.add(b"later", pair.target)
    assert batch.send(pair.sender) == 1
    with pytest.raises(OSError, match=r"not supported|Invalid argument"):
        batch.send(pair.sender, start=1)
    assert batch.send(pair.sender, start=2) == 1
    assert _receive_all(pair.receiver, ReceiveBatch(), 2) == [[b"good", b"later"]]


def test_a_closed_socket_is_an_os_error(pair: Pair) -> None:
    pair.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        ReceiveBatch(size=1).receive(pair.receiver)
    with pytest.raises(OSError, match="Bad file descriptor"):
        _batch_to(pair.target, [b"x"]).send(pair.sender)


@pytest.mark.parametrize(
    "address",
    [
        ("127.0.0.1", 123),
        ("255.255.255.255", 65535),
        ("0.0.0.0", 0),
        ("::", 123),
        ("2001:db8::1", 1),
        ("fe80::1%7", 123),
    ],
)
def test_an_address_survives_the_kernels_form(address: tuple[str, int]) -> None:
    raw = encode_name(address)
    assert len(raw) == (28 if ":" in address[0] else 16)
    assert decode_name(raw + bytes(28 - len(raw))) == address


def test_an_address_is_the_bytes_of_the_kernels_headers() -> None:
    # linux/in.h and in6.h: the family in the host's order, port and address in the network's.
    two, ten = (socket.AF_INET.to_bytes(2, "little"), socket.AF_INET6.to_bytes(2, "little"))
    little = memoryview(b"\1\0").cast("H")[0] == 1
    if not little:
        two, ten = two[::-1], ten[::-1]
    assert encode_name(("127.0.0.1", 0x1234)) == two + bytes.fromhex("12347f000001") + bytes(8)
    expected = ten + bytes.fromhex("1234 00000000") + bytes(15) + b"\1" + bytes(4)
    assert encode_name(("::1", 0x1234)) == expected


def test_a_scope_is_found_by_its_name() -> None:
    index = socket.if_nametoindex("lo")
    assert decode_name(encode_name(("fe80::1%lo", 1))) == (f"fe80::1%{index}", 1)
    assert decode_name(encode_name(("fe80::1", 1), scope=index)) == (f"fe80::1%{index}", 1)
