"""Batches: the messages a member multicasts in one go, and the unit of all the work below.

Protocols stamp, queue, acknowledge and order batches; what they cost a message is a slice. All
messages of a batch are neighbours in every order, in the sequence they were multicast in.
"""

import struct
from itertools import accumulate, pairwise
from typing import NamedTuple

from clocksync.runtime.errors import MalformedFrame

MESSAGE_BYTES_MAX = 65_535
MESSAGES_MAX = 8_192
BATCH_BYTES_MAX = 32_768
"""No message is added to a batch of this size: larger ones make the others wait longer."""

_COUNT = struct.Struct(">H")


class Batch(NamedTuple):
    """Messages delivered together."""

    origin: int
    """The member that multicast them."""

    first: int
    """The number of the first, among the messages of its origin, from 1."""

    messages: list[bytes]

    stamp: tuple[int, ...]
    """Why it is here. Total order by acknowledgements: Lamport's (time, process). Causal: how many
    batches of each member, in the order of their numbers, came before or are this one. Sequencer:
    (position,). FIFO: (number of this batch of its origin,)."""


def pack(messages: list[bytes]) -> bytes:
    """The messages as bytes: how many, how long each is, and they."""
    count = len(messages)
    return b"".join((struct.pack(f">H{count}H", count, *map(len, messages)), *messages))


def unpack(data: bytes, at: int = 0) -> list[bytes]:
    """The messages that :func:`pack` wrote, from `at` to the end.

    Raises:
        MalformedFrame: they do not end where the bytes do.
    """
    if len(data) < at + _COUNT.size:
        raise MalformedFrame("too short")
    (count,) = _COUNT.unpack_from(data, at)
    start = at + _COUNT.size * (count + 1)
    if not 0 < count <= MESSAGES_MAX or len(data) < start:
        raise MalformedFrame("a batch that says it is empty, or longer than it is")
    lengths = struct.unpack_from(f">{count}H", data, at + _COUNT.size)
    ends = list(accumulate(lengths, initial=start))
    if ends[-1] != len(data):
        raise MalformedFrame("a batch does not end where it says")
    return [data[begin:end] for begin, end in pairwise(ends)]


def take_batch(pending: list[bytes]) -> list[bytes]:
    """Take the messages of the next batch from the front of `pending`; there is one at least."""
    size = taken = 0
    for message in pending:
        if taken == MESSAGES_MAX or size >= BATCH_BYTES_MAX:
            break
        size += len(message)
        taken += 1
    batch = pending[:taken]
    del pending[:taken]
    return batch
