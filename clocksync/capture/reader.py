"""Capture files as a stream of packets: pcap and pcapng, in memory bounded by one packet.

Both byte orders of both formats, microseconds and nanoseconds, several interfaces and sections.
A file that is cut short or damaged gives all packets before that place, and :attr:`Reader.trouble`
says what happened; only one that is no capture at all raises. Formats: draft-ietf-opsawg-pcap and
draft-ietf-opsawg-pcapng.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from clocksync.runtime.errors import ToolkitError
from clocksync.runtime.units import SECOND

UNKNOWN_WAY, INCOMING, OUTGOING = 0, 1, 2
"""Which way a packet went, seen from the host that captured it."""

Packet: TypeAlias = tuple[int, int, bytes, int]
"""Capture stamp (Unix ns), link type, bytes, which way."""

CHUNK_BYTES = 1 << 20
PACKET_BYTES_MAX = 1 << 20
"""A longer packet is taken for damage: libpcap's own limit is 256 KiB."""
BLOCK_BYTES_MAX = 16 << 20
INTERFACES_MAX = 4096

_PCAP = {
    b"\xa1\xb2\xc3\xd4": (">", 1000),
    b"\xd4\xc3\xb2\xa1": ("<", 1000),
    b"\xa1\xb2\x3c\x4d": (">", 1),
    b"\x4d\x3c\xb2\xa1": ("<", 1),
}
_SECTION = b"\x0a\x0d\x0d\x0a"
_INTERFACE, _OLD_PACKET, _SIMPLE_PACKET, _PACKET = 1, 2, 3, 6
_OPTION_FLAGS, _OPTION_RESOLUTION, _OPTION_OFFSET = 2, 9, 14


class BadCapture(ToolkitError, ValueError):
    """These bytes are no capture; the message says what they look like."""


class Bytes(Protocol):
    """Anything with ``read``: a file, a decompressor, a pipe."""

    def read(self, size: int, /) -> bytes:
        """At most that many bytes; none at the end."""


@dataclass(frozen=True, slots=True)
class _Interface:
    order: str
    link: int
    ticks_per_second: int
    offset_ns: int

    def time_ns(self, high: int, low: int) -> int:
        return (high << 32 | low) * SECOND // self.ticks_per_second + self.offset_ns


