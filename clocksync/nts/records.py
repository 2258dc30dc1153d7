"""The records of NTS key establishment (RFC 8915 section 4): type, length, body, big-endian.

The highest bit of the type says that who does not know it must give up. Decoding is incremental,
because TLS delivers pieces, and bounded: a peer that sends more than it has to say is refused
before that is kept.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from clocksync.runtime.errors import MalformedFrame

CRITICAL = 0x8000
MESSAGE_BYTES_MAX = 16_384
_HEAD = struct.Struct(">HH")


class Type(IntEnum):
    """Record types, section 4.1."""

    END = 0
    NEXT_PROTOCOL = 1
    ERROR = 2
    WARNING = 3
    AEAD = 4
    COOKIE = 5
    SERVER = 6
    PORT = 7


@dataclass(frozen=True, slots=True)
class Record:
    """One record. The body of a cookie's is a secret of sorts: no body is in a repr."""

    type: int
    body: bytes = b""
    critical: bool = False

    def __repr__(self) -> str:
        mark = ", critical" if self.critical else ""
        return f"Record({self.type}, {len(self.body)} bytes{mark})"

    def encode(self) -> bytes:
        """Its bytes."""
        kind = self.type | (CRITICAL if self.critical else 0)
        return _HEAD.pack(kind, len(self.body)) + self.body

    def numbers(self) -> tuple[int, ...]:
        """The body as numbers of 16 bits.

        Raises:
            MalformedFrame: it is no whole number of them.
        """
        if len(self.body) % 2:
            raise MalformedFrame("a list of odd length")
        return struct.unpack(f">{len(self.body) // 2}H", self.body)


def numbered(kind: Type, *numbers: int, critical: bool = True) -> Record:
    """A record whose body is a list of numbers."""
    return Record(kind, struct.pack(f">{len(numbers)}H", *numbers), critical)


def encode(records: Iterable[Record]) -> bytes:
    """A message: the records, and the end."""
    return b"".join(record.encode() for record in (*records, Record(Type.END, critical=True)))


class Reader:
    """Collects pieces until a message is whole.

    >>> reader = Reader()
    >>> reader.feed(bytes.fromhex("8001000200")), reader.feed(bytes.fromhex("0080000000"))
    (None, (Record(1, 2 bytes, critical),))
    """

    def __init__(self, bytes_max: int = MESSAGE_BYTES_MAX) -> None:
        self._left = bytes_max
        self._buffer = b""
        self._records: list[Record] = []

    def feed(self, piece: bytes) -> tuple[Record, ...] | None:
        """The records before the end, once the end is there; what follows it is not looked at.

        Raises:
            MalformedFrame: the message is longer than it may be, or its end has a body.
        """
        self._left -= len(piece)
        if self._left < 0:
            raise MalformedFrame("a message that is too long")
        self._buffer += piece
        while len(self._buffer) >= _HEAD.size:
            kind, length = _HEAD.unpack_from(self._buffer)
            end = _HEAD.size + length
            if len(self._buffer) < end:
                return None
            body, self._buffer = self._buffer[_HEAD.size : end], self._buffer[end:]
            if kind & ~CRITICAL == Type.END:
                if body:
                    raise MalformedFrame("an end that is not empty")
                return tuple(self._records)
            self._records.append(Record(kind & ~CRITICAL, body, bool(kind & CRITICAL)))
        return None
