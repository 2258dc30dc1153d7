"""The exchange of rolls when a ring begins, and what every process keeps of groups."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from vsync.events import Configuration, Messages
from vsync.identity import group_number
from vsync.replication.control import Join, Leave, Roll


@dataclass(slots=True)
class Table:
    """A group, as every process of the ring knows it."""

    name: str
    members: tuple[int, ...]
    view: str
    """The name of its last view."""


@dataclass(frozen=True, slots=True)
class Request:
    """A join or leave, and where it was delivered."""

    origin: int
    what: Join | Leave
    place: Messages
    index: int


Held = Messages | Configuration | Request


@dataclass(slots=True)
class Exchange:
    """The rolls of a ring that begins, and what waits for them."""

    configuration: Configuration
    rolls: dict[int, Roll] = field(default_factory=dict)
    held: list[Held] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        return len(self.rolls) == len(self.configuration.members)

    def groups(self) -> dict[int, Table]:
        """The groups that the rolls name, by number.

        Where two names have one number, the first by alphabet stays: nobody can tell which was the
        earlier one in two components that meet.
        """
        names: dict[int, str] = {}
        for name in sorted({name for roll in self.rolls.values() for name in roll.groups}):
            names.setdefault(group_number(name), name)
        view = str(self.configuration.ring)
        return {number: Table(name, _in(name, self.rolls), view) for number, name in names.items()}


def _in(name: str, rolls: Mapping[int, Roll]) -> tuple[int, ...]:
    return tuple(sorted(member for member, roll in rolls.items() if name in roll.groups))
