"""A sky and a receiver whose truth is known: what a clock error does, and what a lie does.

Satellites on GPS's orbits over a place, a receiver whose clock is wrong, pseudoranges as they come
about: c times (what the receiver's clock reads at arrival minus what the satellite's read when it
sent). The same :class:`Receiver` solves them as solves real ones; it is told nothing of the truth.
"""

import math
import random
import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from clocksync.gnss.atmosphere import L1_HZ, SPEED_OF_LIGHT, Klobuchar, troposphere_m
from clocksync.gnss.ephemerides import Ephemerides
from clocksync.gnss.ephemeris import EARTH_RATE, Ephemeris, Message
from clocksync.gnss.fix import Fix
from clocksync.gnss.geodesy import Ecef, Geodetic, LocalFrame, to_ecef
from clocksync.gnss.instants import WEEK, second_of_day
from clocksync.gnss.least_squares import solve
from clocksync.gnss.receiver import Receiver
from clocksync.gnss.rinex_observations import Epoch, Observed
from clocksync.gnss.settings import ReceiverSettings
from clocksync.gnss.sightings import Observatory
from clocksync.runtime.errors import BadConfig
from clocksync.runtime.units import SECOND

PLACE = Geodetic(32.7312, -97.1114, 190.0)
"""Arlington, Texas, where the lecture this follows is given."""
WHEN = 2436 * WEEK + 118_200 * SECOND
IONOSPHERE = Klobuchar((1.1e-8, 1.5e-8, -6e-8, -6e-8), (9e4, 5e4, -1.3e5, -2e5))
_PLANES, _IN_PLANE = 6, 5
_ROOT_A, _INCLINATION = 5_153.6, math.radians(55.0)
_TRUSTED_M = 1e-3
_LIE_M = 300.0


@dataclass(frozen=True, slots=True)
class Truth:
    """What made up one pseudorange, metres."""

    satellite: str
    elevation_deg: float
    distance_m: float
    satellite_clock_m: float
    """c times its clock error: taken off, because the message tells it."""
    receiver_clock_m: float
    air_m: float
    noise_m: float
    lie_m: float

    @property
    def pseudorange_m(self) -> float:
        """What the receiver sees: one sum, of which it knows two parts."""
        clocks = self.receiver_clock_m - self.satellite_clock_m
        return self.distance_m + clocks + self.air_m + self.noise_m + self.lie_m


@dataclass(frozen=True, slots=True)
class Scene:
    """One instant: the truth, what the receiver saw, and what it made of it."""

    place: Ecef
    clock_error_ns: int
    truths: tuple[Truth, ...]
    epoch: Epoch
    fix: Fix
    trusting_m: float | None
    """How wrong the position is if the receiver believes its clock; None: it cannot be solved."""

    @classmethod
    def of(
        cls,
        *,
        clock_error_ns: int,
        satellites: int,
        lie: tuple[str, float] | None,
        noise_m: float,
        draw: random.Random,
        settings: ReceiverSettings | None = None,
    ) -> "Scene":
        """Set the scene, and let the receiver solve it.

        Raises:
            BadConfig: the liar is not among the satellites, or a value is out of range.
        """
        if abs(clock_error_ns) > SECOND:
            raise BadConfig("the simulated clock error is at most a second")
        if not 0 <= noise_m <= 1000:
            raise BadConfig("the noise must be 0 to 1000 metres")
        place = to_ecef(PLACE)
        chosen = _in_view(constellation(), place, satellites)
        names = [each.satellite for each in chosen]
        liar, lie_m = lie or ("", 0.0)
        if liar == "any":
            liar = draw.choice(names)
        if liar and liar not in names:
            raise BadConfig(f"{liar} is not in view; these are: {', '.join(names)}")
        truths = tuple(
            _observe(
                each,
                place,
                clock_error_ns,
                draw.gauss(0.0, noise_m),
                lie_m * (each.satellite == liar),
            )
            for each in chosen
        )
        observed = {
            each.satellite: Observed({"C1C": each.pseudorange_m}, {1: 48.0}) for each in truths
        }
        epoch = Epoch(WHEN + clock_error_ns, observed, position=place)
        settings = settings or ReceiverSettings()
        book = Ephemerides.of(chosen)
        fix = Receiver(book, IONOSPHERE, settings=settings).solve(epoch)
        trusting = _trusting_the_clock(Observatory(book, settings), epoch, place, truths)
        return cls(place, clock_error_ns, truths, epoch, fix, trusting)

    @property
    def liar(self) -> Truth | None:
        """Who lies, if anybody does."""
        return next((each for each in self.truths if each.lie_m), None)

    @property
    def error_m(self) -> float | None:
        """How wrong the position found is."""
        return None if self.fix.position is None else math.dist(self.fix.position, self.place)

    @property
    def is_right(self) -> bool:
        """Whether the truth is within the bounds of what was found."""
        fix = self.fix
        if fix.position is None or fix.clock_error_ns is None:
            return False
        east, north, _ = LocalFrame.at(self.place).enu(fix.position)
        wrong_ns = abs(fix.clock_error_ns - self.clock_error_ns)
        return math.hypot(east, north) <= (fix.horizontal_bound_m or 0.0) and wrong_ns <= (
            fix.clock_error_bound_ns or 0.0
        )

    def truth_document(self) -> dict[str, Any]:
        """The truth as plain data, for beside the receiver's answer."""
        return {
            "position_ecef_m": list(self.place),
            "clock_error_s": self.clock_error_ns / SECOND,
            "lying": self.liar and self.liar.satellite,
            "position_error_m": self.error_m,
            "position_error_if_the_clock_is_trusted_m": self.trusting_m,
            "pseudoranges_m": {each.satellite: each.pseudorange_m for each in self.truths},
            "distances_m": {each.satellite: each.distance_m for each in self.truths},
        }


