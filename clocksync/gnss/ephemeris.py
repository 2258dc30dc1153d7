"""Where a satellite was when it sent, and how wrong its clock: the broadcast ephemeris.

Sixteen numbers of a Kepler orbit with its corrections, three of a clock polynomial. GPS:
IS-GPS-200N, tables 20-III and 20-IV; Galileo: OS SIS ICD 2.1, table 64, with the same equations and
a slightly different constant of gravity. Broadcast orbits and clocks are right to one or two
metres.

Which clock a Galileo message tells is part of the message: I/NAV's polynomial holds for the
ionosphere-free pair E1 and E5b, F/NAV's for E1 and E5a. Whoever uses one frequency alone takes the
group delay (TGD, BGD) of *that* pair away.
"""

import math
from dataclasses import dataclass
from enum import Enum

from clocksync.gnss.atmosphere import SPEED_OF_LIGHT
from clocksync.gnss.geodesy import Ecef
from clocksync.runtime.units import SECOND

EARTH_RATE = 7.2921151467e-5
"""Rotation of the earth in radians a second, as both specifications fix it."""
_GRAVITY = {"G": 3.986005e14, "E": 3.986004418e14}


class Message(Enum):
    """The navigation message an ephemeris came in."""

    LNAV = "GPS LNAV"
    INAV = "Galileo I/NAV"
    FNAV = "Galileo F/NAV"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ephemeris:
    """One broadcast ephemeris. Times are ns of GPS time, angles radians, lengths metres."""

    satellite: str
    message: Message
    toc: int
    """Reference time of the clock polynomial."""
    toe: int
    """Reference time of the orbit."""
    sent: int
    """When the message was transmitted; of two with one `toe` the later one counts."""
    clock: tuple[float, float, float]
    """Bias (s), drift (s/s) and its change (s/s²)."""
    root_a: float
    eccentricity: float
    mean_anomaly: float
    mean_motion_difference: float
    perigee: float
    inclination: float
    inclination_rate: float
    node: float
    node_rate: float
    cuc: float
    cus: float
    crc: float
    crs: float
    cic: float
    cis: float
    accuracy_m: float
    """URA or SISA; negative: the satellite does not predict any."""
    health: int
    group_delays_s: tuple[float, float]
    """GPS: TGD and 0. Galileo: BGD of E1 and E5a, BGD of E1 and E5b."""
    issue: int
    valid_ns: int
    """How far from `toe` it may be used, in either direction."""

    @property
    def group_delay_s(self) -> float:
        """Of the pair whose clock this message tells."""
        return self.group_delays_s[self.message is Message.INAV]

    def clock_error_s(self, time: int) -> float:
        """The satellite's clock minus GPS time, relativity included, for the ionosphere-free pair.

        `time` is GPS time, ns; that it is the time of transmission matters to a nanosecond only.
        """
        anomaly = self._eccentric_anomaly((time - self.toe) / SECOND)
        return self._clock_error(time, anomaly)

    def state(self, time: int) -> tuple[Ecef, float]:
        """Position (ECEF of the instant `time`) and clock error (s) at GPS time `time`."""
        since = (time - self.toe) / SECOND
        anomaly = self._eccentric_anomaly(since)
        sine, cosine = math.sin(anomaly), math.cos(anomaly)
        true_anomaly = math.atan2(
            math.sqrt(1 - self.eccentricity**2) * sine, cosine - self.eccentricity
        )
        latitude = true_anomaly + self.perigee
        twice_sin, twice_cos = math.sin(2 * latitude), math.cos(2 * latitude)
        argument = latitude + self.cus * twice_sin + self.cuc * twice_cos
        radius = self.root_a**2 * (1 - self.eccentricity * cosine)
        radius += self.crs * twice_sin + self.crc * twice_cos
        inclination = self.inclination + self.inclination_rate * since
        inclination += self.cis * twice_sin + self.cic * twice_cos
        # The node is counted from the earth's meridian at the start of the week of toe.
        node = (
            self.node
            + (self.node_rate - EARTH_RATE) * since
            - EARTH_RATE * ((self.toe % (604_800 * SECOND)) / SECOND)
        )
        in_plane, across = radius * math.cos(argument), radius * math.sin(argument)
        level = across * math.cos(inclination)
        position = (
            in_plane * math.cos(node) - level * math.sin(node),
            in_plane * math.sin(node) + level * math.cos(node),
            across * math.sin(inclination),
        )
        return position, self._clock_error(time, anomaly)

    def _eccentric_anomaly(self, since: float) -> float:
        """Kepler's equation by Newton's steps; four are plenty for a broadcast eccentricity."""
        gravity = _GRAVITY[self.satellite[0]]
        motion = math.sqrt(gravity) / self.root_a**3 + self.mean_motion_difference
        mean = self.mean_anomaly + motion * since
        anomaly = mean
        for _ in range(20):
            step = (anomaly - self.eccentricity * math.sin(anomaly) - mean) / (
                1 - self.eccentricity * math.cos(anomaly)
            )
            anomaly -= step
            if abs(step) < 1e-13:
                break
        return anomaly

    def _clock_error(self, time: int, anomaly: float) -> float:
        since = (time - self.toc) / SECOND
        bias, drift, change = self.clock
        # A clock that comes closer to the earth runs slower: up to 23 ns at e = 0.01.
        relativity = -2 * math.sqrt(_GRAVITY[self.satellite[0]]) / SPEED_OF_LIGHT**2
        relativity *= self.eccentricity * self.root_a * math.sin(anomaly)
        return bias + since * (drift + since * change) + relativity


def unhealthy(ephemeris: Ephemeris, bands: tuple[int, ...]) -> str | None:
    """Why these bands (RINEX numbers) should not be used, as the satellite itself says; or None.

    GPS tells it of the satellite. Galileo tells it of each signal: bit 0 of three is "without
    guarantee", the other two are the signal's status (RINEX 3.05, table A8).
    """
    if ephemeris.message is Message.LNAV:
        return f"health {ephemeris.health}" if ephemeris.health else None
    if ephemeris.accuracy_m < 0:
        return "predicts no accuracy"
    for band in bands:
        # A message carries the status of its own signals: F/NAV E5a's, I/NAV E1's and E5b's.
        status = ephemeris.health >> {1: 0, 5: 3, 7: 6}[band] & 0b111
        if status >> 1:
            signal = {1: "E1", 5: "E5a", 7: "E5b"}[band]
            words = ("", "is out of service", "will be out of service", "is in test")
            return f"{signal} {words[status >> 1]}"
        if status:
            return f"health {ephemeris.health:#x}: works without guarantee"
    return None
