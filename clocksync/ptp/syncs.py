"""Which Follow_Up belongs to which Sync: when the master says a Sync left, and when it came.

A one-step Sync says it itself. A two-step one is followed by a Follow_Up of the same number, which
may overtake it (they come to different ports). Corrections of both are added (2019, 11.2): what
transparent clocks say that the Sync spent in them. Each Sync counts once, whoever repeats it.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import TypeVar

from clocksync.ptp.frames import CORRECTION_OVERFLOW, TWO_STEP, FollowUp, Sync, Timed
from clocksync.runtime.core import Stamp

Value = TypeVar("Value")
OPEN_MAX = 8
"""Syncs, and Follow_Ups, that wait for their other half; the oldest give way."""
REMEMBERED_MAX = 64


@dataclass(frozen=True, slots=True)
class Departure:
    """A Sync: its departure on the master's clock, in ns of its timescale, what corrections add to
    that, and its arrival on our clock."""

    left: int
    correction_ns: int
    arrived: Stamp


@dataclass(slots=True)
class Syncs:
    """The Syncs of one master. Methods return a :class:`Departure` where one is complete."""

    heard: int = 0
    completed: int = 0
    repeated: int = 0
    unusable: int = 0
    """Pairs whose times or corrections are none."""
    _open: dict[int, tuple[Sync, Stamp]] = field(default_factory=dict)
    _early: dict[int, FollowUp] = field(default_factory=dict)
    _done: deque[int] = field(default_factory=lambda: deque(maxlen=REMEMBERED_MAX))

    def on_sync(self, sync: Sync, arrived: Stamp) -> Departure | None:
        if sync.sequence in self._done or sync.sequence in self._open:
            self.repeated += 1
            return None
        self.heard += 1
        if not sync.flags & TWO_STEP:
            return self._complete(sync, sync, arrived, sync.correction)
        follow_up = self._early.pop(sync.sequence, None)
        if follow_up is None:
            _keep(self._open, sync.sequence, (sync, arrived))
            return None
        return self._complete(sync, follow_up, arrived, sync.correction + follow_up.correction)

    def on_follow_up(self, follow_up: FollowUp) -> Departure | None:
        if follow_up.sequence in self._done:
            return None
        waiting = self._open.pop(follow_up.sequence, None)
        if waiting is None:
            if follow_up.sequence not in self._early:
                _keep(self._early, follow_up.sequence, follow_up)
            return None
        sync, arrived = waiting
        return self._complete(sync, follow_up, arrived, sync.correction + follow_up.correction)

    def _complete(
        self, sync: Sync, teller: Timed, arrived: Stamp, correction: int
    ) -> Departure | None:
        self._done.append(sync.sequence)
        left = teller.timestamp
        if left is None or CORRECTION_OVERFLOW in (sync.correction, teller.correction):
            self.unusable += 1
            return None
        self.completed += 1
        return Departure(left, correction >> 16, arrived)


def _keep(waiting: dict[int, Value], sequence: int, value: Value) -> None:
    waiting[sequence] = value
    while len(waiting) > OPEN_MAX:
        del waiting[next(iter(waiting))]
