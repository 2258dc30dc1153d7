"""What the shapes mean, for those that are in the picture."""

from collections.abc import Callable, Iterator

from vsync.explain.bands import ALONE, COLOURS
from vsync.explain.picture import Picture
from vsync.explain.shapes import blended, event, hatch_name, lost, message, number, text

LETTER = 6.0
LINE_HEIGHT = 20.0

Sample = tuple[float, Callable[[float, float], str], str]
"""Its width, how it is drawn at a place, and what it means."""


def legend_of(picture: Picture, left: float, width: float) -> tuple[list[str], float]:
    """The legend's lines of SVG, its first line at zero, and its height."""
    lines: list[str] = []
    x, y = left, 0.0
    for wide, draw, words in _samples(picture):
        taken = wide + 6 + LETTER * len(words)
        if x > left and x + taken > width:
            x, y = left, y + LINE_HEIGHT
        lines += [draw(x, y), text(x + wide + 6, y + 3.5, words)]
        x += taken + 20
    return lines, y + LINE_HEIGHT if lines else 0.0


def _samples(picture: Picture) -> Iterator[Sample]:
    yield from _bands(picture)
    messages = [mark for mark in picture.marks if mark.service]
    services = {mark.service for mark in messages}
    for service in ("agreed", "safe"):
        if services & {service, "mixed"}:
            yield 24, _pair(service), f"{service} message: sent, delivered"
    if any(mark.count > 1 for mark in messages):
        yield 15, lambda x, y: message(x + 5, y, "safe", True, True), "several in a row"
    if any(mark.is_lost for mark in messages):
        yield (
            22,
            lambda x, y: lost(x + 17, y) + message(x + 17, y, "agreed", True),
            "no delivery recorded",
        )
    kinds = {mark.kind for mark in picture.marks}
    for kind, words in (
        ("boot", "boot"),
        ("crash", "crash"),
        ("leave", "leaves"),
        ("recovered", "recovered: owes messages of"),
    ):
        if kind in kinds:
            yield 13, _event(kind), words
    if any(line.kind == "token" for line in picture.lines):
        yield 26, _token, "the token's way"
    if picture.folds:
        yield 26, _fold, "folded: nothing changed"
    if any(mark.rules for mark in picture.marks):
        yield (
            20,
            lambda x, y: f'<circle class="wrong" cx="{number(x + 9)}" cy="{number(y)}" r="7.5"/>',
            "violates a rule",
        )
    if any(mark.is_asked_for for mark in picture.marks):
        yield (
            20,
            lambda x, y: f'<circle class="asked" cx="{number(x + 9)}" cy="{number(y)}" r="8"/>',
            "the event asked for",
        )


def _bands(picture: Picture) -> Iterator[Sample]:
    regular = [band.colour for band in picture.bands if band.is_regular]
    if any(colour != ALONE for colour in regular):
        yield 22, _swatch(COLOURS[0]), "regular configuration"
    if any(not band.is_regular for band in picture.bands):
        colours = [band.colour for band in picture.bands if not band.is_regular]
        colour = COLOURS[0] if COLOURS[0] in colours else colours[0]
        yield 22, _swatch(colour, True), "transitional"
    if ALONE in regular:
        yield 22, _swatch(ALONE), "alone in its ring"


def _swatch(colour: str, is_hatched: bool = False) -> Callable[[float, float], str]:
    fill = f"url(#{hatch_name(colour)})" if is_hatched else blended(colour, 0.3)
    return lambda x, y: (
        f'<rect x="{number(x)}" y="{number(y - 6)}" width="20" height="12" rx="3"'
        f' fill="{fill}" stroke="{colour}"/>'
    )


def _pair(service: str) -> Callable[[float, float], str]:
    return lambda x, y: message(x + 5, y, service, True) + message(x + 18, y, service, False)


def _event(kind: str) -> Callable[[float, float], str]:
    return lambda x, y: event(kind, x + 6, y)


def _token(x: float, y: float) -> str:
    return (
        f'<path class="line token" d="M{number(x)} {number(y - 3)}l24 6" marker-end="url(#token)"/>'
    )


def _fold(x: float, y: float) -> str:
    return (
        f'<path d="M{number(x)} {number(y - 5)}h24m-24 10h24" stroke="#888"'
        ' stroke-dasharray="3 2" fill="none"/>'
    )
