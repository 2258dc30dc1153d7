"""The rows of a picture: what stands at one height.

A row has at most one entry of each node, and nothing that it also has the cause of; in a picture
by time, all of a row happened within a moment of its first. So every line from a sending to a
delivery points down, and a node's own order is the order of its rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf
from statistics import median

from vsync.explain.reading import MESSAGES, OF_THE_RUN, Item

LINE = 13.0
"""Pixels from one line of a small text to the next."""

LEAST = 17.0
"""Pixels of the lowest row."""

QUIET_TIMES = 20
"""A pause of so many usual steps from row to row is written out as one."""


@dataclass(slots=True, eq=False)
class Entry:
    """What is drawn as one: an event, or a run of messages that one node sent or delivered."""

    items: tuple[Item, ...]
    rules: tuple[str, ...] = ()
    """What is violated here."""
    is_asked_for: bool = False

    @property
    def node(self) -> int:
        return self.items[0].node

    @property
    def kind(self) -> str:
        return self.items[0].kind

    @property
    def at(self) -> int | None:
        return (self.items[-1] if self.kind == "deliver" else self.items[0]).at


@dataclass(slots=True, eq=False)
class Fold:
    """A stretch in which nothing changed, drawn as one for all nodes."""

    items: tuple[Item, ...]


@dataclass(slots=True, eq=False)
class Row:
    """One height."""

    entries: list[Entry] = field(default_factory=list)
    fold: Fold | None = None
    at: int | None = None
    after: int = 0
    """If it comes after a pause, how long that was, ns."""

    @property
    def above(self) -> float:
        """Pixels that it needs above its line."""
        extra = 22.0 if self.after else 0.0
        if self.fold is not None:
            return extra + 25
        return extra + (11.0 if self._has("configuration") else LEAST / 2)

    @property
    def below(self) -> float:
        if self.fold is not None:
            return 33
        return 9.0 + 2 * LINE if self._has("configuration") else LEAST / 2

    def _has(self, kind: str) -> bool:
        return any(entry.kind == kind for entry in self.entries)


def height_of(rows: Sequence[Row]) -> float:
    """Pixels that rows take."""
    return sum(row.above + row.below for row in rows)


def pack(parts: Sequence[Entry | Fold], moment: int | None, tall: float = inf) -> list[Row]:
    """Rows of what is to be drawn, in its order.

    Args:
        moment: how far apart in time what shares a row may be, ns; None if time plays no part.
        tall: if the rows get taller than this, the rest is not looked at.
    """
    packing = _Packing(moment)
    for together in _together(parts):
        if isinstance(together, Fold):
            packing.add_fold(together)
        else:
            packing.add(together)
        if len(packing.rows) * LEAST > tall:
            break
    if moment is not None:
        _find_pauses(packing.rows, moment)
    return packing.rows


def _together(parts: Sequence[Entry | Fold]) -> list[list[Entry] | Fold]:
    """What must not be torn apart: those who enter one configuration one after the other."""
    found: list[list[Entry] | Fold] = []
    last: list[Entry] = []
    for part in parts:
        if isinstance(part, Fold):
            found.append(part)
            last = []
        elif last and _enter_together(last, part):
            last.append(part)
        else:
            last = [part]
            found.append(last)
    return found


def _enter_together(entries: Sequence[Entry], entry: Entry) -> bool:
    return (
        entry.kind == entries[0].kind == "configuration"
        and entry.items[0].event["id"] == entries[0].items[0].event["id"]
        and all(entry.node != other.node for other in entries)
    )


class _Packing:
    """Each entry in the first row that it may stand in."""

    def __init__(self, moment: int | None) -> None:
        self.moment = moment
        self.rows: list[Row] = []
        self.barrier = 0
        """Nothing goes above this row any more."""
        self.after: dict[int, int] = {}
        """The row that a node has reached, from which it goes on."""
        self.sent: dict[str, int] = {}

    def add_fold(self, fold: Fold) -> None:
        self.rows.append(Row(fold=fold, at=fold.items[0].at))
        self.barrier = len(self.rows)

    def add(self, entries: Sequence[Entry]) -> None:
        """Entries of different nodes, all in one row."""
        first = max(map(self._first, entries))
        if first >= len(self.rows):
            self.rows.append(Row(at=entries[0].at))
        for entry in entries:
            self.rows[first].entries.append(entry)
            self.after[entry.node] = first + 1
            if entry.kind == "send":
                self.sent.update((item.message, first) for item in entry.items)
            elif entry.kind == "token":
                # What the receiver does next comes after it.
                to = entry.items[0].event["to"]
                self.after[to] = max(self.after.get(to, 0), first + 1)
            elif entry.kind in OF_THE_RUN:
                self.barrier = first + 1

    def _first(self, entry: Entry) -> int:
        if entry.kind in OF_THE_RUN:
            return len(self.rows)
        first = max(self.barrier, self.after.get(entry.node, 0))
        if entry.kind == "deliver":
            first = max([first, *(self.sent.get(item.message, -1) + 1 for item in entry.items)])
        if self.moment is not None and entry.at is not None:
            while first < len(self.rows) and entry.at - (self.rows[first].at or 0) > self.moment:
                first += 1
        return first


def _find_pauses(rows: list[Row], moment: int) -> None:
    steps = [
        (later.at - earlier.at, later)
        for earlier, later in pairwise(rows)
        if earlier.at is not None and later.at is not None and earlier.fold is None
    ]
    usual = median([step for step, _ in steps if step > 0] or [0])
    for step, row in steps:
        if len(steps) >= 4 and step > max(QUIET_TIMES * usual, 2 * moment):
            row.after = step


def is_message(item: Item) -> bool:
    """Whether an event belongs to a message."""
    return item.kind in MESSAGES


def service_of(items: Sequence[Item]) -> str:
    """What is promised of messages: agreed, safe, or mixed."""
    kinds = {item.is_safe for item in items}
    return "mixed" if len(kinds) == 2 else "safe" if True in kinds else "agreed"
