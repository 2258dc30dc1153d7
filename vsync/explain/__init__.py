"""vsync.explain: a history as a space-time picture.

>>> from vsync.explain import explain
>>> boot = {"node": 1, "incarnation": "a", "event": "boot", "storage": "kept"}
>>> explain([boot]).startswith("<svg")
True
"""

from collections.abc import Sequence

from clocksync.runtime.history import Event
from vsync.explain.story import NothingToDraw, Violated, tell
from vsync.explain.svg import to_svg

__all__ = ["NothingToDraw", "explain"]


def explain(
    events: Sequence[Event],
    *,
    title: str = "",
    violations: Sequence[Violated] = (),
    first: int | None = None,
    last: int | None = None,
) -> str:
    """A history as one SVG document.

    Args:
        violations: to be marked; those of :func:`vsync.check.judge` fit.
        first, last: the numbers (from 1) of the events to draw; chosen by what matters if left out.

    Raises:
        NothingToDraw: there is nothing to draw, or an event lacks what it needs.
    """
    return to_svg(tell(events, violations, first, last), title)
