"""The small scopes in full, as a campaign: seed `n` is the n-th scope of :data:`SCOPES`."""

from collections import Counter

from tests.vsync.small_scope.scopes import SCOPES
from tests.vsync.small_scope.search import search

SECONDS = 1200.0
"""After which a search is ended; the totals say how many scopes were searched in full."""


def check(seed: int) -> Counter[str]:
    """Search a scope; beyond the last one there is nothing to do.

    Raises:
        AssertionError: a rule is broken in some state; the shortest way there is told.
    """
    names = list(SCOPES)
    if seed >= len(names):
        return Counter()
    name = names[seed]
    found = search(SCOPES[name], seconds=SECONDS)
    assert not found.wrong, "\n".join([f"{name}: {found.wrong}", *found.trace])
    return Counter(
        {
            "scopes": 1,
            "scopes searched in full": int(found.is_exhausted),
            f"states of {name}": found.states,
            "states": found.states,
            "transitions": found.transitions,
        }
    )
