"""Where everything of a space-time diagram goes.

Processes are columns, time runs down, so that a long run scrolls as pages do and texts lie
horizontally beside their events. Rows are one of two:

- *causal*: an event's row is the length of the longest chain of events that leads to it (its
  Lamport time, recounted from one). Every message points down; a run takes as few rows as its
  causality allows.
- *time*: an event's row is its place among the distinct physical times of the run, each process
  telling its own. Messages that were received before they were sent point up.
"""

from dataclasses import dataclass
from enum import Enum

from ordering.process import Process, process_text
from ordering.trace.events import BadTrace, Event, Kind
from ordering.trace.run import Run

ROW = 17
"""Pixels from row to row: a line of text and air."""

COLUMN_WIDTHS = (96, 210)
"""The narrowest and the widest distance of two processes, pixels."""

HEADING_EVERY = 40
"""Rows after which the processes' names are written again, in a row of their own."""

BAND = 5
"""Rows of one shade: alternate shades let the eye follow a row across the columns."""

CHARACTER_WIDTH = 5.6
"""Of the labels' font at its size, pixels, on average."""

NAME_CHARACTER_WIDTH = 7.5
"""Of the processes' names, which are larger and bold."""


class Rows(Enum):
    """What the vertical axis means."""

    CAUSAL = "causal"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class Mark:
    """An event: where, what shape, what is written beside it and what a pointer shows."""

    x: float
    y: float
    column: int
    kind: Kind
    label: str
    tooltip: str
    lost: bool = False
    """A sending of which no receipt was recorded."""
    label_dx: float = 8.0
    """How far right of the event its label begins: further where an arrow head comes in."""


@dataclass(frozen=True, slots=True)
class Arrow:
    """A message from (x1, y1) to (x2, y2). ``backward``: received before it was sent."""

    x1: float
    y1: float
    x2: float
    y2: float
    column: int
    backward: bool
    tooltip: str


@dataclass(frozen=True, slots=True)
class Column:
    """A process: its name, and where its line begins and ends."""

    name: str
    x: float
    top: float
    bottom: float


@dataclass(frozen=True, slots=True)
class Picture:
    """A diagram, ready to be written in any format."""

    title: str
    width: float
    height: float
    columns: tuple[Column, ...]
    marks: tuple[Mark, ...]
    arrows: tuple[Arrow, ...]
    headings: tuple[float, ...]
    """Where the names are written again."""
    bands: tuple[tuple[float, float], ...]
    """Top and height of what is shaded."""


def picture_of(
    run: Run, *, rows: Rows = Rows.CAUSAL, title: str = "", labels: bool = True
) -> Picture:
    """Lay a run out.

    Raises:
        BadTrace: rows by time are asked for, and an event has no physical time.
    """
    row_of = _causal_rows(run) if rows is Rows.CAUSAL else _time_rows(run)
    rows_used = max(row_of.values(), default=0) + 1
    gap = _column_gap(run, labels)
    room = int(gap / NAME_CHARACTER_WIDTH)
    names = [_shortened(process_text(process), room) for process in run.processes]
    left = max([44.0, *(8 + NAME_CHARACTER_WIDTH / 2 * len(name) for name in names[:1])])
    top = 96.0 if title else 72.0
    bottom = top + _offset(rows_used - 1) + ROW
    column_of = {process: place for place, process in enumerate(run.processes)}
    at = {
        event: (left + column_of[event.process] * gap, top + _offset(row))
        for event, row in row_of.items()
    }
    columns = tuple(
        Column(name, left + place * gap, top - ROW, bottom) for place, name in enumerate(names)
    )
    return Picture(
        title,
        max(left + gap * len(columns) + 8, 560.0),
        bottom + 20,
        columns,
        _marks(run, at, column_of, int((gap - 32) / CHARACTER_WIDTH) if labels else 0),
        _arrows(run, at, column_of),
        tuple(top + _offset(row) - ROW for row in range(HEADING_EVERY, rows_used, HEADING_EVERY)),
        tuple(
            (top + _offset(row) - ROW / 2, min(BAND, rows_used - row) * ROW)
            for row in range(0, rows_used, 2 * BAND)
        ),
    )


def _column_gap(run: Run, labels: bool) -> float:
    longest = max((len(event.text) for event in run.events), default=0) if labels else 0
    longest = max(longest, *(len(process_text(process)) + 4 for process in run.processes), 0)
    narrowest, widest = COLUMN_WIDTHS
    return min(max(40 + CHARACTER_WIDTH * longest, narrowest), widest)


def _marks(
    run: Run, at: dict[Event, tuple[float, float]], column_of: dict[Process, int], room: int
) -> tuple[Mark, ...]:
    pairs = run.messages()
    arrived = {sent for sent, _ in pairs}
    from_right = {got for sent, got in pairs if at[sent][0] > at[got][0]}
    return tuple(
        Mark(
            *at[event],
            column_of[event.process],
            event.kind,
            _shortened(event.text, room) if room else "",
            _tooltip(event),
            lost=event.kind is Kind.SEND and event not in arrived,
            label_dx=15.0 if event in from_right else 8.0,
        )
        for event in run.events
    )


def _arrows(
    run: Run, at: dict[Event, tuple[float, float]], column_of: dict[Process, int]
) -> tuple[Arrow, ...]:
    backward = {(message.sent, message.received) for message in run.received_before_sent()}
    return tuple(
        Arrow(
            *at[sent],
            *at[received],
            column_of[sent.process],
            (sent, received) in backward,
            f"{sent.name} to {received.name}\n{sent.text}",
        )
        for sent, received in run.messages()
    )


def _offset(row: int) -> float:
    """From the first row to this one: every page of rows begins with a row for its heading."""
    return float((row + row // HEADING_EVERY) * ROW)


def _causal_rows(run: Run) -> dict[Event, int]:
    rows: dict[Event, int] = {}
    last: dict[Process, int] = {}
    cause = {received: sent for sent, received in run.messages()}
    for event in run.events:  # causes come first
        row = last.get(event.process, -1) + 1
        if event in cause:
            row = max(row, rows[cause[event]] + 1)
        rows[event] = last[event.process] = row
    return rows


def _time_rows(run: Run) -> dict[Event, int]:
    times = {event.at_ns for event in run.events if event.at_ns is not None}
    place = {at_ns: row for row, at_ns in enumerate(sorted(times))}
    rows = {}
    for event in run.events:
        if event.at_ns is None:
            raise BadTrace(f"{event.name} has no physical time: draw this run in causal rows")
        rows[event] = place[event.at_ns]
    return rows


def _shortened(text: str, room: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= room else line[: room - 1].rstrip() + "…"


def _tooltip(event: Event) -> str:
    lines = [str(event), f"Lamport {event.lamport}", f"vector {event.vector}"]
    if event.at_ns is not None:
        bound = "" if event.error_ns is None else f" ± {event.error_ns}"
        lines.append(f"clock {event.at_ns}{bound} ns")
    return "\n".join(lines)
