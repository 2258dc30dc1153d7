"""What a run of the Berkeley algorithm came to: for programs, and for people."""

import json
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from clocksync.berkeley.events import (
    Elected,
    GaveUp,
    Joined,
    Left,
    NoMajority,
    Obeyed,
    RoundDone,
    Row,
    Yielded,
)
from clocksync.berkeley.host import Status
from clocksync.runtime.units import format_duration, format_signed, to_seconds

SCHEMA = "clocksync.berkeley/1"
UNKNOWN = "–"


def to_document(status: Status, id_: int, rows: tuple[Row, ...], rounds: int) -> dict[str, Any]:
    """A finished run as plain data: a daemon's with all members, a member's with itself."""
    return {
        "schema": SCHEMA,
        "id": id_,
        "role": status.role.value,
        "term": status.term,
        "daemon": status.daemon,
        "rounds": rounds,
        "members": [_member(row) for row in rows],
    }


def _member(row: Row) -> dict[str, Any]:
    return {
        "id": row.id,
        "adjustment_s": to_seconds(row.told),
        "last_adjustment_s": to_seconds(row.adjustment),
        "residual_s": _seconds(row.residual),
        "error_bound_s": _seconds(row.bound),
        "pending_s": to_seconds(row.pending),
        "excluded": row.excluded or row.excluded_rounds > 0,
        "excluded_rounds": row.excluded_rounds,
        "missed": row.missed,
        "drifted_s": _seconds(row.drifted),
        "note": row.note or None,
    }


def to_json(document: dict[str, Any]) -> str:
    """As one JSON text, in ASCII."""
    return json.dumps(document, indent=2)


def round_title(done: RoundDone) -> str:
    """What stands above the table of a round."""
    head = "after the last round" if done.is_last else f"round {done.round}"
    average = f"the average is {signed(done.average)} from the daemon's clock"
    return f"{head} (term {done.term}): {average}, gamma {format_duration(done.gamma)}"


def round_table(done: RoundDone) -> Table:
    """One round, a row for each clock."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    columns = ("id", "difference", "adjustment", "residual", "bound", "to slew", "missed")
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("remark", no_wrap=True)
    for row in done.rows:
        table.add_row(
            str(row.id),
            signed(row.difference),
            UNKNOWN if done.is_last else signed(row.adjustment),
            signed(row.residual),
            _bound(row),
            signed(row.pending),
            str(row.missed),
            _remark(row),
        )
    return table


def event_line(event: object) -> str | None:
    """One line for what is worth one; None for what is not."""
    match event:
        case Joined(member, is_restart):
            how = "joined again, with another clock" if is_restart else "joined"
            return f"host {member} {how}"
        case Left(member, why):
            return f"host {member} left: {why}"
        case Elected(term, why):
            return f"we are the daemon now, in term {term}: {why}"
        case Yielded(term, to):
            return f"host {to} is the daemon now, in term {term}; we are a member"
        case NoMajority(number, gamma, clocks):
            near = f"within {format_duration(gamma)} of each other"
            return (
                f"round {number}: no majority of {clocks} clocks lies {near}: nobody is told to"
                " adjust; a larger --gamma would take them together"
            )
        case GaveUp():
            return "no daemon was heard"
    return None


def obeyed_line(event: Obeyed) -> str:
    """What a member says of a round."""
    missed = f", {event.missed} missed before" if event.missed > 0 else ""
    drifted = f", drifted by up to {format_duration(event.drifted)}" if event.drifted else ""
    left_out = ", left out of the average" if event.excluded else ""
    return (
        f"round {event.round} of host {event.daemon} (term {event.term}): adjusted by"
        f" {signed(event.adjustment)}, now within ± {format_duration(event.bound)} of the group's"
        f" time{drifted}{missed}{left_out}"
    )


def signed(value: int | None) -> str:
    """A duration with its sign, for people.

    >>> signed(412_000), signed(-3), signed(0), signed(None)
    ('+412 us', '-3 ns', '0', '–')
    """
    if value is None:
        return UNKNOWN
    return format_signed(value) if value else "0"


def _bound(row: Row) -> str:
    bound = row.bound if row.bound is not None else row.drifted
    return UNKNOWN if bound is None else f"± {format_duration(bound)}"


def _remark(row: Row) -> Text:
    words = [row.note] if row.note else []
    if row.excluded and not row.note:
        words.append("left out")
    if row.missed and row.drifted is not None:
        words.append("may have drifted that far")
    return Text(", ".join(words), "red" if row.excluded else "yellow")


def _seconds(value: int | None) -> float | None:
    return None if value is None else to_seconds(value)
