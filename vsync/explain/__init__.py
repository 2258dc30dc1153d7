"""vsync.explain: a history as a space-time picture.

>>> from vsync.explain import explain
>>> boot = {"node": 1, "incarnation": "a", "event": "boot", "storage": "kept"}
>>> explain([boot]).startswith("<svg")
True
"""

from collections.abc import Sequence

from clocksync.runtime.history import Event
from vsync.explain.choosing import choose
from vsync.explain.placing import place
from vsync.explain.reading import NothingToDraw, read
from vsync.explain.svg import to_svg
from vsync.explain.violations import Violated, marks_of, numbers_of, say

__all__ = ["NothingToDraw", "explain"]


def explain(
    events: Sequence[Event],
    *,
    title: str = "",
    violations: Sequence[Violated] = (),
    tokens: bool | None = None,
    first: int | None = None,
    last: int | None = None,
    around: int | None = None,
) -> str:
    """A history as one SVG document.

    Args:
        violations: to be marked; those of :func:`vsync.check.judge` fit.
        tokens: whether the token's way is drawn, if the history has it; left out, it is drawn
            where the events are chosen by hand.
        first, last: the numbers (from 1) of the events to draw; chosen by what matters if left out.
        around: the number of an event to draw with what came before and after it.

    Raises:
        NothingToDraw: there is nothing to draw, or an event lacks what it needs.
    """
    is_by_hand = not first is last is around is None
    history = read(events, is_by_hand if tokens is None else tokens)
    violated = [(violation, numbers_of(events, violation)) for violation in violations]
    plan = choose(history, marks_of(violated), first, last, around)
    picture = place(history, plan, title)
    say(picture, plan, violated)
    return to_svg(picture)
