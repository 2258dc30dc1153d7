"""Violations of rules on a picture: in words above it, and which events they mark."""

from collections.abc import Sequence
from typing import Any, Protocol

from clocksync.runtime.history import Event
from vsync.explain.choosing import Plan
from vsync.explain.picture import Picture, Said
from vsync.explain.wording import many

SAID_MOST = 6
"""Violations in words: one broken promise often breaks others after it."""

PLACES_MOST = 6


class Violated(Protocol):
    """What is shown of a violation; those of :mod:`vsync.check` fit."""

    @property
    def rule(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def places(self) -> Sequence[Any]:
        """Tuples that begin with an event's number, from 1."""
        ...


def numbers_of(events: Sequence[Event], violation: Violated) -> list[int]:
    """The events of a violation. Where several files were read, a place is a line of one of them,
    named after it."""
    lines: dict[tuple[str, int], int] | None = None
    numbers = []
    for place in violation.places:
        if not place or not isinstance(place[0], int):
            continue
        number = place[0]
        if len(place) > 1 and events and "_place" in events[0]:
            if lines is None:
                lines = {
                    event["_place"]: at
                    for at, event in enumerate(events, start=1)
                    if "_place" in event
                }
            number = lines.get((place[1], number), number)
        numbers.append(number)
    return numbers


def marks_of(violated: Sequence[tuple[Violated, list[int]]]) -> dict[int, list[str]]:
    """The rules violated at each event, by its number."""
    marked: dict[int, list[str]] = {}
    for violation, numbers in violated:
        for number in numbers:
            marked.setdefault(number, []).append(violation.rule)
    return marked


def say(picture: Picture, plan: Plan, violated: Sequence[tuple[Violated, list[int]]]) -> None:
    """Put violations into words above the picture.

    Args:
        violated: each with the numbers of its events.
    """
    drawn = {item.number for row in plan.rows for entry in row.entries for item in entry.items}
    drawn |= {item.number for row in plan.rows if row.fold for item in row.fold.items}
    for violation, numbers in violated[:SAID_MOST]:
        text = " ".join(violation.text.split())
        if numbers:
            shown = ", ".join(f"{number:,}" for number in numbers[:PLACES_MOST])
            more = ", …" if len(numbers) > PLACES_MOST else ""
            what = "event" if len(numbers) == 1 else "events"
            outside = "" if any(number in drawn for number in numbers) else ", not in this picture"
            text += f" ({what} {shown}{more}{outside})"
        picture.said.append(Said(violation.rule, text))
    left = len(violated) - SAID_MOST
    if left > 0:
        picture.said.append(Said("", f"and {many(left, 'more violation')}"))
