"""Plots as plain SVG: bars, lines and spreads, each for a wide and for a narrow page.

Colours and fonts are classes that ``report.css`` defines, so that a plot follows the page from
light to dark. Nothing is drawn without a figure: who hovers over a mark reads its value.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from benchmarks.axes import Scale, figure, short, wrapped

Plot = dict[str, Any]


@dataclass(slots=True)
class Canvas:
    """What is drawn, and how large it is."""

    width: int
    is_narrow: bool
    height: float = 0.0
    marks: list[str] = field(default_factory=list)

    def text(self, x: float, y: float, text: str, kind: str, anchor: str = "start") -> None:
        self.marks.append(
            f'<text x="{x:g}" y="{y:g}" class="{kind}" text-anchor="{anchor}">{escape(text)}</text>'
        )

    def line(self, x1: float, y1: float, x2: float, y2: float, kind: str) -> None:
        self.marks.append(f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" class="{kind}"/>')

    def box(self, x: float, y: float, width: float, height: float, kind: str, says: str) -> None:
        self.marks.append(
            f'<rect x="{x:g}" y="{y:g}" width="{max(width, 1):g}" height="{height:g}" rx="2"'
            f' class="{kind}"><title>{escape(says)}</title></rect>'
        )

    def dot(self, x: float, y: float, radius: float, kind: str, says: str) -> None:
        self.marks.append(
            f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}" class="{kind}">'
            f"<title>{escape(says)}</title></circle>"
        )

    def svg(self, title: str) -> str:
        """The picture."""
        kind = "narrow" if self.is_narrow else "wide"
        return (
            f'<svg class="{kind}" viewBox="0 0 {self.width} {self.height:g}" role="img"'
            f' aria-label="{escape(title)}">{"".join(self.marks)}</svg>'
        )


WIDE, NARROW = 880, 360
COLOURS = 5
"""Of lines, on either side."""
LABEL, LINE, BAR, GAP = 250, 16, 14, 3
"""Of a row: its label's width and line, and the height of a bar and between two."""


def html(plot: Plot) -> str:
    """A figure: title, legend, and the picture for either width."""
    draw, legend = KINDS[plot["kind"]]
    pictures = []
    for is_narrow in (False, True):
        canvas = Canvas(NARROW if is_narrow else WIDE, is_narrow)
        draw(plot, canvas)
        pictures.append(canvas.svg(plot["title"]))
    return (
        f"<figure><figcaption>{escape(plot['title'])}</figcaption>"
        f'<p class="legend">{"".join(legend(plot))}</p>{"".join(pictures)}</figure>'
    )


def _key(kind: str, text: str) -> str:
    return f'<span class="key"><i class="{kind}"></i>{escape(text)}</span>'


# Bars


def _shades(plot: Plot) -> dict[tuple[bool, str], str]:
    """The class of a bar by whether it is a peer's, and its series."""
    shades, theirs = {}, plot.get("peer_series", [])
    names = list(dict.fromkeys(name for row in plot["rows"] for name in row["values"]))
    for is_peer in (False, True):
        own = [name for name in names if name not in theirs]
        for name in names:
            place = (theirs if name in theirs else own).index(name)
            shades[is_peer, name] = f"{'peer' if is_peer or name in theirs else 'ours'} s{place}"
    return shades


def bars(plot: Plot, canvas: Canvas) -> None:
    """A row of bars for each name, longest where most."""
    shades = _shades(plot)
    values = [v for row in plot["rows"] for v in row["values"].values() if v is not None]
    left = 0 if canvas.is_narrow else LABEL
    scale = Scale.of(values, left, canvas.width - 78, None)
    y, marks = 4.0, []
    for row in plot["rows"]:
        found = [(name, value) for name, value in row["values"].items() if value is not None]
        top, y, y_bars = y, *_label(canvas, row["name"], y, len(found) * (BAR + GAP))
        for number, (name, value) in enumerate(found):
            at = y_bars + number * (BAR + GAP)
            says = f"{row['name']}, {name}: {figure(value)} {plot['unit']}"
            marks.append((scale.at(value), at, shades[row["is_peer"], name], says, figure(value)))
        y = max(y, top + LINE) + 10
    _grid(canvas, scale, y, plot["unit"])
    for end, at, kind, says, told in marks:
        canvas.box(left, at, end - left, BAR, kind, says)
        canvas.text(max(end, left + 1) + 5, at + BAR - 3, told, "value")


