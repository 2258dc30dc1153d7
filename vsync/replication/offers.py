"""What replicas tell of their states when a ring begins, and whose state is taken.

A replica always has *some* state: at first that of its constructor. Replicas have the same one if
they came the same *path*: they opened the same ring with it, and went through the same transitional
configurations since (a path is the names of these). All who came the chosen path hold the state;
everybody else receives it.

Chosen is, in this order: the state that was last in a primary component (latest ring first), the
one to which most commands were applied, the one whose smallest holder is smallest. Everybody has
the same offers, so everybody chooses the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from vsync.identity import RingId
from vsync.replication import parsing
from vsync.replication.quorum import Memory


@dataclass(frozen=True, slots=True)
class Offer:
    """One replica's state, from outside."""

    position: RingId
    """The last ring on which it was a primary's; ``NO_RING`` if it never was."""
    applied: int
    """How many commands were applied to it, ever."""
    path: tuple[str, ...]
    has_voice: bool
    """Whether this process has held the state of a primary since it began: only then does it know
    of it (:mod:`~vsync.replication.quorum`)."""
    memory: Memory

    def to_json(self) -> object:
        """A value of JSON."""
        memory = self.memory.to_json()
        return [list(self.position), self.applied, list(self.path), self.has_voice, memory]

    @classmethod
    def from_json(cls, value: object) -> "Offer | None":
        """The offer in a value of JSON; None if there is none: that member keeps no state."""
        try:
            match value:
                case [position, int(applied), path, bool(has_voice), memory]:
                    return cls(
                        parsing.ring(position),
                        applied,
                        parsing.texts(path),
                        has_voice,
                        Memory.from_json(memory),
                    )
        except ValueError:
            pass
        return None


def read(offers: Mapping[int, object]) -> dict[int, Offer]:
    """The offers of those who keep a state."""
    found = {member: Offer.from_json(value) for member, value in sorted(offers.items())}
    return {member: offer for member, offer in found.items() if offer is not None}


def holders(offers: Mapping[int, Offer]) -> set[int]:
    """Who holds the state that is chosen.

    >>> from vsync.identity import NO_RING
    >>> from vsync.replication.quorum import NOTHING_KNOWN
    >>> mine = Offer(NO_RING, 7, ("R3.1.5",), False, NOTHING_KNOWN)
    >>> other = Offer(NO_RING, 9, ("R3.4.8",), False, NOTHING_KNOWN)
    >>> sorted(holders({1: mine, 2: mine, 4: other}))
    [4]
    """
    chosen = max(offers, key=lambda member: (*rank(offers[member]), -member))
    return {member for member, offer in offers.items() if offer.path == offers[chosen].path}


def rank(offer: Offer) -> tuple[RingId, int]:
    """What a state is chosen for."""
    return offer.position, offer.applied
