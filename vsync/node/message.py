"""What an application is told by a group."""

from typing import NamedTuple

from clocksync.runtime.errors import ToolkitError
from vsync.events import Configuration, Messages
from vsync.identity import Service, message_name

Event = Messages | Configuration
"""What :meth:`Group.batches` tells: messages by the datagram, and configuration changes."""


class NotAMember(ToolkitError):
    """This member has left the group, or was stopped."""


class Message(NamedTuple):
    """One message, the same at every member."""

    payload: bytes
    origin: int
    """The member that sent it."""
    service: Service
    timestamp: int
    """ns since the Unix epoch; grows from message to message."""
    error: int
    """True time when it was ordered lies within `timestamp` ± this, ns."""
    flags: tuple[str, ...]
    configuration: str
    name: str
    """Unique: the ring, its number, and its place in the datagram."""


def unfold(messages: Messages) -> list[Message]:
    """The messages of a datagram, one by one."""
    ring, sequence, whole = messages.ring, messages.sequence, messages.whole
    return [
        Message(
            payload,
            messages.origin,
            messages.service,
            messages.timestamp + n,
            messages.error,
            messages.flags,
            messages.configuration,
            message_name(ring, sequence, n if whole else None),
        )
        for n, payload in enumerate(messages.payloads)
    ]
