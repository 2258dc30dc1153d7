"""The states of a disciplined clock, why it goes from one to the next, and what is told: as data.

:class:`~clocksync.steering.discipline.Discipline` has one door (``_move``), which reads
:data:`NEXT`; the diagram in ``docs/discipline-states.md`` is drawn from the same table, and a test
holds it complete.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from clocksync.runtime.interval import Interval


class State(StrEnum):
    """How a disciplined clock stands to true time."""

    UNLOCKED = "unlocked"
    """It has no trustworthy time: its bound says nothing."""
    STEPPING = "stepping"
    """It knows the time and is on its way there: by a step forward, or slewed back."""
    LOCKED = "locked"
    """It follows its hosts."""
    HOLDOVER = "holdover"
    """It goes on by the frequency it has learnt, and its bound grows."""


class Cause(StrEnum):
    """Why the state changes."""

    AGREED = "enough hosts agree on a time"
    SETTLED = "the clock has arrived at the time the hosts agree on"
    FAR_OFF = "the hosts agree on a time far from the clock's"
    SOURCES_LOST = "too few hosts answer"
    DISAGREED = "no majority of the hosts agrees"
    CONTRADICTED = "the hosts agree on a time that the bound had excluded"
    CONFIRMED = "the hosts keep to the time that the bound had excluded"
    RETURNED = "enough hosts agree again"
    SLEPT = "the machine was suspended"
    BOUND_LOST = "the bound has grown beyond use"


def _to(state: State, *causes: Cause) -> dict[Cause, State]:
    return dict.fromkeys(causes, state)


_TROUBLE = (Cause.SOURCES_LOST, Cause.DISAGREED, Cause.CONTRADICTED, Cause.SLEPT)

NEXT: Mapping[State, Mapping[Cause, State]] = MappingProxyType(
    {
        State.UNLOCKED: _to(State.STEPPING, Cause.AGREED),
        State.STEPPING: _to(State.LOCKED, Cause.SETTLED)
        | _to(State.HOLDOVER, *_TROUBLE)
        | _to(State.STEPPING, Cause.CONFIRMED),
        State.LOCKED: _to(State.STEPPING, Cause.FAR_OFF) | _to(State.HOLDOVER, *_TROUBLE),
        State.HOLDOVER: _to(State.LOCKED, Cause.RETURNED)
        | _to(State.STEPPING, Cause.FAR_OFF, Cause.CONFIRMED)
        | _to(State.UNLOCKED, Cause.BOUND_LOST),
    }
)
"""What each cause leads to; a cause that is not listed for a state cannot occur in it."""


@dataclass(frozen=True, slots=True)
class StateChanged:
    """The clock went from one state to another."""

    before: State
    after: State
    cause: Cause
    bound_ns: int | None
    """How far the clock may be off true time; None where nobody knows."""

    def __str__(self) -> str:
        return f"{self.after.value} ({self.cause.value})"


@dataclass(frozen=True, slots=True)
class ClockStepped:
    """The clock jumped forward at once."""

    by_ns: int


@dataclass(frozen=True, slots=True)
class HostJudged:
    """A host's standing changed: see :class:`~clocksync.steering.source.Standing`."""

    host: int
    standing: str
    reason: str


@dataclass(frozen=True, slots=True)
class Followed:
    """The clock took in what its hosts agree on: true time minus the base lies in `agreed`."""

    at: int
    agreed: Interval
    host: int
    innovation_ns: int
    """By how much the answer differed from what was expected."""


Event = StateChanged | ClockStepped | HostJudged | Followed
