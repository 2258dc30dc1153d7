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
    from vsync.node.blocking import BlockingGroup
    from vsync.node.channel import ProcessGroup
    from vsync.node.group import Group
    from vsync.node.joining import join
    from vsync.node.locks import Grant, Locks
    from vsync.node.message import Message, NotAMember
    from vsync.node.side import AheadOfTime
    from vsync.node.state import CommandDiscarded, CommandRejected, ResultUnknown, State
    from vsync.node.told import SlowConsumer, StateNotSaved
    from vsync.replication.events import View
    from vsync.replication.machine import Context, Replicated
    from vsync.replication.objects import Counter, Queue, ReplicatedDict
    from vsync.replication.quorum import MajorityOfExpected, MajorityOfLast, NoQuorum
    from vsync.states import Cause
    from vsync.timestamps import Timestamp, compare

_HOMES = {
    "AheadOfTime": "vsync.node.side",
    "BlockingGroup": "vsync.node.blocking",
    "BootState": "vsync.events",
    "Cause": "vsync.states",
    "CommandDiscarded": "vsync.node.state",
    "CommandRejected": "vsync.node.state",
    "Configuration": "vsync.events",
    "Context": "vsync.replication.machine",
    "Counter": "vsync.replication.objects",
    "Engine": "vsync.engine",
    "Grant": "vsync.node.locks",
    "Group": "vsync.node.group",
    "Kind": "vsync.events",
    "Locks": "vsync.node.locks",
    "MajorityOfExpected": "vsync.replication.quorum",
    "MajorityOfLast": "vsync.replication.quorum",
    "Message": "vsync.node.message",
    "Messages": "vsync.events",
    "NoQuorum": "vsync.replication.quorum",
    "NotAMember": "vsync.node.message",
    "ProcessGroup": "vsync.node.channel",
    "Queue": "vsync.replication.objects",
    "Replicated": "vsync.replication.machine",
    "ReplicatedDict": "vsync.replication.objects",
    "ResultUnknown": "vsync.node.state",
    "RingConfig": "vsync.config",
    "RingId": "vsync.identity",
    "Service": "vsync.identity",
    "SlowConsumer": "vsync.node.loop",
    "State": "vsync.node.state",
    "StateNotSaved": "vsync.node.loop",
    "Timestamp": "vsync.timestamps",
    "View": "vsync.replication.events",
    "compare": "vsync.timestamps",
    "join": "vsync.node.joining",
}

__all__ = [
    "AheadOfTime",
    "BlockingGroup",
    "BootState",
    "Cause",
    "CommandDiscarded",
    "CommandRejected",
    "Configuration",
    "Context",
    "Counter",
    "Engine",
    "Grant",
    "Group",
    "Kind",
    "Locks",
    "MajorityOfExpected",
    "MajorityOfLast",
    "Message",
    "Messages",
    "NoQuorum",
    "NotAMember",
    "ProcessGroup",
    "Queue",
    "Replicated",
    "ReplicatedDict",
    "ResultUnknown",
    "RingConfig",
    "RingId",
    "Service",
    "SlowConsumer",
    "State",
    "StateNotSaved",
    "Timestamp",
    "View",
    "compare",
    "join",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = globals()[name] = getattr(import_module(_HOMES[name]), name)
        return value
    raise AttributeError(f"module 'vsync' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
