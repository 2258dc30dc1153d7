"""Hybrid logical clocks: 64-bit stamps that respect causality and stay close to real time.

A stamp's value is one unsigned 64-bit integer of nanoseconds since the epoch whose low 12 bits
count events instead: read as a time it is right to 4.096 us, compared as an integer it orders
events. One rule makes it both, for a local reading pt and a message's value m::

    value = max(value + 1, m + 1, pt rounded down to 4.096 us)

That is the algorithm of Kulkarni, Demirbas, Madappa, Avva and Leone, "Logical physical clocks",
OPODIS 2014, figure 5, with (l, c) laid side by side in one number; where their counter would
overflow, ours carries into the time, which keeps every promise and moves it by 4.096 us.

Promises:

- a happened before b implies value(a) < value(b);
- a value is never more than 4.096 us below the local reading, and ahead of it only as far as the
  most advanced clock in its past was ahead (plus one nanosecond for each event meanwhile);
- a stamp from further in the future than `max_ahead_ns` is refused, and changes nothing. Only the
  future is refused: an old stamp is merely a slow message;
- with a store, values grow over restarts too, even if the machine's clock was set back;
- with a reading that is an ``Interval``, each stamp carries its own error: the event's true time
  lies within ``error_ns`` of the value. A stamp without one is ``UNBOUNDED``, never 0.
"""

import re
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from clocksync.runtime.errors import BadConfig, MalformedFrame, ToolkitError
from clocksync.runtime.interval import Interval
from ordering.messages import HYBRID_KIND, Received, open_envelope, seal
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

if TYPE_CHECKING:
    from ordering.reservation import Store

COUNTER_BITS = 12
"""Of the 64. The paper proposes 16; since the counter may carry, fewer only make times finer."""

UNBOUNDED = (1 << 63) - 1
"""The error of a stamp whose reading carried none, ns: 292 years, so arithmetic stays honest."""

MAX_AHEAD_NS = 500_000_000
"""Default limit on remote clocks, ns: what databases on such clocks use as their greatest skew."""

RESERVATION_NS = 5_000_000_000
"""How far ahead a store is written, ns: one write serves the stamps of this long."""

_COUNTER = (1 << COUNTER_BITS) - 1
_PHYSICAL = ~_COUNTER
_TEXT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)\.(\d{9})Z\+(\d{1,4})@(.+?)(?:±(\d+)ns)?"
)

_new_stamp = tuple.__new__


class HybridStamp(NamedTuple):
    """A 64-bit time, the process that breaks ties, and how far true time may be off, ns.

    Text is the time in UTC, the counter, the process and the error.

    >>> stamp = HybridStamp(4096 * 3 + 7, "a", 500)
    >>> str(stamp)
    '1970-01-01T00:00:00.000012288Z+7@a±500ns'
    >>> HybridStamp.parse(str(stamp)) == HybridStamp.decode(stamp.encode()) == stamp
    True
    >>> stamp.time_ns, stamp.counter, str(stamp.interval)
    (12288, 7, '[11795, 12795]')
    """

    value: int
    process: Process
    error_ns: int = UNBOUNDED

    @property
    def time_ns(self) -> int:
        """The physical part, ns since the epoch: a multiple of 4,096."""
        return self.value & _PHYSICAL

    @property
    def counter(self) -> int:
        """The logical part."""
        return self.value & _COUNTER

    @property
    def interval(self) -> Interval:
        """Where the event's true time lies, ns, if the clock's bound held."""
        return Interval(self.value - self.error_ns, self.value + self.error_ns)

    def encode(self) -> bytes:
        """Eight bytes of value, the process, and the error where there is one.

        Raises:
            ValueError: the value is not an unsigned 64-bit number.
        """
        if not 0 <= self.value < 1 << 64:
            raise ValueError(f"a hybrid time of {self.value} does not fit 64 bits")
        error = b"" if self.error_ns == UNBOUNDED else write_number(self.error_ns)
        return self.value.to_bytes(8, "big") + write_process(self.process) + error

    @classmethod
    def decode(cls, data: bytes) -> "HybridStamp":
        """The stamp that is exactly these bytes.

        Raises:
            MalformedFrame: they are none.
        """
        if len(data) < 8:
            raise MalformedFrame("too short")
        process, at = read_process(data, 8)
        error = UNBOUNDED
        if at < len(data):
            error, at = read_number(data, at)
            if error >= UNBOUNDED:
                raise MalformedFrame("error over its maximum")
        refuse_trailing(data, at)
        return cls(int.from_bytes(data[:8], "big"), process, error)

    @classmethod
    def parse(cls, text: str) -> "HybridStamp":
        """The stamp that ``str`` wrote.

        Raises:
            ValueError: the text is no stamp; the message says what one looks like.
        """
        match = _TEXT.fullmatch(text)
        if not match:
            raise ValueError(f"{text!r} is no hybrid stamp: one looks like {HybridStamp(0, 'a')}")
        *date, nanoseconds, counter, process, error = match.groups()
        year, month, day, hour, minute, second = map(int, date)
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        since = moment - datetime(1970, 1, 1, tzinfo=UTC)
        value = (since.days * 86_400 + since.seconds) * 10**9 + int(nanoseconds)
        if value & _COUNTER or int(counter) > _COUNTER:
            raise ValueError(f"{text!r} is no hybrid stamp: its time is no multiple of 4096 ns")
        bound = UNBOUNDED if error is None else int(error)
        return cls(value | int(counter), parse_process(process), bound)

    def __str__(self) -> str:
        seconds, nanoseconds = divmod(self.time_ns, 10**9)
        moment = datetime.fromtimestamp(seconds, UTC)
        error = "" if self.error_ns == UNBOUNDED else f"±{self.error_ns}ns"
        return (
            f"{moment:%Y-%m-%dT%H:%M:%S}.{nanoseconds:09}Z+{self.counter}"
            f"@{process_text(self.process)}{error}"
        )


