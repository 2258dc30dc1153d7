"""[I/O] Histories: what a process did, one JSON line an event, for checkers and pictures.

The format is public and written down in ``docs/history.md``. A sink takes events as dicts; the
nodes of a real run write them to files, a simulation keeps them in memory, and whoever judges
them reads both the same way.

A :class:`FileHistory` hands every line to the kernel in one write before :meth:`~FileHistory.write`
returns: killing the process loses nothing that it had said. A kill in the middle of a write leaves
a line without its newline; readers ignore that line with a note, and a writer that appends to such
a file first takes it away, so that it cannot spoil the next one. A crash of the machine may lose
more: nothing is synced to the disk.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn, Protocol, Self

from clocksync.runtime.errors import ToolkitError

LINE_BYTES_MAX = 16 * 1024 * 1024
"""No line is longer. A reader would otherwise take all memory for a file that is no history."""

WITHOUT_NODE = ("healed", "quiet")
"""Events of the run, not of a node."""

Event = dict[str, Any]  # Any: a line is any JSON object; checkers know the keys they read


class MalformedHistory(ToolkitError, ValueError):
    """A line is no event; the message begins with ``file:line:``."""


class HistorySink(Protocol):
    """Who takes events."""

    def write(self, event: Mapping[str, object]) -> None:
        """Take one event.

        Raises:
            ValueError: it is no event of the format.
        """
        ...


def entry(node: int, incarnation: str, event: str, at: int, **more: object) -> Event:
    """An event with the keys every one of them has, in the usual order.

    >>> entry(1, "9c1f", "boot", 0, storage="kept")
    {'node': 1, 'incarnation': '9c1f', 'event': 'boot', 'at': 0, 'storage': 'kept'}
    """
    return {"node": node, "incarnation": incarnation, "event": event, "at": at, **more}


class MemoryHistory:
    """A sink that keeps events in a list, as a reader of a file would give them."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def write(self, event: Mapping[str, object]) -> None:
        self.events.append(_parsed(_encoded(event)))

    def __iter__(self) -> Iterator[Event]:
        return iter(self.events)

    def __len__(self) -> int:
        return len(self.events)


class FileHistory:
    """A sink that appends to a file, each line in one write. Use it in a ``with``, or close it.

    Raises:
        OSError: the file cannot be opened, or the disk is full.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            _cut_torn_line(self._file)
        except BaseException:
            os.close(self._file)
            raise
        self._is_open = True

    def write(self, event: Mapping[str, object]) -> None:
        line = _encoded(event)
        if not self._is_open:
            raise ValueError(f"the history {self.path} is closed")
        if os.write(self._file, line) != len(line):
            raise OSError(f"{self.path}: a line was written in part only: is the disk full?")

    def close(self) -> None:
        """Close the file; twice is no error."""
        if self._is_open:
            self._is_open = False
            os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read_history(
    path: str | os.PathLike[str], note: Callable[[str], None] | None = None
) -> Iterator[Event]:
    """The events of a file, one at a time, in its order.

    Args:
        note: told in a line if the file ends in the middle of one.

    Raises:
        MalformedHistory: a line is no event.
        OSError: the file cannot be read.
    """
    with Path(path).open("rb") as file:
        yield from parse_history(_lines(file), str(path), note)


def parse_history(
    lines: Iterable[bytes], name: str, note: Callable[[str], None] | None = None
) -> Iterator[Event]:
    """The events in `lines` of bytes, each with its newline; `name` is used in messages.

    >>> list(parse_history([b'{"event":"quiet"}\\n', b'{"node":1,"inc'], "example", print))
    example:2: the last line has no newline and was ignored: its writer died writing it
    [{'event': 'quiet'}]

    Raises:
        MalformedHistory: a line is no event.
    """
    for number, line in enumerate(lines, start=1):
        if len(line) > LINE_BYTES_MAX:
            raise MalformedHistory(f"{name}:{number}: longer than {LINE_BYTES_MAX} bytes")
        if not line.endswith(b"\n"):
            if note is not None:
                note(
                    f"{name}:{number}: the last line has no newline and was ignored:"
                    " its writer died writing it"
                )
            return
        try:
            event = _parsed(line)
            _check(event)
        except (ValueError, RecursionError) as error:
            raise MalformedHistory(f"{name}:{number}: {_reason(error)}") from None
        yield event


def _encoded(event: Mapping[str, object]) -> bytes:
    _check(event)
    try:
        line = json.dumps(event, separators=(",", ":"), allow_nan=False).encode() + b"\n"
    except TypeError as error:
        raise ValueError(f"an event holds what JSON cannot: {error}") from None
    if len(line) > LINE_BYTES_MAX:
        raise ValueError(f"an event of {len(line)} bytes is too long: at most {LINE_BYTES_MAX}")
    return line


def _parsed(line: bytes) -> Event:
    # Decoded here, as json would take UTF-16 and UTF-32 as well.
    text = line.removesuffix(b"\n").decode("utf-8")
    event = json.loads(text, parse_constant=_refuse_constant)
    if not isinstance(event, dict):
        raise ValueError("no JSON object")
    return event


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _check(event: Mapping[str, object]) -> None:
    if not isinstance(event.get("event"), str):
        raise ValueError('no "event", or no string')
    if not _is_integer(event.get("at", 0)):
        raise ValueError('"at" is no integer of nanoseconds')
    if event["event"] in WITHOUT_NODE:
        return
    if not _is_integer(event.get("node")):
        raise ValueError('no "node", or no integer')
    if not isinstance(event.get("incarnation"), str):
        raise ValueError('no "incarnation", or no string')


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _reason(error: Exception) -> str:
    match error:
        case json.JSONDecodeError():
            return f"no JSON: {error.msg} at column {error.colno}"
        case UnicodeDecodeError():
            return "no UTF-8"
        case RecursionError():
            return "nested too deeply"
        case _:
            return str(error)


def _lines(file: Any) -> Iterator[bytes]:  # Any: a binary file, whose exact class is private
    while line := file.readline(LINE_BYTES_MAX + 1):
        yield line


def _cut_torn_line(file: int) -> None:
    end = os.fstat(file).st_size
    at = end
    while at > 0:
        start = max(0, at - 65536)
        newline = os.pread(file, at - start, start).rfind(b"\n")
        if newline >= 0:
            at = start + newline + 1
            break
        at = start
    if at < end:
        os.ftruncate(file, at)
