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
from clocksync.gnss.geodesy import to_geodetic
from clocksync.gnss.integrity import agrees, chi_square_limit
from clocksync.gnss.least_squares import Measurements, Solution, Vector, predict, solve
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
_JOINED_MAX = 24
_BESIDE_M = 100_000.0
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

    def survey(self, epochs: Iterable[Epoch]) -> int | None:
        """By how much the clock is slow (ns), from the first epochs that can tell; 0 if right,
        negative if it is fast, None if none can tell."""
        votes: list[int] = []
        others: list[Epoch] = []
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
            elif not others or abs(epoch.time - others[-1].time) >= 2 * _APART_NS:
                others += [epoch] if len(others) < _JOINED_MAX and self._is_solvable(epoch) else []
        return _verdict(votes) if len(votes) >= _VOTES_NEEDED else standing_still(self, others)

    def _is_solvable(self, epoch: Epoch) -> bool:
        """Whether it is of any use for a receiver on the ground, if a little beside its place."""
        usable = self.observatory.sight(epoch).usable
        if len(usable) < 4:
            return False
        sigmas = np.full(len(usable), COARSE_SIGMA_M)
        solution = solve(self.observatory.measurements(usable, sigmas))
        return solution is not None and abs(to_geodetic(solution.position).height_m) < _BESIDE_M

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


def standing_still(coarse: CoarseTime, epochs: list[Epoch]) -> int | None:
    """What no epoch of four satellites can tell, many can together, if the receiver does not move:
    one position, one error of the time, a clock error for each (ns; None if they cannot tell)."""
    if len(epochs) < 2:
        return None
    slow_ns, place = 0, np.zeros(3)
    for _ in range(_ROUNDS):
        step = _joint_step(coarse, epochs, slow_ns, place)
        if step is None:
            return None
        place, late_s, sigma_s, agreeing = step
        slow_ns += round(late_s * 1000) * MILLISECOND
        if abs(slow_ns) > _LATE_MAX_NS:
            return None
        if abs(late_s) < 0.0015:
            if not agreeing or sigma_s > _SIGMA_MAX_S:
                return None
            return slow_ns if abs(slow_ns) > max(RIGHT_NS, 5 * sigma_s * SECOND) else 0
    return None


def _joint_step(
    coarse: CoarseTime, epochs: list[Epoch], slow_ns: int, place: Vector
) -> tuple[Vector, float, float, bool] | None:
    """Least squares over all epochs: position, lateness and its sigma, and whether all agree."""
    parts = []
    for epoch in epochs:
        usable = coarse.observatory.sight(epoch, slow_ns).usable
        delays, sigmas = np.zeros(len(usable)), np.full(len(usable), COARSE_SIGMA_M)
        if place.any():
            delays, sigmas = coarse.air.at((place[0], place[1], place[2]), usable, epoch.time)
        parts.append((coarse.observatory.measurements(usable, sigmas, delays), velocities(usable)))
    unknowns = np.concatenate((place, np.zeros(1 + len(parts))))
    for _ in range(12):
        rows, misfits = [], []
        for number, (measurements, moving) in enumerate(parts):
            predicted, partials = predict(measurements.positions, unknowns[:3])
            design = np.zeros((len(measurements), len(unknowns)))
            design[:, :3], design[:, 4 + number] = partials, 1.0
            design[:, 3] = -(partials * moving).sum(axis=1)
            misfit = measurements.ranges - predicted - design[:, 3:] @ unknowns[3:]
            rows.append(design / measurements.sigmas[:, None])
            misfits.append(misfit / measurements.sigmas)
        matrix, misfit = np.vstack(rows), np.concatenate(misfits)
        if matrix.shape[0] <= matrix.shape[1]:
            return None
        step, _, rank, _ = np.linalg.lstsq(matrix, misfit, rcond=None)
        if rank < len(unknowns):
            return None
        unknowns = unknowns + step
        if np.abs(step[:3]).max() < 0.01:
            break
    left = misfit - matrix @ step
    spare = matrix.shape[0] - matrix.shape[1]
    sigma_s = math.sqrt(float(np.linalg.inv(matrix.T @ matrix)[3, 3]))
    agreeing = float(left @ left) <= chi_square_limit(spare)
    return unknowns[:3], float(unknowns[3]), sigma_s, agreeing


def _verdict(votes: list[int]) -> int:
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
