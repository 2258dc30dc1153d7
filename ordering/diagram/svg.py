"""Pictures as SVG text, without scripts or outside fonts.

Colours are Okabe and Ito's, which people with any colour vision tell apart ("Color universal
design", 2008), and no meaning rests on colour alone: kinds of events differ in shape, and
a message that was received before it was sent is dashed as well as red. Texts have a white
outline, so that a line passing behind does not cross them out. A pointer over an event or a
message shows all that is known of it.
"""

import re
from collections.abc import Iterator
from xml.sax.saxutils import escape as escape_markup

from ordering.diagram.layout import Arrow, Column, Mark, Picture
from ordering.trace.events import Kind

PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#8C6D00", "#444444", "#7B5EA7")
"""Blue, orange, green, purple, sky; three darker ones stand in for those that vanish on white or
that mean something here (vermilion, yellow)."""

BACKWARD = "#D55E00"
"""Vermilion: kept for messages that were received before they were sent."""

CHARACTER = 5.8
"""Average width of a letter in the legend, pixels."""

_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_STYLE = """\
text{font:10px system-ui,'DejaVu Sans',Helvetica,Arial,sans-serif;fill:#222}
.label{paint-order:stroke;stroke:#fff;stroke-width:3px;stroke-linejoin:round}
.title{font-size:15px;font-weight:600}
.name{font-size:12px;font-weight:600;text-anchor:middle}
.again{font-size:10px;font-weight:600;text-anchor:middle}
.life{stroke-width:1.5}
.message{stroke-width:1.1;fill:none;stroke-opacity:.75}
.backward{stroke-width:1.8;stroke-dasharray:5 3;stroke-opacity:1}
.message:hover{stroke-width:3;stroke-opacity:1}
"""


def to_svg(picture: Picture) -> str:
    """The picture as one SVG document."""
    return "\n".join(_lines(picture)) + "\n"


def _lines(picture: Picture) -> Iterator[str]:
    width, height = _number(picture.width), _number(picture.height)
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}">'
    )
    if picture.title:
        yield f"<title>{_escaped(picture.title)}</title>"
    yield f"<style>{_STYLE}</style>"
    yield from _heads(len(picture.columns))
    yield f'<rect width="{width}" height="{height}" fill="#fff"/>'
    if picture.title:
        yield f'<text class="title" x="16" y="26">{_escaped(picture.title)}</text>'
    yield from _legend(picture, 47.0 if picture.title else 22.0)
    yield from _bands(picture)
    for arrow in picture.arrows:
        yield _arrow(arrow)
    for place, column in enumerate(picture.columns):
        yield from _life(column, _colour(place), picture.headings)
    for mark in picture.marks:
        yield from _mark(mark)
    yield "</svg>"


def _heads(columns: int) -> Iterator[str]:
    """Arrow heads: one for each colour, since a marker cannot take its line's colour everywhere."""
    yield "<defs>"
    named = {f"head{place}": _colour(place) for place in range(min(columns, len(PALETTE)))}
    for name, colour in {**named, "backward": BACKWARD}.items():
        yield (
            f'<marker id="{name}" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" '
            'markerHeight="7" markerUnits="userSpaceOnUse" orient="auto">'
            f'<path d="M0 .8L8 4L0 7.2Z" fill="{colour}"/></marker>'
        )
    yield "</defs>"


def _legend(picture: Picture, y: float) -> Iterator[str]:
    x = 20.0
    for kind, words in ((Kind.SEND, "send"), (Kind.RECEIVE, "receive"), (Kind.LOCAL, "local")):
        yield _shape(kind, x, y - 3.5, "#444444")
        yield f'<text x="{_number(x + 10)}" y="{_number(y)}">{words}</text>'
        x += 32 + CHARACTER * len(words)
    if any(mark.lost for mark in picture.marks):
        yield _stub(x + 12, y - 6, "#444444")
        yield f'<text x="{_number(x + 22)}" y="{_number(y)}">no receipt recorded</text>'
        x += 44 + CHARACTER * len("no receipt recorded")
    if any(arrow.backward for arrow in picture.arrows):
        yield (
            f'<line class="message backward" x1="{_number(x - 4)}" y1="{_number(y - 3.5)}" '
            f'x2="{_number(x + 26)}" y2="{_number(y - 3.5)}" stroke="{BACKWARD}" '
            'marker-end="url(#backward)"/>'
        )
        words = "received before it was sent, by the clocks"
        yield f'<text x="{_number(x + 32)}" y="{_number(y)}">{words}</text>'