def parse_lie(text: str) -> tuple[str, float]:
    """``G05:300`` or ``any`` as satellite and metres.

    Raises:
        BadConfig: it is neither.

    >>> parse_lie("G05:-80"), parse_lie("any")
    (('G05', -80.0), ('any', 300.0))
    """
    match = re.fullmatch(r"(any|[Gg]\d\d)(?::(-?\d{1,9}(?:\.\d{1,6})?))?", text.strip())
    if not match or not float(match[2] or _LIE_M):
        raise BadConfig(f"--lie is a satellite and metres, for example G05:300; not {text!r}")
    name = match[1] if match[1] == "any" else match[1].upper()
    return name, float(match[2] or _LIE_M)


def constellation() -> list[Ephemeris]:
    """Thirty satellites in six planes, on nearly circular orbits, each clock wrong in its way."""
    found = []
    for plane in range(_PLANES):
        for place in range(_IN_PLANE):
            number = plane * _IN_PLANE + place + 1
            phase = math.tau * (place / _IN_PLANE + plane / (_PLANES * _IN_PLANE) * 2.3)
            found.append(
                Ephemeris(
                    satellite=f"G{number:02d}",
                    message=Message.LNAV,
                    toc=WHEN,
                    toe=WHEN,
                    sent=WHEN,
                    clock=((number * 37 % 61 - 30) * 1e-5, (number % 5 - 2) * 1e-12, 0.0),
                    root_a=_ROOT_A,
                    eccentricity=0.001 * (number % 12),
                    mean_anomaly=phase,
                    mean_motion_difference=4.5e-9,
                    perigee=0.3 * number,
                    inclination=_INCLINATION,
                    inclination_rate=1e-10,
                    node=math.tau * plane / _PLANES,
                    node_rate=-8e-9,
                    **dict.fromkeys(("cuc", "cus", "crc", "crs", "cic", "cis"), 0.0),
                    accuracy_m=2.0,
                    health=0,
                    group_delays_s=(0.0, 0.0),
                    issue=number,
                    valid_ns=7_200 * SECOND,
                )
            )
    return found


def _in_view(sky: list[Ephemeris], place: Ecef, count: int) -> list[Ephemeris]:
    """Satellites above 12 degrees, spread over the sky: the highest, then each time the one
    farthest from those chosen."""
    frame = LocalFrame.at(place)
    seen = []
    for each in sky:
        azimuth, elevation = frame.direction(each.state(WHEN)[0])
        if elevation > math.radians(12.0):
            level = math.cos(elevation)
            seen.append(
                (
                    (level * math.sin(azimuth), level * math.cos(azimuth), math.sin(elevation)),
                    each,
                )
            )
    if len(seen) < count:
        raise BadConfig(f"{len(seen)} satellites are in view, not {count}")
    chosen = [max(seen, key=lambda one: one[0][2])]
    while len(chosen) < count:
        rest = [one for one in seen if one not in chosen]
        chosen.append(max(rest, key=lambda one: min(math.dist(one[0], c[0]) for c in chosen)))
    return sorted((each for _, each in chosen), key=lambda each: each.satellite)


def _observe(
    ephemeris: Ephemeris, place: Ecef, clock_error_ns: int, noise_m: float, lie_m: float
) -> Truth:
    """The signal that arrives at `WHEN`: back along its way, until the travel time fits."""
    travel_s = 0.07
    for _ in range(6):
        sent = WHEN - round(travel_s * SECOND)
        (x, y, z), clock_s = ephemeris.state(sent)
        angle = EARTH_RATE * travel_s
        turned = (
            x * math.cos(angle) + y * math.sin(angle),
            y * math.cos(angle) - x * math.sin(angle),
            z,
        )
        travel_s = math.dist(turned, place) / SPEED_OF_LIGHT
    azimuth, elevation = LocalFrame.at(place).direction((x, y, z))
    air = troposphere_m(PLACE, elevation)
    air += IONOSPHERE.delay_m(PLACE, azimuth, elevation, second_of_day(WHEN), L1_HZ)
    return Truth(
        ephemeris.satellite,
        math.degrees(elevation),
        travel_s * SPEED_OF_LIGHT,
        clock_s * SPEED_OF_LIGHT,
        clock_error_ns / SECOND * SPEED_OF_LIGHT,
        air,
        noise_m,
        lie_m,
    )


def _trusting_the_clock(
    observatory: Observatory, epoch: Epoch, place: Ecef, truths: tuple[Truth, ...]
) -> float | None:
    """How wrong the position is that takes the receiver's clock for right."""
    usable = observatory.sight(epoch).usable
    air = {each.satellite: each.air_m for each in truths}
    measurements = replace(
        observatory.measurements(
            usable, np.ones(len(usable)), np.array([air[each.satellite] for each in usable])
        ),
        clock_sigma_m=_TRUSTED_M,
    )
    solution = solve(measurements) if usable else None
    return None if solution is None else math.dist(solution.position, place)
