"""Which of several servers tell the truth: Marzullo's intersection, as RFC 5905 11.2.1 uses it.

Every server claims an interval that contains the offset. Honest claims all share a point, so the
largest group of claims with a common point is taken to be the honest one, *if it is more than half
of the servers*; without that majority nothing is combined and no side is taken.

With f liars assumed, the combined interval runs from the lowest to the highest point that n - f
claims share (Marzullo 1984): whichever group of n - f is the honest one, truth lies between. The
smallest f that yields an interval is used. Two groups can be of the same size and contradict each
other (A with B, B with C, but not A with C): then more than half must agree with *all* of the
combined interval, or there is no majority that holds together.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from clocksync.runtime.interval import Interval


@dataclass(frozen=True, slots=True)
class Selection:
    """The outcome for the given claims, by their indices.

    ``combined`` is None without a majority; then both lists are empty.
    """

    combined: Interval | None
    truechimers: tuple[int, ...] = ()
    falsetickers: tuple[int, ...] = ()
    contradicted: tuple[int, ...] = ()
    """Truechimers that another truechimer contradicts, without a majority to say who is wrong."""


def select(claims: Sequence[Interval]) -> Selection:
    """Find the majority among `claims` (each one server's interval) and what it agrees on.

    >>> select([Interval(8, 12), Interval(11, 13), Interval(14, 15)])
    Selection(combined=Interval(earliest=11, latest=12), truechimers=(0, 1), falsetickers=(2,), \
contradicted=())
    """
    count = len(claims)
    for liars in range((count + 1) // 2):
        combined = _shared_by(claims, count - liars)
        if combined is None:
            continue
        whole = sum(claim.contains(combined) for claim in claims)
        if 2 * whole <= count:
            return Selection(None)
        agreeing = [i for i in range(count) if claims[i] & combined is not None]
        first_end = min(claims[i].latest for i in agreeing)
        last_start = max(claims[i].earliest for i in agreeing)
        return Selection(
            combined,
            tuple(agreeing),
            tuple(i for i in range(count) if claims[i] & combined is None),
            tuple(
                i
                for i in agreeing
                if claims[i].earliest > first_end or claims[i].latest < last_start
            ),
        )
    return Selection(None)


def _shared_by(claims: Sequence[Interval], needed: int) -> Interval | None:
    """From the lowest to the highest point that at least `needed` claims contain."""
    edges = sorted(
        [(claim.earliest, 0) for claim in claims] + [(claim.latest, 1) for claim in claims]
    )  # at one point, beginnings (0) come before ends (1): closed intervals that touch do meet
    depth, lowest, highest = 0, None, None
    for point, is_end in edges:
        if is_end:
            if depth >= needed:
                highest = point
            depth -= 1
        else:
            depth += 1
            if depth >= needed and lowest is None:
                lowest = point
    if lowest is None or highest is None:
        return None
    return Interval(lowest, highest)
