"""Where everything of a picture goes: members are lanes, time runs down.

A page scrolls down and texts lie horizontally beside their events, so lanes are columns. On the
left stand the times.
"""

from collections.abc import Iterator, Sequence

from vsync.explain.bands import ENTRY, bands_and_lives, colours_of
from vsync.explain.choosing import Plan
from vsync.explain.lines import FOLD, lines_of
from vsync.explain.picture import Band, FoldBox, Lane, Mark, Picture, Rule
from vsync.explain.reading import MESSAGES, OF_THE_RUN, History, Item
from vsync.explain.rows import Entry, Row, service_of
from vsync.explain.wording import (
    duration_text,
    event_text,
    many,
    members_text,
    numbers_text,
    shortened,
    told,
)

LEFT = 112.0
"""Of the lanes: the room for times, and for rules violated in the first lane."""

RIGHT = 16.0
WIDE = (150.0, 182.0, 48.0)
"""A band's width, the distance of two lanes, and where in the band its life line is."""

LABEL_CHARACTER = 5.7
"""Pixels that a letter of a label takes."""

NARROW = (122.0, 138.0, 38.0)
"""The same for a group of more than six."""

HEADING_EVERY = 720.0
"""Pixels after which the nodes' names are written again."""

EPOCH = 10**15
"""Later times count from 1970, and are told from the first one drawn."""


def place(history: History, plan: Plan, title: str) -> Picture:
    """Lay out what was chosen. Words above and below the lanes find their place when written."""
    picture = Picture(title, notes=[*_axis_note(history, plan), *plan.notes])
    nodes = _nodes(history, plan)
    width, gap, inset = NARROW if len(nodes) > 6 else WIDE
    for at, node in enumerate(nodes):
        left = LEFT + gap * at
        picture.lanes.append(Lane(node, left + inset, left, width))
    picture.width = LEFT + gap * (len(nodes) - 1) + width + RIGHT
    heights = list(_heights(picture, plan))
    lane_of = {lane.node: lane for lane in picture.lanes}
    colours = colours_of(history)
    bands_and_lives(picture, history, plan, heights, colours)
    bands = {(band.left, band.top + ENTRY): band for band in picture.bands}
    _name_again(picture)
    picture.lines = lines_of(plan.rows, heights, lane_of)
    for row, y in zip(plan.rows, heights, strict=True):
        if row.fold is not None:
            picture.folds.append(_fold_box(row, y, lane_of, plan.is_by_time))
        for entry in row.entries:
            if entry.kind in OF_THE_RUN:
                picture.rules.append(_rule(entry, y))
            else:
                lane = lane_of[entry.node]
                band = bands.get((lane.left, y)) if entry.kind == "configuration" else None
                picture.marks.append(_mark(history, entry, lane, y, band))
    if plan.is_by_time:
        _write_times(picture, plan.rows, heights)
    return picture


def _axis_note(history: History, plan: Plan) -> list[str]:
    size = f"{many(history.total, 'event')} of {many(len(history.nodes), 'node')}"
    if not plan.is_by_time:
        return [size, "each event stands below what led to it; heights are no durations"]
    if plan.moment and len(history.nodes) > 1:
        return [size, f"what is up to {duration_text(plan.moment)} apart may share a row"]
    return [size]


def _nodes(history: History, plan: Plan) -> list[int]:
    """Those that did something in what is drawn, or were alive when it began."""
    found: set[int] = set()
    for item in plan.before:
        if item.kind in ("crash", "leave"):
            found.discard(item.node)
        else:
            found.add(item.node)
    for row in plan.rows:
        found |= {entry.node for entry in row.entries}
        found |= {item.node for item in row.fold.items} if row.fold is not None else set()
    return [node for node in history.nodes if node in found]


def _heights(picture: Picture, plan: Plan) -> Iterator[float]:
    """The line of each row; sets where the lanes end."""
    # A band that began before the picture has its name at the top.
    bottom = 30.0 if any(item.kind == "configuration" for item in plan.before) else 8.0
    headed = bottom
    for row in plan.rows:
        if bottom - headed > HEADING_EVERY:
            picture.headings.append((bottom + 12, []))
            bottom += 24
            headed = bottom
        if row.after:
            picture.pauses.append((bottom + 11, f"{duration_text(row.after)} later"))
        y = bottom + row.above
        yield y
        bottom = y + row.below
    picture.bottom = bottom + 8


def _rule(entry: Entry, y: float) -> Rule:
    item = entry.items[0]
    texts = {"healed": "healed: no fault is injected from here on", "quiet": "quiet: the end"}
    return Rule(y, texts[item.kind], event_text(item.number, item.event))


def _name_again(picture: Picture) -> None:
    for y, names in picture.headings:
        for lane in picture.lanes:
            views = [
                band.name
                for band in picture.bands
                if band.left == lane.left and band.top <= y <= band.top + band.height
            ]
            text = ": ".join((f"node {lane.node}", *views[:1]))
            if views and len(text) > lane.width / 6.4:
                text = f"{lane.node}: {views[0]}"
            names.append((lane.left + lane.width / 2, text))


