"""Writes ``docs/ring-states.md``: the states of a ring member, from the tables it runs by.

``python -m tools.state_tables`` writes it; ``--check`` only says whether it is up to date (exit 1
where it is not).
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from vsync.states import NEXT, RUNS_IN, Cause, State, Timer

PAGE = Path(__file__).parent.parent / "docs" / "ring-states.md"

HEAD = """\
# The states of a ring member

Generated from `vsync/states.py` by `python -m tools.state_tables`; do not edit.

What the states are for is told in [ring.md](ring.md). Every arrow names the causes for which a
member takes it; the first cause since the last ring is the `reason` of the next configurations.
"""


def page() -> str:
    """The whole document."""
    return "\n".join([HEAD, *_diagram(), "", *_causes(), "", *_timers(), ""])


def _diagram() -> Iterator[str]:
    yield "```mermaid"
    yield "stateDiagram-v2"
    yield "    [*] --> idle"
    for state in State:
        after: dict[State, list[Cause]] = {}
        for cause, to in NEXT[state].items():
            after.setdefault(to, []).append(cause)
        for to, causes in after.items():
            names = "<br/>".join(cause.name.lower().replace("_", " ") for cause in causes)
            yield f"    {state.value} --> {to.value}: {names}"
    yield "```"


def _causes() -> Iterator[str]:
    yield "## Causes"
    yield ""
    yield "| cause | meaning | " + " | ".join(state.value for state in State) + " |"
    yield "|---|---|" + "---|" * len(State)
    for cause in Cause:
        cells = [NEXT[state][cause].value if cause in NEXT[state] else "" for state in State]
        yield f"| {cause.name} | {cause.value} | " + " | ".join(cells) + " |"
    yield ""
    yield "A cell says where a member in that state goes; in an empty one the cause cannot occur."


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


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="write docs/ring-states.md from the tables")
    parser.add_argument("--check", action="store_true", help="only say whether it is up to date")
    parser.add_argument("--output", type=Path, default=PAGE, help="the file (docs/ring-states.md)")
    options = parser.parse_args(arguments)
    wanted, path = page(), options.output
    if options.check:
        present = path.read_text(encoding="utf-8") if path.exists() else ""
        if present != wanted:
            print(f"{path.name} is not what the tables say: run python -m tools.state_tables")
            return 1
        return 0
    path.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
