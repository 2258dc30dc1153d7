"""Position and clock from pseudoranges: weighted least squares, iterated from anywhere.

A pseudorange is the distance plus what the receiver's clock is ahead, in metres; with a second
system one more unknown is the difference of the two systems' times as this receiver sees it.
Linearised and solved again until it stands still (Gauss and Newton). From the centre of the earth
it converges to the solution near the ground in about six steps.

The earth turns by 30 m while a signal travels: satellites are turned along (Sagnac effect).
"""

from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from clocksync.gnss.atmosphere import SPEED_OF_LIGHT
from clocksync.gnss.ephemeris import EARTH_RATE
from clocksync.gnss.geodesy import Ecef

Vector: TypeAlias = npt.NDArray[np.float64]
_STEPS_MAX = 25
_STANDS_STILL_M = 1e-4
_CONDITION_MAX = 1e8
"""Of the design matrix in metres: beyond it, the directions lie in one plane or cone."""


@dataclass(frozen=True, slots=True)
class Measurements:
    """What there is to solve from; arrays of one length n."""

    positions: Vector
    """(n, 3) metres: each satellite when it sent, in the earth's frame of that instant."""
    ranges: Vector
    """(n,) metres: corrected for all but the receiver's clock."""
    sigmas: Vector
    """(n,) metres."""
    second: npt.NDArray[np.bool_]
    """(n,): of the second system."""
    difference_prior_m: float = 0.0
    """What the second system's time is expected to be apart, as seen in pseudoranges..."""
    difference_sigma_m: float | None = None
    """...give or take; None: nothing is known."""
    velocities: Vector | None = None
    """(n, 3) m/s. If given, how late the positions were taken is one more unknown..."""
    late_sigma_s: float | None = None
    """...of which this much is expected; None: nothing is known."""
    clock_sigma_m: float | None = None
    """How well the receiver's clock is believed to be right; None: it is not asked."""

    def __len__(self) -> int:
        return len(self.ranges)

    def without(self, index: int) -> "Measurements":
        """All but one; ``index == len(self)`` leaves the expectation of the difference out."""
        if index == len(self):
            return replace(self, difference_sigma_m=None)
        kept = np.arange(len(self)) != index
        return replace(
            self,
            positions=self.positions[kept],
            ranges=self.ranges[kept],
            sigmas=self.sigmas[kept],
            second=self.second[kept],
            velocities=None if self.velocities is None else self.velocities[kept],
        )

    @property
    def both(self) -> bool:
        """Whether two systems take part."""
        return bool(self.second.any() and not self.second.all())

    @property
    def redundancy(self) -> int:
        """How many measurements there are more than unknowns; negative: too few."""
        unknowns = 4
        if self.both:
            unknowns += self.difference_sigma_m is None
        if self.velocities is not None:
            unknowns += self.late_sigma_s is None
        if self.clock_sigma_m is not None:
            unknowns -= 1
        return len(self) - unknowns

    def expectations(self) -> list[tuple[int, float, float]]:
        """What is expected of unknowns beforehand: which, its value, its standard deviation."""
        found = []
        if self.clock_sigma_m is not None:
            found.append((3, 0.0, self.clock_sigma_m))
        if self.both and self.difference_sigma_m is not None:
            found.append((4, self.difference_prior_m, self.difference_sigma_m))
        if self.velocities is not None and self.late_sigma_s is not None:
            found.append((4 + self.both, 0.0, self.late_sigma_s))
        return found


@dataclass(frozen=True, slots=True)
class Solution:
    """Where, and how wrong the clock; metres."""

    position: Ecef
    clock_m: float
    difference_m: float | None
    """Second system's pseudoranges minus the first's; None with one system."""
    late_s: float | None
    """How much later the satellites' positions should have been taken, if that was asked."""
    covariance: Vector
    """Of x, y, z, clock (m), then of the difference (m) and the lateness (s) if unknown."""
    residuals: Vector
    """(n,) measured minus predicted."""
    design: Vector
    """Change of each measurement, and of what was expected, with the unknowns; over its sigma."""
    chi_square: float
    redundancy: int


def solve(measurements: Measurements, start: Ecef = (0.0, 0.0, 0.0)) -> Solution | None:
    """The position and clock that fit best; None if they are too few, or see all from one side, or
    do not converge."""
    if measurements.redundancy < 0:
        return None
    both, count = measurements.both, len(measurements)
    late = measurements.velocities is not None
    expected = measurements.expectations()
    rows = count + len(expected)
    unknowns = np.zeros(4 + both + late)
    unknowns[:3] = start
    design, weights, misfit = np.zeros((rows, len(unknowns))), np.empty(rows), np.empty(rows)
    design[:count, 3] = 1.0
    weights[:count] = 1 / measurements.sigmas
    if both:
        design[:count, 4] = measurements.second
    for row, (column, value, sigma) in enumerate(expected, count):
        design[row, column], weights[row], unknowns[column] = 1.0, 1 / sigma, value
    for _ in range(_STEPS_MAX):
        predicted, design[:count, :3] = predict(measurements.positions, unknowns[:3])
        if measurements.velocities is not None:
            design[:count, -1] = -(design[:count, :3] * measurements.velocities).sum(axis=1)
        misfit[:count] = measurements.ranges - predicted - design[:count, 3:] @ unknowns[3:]
        for row, (column, value, _) in enumerate(expected, count):
            misfit[row] = value - unknowns[column]
        weighted = design * weights[:, None]
        step = _step(weighted, misfit * weights)
        if step is None:
            return None
        unknowns = unknowns + step
        if np.abs(step[:4]).max() < _STANDS_STILL_M:
            break
    else:
        return None
    misfit -= design @ step
    x, y, z = (float(value) for value in unknowns[:3])
    return Solution(
        position=(x, y, z),
        clock_m=float(unknowns[3]),
        difference_m=float(unknowns[4]) if both else None,
        late_s=float(unknowns[-1]) if late else None,
        covariance=np.asarray(np.linalg.inv(weighted.T @ weighted), np.float64),
        residuals=misfit[:count].copy(),
        design=weighted,
        chi_square=float(((misfit * weights) ** 2).sum()),
        redundancy=measurements.redundancy,
    )


def _step(design: Vector, misfit: Vector) -> Vector | None:
    """The unknowns' next change; None where the directions do not determine it."""
    step, _, rank, singular = np.linalg.lstsq(design, misfit, rcond=None)
    if rank < design.shape[1] or singular[0] > singular[-1] * _CONDITION_MAX:
        return None
    return np.asarray(step, np.float64)


def predict(positions: Vector, receiver: Vector) -> tuple[Vector, Vector]:
    """Distances to the satellites, and how they change with the receiver's coordinates."""
    away = positions - receiver
    travel = np.sqrt((away * away).sum(axis=1)) / SPEED_OF_LIGHT
    angle = EARTH_RATE * travel
    cosine, sine = np.cos(angle), np.sin(angle)
    turned = np.empty_like(positions)
    turned[:, 0] = cosine * positions[:, 0] + sine * positions[:, 1]
    turned[:, 1] = cosine * positions[:, 1] - sine * positions[:, 0]
    turned[:, 2] = positions[:, 2]
    away = turned - receiver
    distances = np.sqrt((away * away).sum(axis=1))
    return distances, -away / distances[:, None]


def predicted_ranges(positions: Vector, receiver: Ecef) -> Vector:
    """Distances signals travel from satellites, (n, 3) metres when they sent, to a receiver."""
    return predict(positions, np.array(receiver))[0]
