"""Stamps that travel in front of messages.

``wrap`` makes a send event and puts its stamp before the message; ``unwrap`` reads it, makes the
receive event and hands both over. The envelope is one byte for the kind of stamp, the stamp's
length as LEB128, the stamp, the message. A message of another kind of clock, or one that was
never wrapped, is refused before any clock has moved.
"""

from typing import Generic, NamedTuple, TypeVar

from clocksync.runtime.errors import MalformedFrame
from ordering.process import read_number, write_number

StampT = TypeVar("StampT")

# Unlikely first bytes of text, JSON or msgpack maps, so that an unwrapped message is noticed.
LAMPORT_KIND = 0xC1
VECTOR_KIND = 0xC2
HYBRID_KIND = 0xC3
INTERVAL_TREE_KIND = 0xC4


class Received(NamedTuple, Generic[StampT]):
    """An opened envelope: the message, the sender's stamp, and the stamp of the receipt."""

    message: bytes
    sent: StampT
    received: StampT


def seal(kind: int, stamp: bytes, message: bytes) -> bytes:
    """The envelope of `message`."""
    return b"".join((bytes((kind,)), write_number(len(stamp)), stamp, message))


def open_envelope(kind: int, data: bytes) -> tuple[bytes, bytes]:
    """The stamp's bytes and the message in an envelope of that kind.

    Raises:
        MalformedFrame: it is cut short, or it is no envelope of this kind.
    """
    if not data:
        raise MalformedFrame("too short")
    if data[0] != kind:
        raise MalformedFrame("not stamped by this kind of clock")
    size, at = read_number(data, 1)
    if at + size > len(data):
        raise MalformedFrame("too short")
    return bytes(data[at : at + size]), bytes(data[at + size :])
