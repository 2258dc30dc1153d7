"""Short texts for a picture: members, numbers, durations, and what a pointer shows."""

from collections.abc import Iterable, Sequence

from clocksync.runtime.history import Event
from clocksync.runtime.units import MICROSECOND, MILLISECOND, SECOND

TOLD_MOST = 40
"""Lines that a pointer shows; of a run of messages there may be thousands."""


def members_text(members: Sequence[int]) -> str:
    """Members as a set; four and more in a row become a range.

    >>> members_text([1, 2, 3]), members_text([1, 3, 4, 5, 6])
    ('{1,2,3}', '{1,3–6}')
    """
    parts: list[str] = []
    for first, last in _ranges(members):
        if last - first >= 3:
            parts.append(f"{first}–{last}")
        else:
            parts += map(str, range(first, last + 1))
    return "{" + ",".join(parts) + "}"


def numbers_text(numbers: Sequence[int], most: int = 3) -> str:
    """Numbers in their order, as ranges, `most` of these.

    >>> numbers_text([5, 6, 7, 9]), numbers_text([4]), numbers_text([1, 3, 5, 7, 9])
    ('5–7, 9', '4', '1, 3 … 9')
    """
    parts = [
        str(first) if first == last else f"{first:,}–{last:,}" for first, last in _ranges(numbers)
    ]
    if len(parts) > most:
        return f"{', '.join(parts[: most - 1])} … {parts[-1]}"
    return ", ".join(parts)


def _ranges(numbers: Iterable[int]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and number in (found[-1][1], found[-1][1] + 1):
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def many(count: int, what: str) -> str:
    """A count and its noun.

    >>> many(1, "event"), many(1234, "event")
    ('1 event', '1,234 events')
    """
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def duration_text(ns: int) -> str:
    """A duration to three digits, in the unit that suits it.

    >>> duration_text(850), duration_text(12_345), duration_text(202_000_000)
    ('850 ns', '12.3 us', '202 ms')
    >>> duration_text(1_500_000_000), duration_text(600_000_000_000)
    ('1.5 s', '600 s')
    """
    for size, unit in ((SECOND, "s"), (MILLISECOND, "ms"), (MICROSECOND, "us")):
        if ns >= size:
            value = ns / size
            return f"{round(value):,} {unit}" if value >= 100 else f"{value:.3g} {unit}"
    return f"{ns} ns"


def event_text(number: int, event: Event) -> str:
    """All that is known of an event, a line for each key."""
    lines = [f"event {number:,}: {event['event']}"]
    for key, value in event.items():
        if key == "_place" and isinstance(value, tuple):
            lines.append("line: " + ":".join(map(str, value)))
        elif key != "event" and not key.startswith("_"):
            shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            lines.append(f"{key}: {shown}")
    return "\n".join(lines)


def told(texts: Sequence[str]) -> str:
    """Texts of several events as one, no longer than a pointer can show."""
    if len(texts) == 1:
        return texts[0]
    firsts = [" · ".join(text.splitlines()) for text in texts]
    left = len(firsts) - TOLD_MOST
    return "\n".join(firsts[:TOLD_MOST] + ([f"and {left:,} more"] if left > 0 else []))


def shortened(text: str, most: int) -> str:
    """One line of at most `most` letters.

    >>> shortened("a process asked", 10)
    'a process…'
    """
    line = " ".join(text.split())
    return line if len(line) <= most else line[: max(most - 1, 0)].rstrip() + "…"


def wrapped(text: str, most: int, lines: int) -> list[str]:
    """Lines of at most `most` letters, at most `lines` of them, the last one cut if need be.

    >>> wrapped("a process asked for a new ring", 18, 2)
    ['a process asked', 'for a new ring']
    >>> wrapped("a process asked for a new ring", 9, 2)
    ['a process', 'asked fo…']
    """
    words = text.split()
    found: list[str] = []
    while words and len(found) < lines - 1:
        line = words.pop(0)
        while words and len(line) + 1 + len(words[0]) <= most:
            line += " " + words.pop(0)
        found.append(shortened(line, most))
    return [*found, shortened(" ".join(words), most)] if words else found