def _label(canvas: Canvas, name: str, y: float, height: float) -> tuple[float, float]:
    """Write a row's name; where the row ends, and where its marks begin."""
    if canvas.is_narrow:
        lines = list(wrapped(name, 50))
        for number, line in enumerate(lines):
            canvas.text(0, y + 12 + number * LINE, line, "label")
        begins = y + len(lines) * LINE + 2
        return begins + height, begins
    lines = list(wrapped(name, 34))
    tall = max(height, len(lines) * LINE)
    first = y + tall / 2 - (len(lines) - 1) * LINE / 2 + 4
    for number, line in enumerate(lines):
        canvas.text(LABEL - 12, round(first + number * LINE, 1), line, "label", "end")
    return y + tall, round(y + (tall - height) / 2, 1)


def _grid(canvas: Canvas, scale: Scale, bottom: float, unit: str) -> None:
    """Ticks below, lines behind. What was written so far stays on top of them."""
    before, canvas.marks = canvas.marks, []
    ticks = scale.ticks(5 if canvas.is_narrow else 8)
    for tick in ticks:
        x = scale.at(tick)
        canvas.line(x, 0, x, bottom, "grid")
        anchor = "start" if canvas.is_narrow and tick == ticks[0] else "middle"
        canvas.text(x, bottom + 15, short(tick), "tick", anchor)
    where = f"{unit}, log scale" if scale.is_log else unit
    canvas.text(scale.end, bottom + 32, where, "tick", "end")
    canvas.marks += before
    canvas.height = bottom + 38


def bars_legend(plot: Plot) -> Iterator[str]:
    """Whose is which colour, and what is which shade."""
    shades = _shades(plot)
    rows = {row["is_peer"] for row in plot["rows"]}
    names = list(dict.fromkeys(name for row in plot["rows"] for name in row["values"]))
    if len(names) == 1 and len(rows) == 2:
        yield _key(shades[False, names[0]], "clocksync")
        yield _key(shades[True, names[0]], "beside it")
    elif len(names) > 1:
        for name in names:
            both = [shades[is_peer, name] for is_peer in sorted(rows)]
            yield (
                _key(both[0], name)
                if len(set(both)) == 1
                else (
                    f'<span class="key"><i class="{both[0]}"></i><i class="{both[1]}"></i>'
                    f"{escape(name)}</span>"
                )
            )
        if len(rows) == 2 and not plot.get("peer_series"):
            yield '<span class="key">(clocksync, and beside it)</span>'
    yield f'<span class="key hint">{plot["better"]} is better</span>'


# Spreads


def spread(plot: Plot, canvas: Canvas) -> None:
    """For each row and series a line from 5 to 95 %, a box of the middle half, and the median."""
    place = {percent: number for number, percent in enumerate(plot["percents"])}
    shades = _shades(plot)
    kept = [
        [quantiles[place[p]] for p in (5, 25, 50, 75, 95)]
        for row in plot["rows"]
        for quantiles in row["values"].values()
    ]
    left = 4 if canvas.is_narrow else LABEL
    right = canvas.width - (6 if canvas.is_narrow else 104)
    scale = Scale.of([value for some in kept for value in some], left, right, None)
    y, marks = 4.0 if canvas.is_narrow else 20.0, []
    if not canvas.is_narrow:
        canvas.text(canvas.width, 12, "median / 95 %", "tick", "end")
    for row in plot["rows"]:
        y, begins = _label(canvas, row["name"], y, len(row["values"]) * (BAR + GAP + 1))
        for number, (name, quantiles) in enumerate(row["values"].items()):
            five, low, middle, high, most = (quantiles[place[p]] for p in (5, 25, 50, 75, 95))
            at = begins + number * (BAR + GAP + 1) + BAR / 2
            told = f"{figure(middle)} / {figure(most)}"
            says = f"{row['name']}, {name}: median {figure(middle)}, 95 % {figure(most)}"
            says += f" {plot['unit']}"
            ends = [scale.at(value) for value in (five, low, middle, high, most)]
            marks.append((ends, at, shades[row["is_peer"], name], says, told))
        y += 12
    _grid(canvas, scale, y, plot["unit"])
    for ends, at, kind, says, told in marks:
        canvas.line(ends[0], at, ends[4], at, f"whisker {kind}")
        canvas.box(ends[1], at - 4, ends[3] - ends[1], 8, kind, says)
        canvas.dot(ends[2], at, 5, f"median {kind}", says)
        if not canvas.is_narrow:
            canvas.text(canvas.width, at + 4, told, "value", "end")


