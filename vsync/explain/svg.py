"""The story as one SVG document: members are lanes, time runs down.

A configuration is a coloured band along the lane of each of its members, the same colour for the
same configuration; transitional ones are hatched. Messages are marks, round for agreed and square
for safe, filled where they are sent and open where they are delivered; a line joins the two. What
violates a rule is ringed in vermilion, with the rule's name. No meaning rests on colour alone; a
pointer over a mark shows all that is known of it.
"""

import json
from collections.abc import Iterator
from xml.sax.saxutils import escape

from clocksync.runtime.history import Event
from ordering.diagram.svg import BACKWARD, PALETTE
from vsync.explain.story import OF_THE_RUN, Row, Story

LEFT, LANE, ROW, BAND = 118, 188, 17, 140
RIGHT = 30
TOP_LINE = 15

_STYLE = """\
text{font:10.5px system-ui,'DejaVu Sans',Helvetica,Arial,sans-serif;fill:#222}
.title{font-size:16px;font-weight:600}
.name{font-size:13px;font-weight:600;text-anchor:middle}
.label{paint-order:stroke;stroke:#fff;stroke-width:3px;stroke-linejoin:round}
.time{fill:#666;text-anchor:end;font-size:9.5px}
.why{fill:#555;font-size:9px;paint-order:stroke;stroke:#fff;stroke-width:2.5px}
.number{font-size:9px;paint-order:stroke;stroke:#fff;stroke-width:2.5px}
.line{stroke:#777;stroke-width:.7;fill:none;stroke-opacity:.55}
.token{stroke:#0072B2;stroke-width:1.2;stroke-dasharray:2 3;fill:none}
.life{stroke:#999;stroke-width:1}
.wrong{fill:none;stroke:#D55E00;stroke-width:2.2}
.rule{fill:#D55E00;font-weight:700}
"""


def to_svg(story: Story, title: str) -> str:
    """The picture."""
    return "\n".join(_Drawing(story, title).lines()) + "\n"


