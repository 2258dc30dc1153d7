"""What the layers above the ring read from its events."""

from vsync.events import Messages, Moved
from vsync.states import State

CONTROL = 0
"""The number of the control channel."""


def is_regular(messages: Messages) -> bool:
    """Whether they were delivered in a regular configuration."""
    return messages.configuration.startswith("R")


def tells_loss(moved: Moved) -> bool | None:
    """True: the ring is lost. False: nobody answered, and the same one goes on."""
    if moved.before is State.OPERATIONAL and moved.after is State.GATHER:
        return True
    if moved.before is State.GATHER and moved.after is State.OPERATIONAL:
        return False
    return None
