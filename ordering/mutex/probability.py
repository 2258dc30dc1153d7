"""How likely decentralised voting lets two in, exactly.

With m votes a client is inside. Another one finds n - m coordinators that have not voted, and those
of the m that crashed, came back and have forgotten: it needs m - (n - m) = 2m - n of these. Each
voter forgets with probability p while the first one is inside, each for itself, so the number that
do is binomial, and exclusion *can* be lost with the probability that it is 2m - n or more. Whether
it is depends on whether anybody else asks.

Tanenbaum and van Steen, *Distributed Systems*, "A decentralized algorithm"; Lin et al., 2004.
"""

from fractions import Fraction
from math import comb
from typing import overload

from clocksync.runtime.errors import BadConfig


@overload
def violation_probability(coordinators: int, votes: int, forgets: Fraction) -> Fraction: ...
@overload
def violation_probability(coordinators: int, votes: int, forgets: float) -> float: ...
def violation_probability(
    coordinators: int, votes: int, forgets: float | Fraction
) -> float | Fraction:
    """The probability that at least 2m - n of the m voters forget.

    Exact for a :class:`fractions.Fraction`; of a float, the float nearest to the exact value.

    Args:
        coordinators: n, of one resource.
        votes: m, that let a client in; more than half of n.
        forgets: p, that one voter forgets while somebody is inside.

    Raises:
        BadConfig: m is not a majority of n, or p no probability.

    >>> violation_probability(3, 2, Fraction(1, 10))
    Fraction(19, 100)
    >>> violation_probability(32, 24, 0.001) < 1e-40
    True
    """
    if not coordinators < 2 * votes <= 2 * coordinators:
        raise BadConfig(f"votes = {votes} of {coordinators} coordinators: more than half, not more")
    if not 0 <= forgets <= 1:
        raise BadConfig(f"forgets = {forgets} is no probability: 0 to 1")
    exact = Fraction(forgets)
    total = sum(
        (
            comb(votes, count) * exact**count * (1 - exact) ** (votes - count)
            for count in range(2 * votes - coordinators, votes + 1)
        ),
        Fraction(0),
    )
    return total if isinstance(forgets, Fraction) else float(total)
