"""The lines of a picture: from each sending to its deliveries, and the token's way.

All messages of one run that are delivered in one run share a line; so do those whose other end is
in a fold.
"""

from collections.abc import Iterator, Sequence

from vsync.explain.picture import Lane, Line
from vsync.explain.reading import MESSAGES, Item
from vsync.explain.rows import Row, service_of
from vsync.explain.wording import numbers_text

End = tuple[int, float]
"""The node and the height of a line's end; of a fold, its edge."""

FOLD = 20.0
"""From the middle of a fold to its edges."""

TOKEN_FALL = 14.0
"""How far down a token's arrow goes: it tells where the token went, not when it came."""


def lines_of(rows: Sequence[Row], heights: Sequence[float], lanes: dict[int, Lane]) -> list[Line]:
    """All of them."""
    sent: dict[str, tuple[End, bool]] = {}
    bundles: dict[tuple[End, End, bool], list[Item]] = {}
    found: list[Line] = []
    for row, y in zip(rows, heights, strict=True):
        for item, where, into, is_folded in _events(row, y):
            if item.kind == "send":
                sent.setdefault(item.message, (where, is_folded))
            elif item.kind == "token":
                if not is_folded and item.event["to"] in lanes:
                    found.append(_token(item, y, lanes))
            elif item.message in sent:
                begin, was_folded = sent[item.message]
                if not (is_folded and was_folded):
                    bundles.setdefault((begin, into, is_folded or was_folded), []).append(item)
    for (begin, end, is_cut), items in bundles.items():
        found.append(_bundle(begin, end, is_cut, items, lanes))
    return found


def _events(row: Row, y: float) -> Iterator[tuple[Item, End, End, bool]]:
    """Each with where a line from it begins, and where one to it ends."""
    if row.fold is not None:
        for item in row.fold.items:
            if item.kind != "token":
                yield item, (item.node, y + FOLD), (item.node, y - FOLD), True
    for entry in row.entries:
        if entry.kind in MESSAGES or entry.kind == "token":
            for item in entry.items:
                yield item, (item.node, y), (item.node, y), False


def _bundle(
    begin: End, end: End, is_cut: bool, items: Sequence[Item], lanes: dict[int, Lane]
) -> Line:
    numbers = [item.sequence for item in items if item.sequence is not None]
    what = f"{items[0].ring}/{numbers_text(numbers)}" if len(items) > 1 else items[0].message
    return Line(
        service_of(items),
        lanes[begin[0]].x,
        begin[1],
        lanes[end[0]].x,
        end[1],
        f"{what}\nsent by node {begin[0]}, delivered by node {end[0]}",
        len(items),
        is_cut,
    )


def _token(item: Item, y: float, lanes: dict[int, Lane]) -> Line:
    to = item.event["to"]
    tooltip = f"event {item.number:,}: the token of ring {item.ring} to node {to}"
    return Line("token", lanes[item.node].x, y, lanes[to].x, y + TOKEN_FALL, tooltip)
