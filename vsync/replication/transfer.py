"""A state on its way: cut into chunks that go through the ring like any message.

The first chunk is the header, a JSON object: who it is for, and where the state stands. Then come
the snapshot's pieces, each behind its length, as one stream of bytes cut anywhere. Every chunk
carries the name of its *round*, the view at whose place the snapshot was taken. A round that was
given up leaves chunks behind, which nobody takes.
"""

import json
import struct
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

_HEAD = struct.Struct(">IBB")  # number, whether it is the last one, bytes of the round's name
_LENGTH = struct.Struct(">I")


class Chunk(NamedTuple):
    """One message of a state."""

    round: str
    number: int
    is_last: bool
    data: bytes

    def encode(self) -> bytes:
        """Its bytes."""
        name = self.round.encode()
        return _HEAD.pack(self.number, self.is_last, len(name)) + name + self.data

    @classmethod
    def decode(cls, data: bytes) -> "Chunk | None":
        """The chunk in these bytes; None if there is none."""
        if len(data) < _HEAD.size:
            return None
        number, is_last, size = _HEAD.unpack_from(data)
        end = _HEAD.size + size
        name = data[_HEAD.size : end].decode("ascii", "replace")
        return cls(name, number, bool(is_last), data[end:]) if len(data) >= end else None


class Outgoing:
    """The sender's side: makes chunks as they are asked for.

    Args:
        pieces: the snapshot; its pieces are made one by one.
    """

    def __init__(
        self,
        round: str,
        receivers: Iterable[int],
        header: Mapping[str, object],
        pieces: Iterable[bytes],
        chunk_bytes: int,
    ) -> None:
        self.round = round
        self.receivers = set(receivers)
        self.is_done = False
        self._header: bytes | None = json.dumps(
            {**header, "receivers": sorted(self.receivers)}, separators=(",", ":"), sort_keys=True
        ).encode()
        self._stream = _framed(pieces)
        self._buffer = bytearray()
        self._chunk_bytes = chunk_bytes
        self._next = 0

    def take(self) -> Chunk:
        """The next chunk; not to be asked for once ``is_done``."""
        number, self._next = self._next, self._next + 1
        if self._header is not None:
            header, self._header = self._header, None
            return Chunk(self.round, number, False, header)
        buffer = self._buffer
        while len(buffer) <= self._chunk_bytes:
            part = next(self._stream, None)
            if part is None:
                break
            buffer += part
        data = bytes(buffer[: self._chunk_bytes])
        del buffer[: self._chunk_bytes]
        # More than a chunk was there, or else the stream has ended.
        self.is_done = not buffer
        return Chunk(self.round, number, self.is_done, data)


def _framed(pieces: Iterable[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        yield _LENGTH.pack(len(piece)) + piece


class Incoming:
    """The receiver's side: puts the pieces together again.

    Args:
        first: the header's chunk.

    Raises:
        ValueError: it holds no header.
    """

    def __init__(self, first: Chunk) -> None:
        header = json.loads(first.data)
        if not isinstance(header, dict):
            raise ValueError(f"{header!r} is no header of a state")
        self.round = first.round
        self.header: dict[str, object] = header
        self.is_complete = False
        self._next = 1
        self._buffer = bytearray()
        self._pieces: deque[bytes] = deque()

    def put(self, chunk: Chunk) -> None:
        """Take the next chunk; any other is none of ours."""
        if chunk.round != self.round or chunk.number != self._next or self.is_complete:
            return
        self._next += 1
        buffer = self._buffer
        buffer += chunk.data
        at, size = 0, len(buffer)
        while size - at >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(buffer, at)
            end = at + _LENGTH.size + length
            if end > size:
                break
            self._pieces.append(bytes(buffer[at + _LENGTH.size : end]))
            at = end
        del buffer[:at]
        self.is_complete = chunk.is_last

    def pieces(self) -> Iterator[bytes]:
        """The snapshot's pieces; each is let go of as the next one is asked for."""
        while self._pieces:
            yield self._pieces.popleft()
