"""Clocks that are steered: slewed towards another time, never set back.

:mod:`~clocksync.steering.clock` is the clock itself; what decides how it is steered stands beside
it. :mod:`~clocksync.steering.present` tells a core what its host's clock shows.
"""

from clocksync.steering.clock import SLEW_PPM_MAX, SteeredClock, Steering
from clocksync.steering.present import Present

__all__ = ["SLEW_PPM_MAX", "Present", "SteeredClock", "Steering"]
