"""Histories in files.  [I/O]"""

from collections.abc import Callable, Iterable
from pathlib import Path

from clocksync.runtime.history import Event, MalformedHistory, read_history


def read_files(paths: Iterable[Path], note: Callable[[str], None] | None = None) -> list[Event]:
    """The events of the files of one group, each with where it stands. ``quiet`` comes last: in a
    file of its own node it speaks for all.

    Raises:
        MalformedHistory: a line is no event, or there is no event at all.
        OSError: a file cannot be read.
    """
    events: list[Event] = []
    ends: list[Event] = []
    names = []
    for path in paths:
        names.append(str(path))
        for line, event in enumerate(read_history(path, note), start=1):
            event["_place"] = (str(path), line)
            (ends if event["event"] == "quiet" else events).append(event)
    if not events:
        raise MalformedHistory(f"{', '.join(names)}: no events: is it a history?")
    return events + ends
