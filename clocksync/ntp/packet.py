"""The NTP packet header (RFC 5905 figure 8), and how its fields read for people."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import IntEnum
from operator import attrgetter
from typing import Annotated, cast

from clocksync.runtime.wire import I8, U2, U3, U8, U32, U64, Frame, layout

HEADER_BYTES = 48


class Mode(IntEnum):
    """Association modes, RFC 5905 figure 10."""

    RESERVED = 0
    SYMMETRIC_ACTIVE = 1
    SYMMETRIC_PASSIVE = 2
    CLIENT = 3
    SERVER = 4
    BROADCAST = 5
    CONTROL = 6
    PRIVATE = 7


class Leap(IntEnum):
    """Leap indicator, RFC 5905 figure 9."""

    NONE = 0
    INSERT = 1
    DELETE = 2
    UNSYNCHRONISED = 3


@dataclass(frozen=True, slots=True)
class NtpPacket(Frame):
    """The header every NTP packet begins with; extension fields and a MAC may follow."""

    leap: Annotated[U2, "leap indicator; 3 says the clock is not synchronised"] = 0
    version: Annotated[U3, "3 or 4"] = 4
    mode: Annotated[U3, "3 client, 4 server"] = 3
    stratum: Annotated[U8, "hops to the reference clock; 0 makes the packet a kiss-o'-death"] = 0
    poll: Annotated[I8, "polling interval, log2 s"] = 0
    precision: Annotated[I8, "precision of the clock, log2 s"] = 0
    root_delay: Annotated[U32, "round trip to the reference clock, 16.16 s"] = 0
    root_dispersion: Annotated[U32, "error accumulated since the reference clock, 16.16 s"] = 0
    reference_id: Annotated[U32, "what it is synchronised to, or the kiss code"] = 0
    reference_timestamp: Annotated[U64, "when its clock was last set"] = 0
    origin_timestamp: Annotated[U64, "T1 as the client sent it; the client's cookie"] = 0
    receive_timestamp: Annotated[U64, "T2, arrival of the request"] = 0
    transmit_timestamp: Annotated[U64, "T3, departure of the reply"] = 0


@dataclass(frozen=True, slots=True)
class LongPacket(NtpPacket):
    """A packet together with the bytes that follow its header, whatever they mean: wherever a
    packet is expected it is one, and who authenticates looks at the rest."""

    trailer: bytes = b""

    def encode(self) -> bytes:
        return self.header + self.trailer

    @property
    def header(self) -> bytes:
        """The 48 bytes of the header; decoding is canonical, so they are those that came."""
        return layout(NtpPacket).encode(self)

    def __str__(self) -> str:
        return f"{NtpPacket(*_values(self))} trailer=({len(self.trailer)})"


_values = attrgetter(*(field.name for field in fields(NtpPacket)))
_make_long = cast(Callable[..., LongPacket], LongPacket)


def lengthened(packet: NtpPacket, trailer: bytes) -> LongPacket:
    """That packet with these bytes behind it.

    >>> lengthened(NtpPacket(mode=4), bytes(4)).encode() == NtpPacket(mode=4).encode() + bytes(4)
    True
    """
    return _make_long(*_values(packet), trailer)


def printable(raw: bytes) -> str:
    """Bytes from a peer as text that no terminal can be hurt by: non-printables escaped.

    >>> printable(b"GPS" + bytes(1)), printable(b"A" + bytes([27]) + b"BC")
    ('GPS', 'A\\\\x1bBC')
    """
    text = raw.rstrip(b"\0")
    return "".join(chr(b) if 0x20 <= b < 0x7F and b != 0x5C else f"\\x{b:02x}" for b in text)


def kiss_code(packet: NtpPacket) -> str:
    """The kiss code of a stratum-0 packet, such as ``RATE`` (RFC 5905 section 7.4)."""
    return printable(packet.reference_id.to_bytes(4, "big"))


def reference_id_text(reference_id: int, stratum: int) -> str:
    """The reference id as people read it: a source's name at stratum 1, else an IPv4 address.

    With an IPv6 source it is the first four bytes of a hash and the address shown means nothing
    (RFC 5905 section 7.3).

    >>> reference_id_text(0x47505300, 1), reference_id_text(0x7f7f0101, 3)
    ('GPS', '127.127.1.1')
    """
    if stratum <= 1:
        return printable(reference_id.to_bytes(4, "big"))
    return ".".join(map(str, reference_id.to_bytes(4, "big")))
