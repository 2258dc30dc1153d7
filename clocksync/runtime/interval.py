"""Interval: a time that carries its bound.

``Interval(earliest, latest)`` promises that the true value lies in it if the stated assumptions
hold. It is how a time leaves this library (Corbett et al., "Spanner", OSDI 2012, section 3).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True, order=False)
class Interval:
    """Closed interval of integer nanoseconds, ``earliest <= latest``.

    Raises:
        ValueError: ``earliest > latest``; a width is never negative.

    >>> Interval.around(100, 5)
    Interval(earliest=95, latest=105)
    >>> Interval(0, 10) & Interval(8, 20)
    Interval(earliest=8, latest=10)
    """

    earliest: int
    latest: int

    def __post_init__(self) -> None:
        if self.earliest > self.latest:
            raise ValueError(f"an interval cannot end before it begins: {self}")

    @classmethod
    def around(cls, middle: int, error: int) -> Self:
        """The interval ``middle`` ± ``error``."""
        return cls(middle - error, middle + error)

    @classmethod
    def hull(cls, intervals: Iterable["Interval"]) -> Self:
        """The smallest interval that contains all of `intervals` (at least one)."""
        parts = list(intervals)
        return cls(min(part.earliest for part in parts), max(part.latest for part in parts))

    @property
    def width(self) -> int:
        return self.latest - self.earliest

    @property
    def middle(self) -> int:
        return (self.earliest + self.latest) // 2

    @property
    def error(self) -> int:
        """Half the width, rounded up: ``middle`` ± ``error`` contains the interval."""
        return (self.width + 1) // 2

    def __contains__(self, value: int) -> bool:
        return self.earliest <= value <= self.latest

    def contains(self, other: "Interval") -> bool:
        """Whether all of `other` lies in this interval."""
        return self.earliest <= other.earliest and other.latest <= self.latest

    def __and__(self, other: "Interval") -> "Interval | None":
        """The intersection, or None where there is none."""
        earliest, latest = max(self.earliest, other.earliest), min(self.latest, other.latest)
        return Interval(earliest, latest) if earliest <= latest else None

    def __add__(self, shift: int) -> "Interval":
        return Interval(self.earliest + shift, self.latest + shift)

    def __neg__(self) -> "Interval":
        return Interval(-self.latest, -self.earliest)

    def widened(self, by: int) -> "Interval":
        """The interval with `by` added on either side."""
        return Interval(self.earliest - by, self.latest + by)

    def before(self, other: "Interval") -> bool:
        """Whether every instant of this one is certainly earlier than every one of `other`."""
        return self.latest < other.earliest

    def __str__(self) -> str:
        return f"[{self.earliest}, {self.latest}]"
