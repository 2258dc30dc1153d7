"""Does the receiver know the time at all? The satellites' motion tells, to some milliseconds.

A pseudorange is the phase of a code that repeats every few milliseconds; which repetition it is,
the receiver knows only if it knows the time. One that took its time from GLONASS with an old
count of leap seconds is wrong by whole seconds and still ranges well. The satellites then seem
to be kilometres from where they were. With one satellite more than usual that error is one more
unknown ("coarse-time navigation", van Diggelen, "A-GPS", 2009, chapter 4): ranges change by up
to 800 m in a second, each satellite's differently, so metres tell hundredths of a second, and
many epochs some milliseconds. Finer than that such a receiver's clock error is not known, and
its bound says so.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from statistics import median

import numpy as np

from clocksync.gnss.air import Air
from clocksync.gnss.integrity import agrees
from clocksync.gnss.least_squares import Measurements, Solution, Vector, solve
from clocksync.gnss.rinex_observations import Epoch
from clocksync.gnss.sightings import Observatory, Sighting
from clocksync.runtime.units import MILLISECOND, SECOND

COARSE_SIGMA_M = 60.0
"""Before the air is known: 30 m of it near the horizon, twice."""
RIGHT_NS = 50 * MILLISECOND
"""A clock found closer than this is right: then pseudoranges tell its error to nanoseconds."""
KNOWN_SIGMA_S = 0.005
"""How well a survey knows an error: what models of the air and orbits leave, at 500 m/s."""
_SIGMA_MAX_S = 0.1
_LATE_MAX_NS = 600 * SECOND
_ROUNDS = 8
_VOTES_MAX = 60
_VOTES_OF_A_RIGHT_CLOCK = 5
_VOTES_NEEDED = 3
_APART_NS = 60 * SECOND
_SPREAD_NS = 40 * MILLISECOND
_NEAR_SECOND_NS = 100 * MILLISECOND
_EPOCHS_READ_MAX = 20_000


@dataclass(frozen=True, slots=True)
class CoarseTime:
    """Finds by how much a receiver's clock is slow, where that is more than its codes can tell."""

    observatory: Observatory
    air: Air

    def survey(self, epochs: Iterable[Epoch]) -> int:
        """By how much the clock is slow (ns), from the first epochs that can tell; 0 if it is right
        or none can. Negative: it is fast."""
        votes: list[int] = []
        heard_at: int | None = None
        for count, epoch in enumerate(epochs):
            if count >= _EPOCHS_READ_MAX or len(votes) >= _VOTES_MAX:
                break
            if len(votes) >= _VOTES_NEEDED and heard_at is not None:
                # From here on, wider apart: what the air does changes slowly.
                if abs(epoch.time - heard_at) < _APART_NS and abs(median(votes)) > RIGHT_NS:
                    continue
                if len(votes) >= _VOTES_OF_A_RIGHT_CLOCK and abs(median(votes)) <= RIGHT_NS:
                    break
            vote = self.estimate(epoch, round(median(votes)) if votes else 0)
            if vote is not None:
                votes.append(vote)
                heard_at = epoch.time
        return _verdict(votes)

    def estimate(self, epoch: Epoch, start_ns: int = 0) -> int | None:
        """By how much the clock is slow at this epoch (ns), or None if it cannot tell."""
        slow_ns = start_ns
        for _ in range(_ROUNDS):
            usable = self.observatory.sight(epoch, slow_ns).usable
            moving = velocities(usable)
            coarse = self.observatory.measurements(usable, np.full(len(usable), COARSE_SIGMA_M))
            if coarse.redundancy < 1:
                return None
            solution = solve(replace(coarse, velocities=moving))
            if solution is None:
                return None
            delays, sigmas = self.air.at(solution.position, usable, epoch.time)
            fine = self.observatory.measurements(usable, sigmas, delays)
            solution = solve(replace(fine, velocities=moving), solution.position)
            if solution is None or solution.late_s is None or abs(solution.late_s) > 1e6:
                return None
            late_ns = round(solution.late_s * 1000) * MILLISECOND
            slow_ns += late_ns
            if abs(slow_ns) > _LATE_MAX_NS:
                return None
            if abs(late_ns) <= MILLISECOND:
                if solution.redundancy == 0 and _from_whole_second(slow_ns) > _NEAR_SECOND_NS:
                    return None
                return slow_ns if _is_convincing(solution, fine) else None
        return None


def _verdict(votes: list[int]) -> int:
    if len(votes) < _VOTES_NEEDED:
        return 0
    middle = round(median(votes))
    near = sum(abs(vote - middle) <= _SPREAD_NS for vote in votes)
    if abs(middle) <= RIGHT_NS or 2 * near <= len(votes) or near < _VOTES_NEEDED:
        return 0
    return round(median(vote for vote in votes if abs(vote - middle) <= _SPREAD_NS))


def _from_whole_second(time_ns: int) -> int:
    """Clocks are set wrong by whole seconds; with nobody to spare, all else may be a lie."""
    return abs((time_ns + SECOND // 2) % SECOND - SECOND // 2)


def _is_convincing(solution: Solution, fine: Measurements) -> bool:
    """Sharp enough, and with the time put right the satellites agree without that unknown."""
    if math.sqrt(float(solution.covariance[-1, -1])) > _SIGMA_MAX_S or not agrees(solution):
        return False
    settled = solve(fine, solution.position)
    return settled is not None and agrees(settled)


def velocities(usable: list[Sighting]) -> Vector:
    """(n, 3) m/s of each satellite, in the turning frame of the earth."""
    rows = []
    for each in usable:
        before, _ = each.ephemeris.state(each.sent - SECOND // 2)
        after, _ = each.ephemeris.state(each.sent + SECOND // 2)
        rows.append([end - begin for begin, end in zip(before, after, strict=True)])
    return np.array(rows)
