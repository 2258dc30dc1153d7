"""Reliable FIFO links over datagrams, as a core: the ground of multicast and mutual exclusion.

Why not TCP: ``docs/decisions/0008-links-are-a-core.md``.
"""

from ordering.links.link import Link, LinkCounters, LinkSettings
from ordering.links.links import Links, LinkTimer, PeerMisbehaved
from ordering.links.segment import Segment
from ordering.links.stream import Record, Unpacker, cut

__all__ = [
    "Link",
    "LinkCounters",
    "LinkSettings",
    "LinkTimer",
    "Links",
    "PeerMisbehaved",
    "Record",
    "Segment",
    "Unpacker",
    "cut",
]
