"""Interval tree clocks: causality for processes that come and go, without names.

Instead of a name per process there is one interval; a process owns a piece of it. ``fork`` cuts
the piece in two, ``join`` puts pieces together again, so identities are made and retired locally,
without a registry, and the clock shrinks again when processes leave.

Promises: among the stamps of clocks that all descend from one seed, a happened before b iff
a < b. It assumes that a clock is never copied (a copy would own the same piece): fork it instead.

Almeida, Baquero and Fonte, "Interval tree clocks: a logical clock for dynamic systems", OPODIS
2008. The trees' operations are in :mod:`ordering.interval_tree_algebra`. Trees nest at most 200
deep: a clock that forks again and again without joining gets there, ``fork_into`` does not.
"""

import re
import threading
from typing import Any

from clocksync.runtime.errors import MalformedFrame, MisusedCore
from ordering.interval_tree_algebra import (
    DEPTH_MAX,
    Events,
    Identity,
    at_most,
    event,
    identity_depth,
    join,
    norm,
    overlap,
    split,
    united,
)
from ordering.messages import INTERVAL_TREE_KIND, Received, open_envelope, seal
from ordering.process import read_number, refuse_trailing, write_number
from ordering.relation import Order

_TOKEN = re.compile(r"\s*(\d+|[(),])")


class IntervalTreeStamp:
    """An immutable moment: what had happened, as a step function over the interval.

    Text is the paper's: ``(1, 2, (0, 1, 0))``.

    >>> early, late = IntervalTreeStamp.parse("(0, 1, 0)"), IntervalTreeStamp.parse("(0, 2, 0)")
    >>> early < late, early.compare(IntervalTreeStamp.parse("(0, 0, 1)"))
    (True, <Order.CONCURRENT: 'concurrent'>)
    >>> IntervalTreeStamp.decode(late.encode()) == late
    True
    """

    __slots__ = ("_events",)

    def __init__(self, events: Events = 0) -> None:
        object.__setattr__(self, "_events", events)

    _events: Events

    @property
    def events(self) -> Events:
        """The event tree: a number, or (number, left, right)."""
        return self._events

    def compare(self, other: "IntervalTreeStamp") -> Order:
        """Whether this stamp lies before, after, equal to or concurrent with `other`."""
        return Order.of(at_most(self._events, other._events), at_most(other._events, self._events))

    def concurrent_with(self, other: "IntervalTreeStamp") -> bool:
        """Whether neither stamp lies in the other's past."""
        return self.compare(other) is Order.CONCURRENT

    def merged(self, other: "IntervalTreeStamp") -> "IntervalTreeStamp":
        """The least stamp that covers both."""
        return IntervalTreeStamp(join(self._events, other._events))

    def encode(self) -> bytes:
        """The tree's nodes in preorder, each a LEB128 number: twice its height, plus one if it
        has two sides."""
        return _write_events(self._events)

    @classmethod
    def decode(cls, data: bytes) -> "IntervalTreeStamp":
        """The stamp that is exactly these bytes.

        Raises:
            MalformedFrame: they are none, nest too deep, or are not in normal form.
        """
        events, end = _read_events(data, 0, DEPTH_MAX)
        refuse_trailing(data, end)
        return cls(events)

    @classmethod
    def parse(cls, text: str) -> "IntervalTreeStamp":
        """The stamp that ``str`` wrote.

        Raises:
            ValueError: the text is no stamp; the message says what one looks like.
        """
        error = ValueError(f"{text[:80]!r} is no interval tree stamp: one looks like (1, 2, 0)")
        tokens, at, stripped = list[str](), 0, text.strip()
        while at < len(stripped):
            token = _TOKEN.match(stripped, at)
            if not token:
                raise error
            tokens.append(token[1])
            at = token.end()
        tokens.reverse()
        try:
            events = _parse_events(tokens, DEPTH_MAX)
        except (IndexError, ValueError):
            raise error from None
        if tokens:
            raise error
        return cls(events)

    def __str__(self) -> str:
        return str(self._events)

    def __repr__(self) -> str:
        return f"IntervalTreeStamp({self._events!r})"

    def __eq__(self, other: object) -> bool:
        return (
            self._events == other._events
            if isinstance(other, IntervalTreeStamp)
            else NotImplemented
        )

    def __hash__(self) -> int:
        return hash(self._events)

    def __le__(self, other: "IntervalTreeStamp") -> bool:
        return at_most(self._events, other._events)

    def __lt__(self, other: "IntervalTreeStamp") -> bool:
        return self._events != other._events and at_most(self._events, other._events)

    def __ge__(self, other: "IntervalTreeStamp") -> bool:
        return at_most(other._events, self._events)

    def __gt__(self, other: "IntervalTreeStamp") -> bool:
        return self._events != other._events and at_most(other._events, self._events)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a stamp cannot be changed")

    def __reduce__(self) -> tuple[Any, ...]:
        return IntervalTreeStamp, (self._events,)


