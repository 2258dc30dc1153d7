"""What came first, of any two events that carry a group's timestamp.

Within one ring the timestamps themselves are the order. Between rings and groups they are readings
of clocks with a bound, and order two events only where the bounds do not overlap; commit-wait
(:meth:`~vsync.node.group.Group.deliver`) makes events that follow each other in real time never
overlap in the wrong way.
"""

from typing import NamedTuple, Protocol

from clocksync.runtime.interval import Interval
from ordering.interval_order import PhysicalOrder, compare_intervals


class Stamped(Protocol):
    """What :func:`compare` takes: messages, configurations, timestamps."""

    @property
    def timestamp(self) -> int:
        """ns since the Unix epoch."""

    @property
    def error(self) -> int:
        """True time lies within `timestamp` ± this, ns."""


class Timestamp(NamedTuple):
    """A reading of the group's time while a message is handled: at every member the same.

    Readings grow: within the handling of one message by :attr:`reading`, from message to message by
    :attr:`timestamp`.
    """

    timestamp: int
    """That of the message, ns since the Unix epoch."""
    reading: int
    """How many readings of this message came before."""
    error: int
    """True time lies within `timestamp` ± this, ns."""
    ring: str
    """On which the message was ordered."""

    def __str__(self) -> str:
        return f"{self.timestamp}.{self.reading}"


def interval_of(event: Stamped) -> Interval:
    """Where true time was when the event got its timestamp."""
    return Interval.around(event.timestamp, event.error)


def compare(first: Stamped, second: Stamped) -> PhysicalOrder:
    """Which of two events came first: by the order of the ring they share, else by their bounds.

    Args:
        first: a message, a configuration, or what :meth:`~vsync.node.group.Group.timestamp` gave;
            of any group.
        second: likewise.

    >>> late = Timestamp(2_000, 0, 50, "5.1.a")
    >>> str(compare(Timestamp(1_000, 0, 50, "7.2.b"), late))
    'before'
    >>> str(compare(Timestamp(1_990, 0, 50, "7.2.b"), late))
    'possibly concurrent'
    >>> str(compare(Timestamp(1_990, 0, 50, "5.1.a"), late))
    'before'
    """
    ring = _ring_of(first)
    if ring and ring == _ring_of(second):
        one, other = _place_of(first), _place_of(second)
        if one != other:
            return PhysicalOrder.BEFORE if one < other else PhysicalOrder.AFTER
    return compare_intervals(interval_of(first), interval_of(second))


def _ring_of(event: Stamped) -> str:
    """The ring whose order an event is part of; empty where it does not say."""
    name = getattr(event, "name", None)
    if isinstance(name, str):
        return name.rpartition("/")[0]
    return str(getattr(event, "ring", ""))


def _place_of(event: Stamped) -> tuple[int, int]:
    return event.timestamp, getattr(event, "reading", 0)
