"""What the kernel tells about datagrams: constants, and the reading of control messages.

The standard library names none of these before Python 3.13, so each stands here once with the
header it comes from. Pure: bytes in, values out; the sockets are in :mod:`clocksync.runtime.udp`
and :mod:`clocksync.runtime.mmsg`.
"""

import socket
import struct
import sys
from collections.abc import Iterable
from dataclasses import dataclass

from clocksync.runtime.core import Stamp, StampSource
from clocksync.runtime.units import SECOND

IS_LINUX = sys.platform.startswith("linux")

# asm-generic/socket.h
SO_RCVBUFFORCE = 33
SO_TIMESTAMPNS = 35
SO_TIMESTAMPING = 37

# linux/net_tstamp.h
TX_SOFTWARE = 1 << 1
RX_SOFTWARE = 1 << 3
SOFTWARE = 1 << 4
OPT_ID = 1 << 7
OPT_TSONLY = 1 << 11

# linux/in.h, linux/in6.h
IP_RECVERR = 11
IPV6_RECVERR = 25
IP_PKTINFO = 8
IPV6_RECVPKTINFO = 49
IPV6_PKTINFO = 50

# linux/errqueue.h: sock_extended_err.ee_origin
ORIGIN_LOCAL = 1
ORIGIN_ICMP = 2
ORIGIN_ICMP6 = 3
ORIGIN_TIMESTAMPING = 4

MSG_ERRQUEUE = 0x2000
MSG_TRUNC = 0x20

_TIMESPEC = struct.Struct("=qq")
_EXTENDED_ERROR = struct.Struct("=IBBBBII")  # errno, origin, type, code, pad, info, data

Control = tuple[int, int, bytes]


def receive_stamp(control: Iterable[Control]) -> Stamp | None:
    """The kernel's stamp among a datagram's control messages, or None where it took none."""
    for level, kind, data in control:
        if level == socket.SOL_SOCKET and kind in (SO_TIMESTAMPING, SO_TIMESTAMPNS):
            stamp = _software_stamp(data)
            if stamp is not None:
                return stamp
    return None


def _software_stamp(data: bytes) -> Stamp | None:
    """The first of the three times of SO_TIMESTAMPING; zero where the kernel's software took none
    (linux/errqueue.h: ``struct scm_timestamping``)."""
    if len(data) < _TIMESPEC.size:
        return None
    seconds, nanoseconds = _TIMESPEC.unpack_from(data)
    time = seconds * SECOND + nanoseconds
    return Stamp(time, StampSource.KERNEL) if time else None


@dataclass(frozen=True, slots=True)
class NetworkError:
    """What the error queue says of a datagram: its errno, and whether ICMP brought the news."""

    errno: int
    origin: int


def error_queue_verdict(control: Iterable[Control]) -> Stamp | NetworkError | None:
    """What one message of a socket's error queue means: a transmit stamp, or a network error."""
    stamp, error = None, None
    for level, kind, data in control:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPING:
            stamp = _software_stamp(data)
        elif (level, kind) in _RECVERR and len(data) >= _EXTENDED_ERROR.size:
            errno, origin, *_ = _EXTENDED_ERROR.unpack_from(data)
            error = NetworkError(errno, origin)
    if error is not None and error.origin != ORIGIN_TIMESTAMPING:
        return error
    return stamp if error is not None else None


def departure(control: Iterable[Control]) -> tuple[int, int] | None:
    """Of a message of the error queue of a socket with OPT_ID: the number of the datagram, and its
    transmit stamp in Unix ns; None where it is something else."""
    stamp, number = None, None
    for level, kind, data in control:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPING:
            stamp = _software_stamp(data)
        elif (level, kind) in _RECVERR and len(data) >= _EXTENDED_ERROR.size:
            _, origin, _, _, _, _, told = _EXTENDED_ERROR.unpack_from(data)
            if origin == ORIGIN_TIMESTAMPING:
                number = told
    return None if stamp is None or number is None else (number, stamp.time)


_RECVERR = frozenset({(socket.IPPROTO_IP, IP_RECVERR), (socket.IPPROTO_IPV6, IPV6_RECVERR)})
