"""Whose orders count, and what a clock is claimed to be close to."""

from dataclasses import dataclass
from typing import NamedTuple


class Reign(NamedTuple):
    """The higher term counts; of one term, the daemon of lower number. `boot` tells starts of that
    daemon's program apart."""

    term: int
    daemon: int
    boot: int

    def beats(self, other: "Reign") -> bool:
        """Whether who has obeyed `other` obeys this one from now on."""
        return (self.term, -self.daemon) > (other.term, -other.daemon)


NOBODY = Reign(0, 0, 0)


@dataclass(frozen=True, slots=True)
class Claim:
    """How far a settled clock was at most from the time of the group under `reign`, when the
    clock that keeps the claim showed `as_of`; ns."""

    bound: int
    as_of: int
    reign: Reign
