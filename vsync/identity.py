"""Names of rings, configurations and messages.

A *ring* is the mechanism (members in order, a token); a *configuration* is the view the application
sees (Moser et al., "Extended Virtual Synchrony", ICDCS 1994, section 2). A regular configuration
has its ring's members; a transitional one holds those members of the next ring that come straight
from the same ring as we do.

Ring sequence numbers only grow and are durable. A nonce, drawn when the ring is formed, keeps two
rings apart even where storage was lost and a number came twice.
"""

import hashlib
from enum import Enum
from functools import lru_cache
from typing import NamedTuple


class Service(Enum):
    """How a message is ordered."""

    AGREED = "agreed"
    """Delivered in the same order by everybody."""

    SAFE = "safe"
    """And not before every member of the configuration has it."""


class RingId(NamedTuple):
    """One ring, for ever. Compared as a tuple: a later ring of one process is greater.

    >>> str(RingId(5, 1, 0xA3))
    '5.1.a3'
    """

    sequence: int
    representative: int
    nonce: int

    def __str__(self) -> str:
        return _name(self)


@lru_cache(maxsize=256)
def _name(ring: RingId) -> str:
    return f"{ring.sequence}.{ring.representative}.{ring.nonce:x}"


NO_RING = RingId(0, 0, 0)
"""No ring has the number 0: it stands for "none" on the wire."""


def regular_id(ring: RingId) -> str:
    """The id of the regular configuration of `ring`."""
    return f"R{ring}"


def transitional_id(ring: RingId, members: tuple[int, ...]) -> str:
    """The id of the transitional configuration with these members on the way to `ring`.

    One ring is reached by several transitional configurations, one from each ring its members come
    from. Their members are disjoint, so the smallest tells them apart.
    """
    return f"T{ring}.{min(members)}"


def message_name(ring: RingId, sequence: int, index: int | None) -> str:
    """A message's name in histories; `index` is its place in a datagram of whole messages."""
    return f"{ring}/{sequence}" if index is None else f"{ring}/{sequence}.{index}"


WHOLE_RING = 1
"""The number of messages for all members of a ring, whatever groups they are in."""


def group_number(name: str) -> int:
    """The number of a group on the wire, 2 to 2^32 - 1: the first bytes of its name's SHA-256.

    0 is the channel that says who is in which group, :data:`WHOLE_RING` what its name says.

    >>> group_number("orders")
    471239387
    """
    return max(2, int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big"))
