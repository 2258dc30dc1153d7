"""Dotted version vectors: which stored values replace which, with one entry per replica.

A store's replicas accept writes from many clients. A version vector with an entry per *client*
grows without bound; one with an entry per *replica* cannot tell two clients that wrote through the
same replica apart. A dotted version vector can: it names the write itself by a *dot* (replica,
number), beside the vector of what its writer had seen.

Promises: version a lies before version b **iff** the write of a was in the past of the writer of b;
:class:`Versions` keeps exactly the versions that no other one has seen (the siblings); merging is
commutative, associative and idempotent.

Preguiça, Baquero, Almeida, Fonte and Gonçalves, "Dotted version vectors: logical clocks for
optimistic replication", 2010, sections 4 and 5 (update, sync, discard).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from clocksync.runtime.errors import BadConfig, MalformedFrame
from ordering.process import (
    Process,
    checked_process,
    parse_process,
    process_key,
    process_text,
    read_number,
    read_process,
    refuse_trailing,
    write_number,
    write_process,
)
from ordering.relation import Order
from ordering.vector import VectorStamp

T = TypeVar("T")

_TEXT = re.compile(r'("(?:[^"\\]|\\.)*"|[^":|]+):([0-9]+)\|(\{.*\})')

_NOTHING = VectorStamp()


class Dot(NamedTuple):
    """One write: the replica that took it, and which of that replica's writes it was (from 1)."""

    process: Process
    number: int


@dataclass(frozen=True, slots=True)
class DottedVersionVector:
    """The clock of one version: its own dot, and the past its writer had seen.

    Text is ``a:3|{a:1, b:2}``: the third write at a, by someone who had seen a's first and b's
    first two.

    >>> first = DottedVersionVector(Dot("a", 1))
    >>> blind = DottedVersionVector(Dot("a", 2))
    >>> informed = DottedVersionVector(Dot("b", 1), VectorStamp({"a": 1}))
    >>> first.compare(informed), blind.compare(informed)
    (<Order.BEFORE: 'before'>, <Order.CONCURRENT: 'concurrent'>)
    >>> str(informed), DottedVersionVector.parse("b:1|{a:1}") == informed
    ('b:1|{a:1}', True)
    >>> DottedVersionVector.decode(informed.encode()) == informed
    True

    Raises:
        BadConfig: the dot counts from 0, or lies in its own past.
    """

    dot: Dot
    past: VectorStamp = _NOTHING

    def __post_init__(self) -> None:
        checked_process(self.dot.process)
        if self.dot.number < 1 or self.past[self.dot.process] >= self.dot.number:
            raise BadConfig(f"{self.dot} must count from 1 and lie outside its past {self.past}")

    def covers(self, dot: Dot) -> bool:
        """Whether that write is this one or in its past."""
        return dot == self.dot or dot.number <= self.past[dot.process]

    def compare(self, other: "DottedVersionVector") -> Order:
        """Whether this version lies before, after, equal to or concurrent with `other`."""
        return Order.of(other.covers(self.dot), self.covers(other.dot))

    def concurrent_with(self, other: "DottedVersionVector") -> bool:
        """Whether neither writer had seen the other's version."""
        return self.compare(other) is Order.CONCURRENT

    def __lt__(self, other: "DottedVersionVector") -> bool:
        return self.compare(other) is Order.BEFORE

    def __le__(self, other: "DottedVersionVector") -> bool:
        return other.covers(self.dot)

    def __gt__(self, other: "DottedVersionVector") -> bool:
        return self.compare(other) is Order.AFTER

    def __ge__(self, other: "DottedVersionVector") -> bool:
        return self.covers(other.dot)

    @property
    def context(self) -> VectorStamp:
        """What a reader of this version has seen."""
        return self.past.merged(VectorStamp({self.dot.process: self.dot.number}))

    def encode(self) -> bytes:
        """The dot, then the past.

        Raises:
            ValueError: a count does not fit 64 bits.
        """
        return write_process(self.dot.process) + write_number(self.dot.number) + self.past.encode()

    @classmethod
    def decode(cls, data: bytes) -> "DottedVersionVector":
        """The clock that is exactly these bytes.

        Raises:
            MalformedFrame: they are none.
        """
        process, at = read_process(data, 0)
        count, at = read_number(data, at)
        past, end = VectorStamp.decode_prefix(data, at)
        refuse_trailing(data, end)
        try:
            return cls(Dot(process, count), past)
        except BadConfig:
            raise MalformedFrame("a dot within its own past") from None

    @classmethod
    def parse(cls, text: str) -> "DottedVersionVector":
        """The clock that ``str`` wrote.

        Raises:
            ValueError: the text is no such clock; the message says what one looks like.
        """
        match = _TEXT.fullmatch(text)
        if not match:
            raise ValueError(f"{text!r} is no dotted version vector: one looks like a:3|{{b:1}}")
        process, number, past = match.groups()
        return cls(Dot(parse_process(process), int(number)), VectorStamp.parse(past))

    def __str__(self) -> str:
        return f"{process_text(self.dot.process)}:{self.dot.number}|{self.past}"


