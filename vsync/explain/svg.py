"""The picture as SVG text, without scripts or outside fonts.

Colours are those of :mod:`ordering.diagram.svg`, and no meaning rests on colour alone: an agreed
message is round and a safe one square, filled where it was sent and open where it was delivered; a
transitional configuration is hatched; what violates a rule is ringed and named. Texts have a white
outline, and a pointer over anything shows all that is known of it.
"""

from collections.abc import Iterator

from vsync.explain.legend import legend_of
from vsync.explain.picture import Band, FoldBox, Lane, Line, Mark, Picture
from vsync.explain.shapes import (
    blended,
    escaped,
    event,
    hatch,
    hatch_name,
    lost,
    message,
    number,
    text,
)
from vsync.explain.wording import shortened, wrapped

MARGIN = 16.0
WIDTH_LEAST = 640.0
LETTER = 6.2
TITLE_LETTER = 9.8
RULE_LEFT, RULE_TEXT, RULE_LETTER = 82.0, 118.0, 5.6

_STYLE = """\
text{font:10.5px system-ui,'DejaVu Sans',Helvetica,Arial,sans-serif;fill:#222}
.title{font-size:16px;font-weight:600}
.note{fill:#555}
.name{font-size:13px;font-weight:600;text-anchor:middle}
.again{font-size:10px;font-weight:600;text-anchor:middle}
.view{font-size:11px;font-weight:600;text-anchor:middle}
.why{font-size:9px;fill:#333;text-anchor:middle}
.label{font-size:9.5px;paint-order:stroke;stroke:#fff;stroke-width:3px;stroke-linejoin:round}
.sum{font-size:9.5px;text-anchor:middle}
.time{font-size:9.5px;fill:#666;text-anchor:end}
.pause{font-size:9.5px;font-style:italic;fill:#666;text-anchor:end}
.line{stroke:#4a5568;stroke-width:.9;fill:none;stroke-opacity:.7}
.safe{stroke:#1a202c}
.cut{stroke-dasharray:2 3;stroke-opacity:.55}
.token{stroke:#0072B2;stroke-width:1.2;stroke-dasharray:5 2.5;stroke-opacity:.9}
.line:hover{stroke-width:3;stroke-opacity:1}
.life{stroke:#555;stroke-width:1.2}
.dead{stroke:#999;stroke-dasharray:1.5 4}
.wrong{fill:none;stroke:#D55E00;stroke-width:2.4}
.rule{font-weight:700;fill:#A84A00}
.asked{fill:none;stroke:#222;stroke-width:1.4;stroke-dasharray:3 2}
"""


def to_svg(picture: Picture) -> str:
    """One SVG document."""
    width = max(picture.width, WIDTH_LEAST)
    above, top = _above(picture, width)
    height = top + picture.bottom + MARGIN
    box = f'width="{number(width)}" height="{number(height)}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {box}'
        f' viewBox="0 0 {number(width)} {number(height)}">',
        f"<title>{escaped(picture.title)}</title>" if picture.title else "",
        f"<style>{_STYLE}</style>",
        *_definitions(picture),
        f'<rect {box} fill="#fff"/>',
        *above,
        f'<g transform="translate(0 {number(top)})">',
        *_lanes(picture),
        "</g>",
        "</svg>",
    ]
    return "\n".join(line for line in lines if line) + "\n"


def _definitions(picture: Picture) -> Iterator[str]:
    yield "<defs>"
    for colour in sorted({band.colour for band in picture.bands if not band.is_regular}):
        yield hatch(colour)
    if any(line.kind == "token" for line in picture.lines):
        yield (
            '<marker id="token" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7"'
            ' markerHeight="7" markerUnits="userSpaceOnUse" orient="auto">'
            '<path d="M0 .8L8 4L0 7.2Z" fill="#0072B2"/></marker>'
        )
    yield "</defs>"


# Above the lanes


