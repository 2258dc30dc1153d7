"""The frames of reference broadcasts: the broadcast itself, who heard it when, what came of it.

Readings and offsets can be negative, but lists on the wire hold unsigned integers: those are in
two's complement (:func:`signed`, :func:`unsigned`).
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from clocksync.runtime.wire import I64, U16, U32, U64, Counted, Frame

HEARD_MAX = 128
"""Stamps in one report: it fits a datagram of 1,500 bytes, sealed."""
TOLD_MAX = 16
"""Clocks in one :class:`Relations`, likewise."""
NUMBER_BITS, STAMP_BITS = 16, 48
UNKNOWN_SKEW = 1 << 31
"""The one value of 32 bits that is nobody's negative: not known."""


@dataclass(frozen=True, slots=True)
class Broadcast(Frame):
    """A reference broadcast. It carries no time: when it comes is what counts."""

    KIND: ClassVar[int] = 0x16
    series: Annotated[U64, "drawn when the beacon started"]
    number: Annotated[U64, "of this broadcast, counted from 1"]


@dataclass(frozen=True, slots=True)
class Report(Frame):
    """When its sender heard broadcasts of one beacon. Without any: it says that it is there."""

    KIND: ClassVar[int] = 0x17
    epoch: Annotated[U32, "drawn when the sender's clock began; another clock, another epoch"]
    beacon: Annotated[U16, "whose broadcasts; 0 where none were heard"]
    series: Annotated[U64, "of that beacon"]
    first: Annotated[U64, "number that the ones below are counted from"]
    base: Annotated[I64, "reading the stamps are counted from, ns since the Unix epoch"]
    heard: Annotated[
        tuple[int, ...],
        Counted(64, HEARD_MAX),
        "number past `first` in the high 16 bits, ns past `base` in the low 48",
    ]


@dataclass(frozen=True, slots=True)
class Relations(Frame):
    """How far other clocks are from its sender's, a place in each list for each of them.

    Offsets are the other's reading minus the sender's, as of an instant of the sender's clock.
    """

    KIND: ClassVar[int] = 0x18
    epoch: Annotated[U32, "of the sender, as in its reports"]
    told_at: Annotated[I64, "the sender's reading, ns since the Unix epoch"]
    others: Annotated[tuple[int, ...], Counted(16, TOLD_MAX), "whose clock"]
    epochs: Annotated[tuple[int, ...], Counted(32, TOLD_MAX), "and which of that host's"]
    vias: Annotated[
        tuple[int, ...], Counted(16, TOLD_MAX), "the first host on the way; 0: heard itself"
    ]
    hops: Annotated[tuple[int, ...], Counted(8, TOLD_MAX), "how many on the way; 1: heard itself"]
    ages: Annotated[tuple[int, ...], Counted(64, TOLD_MAX), "how long before `told_at` it held, ns"]
    offsets: Annotated[tuple[int, ...], Counted(64, TOLD_MAX), "the likeliest, ns, signed"]
    below: Annotated[tuple[int, ...], Counted(64, TOLD_MAX), "by how much it can be less, ns"]
    above: Annotated[tuple[int, ...], Counted(64, TOLD_MAX), "by how much it can be more, ns"]
    spreads: Annotated[
        tuple[int, ...], Counted(32, TOLD_MAX), "its standard error, ns; all ones: unknown"
    ]
    skews: Annotated[
        tuple[int, ...], Counted(32, TOLD_MAX), "in 10^-12, signed; only the top bit: unknown"
    ]
    used: Annotated[tuple[int, ...], Counted(32, TOLD_MAX), "broadcasts it rests on"]

    @property
    def is_even(self) -> bool:
        """Whether the lists are of one length: others mean nothing."""
        lists = (self.epochs, self.vias, self.hops, self.ages, self.offsets, self.below)
        more = (self.above, self.spreads, self.skews, self.used)
        return all(len(each) == len(self.others) for each in (*lists, *more))


def unsigned(value: int, bits: int = 64) -> int:
    """A signed integer as the wire has it.

    >>> hex(unsigned(-1, 32))
    '0xffffffff'
    """
    return value & (1 << bits) - 1


def signed(value: int, bits: int = 64) -> int:
    """What :func:`unsigned` was given.

    >>> signed(unsigned(-5))
    -5
    """
    return value - (value >> bits - 1 << bits)
