"""What of a history is drawn, and how closely, so that the picture fits a few screens.

All of it, if there is room. If not, messages that one node sent or delivered in a row are drawn as
one; then stretches in which no configuration changed are folded, the more of them the longer the
history; at last only a window is drawn, around the first violation or up to the last change of a
configuration. Around a violation, and around what was asked for, nothing is folded.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf
from statistics import median

from vsync.explain.axis import arrange
from vsync.explain.reading import History, Item, NothingToDraw
from vsync.explain.rows import Entry, Fold, Row, height_of, is_message, pack
from vsync.explain.wording import many

TALL = 2700.0
"""Pixels that a picture's rows may take: a few screens."""

PLEASANT = 1300.0
"""And that they need not take less than."""

MOMENTS = (1, 4, 16)
"""How many usual steps of time may share a row: the fewest with which a picture is pleasant, or
almost as short as with more."""

ALMOST = 1.15

TALL_BY_HAND = 2 * TALL
"""And where somebody chose the events."""

FOLDED_LEAST = 8
"""Events that are worth a fold."""

AROUND = (60, 40)
"""Events drawn before and after one that is asked for, or that violates a rule."""

NEAR_VIOLATION = 30
"""Events on either side of a violation that are never folded."""


@dataclass(frozen=True, slots=True)
class Level:
    """How closely a history is drawn."""

    run: int | None
    """Messages in a row that are drawn as one: so many and more."""
    one_origin: bool
    """Whether only messages of one sender are."""
    near: int | None
    """What is further than so many events from what matters is folded."""


LEVELS = (
    Level(None, True, None),
    Level(4, True, None),
    Level(3, True, None),
    Level(3, True, 40),
    Level(3, True, 20),
    Level(2, True, 10),
    Level(2, False, 5),
    Level(2, False, 2),
    Level(2, False, 1),
)
"""Each shorter than the one before."""

OF_A_WINDOW = LEVELS[6]
"""How closely as much is drawn as there is room for, if there is no room for all."""


@dataclass(slots=True)
class Plan:
    """What is drawn."""

    rows: list[Row]
    level: Level
    is_by_time: bool
    moment: int | None = None
    """How far apart in time what shares a row may be, ns."""
    before: list[Item] = field(default_factory=list)
    """What came before the picture begins, in order."""
    notes: list[str] = field(default_factory=list)
    """What was left out, in words."""

    @property
    def height(self) -> float:
        return height_of(self.rows)


def choose(
    history: History,
    marked: Mapping[int, Sequence[str]],
    first: int | None = None,
    last: int | None = None,
    around: int | None = None,
) -> Plan:
    """Choose what is drawn.

    Args:
        marked: rules violated, by the number of the event.
        first, last, around: numbers of events, from 1: those to draw, or the one in the middle.

    Raises:
        NothingToDraw: what was asked for holds no events that can be drawn.
    """
    is_by_time = arrange(history)
    order = history.items
    drawing = _Drawing(history, marked, is_by_time)
    if around is not None:
        if not 1 <= around <= history.total:
            raise NothingToDraw(f"there is no event {around:,}: the history has {history.total:,}")
        at = min(range(len(order)), key=lambda at: (abs(order[at].number - around), at))
        drawing.asked_for = order[at].number
        before, after = AROUND
        return drawing.fitted(order, max(0, at - before), at + after + 1, TALL_BY_HAND)
    if first is not None or last is not None:
        low, high = first or 1, min(last or history.total, history.total)
        kept = [item for item in order if low <= item.number <= high]
        if not kept:
            to = f" to {last:,}" if last is not None else " on"
            raise NothingToDraw(
                f"no events of a ring from {low:,}{to}: the history has {history.total:,} events"
            )
        outside = [item for item in order if item.number < low]
        drawing.range = low, high
        return drawing.fitted([*outside, *kept], len(outside), len(order), TALL_BY_HAND)
    plan = drawing.fitted(order, 0, len(order), TALL)
    return plan if plan.height <= TALL else _window(drawing, order, marked)


