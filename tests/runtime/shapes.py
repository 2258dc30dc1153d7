"""Frames that between them use every shape a declaration can have."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from clocksync.runtime.wire import (
    I8,
    I32,
    I64,
    U2,
    U3,
    U4,
    U8,
    U16,
    U32,
    U64,
    Bits,
    Counted,
    Fixed,
    Frame,
    Sized,
)


@dataclass(frozen=True, slots=True)
class Numbers(Frame):
    """Every width that stands alone, with and without a sign."""

    KIND: ClassVar[int] = 0xF0
    a: Annotated[U8, "one byte"]
    b: Annotated[U16, "two bytes"]
    c: Annotated[U32, "four bytes"]
    d: Annotated[U64, "eight bytes"]
    e: I8
    f: Annotated[int, Bits(16, signed=True)]
    g: I32
    h: I64


@dataclass(frozen=True, slots=True)
class Packed(Frame):
    """Bit fields: runs of 8, 16 and 32 bits with whole bytes between them."""

    KIND: ClassVar[int] = 0xF1
    before: U16
    flag: Annotated[int, Bits(1)]
    code: U3
    rest: U4
    between: I8
    small: U4
    middle: U8
    last: U4
    nonce: Annotated[bytes, Fixed(3)]
    two: U2
    thirty: Annotated[int, Bits(30)]


@dataclass(frozen=True, slots=True)
class Lengths(Frame):
    """Fields of variable length, and what may stand behind them."""

    KIND: ClassVar[int] = 0xF2
    head: U8
    text: Annotated[bytes, Sized(5), "with a count of 16 bits"]
    payload: Annotated[bytes, Sized(255, count_bits=8), "with a count of 8 bits"]
    members: Annotated[tuple[int, ...], Counted(16, maximum=3), "two bytes each"]
    digest: Annotated[bytes, Fixed(4)]
    total: I32
    stamps: Annotated[tuple[int, ...], Counted(64, maximum=200), "eight bytes each"]
    flags: Annotated[tuple[int, ...], Counted(8, maximum=2)]


@dataclass(frozen=True, slots=True)
class One(Frame):
    """A single field."""

    KIND: ClassVar[int] = 0xF3
    only: U8


@dataclass(frozen=True, slots=True)
class Nothing(Frame):
    """No field at all: the kind says everything."""

    KIND: ClassVar[int] = 0xF4


ALL: tuple[type[Frame], ...] = (Numbers, Packed, Lengths, One, Nothing)
