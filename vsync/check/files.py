"""Histories in files.  [I/O]"""

from collections.abc import Callable, Iterable
from pathlib import Path

from clocksync.runtime.history import Event, MalformedHistory, read_history
from vsync.check.verdict import one_line


def read_files(paths: Iterable[Path], note: Callable[[str], None] | None = None) -> list[Event]:
    """The events of the files of one group, each with where it stands. A ``quiet`` at the end of
    any file speaks for all. The files of one node come in the order of its boots.

    Raises:
        MalformedHistory: a line is no event, there is no event at all, or two files tell of the
            same incarnation from its boot on.
        OSError: a file cannot be read.
    """
    events: list[Event] = []
    ends: list[Event] = []
    names = []
    booted: dict[tuple[int, str], str] = {}
    for path in paths:
        name = str(path)
        names.append(name)
        for line, event in enumerate(read_history(path, note), start=1):
            event["_place"] = (name, line)
            events.append(event)
            if event["event"] == "boot":
                life = event["node"], event["incarnation"]
                if booted.setdefault(life, name) != name or names.count(name) > 1:
                    what = f"{name}:{line}: node {life[0]} boots as {life[1]}"
                    where = f"{what} in {booted[life]} too: give each log once"
                    raise MalformedHistory(one_line(where))
        if events and events[-1]["event"] == "quiet":
            ends.append(events.pop())
    if not events:
        raise MalformedHistory(f"{', '.join(names)}: no events: is it a history?")
    return events + ends
