"""What a host of the Berkeley algorithm tells its application."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Joined:
    """The daemon heard of a member, or of a former one again."""

    member: int
    is_restart: bool = False
    """Whether its program is another than before: so is its clock."""


@dataclass(frozen=True, slots=True)
class Left:
    """A member said that it goes, or has missed too many rounds."""

    member: int
    why: str


@dataclass(frozen=True, slots=True)
class Elected:
    """We are the daemon now."""

    term: int
    why: str


@dataclass(frozen=True, slots=True)
class Yielded:
    """We were the daemon; another one is."""

    term: int
    to: int


@dataclass(frozen=True, slots=True)
class Obeyed:
    """We are a member, and this is what the daemon of `term` has done to our clock. ns."""

    term: int
    daemon: int
    round: int
    adjustment: int
    bound: int
    excluded: bool
    missed: int
    """Rounds we have missed since the one before."""
    drifted: int | None
    """How far from the group's time our clock may have been just before; None: nobody knew."""


@dataclass(frozen=True, slots=True)
class Row:
    """One clock in a round, the daemon's own among them. ns; None is unknown."""

    id: int
    difference: int | None
    """Its clock minus the daemon's."""
    adjustment: int
    """What it was told in this round."""
    residual: int | None
    """Its settled clock minus the average: as the round left it, or as measured at the end."""
    bound: int | None
    """The residual is right to within this."""
    pending: int
    """What it had still to slew."""
    excluded: bool
    missed: int
    """Rounds in a row that it has not answered in."""
    told: int
    """All it was told in this run."""
    excluded_rounds: int
    """Rounds in which its difference was left out."""
    drifted: int | None
    """How far from the group's time it may have drifted; None: nobody knows."""
    note: str = ""


@dataclass(frozen=True, slots=True)
class RoundDone:
    """A round of ours is over; `is_last`: it only looked at what the others had come to."""

    term: int
    round: int
    average: int
    gamma: int
    rows: tuple[Row, ...]
    is_last: bool = False


@dataclass(frozen=True, slots=True)
class NoMajority:
    """No majority of the clocks lies within gamma of each other: nobody was told to adjust."""

    round: int
    gamma: int
    clocks: int


@dataclass(frozen=True, slots=True)
class Over:
    """All rounds are done; a member has its last residual and bound."""

    residual: int | None = None
    bound: int | None = None


@dataclass(frozen=True, slots=True)
class GaveUp:
    """No daemon was ever heard."""
