"""Messages into datagrams and back.

Small messages of one service share a datagram; a large one is cut into pieces, each a datagram of
its own. A message's last piece decides its place in the order and its timestamp. Packing happens
when the token comes, so that it batches by itself and needs no timer (corosync's totempg).

A message is never split over two rings. If its last piece did not get a number on the old ring, its
sender begins again on the new one (:meth:`Outbox.rewind`) and its receivers forget the pieces
(:meth:`Assembly.reset`), both at the regular configuration: pieces that arrive in the
transitional one still complete a message there.
"""

from collections import deque
from typing import NamedTuple

from vsync.frames import FIRST, LAST, PACKED_MAX, SAFE, Data
from vsync.identity import Service

LENGTH_BYTES = 2


class Waiting(NamedTuple):
    """A message in the send queue."""

    handle: int
    payload: bytes
    service: Service


class Packed(NamedTuple):
    """What one datagram will carry. ``handles`` names the messages that end in it."""

    flags: int
    lengths: tuple[int, ...]
    payload: bytes
    handles: tuple[int, ...]
    service: Service

    @property
    def is_whole(self) -> bool:
        return self.flags & (FIRST | LAST) == FIRST | LAST


class Outbox:
    """The send queue. A message stays at its head until its last piece is taken."""

    __slots__ = ("_at", "bytes", "waiting")

    def __init__(self) -> None:
        self.waiting: deque[Waiting] = deque()
        self.bytes = 0
        self._at = 0  # how much of the head was taken

    def __len__(self) -> int:
        return len(self.waiting)

    def put(self, message: Waiting) -> None:
        self.waiting.append(message)
        self.bytes += len(message.payload)

    def rewind(self) -> None:
        """Begin again with a message that was sent in part."""
        self._at = 0

    def datagrams(self, room: int, most: int) -> int:
        """How many datagrams of `room` bytes are waiting, roughly; not counting beyond `most`."""
        return min(most, len(self.waiting) and max(1, -(-(self.bytes - self._at) // room)))

    def take(self, room: int) -> Packed:
        """What the next datagram of at most `room` bytes carries; the queue is not empty."""
        head = self.waiting[0]
        if self._at or len(head.payload) + LENGTH_BYTES > room:
            return self._take_piece(head, room)
        service, used = head.service, 0
        taken: list[Waiting] = []
        while self.waiting and len(taken) < PACKED_MAX:
            message = self.waiting[0]
            size = len(message.payload) + LENGTH_BYTES
            if message.service is not service or used + size > room:
                break
            used += size
            taken.append(self.waiting.popleft())
        payload = b"".join([message.payload for message in taken])
        self.bytes -= len(payload)
        return Packed(
            FIRST | LAST | (SAFE if service is Service.SAFE else 0),
            tuple([len(message.payload) for message in taken]),
            payload,
            tuple([message.handle for message in taken]),
            service,
        )

    def _take_piece(self, head: Waiting, room: int) -> Packed:
        # Less than the room, so that what does not fit with its length makes two pieces.
        piece = head.payload[self._at : self._at + room - LENGTH_BYTES]
        flags = SAFE if head.service is Service.SAFE else 0
        if self._at == 0:
            flags |= FIRST
        self._at += len(piece)
        handles: tuple[int, ...] = ()
        if self._at == len(head.payload):
            flags |= LAST
            handles = (head.handle,)
            self.waiting.popleft()
            self.bytes -= len(head.payload)
            self._at = 0
        return Packed(flags, (), piece, handles, head.service)


class Assembly:
    """Puts pieces together again, for one ring's order."""

    __slots__ = ("_limit", "_parts", "_sizes")

    def __init__(self, limit: int) -> None:
        self._parts: dict[int, list[bytes]] = {}
        self._sizes: dict[int, int] = {}
        self._limit = limit

    def reset(self) -> None:
        self._parts.clear()

    def unpack(self, frame: Data) -> tuple[bytes, ...]:
        """The messages that end in `frame`, in order. Frames come in the order of the ring."""
        if frame.lengths:
            return split(frame.payload, frame.lengths)
        # Pieces that do not follow their first one belong to a message begun before we came, and
        # those of a message over the limit to nobody: equally at every member.
        origin = frame.origin
        if frame.flags & FIRST:
            self._parts[origin], self._sizes[origin] = [], 0
        parts = self._parts.get(origin)
        if parts is None:
            return ()
        parts.append(frame.payload)
        self._sizes[origin] += len(frame.payload)
        if self._sizes[origin] > self._limit:
            del self._parts[origin]
            return ()
        if not frame.flags & LAST:
            return ()
        del self._parts[origin]
        return (b"".join(parts),)


def split(payload: bytes, lengths: tuple[int, ...]) -> tuple[bytes, ...]:
    """The messages in a datagram of whole ones.

    >>> split(b"onetwo", (3, 3))
    (b'one', b'two')
    """
    found, at = [], 0
    for length in lengths:
        found.append(payload[at : at + length])
        at += length
    return tuple(found)
