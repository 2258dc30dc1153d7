"""The base of replicated state: a deterministic state machine.

::

    class Account(Replicated):
        def __init__(self):
            self.balance = 0

        def apply(self, command, context):
            amount = int(command)
            if self.balance + amount < 0:
                return "refused"
            self.balance += amount
            return self.balance

        def snapshot(self):
            yield b"%d" % self.balance

        def restore(self, pieces):
            (self.balance,) = map(int, pieces)

Every replica applies the same commands in the same order, so all have the same state, if `apply`
depends on nothing else: no clock (``context.timestamp`` is the group's), no randomness (seed a
generator with the timestamp), no order of a set, no other state. Test yours in the simulator
(:mod:`vsync.replication.simulation`): it compares the replicas after every message, if the machine
has a method ``digest()`` that sums up the state.

Schneider, "Implementing Fault-Tolerant Services Using the State Machine Approach", ACM Computing
Surveys 22(4), 1990.
"""

from collections.abc import Iterable
from typing import NamedTuple

from vsync.identity import RingId, message_name
from vsync.replication.events import View


class Context(NamedTuple):
    """Where a command stands in the order; the same at every replica."""

    timestamp: int
    """ns since the Unix epoch; grows from command to command, over crashes and merges too."""
    error: int
    """True time lies within `timestamp` ± this, ns."""
    origin: int
    """The member that sent it."""
    ring: RingId
    sequence: int
    place: int
    """Among the messages of its datagram."""

    @property
    def name(self) -> str:
        """The message's name, unique for ever."""
        return message_name(self.ring, self.sequence, self.place)


class Replicated:
    """A state machine to be replicated. Inherit from it, and fill in the first three methods."""

    def apply(self, command: bytes, context: Context) -> object:
        """Change the state by one command. The result is told to whoever sent it.

        Must not raise, whatever the command holds: an exception ends the member.
        """
        raise NotImplementedError

    def snapshot(self) -> Iterable[bytes]:
        """The state as it is at this call, in pieces of any size.

        Called at a cut of the order; the pieces are asked for one by one, later, while commands go
        on being applied: hold on to a copy, or to values that do not change. ::

            def snapshot(self):
                items = list(self.table.items())  # now
                return (encode(item) for item in items)  # later
        """
        raise NotImplementedError

    def restore(self, pieces: Iterable[bytes]) -> None:
        """Replace the whole state by a snapshot's, whose pieces come as they were made."""
        raise NotImplementedError

    def members_changed(self, view: View) -> None:
        """Who keeps this state has changed, at a place that is the same for all who keep it.

        ``view.joined`` and ``view.left`` compare with the last such call. A member that was cut off
        and came back within one change is in both.
        """
