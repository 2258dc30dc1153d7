"""Lamport's logical clock: numbers that respect what happened before what.

Promises: if event a happened before event b, then C(a) < C(b); and stamps are totally ordered by
(time, process), the same way everywhere. The converse does not hold: C(a) < C(b) does not say
that a happened before b (use :class:`ordering.VectorClock` for that).

Lamport, "Time, clocks, and the ordering of events in a distributed system", CACM 21(7), 1978:
implementation rules IR1 (tick between events) and IR2 (a receive is later than the send).
"""

import threading
from typing import Any, NamedTuple

from clocksync.runtime.errors import BadConfig
from ordering.messages import LAMPORT_KIND, Received, open_envelope, seal
from ordering.process import (
    Process,
    checked_process,
    parse_process,
    process_text,
    read_number,
    read_process,
    refuse_trailing,
    write_number,
    write_process,
)


class LamportStamp(NamedTuple):
    """When an event happened: a logical time and the process that breaks ties.

    A tuple, so that comparing and hashing cost what they cost for tuples. Text is ``time@process``.

    >>> LamportStamp(1, 2) < LamportStamp(2, 1) < LamportStamp(2, 2)
    True
    >>> str(LamportStamp(17, "a")), LamportStamp.parse("17@a")
    ('17@a', LamportStamp(time=17, process='a'))
    >>> LamportStamp.decode(LamportStamp(17, "a").encode())
    LamportStamp(time=17, process='a')
    """

    time: int
    process: Process

    def encode(self) -> bytes:
        """The stamp as bytes: the time as LEB128, then the process.

        Raises:
            ValueError: the time does not fit 64 bits.
        """
        return write_number(self.time) + write_process(self.process)

    @classmethod
    def decode(cls, data: bytes) -> "LamportStamp":
        """The stamp that is exactly these bytes.

        Raises:
            MalformedFrame: they are none.
        """
        time, at = read_number(data, 0)
        process, end = read_process(data, at)
        refuse_trailing(data, end)
        return cls(time, process)

    @classmethod
    def parse(cls, text: str) -> "LamportStamp":
        """The stamp that ``str`` wrote.

        Raises:
            ValueError: the text is no stamp; the message says what one looks like.
        """
        time, at, process = text.partition("@")
        if not at or not (time.isascii() and time.isdigit()):
            raise ValueError(f"{text!r} is no Lamport stamp: one looks like 17@a")
        return cls(int(time), parse_process(process))

    def __str__(self) -> str:
        return f"{self.time}@{process_text(self.process)}"


_new_stamp = tuple.__new__  # half the cost of the constructor, which only calls this


class LamportClock:
    """The clock of one process.

    `step` is how far the clock moves for each local event; 1 unless clocks of different rates are
    to be shown. A receive moves it by a step or past the message's stamp, whichever is later.
    Threads may share a clock. A clock restored from a pickle goes on where the pickle was made.

    >>> alice, bob = LamportClock("alice"), LamportClock("bob")
    >>> alice.tick()
    LamportStamp(time=1, process='alice')
    >>> sent = alice.send()
    >>> received = bob.receive(sent)
    >>> received.time, sent < received
    (3, True)
    >>> data = bob.wrap(b"hello")
    >>> alice.unwrap(data).message
    b'hello'
    >>> alice.time
    5

    Raises:
        BadConfig: `process` cannot name one, or `step` or `time` are impossible.
    """

    __slots__ = ("_lock", "_time", "process", "step")

    def __init__(self, process: Process, *, step: int = 1, time: int = 0) -> None:
        if step < 1 or time < 0:
            raise BadConfig(f"step={step} must be at least 1 and time={time} at least 0")
        self.process = checked_process(process)
        self.step = step
        self._time = time
        self._lock = threading.Lock()

    @property
    def time(self) -> int:
        """The logical time of the last event; 0 before the first."""
        return self._time

    def tick(self) -> LamportStamp:
        """Stamp a local event."""
        with self._lock:
            self._time = time = self._time + self.step
        return _new_stamp(LamportStamp, (time, self.process))

    def send(self) -> LamportStamp:
        """Stamp the sending of a message; the stamp goes with it."""
        with self._lock:
            self._time = time = self._time + self.step
        return _new_stamp(LamportStamp, (time, self.process))

    def receive(self, stamp: LamportStamp) -> LamportStamp:
        """Stamp the receipt of a message sent at `stamp`: later than both sides' pasts (IR2)."""
        theirs = stamp.time
        with self._lock:
            time = self._time + self.step
            if time <= theirs:
                time = theirs + 1
            self._time = time
        return _new_stamp(LamportStamp, (time, self.process))

    def wrap(self, message: bytes) -> bytes:
        """Send: `message` behind its stamp."""
        return seal(LAMPORT_KIND, self.send().encode(), message)

    def unwrap(self, data: bytes) -> Received[LamportStamp]:
        """Receive what :meth:`wrap` made.

        Raises:
            MalformedFrame: it is none; the clock has not moved.
        """
        raw, message = open_envelope(LAMPORT_KIND, data)
        sent = LamportStamp.decode(raw)
        return Received(message, sent, self.receive(sent))

    def __repr__(self) -> str:
        return f"LamportClock({self.process!r}, step={self.step}, time={self._time})"

    def __reduce__(self) -> tuple[Any, ...]:
        with self._lock:
            return _restore, (self.process, self.step, self._time)


def _restore(process: Process, step: int, time: int) -> LamportClock:
    return LamportClock(process, step=step, time=time)
