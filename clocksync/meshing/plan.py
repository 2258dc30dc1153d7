"""Who probes whom: everybody everybody, or a sparse random graph where hosts are many.

All pairs of 500 hosts are 124,750, and each would have its share of every link. Not all are needed:
an offset between any two comes of the graph. Above `FULL_MAX` hosts the graph is the union of
`CYCLES` random cycles through all of them: connected whatever is drawn, every host with up to ten
neighbours, and (random regular graphs being expanders) no two hosts more than a few steps apart, so
that errors stay small and a host is not cut off when some neighbours are.
"""

from collections.abc import Sequence
from random import Random

FULL_MAX = 24
CYCLES = 5


def edges(
    numbers: Sequence[int], random: Random, full_max: int = FULL_MAX
) -> list[tuple[int, int]]:
    """The pairs (smaller number first, in order) that probe each other.

    >>> edges([3, 1, 2], Random(0))
    [(1, 2), (1, 3), (2, 3)]
    """
    hosts = sorted(numbers)
    if len(hosts) <= full_max:
        return [(a, b) for i, a in enumerate(hosts) for b in hosts[i + 1 :]]
    found: set[tuple[int, int]] = set()
    for _ in range(CYCLES):
        random.shuffle(hosts)
        for one, other in zip(hosts, [*hosts[1:], hosts[0]], strict=True):
            found.add((min(one, other), max(one, other)))
    return sorted(found)


def neighbours(pairs: Sequence[tuple[int, int]]) -> dict[int, list[int]]:
    """Whom each host probes: both ends of a pair probe each other.

    >>> neighbours([(1, 2), (1, 3)])
    {1: [2, 3], 2: [1], 3: [1]}
    """
    found: dict[int, list[int]] = {}
    for a, b in pairs:
        found.setdefault(a, []).append(b)
        found.setdefault(b, []).append(a)
    return {host: sorted(others) for host, others in sorted(found.items())}