def _bands(picture: Picture) -> Iterator[str]:
    width = _number(picture.width)
    for y, height in picture.bands:
        yield (
            f'<rect y="{_number(y)}" width="{width}" height="{_number(height)}" fill="#f5f6f8"/>'
        )


def _life(column: Column, colour: str, headings: tuple[float, ...]) -> Iterator[str]:
    x, name = _number(column.x), _escaped(column.name)
    yield f'<text class="name" x="{x}" y="{_number(column.top - 7)}">{name}</text>'
    yield (
        f'<line class="life" x1="{x}" y1="{_number(column.top)}" x2="{x}" '
        f'y2="{_number(column.bottom)}" stroke="{colour}"/>'
    )
    half = CHARACTER * len(column.name) / 2 + 8
    for y in headings:
        yield (
            f'<rect x="{_number(column.x - half)}" y="{_number(y - 7)}" rx="7" '
            f'width="{_number(2 * half)}" height="14" fill="#fff" stroke="{colour}"/>'
        )
        yield f'<text class="again" x="{x}" y="{_number(y + 3.5)}">{name}</text>'


def _arrow(arrow: Arrow) -> str:
    # Ends stop short of the events, whose shapes have a radius of four.
    dx, dy = arrow.x2 - arrow.x1, arrow.y2 - arrow.y1
    length = max((dx * dx + dy * dy) ** 0.5, 12.0)
    x1, y1 = arrow.x1 + dx * 4 / length, arrow.y1 + dy * 4 / length
    x2, y2 = arrow.x2 - dx * 5 / length, arrow.y2 - dy * 5 / length
    place = arrow.column % len(PALETTE)
    colour = BACKWARD if arrow.backward else PALETTE[place]
    kind, head = ("message backward", "backward") if arrow.backward else ("message", f"head{place}")
    return (
        f'<line class="{kind}" x1="{_number(x1)}" y1="{_number(y1)}" x2="{_number(x2)}" '
        f'y2="{_number(y2)}" stroke="{colour}" marker-end="url(#{head})">'
        f"<title>{_escaped(arrow.tooltip)}</title></line>"
    )


def _mark(mark: Mark) -> Iterator[str]:
    colour = _colour(mark.column)
    yield f"<g><title>{_escaped(mark.tooltip)}</title>"
    if mark.lost:
        yield _stub(mark.x, mark.y, colour)
    yield _shape(mark.kind, mark.x, mark.y, colour)
    if mark.label:
        x, y = _number(mark.x + mark.label_dx), _number(mark.y + 3.5)
        yield f'<text class="label" x="{x}" y="{y}">{_escaped(mark.label)}</text>'
    yield "</g>"


def _shape(kind: Kind, x: float, y: float, colour: str) -> str:
    at = f'cx="{_number(x)}" cy="{_number(y)}"'
    match kind:
        case Kind.SEND:
            return f'<circle {at} r="3.8" fill="{colour}"/>'
        case Kind.RECEIVE:
            return f'<circle {at} r="3.4" fill="#fff" stroke="{colour}" stroke-width="1.8"/>'
        case Kind.LOCAL:
            left, top = _number(x - 2.8), _number(y - 2.8)
            return f'<rect x="{left}" y="{top}" width="5.6" height="5.6" fill="{colour}"/>'


def _stub(x: float, y: float, colour: str) -> str:
    """A message that goes nowhere: a short line that ends in a bar."""
    return (
        f'<path d="M{_number(x)} {_number(y)}l-12 5m-1.5 -3.5l3 7" stroke="{colour}" '
        'stroke-width="1.4" fill="none"/>'
    )


def _escaped(text: str) -> str:
    # XML has no way at all to write control characters and lone surrogates.
    return escape_markup(_NOT_IN_XML.sub("\ufffd", text))


def _colour(place: int) -> str:
    return PALETTE[place % len(PALETTE)]


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
