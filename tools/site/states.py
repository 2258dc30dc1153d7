"""Draws the state diagrams of ``docs/``, which are Mermaid text, as SVG.

Where the code is hosted Mermaid is drawn by the host. The site would have to load three megabytes
of script for two pictures, from elsewhere; these states in a column say the same: what leads
further down goes on the right, what leads back goes on the left.
"""

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

FENCE = re.compile(r"^```mermaid\nstateDiagram-v2\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
ARROW = re.compile(r"^\s*(?P<from>\S+) --> (?P<to>\S+?)(?:: (?P<why>.*))?$", re.MULTILINE)

WIDE, HIGH, APART = 110, 34, 118
"""Of a state's box, and from one to the next."""
NEAR, FURTHER = 44, 186
"""How far an arrow to the next state swings out, and one that passes a state more."""
LETTERS, LETTER, LINE = 30, 5.6, 13
LABEL = LETTERS * LETTER
"""Of a label: letters in a line, their width and height, and the width of the whole."""


@dataclass(frozen=True, slots=True)
class Arrow:
    """One arrow of a diagram, from one state's place in the column to another's."""

    start: int
    end: int
    why: str

    @property
    def swing(self) -> int:
        """How far it leaves the column."""
        return NEAR + FURTHER * max(abs(self.end - self.start) - 1, 0)


def read(body: str) -> tuple[list[str], list[Arrow]]:
    """The states, in the order they are come upon, and the arrows between them."""
    states: list[str] = []
    found = []
    for each in ARROW.finditer(body):
        start, end = each["from"], each["to"]
        states += [name for name in (start, end) if name not in {*states, "[*]"}]
        if start != "[*]":
            found.append((start, end, (each["why"] or "").replace("<br/>", ", ")))
    places = {name: place for place, name in enumerate(states)}
    return states, [Arrow(places[start], places[end], why) for start, end, why in found]


def draw(body: str) -> str:
    """The diagram as an SVG element that takes its colours from the page."""
    states, arrows = read(body)
    left = max((a.swing for a in arrows if a.end < a.start), default=0) + LABEL + 12
    right = max((a.swing for a in arrows if a.end >= a.start), default=0) + LABEL + 12
    width = left + WIDE + right
    height = APART * (len(states) - 1) + HIGH + 60
    said = escape(f"States and what leads from one to another: {', '.join(states)}", quote=True)
    lines = [
        f'<svg class="states" role="img" aria-label="{said}" viewBox="0 0 {width:.0f} {height}" '
        f'width="{width:.0f}" font-size="10.5" fill="currentColor">',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8z"/></marker></defs>',
        f'<circle cx="{left + WIDE / 2}" cy="8" r="5"/>',
        f'<path class="way" d="M{left + WIDE / 2} 13V28" marker-end="url(#tip)"/>',
    ]
    lines += [_way(arrow, left) for arrow in arrows]
    for arrow in arrows:  # over all lines
        lines += _label(arrow, left)
    for place, name in enumerate(states):
        x, y = left, _middle(place) - HIGH / 2
        lines.append(f'<rect class="state" x="{x}" y="{y}" width="{WIDE}" height="{HIGH}" rx="8"/>')
        lines.append(
            f'<text x="{x + WIDE / 2}" y="{y + HIGH / 2 + 4.5}" font-size="13" font-weight="600" '
            f'text-anchor="middle">{escape(name)}</text>'
        )
    return "\n".join([*lines, "</svg>"])


def _middle(place: int) -> float:
    return 30 + HIGH / 2 + APART * place


def _ends(arrow: Arrow) -> tuple[float, float]:
    """Where it leaves its state and where it arrives, down the page."""
    if arrow.start == arrow.end:
        return _middle(arrow.start) - 7, _middle(arrow.start) + 7
    # By the half of the box that faces where it goes.
    towards = 9 if arrow.end > arrow.start else -9
    return _middle(arrow.start) + towards, _middle(arrow.end) - towards


def _edge(arrow: Arrow, left: float) -> tuple[float, int]:
    """The side of the column it is on, and the sign of what leads away from there."""
    return (left, -1) if arrow.end < arrow.start else (left + WIDE, 1)


def _way(arrow: Arrow, left: float) -> str:
    edge, side = _edge(arrow, left)
    start, end = _ends(arrow)
    bend = edge + side * arrow.swing * 4 / 3  # a Bezier curve reaches three quarters of the way
    return (
        f'<path class="way" d="M{edge} {start}C{bend:.1f} {start} {bend:.1f} {end} {edge} {end}" '
        f'marker-end="url(#tip)"/>'
    )


def _label(arrow: Arrow, left: float) -> Iterator[str]:
    edge, side = _edge(arrow, left)
    words = textwrap.wrap(arrow.why, LETTERS)
    top = sum(_ends(arrow)) / 2 - LINE * (len(words) - 1) / 2 + 3.5
    for number, line in enumerate(words):
        yield (
            f'<text class="why" x="{edge + side * (arrow.swing + 6):.1f}" '
            f'y="{top + LINE * number:.1f}" '
            f'text-anchor="{"end" if side < 0 else "start"}">{escape(line)}</text>'
        )


def drawn(markdown: str) -> str:
    """The page with its diagrams drawn."""
    return FENCE.sub(lambda found: f"<div>\n{draw(found['body'])}\n</div>", markdown)
