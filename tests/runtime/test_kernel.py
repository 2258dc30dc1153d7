"""Control messages, as the kernel writes them and as it does not."""

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocksync.runtime.core import Stamp, StampSource
from clocksync.runtime.kernel import (
    IP_RECVERR,
    IPV6_RECVERR,
    ORIGIN_ICMP,
    ORIGIN_ICMP6,
    ORIGIN_LOCAL,
    ORIGIN_TIMESTAMPING,
    SO_TIMESTAMPING,
    SO_TIMESTAMPNS,
    Control,
    NetworkError,
    departure,
    error_queue_verdict,
    receive_stamp,
)

# 1,790,000,000 s and 123,456,789 ns; then the two hardware times of struct scm_timestamping.
TIMESPEC = struct.pack("=qq", 1_790_000_000, 123_456_789)
THREE = TIMESPEC + bytes(32)
NONE = bytes(48)
STAMP = Stamp(1_790_000_000_123_456_789, StampSource.KERNEL)

TIMESTAMPNS: Control = (socket.SOL_SOCKET, SO_TIMESTAMPNS, TIMESPEC)
TIMESTAMPING: Control = (socket.SOL_SOCKET, SO_TIMESTAMPING, THREE)
PACKET_INFO: Control = (socket.IPPROTO_IP, 8, bytes(12))


def _extended(origin: int, errno: int, six: bool = False) -> Control:
    level, kind = (socket.IPPROTO_IPV6, IPV6_RECVERR) if six else (socket.IPPROTO_IP, IP_RECVERR)
    # errno u32, origin u8, type u8, code u8, pad u8, info u32, data u32; the offender's address.
    return level, kind, struct.pack("=IBBBBII", errno, origin, 3, 3, 0, 0, 9) + bytes(16)


@pytest.mark.parametrize("message", [TIMESTAMPNS, TIMESTAMPING])
def test_a_receive_stamp_is_found_among_other_messages(message: Control) -> None:
    assert receive_stamp([message]) == STAMP
    assert receive_stamp([PACKET_INFO, message, PACKET_INFO]) == STAMP


@pytest.mark.parametrize(
    "control",
    [
        [],
        [PACKET_INFO],
        [(socket.SOL_SOCKET, SO_TIMESTAMPING, NONE)],  # the card took one, the kernel none
        [(socket.SOL_SOCKET, SO_TIMESTAMPNS, TIMESPEC[:15])],  # cut: the buffer was too small
        [(socket.SOL_SOCKET, SO_TIMESTAMPNS, b"")],
        [(socket.IPPROTO_IP, SO_TIMESTAMPNS, TIMESPEC)],  # the same number on another level
    ],
)
def test_where_the_kernel_took_no_stamp_there_is_none(control: list[Control]) -> None:
    assert receive_stamp(control) is None


def test_an_empty_stamp_does_not_hide_a_good_one() -> None:
    empty: Control = (socket.SOL_SOCKET, SO_TIMESTAMPING, NONE)
    assert receive_stamp([empty, TIMESTAMPNS]) == STAMP


@pytest.mark.parametrize("six", [False, True])
def test_a_transmit_stamp_comes_with_the_origin_that_says_so(six: bool) -> None:
    origin = _extended(ORIGIN_TIMESTAMPING, errno=42, six=six)
    assert error_queue_verdict([TIMESTAMPING, origin]) == STAMP
    assert error_queue_verdict([origin, TIMESTAMPING]) == STAMP


@pytest.mark.parametrize(
    ("origin", "six"), [(ORIGIN_ICMP, False), (ORIGIN_ICMP6, True), (ORIGIN_LOCAL, False)]
)
def test_a_network_error_is_one_though_a_stamp_comes_with_it(origin: int, six: bool) -> None:
    message = _extended(origin, errno=111, six=six)
    assert error_queue_verdict([message]) == NetworkError(111, origin)
    assert error_queue_verdict([TIMESTAMPING, message]) == NetworkError(111, origin)


@pytest.mark.parametrize(
    "control",
    [
        [],
        [TIMESTAMPING],  # nothing says that it is of a transmission
        [_extended(ORIGIN_TIMESTAMPING, 42)],
        [_extended(ORIGIN_TIMESTAMPING, 42), (socket.SOL_SOCKET, SO_TIMESTAMPING, NONE)],
        [_extended(ORIGIN_TIMESTAMPING, 42), (socket.SOL_SOCKET, SO_TIMESTAMPING, TIMESPEC[:8])],
        [(socket.IPPROTO_IP, IP_RECVERR, bytes(15))],
        [(socket.IPPROTO_IPV6, IP_RECVERR, _extended(ORIGIN_ICMP, 111)[2])],
    ],
)
def test_a_message_that_is_neither_means_nothing(control: list[Control]) -> None:
    assert error_queue_verdict(control) is None


levels = st.sampled_from([socket.SOL_SOCKET, socket.IPPROTO_IP, socket.IPPROTO_IPV6])
kinds = st.sampled_from([SO_TIMESTAMPNS, SO_TIMESTAMPING, IP_RECVERR, IPV6_RECVERR])


@given(st.lists(st.tuples(levels, kinds, st.binary(max_size=64)), max_size=4))
def test_no_control_message_raises(control: list[Control]) -> None:
    receive_stamp(control)
    error_queue_verdict(control)


def test_a_departure_names_its_datagram() -> None:
    ours = _extended(ORIGIN_TIMESTAMPING, 42)
    assert departure([TIMESTAMPING, ours]) == (9, STAMP.time)
    assert departure([_extended(ORIGIN_TIMESTAMPING, 42, six=True), TIMESTAMPING]) == (
        9,
        STAMP.time,
    )
    assert departure([TIMESTAMPING, _extended(ORIGIN_ICMP, 111)]) is None
    assert departure([TIMESTAMPING]) is None
    assert departure([ours]) is None
    assert departure([TIMESTAMPING, (*ours[:2], b"short")]) is None
    assert departure([(socket.SOL_SOCKET, SO_TIMESTAMPING, NONE), ours]) is None
