"""Satellites as observed, with where they were when they sent: all that needs no receiver position.

A pseudorange tells the time of transmission by the satellite's own clock, whatever the
receiver's error: receiver's reading minus pseudorange / c. Only to some milliseconds must that
reading be right, because a satellite moves 4 m in each; `slow_ns` is what it lacks
(:mod:`coarse_time`).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from clocksync.gnss.atmosphere import SPEED_OF_LIGHT
from clocksync.gnss.ephemerides import Ephemerides
from clocksync.gnss.ephemeris import Ephemeris, Message, unhealthy
from clocksync.gnss.fix import Cause, Excluded
from clocksync.gnss.geodesy import Ecef
from clocksync.gnss.least_squares import Measurements, Vector
from clocksync.gnss.rinex_observations import Epoch, Observed
from clocksync.gnss.rinex_text import SYSTEMS
from clocksync.gnss.settings import ReceiverSettings
from clocksync.gnss.signals import Ranging, rangings
from clocksync.runtime.units import SECOND

METRES_TO_NS = SECOND / SPEED_OF_LIGHT
_RANGE_MAX_M = 1e9
"""A receiver's clock may be wrong by seconds; what is more than three is no pseudorange."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """One satellite that can be used, in the earth's frame of the instant it sent."""

    satellite: str
    ranging: Ranging
    ephemeris: Ephemeris
    position: Ecef
    range_m: float
    """Pseudorange plus the satellite's clock error: distance, the receiver's clock, the air."""
    sent: int
    """GPS time, ns."""


@dataclass(slots=True)
class Sightings:
    """Those of one epoch, and who was left out."""

    usable: list[Sighting] = field(default_factory=list)
    excluded: list[Excluded] = field(default_factory=list)


@dataclass(slots=True)
class Observatory:
    """Makes sightings of observations."""

    ephemerides: Ephemerides
    settings: ReceiverSettings
    galileo_minus_gps_s: float | None = None
    prefers_pairs: bool = False

    def sight(self, epoch: Epoch, slow_ns: int = 0) -> Sightings:
        """Every satellite of an epoch, used or not; `slow_ns` is added to its time."""
        found = Sightings()
        for satellite in sorted(epoch.observed):
            each = self._sighting(satellite, epoch.observed[satellite], epoch.time + slow_ns)
            if isinstance(each, Excluded):
                found.excluded.append(each)
            else:
                found.usable.append(each)
        return found

    def measurements(
        self, sightings: Iterable[Sighting], sigmas: Vector, delays: Vector | float = 0.0
    ) -> Measurements:
        """What there is to solve from; `delays` are the air's, metres."""
        sightings = list(sightings)
        # A pseudorange to a satellite whose system's time is ahead is short by as much: its clock
        # was taken to that time.
        expected = -(self.galileo_minus_gps_s or 0.0) * SPEED_OF_LIGHT
        return Measurements(
            positions=np.array([each.position for each in sightings]),
            ranges=np.array([each.range_m for each in sightings]) - delays,
            sigmas=sigmas,
            second=np.array([each.satellite[0] == "E" for each in sightings]),
            difference_prior_m=expected,
            difference_sigma_m=self.settings.difference_sigma_m,
        )

    def _sighting(self, satellite: str, observed: Observed, time: int) -> Sighting | Excluded:
        system, ionosphere = satellite[0], self.settings.ionosphere
        if system not in self.settings.systems:
            words = f"{SYSTEMS.get(system, system)} is not used"
            return Excluded(satellite, Cause.OTHER_SYSTEM, words)
        ways = [
            way
            for way in rangings(satellite, observed, pairs=self.prefers_pairs)
            if 0 < abs(way.metres) < _RANGE_MAX_M
            and (ionosphere != "pair" or way.frequency_hz is None)
        ]
        if not ways:
            wanted = "pair of codes" if ionosphere == "pair" else "usable code"
            return Excluded(satellite, Cause.NO_PSEUDORANGE, f"no {wanted} was measured")
        refusal = Excluded(satellite, Cause.NO_EPHEMERIS, "no ephemeris")
        for way in ways:
            sent = time - round(way.metres * METRES_TO_NS)
            ephemeris = self.ephemerides.nearest(satellite, way.message, sent)
            if ephemeris is None:
                continue
            problem = self._problem(ephemeris, way, sent)
            if problem is None:
                return _launched(satellite, way, ephemeris, sent)
            if refusal.cause is Cause.NO_EPHEMERIS:
                refusal = problem
        return refusal

    def _problem(self, ephemeris: Ephemeris, way: Ranging, sent: int) -> Excluded | None:
        satellite = ephemeris.satellite
        if not self.ephemerides.is_current(ephemeris, sent):
            away, limit = abs(sent - ephemeris.toe), self.ephemerides.limit_ns(ephemeris)
            words = f"nearest ephemeris is {_hours(away)} away (at most {_hours(limit)})"
            return Excluded(satellite, Cause.STALE_EPHEMERIS, words)
        own = {Message.INAV: (1,), Message.FNAV: (5,), Message.LNAV: ()}[way.message]
        unwell = unhealthy(ephemeris, tuple(sorted({*way.bands, *own})))
        return Excluded(satellite, Cause.UNHEALTHY, f"unhealthy: {unwell}") if unwell else None


def _launched(satellite: str, way: Ranging, ephemeris: Ephemeris, sent: int) -> Sighting:
    """The satellite when it sent. `sent` is by its own clock, whose error is taken out."""
    group_delay = way.group_delay_factor * ephemeris.group_delay_s
    sent -= round((ephemeris.clock_error_s(sent) - group_delay) * SECOND)
    position, clock_s = ephemeris.state(sent)
    corrected = way.metres + (clock_s - group_delay) * SPEED_OF_LIGHT
    return Sighting(satellite, way, ephemeris, position, corrected, sent)


def _hours(duration: int) -> str:
    minutes = round(duration / (60 * SECOND))
    return f"{minutes // 60} h {minutes % 60} min"
