"""What stands between satellite and receiver, and how far each range is to be trusted."""

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from clocksync.gnss.atmosphere import Klobuchar, mapping, troposphere_m
from clocksync.gnss.geodesy import Ecef, LocalFrame, to_geodetic
from clocksync.gnss.instants import second_of_day
from clocksync.gnss.least_squares import Vector
from clocksync.gnss.settings import ReceiverSettings
from clocksync.gnss.sightings import Sighting
from clocksync.gnss.signals import Ranging
from clocksync.runtime.units import SECOND

_ELEVATION_MIN = math.radians(2.0)
_TROPOSPHERE_SIGMA_M = 0.1
_EPHEMERIS_SIGMA_M = 2.0
"""At least, whatever the satellite says of itself: URA 2.0 is the best it can."""
_DOUBLES_IN_NS = 3600 * SECOND
_GOOD_DBHZ, _WORST_BELOW_DB = 45.0, 20.0
_UNKNOWN_IONOSPHERE = Klobuchar((2e-8, 1.5e-8, -6e-8, -6e-8), (9e4, 5e4, -1.3e5, -2e5))
"""A middling day, to weigh uncorrected ranges by when no header tells of today's."""

DelaysAndSigmas: TypeAlias = tuple[Vector, Vector]


@dataclass(frozen=True, slots=True)
class Air:
    """Delays by the models, and the standard deviations that weigh the ranges."""

    settings: ReceiverSettings
    klobuchar: Klobuchar | None = None

    def at(self, place: Ecef, sightings: list[Sighting], time: int) -> DelaysAndSigmas:
        """Delay and standard deviation of each range (m), for a receiver at `place`."""
        frame, geodetic = LocalFrame.at(place), to_geodetic(place)
        delays, sigmas = np.empty(len(sightings)), np.empty(len(sightings))
        known = self.klobuchar is not None and self.settings.ionosphere != "none"
        model = self.klobuchar or _UNKNOWN_IONOSPHERE
        for index, each in enumerate(sightings):
            azimuth, elevation = frame.direction(each.position)
            elevation = max(elevation, _ELEVATION_MIN)
            ionosphere, hertz = 0.0, each.ranging.frequency_hz
            if hertz is not None:
                ionosphere = model.delay_m(geodetic, azimuth, elevation, second_of_day(time), hertz)
            delays[index] = troposphere_m(geodetic, elevation) + (ionosphere if known else 0.0)
            # The broadcast model takes away half of the ionosphere, so half is what may be left.
            sigmas[index] = math.sqrt(
                self._code_variance(each.ranging, elevation)
                + _ephemeris_sigma_m(each) ** 2
                + (_TROPOSPHERE_SIGMA_M * mapping(elevation)) ** 2
                + (ionosphere * (0.5 if known else 1.0)) ** 2
            )
        return delays, sigmas

    def _code_variance(self, ranging: Ranging, elevation: float) -> float:
        """Noise and multipath: grow towards the horizon, and as the signal weakens."""
        sigma = self.settings.code_sigma_m * ranging.noise_factor / math.sin(elevation)
        if ranging.strength_dbhz is not None:
            weaker = max(0.0, min(_WORST_BELOW_DB, _GOOD_DBHZ - ranging.strength_dbhz))
            sigma *= 10 ** (weaker / 20)
        return sigma * sigma


def _ephemeris_sigma_m(sighting: Sighting) -> float:
    """What the satellite says of its orbit and clock; beyond its time, which is only used by wish,
    errors grow with the square of the time beyond."""
    ephemeris = sighting.ephemeris
    beyond = abs(sighting.sent - ephemeris.toe) - ephemeris.valid_ns
    growth = 1 + (max(0, beyond) / _DOUBLES_IN_NS) ** 2
    return max(_EPHEMERIS_SIGMA_M, ephemeris.accuracy_m) * growth
