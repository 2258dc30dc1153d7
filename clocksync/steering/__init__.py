"""Clocks that are steered: slewed towards another time, never set back.

:mod:`~clocksync.steering.clock` is the clock itself; what decides how it is steered stands beside
it.
"""

from clocksync.steering.clock import SLEW_PPM_MAX, SteeredClock, Steering

__all__ = ["SLEW_PPM_MAX", "SteeredClock", "Steering"]
