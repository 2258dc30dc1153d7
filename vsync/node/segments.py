"""Frames that are larger than a datagram, in parts.

A frame is cut into datagrams of one size, each sealed on its own, so that nothing unauthenticated
is ever kept and no router has to fragment. What is missing of a frame is missed by the ring, which
sends the frame again; parts that came are kept meanwhile, whoever sent them: parts of one frame
carry one key, and a frame of the order never changes. So a frame of many parts gets through a
network that loses one datagram in ten after two or three times, not after a hundred.

What is kept is bounded; the frames begun first are forgotten first.
"""

import struct

from clocksync.runtime.errors import MalformedFrame
from vsync.frames import SEGMENT_BYTES, SEGMENTS_MAX, Data, Recovered, Segment

HELD_BYTES_MAX = 16 << 20

_HEAD = struct.Struct(">QBBBH")  # as Segment declares
assert _HEAD.size == SEGMENT_BYTES

_OTHER = 1 << 63
_SEGMENT = Segment.KIND


class Cutter:
    """Cuts the frames of one member into parts of at most `part_bytes`."""

    def __init__(self, part_bytes: int) -> None:
        self.part_bytes = part_bytes
        self._count = 0

    def cut(self, frame: object, kind: int, body: bytes) -> list[bytes]:
        """The bodies of the Segments that carry `body`, which is `frame` encoded."""
        size = self.part_bytes
        count = -(-len(body) // size)
        assert 2 <= count <= SEGMENTS_MAX, f"{len(body)} bytes in parts of {size}"
        if isinstance(frame, Data | Recovered):
            key = frame.ring_nonce << 31 ^ frame.sequence & (_OTHER - 1)
        else:
            self._count += 1
            key = _OTHER | self._count
        pack, view = _HEAD.pack, memoryview(body)
        return [
            b"".join((pack(key, kind, n, count, min(size, len(body) - at)), view[at : at + size]))
            for n, at in enumerate(range(0, len(body), size))
        ]


class _Begun:
    """The parts of a frame that came, and how many did not."""

    __slots__ = ("missing", "parts")

    def __init__(self, count: int) -> None:
        self.parts: list[bytes | memoryview] = [b""] * count
        self.missing = count


class Assembler:
    """Puts frames together again.

    Args:
        held_bytes_max: of frames that are not complete.
    """

    def __init__(self, held_bytes_max: int = HELD_BYTES_MAX) -> None:
        self._limit = held_bytes_max
        self._held = 0
        self._begun: dict[tuple[int, int, int], _Begun] = {}

    def put(self, body: bytes | memoryview) -> tuple[int, bytes] | None:
        """Take the body of a Segment; the kind and body of the frame that it completes, if it does.

        Raises:
            MalformedFrame: it is none.
        """
        if len(body) < SEGMENT_BYTES:
            raise MalformedFrame("too short")
        key, kind, index, count, size = _HEAD.unpack_from(body)
        if len(body) != SEGMENT_BYTES + size:
            raise MalformedFrame(
                "trailing bytes" if len(body) > SEGMENT_BYTES + size else "too short"
            )
        if not index < count <= SEGMENTS_MAX or count < 2 or not size or kind == _SEGMENT:
            raise MalformedFrame("impossible part")
        name = (key, kind, count)
        begun = self._begun.get(name)
        if begun is None:
            begun = self._begun[name] = _Begun(count)
        parts = begun.parts
        if parts[index]:
            return None
        parts[index] = body[SEGMENT_BYTES:]
        begun.missing -= 1
        self._held += size
        if begun.missing:
            if self._held > self._limit:
                self._forget()
            return None
        del self._begun[name]
        whole = b"".join(parts)
        self._held -= len(whole)
        return kind, whole

    def _forget(self) -> None:
        while self._held > self._limit:
            begun = self._begun.pop(next(iter(self._begun)))
            self._held -= sum(map(len, begun.parts))