def _window(
    drawing: "_Drawing", order: Sequence[Item], marked: Mapping[int, Sequence[str]]
) -> Plan:
    """As much as there is room for around what matters."""
    wrong = [at for at, item in enumerate(order) if item.number in marked]
    changes = [at for at, item in enumerate(order) if item.kind == "configuration"]
    count = len(order)
    while True:
        if wrong:
            low = max(0, wrong[0] - 2 * count // 3)
            high = min(len(order), wrong[0] + count // 3 + 1)
        else:
            high = min(len(order), (changes[-1] if changes else len(order)) + 1 + count // 4)
            low = max(0, high - count)
        if count <= 8 or drawing.fits(order[low:high], OF_A_WINDOW):
            return drawing.fitted(order, low, high, TALL)
        count = count * 4 // 5


class _Drawing:
    """What stays the same however closely a history is drawn."""

    def __init__(
        self,
        history: History,
        marked: Mapping[int, Sequence[str]],
        is_by_time: bool,
    ) -> None:
        self.history = history
        self.marked = marked
        self.asked_for: int | None = None
        """The number of the event in the middle."""
        self.range: tuple[int, int] | None = None
        """The numbers of the events that were asked for."""
        self.is_by_time = is_by_time

    def fits(self, items: Sequence[Item], level: Level) -> bool:
        """Whether a stretch can be drawn so closely."""
        rows, _ = self._packed(self._parts(items, level), _usual_step(items), TALL)
        return height_of(rows) <= TALL

    def fitted(self, order: Sequence[Item], low: int, high: int, tall: float) -> Plan:
        """The closest drawing of a stretch that is no taller, or the least tall."""
        items = order[low:high]
        usual = _usual_step(items)
        for level in LEVELS:
            rows, moment = self._packed(self._parts(items, level), usual, tall)
            plan = Plan(rows, level, self.is_by_time, moment, list(order[:low]))
            if plan.height <= tall:
                break
        else:
            # What is asked for is drawn, however tall.
            plan.rows, plan.moment = self._packed(self._parts(items, level), usual, inf)
        plan.notes = self._notes(items, plan)
        return plan

    def _packed(
        self, parts: Sequence[Entry | Fold], usual: int, tall: float
    ) -> tuple[list[Row], int | None]:
        if not self.is_by_time:
            return pack(parts, None, tall), None
        found = [(moments * usual, pack(parts, moments * usual, tall)) for moments in MOMENTS]
        lowest = min(height_of(rows) for _, rows in found)
        good = min(max(PLEASANT, ALMOST * lowest), max(tall, lowest))
        moment, rows = next(one for one in found if height_of(one[1]) <= good)
        return rows, moment

    def _notes(self, items: Sequence[Item], plan: Plan) -> list[str]:
        notes = []
        everything = len(self.history.items)
        if len(items) < everything:
            numbers = [item.number for item in items]
            low, high = self.range or (min(numbers), max(numbers))
            notes.append(
                f"events {low:,} to {high:,} of {self.history.total:,}"
                f" ({many(everything - len(items), 'event')} left out)"
            )
        folded = sum(len(row.fold.items) for row in plan.rows if row.fold is not None)
        if folded:
            notes.append(f"{many(folded, 'event')} folded where no configuration changed")
        if any(len(entry.items) > 1 for row in plan.rows for entry in row.entries):
            notes.append("messages in a row drawn as one")
        return notes

    def _parts(self, items: Sequence[Item], level: Level) -> list[Entry | Fold]:
        kept = self._kept(items, level.near)
        parts: list[Entry | Fold] = []
        start = 0
        while start < len(items):
            end = start
            while end < len(items) and kept[end] == kept[start]:
                end += 1
            stretch = items[start:end]
            parts += self._entries(stretch, level) if kept[start] else [Fold(tuple(stretch))]
            start = end
        return parts

    def _kept(self, items: Sequence[Item], near: int | None) -> list[bool]:
        """Which events are drawn, and not folded."""
        if near is None:
            return [True] * len(items)
        kept = [False] * len(items)
        for at, item in enumerate(items):
            reach = self._reach(item, near)
            if reach is not None:
                low, high = max(0, at - reach), min(len(items), at + reach + 1)
                kept[low:high] = [True] * (high - low)
        start = 0
        while start < len(items):
            end = start
            while end < len(items) and not kept[end]:
                end += 1
            if end - start < FOLDED_LEAST:
                kept[start:end] = [True] * (end - start)
            start = end + 1
        return kept

    def _reach(self, item: Item, near: int) -> int | None:
        if item.number in self.marked or item.number == self.asked_for:
            return max(near, NEAR_VIOLATION)
        if not is_message(item):
            return near if item.kind != "token" else None
        return 0 if self.history.is_transitional(item) else None

    def _entries(self, items: Sequence[Item], level: Level) -> list[Entry]:
        """What is drawn of a stretch, runs put together. A run of sendings stands where it begins,
        one of deliveries where it ends: no message arrives before it is sent."""
        placed: list[tuple[int, Entry]] = []
        runs: dict[int, list[tuple[int, Item]]] = {}

        def close(node: int) -> None:
            run = runs.pop(node, [])
            if level.run is None or len(run) < level.run:
                placed.extend((at, self._entry(item)) for at, item in run)
            else:
                at = run[-1][0] if run[0][1].kind == "deliver" else run[0][0]
                placed.append((at, Entry(tuple(item for _, item in run))))

        for at, item in enumerate(items):
            run = runs.get(item.node)
            if run and not self._continues(run[-1][1], item, level):
                close(item.node)
            if is_message(item) and not self._stands_out(item):
                runs.setdefault(item.node, []).append((at, item))
            else:
                placed.append((at, self._entry(item)))
        for node in list(runs):
            close(node)
        return [entry for _, entry in sorted(placed, key=lambda place: place[0])]

    def _continues(self, last: Item, item: Item, level: Level) -> bool:
        return (
            item.kind == last.kind
            and item.ring == last.ring
            and (item.origin == last.origin or not level.one_origin)
            and not self._stands_out(item)
        )

    def _stands_out(self, item: Item) -> bool:
        return item.number in self.marked or item.number == self.asked_for

    def _entry(self, item: Item) -> Entry:
        rules = tuple(dict.fromkeys(self.marked.get(item.number, ())))
        return Entry((item,), rules, item.number == self.asked_for)


def _usual_step(items: Sequence[Item]) -> int:
    times = [item.at for item in items if item.at is not None]
    steps = [later - earlier for earlier, later in pairwise(times)]
    return round(median([step for step in steps if step > 0] or [0]))
