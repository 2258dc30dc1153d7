"""When a process acknowledges another's update: the rules one can choose from.

A rule answers one question, once, when an update arrives: which of our own updates must be carried
out before we acknowledge it? So it is a pure function, and it can say why in words.
"""

from collections.abc import Iterable
from enum import Enum

Stamp = tuple[int, int]
"""Lamport's: (time, process)."""


class Rule(Enum):
    """What makes a process hold its acknowledgement back."""

    FULL = "full"
    """Nothing: every update is acknowledged on receipt. Fastest, as acknowledgements never wait."""

    SPARING = "sparing"
    """An update of our own that is outstanding and has the smaller stamp. Sound: of all outstanding
    updates the one with the smallest stamp is held back by nobody."""

    IDENTIFIERS_ONLY = "identifiers-only"
    """As taught: an update of our own that is outstanding, unless our identifier is greater than
    the sender's. Where stamps and identifiers disagree, as in m = (6, P1) and n = (1, P2), each of
    two updates waits for the other for ever. To be shown, not to be used."""


def own_update_to_await(
    rule: Rule, me: int, stamp: Stamp, outstanding: Iterable[tuple[int, int]]
) -> int:
    """The number of the last of our own updates that must be carried out before we acknowledge the
    one with `stamp`; 0 if we acknowledge it at once.

    `outstanding` holds (time, number) of each update of ours that is not carried out, oldest first.
    Updates of ours that come later do not matter: their stamps will be greater.
    """
    awaited = 0
    if rule is Rule.SPARING:
        for time, number in outstanding:
            if (time, me) > stamp:
                break
            awaited = number
    elif rule is Rule.IDENTIFIERS_ONLY and me < stamp[1]:
        for _, number in outstanding:
            awaited = number
    return awaited


def reason(rule: Rule, me: int, stamp: Stamp, outstanding: Iterable[tuple[int, int]]) -> str:
    """Why process `me` acknowledges the update with `stamp` now or later, in one line."""
    own = list(outstanding)
    awaited = own_update_to_await(rule, me, stamp, own)
    what = f"P{me} {'holds back its acknowledgement of' if awaited else 'acknowledges'} " + (
        f"({stamp[0]}, P{stamp[1]})"
    )
    if rule is Rule.FULL:
        return f"{what}: every update is acknowledged on receipt"
    if not own:
        return f"{what}: it has no update of its own outstanding"
    if rule is Rule.IDENTIFIERS_ONLY:
        compared = f"its identifier is greater, {me} > {stamp[1]}"
        if awaited:
            compared = (
                f"its identifier is not greater, {me} < {stamp[1]}, and its own is outstanding"
            )
        return f"{what}: {compared}"
    time = next(time for time, number in own if number == awaited) if awaited else own[0][0]
    sign = "<" if awaited else ">"
    return f"{what}: its own ({time}, P{me}) {sign} ({stamp[0]}, P{stamp[1]})"