class _Drawing:
    def __init__(self, story: Story, title: str) -> None:
        self.story = story
        self.x = {node: LEFT + LANE * at + LANE // 2 for at, node in enumerate(story.nodes)}
        self.width: float = max(LEFT + LANE * len(story.nodes) + RIGHT, 620)
        self.texts = [f"{v.rule}: {v.text}" for v in story.violations[:6]]
        self.title = title
        notes = "each message is drawn" if story.is_detail else "messages are summed up"
        self.note = ", ".join(part for part in (notes, story.left_out) if part)
        top = 40 + TOP_LINE * len(self.texts) + (14 if self.texts else 0)
        self.head = top + 22
        self.y: list[float] = []
        bottom: float = self.head + 34
        for row in story.rows:
            self.y.append(bottom)
            bottom += 2 * ROW if row.kind == "configuration" else ROW
        self.bottom = bottom + 6
        self.height = self.bottom + 66
        self.colours = _colours(story)
        self.sent: dict[str, tuple[float, float]] = {}

    def lines(self) -> Iterator[str]:
        yield (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.width}"'
            f' height="{self.height:g}" viewBox="0 0 {self.width} {self.height:g}">'
        )
        yield f"<title>{escape(self.title)}</title><style>{_STYLE}</style>"
        yield (
            '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7"'
            ' markerHeight="7" orient="auto"><path d="M0 0l8 4-8 4z" fill="#0072B2"/></marker>'
        )
        for colour in sorted(set(self.colours.values())):
            yield (
                f'<pattern id="h{colour[1:]}" width="7" height="7" patternUnits="userSpaceOnUse"'
                f' patternTransform="rotate(45)"><rect width="7" height="7" fill="#fff"/>'
                f'<rect width="3" height="7" fill="{colour}" fill-opacity=".45"/></pattern>'
            )
        yield "</defs>"
        yield f'<rect width="{self.width}" height="{self.height:g}" fill="#fff"/>'
        yield f'<text class="title" x="16" y="26">{escape(self.title)}</text>'
        yield f'<text x="{self.width - 16}" y="26" text-anchor="end">{escape(self.note)}</text>'
        for at, text in enumerate(self.texts):
            yield _text(16, 46 + TOP_LINE * at, _cut(text, int(self.width / 6)), "rule")
        for node, x in self.x.items():
            yield f'<line class="life" x1="{x}" y1="{self.head + 10}" x2="{x}" y2="{self.bottom}"/>'
            yield _text(x, self.head, f"node {node}", "name")
        yield from self._bands()
        yield from self._times()
        yield from self._messages()
        for row, y in zip(self.story.rows, self.y, strict=True):
            yield from self._row(row, y)
        yield from self._legend()
        yield "</svg>"

    # Configurations

    def _bands(self) -> Iterator[str]:
        open_bands: dict[int, tuple[Event, float]] = {
            node: (event, self.head + 10.0) for node, event in self.story.before.items()
        }
        for row, y in zip(self.story.rows, self.y, strict=True):
            node = row.node
            if row.kind not in ("configuration", "crash", "leave", "boot") or node is None:
                continue
            if node in open_bands:
                yield from self._band(node, *open_bands.pop(node), y - ROW / 2)
            if row.kind == "configuration":
                open_bands[node] = (row.event, y - ROW / 2)
        for node, (event, top) in open_bands.items():
            yield from self._band(node, event, top, self.bottom)

    def _band(self, node: int, event: Event, top: float, bottom: float) -> Iterator[str]:
        colour = self.colours[str(event.get("ring", event["id"]))]
        is_regular = event["kind"] == "regular"
        fill = f'"{colour}" fill-opacity=".2"' if is_regular else f'"url(#h{colour[1:]})"'
        yield (
            f'<rect x="{self.x[node] - BAND / 2:g}" y="{top:g}" width="{BAND}"'
            f' height="{max(bottom - top, 2):g}" rx="4" fill={fill} stroke="{colour}"'
            f' stroke-opacity=".6"><title>{_told(event)}</title></rect>'
        )

    # Messages

    def _messages(self) -> Iterator[str]:
        if not self.story.is_detail:
            return
        for row, y in zip(self.story.rows, self.y, strict=True):
            if row.kind == "send" and row.node is not None:
                self.sent[row.event["message"]] = (self.x[row.node], y)
        for row, y in zip(self.story.rows, self.y, strict=True):
            if row.kind != "deliver" or row.node is None:
                continue
            begin = self.sent.get(row.event["message"])
            x = self.x[row.node]
            if begin is not None and begin[0] != x:
                yield f'<path class="line" d="M{begin[0]:g} {begin[1]:g}L{x:g} {y:g}"/>'

    def _row(self, row: Row, y: float) -> Iterator[str]:
        event = row.event
        if row.kind in OF_THE_RUN:
            yield (
                f'<line x1="{LEFT}" y1="{y:g}" x2="{self.width - RIGHT}" y2="{y:g}"'
                f' stroke="#009E73" stroke-dasharray="6 4"/>'
                f'<text class="label" x="{LEFT + 4}" y="{y - 3:g}">{row.kind}</text>'
            )
            return
        x = self.x[int(event["node"])]
        if row.rules:
            rules = " ".join(dict.fromkeys(row.rules))
            yield f'<circle class="wrong" cx="{x}" cy="{y:g}" r="9"/>'
            yield _text(x - 12, y + 4, rules, "rule label", "end")
        yield f"<g><title>{_told(event)}</title>"
        yield from self._mark(row, x, y)
        yield "</g>"

    def _mark(self, row: Row, x: float, y: float) -> Iterator[str]:
        event = row.event
        match row.kind:
            case "configuration":
                members = ",".join(map(str, event["members"]))
                name = _short(event)
                yield _text(x, y + 5, f"{name} {{{members}}}", "label", "middle")
                if event.get("reason"):
                    yield _text(x, y + 16, _cut(str(event["reason"]), 33), "why", "middle")
            case "send" | "deliver":
                yield from _dot(event, x, y, row.kind == "send")
                number = str(event["message"]).rpartition("/")[2]
                yield _text(x + 8, y + 3.5, number, "number")
            case "sum":
                parts = [f"sent {row.sent}"] if row.sent else []
                parts += [f"delivered {row.delivered}"] if row.delivered else []
                yield _text(x, y + 4, ", ".join(parts), "label", "middle")
            case "token":
                to = self.x.get(event["to"], x)
                path = f"M{x:g} {y:g}L{to:g} {y + ROW * 0.7:g}"
                yield f'<path class="token" d="{path}" marker-end="url(#head)"/>'
            case "boot":
                lost = ", storage lost" if event.get("storage") == "lost" else ""
                yield f'<path d="M{x} {y - 6:g}l6 11h-12z" fill="#222"/>'
                yield _text(x + 10, y + 4, f"boots{lost}", "label")
            case "crash":
                cross = f"M{x - 6} {y - 6:g}l12 12m0 -12l-12 12"
                yield f'<path d="{cross}" stroke="{BACKWARD}" stroke-width="3"/>'
                yield _text(x + 10, y + 4, "crashes", "label")
            case "leave":
                yield f'<rect x="{x - 5}" y="{y - 5:g}" width="10" height="10" fill="#222"/>'
                yield _text(x + 10, y + 4, "leaves", "label")
            case "recovered":
                owed = ",".join(map(str, event.get("obligations", ())))
                yield _text(x, y + 4, f"promises messages of {owed}", "why", "middle")

    # Round about

    def _times(self) -> Iterator[str]:
        last: int | None = None
        for row, y in zip(self.story.rows, self.y, strict=True):
            at = row.event.get("at")
            if not isinstance(at, int) or row.kind == "sum":
                continue
            is_key = row.kind not in ("send", "deliver")
            if last is None or at - last >= 1_000_000 or is_key:
                gap = "" if last is None or at - last < 50_000_000 else "⋮ "
                text = f"{gap}{at / 1e9:.4f} s"
                yield _text(LEFT - 14, y + 4, text, "time")
                last = at

    def _legend(self) -> Iterator[str]:
        y = self.bottom + 26
        bands = "Bands: configurations. One colour is one ring; hatched is transitional."
        yield _text(16, y, bands)
        if self.story.is_detail:
            for x, service, what in (
                (22, "agreed", "agreed message, sent and delivered"),
                (262, "safe", "safe message; beside it its number in the order"),
            ):
                yield from _dot({"service": service}, x, y + 18, True)
                yield from _dot({"service": service}, x + 14, y + 18, False)
                yield _text(x + 24, y + 22, what)


