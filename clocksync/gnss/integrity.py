"""Does a satellite lie? The residuals tell, where there are more satellites than unknowns (RAIM).

One satellite more than unknowns: that *somebody* lies shows, because the sum of squared residuals
is too large for chance (chi-square). Two more: leave one out after the other; if only one subset
agrees with itself, the one left out is the liar (Parkinson and Axelrad, "Autonomous GPS Integrity
Monitoring Using the Pseudorange Residual", 1988). With no redundancy every lie fits perfectly.

Two suspects whose absence would do equally well are told apart only if it matters: where leaving
out the one or the other puts the receiver nearly at the same place, the bound is widened by the
difference, and where it does not, nobody is believed.
"""

import math
from dataclasses import dataclass, field, replace
from functools import cache
from statistics import NormalDist

import numpy as np

from clocksync.gnss.geodesy import Ecef
from clocksync.gnss.least_squares import (
    Measurements,
    Solution,
    Vector,
    predicted_ranges,
    solve,
)

FALSE_ALARM = 1e-5
"""How often honest satellites with Gaussian errors would be accused, per epoch."""
APART_MAX_M = 30.0
_NORMAL_999 = 3.291


@dataclass(slots=True)
class Verdict:
    """What the residuals say."""

    solution: Solution | None
    """None: no solution, or none that agrees with itself."""
    measurements: Measurements
    """Those kept."""
    kept: list[int]
    """Their indices in what was given."""
    liars: list[int] = field(default_factory=list)
    lies_m: list[float] = field(default_factory=list)
    """By how much each liar's pseudorange is too long for the position found without it."""
    ambiguity_m: float = 0.0
    """How far apart the positions of equally good verdicts are."""
    problem: str | None = None
    suspects: list[int] = field(default_factory=list)
    """Those of whom one lies, where it cannot be told which."""
    chi_square: float | None = None
    """Of all that was given, and what it may be..."""
    threshold: float | None = None

    def without(self, index: int, rest: Measurements, solution: Solution) -> "Verdict":
        """The verdict that `index` of those kept lies, and `solution` without it is right."""
        kept = [each for at, each in enumerate(self.kept) if at != index]
        return replace(
            self,
            solution=solution,
            measurements=rest,
            kept=kept,
            liars=[*self.liars, self.kept[index]],
            lies_m=[*self.lies_m, _lie(self.measurements, index, solution)],
            suspects=[],
            problem=None,
        )


def judge(measurements: Measurements, start: Ecef = (0.0, 0.0, 0.0)) -> Verdict:
    """Solve; leave out whoever contradicts the others, as long as there are enough to tell."""
    verdict = Verdict(None, measurements, list(range(len(measurements))))
    solution = solve(measurements, start)
    if solution is None:
        verdict.problem = "the satellites' directions do not determine a position"
        return verdict
    if solution.redundancy > 0:
        verdict.chi_square = solution.chi_square
        verdict.threshold = chi_square_limit(solution.redundancy)
    while not agrees(solution):
        if solution.redundancy < 2:
            verdict.problem = "contradiction"
            verdict.suspects = list(verdict.kept)
            return verdict
        solution = _leave_one_out(verdict, solution.position)
        if solution is None:
            return verdict
    verdict.solution = solution
    return verdict


def agrees(solution: Solution) -> bool:
    """Whether chance explains the residuals. Without redundancy there are none to explain."""
    return solution.redundancy == 0 or solution.chi_square <= chi_square_limit(solution.redundancy)


def _leave_one_out(verdict: Verdict, start: Ecef) -> Solution | None:
    """Without the one whose absence helps most; None, with the reason, if that cannot be told."""
    given = verdict.measurements
    # The expectation of the systems' difference can be what is wrong, too.
    candidates = range(len(given) + (given.both and given.difference_sigma_m is not None))
    tried = []
    for index in candidates:
        solution = solve(given.without(index), start)
        if solution is not None and solution.redundancy > 0:
            tried.append(
                (solution.chi_square / chi_square_limit(solution.redundancy), index, solution)
            )
    if not tried:
        verdict.problem, verdict.suspects = "contradiction", list(verdict.kept)
        return None
    tried.sort(key=lambda each: each[0])
    ratio, index, solution = tried[0]
    rivals = [each for each in tried[1:] if each[0] <= 1]
    apart = max((math.dist(each[2].position, solution.position) for each in rivals), default=0.0)
    if ratio <= 1 and apart > APART_MAX_M:
        suspects = [index, *(each[1] for each in rivals)]
        verdict.suspects = [verdict.kept[at] for at in sorted(suspects) if at < len(given)]
        verdict.problem = "ambiguous"
        return None
    verdict.ambiguity_m = max(verdict.ambiguity_m, apart)
    verdict.measurements = given.without(index)
    if index < len(given):
        verdict.lies_m.append(_lie(given, index, solution))
        verdict.liars.append(verdict.kept.pop(index))
    return solution


def _lie(given: Measurements, index: int, solution: Solution) -> float:
    """The left-out range against the position found without it."""
    second = bool(given.second[index])
    difference = (solution.difference_m or 0.0) if second else 0.0
    distance = float(predicted_ranges(given.positions[index : index + 1], solution.position)[0])
    return float(given.ranges[index]) - distance - solution.clock_m - difference


def unnoticed(solution: Solution, measurements: Measurements, axes: Vector) -> tuple[float, int]:
    """How far (m) one lie could move the position along `axes` (k, 3) without being noticed, and
    whose. Infinite where somebody's lie would never show.

    A lie of b moves the position by the row of the solution's matrix for it, and the root of the
    sum of squares by b over sigma times the root of that residual's own share (Brown, "A Baseline
    RAIM Scheme", 1992). Noticed is what exceeds the limit in spite of noise, at 99.9 %.
    """
    if solution.redundancy < 1:
        return math.inf, 0
    count = len(measurements)
    weighted = solution.design
    moves = solution.covariance @ weighted.T  # unknowns by a lie of one sigma, each
    shares = 1 - (weighted * moves.T).sum(axis=1)[:count]
    noticed = math.sqrt(chi_square_limit(solution.redundancy)) + _NORMAL_999
    with np.errstate(divide="ignore", invalid="ignore"):
        lies = np.where(shares > 1e-9, noticed / np.sqrt(np.maximum(shares, 1e-12)), np.inf)
        distances = np.linalg.norm(axes @ moves[:3, :count], axis=0) * lies
    worst = int(np.argmax(distances))
    return float(distances[worst]), worst


@cache
def chi_square_limit(redundancy: int, false_alarm: float = FALSE_ALARM) -> float:
    """What a sum of squares exceeds with this probability by chance alone.

    Exact for one and two degrees of freedom, else by Wilson and Hilferty (1931): up to 5 % more.

    >>> round(chi_square_limit(1), 2), round(chi_square_limit(2), 2), round(chi_square_limit(6), 1)
    (19.51, 23.03, 34.1)
    """
    if redundancy == 1:
        return NormalDist().inv_cdf(1 - false_alarm / 2) ** 2
    if redundancy == 2:
        return -2 * math.log(false_alarm)
    ninth = 2 / (9 * redundancy)
    return redundancy * (1 - ninth + NormalDist().inv_cdf(1 - false_alarm) * math.sqrt(ninth)) ** 3