def spread_legend(plot: Plot) -> Iterator[str]:
    """The same, and what the marks are."""
    yield from list(bars_legend({**plot, "better": "less"}))
    yield '<span class="key hint">dot: median; box: 25 to 75 %; line: 5 to 95 %</span>'


# Lines


def _line_classes(plot: Plot) -> list[str]:
    counts = {False: 0, True: 0}
    classes = []
    for series in plot["series"]:
        is_peer = series["is_peer"]
        classes.append(f"{'p' if is_peer else 'o'}{counts[is_peer] % COLOURS}")
        counts[is_peer] += 1
    return classes


def lines(plot: Plot, canvas: Canvas) -> None:
    """A line with dots for each series; peers' are dashed."""
    points = [point for series in plot["series"] for point in series["points"]]
    left, top, bottom = (38.0, 26.0, 240.0) if canvas.is_narrow else (60.0, 26.0, 320.0)
    right = canvas.width - (12 if canvas.is_narrow else 24)
    across = _across([x for x, _ in points], left, right, "x" in plot["log"])
    upward = Scale.of([y for _, y in points], bottom, top, "y" in plot["log"])
    canvas.text(0, 12, f"{plot['y']}{', log scale' if upward.is_log else ''}", "tick")
    for tick in upward.ticks(6):
        y = upward.at(tick)
        canvas.line(left, y, right, y, "grid")
        canvas.text(left - 6, y + 4, short(tick), "tick", "end")
    xs = sorted({x for x, _ in points})
    few = xs if len(xs) <= (6 if canvas.is_narrow else 12) else across.ticks(6)
    last = -99.0
    for tick in few:
        x = across.at(tick)
        canvas.line(x, bottom, x, bottom + 4, "axis")
        if x - last >= 30:  # one beside the other, not over it
            canvas.text(x, bottom + 18, f"{tick:,g}", "tick", "middle")
            last = x
    canvas.text(right, bottom + 36, plot["x"], "tick", "end")
    canvas.line(left, bottom, right, bottom, "axis")
    for series, kind in zip(plot["series"], _line_classes(plot), strict=True):
        at = [(across.at(x), upward.at(y)) for x, y in series["points"]]
        path = " ".join(f"{x:g},{y:g}" for x, y in at)
        canvas.marks.append(f'<polyline points="{path}" class="series {kind}"/>')
        for (x, y), (place_x, place_y) in zip(series["points"], at, strict=True):
            says = f"{series['name']}: {figure(y)} {plot['y']} at {x:,g} {plot['x']}"
            canvas.dot(place_x, place_y, 3.5, f"point {kind}", says)
    canvas.height = bottom + 42


def _across(values: Sequence[float], left: float, right: float, log: bool) -> Scale:
    """The horizontal axis: from the first value to the last, with a little on either side."""
    low, high = min(values), max(values)
    if log and low > 0:
        return Scale(low / 1.15, high * 1.15 if high > low else low * 2, True, left, right)
    return Scale(0.0, high * 1.05 or 1.0, False, left, right)


def lines_legend(plot: Plot) -> Iterator[str]:
    """Which line is which."""
    for series, kind in zip(plot["series"], _line_classes(plot), strict=True):
        yield _key(f"stroke {kind}", series["name"])


KINDS: dict[str, tuple[Callable[[Plot, Canvas], None], Callable[[Plot], Iterator[str]]]] = {
    "bars": (bars, bars_legend),
    "spread": (spread, spread_legend),
    "lines": (lines, lines_legend),
}
