"""What a receiver does: pseudoranges of one instant in, position and clock error out.

Promise: where the measurements are honest, the position is within the bound; a satellite that lies
is named and left out where two are to spare, noticed where one is, and cannot be noticed with none:
then the status says ``unchecked`` and the bound is doubled. Epochs are independent of each other
and start from nowhere (the centre of the earth), so nothing carries an error on.

How: (1) each satellite's position and clock when it sent, which needs no knowledge of the
receiver, because the pseudorange tells the time of transmission by the satellite's own clock;
(2) a coarse solution, rid of gross lies; (3) directions, so the mask, delays of the air, and
weights; (4) the fine solution, judged by its residuals.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from clocksync.gnss.air import Air
from clocksync.gnss.atmosphere import Klobuchar
from clocksync.gnss.coarse_time import (
    COARSE_SIGMA_M,
    KNOWN_SIGMA_S,
    RIGHT_NS,
    CoarseTime,
    velocities,
)
from clocksync.gnss.ephemerides import Ephemerides
from clocksync.gnss.fix import Cause, Excluded, Fix, Status, Used
from clocksync.gnss.geodesy import Ecef, LocalFrame, to_geodetic
from clocksync.gnss.integrity import Verdict, agrees, judge, unnoticed
from clocksync.gnss.least_squares import Measurements, Solution, solve
from clocksync.gnss.rinex_observations import Epoch
from clocksync.gnss.settings import ReceiverSettings
from clocksync.gnss.sightings import METRES_TO_NS, Observatory, Sighting
from clocksync.runtime.units import SECOND

_HEIGHT_MIN_M, _HEIGHT_MAX_M = -2_000.0, 100_000.0
_RAYLEIGH_999, _NORMAL_999 = 3.717, 3.291
_UNCHECKED_FACTOR = 2.0
_PROTECTION_MAX_M = 1_000.0
"""If a lie could move the position further than this unnoticed, it is as good as unchecked."""
_DOUBTED_SIGMA_S = 0.5
"""Of a clock whose seconds nothing vouches for; doubled and at 99.9 %, it allows for 3.7 s."""
_MILLISECOND_M = 299_792.458
_DOUBTED_BOUND_MAX_M = 30_000.0
_BOUND_MAX_M = 3_000.0
"""A position no better known than this is none."""


@dataclass(slots=True)
class Receiver:
    """Solves epochs, each on its own but for the whole seconds of the receiver's clock."""

    ephemerides: Ephemerides
    klobuchar: Klobuchar | None = None
    galileo_minus_gps_s: float | None = None
    settings: ReceiverSettings = field(default_factory=ReceiverSettings)
    slow_ns: int = 0
    """By how much the receiver's clock is known to be slow, where its codes cannot tell."""
    _observatory: Observatory = field(init=False)
    _air: Air = field(init=False)
    _knows_the_time: bool = False

    def __post_init__(self) -> None:
        no_model = self.settings.ionosphere == "auto" and self.klobuchar is None
        self._observatory = Observatory(
            self.ephemerides,
            self.settings,
            self.galileo_minus_gps_s,
            prefers_pairs=no_model or self.settings.ionosphere == "pair",
        )
        self._air = Air(self.settings, self.klobuchar)

    @property
    def _coarse_time(self) -> CoarseTime:
        return CoarseTime(self._observatory, self._air)

    def survey(self, epochs: Iterable[Epoch]) -> int | None:
        """Find by how much the clock is slow (ns), from the first epochs that can tell; 0 if right,
        None if none can tell.

        A receiver that knows the time to a millisecond needs none of this. One that does not cannot
        be used with four satellites otherwise, and with five only to notice it.
        """
        found = self._coarse_time.survey(epochs)
        self.slow_ns, self._knows_the_time = found or 0, found is not None
        return found

    def solve(self, epoch: Epoch) -> Fix:
        """What this epoch's pseudoranges say. Never raises for what they hold."""
        fix = self._solve(epoch, self.slow_ns)
        if fix.status is Status.INCONSISTENT:
            slow_ns = self._coarse_time.estimate(epoch, self.slow_ns)
            if slow_ns is not None and abs(slow_ns - self.slow_ns) > RIGHT_NS:
                if abs(slow_ns) <= RIGHT_NS:
                    slow_ns = 0
                again = self._solve(epoch, slow_ns)
                # A lie can look like a wrong time. One that does must fit two satellites to spare
                # besides the one that tells the time.
                if again.status is Status.SOLVED and again.redundancy >= 3:
                    self.slow_ns = slow_ns
                    return again
        return fix

    def _solve(self, epoch: Epoch, slow_ns: int) -> Fix:
        found = self._observatory.sight(epoch, slow_ns)
        work = _Work(epoch, slow_ns, found.usable, found.excluded)
        work.late_sigma_s = KNOWN_SIGMA_S if slow_ns else 0.0
        if len(work.usable) < 4:
            return work.unsolved(_too_few(len(work.usable)))
        coarse = judge(
            self._observatory.measurements(work.usable, np.full(len(work.usable), COARSE_SIGMA_M))
        )
        if coarse.solution is None:
            coarse = self._by_the_ground(work, coarse)
        if coarse.solution is None:
            return work.failed(coarse)
        work.take_out_liars(coarse)
        height = to_geodetic(coarse.solution.position).height_m
        if not _HEIGHT_MIN_M <= height <= _HEIGHT_MAX_M:
            return work.unsolved(f"the solution lies {height / 1000:.0f} km above the ground")
        return self._refine(work, coarse.solution.position)

    def _by_the_ground(self, work: "_Work", judged: Verdict) -> Verdict:
        """One satellite to spare shows that one lies, not who; but if only one of the positions
        without one of them is anywhere near the ground, that one is right."""
        candidates = []
        for index in range(len(judged.measurements)):
            rest = judged.measurements.without(index)
            solution = solve(rest)
            if solution is not None and agrees(solution) and _is_near_the_ground(solution):
                candidates.append((index, rest, solution))
        if len(candidates) != 1 or not judged.suspects:
            return judged
        index, rest, solution = candidates[0]
        return judged.without(index, rest, solution)

    def _refine(self, work: "_Work", place: Ecef) -> Fix:
        work.take_out_the_low(LocalFrame.at(place), self.settings.mask_deg)
        if len(work.usable) < 4:
            return work.unsolved(_too_few(len(work.usable)))
        judged = self._weighed(work, place)
        if judged.solution is not None:
            # Once more, from a place that is right to metres.
            judged = self._weighed(work, judged.solution.position)
            if judged.solution is not None and self._may_be_late(judged.solution):
                work.late_sigma_s = _DOUBTED_SIGMA_S
                judged = self._weighed(work, judged.solution.position)
        if judged.solution is None:
            return work.failed(judged)
        work.take_out_liars(judged)
        return work.solved(judged, judged.solution)

    def _may_be_late(self, solution: Solution) -> bool:
        """Who knows the time keeps the clock within a millisecond. If this one does not, nobody is
        to spare, and no survey vouches for it, its seconds may be wrong as well."""
        trusted = self._knows_the_time or abs(solution.clock_m) < _MILLISECOND_M
        return solution.redundancy == 0 and not trusted

    def _weighed(self, work: "_Work", place: Ecef) -> Verdict:
        delays, sigmas = self._air.at(place, work.usable, work.epoch.time)
        measurements = self._observatory.measurements(work.usable, sigmas, delays)
        if work.late_sigma_s:
            measurements = replace(
                measurements, velocities=velocities(work.usable), late_sigma_s=work.late_sigma_s
            )
        return judge(measurements, place)


