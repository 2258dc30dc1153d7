"""What a judgement says: violations, each with its rule, a sentence, and its events."""

from dataclasses import dataclass, field
from typing import NamedTuple

KEPT_PER_RULE = 20
"""More of one rule are counted and not kept: a broken engine breaks one promise thousandfold."""


class Place(NamedTuple):
    """An event: the number of its line, the file it is in, and the event in short."""

    line: int
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that does not hold."""

    rule: str
    text: str
    places: tuple[Place, ...] = ()


@dataclass(slots=True)
class Verdict:
    """What came of judging a history."""

    events: int = 0
    nodes: int = 0
    configurations: int = 0
    messages: int = 0
    ends_quiet: bool = False
    violations: list[Violation] = field(default_factory=list)
    more: dict[str, int] = field(default_factory=dict)
    """How many violations of a rule were not kept."""

    def __bool__(self) -> bool:
        return not self.violations


def render(verdict: Verdict) -> str:
    """The verdict as text for people."""
    lines: list[str] = []
    for violation in verdict.violations:
        lines.append(f"{violation.rule} {violation.text}")
        lines += [f"    {place.name}:{place.line}: {place.text}" for place in violation.places]
    lines += [f"{rule} and {count:,} more" for rule, count in sorted(verdict.more.items())]
    found = len(verdict.violations) + sum(verdict.more.values())
    what = (
        f"{verdict.events:,} events of {verdict.nodes:,} nodes, {verdict.configurations:,}"
        f" configurations, {verdict.messages:,} messages"
    )
    how = "liveness too" if verdict.ends_quiet else "it does not end quiet: liveness not judged"
    lines.append(f"{what}: {f'{found:,} violations' if found else 'no violation'} ({how})")
    return "\n".join(lines)
