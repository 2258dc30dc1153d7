"""The log of one ring: frames by sequence number, where the gaps are, and what may be forgotten.

There is one log for each ring, never one that two rings share: corosync's shared queues needed an
"encapsulated" bit to be told apart, and range checks where it did not suffice.
"""

from collections.abc import Iterable, Iterator
from itertools import pairwise

from vsync.frames import Data, Recovered

Entry = Data | Recovered


class Log:
    """Frames of one ring.

    `contiguous` is the paper's my_aru: every number up to it is here, or was and is released.
    """

    __slots__ = ("contiguous", "frames", "highest", "released")

    def __init__(self) -> None:
        self.frames: dict[int, Entry] = {}
        self.contiguous = 0
        self.highest = 0
        self.released = 0

    def add(self, frame: Entry) -> bool:
        """Keep a frame; False if it was here already."""
        sequence = frame.sequence
        if sequence <= self.contiguous or sequence in self.frames:
            return False
        self.frames[sequence] = frame
        self.highest = max(self.highest, sequence)
        at = self.contiguous
        while at + 1 in self.frames:
            at += 1
        self.contiguous = at
        return True

    def get(self, sequence: int) -> Entry | None:
        return self.frames.get(sequence)

    def missing(self, up_to: int) -> Iterator[int]:
        """The numbers that are not here, lowest first."""
        return (n for n in range(self.contiguous + 1, up_to + 1) if n not in self.frames)

    def after(self, sequence: int) -> list[int]:
        """The numbers above `sequence` that are here, ascending."""
        return sorted(n for n in self.frames if n > sequence)

    def release(self, up_to: int) -> None:
        """Forget frames that everybody has and that were delivered here."""
        assert up_to <= self.contiguous, f"{up_to} is beyond the gap at {self.contiguous + 1}"
        for sequence in range(self.released + 1, up_to + 1):
            del self.frames[sequence]
        self.released = max(self.released, up_to)


def to_ranges(numbers: Iterable[int], most: int) -> tuple[int, ...]:
    """Ascending numbers as ``(first, last, first, last, ...)``, the lowest `most` ranges.

    >>> to_ranges([3, 4, 5, 9], 8)
    (3, 5, 9, 9)
    """
    flat: list[int] = []
    for number in numbers:
        if flat and flat[-1] == number - 1:
            flat[-1] = number
        elif len(flat) == 2 * most:
            break
        else:
            flat += [number, number]
    return tuple(flat)


def in_ranges(ranges: tuple[int, ...], above: int = 0) -> Iterator[int]:
    """The numbers in ``(first, last, first, last, ...)`` that are larger than `above`.

    >>> list(in_ranges((3, 5, 9, 9), above=3))
    [4, 5, 9]
    """
    for first, last in list(pairwise(ranges))[::2]:
        yield from range(max(first, above + 1), last + 1)