class IntervalTreeClock:
    """The clock of one process. The first one owns everything; others come from ``fork``.

    Threads may share a clock. To start a process elsewhere, fork, and hand over the new clock's
    ``encode()``.

    >>> seed = IntervalTreeClock()
    >>> phone = seed.fork()
    >>> edit, photo = seed.tick(), phone.tick()
    >>> edit.compare(photo)
    <Order.CONCURRENT: 'concurrent'>
    >>> synced = seed.receive(phone.send())
    >>> photo < synced
    True
    >>> seed.join(phone)  # the phone is retired
    >>> seed
    IntervalTreeClock(1, 2)
    """

    __slots__ = ("_events", "_identity", "_lock")

    def __init__(self, identity: Identity = 1, stamp: IntervalTreeStamp | None = None) -> None:
        self._identity = identity
        self._events: Events = stamp.events if stamp else 0
        self._lock = threading.Lock()

    @property
    def identity(self) -> Identity:
        """The piece of the interval this clock owns; 0 once it is retired."""
        return self._identity

    @property
    def stamp(self) -> IntervalTreeStamp:
        """What this process knows now, without an event ("peek" in the paper)."""
        return IntervalTreeStamp(self._events)

    def tick(self) -> IntervalTreeStamp:
        """Stamp a local event.

        Raises:
            MisusedCore: the clock was joined into another.
        """
        with self._lock:
            self._check_owner()
            self._events = event(self._identity, self._events)
            return IntervalTreeStamp(self._events)

    def send(self) -> IntervalTreeStamp:
        """Stamp the sending of a message; the stamp goes with it.

        Raises:
            MisusedCore: the clock was joined into another.
        """
        return self.tick()

    def receive(self, stamp: IntervalTreeStamp) -> IntervalTreeStamp:
        """Stamp the receipt of a message sent at `stamp`.

        Raises:
            MisusedCore: the clock was joined into another.
        """
        with self._lock:
            self._check_owner()
            self._events = event(self._identity, join(self._events, stamp.events))
            return IntervalTreeStamp(self._events)

    def fork(self) -> "IntervalTreeClock":
        """Give half of what this clock owns to a new one that knows as much.

        Raises:
            MisusedCore: the clock was joined into another, or has forked too often in a row.
        """
        with self._lock:
            self._check_owner()
            ours, theirs = split(self._identity)
            if max(identity_depth(ours), identity_depth(theirs)) > DEPTH_MAX:
                raise MisusedCore(
                    f"{DEPTH_MAX} forks nested: join retired clocks, or make many at once with "
                    "fork_into()"
                )
            self._identity = ours
            return IntervalTreeClock(theirs, IntervalTreeStamp(self._events))

    def fork_into(self, count: int) -> list["IntervalTreeClock"]:
        """Make `count` new clocks of about equal pieces: trees as shallow as can be.

        Raises:
            MisusedCore: see :meth:`fork`.
        """
        clocks = [self]
        for place in range(count):
            # Each round of the queue halves every piece once.
            clocks.append(clocks[place].fork())
            clocks.append(clocks[place])
        newest = {id(clock): clock for clock in clocks[1:]}
        return [clock for clock in newest.values() if clock is not self]

    def join(self, other: "IntervalTreeClock") -> None:
        """Take over what `other` owns and knows, and retire it.

        Raises:
            MisusedCore: it is this clock, is retired, or owns what this one owns: it was copied.
        """
        if other is self:
            raise MisusedCore("a clock cannot join itself")
        first, second = sorted((self, other), key=id)  # always in one order: no deadlock
        with first._lock, second._lock:
            self._check_owner()
            other._check_owner()
            if overlap(self._identity, other._identity):
                raise MisusedCore("both clocks own the same piece: one is a copy, not a fork")
            self._identity = united(self._identity, other._identity)
            self._events = join(self._events, other._events)
            other._identity = 0

    def wrap(self, message: bytes) -> bytes:
        """Send: `message` behind its stamp."""
        return seal(INTERVAL_TREE_KIND, self.send().encode(), message)

    def unwrap(self, data: bytes) -> Received[IntervalTreeStamp]:
        """Receive what :meth:`wrap` made.

        Raises:
            MalformedFrame: it is none; the clock has not moved.
        """
        raw, message = open_envelope(INTERVAL_TREE_KIND, data)
        sent = IntervalTreeStamp.decode(raw)
        return Received(message, sent, self.receive(sent))

    def encode(self) -> bytes:
        """The whole clock, identity first, for handing a fork to another machine."""
        with self._lock:
            return _write_identity(self._identity) + _write_events(self._events)

    @classmethod
    def decode(cls, data: bytes) -> "IntervalTreeClock":
        """The clock that is exactly these bytes.

        Raises:
            MalformedFrame: they are none, nest too deep, or are not in normal form.
        """
        identity, at = _read_identity(data, 0, DEPTH_MAX)
        events, end = _read_events(data, at, DEPTH_MAX)
        refuse_trailing(data, end)
        return cls(identity, IntervalTreeStamp(events))

    def _check_owner(self) -> None:
        if self._identity == 0:
            raise MisusedCore("this clock was joined into another and is retired")

    def __repr__(self) -> str:
        return f"IntervalTreeClock({self._identity!r}, {self._events!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        with self._lock:
            return IntervalTreeClock, (self._identity, IntervalTreeStamp(self._events))


