"""The messages of the control channel, group 0: who is in which group.

They are JSON: few, nested, and read by people who look for what went wrong. Whatever does not fit
is dropped, equally by everybody. How commands and states travel is in :mod:`~.replica`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from vsync.identity import RingId
from vsync.replication import parsing
from vsync.replication.quorum import Memory

NAME_MAX = 200
"""Characters of a group's name."""


@dataclass(frozen=True, slots=True)
class Roll:
    """What a member brings to the ring that begins: its groups, and what it knows of quorums."""

    ring: RingId
    memory: Memory
    groups: Mapping[str, object]
    """Of each the offer of its replica, None without one."""


@dataclass(frozen=True, slots=True)
class Join:
    """The sender is in this group from here on."""

    group: str
    offer: object


@dataclass(frozen=True, slots=True)
class Leave:
    """The sender is in this group no more, if `view` is still its view.

    Somebody who joins meanwhile may need the state of who leaves.
    """

    group: str
    view: str | None = None
    """None: whatever the view is."""


def encode(message: Roll | Join | Leave) -> bytes:
    """The bytes of a control message."""
    match message:
        case Roll(ring, memory, groups):
            value: object = ["roll", list(ring), memory.to_json(), dict(groups)]
        case Join(group, offer):
            value = ["join", group, offer]
        case Leave(group, view):
            value = ["leave", group, view]
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def decode(data: bytes) -> Roll | Join | Leave | None:
    """The message in these bytes; None if there is none."""
    try:
        value = json.loads(data)
        match value:
            case ["roll", ring, memory, dict(groups)] if all(map(is_name, groups)):
                return Roll(parsing.ring(ring), Memory.from_json(memory), groups)
            case ["join", group, offer] if is_name(group):
                return Join(group, offer)
            case ["leave", group, None | str() as view] if is_name(group):
                return Leave(group, view)
    except (ValueError, RecursionError):
        pass
    return None


def is_name(value: object) -> bool:
    """Whether a group may be called so.

    >>> is_name("orders"), is_name("")
    (True, False)
    """
    return isinstance(value, str) and 0 < len(value) <= NAME_MAX