class Reader:
    """Iterate over it once: packets in the order of the file.

    Raises:
        BadCapture: it is neither pcap nor pcapng, or of a version not known.
    """

    def __init__(self, stream: Bytes) -> None:
        self.trouble: str | None = None
        """Why reading ended before the end of the file."""
        self.resolution_ns = 1
        """The coarsest step of the stamps so far."""
        self.without_stamp = 0
        """Packets of pcapng that were stored without a time."""
        self._stream = stream
        self._buffer, self._at = b"", 0
        magic = self._peek(4)
        if magic in _PCAP:
            self._packets = self._pcap(*_PCAP[magic])
        elif magic == _SECTION:
            self._packets = self._pcapng()
        else:
            raise BadCapture(self._what_it_is(magic))

    def __iter__(self) -> Iterator[Packet]:
        return self._packets

    def _what_it_is(self, magic: bytes) -> str:
        if self.trouble:
            return self.trouble
        if not magic:
            return "is empty"
        if len(magic) < 4:
            return f"has only {len(magic)} bytes"
        return f"is neither pcap nor pcapng: it begins with {magic.hex(' ')}"

    def _more(self, wanted: int) -> bool:
        """Fill the buffer so that `wanted` bytes stand at its beginning; False where there are
        not so many."""
        parts, have = [self._buffer[self._at :]], len(self._buffer) - self._at
        while have < wanted:
            try:
                chunk = self._stream.read(max(CHUNK_BYTES, wanted - have))
            except (EOFError, zlib.error, OSError) as error:
                if isinstance(error, OSError) and error.errno is not None:
                    raise
                self.trouble = "the compressed file is damaged or cut short"
                chunk = b""
            if not chunk:
                break
            parts.append(chunk)
            have += len(chunk)
        self._buffer, self._at = b"".join(parts), 0
        return have >= wanted

    def _peek(self, size: int) -> bytes:
        if len(self._buffer) - self._at < size:
            self._more(size)
        return self._buffer[self._at : self._at + size]

    def _end(self) -> None:
        left = len(self._buffer) - self._at
        if left and self.trouble is None:
            self.trouble = f"the file is cut short: {left} bytes of a packet at its end"

    def _pcap(self, order: str, scale: int) -> Iterator[Packet]:
        header = self._peek(24)
        if len(header) < 24:
            raise BadCapture(f"is cut short within its header of 24 bytes (it has {len(header)})")
        major, _, link = struct.unpack(order + "4xHH12xI", header)
        if major != 2:
            raise BadCapture(f"is pcap of version {major}, which nobody knows")
        # The upper bits tell whether frames end in a checksum (FCS); lengths in IP say so too.
        return self._pcap_packets(order, scale, link & 0x03FFFFFF)

    def _pcap_packets(self, order: str, scale: int, link: int) -> Iterator[Packet]:
        self._at += 24
        self.resolution_ns = scale
        unpack = struct.Struct(order + "III4x").unpack_from
        while self._more(16):
            buffer, at, size = self._buffer, 0, len(self._buffer)
            while at + 16 <= size:
                seconds, fraction, length = unpack(buffer, at)
                if length > PACKET_BYTES_MAX:
                    self.trouble = f"the file is damaged: a packet of {length:,} bytes"
                    return
                end = at + 16 + length
                if end > size:
                    break
                yield seconds * SECOND + fraction * scale, link, buffer[at + 16 : end], UNKNOWN_WAY
                at = end
            self._at = at
            if at + 16 <= size and not self._more(end - at):
                break
        self._end()

    def _pcapng(self) -> Iterator[Packet]:
        order, interfaces = "<", list[_Interface]()
        while len(head := self._peek(12)) >= 12:
            if head[:4] == _SECTION:
                order = ">" if head[8:12] == b"\x1a\x2b\x3c\x4d" else "<"
                interfaces.clear()
            kind, size = struct.unpack_from(order + "II", head)
            if not 12 <= size <= BLOCK_BYTES_MAX or size % 4:
                self.trouble = f"the file is damaged: a block of {size:,} bytes"
                return
            if len(self._buffer) - self._at < size and not self._more(size):
                break
            body = self._buffer[self._at + 8 : self._at + size - 4]
            self._at += size
            try:
                if kind == _INTERFACE:
                    self._add_interface(interfaces, order, body)
                elif kind in (_PACKET, _OLD_PACKET):
                    yield _packet(interfaces, order, kind, body)
                elif kind == _SIMPLE_PACKET:
                    self.without_stamp += 1
            except (struct.error, IndexError):
                self.trouble = "the file is damaged: a block that contradicts itself"
                return
        self._end()

    def _add_interface(self, interfaces: list[_Interface], order: str, body: bytes) -> None:
        if len(interfaces) >= INTERFACES_MAX:
            raise IndexError
        (link,) = struct.unpack_from(order + "H", body)
        ticks, offset = 1_000_000, 0
        for code, value in _options(order, body[8:]):
            if code == _OPTION_RESOLUTION and value:
                base, power = (2, value[0] & 0x7F) if value[0] & 0x80 else (10, value[0])
                ticks = base ** min(power, 64)
            elif code == _OPTION_OFFSET and len(value) == 8:
                offset = struct.unpack(order + "q", value)[0] * SECOND
        self.resolution_ns = max(self.resolution_ns, -(-SECOND // ticks))
        interfaces.append(_Interface(order, link, ticks, offset))


def _packet(interfaces: list[_Interface], order: str, kind: int, body: bytes) -> Packet:
    if kind == _PACKET:
        number, high, low, length = struct.unpack_from(order + "IIII", body)
    else:
        number, high, low, length = struct.unpack_from(order + "H2xIII", body)
    if length > len(body) - 20:
        raise IndexError
    interface = interfaces[number]
    way = UNKNOWN_WAY
    behind = 20 + (length + 3 & ~3)
    if len(body) > behind:
        for code, value in _options(order, body[behind:]):
            if code == _OPTION_FLAGS and len(value) == 4:
                way = struct.unpack(order + "I", value)[0] & 3
    return interface.time_ns(high, low), interface.link, body[20 : 20 + length], way


def _options(order: str, data: bytes) -> Iterator[tuple[int, bytes]]:
    at, unpack = 0, struct.Struct(order + "HH").unpack_from
    while at + 4 <= len(data):
        code, length = unpack(data, at)
        if code == 0:
            return
        yield code, data[at + 4 : at + 4 + length]
        at += 4 + (length + 3 & ~3)
