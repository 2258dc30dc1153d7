"""Vector clocks: causality exactly.

Promises: C(a) < C(b) **if and only if** event a happened before event b. ``<`` is the partial
order: for concurrent stamps ``<``, ``<=``, ``>``, ``>=`` and ``==`` are all false, and there is no
accidental total order to sort by.

Fidge, "Timestamps in message-passing systems that preserve the partial ordering", 1988; Mattern,
"Virtual time and global states of distributed systems", 1989.

Membership is open: a process that was never heard of counts as 0, so a newcomer just begins.
:meth:`VectorClock.prune` forgets processes that left. A forgotten process is 0 again, so compare
stamps across a pruning only if every clock pruned the same processes between the two, and never
let a forgotten name come back: a new life needs a new name.

A stamp keeps its entries sorted by process and never holds a zero. Equal stamps are therefore
equal dicts, and stamps of the same members, the common case, compare at the speed of ``map``.
"""

import re
import threading
from collections.abc import ItemsView, Iterable, Mapping
from operator import le
from typing import Any, TypeAlias, cast

from clocksync.runtime.errors import BadConfig, MalformedFrame
from ordering.messages import VECTOR_KIND, Received, open_envelope, seal
from ordering.process import (
    Process,
    checked_process,
    parse_process,
    process_key,
    process_text,
    read_name,
    read_number,
    refuse_trailing,
    write_name,
    write_number,
)
from ordering.relation import Order