def _above(picture: Picture, width: float) -> tuple[list[str], float]:
    """Title, violations, notes, legend, names; and where the lanes begin."""
    lines: list[str] = []
    y = 12.0
    room = width - 2 * MARGIN
    if picture.title:
        y += 15
        shown = shortened(picture.title, int(room / TITLE_LETTER))
        lines.append(text(MARGIN, y, shown, "title"))
        y += 4
    for note in wrapped("; ".join(picture.notes), int(room / LETTER), 3):
        y += 14
        lines.append(text(MARGIN, y, note, "note"))
    if picture.said:
        said, y = _said(picture, y + 10, width)
        lines += said
    legend, height = legend_of(picture, MARGIN, width - MARGIN)
    lines.append(f'<g transform="translate(0 {number(y + 22)})">')
    lines += [*legend, "</g>"]
    y += height + 34
    for lane in picture.lanes:
        lines.append(text(lane.left + lane.width / 2, y, f"node {lane.node}", "name"))
    return lines, y + 8


def _said(picture: Picture, top: float, width: float) -> tuple[list[str], float]:
    """The box of violations."""
    rules = max(len(said.rule) for said in picture.said)
    indent = MARGIN + 10 + (rules * 7.5 + 8 if rules else 0)
    room = int((width - MARGIN - 10 - indent) / LETTER)
    lines: list[str] = []
    y = top + 4
    for said in picture.said:
        for at, part in enumerate(wrapped(said.text, room, 4) or [""]):
            y += 14
            if at == 0 and said.rule:
                lines.append(text(MARGIN + 10, y, said.rule, "rule"))
            lines.append(text(indent, y, part))
        y += 2
    frame = (
        f'<rect x="{number(MARGIN)}" y="{number(top)}" width="{number(width - 2 * MARGIN)}"'
        f' height="{number(y + 6 - top)}" rx="4" fill="#fdf3ec" stroke="#D55E00"/>'
    )
    return [frame, *lines], y + 6


# The lanes, from back to front


def _lanes(picture: Picture) -> Iterator[str]:
    for band in picture.bands:
        yield _band(band)
    for life in picture.lives:
        style = "life" if life.is_alive else "life dead"
        yield (
            f'<path class="{style}" d="M{number(life.x)} {number(life.top)}'
            f'V{number(life.bottom)}"/>'
        )
    for line in picture.lines:
        yield _line(line)
    for fold in picture.folds:
        yield from _fold(fold, picture)
    for heading, names in picture.headings:
        yield from _names(heading, names, picture.lanes)
    for band in picture.bands:
        yield from _head(band)
    right = max(picture.width, WIDTH_LEAST) - 8
    for rule in picture.rules:
        y = number(rule.y)
        yield f"<g><title>{escaped(rule.tooltip)}</title>"
        yield (
            f'<path d="M{number(RULE_LEFT)} {y}H{number(RULE_TEXT - 5)}'
            f'M{number(RULE_TEXT + 4 + RULE_LETTER * len(rule.text))} {y}H{number(right)}"'
            ' stroke="#00704F" stroke-width="1.4" stroke-dasharray="7 4"/>'
        )
        yield text(RULE_TEXT, rule.y + 3.5, rule.text, "label")
        yield "</g>"
    for mark in picture.marks:
        yield from _mark(mark)
    yield from _times(picture)


def _band(band: Band) -> str:
    fill = blended(band.colour, 0.16) if band.is_regular else f"url(#{hatch_name(band.colour)})"
    return (
        f'<rect class="band" x="{number(band.left)}" y="{number(band.top)}"'
        f' width="{number(band.width)}" height="{number(band.height)}" rx="4" fill="{fill}"'
        f' stroke="{band.colour}"><title>{escaped(band.tooltip)}</title></rect>'
    )


def _head(band: Band) -> Iterator[str]:
    height = min(band.head, band.height)
    if height < 14:
        return
    fill = blended(band.colour, 0.34) if band.is_regular else "#fff"
    middle = band.left + band.width / 2
    yield f"<g><title>{escaped(band.tooltip)}</title>"
    yield (
        f'<rect x="{number(band.left)}" y="{number(band.top)}" width="{number(band.width)}"'
        f' height="{number(height)}" rx="4" fill="{fill}" stroke="{band.colour}"/>'
    )
    name = shortened(f"… {band.name}" if band.is_cut else band.name, int(band.width / 6.6))
    yield text(middle, band.top + 14, name, "view")
    for at, words in enumerate(band.lines):
        yield text(middle, band.top + 25.5 + 11.5 * at, words, "why")
    yield "</g>"


def _names(y: float, names: list[tuple[float, str]], lanes: list[Lane]) -> Iterator[str]:
    for (x, words), lane in zip(names, lanes, strict=True):
        yield (
            f'<rect x="{number(lane.left + 2)}" y="{number(y - 8)}" height="15"'
            f' width="{number(lane.width - 4)}" rx="7.5" fill="#fff" stroke="#999"/>'
        )
        yield text(x, y + 3.5, words, "again")