class StampFromTheFuture(ToolkitError):
    """A remote stamp is further ahead of the local reading than allowed; it was not taken over.

    Either the remote clock is fast or ours is slow; ``stamp`` and ``reading`` say by how much.
    """

    def __init__(self, stamp: HybridStamp, reading: Interval, max_ahead_ns: int) -> None:
        super().__init__(
            f"{process_text(stamp.process)}'s stamp is {stamp.value - reading.latest} ns ahead of "
            f"the local clock, and {max_ahead_ns} ns are allowed: remote {stamp}, local reading "
            f"{reading}"
        )
        self.stamp = stamp
        self.reading = reading
        self.max_ahead_ns = max_ahead_ns

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.stamp, self.reading, self.max_ahead_ns)


class HybridClock:
    """The clock of one process. Threads may share it.

    `reading` gives physical time: ns since the epoch, or an ``Interval`` that contains it (as
    a bounded clock's ``now`` does). `store` makes values grow over restarts; the stamp that crosses
    the reservation waits for the store, so :meth:`reserve` can be called ahead of need.

    >>> from ordering import MemoryStore
    >>> fast, slow = HybridClock("f", lambda: 9000), HybridClock("s", lambda: 0)
    >>> sent = fast.send()
    >>> received = slow.receive(sent)
    >>> sent < received, received.time_ns, received.counter
    (True, 8192, 1)
    >>> slow.receive(HybridStamp(10**9, "f"))  # doctest: +IGNORE_EXCEPTION_DETAIL
    Traceback (most recent call last):
    ordering.hybrid.StampFromTheFuture: f's stamp is 1000000000 ns ahead of the local clock
    >>> disk = MemoryStore()
    >>> before = HybridClock("p", lambda: 9000, store=disk).tick()
    >>> before < HybridClock("p", lambda: 0, store=disk).tick()  # restarted, its clock set back
    True

    Raises:
        BadConfig: a setting is impossible, or the store holds no number.
    """

    __slots__ = (
        "_lock",
        "_reserved",
        "_value",
        "max_ahead_ns",
        "process",
        "reading",
        "reservation_ns",
        "store",
    )

    def __init__(
        self,
        process: Process,
        reading: Callable[[], int | Interval],
        *,
        max_ahead_ns: int = MAX_AHEAD_NS,
        store: "Store | None" = None,
        reservation_ns: int = RESERVATION_NS,
    ) -> None:
        if max_ahead_ns < 0 or reservation_ns < 1:
            raise BadConfig(
                f"max_ahead_ns={max_ahead_ns} must be at least 0 and "
                f"reservation_ns={reservation_ns} at least 1"
            )
        self.process = checked_process(process)
        self.reading = reading
        self.max_ahead_ns = max_ahead_ns
        self.store = store
        self.reservation_ns = reservation_ns
        self._value = self._reserved = store.load() if store else 0
        self._lock = threading.Lock()

    @property
    def value(self) -> int:
        """The value of the last stamp, or what a restart must exceed."""
        return self._value

    def ahead_ns(self) -> int:
        """How far the last value is ahead of the local reading, ns; negative if it is behind.

        After a restart this is how long to wait for stamps to be near real time again.
        """
        return self._value - _interval(self.reading()).middle

    def tick(self) -> HybridStamp:
        """Stamp a local event.

        Raises:
            BadConfig: the reading is neither an integer nor an Interval.
            OSError: the store failed; no stamp was given out.
        """
        return self._next(self.reading(), 0)

    def send(self) -> HybridStamp:
        """Stamp the sending of a message; the stamp goes with it."""
        return self._next(self.reading(), 0)

    def receive(self, stamp: HybridStamp) -> HybridStamp:
        """Stamp the receipt of a message sent at `stamp`.

        Raises:
            StampFromTheFuture: it is more than ``max_ahead_ns`` ahead of the local reading.
            OSError: the store failed; no stamp was given out.
        """
        reading = self.reading()
        theirs = stamp.value
        latest = reading if isinstance(reading, int) else _bounded(reading).latest
        if theirs - latest > self.max_ahead_ns:
            raise StampFromTheFuture(stamp, _interval(reading), self.max_ahead_ns)
        return self._next(reading, theirs)

    def reserve(self) -> None:
        """Write the store ahead of need, so that no stamp of the next ``reservation_ns`` waits.

        Raises:
            OSError: the store failed; the reservation before still stands.
        """
        with self._lock:
            self._reserve(max(self._value, _interval(self.reading()).latest))

    def wrap(self, message: bytes) -> bytes:
        """Send: `message` behind its stamp."""
        return seal(HYBRID_KIND, self.send().encode(), message)

    def unwrap(self, data: bytes) -> Received[HybridStamp]:
        """Receive what :meth:`wrap` made.

        Raises:
            MalformedFrame: it is none; the clock has not moved.
            StampFromTheFuture: see :meth:`receive`.
        """
        raw, message = open_envelope(HYBRID_KIND, data)
        sent = HybridStamp.decode(raw)
        return Received(message, sent, self.receive(sent))

    def _next(self, reading: int | Interval, theirs: int) -> HybridStamp:
        physical = (reading if isinstance(reading, int) else _bounded(reading).middle) & _PHYSICAL
        with self._lock:
            value = self._value
            if theirs > value:
                value = theirs
            value = physical if physical > value else value + 1
            if self.store is not None and value > self._reserved:
                self._reserve(value)
            self._value = value
        if isinstance(reading, int):
            return _new_stamp(HybridStamp, (value, self.process, UNBOUNDED))
        error = max(value - reading.earliest, reading.latest - value)
        return _new_stamp(HybridStamp, (value, self.process, error))

    def _reserve(self, value: int) -> None:
        if self.store is not None:
            self.store.save(value + self.reservation_ns)
            self._reserved = value + self.reservation_ns

    def __repr__(self) -> str:
        return f"HybridClock({self.process!r}, value={self._value})"

    def __reduce__(self) -> tuple[Any, ...]:
        with self._lock:
            settings = (self.process, self.reading, self.max_ahead_ns, self.reservation_ns)
            return _restore, (*settings, self.store, self._value)


def _interval(reading: int | Interval) -> Interval:
    return Interval(reading, reading) if isinstance(reading, int) else _bounded(reading)


def _bounded(reading: object) -> Interval:
    if isinstance(reading, Interval):
        return reading
    raise BadConfig(
        f"a reading must be an integer of ns or an Interval, not {reading!r}: use time.time_ns"
    )


def _restore(
    process: Process,
    reading: Callable[[], int | Interval],
    max_ahead_ns: int,
    reservation_ns: int,
    store: "Store | None",
    value: int,
) -> HybridClock:
    """A pickled clock goes on above both its own last value and its store's reservation."""
    clock = HybridClock(
        process, reading, max_ahead_ns=max_ahead_ns, store=store, reservation_ns=reservation_ns
    )
    clock._value = max(clock._value, value)
    return clock
