"""Named timers in a heap: what is pending, and what is due.

A timer that is set anew or cancelled leaves its old entry in the heap, where it is passed over
when it comes up; that is cheaper than looking for it. Pure: instants are handed in.
"""

import heapq
from collections.abc import Hashable, Iterator


class Timers:
    """Pending timers by name, each due at one instant (ns of whatever clock the caller uses).

    >>> timers = Timers()
    >>> timers.set("ask", 20), timers.set("answer", 10), timers.set("ask", 30)
    (None, None, None)
    >>> timers.next_due(), list(timers.due(25)), timers.next_due()
    (10, ['answer'], 30)
    """

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Hashable]] = []
        self._serial_of: dict[Hashable, int] = {}
        self._serial = 0

    def set(self, timer: Hashable, due: int) -> None:
        """Let `timer` be due at `due`, whenever it was due before. Of two that are due at one
        instant, the one that was set first comes first."""
        self._serial += 1
        self._serial_of[timer] = self._serial
        heapq.heappush(self._heap, (due, self._serial, timer))

    def cancel(self, timer: Hashable) -> None:
        """Forget a timer; one that is not pending is no error."""
        self._serial_of.pop(timer, None)

    def clear(self) -> None:
        """Forget all."""
        self._heap.clear()
        self._serial_of.clear()

    def next_due(self) -> int | None:
        """When the earliest pending timer is due; None where there is none."""
        heap = self._heap
        while heap and self._serial_of.get(heap[0][2]) != heap[0][1]:
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def due(self, now: int) -> Iterator[Hashable]:
        """The timers due by `now`, earliest first, each forgotten as it is told. What is set or
        cancelled between two of them counts."""
        while self._heap and self._heap[0][0] <= now:
            _, serial, timer = heapq.heappop(self._heap)
            if self._serial_of.get(timer) == serial:
                del self._serial_of[timer]
                yield timer
