"""The frames between the coordinator of a mesh and its agents.

The coordinator asks, an agent answers each order with one frame that is no longer than the order:
`room` pads orders for that. So an agent sends nobody more than it was sent, whoever forges what.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address, ip_address
from typing import Annotated, ClassVar, NamedTuple

from clocksync.runtime.errors import MalformedFrame
from clocksync.runtime.mmsg import Address
from clocksync.runtime.wire import U8, U16, U32, U64, Counted, Frame, Sized

NEIGHBOURS_MAX = 48
"""Whom one agent probes at most."""
ROWS_MAX = 32
"""Samples in one frame."""
ORDER_BYTES = 1136
"""What an order is padded to: no less than the longest answer, and with any seal below a 1280 byte
MTU."""

_NEIGHBOUR = struct.Struct(">H16sH")
_ROW = struct.Struct(">qqqqB")
_MAPPED = bytes(10) + b"\xff\xff"


class Action(IntEnum):
    """What an order asks for."""

    GREET = 0
    PROBE = 1
    FETCH = 2
    END = 3


class State(IntEnum):
    """What an agent says of an order."""

    IDLE = 0
    PROBING = 1
    BUSY = 2
    """It has as many coordinators as it serves."""


class Row(NamedTuple):
    """One exchange: T1 and T4 by the asker's clock, T2 and T3 by the other's, ns."""

    t1: int
    t2: int
    t3: int
    t4: int
    is_exact: bool
    """Whether T3 is the kernel's."""


@dataclass(frozen=True, slots=True)
class Order(Frame):
    """The coordinator asks an agent for something; repeated until it is answered."""

    KIND: ClassVar[int] = 0x19
    token: Annotated[U64, "of this host in this measurement; the answer repeats it"]
    action: Annotated[U8, "0 greet, 1 probe, 2 fetch samples, 3 end and forget"]
    interval_us: Annotated[U32, "probe: between two probes of one neighbour"]
    lasts_ms: Annotated[U32, "probe: how much longer"]
    peer: Annotated[U16, "fetch: the samples of this neighbour"]
    first: Annotated[U16, "fetch: from this one on"]
    neighbours: Annotated[bytes, Sized(_NEIGHBOUR.size * NEIGHBOURS_MAX), "number, address, port"]
    room: Annotated[bytes, Sized(ORDER_BYTES), "zeros, so that no answer is longer"]


@dataclass(frozen=True, slots=True)
class Status(Frame):
    """An agent answers a greeting or an order to probe."""

    KIND: ClassVar[int] = 0x1A
    token: Annotated[U64, "of the order"]
    state: Annotated[U8, "0 idle, 1 probing, 2 busy with others"]
    precision_ns: Annotated[U32, "of its clock"]
    answered: Annotated[tuple[int, ...], Counted(16, NEIGHBOURS_MAX), "neighbours that answer"]


@dataclass(frozen=True, slots=True)
class Batch(Frame):
    """An agent's samples of one neighbour, in the order they were begun in."""

    KIND: ClassVar[int] = 0x1B
    token: Annotated[U64, "of the order"]
    peer: Annotated[U16, "the neighbour"]
    first: Annotated[U16, "the number of the first one in this frame"]
    total: Annotated[U16, "how many there are of this neighbour"]
    rows: Annotated[bytes, Sized(_ROW.size * ROWS_MAX), "T1 to T4, i64, and whether T3 is exact"]


FRAMES = (Order, Status, Batch)


def padded(order: Order) -> Order:
    """The same order, as long as the longest answer."""
    missing = ORDER_BYTES - len(order.encode())
    return Order(
        order.token,
        order.action,
        order.interval_us,
        order.lasts_ms,
        order.peer,
        order.first,
        order.neighbours,
        bytes(max(0, missing)),
    )


def pack_neighbours(neighbours: Sequence[tuple[int, Address]]) -> bytes:
    """Numbers and where they are; an address of link-local scope means nothing elsewhere.

    Raises:
        ValueError: an address is not numeric.
    """
    parts = []
    for number, (host, port) in neighbours:
        address = ip_address(host.partition("%")[0])
        is_old = isinstance(address, IPv4Address)
        raw = _MAPPED + address.packed if is_old else address.packed
        parts.append(_NEIGHBOUR.pack(number, raw, port))
    return b"".join(parts)


def unpack_neighbours(data: bytes) -> list[tuple[int, Address]]:
    """What :func:`pack_neighbours` packed.

    Raises:
        MalformedFrame: it is no whole number of them.
    """
    if len(data) % _NEIGHBOUR.size:
        raise MalformedFrame("part of a neighbour")
    found: list[tuple[int, Address]] = []
    for number, raw, port in _NEIGHBOUR.iter_unpack(data):
        address = ip_address(raw[12:]) if raw.startswith(_MAPPED) else ip_address(raw)
        found.append((number, (str(address), port)))
    return found


def pack_rows(rows: Sequence[Row]) -> bytes:
    """Samples as they go into a frame."""
    return b"".join(_ROW.pack(*row) for row in rows)


def unpack_rows(data: bytes) -> list[Row]:
    """What :func:`pack_rows` packed.

    Raises:
        MalformedFrame: it is no whole number of them.
    """
    if len(data) % _ROW.size:
        raise MalformedFrame("part of a sample")
    return [
        Row(t1, t2, t3, t4, bool(is_exact)) for t1, t2, t3, t4, is_exact in _ROW.iter_unpack(data)
    ]
