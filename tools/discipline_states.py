"""Writes ``docs/discipline-states.md``: the states of a disciplined clock, from its table.

``python -m tools.discipline_states`` writes it; ``--check`` only says whether it is up to date
(exit 1 where it is not).
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from clocksync.steering.states import NEXT, Cause, State

PAGE = Path(__file__).parent.parent / "docs" / "discipline-states.md"

HEAD = """\
# The states of a disciplined clock

Generated from `clocksync/steering/states.py` by `python -m tools.discipline_states`; do not edit.

What the states are for is told in [discipline.md](discipline.md). Every arrow names the causes for
which the clock takes it.
"""


def page() -> str:
    """The whole document."""
    return "\n".join([HEAD, *_diagram(), "", *_states(), "", *_causes(), ""])


def _diagram() -> Iterator[str]:
    yield "```mermaid"
    yield "stateDiagram-v2"
    yield f"    [*] --> {State.UNLOCKED.value}"
    for state in State:
        after: dict[State, list[Cause]] = {}
        for cause, to in NEXT[state].items():
            after.setdefault(to, []).append(cause)
        for to, causes in after.items():
            names = "<br/>".join(cause.name.lower().replace("_", " ") for cause in causes)
            yield f"    {state.value} --> {to.value}: {names}"
    yield "```"


def _states() -> Iterator[str]:
    yield "| state | what is served to NTP clients |"
    yield "|---|---|"
    for state in State:
        served = "stratum 16, not synchronised"
        if state is not State.UNLOCKED:
            served = "the nearest host's stratum and one, root dispersion no less than the bound"
        yield f"| {state.value} | {served} |"


def _causes() -> Iterator[str]:
    yield "| cause | meaning | " + " | ".join(state.value for state in State) + " |"
    yield "|---|---|" + "---|" * len(State)
    for cause in Cause:
        cells = [NEXT[state][cause].value if cause in NEXT[state] else "" for state in State]
        yield f"| {cause.name} | {cause.value} | " + " | ".join(cells) + " |"
    yield ""
    yield "A cell says where a clock in that state goes; in an empty one the cause cannot occur."


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="write docs/discipline-states.md from the table")
    parser.add_argument("--check", action="store_true", help="only say whether it is up to date")
    parser.add_argument("--output", type=Path, default=PAGE, help="docs/discipline-states.md")
    options = parser.parse_args(arguments)
    wanted, path = page(), options.output
    if options.check:
        present = path.read_text(encoding="utf-8") if path.exists() else ""
        if present != wanted:
            print(f"{path.name} is not what the table says: run python -m tools.discipline_states")
            return 1
        return 0
    path.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
