"""What ring members send each other. Byte tables: ``docs/wire.md``.

Rings are named by three fields in a row, so that a frame is declared flat; :attr:`ring` puts them
together. ``check`` finds what decodes and yet cannot be: a peer's nonsense is data, and is refused
by name before any core looks at it.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, ClassVar, Self, cast

from clocksync.runtime.errors import MalformedFrame
from clocksync.runtime.records import maker
from clocksync.runtime.wire import I64, U8, U16, U32, U64, Counted, Frame, Sized, layout
from vsync.identity import NO_RING, RingId, Service

MEMBERS_MAX = 128
NOBODY = 0xFFFF
"""No member has this number."""

LARGEST = 1 << 62
"""Sequence numbers and times beyond are refused: sums of them must stay within 64 bits."""

REQUESTS_MAX = 32
"""Ranges of missing sequence numbers in one token."""

PAYLOAD_MAX = 65_000
PACKED_MAX = 8_192

SAFE, FIRST, LAST, SUSPECT, UNVERIFIED, LINGERS = 1, 2, 4, 8, 16, 32
"""Flags of :class:`Data`. A datagram of whole messages is both first and last."""

_FLAGS = SAFE | FIRST | LAST | SUSPECT | UNVERIFIED | LINGERS

RING_BYTES = 14
DATA_BYTES = RING_BYTES + 8 + 2 + 1 + 4 + 8 + 8 + 4 + 2 + 2
"""Of a Data frame without payload and lengths."""

RECOVERED_BYTES = RING_BYTES + 8 + 2 + 2
"""What wrapping a Data frame into a Recovered one adds."""

SEGMENT_BYTES = 8 + 1 + 1 + 1 + 2
"""Of a Segment without payload."""

SEGMENTS_MAX = 64

PROBE_BYTES = 4 + 2
"""Of a Probe without padding."""

TRAIN_BYTES = 2 + 2 + 2
"""Of a Train beside its two frames."""

RingSequence = Annotated[U64, "the ring's number"]
RingRepresentative = Annotated[U16, "its smallest member, which formed it"]
RingNonce = Annotated[U32, "drawn when it was formed"]

Members = Annotated[tuple[int, ...], Counted(16, maximum=MEMBERS_MAX)]


@dataclass(frozen=True, slots=True)
class Data(Frame):
    """Messages of one member at one place in the order: several whole ones, or a piece of one.

    Message `i` of several has the timestamp `timestamp + i`; all share `error` and flags.
    """

    KIND: ClassVar[int] = 0x30
    ring_sequence: RingSequence
    ring_representative: RingRepresentative
    ring_nonce: RingNonce
    sequence: Annotated[U64, "its place in the order of that ring"]
    origin: Annotated[U16, "the member that sent it first"]
    flags: Annotated[
        U8,
        "1 safe, 2 first piece, 4 last piece, 8 suspect, 16 unverified, 32 the token lingers",
    ]
    round: Annotated[U32, "the token's rotation it was sent in"]
    timestamp: Annotated[I64, "of its first message, ns since the Unix epoch"]
    error: Annotated[U64, "true time lies within timestamp ± this, ns"]
    group: Annotated[U32, "the process group its messages are for; the ring does not care"]
    lengths: Annotated[
        tuple[int, ...], Counted(16, maximum=PACKED_MAX), "of whole messages; none for a piece"
    ]
    payload: Annotated[bytes, Sized(maximum=PAYLOAD_MAX), "the messages, or the piece"]

    @property
    def ring(self) -> RingId:
        return RingId(self.ring_sequence, self.ring_representative, self.ring_nonce)

    @property
    def service(self) -> Service:
        return Service.SAFE if self.flags & SAFE else Service.AGREED

    @property
    def size(self) -> int:
        """Bytes of the frame."""
        return DATA_BYTES + 2 * len(self.lengths) + len(self.payload)

    @property
    def last_timestamp(self) -> int:
        """Of its last message; a piece has one like a message."""
        return self.timestamp + max(1, len(self.lengths)) - 1

    def check(self) -> str | None:
        if self.flags & ~_FLAGS or not -LARGEST <= self.timestamp <= LARGEST:
            return "impossible flags or time"
        if not 0 < self.sequence <= LARGEST or self.error > LARGEST:
            return "impossible number"
        if len(self.payload) + 2 * len(self.lengths) > PAYLOAD_MAX:
            return "too much in one datagram"
        if self.lengths:
            if self.flags & (FIRST | LAST) != FIRST | LAST or sum(self.lengths) != len(
                self.payload
            ):
                return "lengths that do not add up"
        elif self.flags & (FIRST | LAST) == FIRST | LAST:
            return "a piece that is the whole"
        return None

    # The hot path of the ring: what the declaration gives, in a third of the time. What does not
    # fit goes the declared way, which says why.

    def encode(self) -> bytes:
        """See :meth:`Frame.encode`."""
        lengths, payload = self.lengths, self.payload
        count, size = len(lengths), len(payload)
        if count <= PACKED_MAX and size <= PAYLOAD_MAX:
            try:
                head = _HEAD.pack(
                    self.ring_sequence,
                    self.ring_representative,
                    self.ring_nonce,
                    self.sequence,
                    self.origin,
                    self.flags,
                    self.round,
                    self.timestamp,
                    self.error,
                    self.group,
                    count,
                )
                return b"".join((head, _tail(count).pack(*lengths, size), payload))
            except (struct.error, TypeError):
                pass
        return layout(Data).encode(self)

    @classmethod
    def decode(cls, data: bytes | memoryview) -> Self:
        """See :meth:`Frame.decode`."""
        if len(data) >= _HEAD.size:
            head = _HEAD.unpack_from(data)
            if head[-1] <= PACKED_MAX:
                tail = _tail(head[-1])
                start = _HEAD.size + tail.size
                if len(data) >= start:
                    ends = tail.unpack_from(data, _HEAD.size)
                    if start + ends[-1] == len(data) and ends[-1] <= PAYLOAD_MAX:
                        payload = bytes(data[start:])
                        return cast(Self, _make_data(*head[:-1], ends[:-1], payload))  # type: ignore[call-arg]
        frame, end = layout(cls).decode(data)
        if end != len(data):
            raise MalformedFrame("trailing bytes")
        return cast(Self, frame)


# Everything up to the number of lengths; then the lengths, and how long the payload is.
_HEAD = struct.Struct(">QHIQHBIqQIH")
_make_data = maker(Data)


@lru_cache(maxsize=512)
def _tail(count: int) -> struct.Struct:
    return struct.Struct(f">{count}HH")


@dataclass(frozen=True, slots=True)
class Recovered(Frame):
    """A message of an old ring, sent again on the new one during recovery."""

    KIND: ClassVar[int] = 0x31
    ring_sequence: Annotated[U64, "the new ring"]
    ring_representative: RingRepresentative
    ring_nonce: RingNonce
    sequence: Annotated[U64, "its place on the new ring"]
    origin: Annotated[U16, "the member that sent it again"]
    payload: Annotated[bytes, Sized(maximum=PAYLOAD_MAX + 500), "the Data frame of the old ring"]

    @property
    def ring(self) -> RingId:
        return RingId(self.ring_sequence, self.ring_representative, self.ring_nonce)

    @property
    def size(self) -> int:
        """Bytes of the frame."""
        return RECOVERED_BYTES + len(self.payload)

    def check(self) -> str | None:
        return None if 0 < self.sequence <= LARGEST else "impossible number"


@dataclass(frozen=True, slots=True)
class Token(Frame):
    """Circulates the ring; whoever holds it may send.

    The paper's names: `all_received_up_to` is aru, `lowered_by` aru_id, `missing` rtr,
    `sent_last_rotation` fcc.
    """

    KIND: ClassVar[int] = 0x32
    ring_sequence: RingSequence
    ring_representative: RingRepresentative
    ring_nonce: RingNonce
    token_sequence: Annotated[U64, "grows by one at every hop"]
    sequence: Annotated[U64, "the highest sequence number given out"]
    all_received_up_to: Annotated[U64, "everybody has all up to here, as far as known"]
    lowered_by: Annotated[U16, "who lowered that number; 65535 nobody"]
    sent_last_rotation: Annotated[U32, "datagrams sent by all in the last rotation"]
    backlog: Annotated[U32, "datagrams waiting at all members"]
    recovering: Annotated[U8, "1 while a member has messages of an old ring to send"]
    round: Annotated[U32, "counts rotations"]
    timestamp: Annotated[I64, "the last one given out"]
    missing: Annotated[
        tuple[int, ...], Counted(64, maximum=2 * REQUESTS_MAX), "ranges: first, last, first, ..."
    ]
    clocks: Annotated[
        tuple[int, ...],
        Counted(64, maximum=2 * MEMBERS_MAX),
        "for each member in ring order the bounds of true time at its last visit; 0, 0 unknown",
    ]

    @property
    def ring(self) -> RingId:
        return RingId(self.ring_sequence, self.ring_representative, self.ring_nonce)

    def check(self) -> str | None:
        missing, clocks = self.missing, self.clocks
        if not self.all_received_up_to <= self.sequence <= LARGEST:
            return "impossible number"
        if self.token_sequence > LARGEST or not -LARGEST <= self.timestamp <= LARGEST:
            return "impossible number"
        if len(missing) % 2 or list(missing) != sorted(missing):
            return "ranges out of order"
        if missing and not 0 < missing[0] <= missing[-1] <= self.sequence:
            return "a request for what was never sent"
        if len(clocks) % 2:
            return "impossible clocks"
        for low, high in zip(clocks[::2], clocks[1::2], strict=True):
            if not low <= high <= LARGEST:
                return "impossible clocks"
        return None

    # A codec of its own as Data has: a token is read and written at every hop.

    def encode(self) -> bytes:
        """See :meth:`Frame.encode`."""
        missing, clocks = self.missing, self.clocks
        if len(missing) <= 2 * REQUESTS_MAX and len(clocks) <= 2 * MEMBERS_MAX:
            try:
                return _token(len(missing), len(clocks)).pack(
                    self.ring_sequence,
                    self.ring_representative,
                    self.ring_nonce,
                    self.token_sequence,
                    self.sequence,
                    self.all_received_up_to,
                    self.lowered_by,
                    self.sent_last_rotation,
                    self.backlog,
                    self.recovering,
                    self.round,
                    self.timestamp,
                    len(missing),
                    *missing,
                    len(clocks),
                    *clocks,
                )
            except (struct.error, TypeError):
                pass
        return layout(Token).encode(self)

    @classmethod
    def decode(cls, data: bytes | memoryview) -> Self:
        """See :meth:`Frame.decode`."""
        if len(data) >= _TOKEN_BYTES:
            wanted = int.from_bytes(data[_MISSING_AT : _MISSING_AT + 2], "big")
            at = _MISSING_AT + 2 + 8 * wanted
            known = int.from_bytes(data[at : at + 2], "big")
            if (
                wanted <= 2 * REQUESTS_MAX
                and known <= 2 * MEMBERS_MAX
                and len(data) == _TOKEN_BYTES + 8 * (wanted + known)
            ):
                values = _token(wanted, known).unpack(data)
                return cast(
                    Self,
                    make_token(*values[:12], values[13 : 13 + wanted], values[14 + wanted :]),
                )
        frame, end = layout(cls).decode(data)
        if end != len(data):
            raise MalformedFrame("trailing bytes")
        return cast(Self, frame)


make_token = cast(Callable[..., Token], maker(Token))


@lru_cache(maxsize=256)
def _token(wanted: int, known: int) -> struct.Struct:
    return struct.Struct(f">QHIQQQHIIBIqH{wanted}QH{known}Q")


_MISSING_AT = _token(0, 0).size - 4
_TOKEN_BYTES = _token(0, 0).size
"""Of a Token that asks for nothing and knows no clock."""


@dataclass(frozen=True, slots=True)
class Join(Frame):
    """Whom a process wants on the next ring, and whom it has given up."""

    KIND: ClassVar[int] = 0x33
    incarnation: Annotated[U64, "of the sender, new at every boot"]
    ring_sequence: Annotated[U64, "the largest it knows"]
    leaving: Annotated[U8, "1: the sender leaves for good"]
    passed: Annotated[U8, "how far the sender got with the last ring agreed on"]
    processes: Annotated[Members, "the paper's proc_set"]
    failed: Annotated[Members, "the paper's fail_set"]

    def check(self) -> str | None:
        if self.leaving > 1 or self.ring_sequence > LARGEST:
            return "impossible number"
        for ids in (self.processes, self.failed):
            if list(ids) != sorted(set(ids)) or NOBODY in ids:
                return "ids out of order"
        return None


@dataclass(frozen=True, slots=True)
class CommitEntry(Frame):
    """What one member brings to the new ring. Part of :class:`Commit`."""

    member: Annotated[U16, "whose entry it is"]
    incarnation: Annotated[U64, "of that member, new at every boot"]
    old_sequence: Annotated[U64, "the ring it installed last"]
    old_representative: RingRepresentative
    old_nonce: RingNonce
    received_up_to: Annotated[U64, "of that ring, without a gap"]
    delivered: Annotated[U64, "up to where it delivered in that ring's configuration"]
    recovered_sequence: Annotated[U64, "the ring whose recovery it completed; all 0: none"]
    recovered_representative: RingRepresentative
    recovered_nonce: RingNonce
    timestamp: Annotated[I64, "the largest it has seen"]
    earliest: Annotated[U64, "its bounds of true time when it wrote this"]
    latest: Annotated[U64, "the upper of these bounds"]
    obligations: Annotated[Members, "whose messages it must deliver"]

    @property
    def old_ring(self) -> RingId:
        return RingId(self.old_sequence, self.old_representative, self.old_nonce)

    @property
    def recovered_in(self) -> RingId:
        return RingId(self.recovered_sequence, self.recovered_representative, self.recovered_nonce)

    @property
    def is_filled(self) -> bool:
        return self.old_ring != NO_RING

    def check(self) -> str | None:
        numbers = (self.old_sequence, self.recovered_sequence, self.latest, self.received_up_to)
        if max(numbers) > LARGEST or not self.earliest <= self.latest:
            return "impossible number"
        if not -LARGEST <= self.timestamp <= LARGEST or self.delivered > self.received_up_to:
            return "impossible number"
        return None


@dataclass(frozen=True, slots=True)
class Commit(Frame):
    """Goes round the new ring twice: gathers what everybody brings, then tells everybody."""

    KIND: ClassVar[int] = 0x34
    ring_sequence: Annotated[U64, "the new ring"]
    ring_representative: RingRepresentative
    ring_nonce: RingNonce
    hop: Annotated[
        U16, "how often it was passed on: its receiver is member `hop` modulo their number"
    ]
    table: Annotated[bytes, Sized(maximum=60_000), "a CommitEntry for each member, in ring order"]

    @property
    def ring(self) -> RingId:
        return RingId(self.ring_sequence, self.ring_representative, self.ring_nonce)

    def entries(self) -> tuple[CommitEntry, ...]:
        """The table, decoded.

        Raises:
            MalformedFrame: it is none.
        """
        found: list[CommitEntry] = []
        rest = memoryview(self.table)
        while rest:
            entry, end = CommitEntry.decode_prefix(rest)
            reason = entry.check()
            if reason is not None:
                raise MalformedFrame(reason)
            found.append(entry)
            rest = rest[end:]
        members = [entry.member for entry in found]
        if not members or members != sorted(set(members)) or len(members) > MEMBERS_MAX:
            raise MalformedFrame("members out of order")
        if members[0] != self.ring_representative or members[-1] == NOBODY:
            raise MalformedFrame("another representative")
        return tuple(found)

    def check(self) -> str | None:
        return None if self.ring_sequence <= LARGEST else "impossible number"


@dataclass(frozen=True, slots=True)
class Merge(Frame):
    """The representative of a ring says that it is there, for other rings to hear."""

    KIND: ClassVar[int] = 0x35
    ring_sequence: RingSequence
    ring_representative: RingRepresentative
    ring_nonce: RingNonce
    incarnation: Annotated[U64, "of the sender, new at every boot"]

    @property
    def ring(self) -> RingId:
        return RingId(self.ring_sequence, self.ring_representative, self.ring_nonce)

    def check(self) -> str | None:
        return None if self.ring_sequence <= LARGEST else "impossible number"


@dataclass(frozen=True, slots=True)
class HoldCancel(Frame):
    """A member has something to send: let the token go."""

    KIND: ClassVar[int] = 0x36
    ring_sequence: RingSequence
    ring_representative: RingRepresentative
    ring_nonce: RingNonce

    @property
    def ring(self) -> RingId:
        return RingId(self.ring_sequence, self.ring_representative, self.ring_nonce)

    def check(self) -> str | None:
        return None


@dataclass(frozen=True, slots=True)
class Segment(Frame):
    """A part of a frame that is larger than a datagram. It belongs to the layer below the ring."""

    KIND: ClassVar[int] = 0x37
    key: Annotated[U64, "the same in all parts of a frame, whoever sends it and however often"]
    kind: Annotated[U8, "of the frame"]
    index: Annotated[U8, "which part this is, from 0"]
    count: Annotated[U8, "how many there are, 2 to 64"]
    part: Annotated[bytes, Sized(maximum=PAYLOAD_MAX), "all parts but the last are equally long"]


@dataclass(frozen=True, slots=True)
class Train(Frame):
    """Messages and the token that follows them, in one datagram; below the ring, too."""

    KIND: ClassVar[int] = 0x38
    to: Annotated[U16, "whom the token is for; the others take the messages"]
    data: Annotated[bytes, Sized(maximum=PAYLOAD_MAX), "a Data frame"]
    token: Annotated[bytes, Sized(maximum=PAYLOAD_MAX), "a Token frame"]


@dataclass(frozen=True, slots=True)
class Probe(Frame):
    """Asks who hears this: by multicast, or with a datagram of full size; below the ring."""

    KIND: ClassVar[int] = 0x39
    number: Annotated[U32, "of the question; the highest bit is set in one of full size"]
    padding: Annotated[bytes, Sized(maximum=PAYLOAD_MAX), "what makes it large"]


@dataclass(frozen=True, slots=True)
class Heard(Frame):
    """The answer to a Probe, by unicast."""

    KIND: ClassVar[int] = 0x3A
    number: Annotated[U32, "of the question"]


RingFrame = Data | Recovered | Token | Join | Commit | Merge | HoldCancel
FRAMES: tuple[type[Frame], ...] = (Data, Recovered, Token, Join, Commit, Merge, HoldCancel)