@dataclass(slots=True)
class _Work:
    """An epoch on its way to a fix."""

    epoch: Epoch
    slow_ns: int
    usable: list[Sighting]
    excluded: list[Excluded]
    late_sigma_s: float = 0.0
    """How uncertain the time is that its codes were put under, if it is not taken at its word."""

    def take_out_liars(self, judged: Verdict) -> None:
        for index, lie in zip(judged.liars, judged.lies_m, strict=True):
            words = f"contradicts the others: {_lie_words(lie)}"
            self.excluded.append(Excluded(self.usable[index].satellite, Cause.LIES, words))
        self.usable = [each for at, each in enumerate(self.usable) if at not in judged.liars]

    def take_out_the_low(self, frame: LocalFrame, mask_deg: float) -> None:
        visible = []
        for each in self.usable:
            elevation = math.degrees(frame.direction(each.position)[1])
            if elevation < mask_deg:
                words = f"{elevation:.1f}° high, below the mask of {mask_deg:g}°"
                self.excluded.append(Excluded(each.satellite, Cause.LOW, words))
            else:
                visible.append(each)
        self.usable = visible

    def solved(self, judged: Verdict, solution: Solution) -> Fix:
        frame = LocalFrame.at(solution.position)
        axes = np.array([frame.east, frame.north, frame.up])
        local = axes @ solution.covariance[:3, :3] @ axes.T
        protection, worst = unnoticed(solution, judged.measurements, axes[:2])
        unchecked = protection > _PROTECTION_MAX_M
        scale = _UNCHECKED_FACTOR if unchecked else 1.0
        if solution.redundancy:
            scale *= math.sqrt(max(1.0, solution.chi_square / solution.redundancy))
        across = math.sqrt(float(np.linalg.eigvalsh(local[:2, :2])[-1]))
        clock_ns, clock_std_ns = self._clock(solution)
        clock_std_ns *= scale
        apart, difference = judged.ambiguity_m, solution.difference_m
        bound = _RAYLEIGH_999 * scale * across + apart
        doubted = self.late_sigma_s == _DOUBTED_SIGMA_S
        if bound > (_DOUBTED_BOUND_MAX_M if doubted else _BOUND_MAX_M):
            return self.unsolved(
                f"the satellites' directions are too alike: ± {bound / 1000:.0f} km at best"
            )
        reason = "no satellite to spare: a lie would not show"
        if self.late_sigma_s == _DOUBTED_SIGMA_S:
            reason = "no satellite to spare: neither a lie nor a clock wrong by seconds would show"
        if solution.redundancy:
            reason = f"a lie of {self.usable[worst].satellite} would not show"
        return replace(
            self._fix(Status.UNCHECKED, reason) if unchecked else self._fix(Status.SOLVED),
            position=solution.position,
            clock_error_ns=clock_ns,
            clock_error_std_ns=clock_std_ns,
            clock_error_bound_ns=_NORMAL_999 * clock_std_ns + apart * METRES_TO_NS,
            horizontal_bound_m=bound,
            vertical_bound_m=_NORMAL_999 * scale * math.sqrt(float(local[2, 2])) + apart,
            horizontal_protection_m=None if unchecked else protection + apart,
            galileo_minus_gps_ns=None if difference is None else -difference * METRES_TO_NS,
            horizontal_dilution=_dilution(solution, judged.measurements, axes),
            redundancy=solution.redundancy,
            chi_square=judged.chi_square,
            chi_square_limit=judged.threshold,
            used=self._used(frame, judged, solution),
        )

    def _clock(self, solution: Solution) -> tuple[float, float]:
        """Error and standard deviation (ns). Where the codes were put under a time that a survey
        found, that time is one for all epochs, and what it may be wrong by is in the deviation."""
        std_ns = math.sqrt(float(solution.covariance[3, 3])) * METRES_TO_NS
        std_ns = math.hypot(std_ns, self.late_sigma_s * SECOND)
        return solution.clock_m * METRES_TO_NS - self.slow_ns, std_ns

    def _used(self, frame: LocalFrame, judged: Verdict, solution: Solution) -> tuple[Used, ...]:
        used = []
        for index, each in enumerate(self.usable):
            azimuth, elevation = (math.degrees(angle) for angle in frame.direction(each.position))
            sigma, residual = judged.measurements.sigmas[index], solution.residuals[index]
            codes = each.ranging.codes
            used.append(
                Used(each.satellite, codes, azimuth, elevation, float(sigma), float(residual))
            )
        return tuple(used)

    def failed(self, judged: Verdict) -> Fix:
        if not judged.suspects:
            return self.unsolved(judged.problem or "no solution")
        names = [self.usable[index].satellite for index in judged.suspects]
        reason = (
            f"{', '.join(names)} contradict each other (chi-square {judged.chi_square or 0:.0f}, "
            f"chance explains {judged.threshold or 0:.0f}): one lies, and it cannot be told which"
        )
        self.take_out_liars(judged)
        fix = self.unsolved(reason, Status.INCONSISTENT)
        return replace(fix, chi_square=judged.chi_square, chi_square_limit=judged.threshold)

    def unsolved(self, reason: str, status: Status = Status.UNSOLVED) -> Fix:
        return self._fix(status, reason)

    def _fix(self, status: Status, reason: str | None = None) -> Fix:
        return Fix(
            time=self.epoch.time,
            status=status,
            reason=reason,
            excluded=tuple(sorted(self.excluded, key=lambda each: each.satellite)),
            header_position=self.epoch.position,
            power_failed=self.epoch.power_failed,
        )


def _dilution(solution: Solution, measurements: Measurements, axes: np.ndarray) -> float:
    """How geometry alone spreads errors horizontally (HDOP)."""
    unit = replace(measurements, sigmas=np.ones(len(measurements)))
    again = solve(unit, solution.position)
    if again is None:
        return math.inf
    local = axes @ again.covariance[:3, :3] @ axes.T
    return math.sqrt(float(local[0, 0] + local[1, 1]))


def _is_near_the_ground(solution: Solution) -> bool:
    return _HEIGHT_MIN_M <= to_geodetic(solution.position).height_m <= _HEIGHT_MAX_M


def _lie_words(lie_m: float) -> str:
    size = f"{abs(lie_m):.0f} m" if abs(lie_m) < 10_000 else f"{abs(lie_m) / 1000:.0f} km"
    return f"pseudorange {size} too {'long' if lie_m > 0 else 'short'}"


def _too_few(count: int) -> str:
    return f"{count} usable satellite{'s' if count != 1 else ''}; four are needed"