_ENTRY = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[^\s:,"{}]+)\s*:\s*(\d+)\s*(,|$)')


Counts: TypeAlias = Mapping[int, int] | Mapping[str, int] | Mapping[Process, int]
"""Counts by process; spelt out, because a mapping's type is exact about its keys."""


class VectorStamp:
    """An immutable vector: how many events of each process lie in the past, itself included.

    Text is ``{a:2, b:1}``.

    >>> first, second = VectorStamp({"a": 1}), VectorStamp({"a": 1, "b": 1})
    >>> first < second, first.compare(VectorStamp({"b": 1}))
    (True, <Order.CONCURRENT: 'concurrent'>)
    >>> str(second), VectorStamp.parse("{a:1, b:1}") == second
    ('{a:1, b:1}', True)
    >>> VectorStamp.decode(second.encode()) == second
    True

    Raises:
        BadConfig: a process cannot be named so, or a count is negative.
    """

    __slots__ = ("_counts",)
    _counts: dict[Process, int]

    def __init__(self, counts: Counts | Iterable[tuple[Process, int]] = ()) -> None:
        given: dict[Process, int] = dict(cast(Mapping[Process, int], counts))
        for process, count in given.items():
            checked_process(process)
            if count < 0:
                raise BadConfig(f"a vector cannot count {count} events of {process!r}")
        object.__setattr__(self, "_counts", _canonical(given))

    def __getitem__(self, process: Process) -> int:
        """How many events of `process` are covered; 0 for one never heard of."""
        return self._counts.get(process, 0)

    def __len__(self) -> int:
        return len(self._counts)

    def __contains__(self, process: object) -> bool:
        return process in self._counts

    def items(self) -> ItemsView[Process, int]:
        """The entries that are not zero, sorted by process."""
        return self._counts.items()

    def compare(self, other: "VectorStamp") -> Order:
        """Whether this stamp lies before, after, equal to or concurrent with `other`."""
        ours, theirs = self._counts, other._counts
        if ours == theirs:
            return Order.EQUAL
        if _at_most(ours, theirs):
            return Order.BEFORE
        return Order.AFTER if _at_most(theirs, ours) else Order.CONCURRENT

    def concurrent_with(self, other: "VectorStamp") -> bool:
        """Whether neither stamp lies in the other's past and they differ."""
        return self.compare(other) is Order.CONCURRENT

    def merged(self, other: "VectorStamp") -> "VectorStamp":
        """The least stamp that covers both: the maximum of each entry."""
        return _wrapped(_merged(self._counts, other._counts))

    def without(self, processes: Iterable[Process]) -> "VectorStamp":
        """This stamp with those processes forgotten."""
        gone = set(processes)
        return _wrapped({p: count for p, count in self._counts.items() if p not in gone})

    def encode(self) -> bytes:
        """Compact bytes: the numbered processes as differences, then the named ones.

        Raises:
            ValueError: a count does not fit 64 bits.
        """
        numbered = [(p, n) for p, n in self._counts.items() if isinstance(p, int)]
        parts, last = [write_number(len(numbered))], 0
        for process, count in numbered:
            parts += (write_number(process - last), write_number(count))
            last = process
        parts.append(write_number(len(self._counts) - len(numbered)))
        for name, count in self._counts.items():
            if isinstance(name, str):
                parts += (write_name(name), write_number(count))
        return b"".join(parts)

    @classmethod
    def decode(cls, data: bytes) -> "VectorStamp":
        """The stamp that is exactly these bytes.

        Raises:
            MalformedFrame: they are none, or not the one way to write it.
        """
        stamp, end = cls.decode_prefix(data, 0)
        refuse_trailing(data, end)
        return stamp

    @classmethod
    def decode_prefix(cls, data: bytes, at: int) -> tuple["VectorStamp", int]:
        """The stamp at `at`, and where it ends: for formats that hold stamps."""
        counts: dict[Process, int] = {}
        quantity, at = read_number(data, at)
        number = 0
        for index in range(quantity):
            step, at = read_number(data, at)
            if index and not step:
                raise MalformedFrame("processes out of order")
            number += step
            counts[number], at = read_number(data, at)
        if number >= 1 << 64:
            raise MalformedFrame("number over 64 bits")
        quantity, at = read_number(data, at)
        last = ""
        for _ in range(quantity):
            name, at = read_name(data, at)
            if name <= last:
                raise MalformedFrame("processes out of order")
            last = name
            counts[name], at = read_number(data, at)
        if 0 in counts.values():
            raise MalformedFrame("a count of zero")
        return _wrapped(counts), at

    @classmethod
    def parse(cls, text: str) -> "VectorStamp":
        """The stamp that ``str`` wrote.

        Raises:
            ValueError: the text is no stamp; the message says what one looks like.
        """
        error = ValueError(f"{text!r} is no vector stamp: one looks like {{a:2, b:1}}")
        body = text.strip()
        if not (body.startswith("{") and body.endswith("}")):
            raise error
        body, at, counts = body[1:-1].rstrip(), 0, dict[Process, int]()
        while at < len(body):
            entry = _ENTRY.match(body, at)
            if not entry or (entry[3] == "," and entry.end() == len(body)):
                raise error
            process = parse_process(entry[1])
            if process in counts:
                raise error
            counts[process], at = int(entry[2]), entry.end()
        return cls(counts)

    def __str__(self) -> str:
        return "{" + ", ".join(f"{process_text(p)}:{n}" for p, n in self._counts.items()) + "}"

    def __repr__(self) -> str:
        return f"VectorStamp({self._counts!r})"

    def __eq__(self, other: object) -> bool:
        return self._counts == other._counts if isinstance(other, VectorStamp) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self._counts.items()))

    def __le__(self, other: "VectorStamp") -> bool:
        return _at_most(self._counts, other._counts)

    def __lt__(self, other: "VectorStamp") -> bool:
        return self._counts != other._counts and _at_most(self._counts, other._counts)

    def __ge__(self, other: "VectorStamp") -> bool:
        return _at_most(other._counts, self._counts)

    def __gt__(self, other: "VectorStamp") -> bool:
        return self._counts != other._counts and _at_most(other._counts, self._counts)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a stamp cannot be changed")

    def __reduce__(self) -> tuple[Any, ...]:
        return VectorStamp, (self._counts,)


_set_counts = VectorStamp.__dict__["_counts"].__set__  # past the guard in __setattr__


def _wrapped(counts: dict[Process, int]) -> VectorStamp:
    """A stamp around entries that are canonical already and that nobody else will change."""
    stamp: VectorStamp = VectorStamp.__new__(VectorStamp)
    _set_counts(stamp, counts)
    return stamp


def _canonical(counts: dict[Process, int]) -> dict[Process, int]:
    return {p: counts[p] for p in sorted(counts, key=process_key) if counts[p]}