class Versions(Generic[T]):
    """The versions of one key at one replica: an immutable value; writes and merges make new ones.

    A client reads ``values`` with ``context``, and hands the context back with its write; the
    write then replaces what the client had seen and nothing else.

    >>> empty: Versions[str] = Versions()
    >>> stored = empty.put("r1", "milk")
    >>> seen = stored.context
    >>> stored = stored.put("r1", "milk, eggs", seen)
    >>> stored = stored.put("r1", "milk, bread", seen)
    >>> stored.values
    ('milk, eggs', 'milk, bread')
    >>> stored.put("r2", "milk, eggs, bread", stored.context).values
    ('milk, eggs, bread',)
    >>> stored.merged(empty) == stored
    True
    """

    __slots__ = ("_siblings",)

    def __init__(self, siblings: Iterable[tuple[DottedVersionVector, T]] = ()) -> None:
        by_dot = {clock.dot: (clock, value) for clock, value in siblings}
        kept = [
            (clock, value)
            for clock, value in by_dot.values()
            if not any(clock < other for other, _ in by_dot.values())
        ]
        kept.sort(key=lambda sibling: (process_key(sibling[0].dot.process), sibling[0].dot.number))
        self._siblings = tuple(kept)

    @property
    def siblings(self) -> tuple[tuple[DottedVersionVector, T], ...]:
        """Every current version with its clock, sorted by dot."""
        return self._siblings

    @property
    def values(self) -> tuple[T, ...]:
        """The values that no other one replaces; several after concurrent writes."""
        return tuple(value for _, value in self._siblings)

    @property
    def context(self) -> VectorStamp:
        """What a reader of these values has seen: it goes with the reader's next write."""
        context = _NOTHING
        for clock, _ in self._siblings:
            context = context.merged(clock.context)
        return context

    def put(self, process: Process, value: T, context: VectorStamp = _NOTHING) -> "Versions[T]":
        """Take a write at replica `process` from a client that had seen `context`.

        Every write through one replica must pass through this replica's own Versions of the key,
        so that no dot is given twice. A deletion is a write of whatever means "deleted".
        """
        last = max(self.context[process], context[process])
        clock = DottedVersionVector(Dot(process, last + 1), context)
        return Versions([*self._siblings, (clock, value)])

    def merged(self, other: "Versions[T]") -> "Versions[T]":
        """What a replica keeps that has both: every version that no other one has seen."""
        return Versions([*self._siblings, *other._siblings])

    def __len__(self) -> int:
        return len(self._siblings)

    def __eq__(self, other: object) -> bool:
        return self._siblings == other._siblings if isinstance(other, Versions) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(clock for clock, _ in self._siblings))

    def __repr__(self) -> str:
        return (
            f"Versions([{', '.join(f'({clock}, {value!r})' for clock, value in self._siblings)}])"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return Versions, (self._siblings,)
