"""Pages in docs/ that are generated from tables in the code: the command, and state diagrams."""

import argparse
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import TypeVar

S = TypeVar("S", bound=Enum)
C = TypeVar("C", bound=Enum)

DOCS = Path(__file__).parent.parent / "docs"


def command(page: Callable[[], str], path: Path, source: str, module: str) -> Callable[..., int]:
    """The ``main`` of ``python -m module``: writes what `page` returns to `path`.

    With ``--check`` it only says whether that is there already; exit 1 where it is not.

    Args:
        source: what the page is generated from, in words.
    """

    def main(arguments: list[str] | None = None) -> int:
        name = f"docs/{path.name}"
        parser = argparse.ArgumentParser(description=f"write {name} from the {source}")
        parser.add_argument("--check", action="store_true", help="only say if it is up to date")
        parser.add_argument("--output", type=Path, default=path, help=f"the file ({name})")
        options = parser.parse_args(arguments)
        wanted, output = page(), options.output
        if not options.check:
            output.write_text(wanted, encoding="utf-8")
            return 0
        present = output.read_text(encoding="utf-8") if output.exists() else ""
        if present == wanted:
            return 0
        verb = "say" if source.endswith("s") else "says"
        print(f"{output.name} is not what the {source} {verb}: run python -m {module}")
        return 1

    return main


def diagram(first: S, next_: Mapping[S, Mapping[C, S]]) -> Iterator[str]:
    """A Mermaid diagram of states: every arrow names its causes."""
    yield "```mermaid"
    yield "stateDiagram-v2"
    yield f"    [*] --> {first.value}"
    for state in type(first):
        after: dict[S, list[C]] = {}
        for cause, to in next_[state].items():
            after.setdefault(to, []).append(cause)
        for to, causes in after.items():
            names = "<br/>".join(cause.name.lower().replace("_", " ") for cause in causes)
            yield f"    {state.value} --> {to.value}: {names}"
    yield "```"


def causes(
    states: type[S], all_: type[C], next_: Mapping[S, Mapping[C, S]], who: str
) -> Iterator[str]:
    """The table of where each cause leads to, from each state."""
    yield "| cause | meaning | " + " | ".join(state.value for state in states) + " |"
    yield "|---|---|" + "---|" * len(states)
    for cause in all_:
        cells = [next_[state][cause].value if cause in next_[state] else "" for state in states]
        yield f"| {cause.name} | {cause.value} | " + " | ".join(cells) + " |"
    yield ""
    yield f"A cell says where {who} in that state goes; in an empty one the cause cannot occur."
