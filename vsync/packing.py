"""Messages into datagrams and back.

Small messages of one service and group share a datagram; a large one is cut into pieces, each a
datagram of its own. A message's last piece decides its place in the order and its timestamp.
Packing happens when the token comes, so that it batches by itself and needs no timer (corosync's
totempg).

A message is never split over two rings. If its last piece did not get a number on the old ring, its
sender begins again on the new one (:meth:`Outbox.rewind`) and its receivers forget the pieces
(:meth:`Assembly.reset`), both at the regular configuration: pieces that arrive in the
transitional one still complete a message there.
"""

from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

from vsync.frames import FIRST, LAST, PACKED_MAX, SAFE, Data
from vsync.identity import Service

LENGTH_BYTES = 2

FORGET_AFTER = 256
"""So many messages taken from a run are forgotten at once: one by one would cost a move each."""


class Run:
    """Messages in the send queue that may share datagrams: alike but for their content, and with
    handles in a row."""

    __slots__ = ("at", "first", "group", "payloads", "service")

    def __init__(self, first: int, service: Service, group: int) -> None:
        self.first, self.service, self.group = first, service, group
        self.payloads: list[bytes] = []
        self.at = 0
        """How many of them were taken."""

    def took(self, count: int) -> None:
        self.at += count
        if self.at >= FORGET_AFTER:
            del self.payloads[: self.at]
            self.first += self.at
            self.at = 0

    def takes(self, handle: int, service: Service, group: int) -> bool:
        """Whether a message may stand at its end."""
        return (
            handle == self.first + len(self.payloads)
            and service is self.service
            and group == self.group
        )


class Packed(NamedTuple):
    """What one datagram will carry. ``handles`` names the messages that end in it."""

    flags: int
    group: int
    lengths: tuple[int, ...]
    payload: bytes
    handles: range
    service: Service

    @property
    def is_whole(self) -> bool:
        return self.flags & (FIRST | LAST) == FIRST | LAST


class Outbox:
    """The send queue. A message stays at its head until its last piece is taken."""

    __slots__ = ("_at", "_count", "_runs", "bytes")

    def __init__(self) -> None:
        self._runs: deque[Run] = deque()
        self._count = 0
        self.bytes = 0
        self._at = 0  # how much of the head was taken

    def __len__(self) -> int:
        return self._count

    def put(self, handle: int, payloads: Sequence[bytes], service: Service, group: int = 0) -> None:
        """Put messages at its end; the first is called `handle`."""
        runs = self._runs
        if not runs or not runs[-1].takes(handle, service, group):
            runs.append(Run(handle, service, group))
        runs[-1].payloads += payloads
        self._count += len(payloads)
        self.bytes += sum(map(len, payloads))

    def rewind(self) -> None:
        """Begin again with a message that was sent in part."""
        self._at = 0

    def datagrams(self, room: int, most: int) -> int:
        """How many datagrams of `room` bytes are waiting, roughly; not counting beyond `most`."""
        return min(most, self._count and max(1, -(-(self.bytes - self._at) // room)))

    def take(self, room: int) -> Packed:
        """What the next datagram of at most `room` bytes carries; the queue is not empty."""
        run = self._runs[0]
        start = end = run.at
        used = 0
        for payload in islice(run.payloads, start, start + PACKED_MAX):
            used += len(payload) + LENGTH_BYTES
            if used > room:
                break
            end += 1
        if self._at or end == start:
            return self._take_piece(run, room)
        taken = run.payloads[start:end]
        payload = b"".join(taken)
        handles = range(run.first + start, run.first + end)
        self._took(run, end - start, len(payload))
        return Packed(
            FIRST | LAST | (SAFE if run.service is Service.SAFE else 0),
            run.group,
            tuple(map(len, taken)),
            payload,
            handles,
            run.service,
        )

    def _took(self, run: Run, count: int, size: int) -> None:
        run.took(count)
        self._count -= count
        self.bytes -= size
        if run.at == len(run.payloads):
            self._runs.popleft()

    def _take_piece(self, run: Run, room: int) -> Packed:
        # Less than the room, so that what does not fit with its length makes two pieces.
        head, handle = run.payloads[run.at], run.first + run.at
        piece = head[self._at : self._at + room - LENGTH_BYTES]
        flags = SAFE if run.service is Service.SAFE else 0
        if self._at == 0:
            flags |= FIRST
        self._at += len(piece)
        handles = range(handle, handle)
        if self._at == len(head):
            run.payloads[run.at] = b""  # it may be large
            flags |= LAST
            handles = range(handle, handle + 1)
            self._took(run, 1, len(head))
            self._at = 0
        return Packed(flags, run.group, (), piece, handles, run.service)


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
