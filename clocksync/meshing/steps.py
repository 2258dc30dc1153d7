"""Clocks that were set while they were measured: found, named, and what came before left out.

Averaged, such a clock would be wrong by half its step, and its neighbours by some of that. Two ways
to see it:

- **Proof.** Exchanges of a pair contradict each other: no two clocks that drift by at most what is
  allowed can have made both. That needs no noise to be small, and no axis of time, which the step
  itself would bend: exchanges are taken in the order they were begun in.
- **Evidence.** A step below half the delay contradicts nothing. But it moves the middle between the
  clouds of *every* path of that host at the same time by the same amount, many times what the
  middle usually moves by.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clocksync.meshing.frames import Row
from clocksync.meshing.pairs import Cloud, Integers
from clocksync.runtime.clocks import drift_allowance

WINDOWS = 10
EVIDENCE = 7.0
"""How many times the usual movement counts as a step."""
ERRATIC_FROM = 4
"""So often no clock is set in one measurement."""
_AGREEING = 0.35
_UNSEEN_SHARE = 0.002
"""Of the delay: below so much, what looks like a step may be a change of the path."""
_POINTS_A_WINDOW = 3

Pair = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Step:
    """A clock was set."""

    hosts: tuple[int, ...]
    """Whose: one, or two that nobody else could tell apart."""
    by_ns: int
    """Roughly; positive: forward."""


def breaks(rows: Sequence[Row], max_drift_ppm: float, precision_ns: int) -> list[int]:
    """The places in `rows` (one asker's exchanges, in order) that contradict what was before."""
    found: list[int] = []
    least = most = last = 0
    for place, (t1, t2, t3, t4, _) in enumerate(rows):
        slack = precision_ns + drift_allowance(t4 - t1, max_drift_ppm)
        low, high = t3 - t4 - slack, t2 - t1 + slack
        if low > high:
            found.append(place)  # within one exchange
            continue
        if place:
            drift = drift_allowance(t4 - last, max_drift_ppm)
            least, most = max(least - drift, low), min(most + drift, high)
        if not place or least > most:
            if place:
                found.append(place)
            least, most = low, high
        last = t4
    return found


def jump(rows: Sequence[Row], place: int) -> int:
    """By how much the offset jumped there, about; 0 where there is nothing before."""
    if not place:
        return 0

    def middle(some: Sequence[Row]) -> int:
        most = min(row.t2 - row.t1 for row in some)
        return (most + max(row.t3 - row.t4 for row in some)) // 2

    return middle(rows[place : place + 20]) - middle(rows[max(0, place - 20) : place])


def blame(broken: Mapping[Pair, bool]) -> tuple[list[int], list[Pair]]:
    """Who explains the broken paths: hosts, most of whose paths are; and paths that nobody does.

    `broken` has both directions of a pair as one, smaller number first.

    >>> blame({(1, 2): True, (1, 3): True, (2, 3): False})
    ([1], [])
    """
    left = {pair for pair, is_broken in broken.items() if is_broken}
    whole = {pair for pair, is_broken in broken.items() if not is_broken}
    hosts: list[int] = []
    while left:
        count: dict[int, int] = {}
        for pair in left:
            for host in pair:
                count[host] = count.get(host, 0) + 1
        worst = max(sorted(count), key=lambda host: (count[host], host))
        sound = sum(worst in pair for pair in whole)
        if count[worst] < 2 or count[worst] <= sound:
            break
        hosts.append(worst)
        left = {pair for pair in left if worst not in pair}
    return hosts, sorted(left)


@dataclass(frozen=True, slots=True)
class Shift:
    """Evidence of a step: whose, by how much, and on the clouds' axis when it was over."""

    hosts: tuple[int, ...]
    by_ns: int
    over_at: int
    is_last: bool
    """Too near the end for all that came before it to be told from what came after."""


def shift(clouds: Mapping[Pair, Cloud]) -> Shift | None:
    """The clearest step that no contradiction proves, if there is one."""
    times = [at for points in clouds.values() for at in (points.upper_at, points.lower_at)]
    if not times:
        return None
    everything = np.concatenate(times)
    first, last = np.quantile(everything, [0.01, 0.99])
    borders = np.linspace(first, last, WINDOWS + 1)
    moves = {pair: move for pair, c in clouds.items() if (move := _moves(c, borders)) is not None}
    around: dict[int, list[tuple[NDArray[np.float64], float]]] = {}
    for (a, b), (by, usual) in moves.items():
        around.setdefault(a, []).append((-by, usual))
        around.setdefault(b, []).append((by, usual))
    best: tuple[float, Shift] | None = None
    for host, seen in sorted(around.items()):
        strength, step, window = _strongest(seen)
        if strength > EVIDENCE and (best is None or strength > best[0]):
            hosts: tuple[int, ...] = (host,)
            if len(seen) == 1:  # nobody else to ask: it may as well be the other's
                hosts = next(pair for pair in moves if host in pair)
            is_last = window == WINDOWS - 3
            best = strength, Shift(hosts, round(step), int(borders[window + 2]), is_last)
    return best and best[1]


def _strongest(seen: Sequence[tuple[NDArray[np.float64], float]]) -> tuple[float, float, int]:
    """How strong the evidence is against one host at the window where it is strongest, the step
    there, and the window. Most of its paths must agree."""
    moves = np.array([by for by, _ in seen])
    usual = np.array([noise for _, noise in seen])
    with np.errstate(invalid="ignore"):
        strength = np.abs(moves) / usual[:, None]
    strength = np.nan_to_num(strength)
    middle = np.sort(strength, axis=0)[(len(seen) - 1) // 2]
    window = int(middle.argmax())
    there = moves[:, window][~np.isnan(moves[:, window])]
    if not len(there):
        return 0.0, 0.0, window
    by = float(np.median(there))
    near = np.abs(there - by) <= np.maximum(_AGREEING * abs(by), 3 * np.median(usual))
    if near.sum() * 2 <= len(seen):
        return 0.0, by, window
    return float(middle[window]), by, window


def _moves(points: Cloud, borders: NDArray[np.float64]) -> tuple[NDArray[np.float64], float] | None:
    """How far the middle moves from each window to the next but one, the slope taken out, and how
    far it usually does; None where there is too little to tell. The next but one: a step within a
    window moves its middle by half."""
    top, bottom = _clouds_ends(points, borders)
    middles = (top + bottom) / 2
    by_one = np.diff(middles)
    if np.isnan(by_one).mean() > 0.4:
        return None
    moves = middles[2:] - middles[:-2] - 2 * np.nanmedian(by_one)
    usual = 1.4826 * float(np.nanmedian(np.abs(moves - np.nanmedian(moves))))
    delay = max(0.0, float(np.nanmedian(top - bottom)))
    return moves, usual + points.precision_ns + _UNSEEN_SHARE * delay


def _clouds_ends(
    points: Cloud, borders: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """In each window the least of what is above and the most of what is below; not a number where
    there are too few points."""
    top = _extremes(points.upper_at, points.upper, borders, np.minimum, np.inf)
    return top, _extremes(points.lower_at, points.lower, borders, np.maximum, -np.inf)


def _extremes(
    at: Integers, value: Integers, borders: NDArray[np.float64], which: np.ufunc, start: float
) -> NDArray[np.float64]:
    window = np.searchsorted(borders, at, side="right") - 1
    inside = (window >= 0) & (window < WINDOWS)
    found = np.full(WINDOWS, start)
    which.at(found, window[inside], value[inside].astype(float))
    found[np.bincount(window[inside], minlength=WINDOWS) < _POINTS_A_WINDOW] = np.nan
    return found
