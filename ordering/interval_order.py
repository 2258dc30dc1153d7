"""Ordering events by bounded physical time, tightened by causality.

Two events with time intervals compare to *before*, *after* or *possibly concurrent*: before only
if the intervals do not overlap. That never lies while the bounds hold, but it is often undecided.
Causality decides more, in two ways:

1. An event that happened before another was earlier, however the intervals overlap.
2. It also narrows intervals. If a happened before b, then a was no later than b's latest instant
   and b no earlier than a's earliest. Narrowed intervals decide pairs that no message connects.

A narrowing that leaves nothing proves that some bound was a lie; it is raised, never repaired.

The test on intervals alone is that of Corbett et al., "Spanner", OSDI 2012, section 3
(``TT.after``); narrowing by messages is the argument of Marzullo and Owicki, "Maintaining the time
in a distributed system", 1983, applied to events instead of clocks.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

from clocksync.runtime.errors import ToolkitError
from clocksync.runtime.interval import Interval
from ordering.relation import Order
from ordering.vector import VectorStamp


class PhysicalOrder(Enum):
    """What can be said of two instants that are known only as intervals."""

    BEFORE = "before"
    AFTER = "after"
    POSSIBLY_CONCURRENT = "possibly concurrent"

    def __str__(self) -> str:
        return self.value


def compare_intervals(first: Interval, second: Interval) -> PhysicalOrder:
    """Order two instants by their intervals alone.

    >>> str(compare_intervals(Interval(0, 10), Interval(11, 20)))
    'before'
    >>> str(compare_intervals(Interval(0, 10), Interval(10, 20)))
    'possibly concurrent'
    """
    if first.before(second):
        return PhysicalOrder.BEFORE
    if second.before(first):
        return PhysicalOrder.AFTER
    return PhysicalOrder.POSSIBLY_CONCURRENT


class BoundsContradicted(ToolkitError):
    """Two events happened in one order, and their bounds allow only the other: a bound is wrong."""

    def __init__(self, first: "TimedEvent", second: "TimedEvent") -> None:
        super().__init__(
            f"{first} happened before {second}, but its bounds say later by at least "
            f"{first.time.earliest - second.time.latest} ns: one of the two clocks is "
            "outside its error bound"
        )
        self.first = first
        self.second = second


@dataclass(frozen=True, slots=True)
class TimedEvent:
    """An event known by a time interval (ns) and, if its program was traced, a vector stamp.

    >>> sent = TimedEvent(Interval(100, 200), VectorStamp({"a": 1}))
    >>> received = TimedEvent(Interval(50, 150), VectorStamp({"a": 1, "b": 1}))
    >>> str(sent.compare(received))
    'before'
    >>> print(*(event.time for event in tightened([sent, received])))
    [100, 150] [100, 150]
    >>> stranger = TimedEvent(Interval(160, 300))
    >>> str(sent.compare(stranger)), str(tightened([sent, received])[0].compare(stranger))
    ('possibly concurrent', 'before')
    """

    time: Interval
    stamp: VectorStamp | None = None

    def compare(self, other: "TimedEvent") -> PhysicalOrder:
        """Which came first: by causality where the stamps tell, else by the intervals.

        Raises:
            BoundsContradicted: causality says one order and the intervals certainly the other.
        """
        by_time = compare_intervals(self.time, other.time)
        match self._causal(other):
            case Order.BEFORE:
                if by_time is PhysicalOrder.AFTER:
                    raise BoundsContradicted(self, other)
                return PhysicalOrder.BEFORE
            case Order.AFTER:
                if by_time is PhysicalOrder.BEFORE:
                    raise BoundsContradicted(other, self)
                return PhysicalOrder.AFTER
            case _:
                return by_time

    def _causal(self, other: "TimedEvent") -> Order:
        if self.stamp is None or other.stamp is None:
            return Order.CONCURRENT
        return self.stamp.compare(other.stamp)

    def __str__(self) -> str:
        return (
            f"the event {self.stamp} at {self.time}" if self.stamp else f"an event at {self.time}"
        )


def tightened(events: Sequence[TimedEvent]) -> list[TimedEvent]:
    """The same events in the same order, their intervals narrowed by what happened before what.

    The cost is quadratic in the number of stamped events; narrow a run piece by piece.

    Raises:
        BoundsContradicted: nothing is left of an interval: some bound was a lie.
    """
    stamped = [place for place, event in enumerate(events) if event.stamp is not None]
    # A stamp's past has a smaller sum than the stamp, so this visits causes before effects.
    stamped.sort(key=lambda place: sum(count for _, count in _stamp(events[place]).items()))
    earliest = {place: events[place].time.earliest for place in stamped}
    latest = {place: events[place].time.latest for place in stamped}
    for at, effect in enumerate(stamped):
        for cause in stamped[:at]:
            if earliest[cause] > earliest[effect] and _precedes(events, cause, effect):
                if earliest[cause] > events[effect].time.latest:
                    raise BoundsContradicted(events[cause], events[effect])
                earliest[effect] = earliest[cause]
    for at in reversed(range(len(stamped))):
        cause = stamped[at]
        for effect in stamped[at + 1 :]:
            if latest[effect] < latest[cause] and _precedes(events, cause, effect):
                latest[cause] = latest[effect]
    narrowed = list(events)
    for place in stamped:
        narrowed[place] = replace(events[place], time=Interval(earliest[place], latest[place]))
    return narrowed


def _stamp(event: TimedEvent) -> VectorStamp:
    assert event.stamp is not None, event
    return event.stamp


def _precedes(events: Sequence[TimedEvent], cause: int, effect: int) -> bool:
    return _stamp(events[cause]) < _stamp(events[effect])
