"""One recorded event, and its line in a trace file.

A trace is JSON Lines, one event a line, in the local order of each process; files of several
processes may be read together in any order. Keys::

    node     the process: a number or a string
    event    "local", "send" or "receive"
    index    which event of this process it is, from 1
    text     what it was, for people
    lamport  its Lamport time
    vector   its vector stamp: an object of counts; a string that looks like a number is quoted
    message  for send and receive: the message's name, "<sender>:<index of the send>"
    at       the process's own reading, ns (may be missing)
    error    how far off that reading may be, ns (may be missing: unknown)

Unknown keys are ignored, and a last line without a newline, which a killed process may leave, is
skipped. Lines without stamps, and whole histories of other programs, are stamped on the way in by
:mod:`ordering.trace.stamping`.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

from clocksync.runtime.errors import ToolkitError
from clocksync.runtime.interval import Interval
from ordering.process import Process, checked_process, parse_process, process_text
from ordering.vector import VectorStamp


class BadTrace(ToolkitError, ValueError):
    """A trace cannot be what a program did; the message names the line or the events."""


class Kind(Enum):
    """What an event did."""

    LOCAL = "local"
    SEND = "send"
    RECEIVE = "receive"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened at one process; ``at_ns`` is that process's own clock."""

    process: Process
    index: int
    kind: Kind
    text: str
    lamport: int
    vector: VectorStamp
    message: str | None = None
    at_ns: int | None = None
    error_ns: int | None = None

    @property
    def name(self) -> str:
        """The process and the index: unique in a run."""
        return f"{process_text(self.process)}:{self.index}"

    @property
    def interval(self) -> Interval | None:
        """Where true time was, ns; None unless the reading carried an error bound."""
        if self.at_ns is None or self.error_ns is None:
            return None
        return Interval.around(self.at_ns, self.error_ns)

    def to_json(self) -> str:
        """The event's line, without the newline."""
        record: dict[str, Any] = {
            "node": self.process,
            "event": self.kind.value,
            "index": self.index,
            "text": self.text,
            "lamport": self.lamport,
            "vector": {process_text(p): count for p, count in self.vector.items()},
        }
        optional = {"message": self.message, "at": self.at_ns, "error": self.error_ns}
        record |= {key: value for key, value in optional.items() if value is not None}
        return json.dumps(record, separators=(",", ":"), ensure_ascii=False)

    def __str__(self) -> str:
        return f"{self.name} {self.kind.value} {self.text}".rstrip()


def parse_records(text: str, source: str = "trace") -> Iterator[tuple[str, dict[str, Any]]]:
    """The JSON objects of a file's complete lines, each with the place it stands at.

    Raises:
        BadTrace: a line is no JSON object; the message says which.
    """
    lines = text.split("\n")
    for number, line in enumerate(lines[:-1], start=1):
        if not line.strip():
            continue
        where = f"{source}, line {number}"
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            raise BadTrace(f"{where}: no JSON object: {line[:60]!r}") from None
        if not isinstance(record, dict):
            raise BadTrace(f"{where}: no JSON object: {line[:60]!r}")
        yield where, record


def event_of(record: dict[str, Any], where: str) -> Event:
    """The event of a record that carries its stamps.

    Raises:
        BadTrace: a key is missing or holds the wrong thing.
    """
    try:
        vector = {parse_process(key): count for key, count in record["vector"].items()}
        numbers = [record["index"], record["lamport"], *vector.values()]
        numbers += [record[key] for key in ("at", "error") if record.get(key) is not None]
        if not all(isinstance(number, int) for number in numbers):
            raise TypeError("a number is no integer")
        message = record.get("message")
        return Event(
            checked_process(record["node"]),
            record["index"],
            Kind(record["event"]),
            str(record.get("text", "")),
            record["lamport"],
            VectorStamp(vector),
            None if message is None else str(message),
            record.get("at"),
            record.get("error"),
        )
    except KeyError as error:
        raise BadTrace(f"{where}: the key {error} is missing") from None
    except (ValueError, TypeError, AttributeError) as error:
        raise BadTrace(f"{where}: {error}") from None


def read_events(text: str, source: str = "trace") -> list[Event]:
    """The events of a file whose lines all carry stamps, as :class:`Recorder` writes them.

    Raises:
        BadTrace: a line is no such event; the message says which.
    """
    return [event_of(record, where) for where, record in parse_records(text, source)]


def write_events(events: Iterable[Event]) -> str:
    """The lines of these events."""
    return "".join(event.to_json() + "\n" for event in events)