def _text(x: float, y: float, text: str, style: str = "", anchor: str = "") -> str:
    styled = f' class="{style}"' if style else ""
    anchored = f' text-anchor="{anchor}"' if anchor else ""
    return f'<text{styled} x="{x:g}" y="{y:g}"{anchored}>{escape(text)}</text>'


def _dot(event: Event, x: float, y: float, is_sent: bool) -> Iterator[str]:
    fill = "#222" if is_sent else "#fff"
    if event.get("service") == "safe":
        box = f'x="{x - 4:g}" y="{y - 4:g}" width="8" height="8"'
        yield f'<rect {box} fill="{fill}" stroke="#222"/>'
    else:
        yield f'<circle cx="{x:g}" cy="{y:g}" r="4" fill="{fill}" stroke="#222"/>'


def _colours(story: Story) -> dict[str, str]:
    """A colour for each ring, in the order they appear; a transitional configuration has that of
    the ring it comes from."""
    rings: dict[str, str] = {}
    events = [*story.before.values(), *(row.event for row in story.rows)]
    for event in events:
        if event.get("event") == "configuration":
            ring = str(event.get("ring", event["id"]))
            rings.setdefault(ring, PALETTE[len(rings) % len(PALETTE)])
    return rings


def _short(event: Event) -> str:
    if event["kind"] == "regular":
        return f"R{event['ring_seq']}" if "ring_seq" in event else str(event["id"])
    return "T"


def _told(event: Event) -> str:
    return escape(json.dumps({k: v for k, v in event.items() if not k.startswith("_")}))


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"
