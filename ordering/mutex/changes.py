"""What a group with epochs tells its application, beside grants."""

from dataclasses import dataclass

from clocksync.runtime.units import NodeId


@dataclass(frozen=True, slots=True)
class EpochBegan:
    """There is a new epoch; the first of its members leads where the algorithm has a leader."""

    generation: int
    members: tuple[NodeId, ...]

    def __str__(self) -> str:
        return f"epoch {self.generation} of {', '.join(map(str, self.members))}"


@dataclass(frozen=True, slots=True)
class Blocked:
    """Nothing can be granted to us for now; it ends with a grant or an epoch."""

    why: str

    def __str__(self) -> str:
        return f"blocked: {self.why}"


@dataclass(frozen=True, slots=True)
class Left:
    """We are a member no more, as we asked."""
