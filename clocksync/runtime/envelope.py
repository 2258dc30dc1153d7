"""The envelope every frame of the toolkit travels in.

::

    magic u16 | version u8 | kind u8 | cluster u32 | sender u16 | check u32 | the frame

``kind`` tells which frame follows (:attr:`Frame.KIND`: 0x10 up for clocksync, 0x20 up for
ordering, 0x30 up for vsync); ``cluster`` keeps two groups on one network apart; ``check`` is the
CRC-32 of everything else, because UDP's 16 bits let one corrupt datagram in 65,536 through and
IPv4 may leave them out. It guards against accidents, not against people.

What promises what: a datagram of this cluster that comes out is byte for byte one that went in
(but for 1 corruption in 2^32, and none of up to 32 bits in a row); all else is refused with one
of the reasons below, in the order in which it can be known.

Room for authentication: ``version`` names the way a datagram is protected, not only its form. An
authenticated variant takes the next version and the same header, puts a key and message number
where ``check`` is, hands the whole header to the cipher as associated data, encrypts the frame and
appends the tag. So only :func:`protect` and :func:`unprotect` get a sibling, and a node of either
version tells the other's datagrams apart before it looks at anything that is protected. Version 2
is :mod:`clocksync.security`.
"""

from dataclasses import dataclass
from typing import Annotated, NamedTuple
from zlib import crc32

from clocksync.runtime.errors import BadConfig, MalformedFrame
from clocksync.runtime.units import NodeId
from clocksync.runtime.wire import U8, U16, U32, Frame, layout

MAGIC = 0xC10C
VERSION = 1

# The reasons of a refusal: constants, because drivers count by them.
TOO_SHORT = "too short"
FOREIGN_MAGIC = "foreign magic"
OTHER_VERSION = "another version of the envelope"
WRONG_CLUSTER = "wrong cluster"
BAD_CHECKSUM = "bad checksum"
UNKNOWN_KIND = "unknown kind"


@dataclass(frozen=True, slots=True)
class EnvelopeHeader(Frame):
    """What stands before every frame of the toolkit; NTP packets travel bare."""

    magic: Annotated[U16, "0xC10C"]
    version: Annotated[U8, "1: protected by a checksum"]
    kind: Annotated[U8, "which frame follows"]
    cluster: Annotated[U32, "the group of nodes it belongs to"]
    sender: Annotated[U16, "the node that sent it"]
    check: Annotated[U32, "CRC-32 (that of zlib) of the ten bytes before and the frame after"]


# Datagrams are the hot path: the struct of the declaration, without an object for each header.
_HEADER = layout(EnvelopeHeader).head
HEADER_BYTES = _HEADER.size
"""What the envelope adds to a frame."""

_CHECK_BYTES = 4
_CHECKED = _HEADER.size - _CHECK_BYTES


class Opened(NamedTuple):
    """A frame out of its envelope, and the node that says it sent it."""

    sender: NodeId
    frame: Frame


class Envelope:
    """The :class:`clocksync.runtime.codec.Codec` of one node: which frames it knows, the cluster it
    is in, and its own number.

    Raises:
        BadConfig: two frame classes share a kind, one has none, or a number does not fit.
    """

    __slots__ = ("_cluster", "_frames", "_sender")

    def __init__(self, frames: tuple[type[Frame], ...], cluster: int, sender: int) -> None:
        self._frames: dict[int, type[Frame]] = {}
        for cls in frames:
            if not 0 < cls.KIND < 256:
                raise BadConfig(f"{cls.__name__} has no kind of its own: KIND = {cls.KIND}")
            other = self._frames.setdefault(cls.KIND, cls)
            if other is not cls:
                names = f"{other.__name__} and {cls.__name__}"
                raise BadConfig(f"{names} both have the kind 0x{cls.KIND:02x}")
        if not 0 <= cluster < 1 << 32:
            raise BadConfig(f"cluster = {cluster} is not in 0 to {(1 << 32) - 1}")
        if not 0 <= sender < 1 << 16:
            raise BadConfig(f"node number {sender} is not in 0 to {(1 << 16) - 1}")
        self._cluster, self._sender = cluster, sender

    def encode(self, frame: Frame) -> bytes:
        """The datagram that carries `frame`, in this node's name.

        Raises:
            ValueError: the frame is none of those given, or a field is out of range.
        """
        if self._frames.get(frame.KIND) is not type(frame):
            raise ValueError(f"{type(frame).__name__} is not a frame of this envelope")
        return protect(frame.KIND, self._cluster, self._sender, frame.encode())

    def decode(self, data: bytes | memoryview) -> Frame:
        """The frame in a datagram, whoever sent it.

        Raises:
            MalformedFrame: see :meth:`open`.
        """
        return self.open(data).frame

    def open(self, data: bytes | memoryview) -> Opened:
        """The frame in a datagram and its sender.

        Raises:
            MalformedFrame: it is too short, foreign, of another version, of another cluster,
                corrupt, of a kind not known here, or the frame in it is malformed.
        """
        kind, sender, body = unprotect(data, self._cluster)
        cls = self._frames.get(kind)
        if cls is None:
            raise MalformedFrame(UNKNOWN_KIND)
        return Opened(NodeId(sender), cls.decode(body))


def protect(kind: int, cluster: int, sender: int, body: bytes) -> bytes:
    """The datagram of version 1 that carries a body."""
    header = _HEADER.pack(MAGIC, VERSION, kind, cluster, sender, 0)[:_CHECKED]
    check = crc32(body, crc32(header))
    return b"".join((header, check.to_bytes(_CHECK_BYTES, "big"), body))


def unprotect(data: bytes | memoryview, cluster: int) -> tuple[int, int, memoryview]:
    """The kind, the sender and the body of a datagram that is whole and for this cluster.

    Raises:
        MalformedFrame: it is too short, foreign, of another version, of another cluster, or
            corrupt.
    """
    if len(data) < _HEADER.size:
        raise MalformedFrame(TOO_SHORT)
    magic, version, kind, its_cluster, sender, check = _HEADER.unpack_from(data)
    if magic != MAGIC:
        raise MalformedFrame(FOREIGN_MAGIC)
    if version != VERSION:
        raise MalformedFrame(OTHER_VERSION)
    if its_cluster != cluster:
        raise MalformedFrame(WRONG_CLUSTER)
    view = memoryview(data)
    body = view[_HEADER.size :]
    if crc32(body, crc32(view[:_CHECKED])) != check:
        raise MalformedFrame(BAD_CHECKSUM)
    return kind, sender, body