def _at_most(ours: dict[Process, int], theirs: dict[Process, int]) -> bool:
    if len(ours) > len(theirs):  # no entry is zero, so one of ours has no match
        return False
    # Below a dozen members, making the lists costs more than it saves.
    if len(ours) > 12 and list(ours) == list(theirs):
        return all(map(le, ours.values(), theirs.values()))
    known = theirs.get
    for process, count in ours.items():  # noqa: SIM110  a generator would cost twice as much
        if count > known(process, 0):
            return False
    return True


def _merged(ours: dict[Process, int], theirs: dict[Process, int]) -> dict[Process, int]:
    """A new canonical dict of the maxima."""
    merged = ours.copy()
    known = merged.get
    for process, count in theirs.items():
        if count > known(process, 0):
            merged[process] = count
    # Raising an entry keeps its place; only a newcomer can spoil the order.
    return merged if len(merged) == len(ours) else _canonical(merged)


class VectorClock:
    """The clock of one process. Threads may share it.

    >>> alice, bob = VectorClock("alice"), VectorClock("bob")
    >>> greeting = alice.send()
    >>> meanwhile = bob.tick()
    >>> greeting.compare(meanwhile)
    <Order.CONCURRENT: 'concurrent'>
    >>> received = bob.receive(greeting)
    >>> str(received), greeting < received, meanwhile < received
    ('{alice:1, bob:2}', True, True)
    >>> alice.unwrap(bob.wrap(b"hello")).message
    b'hello'
    >>> alice.prune(["bob"])
    >>> str(alice.stamp)
    '{alice:2}'

    Raises:
        BadConfig: `process` cannot name one.
    """

    __slots__ = ("_counts", "_lock", "process")

    def __init__(self, process: Process, stamp: VectorStamp | None = None) -> None:
        self.process = checked_process(process)
        # Every stamp handed out shares the dict of its moment; a clock replaces, never changes it.
        self._counts = stamp._counts if stamp is not None else {}
        self._lock = threading.Lock()

    @property
    def stamp(self) -> VectorStamp:
        """What this process knows now, without an event."""
        return _wrapped(self._counts)

    def tick(self) -> VectorStamp:
        """Stamp a local event."""
        with self._lock:
            counts = self._counts.copy()
            try:
                counts[self.process] += 1
            except KeyError:
                counts = _canonical({**counts, self.process: 1})
            self._counts = counts
        return _wrapped(counts)

    def send(self) -> VectorStamp:
        """Stamp the sending of a message; the stamp goes with it."""
        return self.tick()

    def receive(self, stamp: VectorStamp) -> VectorStamp:
        """Stamp the receipt of a message sent at `stamp`."""
        with self._lock:
            counts = _merged(self._counts, stamp._counts)
            try:
                counts[self.process] += 1
            except KeyError:
                counts = _canonical({**counts, self.process: 1})
            self._counts = counts
        return _wrapped(counts)

    def prune(self, processes: Iterable[Process]) -> None:
        """Forget processes that left and whose last message everybody has received.

        Raises:
            BadConfig: one of them is this process itself.
        """
        gone = list(processes)
        if self.process in gone:
            raise BadConfig(f"{self.process!r} cannot prune itself out of its own clock")
        with self._lock:
            self._counts = _wrapped(self._counts).without(gone)._counts

    def wrap(self, message: bytes) -> bytes:
        """Send: `message` behind its stamp."""
        return seal(VECTOR_KIND, self.send().encode(), message)

    def unwrap(self, data: bytes) -> Received[VectorStamp]:
        """Receive what :meth:`wrap` made.

        Raises:
            MalformedFrame: it is none; the clock has not moved.
        """
        raw, message = open_envelope(VECTOR_KIND, data)
        sent = VectorStamp.decode(raw)
        return Received(message, sent, self.receive(sent))

    def __repr__(self) -> str:
        return f"VectorClock({self.process!r}, {_wrapped(self._counts)})"

    def __reduce__(self) -> tuple[Any, ...]:
        return VectorClock, (self.process, self.stamp)
