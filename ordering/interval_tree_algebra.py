"""The trees of interval tree clocks, and their operations: pure functions on tuples.

An identity is a piece of the interval [0, 1): 0 owns nothing, 1 owns all, (l, r) owns l of the
left half and r of the right half. An event tree is a step function over the interval: n is a flat
height, (n, l, r) lifts l over the left half and r over the right half by n. Both are kept in
normal form, so that equal functions are equal tuples.

Almeida, Baquero and Fonte, "Interval tree clocks: a logical clock for dynamic systems", OPODIS
2008, section 5; the functions carry the paper's names.
"""

from typing import TypeAlias, Union

Identity: TypeAlias = Union[int, tuple["Identity", "Identity"]]  # noqa: UP007  a string cannot stand in |
Events: TypeAlias = Union[int, tuple[int, "Events", "Events"]]  # noqa: UP007

DEPTH_MAX = 200
"""How deep a tree may get: the functions recurse, and Python's stack holds 1,000 calls."""

_DEEPER = 1_000_000  # the price of adding a level, above any number of levels walked down


def identity_depth(identity: Identity) -> int:
    """Levels below the root."""
    return 0 if isinstance(identity, int) else 1 + max(map(identity_depth, identity))


def split(identity: Identity) -> tuple[Identity, Identity]:
    """Two disjoint identities that together are `identity`."""
    match identity:
        case 0:
            return 0, 0
        case 1:
            return (1, 0), (0, 1)
        case (0, right):
            first, second = split(right)
            return (0, first), (0, second)
        case (left, 0):
            first, second = split(left)
            return (first, 0), (second, 0)
        case (left, right):
            return (left, 0), (0, right)
    raise AssertionError(identity)


def overlap(first: Identity, second: Identity) -> bool:
    """Whether some point belongs to both: identities that came from forks never do."""
    if first == 0 or second == 0:
        return False
    if isinstance(first, int) or isinstance(second, int):
        return True
    return overlap(first[0], second[0]) or overlap(first[1], second[1])


def united(first: Identity, second: Identity) -> Identity:
    """The identity that owns what either owned ("sum" in the paper)."""
    if first == 0:
        return second
    if second == 0:
        return first
    assert isinstance(first, tuple), (first, second)
    assert isinstance(second, tuple), (first, second)
    return _norm_identity((united(first[0], second[0]), united(first[1], second[1])))


def _norm_identity(identity: tuple[Identity, Identity]) -> Identity:
    if identity == (0, 0):
        return 0
    return 1 if identity == (1, 1) else identity


def base(events: Events) -> int:
    """The least height; in normal form one side always starts at the node's own height."""
    return events if isinstance(events, int) else events[0]


def peak(events: Events) -> int:
    """The greatest height ("max" in the paper)."""
    if isinstance(events, int):
        return events
    return events[0] + max(peak(events[1]), peak(events[2]))


def lift(events: Events, by: int) -> Events:
    """The same function, higher by `by` (lower, if that is negative)."""
    if isinstance(events, int):
        return events + by
    return events[0] + by, events[1], events[2]


def norm(height: int, left: Events, right: Events) -> Events:
    """The normal form of a node whose sides are in normal form."""
    if isinstance(left, int) and left == right:
        return height + left
    least = min(base(left), base(right))
    return height + least, lift(left, -least), lift(right, -least)


def at_most(first: Events, second: Events) -> bool:
    """Whether the first function is nowhere higher than the second ("leq" in the paper)."""
    if isinstance(first, int):
        return first <= base(second)
    height, left, right = first
    if isinstance(second, int):
        # The sides of `first` start at its height, so its peak decides.
        return peak(first) <= second
    return (
        height <= second[0]
        and at_most(lift(left, height), lift(second[1], second[0]))
        and at_most(lift(right, height), lift(second[2], second[0]))
    )


def join(first: Events, second: Events) -> Events:
    """The function that is everywhere the higher of the two."""
    if isinstance(first, int) and first <= base(second):
        return second
    if isinstance(second, int) and second <= base(first):
        return first
    if isinstance(first, int):
        first = (first, 0, 0)
    if isinstance(second, int):
        second = (second, 0, 0)
    if first[0] > second[0]:
        first, second = second, first
    by = second[0] - first[0]
    left, right = join(first[1], lift(second[1], by)), join(first[2], lift(second[2], by))
    return norm(first[0], left, right)


def fill(identity: Identity, events: Events) -> Events:
    """Raise what the identity owns as far as that makes the tree simpler."""
    if identity == 0 or isinstance(events, int):
        return events
    if isinstance(identity, int):
        return peak(events)
    height, left, right = events
    mine_left, mine_right = identity
    if mine_left == 1:
        filled = fill(mine_right, right)
        return norm(height, max(peak(left), base(filled)), filled)
    if mine_right == 1:
        filled = fill(mine_left, left)
        return norm(height, filled, max(peak(right), base(filled)))
    return norm(height, fill(mine_left, left), fill(mine_right, right))


def grow(identity: Identity, events: Events) -> tuple[Events, int]:
    """Raise some of what the identity owns by one, where it makes the tree grow least; and the
    cost by which that place was chosen."""
    if isinstance(events, int):
        if identity == 1:
            return events + 1, 0
        grown, cost = grow(identity, (events, 0, 0))
        return grown, cost + _DEEPER
    assert isinstance(identity, tuple), (identity, events)  # fill() would have changed the tree
    height, left, right = events
    mine_left, mine_right = identity
    if mine_left == 0:
        grown, cost = grow(mine_right, right)
        return (height, left, grown), cost + 1
    if mine_right == 0:
        grown, cost = grow(mine_left, left)
        return (height, grown, right), cost + 1
    grown_left, cost_left = grow(mine_left, left)
    grown_right, cost_right = grow(mine_right, right)
    if cost_left < cost_right:
        return (height, grown_left, right), cost_left + 1
    return (height, left, grown_right), cost_right + 1


def event(identity: Identity, events: Events) -> Events:
    """Some function above `events` that is higher only where the identity owns."""
    assert identity != 0, "an identity that owns nothing has no events"
    filled = fill(identity, events)
    return filled if filled != events else grow(identity, events)[0]
