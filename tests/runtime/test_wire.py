"""The codec, against bytes written by hand and against its own promises."""

from dataclasses import dataclass, replace
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocksync.runtime.errors import MalformedFrame
from clocksync.runtime.strategies import frames
from clocksync.runtime.wire import (
    U4,
    U8,
    U16,
    Bits,
    Counted,
    Fixed,
    Frame,
    Sized,
    layout,
)
from tests.runtime.shapes import ALL, Lengths, Nothing, Numbers, One, Packed

NUMBERS = Numbers(1, 0x0203, 0x04050607, 0x08090A0B0C0D0E0F, -1, -2, -3, -4)
PACKED = Packed(0xABCD, 1, 0b010, 0b0011, -128, 0xE, 0xDC, 0xB, b"xyz", 0b10, 0x3FFFFFFE)
LENGTHS = Lengths(7, b"hello", b"\0", (1, 0xFFFF), b"\xde\xad\xbe\xef", -1, (2**64 - 1,), ())

BY_HAND = [
    (
        NUMBERS,
        "01 0203 04050607 08090a0b0c0d0e0f ff fffe fffffffd fffffffffffffffc",
    ),
    (
        Numbers(255, 65535, 2**32 - 1, 2**64 - 1, -128, -(2**15), -(2**31), -(2**63)),
        "ff ffff ffffffff ffffffffffffffff 80 8000 80000000 8000000000000000",
    ),
    # 1|010|0011 is a3; e|dc|b is edcb; 10|111..110 is bffffffe.
    (PACKED, "abcd a3 80 edcb 78797a bffffffe"),
    (
        replace(PACKED, flag=0, code=7, rest=0, last=0, two=1, thirty=1),
        "abcd7080edc078797a40000001",
    ),
    (
        LENGTHS,
        "07 0005 68656c6c6f 01 00 0002 0001 ffff deadbeef ffffffff 0001 ffffffffffffffff 0000",
    ),
    (
        Lengths(0, b"", b"", (), bytes(4), 0, (), (9, 8)),
        "00 0000 00 0000 00000000 00000000 0000 0002 09 08",
    ),
    (One(0x2A), "2a"),
    (Nothing(), ""),
]


@pytest.mark.parametrize(("frame", "dump"), BY_HAND, ids=lambda value: str(value)[:30])
def test_a_frame_is_the_bytes_written_by_hand(frame: Frame, dump: str) -> None:
    data = bytes.fromhex(dump)
    assert frame.encode() == data
    assert type(frame).decode(data) == frame
    assert type(frame).decode(memoryview(data)) == frame


@given(st.sampled_from(ALL).flatmap(frames))
def test_what_is_encoded_is_decoded(frame: Frame) -> None:
    data = frame.encode()
    assert type(frame).decode(data) == frame
    assert type(frame).decode_prefix(data + b"more") == (frame, len(data))


@given(st.sampled_from(ALL), st.binary(max_size=64))
def test_what_decodes_encodes_to_the_same_bytes(cls: type[Frame], data: bytes) -> None:
    try:
        frame, end = cls.decode_prefix(data)
    except MalformedFrame:
        return
    assert frame.encode() == data[:end]


@given(st.sampled_from(ALL).flatmap(frames))
def test_every_beginning_of_a_frame_is_too_short(frame: Frame) -> None:
    data = frame.encode()
    for end in [*range(min(len(data), 64)), *range(max(len(data) - 16, 0), len(data))]:
        with pytest.raises(MalformedFrame) as caught:
            type(frame).decode(data[:end])
        assert caught.value.reason == "too short"


@pytest.mark.parametrize("frame", [frame for frame, _ in BY_HAND], ids=lambda f: str(f)[:30])
def test_bytes_behind_a_frame_are_refused(frame: Frame) -> None:
    with pytest.raises(MalformedFrame) as caught:
        type(frame).decode(frame.encode() + b"\0")
    assert caught.value.reason == "trailing bytes"


@pytest.mark.parametrize(
    ("dump", "reason"),
    [
        # Over the maximum, though the bytes are there; the count is judged before they are read.
        (
            "07 0006 68656c6c6f6f 00 0000 00000000 00000000 0000 0000",
            "byte string over its maximum",
        ),
        ("07 ffff", "byte string over its maximum"),
        ("07 0000 00 0004 0001000200030004 00000000 00000000 0000 0000", "list over its maximum"),
        ("07 0000 00 ffff", "list over its maximum"),
        ("07 0005 68656c6c", "too short"),
        ("07 0000 00 0003 00010002", "too short"),
    ],
)
def test_a_count_over_its_maximum_or_over_the_data_is_refused(dump: str, reason: str) -> None:
    with pytest.raises(MalformedFrame) as caught:
        Lengths.decode(bytes.fromhex(dump))
    assert caught.value.reason == reason


def _limits(cls: type[Frame]) -> list[tuple[str, int, int]]:
    return [
        (field.name, field.shape.lowest, field.shape.highest)
        for field in layout(cls)
        if isinstance(field.shape, Bits)
    ]


