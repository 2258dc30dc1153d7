"""[I/O] Recording a live program: each event gets a Lamport stamp, a vector stamp and a time.

A recorder belongs to one process. Its line is flushed, in one write, before the message it speaks
of can leave: what others saw of a process that was killed is in its file. A program that restarts
needs a new process name, because its vector entry would begin again.
"""

import inspect
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from types import TracebackType
from typing import Any, ParamSpec, Self, TextIO, TypeVar

from clocksync.runtime.errors import MalformedFrame
from clocksync.runtime.interval import Interval
from ordering.lamport import LamportClock, LamportStamp
from ordering.messages import open_envelope, seal
from ordering.process import (
    Process,
    process_text,
    read_number,
    read_process,
    refuse_trailing,
    write_number,
    write_process,
)
from ordering.trace.events import Event, Kind
from ordering.vector import VectorClock, VectorStamp

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

TRACE_KIND = 0xC5


class Recorder:
    """Records the events of one process, into a file or, without one, into ``events``.

    `reading` is the process's own clock: ns, or an ``Interval`` if it knows its bound. Threads may
    share a recorder.

    >>> recorder = Recorder("a", reading=lambda: 7)
    >>> @recorder.traced
    ... def cook() -> str:
    ...     recorder.local("stirs")
    ...     return "soup"
    >>> cook()
    'soup'
    >>> [event.text for event in recorder.events]
    ['cook begins', 'stirs', 'cook ends']
    """

    def __init__(
        self,
        process: Process,
        file: str | Path | None = None,
        *,
        reading: Callable[[], int | Interval] = time.time_ns,
    ) -> None:
        self.process = process
        self.events: list[Event] = []
        self._reading = reading
        self._lamport = LamportClock(process)
        self._vector = VectorClock(process)
        self._lock = threading.Lock()
        self._file: TextIO | None = None
        if file:
            # A lone surrogate, which UTF-8 cannot write, becomes its JSON escape.
            self._file = Path(file).open("a", encoding="utf-8", errors="backslashreplace")  # noqa: SIM115  open until close()

    def local(self, text: str = "") -> Event:
        """Record something that neither sends nor receives."""
        return self._record(Kind.LOCAL, text)

    def send(self, text: str = "") -> tuple[Event, bytes]:
        """Record a sending; the bytes returned must travel with the message, to :meth:`receive`.

        One sending may have many receipts: that is a multicast.
        """
        event = self._record(Kind.SEND, text)
        header = (write_process(self.process), write_number(event.lamport), event.vector.encode())
        return event, b"".join(header)

    def receive(self, header: bytes, text: str = "") -> Event:
        """Record the receipt of a message that came with `header`.

        Raises:
            MalformedFrame: the header is none; nothing was recorded.
        """
        sender, at = read_process(header, 0)
        time_sent, at = read_number(header, at)
        vector, end = VectorStamp.decode_prefix(header, at)
        refuse_trailing(header, end)
        if not vector[sender]:
            raise MalformedFrame("a sender without events")
        return self._record(Kind.RECEIVE, text, (LamportStamp(time_sent, sender), vector))

    def wrap(self, message: bytes, text: str = "") -> bytes:
        """Record a sending and put its header before `message`."""
        return seal(TRACE_KIND, self.send(text)[1], message)

    def unwrap(self, data: bytes, text: str = "") -> bytes:
        """Record the receipt of what :meth:`wrap` made, and return the message.

        Raises:
            MalformedFrame: it is none; nothing was recorded.
        """
        header, message = open_envelope(TRACE_KIND, data)
        self.receive(header, text)
        return message

    @contextmanager
    def span(self, text: str) -> Iterator[None]:
        """Record where a piece of work begins and how it ends."""
        self.local(f"{text} begins")
        try:
            yield
        except BaseException as error:
            self.local(f"{text} fails: {type(error).__name__}")
            raise
        self.local(f"{text} ends")

    def traced(self, function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
        """Decorate a function, or a coroutine function, so that each call is a span."""
        name = getattr(function, "__name__", "call")
        if inspect.iscoroutinefunction(function):

            @wraps(function)
            async def traced_coroutine(*args: Any, **kwargs: Any) -> Any:
                with self.span(name):
                    return await function(*args, **kwargs)

            return traced_coroutine  # type: ignore[return-value]  # a coroutine function, as before

        @wraps(function)
        def traced_function(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
            with self.span(name):
                return function(*args, **kwargs)

        return traced_function

    def close(self) -> None:
        """Close the file; a recorder without one has nothing to close."""
        if self._file:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _record(
        self, kind: Kind, text: str, sent: tuple[LamportStamp, VectorStamp] | None = None
    ) -> Event:
        # One lock over clocks, reading and file: the order of lines is the order of events.
        with self._lock:
            reading = self._reading()
            message = None
            if sent:
                lamport, vector = self._lamport.receive(sent[0]), self._vector.receive(sent[1])
                sender = sent[0].process
                message = f"{process_text(sender)}:{sent[1][sender]}"
            else:
                lamport, vector = self._lamport.tick(), self._vector.tick()
            index = vector[self.process]
            if kind is Kind.SEND:
                message = f"{process_text(self.process)}:{index}"
            at = reading.middle if isinstance(reading, Interval) else reading
            error = reading.error if isinstance(reading, Interval) else None
            event = Event(self.process, index, kind, text, lamport.time, vector, message, at, error)
            if self._file:
                self._file.write(event.to_json() + "\n")
                self._file.flush()
            else:
                self.events.append(event)
            return event
