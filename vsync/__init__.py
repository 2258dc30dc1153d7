"""vsync: extended virtual synchrony over a Totem token ring.

>>> import vsync
>>> joining = vsync.join(
...     "orders", id=1, listen="127.0.0.1:5410", peers={}, insecure_plaintext=True
... )
>>> joining.id      # async with joining as group: ...
1

:func:`join` makes this process a member of a group (``docs/groups.md``). :class:`Engine` is the
member's state machine, which does no I/O: one input and the time go into :meth:`Engine.step`,
effects come out; :mod:`vsync.testing` runs groups of them in virtual time. ``docs/ring.md`` tells
what it promises and how.

Names are resolved on first use, so that a simulation never loads sockets.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vsync.config import RingConfig
    from vsync.engine import Engine
    from vsync.events import BootState, Configuration, Kind, Messages
    from vsync.identity import RingId, Service
    from vsync.node.group import BlockingGroup, Group, Message, NotAMember
    from vsync.node.joining import join
    from vsync.node.loop import SlowConsumer, StateNotSaved
    from vsync.states import Cause, State

_HOMES = {
    "BlockingGroup": "vsync.node.group",
    "BootState": "vsync.events",
    "Cause": "vsync.states",
    "Configuration": "vsync.events",
    "Engine": "vsync.engine",
    "Group": "vsync.node.group",
    "Kind": "vsync.events",
    "Message": "vsync.node.group",
    "Messages": "vsync.events",
    "NotAMember": "vsync.node.group",
    "RingConfig": "vsync.config",
    "RingId": "vsync.identity",
    "Service": "vsync.identity",
    "SlowConsumer": "vsync.node.loop",
    "State": "vsync.states",
    "StateNotSaved": "vsync.node.loop",
    "join": "vsync.node.joining",
}

__all__ = [
    "BlockingGroup",
    "BootState",
    "Cause",
    "Configuration",
    "Engine",
    "Group",
    "Kind",
    "Message",
    "Messages",
    "NotAMember",
    "RingConfig",
    "RingId",
    "Service",
    "SlowConsumer",
    "State",
    "StateNotSaved",
    "join",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = globals()[name] = getattr(import_module(_HOMES[name]), name)
        return value
    raise AttributeError(f"module 'vsync' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
