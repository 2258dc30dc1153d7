"""Writes ``docs/ring-states.md``: the states of a ring member, from the tables it runs by.

``python -m tools.state_tables`` writes it; ``--check`` only says whether it is up to date (exit 1
where it is not).
"""

import sys
from collections.abc import Iterator

from tools import pages
from vsync.states import NEXT, RUNS_IN, Cause, State, Timer

HEAD = """\
# The states of a ring member

Generated from `vsync/states.py` by `python -m tools.state_tables`; do not edit.

What the states are for is told in [ring.md](ring.md). Every arrow names the causes for which a
member takes it; the first cause since the last ring is the `reason` of the next configurations.
"""


def page() -> str:
    """The whole document."""
    diagram = pages.diagram(State.IDLE, NEXT)
    causes = pages.causes(State, Cause, NEXT, "a member")
    return "\n".join([HEAD, *diagram, "", "## Causes", "", *causes, "", *_timers(), ""])


def _timers() -> Iterator[str]:
    yield "## Timers"
    yield ""
    yield "| timer | " + " | ".join(state.value for state in State) + " |"
    yield "|---|" + "---|" * len(State)
    for timer in Timer:
        cells = ["may run" if timer in RUNS_IN[state] else "" for state in State]
        yield f"| {timer.value} | " + " | ".join(cells) + " |"
    yield ""
    yield "Entering a state ends all timers that have no place in it."


main = pages.command(page, pages.DOCS / "ring-states.md", "tables", "tools.state_tables")

if __name__ == "__main__":
    sys.exit(main())
