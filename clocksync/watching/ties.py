"""Whether our own clock was stepped, from readings of two clocks at one instant. Pure.

A *tie* is a reading of the watched wall clock between two of a clock that never steps. How far the
two are apart changes by no more than the readings took, and than the wall clock may be slewed; more
is a step, and its size is known to within just that. Time spent suspended is told apart: while the
machine slept nobody watched its oscillator, and what was known of other clocks is void.
"""

from dataclasses import dataclass

from clocksync.runtime.clocks import drift_allowance
from clocksync.runtime.interval import Interval
from clocksync.runtime.units import MICROSECOND, MILLISECOND

SLACK_NS = MICROSECOND
"""Two clocks of one kernel may be rounded apart, and no step this small is worth a word."""
SUSPENDED_NS = 10 * MILLISECOND
"""Longer than two readings one after the other may take."""


@dataclass(frozen=True, slots=True)
class Tie:
    """The wall clock showed ``wall_ns`` when the steady one was between ``steady_ns`` and
    ``apart_ns`` later. ``suspended_ns``: how long the machine has slept in all, by then."""

    wall_ns: int
    steady_ns: int
    apart_ns: int = 0
    suspended_ns: int = 0

    @property
    def distance(self) -> Interval:
        """The wall clock minus the steady one."""
        latest = self.wall_ns - self.steady_ns
        return Interval(latest - self.apart_ns, latest)


class Ties:
    """The ties of one watch, in order."""

    def __init__(self, first: Tie, wall_drift_ppm: float = 0.0) -> None:
        self._last = first
        self._drift_ppm = wall_drift_ppm

    def step(self, tie: Tie) -> Interval | None:
        """By how much the wall clock was stepped since the last tie; None: it was not."""
        last, self._last = self._last, tie
        elapsed_ns = tie.steady_ns + tie.apart_ns - last.steady_ns
        slack_ns = SLACK_NS + drift_allowance(elapsed_ns, self._drift_ppm)
        moved = tie.distance + -last.distance.earliest
        by = Interval(moved.earliest - last.distance.width, moved.latest).widened(slack_ns)
        return None if 0 in by else by

    def slept(self, tie: Tie) -> int:
        """How long the machine slept since the last tie; to be asked before :meth:`step`."""
        slept_ns = tie.suspended_ns - self._last.suspended_ns
        return slept_ns if slept_ns > SUSPENDED_NS else 0
