"""What a judgement says: violations, each with its rule, a sentence, and its events."""

from dataclasses import dataclass, field
from typing import NamedTuple

KEPT_PER_RULE = 20
"""More of one rule are counted and not kept: a broken engine breaks one promise thousandfold."""

LONGEST_LINE = 1000


def one_line(text: str) -> str:
    """`text` without line breaks and whatever else a terminal obeys, cut if it is endless:
    histories are written by others.

    >>> print(one_line("R5/1" + chr(10) + "all is well"))
    R5/1\\x0aall is well
    """
    if len(text) > LONGEST_LINE:
        text = f"{text[:LONGEST_LINE]}..."
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escaped(ord(c)) for c in text)


def _escaped(code: int) -> str:
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


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
        lines.append(one_line(f"{violation.rule} {violation.text}"))
        lines += [
            one_line(f"    {place.name}:{place.line}: {place.text}") for place in violation.places
        ]
    lines += [f"{rule} and {count:,} more" for rule, count in sorted(verdict.more.items())]
    found = len(verdict.violations) + sum(verdict.more.values())
    what = (
        f"{verdict.events:,} events of {verdict.nodes:,} nodes, {verdict.configurations:,}"
        f" configurations, {verdict.messages:,} messages"
    )
    how = "liveness too" if verdict.ends_quiet else "it does not end quiet: liveness not judged"
    lines.append(f"{what}: {_count(found)} ({how})")
    return "\n".join(lines)


def _count(found: int) -> str:
    if not found:
        return "no violation"
    return f"{found:,} violation{'s' if found > 1 else ''}"
