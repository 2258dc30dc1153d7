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
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from functools import partial
from operator import attrgetter
from typing import Annotated, Any, ClassVar, Self, TypeAlias

from clocksync.runtime.errors import MalformedFrame
from clocksync.runtime.records import maker


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
I16 = Annotated[int, Bits(16, signed=True)]
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
    one number of it. That makes an NTP packet a microsecond each way instead of ten.
    """

    def __init__(self, cls: type[Frame]) -> None:
        self.cls = cls
        # A frame that checks itself when it is made, or extends another, must be made by its own
        # constructor.
        is_plain = Frame in cls.__bases__ and not hasattr(cls, "__post_init__")
        self._make: Callable[..., Frame] = maker(cls) if is_plain else cls
        hints = typing.get_type_hints(cls, include_extras=True)
        self.fields = [_field(cls, f.name, hints[f.name]) for f in fields(typing.cast(Any, cls))]
        head = 0
        while head < len(self.fields) and isinstance(self.fields[head].shape, Bits | Fixed):
            head += 1
        self._head, self._tail = self.fields[:head], self.fields[head:]
        for field in self._tail:
            assert _stands_alone(field.shape), f"{cls.__name__}.{field.name} must fill whole bytes"
        self._decoders = [_decoder(field) for field in self._tail]
        self._read = _reader([field.name for field in self._head])
        self._lengths = [
            (i, field.shape.length)
            for i, field in enumerate(self._head)
            if isinstance(field.shape, Fixed)
        ]
        codes, self._runs = _compile(cls, self._head)
        self._runs_from_the_end = self._runs[::-1]
        self._packings = [
            (
                place,
                place + len(run),
                [(i, shift, ~mask) for i, (shift, mask) in enumerate(run, place)],
            )
            for place, run in self._runs
        ]
        self.head = struct.Struct(">" + codes)

    def __iter__(self) -> Iterator[Field]:
        return iter(self.fields)

    @property
    def fixed_size(self) -> int:
        """Bytes before the first field of variable length."""
        return self.head.size

    def encode(self, frame: Frame) -> bytes:
        """See :meth:`Frame.encode`."""
        values = self._read(frame)
        try:
            for i, length in self._lengths:
                if len(values[i]) != length:
                    raise self._culprit(frame)
            for place, end, run in self._packings:
                number = 0
                for i, shift, outside in run:
                    value = values[i]
                    if value & outside:  # too large, or negative
                        raise self._culprit(frame)
                    number |= value << shift
                values = (*values[:place], number, *values[end:])
            head = self.head.pack(*values)
        except (struct.error, TypeError):
            raise self._culprit(frame) from None
        if not self._tail:
            return head
        return b"".join([head, *(_encode_one(f, getattr(frame, f.name)) for f in self._tail)])

    def decode(self, data: bytes | memoryview) -> tuple[Frame, int]:
        """See :meth:`Frame.decode_prefix`."""
        at = self.head.size
        if len(data) < at:
            raise MalformedFrame("too short")
        values = self.head.unpack_from(data)
        for place, run in self._runs_from_the_end:  # earlier places stay true
            number = values[place]
            parts = [number >> shift & mask for shift, mask in run]
            values = (*values[:place], *parts, *values[place + 1 :])
        if not self._tail:
            return self._make(*values), at
        found = list(values)
        for decode in self._decoders:
            value, at = decode(data, at)
            found.append(value)
        return self._make(*found), at

    def _culprit(self, frame: Frame) -> ValueError:
        """Why the fixed fields of `frame` do not fit: named only now, so that success is fast."""
        for field in self._head:
            value, shape = getattr(frame, field.name), field.shape
            name = f"{self.cls.__name__}.{field.name}"
            if isinstance(shape, Fixed) and not (
                isinstance(value, bytes | bytearray) and len(value) == shape.length
            ):
                return ValueError(f"{name} must be {shape.length} bytes, not {value!r}")
            if isinstance(shape, Bits) and not (
                isinstance(value, int) and shape.lowest <= value <= shape.highest
            ):
                return ValueError(f"{name} = {value!r} is not in {shape.lowest} to {shape.highest}")
        raise AssertionError(f"every field of {frame} fits, and yet it cannot be packed")


# The bit fields that share one number of the struct: (shift, mask) of each, first field first.
_Run: TypeAlias = list[tuple[int, int]]


def _compile(cls: type[Frame], head: list[Field]) -> tuple[str, list[tuple[int, _Run]]]:
    """The struct codes of the fixed fields, and the runs of bit fields by place among them."""
    codes: list[str] = []
    runs: list[tuple[int, _Run]] = []
    widths: list[int] = []
    for i, field in enumerate(head):
        shape = field.shape
        if isinstance(shape, Bits) and (widths or not _stands_alone(shape)):
            assert not shape.signed, f"{cls.__name__}.{field.name}: a bit field has no sign"
            widths.append(shape.bits)
            total = sum(widths)
            if total in _CODES:
                shifts = [total - sum(widths[: j + 1]) for j in range(len(widths))]
                run = [(shift, (1 << bits) - 1) for shift, bits in zip(shifts, widths, strict=True)]
                # Runs are packed first to last, so by then each earlier one is a single number.
                runs.append((i + 1 - len(widths) - sum(len(r) - 1 for _, r in runs), run))
                codes.append(_CODES[total])
                widths = []
            continue
        assert not widths, f"{cls.__name__}: the bit fields before {field.name} must fill bytes"
        codes.append(f"{shape.length}s" if isinstance(shape, Fixed) else _code(shape))
    assert not widths, f"{cls.__name__}: bit fields must fill whole bytes"
    return "".join(codes), runs


def _code(shape: Shape) -> str:
    assert isinstance(shape, Bits)
    return _CODES[shape.bits].lower() if shape.signed else _CODES[shape.bits]


def _stands_alone(shape: Shape) -> bool:
    return not isinstance(shape, Bits) or shape.bits in _CODES


def _reader(names: list[str]) -> Callable[[Frame], tuple[Any, ...]]:
    """A function that reads these attributes as a tuple; attrgetter gives none below two names."""
    if len(names) > 1:
        return attrgetter(*names)
    return lambda frame: tuple(getattr(frame, name) for name in names)


_LAYOUTS: dict[type[Frame], Layout] = {}


def layout(cls: type[Frame]) -> Layout:
    """The layout of a frame class, compiled on first use."""
    found = _LAYOUTS.get(cls)
    if found is None:
        found = _LAYOUTS[cls] = Layout(cls)
    return found


def _field(cls: type[Frame], name: str, hint: Any) -> Field:
    metadata = getattr(hint, "__metadata__", ())
    shapes = [part for part in metadata if isinstance(part, Bits | Sized | Fixed | Counted)]
    assert len(shapes) == 1, f"{cls.__name__}.{name} declares {len(shapes)} shapes on the wire"
    match shapes[0]:
        case Sized(maximum, count_bits):
            assert count_bits in _CODES, f"{cls.__name__}.{name}: a count of {count_bits} bits"
            assert maximum < 1 << count_bits, f"{cls.__name__}.{name}: maximum over its count"
        case Counted(element_bits, maximum):
            assert element_bits in _CODES, f"{cls.__name__}.{name}: entries must fill whole bytes"
            assert maximum < 1 << 16, f"{cls.__name__}.{name}: maximum over its count"
    meaning = " ".join(part for part in metadata if isinstance(part, str))
    return Field(name, shapes[0], meaning)


def _encode_one(field: Field, value: Any) -> bytes:
    match field.shape:
        case Bits():
            try:
                return struct.pack(">" + _code(field.shape), value)
            except struct.error:
                raise ValueError(f"{field.name} = {value!r} is out of range") from None
        case Fixed(length):
            if len(value) != length:
                raise ValueError(f"{field.name} must be {length} bytes, not {value!r}")
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
                raise ValueError(f"{field.name} = {value!r} is out of range") from None


_DecodeOne: TypeAlias = Callable[[bytes | memoryview, int], tuple[Any, int]]


def _decoder(field: Field) -> _DecodeOne:
    """A function that reads this field at an offset, and says where it ends. Made once: datagrams
    are the hot path."""
    match field.shape:
        case Bits(bits, signed):
            return partial(_decode_integer, bits // 8, signed)
        case Fixed(length):
            return lambda data, at: (_take(data, at, length), at + length)
        case Sized(maximum, count_bits):
            return partial(_decode_sized, maximum, struct.Struct(f">{_CODES[count_bits]}"))
        case Counted(element_bits, maximum):
            return partial(_decode_counted, maximum, element_bits // 8, _CODES[element_bits])


def _decode_integer(size: int, signed: bool, data: bytes | memoryview, at: int) -> tuple[int, int]:
    return int.from_bytes(_take(data, at, size), "big", signed=signed), at + size


def _decode_sized(
    maximum: int, count: struct.Struct, data: bytes | memoryview, at: int
) -> tuple[bytes, int]:
    start = at + count.size
    if start > len(data):
        raise MalformedFrame("too short")
    (size,) = count.unpack_from(data, at)
    if size > maximum:
        raise MalformedFrame("byte string over its maximum")
    return _take(data, start, size), start + size


def _decode_counted(
    maximum: int, size: int, code: str, data: bytes | memoryview, at: int
) -> tuple[tuple[int, ...], int]:
    start = at + 2
    if start > len(data):
        raise MalformedFrame("too short")
    count = data[at] << 8 | data[at + 1]
    if not count:
        return (), start
    if count > maximum:
        raise MalformedFrame("list over its maximum")
    end = start + count * size
    if end > len(data):
        raise MalformedFrame("too short")
    return struct.unpack_from(f">{count}{code}", data, start), end


def _take(data: bytes | memoryview, at: int, size: int) -> bytes:
    if at + size > len(data):
        raise MalformedFrame("too short")
    return bytes(data[at : at + size])
