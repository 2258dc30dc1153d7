"""Virtual time: a queue of events, ordered by instant and then by the order they were made in.

That second key is the whole secret of determinism: two events at one instant never depend on how
Python compares or hashes what they carry.
"""

from collections.abc import Callable
from heapq import heappop, heappush

from clocksync.runtime.errors import ToolkitError

Event = tuple[int, int, Callable[..., None], tuple[object, ...]]

EVENTS_AT_ONE_INSTANT_MAX = 100_000


class Stuck(ToolkitError):
    """Events make events without time passing."""


class Schedule:
    """What will happen, and the true time it is: ns since the run began."""

    __slots__ = ("_number", "_queue", "count", "now")

    def __init__(self) -> None:
        self.now = 0
        self.count = 0
        self._number = 0
        self._queue: list[Event] = []

    def push(self, at: int, handler: Callable[..., None], *given: object) -> None:
        """Call ``handler(*given)`` when it is `at`."""
        assert at >= self.now, f"an event for {at} was made at {self.now}: time runs forward"
        self._number += 1
        heappush(self._queue, (at, self._number, handler, given))

    def run(self, until: int, stop: Callable[[], bool] | None = None) -> bool:
        """Let events happen up to and including `until`; True as soon as `stop` says so.

        Without a stop it is `until` afterwards, whether or not anything happened.
        """
        queue, same = self._queue, 0
        if stop is not None and stop():
            return True
        while queue and queue[0][0] <= until:
            at, _, handler, given = heappop(queue)
            same = same + 1 if at == self.now else 0
            if same > EVENTS_AT_ONE_INSTANT_MAX:
                raise Stuck(f"{same} events at {at} ns: something answers itself at once")
            self.now = at
            self.count += 1
            handler(*given)
            if stop is not None and stop():
                return True
        self.now = max(self.now, until)
        return False