def _mark(history: History, entry: Entry, lane: Lane, y: float, band: Band | None) -> Mark:
    items = entry.items
    is_lost = entry.kind == "send" and not any(item.message in history.delivered for item in items)
    return Mark(
        entry.kind,
        lane.x,
        y,
        _label(history, entry, lane),
        told([_told(history, item) for item in items]),
        service_of(items) if entry.kind in MESSAGES else "",
        len(items),
        is_lost,
        entry.rules,
        entry.is_asked_for,
        band,
    )


def _label(history: History, entry: Entry, lane: Lane) -> str:
    item = entry.items[0]
    event = item.event
    room = int((lane.left + lane.width - lane.x - 12) / LABEL_CHARACTER)
    if entry.kind in MESSAGES:
        if len(entry.items) > 1:
            return _run(entry.items, room)
        return shortened(history.short_name(item), room)
    match entry.kind:
        case "boot":
            if event.get("storage") == "lost":
                return "boot, disk lost"
            return shortened(f"boot {event.get('incarnation', '')}", room)
        case "crash":
            return "crash"
        case "leave":
            return "leaves"
        case "recovered":
            owed = event.get("obligations")
            if isinstance(owed, list) and all(isinstance(node, int) for node in owed):
                text = f"owes {members_text(owed)}"
                return text if len(text) <= room else f"owes {len(owed):,} nodes"
            return "recovered"
    return ""


def _run(items: Sequence[Item], room: int) -> str:
    """A run of messages by their numbers, and how many if that does not follow from these."""
    numbers = [item.sequence for item in items if item.sequence is not None]
    texts = []
    if len(numbers) == len(items):
        is_plain = len(items) == len(set(numbers)) == numbers[-1] - numbers[0] + 1
        count = "" if is_plain else f" ({len(items):,})"
        texts = [numbers_text(numbers, most) + count for most in (3, 2)]
    texts.append(many(len(items), "message"))
    return next((text for text in texts if len(text) <= room), f"×{len(items):,}")


def _told(history: History, item: Item) -> str:
    text = event_text(item.number, item.event)
    if item.kind == "send":
        key = item.node, str(item.event.get("incarnation")), str(item.event.get("handle"))
        waited = history.submitted.get(key)
        if waited is not None and item.at is not None:
            text += f"\nsubmitted {duration_text(max(item.at - waited, 0))} before"
    elif item.kind == "deliver":
        sent = history.sent.get(item.message)
        if sent is None:
            return text + "\nno sending of it is recorded"
        text += f"\nsent by node {sent.node} in event {sent.number:,}"
        if sent.at is not None and item.at is not None and sent.node == item.node:
            text += f", {duration_text(max(item.at - sent.at, 0))} before"
    return text


def _fold_box(row: Row, y: float, lanes: dict[int, Lane], is_by_time: bool) -> FoldBox:
    assert row.fold is not None
    items = row.fold.items
    sums = []
    for node, lane in lanes.items():
        said = []
        for kind, verb in (("send", "sent"), ("deliver", "delivered")):
            of_kind = [item for item in items if item.node == node and item.kind == kind]
            if of_kind:
                text = f"{verb} {len(of_kind):,}: {_numbers(of_kind)}"
                fits = len(text) <= lane.width / LABEL_CHARACTER
                said.append(text if fits else text.partition(":")[0])
        if said:
            sums.append((lane.left + lane.width / 2, said[0], "".join(said[1:])))
    tokens = sum(item.kind == "token" for item in items)
    texts = [f"folded: {many(len(items), 'event')}, {items[0].number:,} to {items[-1].number:,}"]
    texts += [f"the token was passed {many(tokens, 'time')}"] if tokens else []
    note = [many(len(items), "event")]
    first, last = items[0].at, items[-1].at
    if is_by_time and first is not None and last is not None:
        note.append(duration_text(last - first))
        texts.append(f"in {note[1]}")
    return FoldBox(y - FOLD, y + FOLD, tuple(sums), tuple(note), "\n".join(texts))


def _numbers(items: Sequence[Item]) -> str:
    numbers = [item.sequence for item in items if item.sequence is not None]
    if not numbers:
        return "messages"
    low, high = min(numbers), max(numbers)
    return str(low) if low == high else f"{low}–{high}"


def _write_times(picture: Picture, rows: Sequence[Row], heights: Sequence[float]) -> None:
    known = [row.at for row in rows if row.at is not None]
    if not known:
        return
    zero = known[0] if known[0] >= EPOCH else 0
    if zero:
        picture.notes.append(f"times count from {zero:,} ns")
    in_seconds = known[-1] - zero >= 10_000_000_000
    last = ""
    for row, y in zip(rows, heights, strict=True):
        if row.at is None or row.fold is not None:
            continue
        since = row.at - zero
        text = f"{since / 1e9:,.3f} s" if in_seconds else f"{since / 1e6:,.2f} ms"
        if text != last:
            picture.times.append((y, text))
        last = text
