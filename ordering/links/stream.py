"""Records of any size over a link: cut into pieces by one end, put together by the other.

A record is a kind and bytes. Many small ones share a piece and a large one spans several, so that
neither the size of a datagram nor that of a record matters to whoever uses a link.
"""

import struct

from clocksync.runtime.errors import MalformedFrame
from ordering.links.segment import PAYLOAD_BYTES

RECORD_BYTES_MAX = 1 << 20
"""No record is longer: a peer must not fill our memory with one that never ends."""

_HEAD = struct.Struct(">BI")

Record = tuple[int, bytes]


def cut(records: list[Record], piece_bytes: int = PAYLOAD_BYTES) -> list[bytes]:
    """The pieces that carry `records`, all but the last of them full.

    Raises:
        ValueError: a record is longer than any may be.
    """
    parts: list[bytes] = []
    for kind, body in records:
        if len(body) > RECORD_BYTES_MAX:
            raise ValueError(f"a record of {len(body)} bytes: at most {RECORD_BYTES_MAX}")
        parts += (_HEAD.pack(kind, len(body)), body)
    whole = b"".join(parts)
    return [whole[at : at + piece_bytes] for at in range(0, len(whole), piece_bytes)]


class Unpacker:
    """Puts the records of one stream together."""

    __slots__ = ("_missing", "_parts")

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._missing = 0
        """Bytes until there is anything new to find; saves joining a large record many times."""

    def feed(self, pieces: list[bytes]) -> list[Record]:
        """The records that are complete now.

        Raises:
            MalformedFrame: a record is longer than any may be; the stream is of no use any more.
        """
        self._parts += pieces
        self._missing -= sum(map(len, pieces))
        if self._missing > 0:
            return []
        data, at = b"".join(self._parts), 0
        end, records = len(data), []
        while end - at >= _HEAD.size:
            kind, size = _HEAD.unpack_from(data, at)
            if size > RECORD_BYTES_MAX:
                raise MalformedFrame("record over its maximum")
            start = at + _HEAD.size
            if end - start < size:
                break
            at = start + size
            records.append((kind, data[start:at]))
        rest = data[at:]
        self._parts = [rest] if rest else []
        self._missing = 1
        if len(rest) >= _HEAD.size:
            self._missing = _HEAD.size + _HEAD.unpack_from(rest)[1] - len(rest)
        return records
