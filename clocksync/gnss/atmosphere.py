"""What the air does to a signal: Klobuchar's ionosphere, Saastamoinen's troposphere.

Delays in metres to be subtracted from a pseudorange. Klobuchar's model, with the eight
coefficients the satellites broadcast, takes away about half of the ionosphere's delay
(IS-GPS-200N, 20.3.3.5.2.5); the delay goes with the inverse square of the frequency, so the same
coefficients serve Galileo's signals. Saastamoinen's with a standard atmosphere is right to a
decimetre or two at the zenith.
"""

import math
from dataclasses import dataclass

from clocksync.gnss.geodesy import Geodetic

SPEED_OF_LIGHT = 299_792_458.0
L1_HZ = 1_575.42e6
_DAY_S = 86_400.0
_HUMIDITY = 0.5
"""Relative, of the standard atmosphere: 70 % and 30 % differ by 5 cm at the zenith."""
_HEIGHT_MAX_M = 11_000.0


@dataclass(frozen=True, slots=True)
class Klobuchar:
    """The broadcast coefficients, as a navigation file's header has them."""

    alpha: tuple[float, float, float, float]
    beta: tuple[float, float, float, float]

    def delay_m(
        self,
        place: Geodetic,
        azimuth: float,
        elevation: float,
        gps_second_of_day: float,
        frequency_hz: float = L1_HZ,
    ) -> float:
        """Delay along a line of sight (radians) at a GPS second of the day. Angles inside are
        semicircles, as in the interface specification."""
        up = elevation / math.pi
        earth_angle = 0.0137 / (up + 0.11) - 0.022
        latitude = place.latitude_deg / 180 + earth_angle * math.cos(azimuth)
        latitude = max(-0.416, min(0.416, latitude))
        longitude = place.longitude_deg / 180 + earth_angle * math.sin(azimuth) / math.cos(
            latitude * math.pi
        )
        magnetic = latitude + 0.064 * math.cos((longitude - 1.617) * math.pi)
        local = (43_200 * longitude + gps_second_of_day) % _DAY_S
        amplitude = max(0.0, _polynomial(self.alpha, magnetic))
        period = max(72_000.0, _polynomial(self.beta, magnetic))
        phase = math.tau * (local - 50_400) / period
        delay = 5e-9
        if abs(phase) < 1.57:
            delay += amplitude * (1 - phase**2 / 2 + phase**4 / 24)
        slant = 1 + 16 * (0.53 - up) ** 3
        return SPEED_OF_LIGHT * slant * delay * (L1_HZ / frequency_hz) ** 2


def troposphere_m(place: Geodetic, elevation: float) -> float:
    """Delay of the neutral air along a line of sight. `elevation` in radians, above 2 degrees.

    Saastamoinen (1972) at the zenith, the mapping of RTCA DO-229 down to the line of sight.

    >>> round(troposphere_m(Geodetic(45.0, 0.0, 0.0), math.pi / 2), 2)
    2.39
    """
    height = min(max(place.height_m, -100.0), _HEIGHT_MAX_M)
    fraction = 1 - 2.2557e-5 * height
    pressure = 1013.25 * math.pow(fraction, 5.2568)
    kelvin = 288.15 - 6.5e-3 * height
    vapour = 6.108 * _HUMIDITY * math.exp((17.15 * kelvin - 4684.0) / (kelvin - 38.45))
    gravity = 1 - 0.00266 * math.cos(2 * math.radians(place.latitude_deg)) - 2.8e-7 * height
    dry = 0.0022768 * pressure / gravity
    wet = 0.002277 * (1255.0 / kelvin + 0.05) * vapour
    return (dry + wet) * mapping(elevation)


def mapping(elevation: float) -> float:
    """The way through the air over that at the zenith (RTCA DO-229, A.4.2.4)."""
    return 1.001 / math.sqrt(0.002001 + math.sin(elevation) ** 2)


def _polynomial(coefficients: tuple[float, float, float, float], x: float) -> float:
    constant, linear, square, cubic = coefficients
    return constant + x * (linear + x * (square + x * cubic))
