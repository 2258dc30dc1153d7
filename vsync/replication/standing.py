"""Where a replicated group stands on its ring: who holds the state, and whether that is a quorum.

All who hold the state keep an equal one, and change it at the same places of the order. It travels
in the header of a state (:meth:`Standing.to_json`), so that a receiver goes on from there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from vsync.identity import NO_RING, RingId
from vsync.replication import offers, parsing
from vsync.replication.offers import Offer
from vsync.replication.quorum import (
    NOTHING_KNOWN,
    Memory,
    Policy,
    Primary,
    merged,
)


@dataclass(slots=True)
class Standing:
    """The standing of one group on one ring."""

    ring: RingId = NO_RING
    members: frozenset[int] = frozenset()
    """Who keeps a replica."""
    holders: frozenset[int] = frozenset()
    """Who holds the state; the smallest of them sends it to the others."""
    voices: frozenset[int] = frozenset()
    """Who has held the state of a primary, and would know of it."""
    knows: bool = False
    """Whether these must know of the last primary."""
    is_primary: bool = False
    is_certain: bool = False
    memory: Memory = field(default=NOTHING_KNOWN)

    @classmethod
    def opening(cls, ring: RingId, found: Mapping[int, Offer], policy: Policy) -> "Standing":
        """That of a ring that begins with these offers."""
        voices = frozenset(member for member, offer in found.items() if offer.has_voice)
        made = cls(ring, frozenset(found), frozenset(offers.holders(found)), voices)
        made.memory = merged(found[member].memory for member in sorted(voices))
        made.knows = policy.knows(voices, made.members, made.memory)
        return made

    def may_be_primary(self, policy: Policy) -> bool:
        """Whether they will be one when all have the state."""
        return self.knows and policy.has_quorum(self.members, self.memory)

    def join(self, member: int) -> None:
        """Somebody without the state has come."""
        self.members |= {member}
        self.holders -= {member}

    def leave(self, member: int) -> None:
        """Somebody has left the group. What it knew was merged when the ring began."""
        self.members -= {member}
        self.holders -= {member}
        self.voices -= {member}

    def elect(self, policy: Policy, step: int, is_certain: bool) -> None:
        """Decide anew: the members or the holders have changed.

        Args:
            step: the message that changed them.
            is_certain: whether all who live will come to this.
        """
        self.knows = self.knows or policy.knows(self.voices, self.members, self.memory)
        self.is_primary = self.may_be_primary(policy) and policy.has_quorum(
            self.holders, self.memory
        )
        if self.is_primary and policy.is_exclusive:
            primary = Primary(self.ring, step, tuple(sorted(self.holders)))
            self.memory = self.memory.formed(primary, is_certain)
            self.voices |= self.holders
            self.is_certain = is_certain

    def to_json(self) -> list[object]:
        """A value of JSON; :meth:`from_json` reads it."""
        return [
            list(self.ring),
            sorted(self.members),
            sorted(self.holders),
            sorted(self.voices),
            self.knows,
            self.is_primary,
            self.is_certain,
            self.memory.to_json(),
        ]

    @classmethod
    def from_json(cls, value: object) -> "Standing":
        """The standing in a value of JSON.

        Raises:
            ValueError: there is none in it.
        """
        match value:
            case [
                ring,
                members,
                holders,
                voices,
                bool(knows),
                bool(is_primary),
                bool(is_certain),
                memory,
            ]:
                return cls(
                    parsing.ring(ring),
                    frozenset(parsing.integers(members)),
                    frozenset(parsing.integers(holders)),
                    frozenset(parsing.integers(voices)),
                    knows,
                    is_primary,
                    is_certain,
                    Memory.from_json(memory),
                )
        raise ValueError(f"{value!r} is no standing")