def _write_identity(identity: Identity) -> bytes:
    if isinstance(identity, int):
        return bytes((identity,))
    return b"\x02" + _write_identity(identity[0]) + _write_identity(identity[1])


def _read_identity(data: bytes, at: int, depth: int) -> tuple[Identity, int]:
    if at >= len(data):
        raise MalformedFrame("too short")
    if data[at] < 2:
        return data[at], at + 1
    if data[at] > 2 or not depth:
        raise MalformedFrame("unknown kind of identity" if depth else "tree too deep")
    left, at = _read_identity(data, at + 1, depth - 1)
    right, at = _read_identity(data, at, depth - 1)
    if left == right and isinstance(left, int):
        raise MalformedFrame("tree not in normal form")
    return (left, right), at


def _write_events(events: Events) -> bytes:
    if isinstance(events, int):
        return write_number(2 * events)
    height, left, right = events
    return write_number(2 * height + 1) + _write_events(left) + _write_events(right)


def _read_events(data: bytes, at: int, depth: int) -> tuple[Events, int]:
    number, at = read_number(data, at)
    height, has_sides = divmod(number, 2)
    if not has_sides:
        return height, at
    if not depth:
        raise MalformedFrame("tree too deep")
    left, at = _read_events(data, at, depth - 1)
    right, at = _read_events(data, at, depth - 1)
    if norm(height, left, right) != (height, left, right):
        raise MalformedFrame("tree not in normal form")
    return (height, left, right), at


def _parse_events(tokens: list[str], depth: int) -> Events:
    """Consume one tree from the end of the reversed tokens."""
    token = tokens.pop()
    if token != "(":
        return int(token)
    if not depth:
        raise ValueError
    height = int(tokens.pop())
    sides = list[Events]()
    for _ in range(2):
        if tokens.pop() != ",":
            raise ValueError
        sides.append(_parse_events(tokens, depth - 1))
    if tokens.pop() != ")" or norm(height, *sides) != (height, *sides):
        raise ValueError
    return (height, sides[0], sides[1])
