"""What the ring's thread and the application's side say to each other."""

from dataclasses import dataclass
from typing import Protocol

from clocksync.runtime.errors import ToolkitError
from vsync.events import (
    BootState,
    Configuration,
    Left,
    Messages,
    Moved,
    ObservationRefused,
    Observed,
    Pressure,
    Refused,
    TimeRefused,
)


class SlowConsumer(ToolkitError):
    """The application did not take what was delivered to it for too long."""


class StateNotSaved(ToolkitError):
    """The disk did not take what a member must find again: without it nothing may be promised."""


class Disk(Protocol):
    def save(self, state: BootState) -> None: ...


@dataclass(frozen=True, slots=True)
class Own:
    """Messages of ours were delivered to us: those with these handles."""

    messages: Messages
    handles: range


@dataclass(frozen=True, slots=True)
class Room:
    """There is room in the send queue again, which somebody waits for."""


Told = (
    Messages
    | Own
    | Room
    | Configuration
    | Moved
    | Pressure
    | Refused
    | TimeRefused
    | Observed
    | ObservationRefused
    | Left
)
"""What the application's side is told, in order."""


class Listener(Protocol):
    """The application's side. Both are called in the ring's thread, or in one that submits."""

    def told(self, events: list[Told]) -> None:
        """What happened in one turn."""

    def ended(self, error: BaseException | None) -> None:
        """Nothing more will happen: the member left, or failed for this reason."""
