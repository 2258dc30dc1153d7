"""Which of several servers tell the truth: Marzullo's intersection, as RFC 5905 11.2.1 uses it.

Every server claims an interval that contains the offset. Honest claims all share a point, so the
largest group of claims with a common point is taken to be the honest one, *if it is more than half
of the servers*; without that majority nothing is combined and no side is taken.

Two questions, two answers. **Who is wrong?** With the smallest number f of liars that explains the
claims, the servers *agree* on what lies between the lowest and the highest point that n - f claims
share (RFC 5905); a claim that misses all of it is a falseticker. Two groups can be of the same size
and contradict each other (A with B, B with C, but not A with C): then more than half must contain
*all* of what is agreed on, or there is no majority that holds together.

**What time is it?** The fewest liars are likely, not certain: two liars of five whose claims miss
the truth by little agree with wide honest claims, and look like four of five. The *combined*
interval therefore allows for the most liars that the assumption admits, everybody below half: it
runs from the lowest to the highest point that a majority shares (Marzullo 1984). Whichever the
liars are, truth lies in it.
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
    agreed: Interval | None = None
    """What the truechimers agree on if there are no more liars than there must be; it lies in
    ``combined``."""


def select(claims: Sequence[Interval], liars: int | None = None) -> Selection:
    """Find the majority among `claims` (each one server's interval) and what it agrees on.

    With `liars`, up to so many of those that claim may lie, majority or not: where other servers
    are silent, the liars that are left can outweigh the honest. ``combined`` then allows for them.

    >>> select([Interval(8, 12), Interval(11, 13), Interval(14, 15)])
    Selection(combined=Interval(earliest=11, latest=12), truechimers=(0, 1), falsetickers=(2,), \
contradicted=(), agreed=Interval(earliest=11, latest=12))
    """
    count, majority = len(claims), len(claims) // 2 + 1
    agreed = _shared_by(claims, max(_most_sharing_a_point(claims), majority))
    if agreed is None or sum(claim.contains(agreed) for claim in claims) < majority:
        return Selection(None)
    agreeing = [i for i in range(count) if claims[i] & agreed is not None]
    first_end = min(claims[i].latest for i in agreeing)
    last_start = max(claims[i].earliest for i in agreeing)
    needed = majority if liars is None else min(majority, max(1, count - liars))
    return Selection(
        _shared_by(claims, needed),
        tuple(agreeing),
        tuple(i for i in range(count) if claims[i] & agreed is None),
        tuple(
            i for i in agreeing if claims[i].earliest > first_end or claims[i].latest < last_start
        ),
        agreed,
    )


def _edges(claims: Sequence[Interval]) -> list[tuple[int, int]]:
    """Where claims begin (0) and end (1), in order. At one point beginnings come first: closed
    intervals that touch do meet."""
    return sorted([(c.earliest, 0) for c in claims] + [(c.latest, 1) for c in claims])


def _most_sharing_a_point(claims: Sequence[Interval]) -> int:
    depth = most = 0
    for _, is_end in _edges(claims):
        depth += -1 if is_end else 1
        most = max(most, depth)
    return most


def _shared_by(claims: Sequence[Interval], needed: int) -> Interval | None:
    """From the lowest to the highest point that at least `needed` claims contain."""
    depth, lowest, highest = 0, None, None
    for point, is_end in _edges(claims):
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
