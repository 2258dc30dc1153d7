"""Wire formats, declared once.

A frame is a frozen dataclass whose annotations are the declaration: the type checker sees
``int``, ``bytes`` and ``tuple``; the codec sees widths. Everything else is derived from
:func:`layout`: the codec below, scapy's layers, Hypothesis strategies, the table in
``docs/wire.md`` and the log line. ::

    @dataclass(frozen=True, slots=True)
    class Poll(Frame):
        \"\"\"The daemon asks a member for its time.\"\"\"
        KIND: ClassVar[int] = 0x10
        round: Annotated[U32, "number of this round"]
        members: Annotated[tuple[int, ...], Counted(16, maximum=128), "who takes part"]
        payload: Annotated[bytes, Sized(maximum=1400)]

What it promises: encoding a value out of range is the *caller's* ``ValueError``; decoding raises
only :class:`MalformedFrame`, reads no byte it has not checked to be there, and is canonical:
``decode(encode(f)) == f`` and ``encode(decode(b)) == b``. Big-endian throughout.
"""

import struct
import typing
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cache
from typing import Annotated, Any, ClassVar, Self, TypeAlias

from clocksync.runtime.errors import MalformedFrame


@dataclass(frozen=True, slots=True)
class Bits:
    """An integer of `bits` bits. Widths below 8 are packed, first field in the high bits; a run
    of them fills whole bytes."""

    bits: int
    signed: bool = False

    @property
    def lowest(self) -> int:
        return -(1 << self.bits - 1) if self.signed else 0

    @property
    def highest(self) -> int:
        return (1 << self.bits - self.signed) - 1


@dataclass(frozen=True, slots=True)
class Sized:
    """Bytes behind a count of their own length, of `count_bits` bits."""

    maximum: int
    count_bits: int = 16


@dataclass(frozen=True, slots=True)
class Fixed:
    """Exactly `length` bytes."""

    length: int


@dataclass(frozen=True, slots=True)
class Counted:
    """A tuple of unsigned integers of `element_bits` bits behind a 16-bit count."""

    element_bits: int
    maximum: int


U2 = Annotated[int, Bits(2)]
U3 = Annotated[int, Bits(3)]
U4 = Annotated[int, Bits(4)]
U8 = Annotated[int, Bits(8)]
U16 = Annotated[int, Bits(16)]
U32 = Annotated[int, Bits(32)]
U64 = Annotated[int, Bits(64)]
I8 = Annotated[int, Bits(8, signed=True)]
I32 = Annotated[int, Bits(32, signed=True)]
I64 = Annotated[int, Bits(64, signed=True)]

Shape: TypeAlias = Bits | Sized | Fixed | Counted

