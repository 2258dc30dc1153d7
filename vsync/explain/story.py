"""A history as rows of a picture: what happened to whom, in order, with what is dull left out.

Two ways to tell it. In *detail* each message has a mark where it was sent and where it was
delivered. An *overview* keeps what changes configurations and sums up the messages between. Which
one is used depends on how much there is; around a violation it is always the detail.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from clocksync.runtime.errors import ToolkitError
from clocksync.runtime.history import Event

DETAIL_MOST = 200
"""Events of which each is drawn."""

BEFORE, AFTER = 90, 50
"""Events drawn around a violation."""

OVERVIEW_MOST = 260
"""Rows of an overview."""

KEY = ("boot", "configuration", "crash", "leave", "recovered")
OF_THE_RUN = ("healed", "quiet")
DRAWN = (*KEY, *OF_THE_RUN, "send", "deliver", "token")


class NothingToDraw(ToolkitError):
    """A history without events that can be drawn, or with one that lacks what it needs."""


class Violated(Protocol):
    """What is shown of a violation; those of :mod:`vsync.check` fit."""

    @property
    def rule(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def places(self) -> Sequence[Any]: ...  # Any: tuples that begin with the event's number, from 1


@dataclass(slots=True)
class Row:
    """One line of the picture."""

    event: Event
    number: int
    """The event's place in the history, from 1; of a sum its first event's."""
    count: int = 1
    sent: int = 0
    delivered: int = 0
    rules: list[str] = field(default_factory=list)

    @property
    def node(self) -> int | None:
        return self.event.get("node")

    @property
    def kind(self) -> str:
        return str(self.event["event"]) if self.count == 1 or not self.is_sum else "sum"

    @property
    def is_sum(self) -> bool:
        return bool(self.sent or self.delivered)


@dataclass(slots=True)
class Story:
    """What is drawn, and what is not."""

    rows: list[Row]
    nodes: list[int]
    is_detail: bool
    left_out: str = ""
    violations: Sequence[Violated] = ()
    before: dict[int, Event] = field(default_factory=dict)
    """The configuration each node is in where the picture begins."""


def tell(
    events: Sequence[Event],
    violations: Sequence[Violated] = (),
    first: int | None = None,
    last: int | None = None,
) -> Story:
    """Choose what to draw of a history; `first` and `last` (numbers from 1) choose by hand.

    Raises:
        NothingToDraw: there is nothing, or an event lacks a key.
    """
    marked = _marks(violations)
    numbered = [
        (number, event)
        for number, event in enumerate(events, start=1)
        if event.get("event") in DRAWN
    ]
    if not numbered:
        raise NothingToDraw("no events of a ring: there is nothing to draw")
    _require_keys(numbered)
    window = _window(numbered, marked, first, last)
    inside = [entry for entry in numbered if window[0] <= entry[0] <= window[1]]
    is_detail = len(inside) <= DETAIL_MOST
    rows = [Row(event, number) for number, event in inside] if is_detail else _overview(inside)
    notes = []
    if len(inside) < len(numbered):
        notes.append(f"events {window[0]:,} to {window[1]:,} of {len(events):,}")
    if not is_detail and len(rows) > OVERVIEW_MOST:
        rows = rows[-OVERVIEW_MOST:]
        notes.append(f"the last {OVERVIEW_MOST} rows")
    for row in rows:
        row.rules = marked.get(row.number, [])
    nodes = sorted({event["node"] for _, event in numbered if "node" in event})
    before = _before(numbered, rows[0].number)
    return Story(rows, nodes, is_detail, ", ".join(notes), violations, before)


def _marks(violations: Sequence[Violated]) -> dict[int, list[str]]:
    marked: dict[int, list[str]] = {}
    for violation in violations:
        for place in violation.places:
            marked.setdefault(int(place[0]), []).append(violation.rule)
    return marked


def _require_keys(numbered: list[tuple[int, Event]]) -> None:
    needed = {
        "configuration": ("id", "kind", "members"),
        "send": ("message",),
        "deliver": ("message",),
        "token": ("to",),
    }
    for number, event in numbered:
        kind = event["event"]
        keys = () if kind in OF_THE_RUN else ("node", *needed.get(kind, ()))
        for key in keys:
            if key not in event:
                raise NothingToDraw(f"event {number}: {kind} without {key!r}")


def _window(
    numbered: list[tuple[int, Event]],
    marked: dict[int, list[str]],
    first: int | None,
    last: int | None,
) -> tuple[int, int]:
    if first is not None or last is not None:
        return first or 1, last or numbered[-1][0]
    if not marked or len(numbered) <= DETAIL_MOST:
        return numbered[0][0], numbered[-1][0]
    # What led to it matters more than what follows.
    places = [at for at, (number, _) in enumerate(numbered) if number in marked]
    if not places:
        return numbered[0][0], numbered[-1][0]
    end = min(places[0] + AFTER, len(numbered) - 1)
    return numbered[max(0, places[0] - BEFORE)][0], numbered[end][0]


def _overview(inside: list[tuple[int, Event]]) -> list[Row]:
    """Key events, and between them one row for each node that sent or delivered."""
    rows: list[Row] = []
    sums: dict[int, Row] = {}
    for number, event in inside:
        kind = event["event"]
        if kind == "token":
            continue
        if kind in KEY or kind in OF_THE_RUN:
            # One node's change ends its own sum only; all others go on.
            ended = list(sums) if kind in OF_THE_RUN else [event["node"]]
            rows += [sums.pop(node) for node in ended if node in sums]
            rows.append(Row(event, number))
            continue
        row = sums.setdefault(event["node"], Row(event, number, count=0))
        row.count += 1
        row.sent += kind == "send"
        row.delivered += kind == "deliver"
    return rows + [sums[node] for node in sorted(sums)]


def _before(numbered: list[tuple[int, Event]], first: int) -> dict[int, Event]:
    found: dict[int, Event] = {}
    for number, event in numbered:
        if number >= first:
            break
        if event["event"] == "configuration":
            found[event["node"]] = event
        elif event["event"] in ("crash", "leave"):
            found.pop(event["node"], None)
    return found