def _line(line: Line) -> str:
    style = "line token" if line.kind == "token" else "line"
    style += " safe" if line.kind == "safe" else ""
    style += " cut" if line.is_cut else ""
    if line.x1 == line.x2:
        # Delivered where it was sent: around the life line.
        bulge = min(10 + (line.y2 - line.y1) / 6, 30)
        x1, x2 = line.x1 - bulge, line.x2 - bulge
        way = (
            f"C{number(x1)} {number(line.y1)} {number(x2)} {number(line.y2)}"
            f" {number(line.x2)} {number(line.y2)}"
        )
    else:
        way = f"L{number(line.x2)} {number(line.y2)}"
    thick = "" if line.count == 1 else f' style="stroke-width:{min(line.count**0.5, 4):.1f}"'
    head = ' marker-end="url(#token)"' if line.kind == "token" else ""
    return (
        f'<path class="{style}" d="M{number(line.x1)} {number(line.y1)}{way}"{thick}{head}>'
        f"<title>{escaped(line.tooltip)}</title></path>"
    )


def _fold(fold: FoldBox, picture: Picture) -> Iterator[str]:
    left = picture.lanes[0].left - 8
    right = picture.lanes[-1].left + picture.lanes[-1].width + 8
    height = fold.bottom - fold.top
    yield f"<g><title>{escaped(fold.tooltip)}</title>"
    yield (
        f'<rect x="{number(left)}" y="{number(fold.top)}" width="{number(right - left)}"'
        f' height="{number(height)}" fill="#fff" fill-opacity=".82"/>'
        f'<path d="M{number(left)} {number(fold.top)}H{number(right)}M{number(left)}'
        f' {number(fold.bottom)}H{number(right)}" stroke="#888" stroke-dasharray="4 3"/>'
    )
    for x, first, second in fold.sums:
        middle = (fold.top + fold.bottom) / 2
        yield text(x, middle + (-2.5 if second else 3.5), first, "sum")
        if second:
            yield text(x, middle + 10, second, "sum")
    for at, words in enumerate(fold.note):
        y = (fold.top + fold.bottom) / 2 + 10 * at - 5 * len(fold.note) + 8
        yield text(_times_right(picture), y, words, "pause")
    yield "</g>"


def _mark(mark: Mark) -> Iterator[str]:
    x, y = mark.x, mark.y
    yield f"<g><title>{escaped(mark.tooltip)}</title>"
    if mark.is_lost:
        yield lost(x, y)
    if mark.service:
        yield message(x, y, mark.service, mark.kind == "send", mark.count > 1)
    else:
        yield event(mark.kind, x, y)
    if mark.label:
        is_ringed = mark.is_asked_for or bool(mark.rules)
        yield text(x + (12 if mark.count > 1 or is_ringed else 9), y + 3.5, mark.label, "label")
    for style, is_so in (("asked", mark.is_asked_for), ("wrong", bool(mark.rules))):
        if is_so and mark.band is not None:
            yield (
                f'<rect class="{style}" x="{number(mark.band.left)}" y="{number(mark.band.top)}"'
                f' width="{number(mark.band.width)}" height="{number(mark.band.head)}" rx="4"/>'
            )
        elif is_so:
            yield f'<circle class="{style}" cx="{number(x)}" cy="{number(y)}" r="9"/>'
    if mark.rules:
        right = x - 12 if mark.band is None else mark.band.left - 4
        words = " ".join(mark.rules[:2]) + ("…" if len(mark.rules) > 2 else "")
        yield text(right, y + 4, words, "rule label", "end")
    yield "</g>"


def _times(picture: Picture) -> Iterator[str]:
    if not picture.lanes:
        return
    right = _times_right(picture)
    for y, words in picture.times:
        yield text(right, y + 3.5, words, "time")
    for y, words in picture.pauses:
        yield text(right, y + 3.5, words, "pause")
        for lane in picture.lanes:
            yield (
                f'<path d="M{number(lane.x - 7)} {number(y + 4)}l5 -6l4 7l5 -6" fill="none"'
                ' stroke="#666"/>'
            )


def _times_right(picture: Picture) -> float:
    return picture.lanes[0].left - 36
