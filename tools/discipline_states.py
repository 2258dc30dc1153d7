"""Writes ``docs/discipline-states.md``: the states of a disciplined clock, from its table.

``python -m tools.discipline_states`` writes it; ``--check`` only says whether it is up to date
(exit 1 where it is not).
"""

import sys
from collections.abc import Iterator

from clocksync.steering.states import NEXT, Cause, State
from tools import pages

HEAD = """\
# The states of a disciplined clock

Generated from `clocksync/steering/states.py` by `python -m tools.discipline_states`; do not edit.

What the states are for is told in [discipline.md](discipline.md). Every arrow names the causes for
which the clock takes it.
"""


def page() -> str:
    """The whole document."""
    diagram = pages.diagram(State.UNLOCKED, NEXT)
    causes = pages.causes(State, Cause, NEXT, "a clock")
    return "\n".join([HEAD, *diagram, "", *_states(), "", *causes, ""])


def _states() -> Iterator[str]:
    yield "| state | what is served to NTP clients |"
    yield "|---|---|"
    for state in State:
        served = "stratum 16, not synchronised"
        if state is not State.UNLOCKED:
            served = "the nearest host's stratum and one, root dispersion no less than the bound"
        yield f"| {state.value} | {served} |"


main = pages.command(page, pages.DOCS / "discipline-states.md", "table", "tools.discipline_states")

if __name__ == "__main__":
    sys.exit(main())