@pytest.mark.parametrize("frame", [NUMBERS, PACKED, LENGTHS])
def test_integers_fit_at_their_limits_and_not_beyond(frame: Any) -> None:
    limits = _limits(type(frame))
    assert limits
    for name, lowest, highest in limits:
        for value in (lowest, highest):
            at_limit = replace(frame, **{name: value})
            assert type(frame).decode(at_limit.encode()) == at_limit
        for value in (lowest - 1, highest + 1, 10**30, -(10**30)):
            with pytest.raises(ValueError, match=rf"{name} = -?\d+ is (not in|out of range)"):
                replace(frame, **{name: value}).encode()


def test_the_message_names_the_field_and_its_range() -> None:
    with pytest.raises(ValueError, match=r"^Packed.code = 8 is not in 0 to 7$"):
        replace(PACKED, code=8).encode()
    with pytest.raises(ValueError, match=r"^Numbers.g = 2147483648 is not in -2147483648 to 2147"):
        replace(NUMBERS, g=2**31).encode()


@pytest.mark.parametrize(
    "changes",
    [
        {"nonce": b"xy"},
        {"nonce": b"xyz!"},
        {"nonce": "xyz"},
        {"nonce": None},
        {"code": 1.0},
        {"code": None},
        {"before": 1.0},
        {"before": "1"},
    ],
    ids=str,
)
def test_a_fixed_field_of_another_form_is_the_callers_value_error(changes: Any) -> None:
    # struct alone would cut or pad bytes of the wrong length in silence.
    with pytest.raises(ValueError, match=rf"^Packed.{next(iter(changes))}"):
        replace(PACKED, **changes).encode()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"text": b"hello!"}, "text holds 6 bytes of at most 5"),
        ({"payload": bytes(256)}, "payload holds 256 bytes of at most 255"),
        ({"members": (1, 2, 3, 4)}, "members holds 4 entries of at most 3"),
        ({"members": (65536,)}, "members = "),
        ({"members": (-1,)}, "members = "),
        ({"flags": (256,)}, "flags = "),
        ({"digest": b"abc"}, "digest must be 4 bytes"),
    ],
    ids=str,
)
def test_a_variable_field_over_its_maximum_is_the_callers_value_error(
    changes: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        replace(LENGTHS, **changes).encode()


def test_a_decoded_frame_does_not_change_with_the_buffer_it_came_from() -> None:
    buffer = bytearray(LENGTHS.encode())
    frame = Lengths.decode(memoryview(buffer))
    buffer[:] = bytes(len(buffer))
    assert frame == LENGTHS
    assert type(frame.text) is bytes


def test_the_log_line_names_every_field_and_cuts_what_is_long() -> None:
    assert str(Nothing()) == "Nothing"
    assert str(One(3)) == "One only=3"
    assert str(LENGTHS) == (
        "Lengths head=7 text=68656c6c6f payload=00 members=1,65535 digest=deadbeef total=-1"
        " stamps=18446744073709551615 flags="
    )
    long = replace(LENGTHS, payload=bytes(range(9)), stamps=tuple(range(9)))
    assert "payload=0001020304050607..(9)" in str(long)
    assert "stamps=0,1,2,3,4,5,6,7..(9)" in str(long)


def test_a_layout_tells_names_shapes_meanings_and_the_fixed_size() -> None:
    assert [field.name for field in layout(One)] == ["only"]
    assert [field.meaning for field in layout(Numbers)][:3] == [
        "one byte",
        "two bytes",
        "four bytes",
    ]
    assert layout(Packed).fixed_size == 13
    assert layout(Lengths).fixed_size == 1
    assert layout(One) is layout(One)


def _declare(*annotations: Any) -> type[Frame]:
    names = {f"field{i}": annotation for i, annotation in enumerate(annotations)}
    return dataclass(frozen=True)(type("Wrong", (Frame,), {"__annotations__": names}))


@pytest.mark.parametrize(
    "annotations",
    [
        (int,),
        (Annotated[int, "no shape"],),
        (Annotated[int, Bits(8), Bits(16)],),
        (U4,),
        (U4, U16, U8),
        (U4, Annotated[bytes, Fixed(1)], U4),
        (U4, Annotated[bytes, Sized(9)], U4),
        (Annotated[bytes, Sized(9)], U4, U4),
        (Annotated[int, Bits(4, signed=True)], U4),
        (U4, Annotated[int, Bits(4, signed=True)]),
        (Annotated[int, Bits(128)],),
        (Annotated[bytes, Sized(256, count_bits=8)],),
        (Annotated[bytes, Sized(9, count_bits=12)],),
        (Annotated[tuple[int, ...], Counted(4, maximum=8)],),
        (Annotated[tuple[int, ...], Counted(8, maximum=65536)],),
    ],
    ids=str,
)
def test_a_declaration_that_cannot_lie_on_the_wire_is_caught_at_once(annotations: Any) -> None:
    with pytest.raises(AssertionError):
        layout(_declare(*annotations))
