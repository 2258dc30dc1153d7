"""What all paths of the graph prove about a pair, together.

The exchanges of two hosts prove that one's clock minus the other's is at most so much: a
*difference constraint*. Constraints add up along a path, so a pair knows the least that any path
says, its own included: shortest paths, in both directions. No assumption about symmetry is made.

One that lies would spoil it: a host that tells two others different times shortens paths that lead
through it. So a detour counts only if as many others as may lie, and one more, say at least as
much by detours of their own: of all detours the (liars + 1)-th least. One of those is honest, and
by induction over ever longer ones (a detour's halves may be detours) so is what they prove. It
holds for every two honest hosts. The pair's own exchanges always count: they are between honest
hosts or do not matter.
"""

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]

UNKNOWN = 1 << 60
"""No constraint."""
_ROUNDS_MAX = 12
"""A round doubles the length of the detours that are looked at."""


def closed(direct: Integers, liars: int) -> Integers:
    """The most that clock j minus clock i can be, at [i, j], from all paths.

    Args:
        direct: the same from the exchanges of i and j alone; `UNKNOWN` where there are none.
        liars: how many hosts at most tell different times to different others.

    >>> direct = np.array([[0, 5, 90], [-1, 0, 7], [UNKNOWN, UNKNOWN, 0]])
    >>> int(closed(direct, 0)[0, 2]), int(closed(direct, 1)[0, 2])
    (12, 90)
    """
    known = np.minimum(direct, UNKNOWN)
    return _shortest(known) if liars == 0 else _cautious(known, liars)


def _shortest(direct: Integers) -> Integers:
    """Floyd and Warshall's."""
    found = direct.copy()
    for via in range(len(found)):
        detour = found[:, via, None] + found[None, via, :]
        np.minimum(found, detour, out=found)
    return found


def _cautious(direct: Integers, liars: int) -> Integers:
    count = len(direct)
    if count - 2 <= liars:  # fewer hosts to go through than would have to agree
        return direct.copy()
    found = direct.copy()
    for _ in range(_ROUNDS_MAX):
        nowhere = found.copy()
        np.fill_diagonal(nowhere, UNKNOWN)  # a detour leads through somebody else
        improved = found.copy()
        for start in range(count):
            detours = nowhere[start][:, None] + nowhere
            honest = np.partition(detours, liars, axis=0)[liars]
            honest[start] = UNKNOWN
            np.minimum(improved[start], honest, out=improved[start])
        if np.array_equal(improved, found):
            break
        found = improved
    return found
