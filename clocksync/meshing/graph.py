"""One offset for each host from the offsets of pairs: least squares that a few wrong ones cannot
spoil, and the loops that show which are wrong.

Around a loop the true offsets sum to nothing; what the measured ones sum to is half the sum of its
paths' asymmetries, and noise. That is all anybody can see: asymmetries that cancel around every
loop (a host whose way out is slower than its way in, the same to everybody) look like an offset.

The fit minimises absolute residuals first (iteratively reweighted least squares), which a minority
of wrong paths at each host does not move; then paths that miss it by `OUTLIER` times what is usual
are set aside, and the rest is fitted by weighted least squares.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

OUTLIER = 6.0
"""Beyond so many times the usual residual a path is set aside."""
NEIGHBOURS_TO_BLAME = 3
"""A path can be told from others of its loops only if its ends have this many."""
_ROUNDS = 40
_ASIDE = 1e-9
_LEAST_SHARE = 1e-12


@dataclass(frozen=True, slots=True)
class Fit:
    """Of `count` hosts and the edges given.

    ``offsets`` are of one component relative to its first host; ``residuals`` are measured minus
    fitted, ``usual`` what each edge's residual would usually be; ``aside`` the edges set aside.
    """

    offsets: Floats
    residuals: Floats
    usual: Floats
    aside: NDArray[np.bool_]


def components(count: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """For each host the first host that a path leads to.

    >>> components(4, [(1, 2)])
    [0, 1, 1, 3]
    """
    root = list(range(count))

    def find(host: int) -> int:
        while root[host] != host:
            root[host] = root[root[host]]
            host = root[host]
        return host

    for a, b in edges:
        one, other = find(a), find(b)
        root[max(one, other)] = min(one, other)
    return [find(host) for host in range(count)]


def fit(count: int, edges: Sequence[tuple[int, int]], measured: Floats, sigma: Floats) -> Fit:
    """Fit offsets to `measured` (the second of an edge minus the first), each uncertain by `sigma`.

    Hosts that no path connects have unrelated offsets: see :func:`components`.
    """
    ends = np.array(edges, dtype=np.int64).reshape(-1, 2)
    anchors = sorted(set(components(count, edges)))
    weights: Floats = (sigma**-2).astype(np.float64)
    offsets = _solve(count, ends, measured, weights, anchors)
    for _ in range(_ROUNDS):
        strange = np.abs(_residuals(ends, measured, offsets)) / sigma
        offsets = _solve(count, ends, measured, weights / np.maximum(strange, 0.01), anchors)
    residuals = _residuals(ends, measured, offsets)
    # Of what is usual the median speaks; a fit makes as many residuals vanish as it has freedom.
    freedom = max(1, len(ends) - count + len(anchors))
    ranked = np.sort(np.abs(residuals) / sigma)[::-1][:freedom]
    scale = max(1.0, 1.4826 * float(np.median(ranked))) if len(ranked) > 2 else 1.0
    usual = scale * sigma
    degree = np.bincount(ends.ravel(), minlength=count)
    blameable = degree[ends].min(axis=1, initial=count) >= NEIGHBOURS_TO_BLAME
    aside = (np.abs(residuals) > OUTLIER * usual) & blameable
    offsets = _solve(count, ends, measured, np.where(aside, _ASIDE, 1.0) * weights, anchors)
    return Fit(offsets, _residuals(ends, measured, offsets), usual, aside)


def _residuals(ends: NDArray[np.int64], measured: Floats, offsets: Floats) -> Floats:
    residuals: Floats = measured - (offsets[ends[:, 1]] - offsets[ends[:, 0]])
    return residuals


def _solve(
    count: int,
    ends: NDArray[np.int64],
    measured: Floats,
    weights: Floats,
    anchors: Sequence[int],
) -> Floats:
    """Weighted least squares: the graph's Laplacian, each component held at its first host."""
    # A path that says next to nothing still connects: below this the matrix would be singular.
    share = np.maximum(weights / weights.max(initial=1e-300), _LEAST_SHARE)
    laplacian, right = np.zeros((count, count)), np.zeros(count)
    a, b = ends[:, 0], ends[:, 1]
    np.add.at(laplacian, (a, a), share)
    np.add.at(laplacian, (b, b), share)
    np.add.at(laplacian, (a, b), -share)
    np.add.at(laplacian, (b, a), -share)
    np.add.at(right, b, share * measured)
    np.add.at(right, a, -share * measured)
    laplacian[anchors, :] = 0.0
    laplacian[anchors, anchors] = 1.0
    right[anchors] = 0.0
    return np.linalg.solve(laplacian, right).astype(np.float64)


@dataclass(frozen=True, slots=True)
class Loop:
    """A way around: its hosts in order, and what the offsets along it sum to, ns."""

    hosts: tuple[int, ...]
    residual: float


def loops(count: int, edges: Sequence[tuple[int, int]], measured: Floats) -> list[Loop]:
    """Every triangle, and for each edge that is in none a loop through the first host's tree: so
    each edge that lies on any loop is on one of them."""
    value: dict[tuple[int, int], float] = {}
    around: dict[int, set[int]] = {host: set() for host in range(count)}
    for (a, b), offset in zip(edges, measured, strict=True):
        value[a, b], value[b, a] = float(offset), -float(offset)
        around[a].add(b)
        around[b].add(a)
    found, covered = [], set()
    for a, b in sorted(edges):
        for c in sorted(around[a] & around[b]):
            covered.add((a, b))
            if c > b > a:
                found.append(Loop((a, b, c), value[a, b] + value[b, c] + value[c, a]))
    parents = _tree(count, around)
    for a, b in sorted(edges):
        if (a, b) in covered or parents.get(a) == b or parents.get(b) == a:
            continue
        hosts = _around(parents, a, b)
        ring = [*hosts, hosts[0]]
        found.append(Loop(hosts, sum(value[one, other] for one, other in pairwise(ring))))
    return found


def _tree(count: int, around: dict[int, set[int]]) -> dict[int, int]:
    """Each host's predecessor on a shortest way from the first host of its component."""
    parents: dict[int, int] = {}
    for root in range(count):
        if root in parents:
            continue
        parents[root] = root
        queue = [root]
        for host in queue:
            for other in sorted(around[host]):
                if other not in parents:
                    parents[other] = host
                    queue.append(other)
    return parents


def _around(parents: dict[int, int], a: int, b: int) -> tuple[int, ...]:
    """From a up the tree to where its way meets b's, and down to b."""
    up = [a]
    while parents[up[-1]] != up[-1]:
        up.append(parents[up[-1]])
    down = [b]
    while down[-1] not in up:
        down.append(parents[down[-1]])
    return (*up[: up.index(down[-1]) + 1], *reversed(down[:-1]))
