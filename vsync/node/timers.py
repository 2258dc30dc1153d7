"""The timers of one engine, and when they may expire.

An idle member costs what its wake-ups cost. A timer that only comes round again, and that nobody
minds sooner, therefore expires at the first wake-up in the second half of its time, and needs one
of its own only where there was none.
"""

from collections.abc import Iterator

from vsync.events import SetTimer, TimerExpired
from vsync.states import Timer

PERIODIC = frozenset({Timer.PAUSE, Timer.MERGE})
"""They set themselves again whenever they expire."""


class Timers:
    """What is set; all times are of the monotonic clock, ns."""

    def __init__(self) -> None:
        self._set: dict[Timer, tuple[int, int, int]] = {}
        """When it is due, its generation, and from when on it may expire."""

    def set(self, effect: SetTimer, now: int, *, exactly: bool = False) -> None:
        """Set one, or set it anew; `exactly`: it is not to expire before its time."""
        at = effect.at_ns
        soonest = (now + at) // 2 if effect.timer in PERIODIC and not exactly else at
        self._set[effect.timer] = (at, effect.generation, soonest)

    def cancel(self, timer: Timer) -> None:
        """One is not to expire."""
        self._set.pop(timer, None)

    def due_ns(self, otherwise: int) -> int:
        """When the next is due; `otherwise` where none is set."""
        return min([at for at, _, _ in self._set.values()], default=otherwise)

    def expired(self, now: int) -> Iterator[TimerExpired]:
        """Those that expire now, one by one: what is done about one may cancel the others."""
        for timer in [timer for timer, entry in self._set.items() if entry[2] <= now]:
            entry = self._set.get(timer)
            if entry is not None and entry[2] <= now:
                del self._set[timer]
                yield TimerExpired(timer, entry[1])