_CODES = {8: "B", 16: "H", 32: "I", 64: "Q"}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a frame: its name, its shape on the wire, and what it means."""

    name: str
    shape: Shape
    meaning: str


class Frame:
    """Base of all frames. ``KIND`` is the frame's number in the toolkit's envelope; a foreign
    format has none."""

    __slots__ = ()
    KIND: ClassVar[int] = -1

    def encode(self) -> bytes:
        """The bytes of this frame.

        Raises:
            ValueError: a field is out of its declared range.
        """
        return layout(type(self)).encode(self)

    @classmethod
    def decode(cls, data: bytes | memoryview) -> Self:
        """The frame that is exactly these bytes.

        Raises:
            MalformedFrame: it is too short, too long, or a count exceeds its maximum.
        """
        frame, end = layout(cls).decode(data)
        if end != len(data):
            raise MalformedFrame("trailing bytes")
        return typing.cast(Self, frame)

    @classmethod
    def decode_prefix(cls, data: bytes | memoryview) -> tuple[Self, int]:
        """The frame at the beginning of `data`, and where it ends: for formats that others extend.

        Raises:
            MalformedFrame: it is too short, or a count exceeds its maximum.
        """
        frame, end = layout(cls).decode(data)
        return typing.cast(Self, frame), end

    def __str__(self) -> str:
        return " ".join([type(self).__name__, *(_describe(self, f) for f in layout(type(self)))])


def _describe(frame: Frame, field: Field) -> str:
    value = getattr(frame, field.name)
    if isinstance(value, bytes) and len(value) > 8:
        return f"{field.name}={value[:8].hex()}..({len(value)})"
    if isinstance(value, bytes):
        return f"{field.name}={value.hex()}"
    if isinstance(value, tuple) and len(value) > 8:
        return f"{field.name}={','.join(map(str, value[:8]))}..({len(value)})"
    if isinstance(value, tuple):
        return f"{field.name}={','.join(map(str, value))}"
    return f"{field.name}={value}"


class Layout:
    """How a frame class lies on the wire, and the codec made from that.

    The fixed fields up to the first variable one are one ``struct`` call; runs of bit fields share
    one number of it. That makes an NTP packet two microseconds instead of ten.
    """

    def __init__(self, cls: type[Frame]) -> None:
        self.cls = cls
        hints = typing.get_type_hints(cls, include_extras=True)
        self.fields = [_field(cls, f.name, hints[f.name]) for f in fields(typing.cast(Any, cls))]
        head = 0
        while head < len(self.fields) and isinstance(self.fields[head].shape, Bits | Fixed):
            head += 1
        self._head, self._tail = self.fields[:head], self.fields[head:]
        codes = ""
        self._runs: list[tuple[int, int, list[Field]]] = []  # (place, total bits, its bit fields)
        run: list[Field] = []
        for field in self._head:
            if isinstance(field.shape, Fixed):
                codes += f"{field.shape.length}s"
            elif isinstance(field.shape, Bits) and field.shape.bits in _CODES and not run:
                code = _CODES[field.shape.bits]
                codes += code.lower() if field.shape.signed else code
            else:
                run.append(field)
                total = sum(_bits(member) for member in run)
                if total in _CODES:
                    self._runs.append((_count(codes), total, run))
                    codes, run = codes + _CODES[total], []
        assert not run, f"{cls.__name__}: bit fields must fill whole bytes"
        self._struct = struct.Struct(">" + codes)

    def __iter__(self) -> Iterator[Field]:
        return iter(self.fields)

    @property
    def fixed_size(self) -> int:
        """Bytes before the first field of variable length."""
        return self._struct.size

    def encode(self, frame: Frame) -> bytes:
        values = [getattr(frame, field.name) for field in self._head]
        for place, _, members in self._runs:
            number = 0
            for value, member in zip(values[place : place + len(members)], members, strict=True):
                if not 0 <= value < 1 << _bits(member):
                    raise ValueError(f"{self.cls.__name__}.{member.name} = {value} is out of range")
                number = number << _bits(member) | value
            values[place : place + len(members)] = [number]
        try:
            head = self._struct.pack(*values)
        except struct.error as error:
            raise ValueError(f"{frame} does not fit the wire: {error}") from None
        for field in self._head:
            if isinstance(field.shape, Fixed) and len(getattr(frame, field.name)) != field.shape.length:
                raise ValueError(f"{self.cls.__name__}.{field.name} must be {field.shape.length} bytes")
        if not self._tail:
            return head
        return b"".join([head, *(_encode_one(f, getattr(frame, f.name)) for f in self._tail)])

    def decode(self, data: bytes | memoryview) -> tuple[Frame, int]:
        if len(data) < self._struct.size:
            raise MalformedFrame("too short")
        values: list[Any] = list(self._struct.unpack_from(data))
        for place, total, members in self._runs:
            number, split = values[place], []
            for member in members:
                total -= _bits(member)
                split.append(number >> total & (1 << _bits(member)) - 1)
            values[place : place + 1] = split
        at = self._struct.size
        for field in self._tail:
            value, at = _decode_one(field, data, at)
            values.append(value)
        return self.cls(*values), at


@cache
def layout(cls: type[Frame]) -> Layout:
    """The layout of a frame class, compiled on first use."""
    return Layout(cls)


def _field(cls: type[Frame], name: str, hint: Any) -> Field:
    metadata = getattr(hint, "__metadata__", ())
    shapes = [part for part in metadata if isinstance(part, Bits | Sized | Fixed | Counted)]
    assert len(shapes) == 1, f"{cls.__name__}.{name} declares {len(shapes)} shapes on the wire"
    meaning = " ".join(part for part in metadata if isinstance(part, str))
    return Field(name, shapes[0], meaning)


def _bits(field: Field) -> int:
    assert isinstance(field.shape, Bits)
    return field.shape.bits


def _count(codes: str) -> int:
    return len(struct.Struct(">" + codes).unpack(bytes(struct.calcsize(">" + codes))))


def _encode_one(field: Field, value: Any) -> bytes:
    match field.shape:
        case Bits(bits, signed):
            code = _CODES[bits].lower() if signed else _CODES[bits]
            try:
                return struct.pack(">" + code, value)
            except struct.error:
                raise ValueError(f"{field.name} = {value} is out of range") from None
        case Fixed(length):
            if len(value) != length:
                raise ValueError(f"{field.name} must be {length} bytes")
            return bytes(value)
        case Sized(maximum, count_bits):
            if len(value) > maximum:
                raise ValueError(f"{field.name} holds {len(value)} bytes of at most {maximum}")
            return len(value).to_bytes(count_bits // 8, "big") + bytes(value)
        case Counted(element_bits, maximum):
            if len(value) > maximum:
                raise ValueError(f"{field.name} holds {len(value)} entries of at most {maximum}")
            try:
                return struct.pack(f">H{len(value)}{_CODES[element_bits]}", len(value), *value)
            except struct.error:
                raise ValueError(f"{field.name} = {value} is out of range") from None


def _decode_one(field: Field, data: bytes | memoryview, at: int) -> tuple[Any, int]:
    match field.shape:
        case Bits(bits, signed):
            raw = _take(data, at, bits // 8)
            return int.from_bytes(raw, "big", signed=signed), at + bits // 8
        case Fixed(length):
            return _take(data, at, length), at + length
        case Sized(maximum, count_bits):
            size, start = int.from_bytes(_take(data, at, count_bits // 8), "big"), at + count_bits // 8
            if size > maximum:
                raise MalformedFrame("byte string over its maximum")
            return _take(data, start, size), start + size
        case Counted(element_bits, maximum):
            count, start = int.from_bytes(_take(data, at, 2), "big"), at + 2
            if count > maximum:
                raise MalformedFrame("list over its maximum")
            size = count * element_bits // 8
            return struct.unpack(f">{count}{_CODES[element_bits]}", _take(data, start, size)), start + size


def _take(data: bytes | memoryview, at: int, size: int) -> bytes:
    if at + size > len(data):
        raise MalformedFrame("too short")
    return bytes(data[at : at + size])
