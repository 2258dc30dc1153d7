"""Whatever bytes or texts come in, a decoder answers with a value or with its named error."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clocksync.runtime.errors import MalformedFrame
from ordering import (
    DottedVersionVector,
    HybridClock,
    HybridStamp,
    IntervalTreeClock,
    IntervalTreeStamp,
    LamportClock,
    LamportStamp,
    Order,
    VectorClock,
    VectorStamp,
    Versions,
)
from ordering.messages import open_envelope, seal
from ordering.process import read_number, write_number

TEXTS = [LamportStamp, VectorStamp, HybridStamp, IntervalTreeStamp, DottedVersionVector]
CODECS = [*TEXTS, IntervalTreeClock]
# Small bytes make lengths and tags that lead deep into a decoder.
raw = st.one_of(st.binary(max_size=40), st.lists(st.integers(0, 5), max_size=24).map(bytes))


@pytest.mark.parametrize("codec", CODECS)
@given(data=raw)
def test_bytes_are_refused_or_are_the_one_way_to_write_their_value(codec, data):
    try:
        value = codec.decode(data)
    except MalformedFrame:
        return
    assert value.encode() == data


@pytest.mark.parametrize("codec", TEXTS)
@given(text=st.text(alphabet='0123ab@:,{}()| "\\+-TZ.±ns', max_size=20))
@example(text="9" * 5000)
@example(text="9" * 5000 + "@a")
@example(text="{a:" + "9" * 5000 + "}")
def test_texts_are_refused_or_say_what_they_mean(codec, text):
    try:
        value = codec.parse(text)
    except ValueError:
        return
    assert codec.parse(str(value)) == value


@pytest.mark.parametrize("codec", CODECS)
def test_every_truncation_and_every_extra_byte_is_noticed(codec):
    whole = {
        LamportStamp: LamportStamp(300, "ab"),
        VectorStamp: VectorStamp({3: 1, "ab": 300}),
        HybridStamp: HybridStamp(1 << 50, "ab"),
        IntervalTreeStamp: IntervalTreeStamp((1, 2, (0, 1, 0))),
        DottedVersionVector: DottedVersionVector.parse("a:300|{b:1}"),
        IntervalTreeClock: IntervalTreeClock((1, (0, 1))),
    }[codec].encode()
    for end in range(len(whole)):
        with pytest.raises(MalformedFrame):
            codec.decode(whole[:end])
    with pytest.raises(MalformedFrame):
        codec.decode(whole + b"\xff")


@given(st.integers(0, 2**64 - 1), st.binary(max_size=3))
def test_numbers_survive_and_end_where_they_end(number, rest):
    written = write_number(number)
    assert read_number(written + rest, 0) == (number, len(written))
    assert len(written) == max(1, -(-number.bit_length() // 7))


def test_numbers_beyond_64_bits_are_refused_both_ways():
    with pytest.raises(ValueError, match="64 bits"):
        write_number(2**64)
    with pytest.raises(ValueError, match="64 bits"):
        write_number(-1)
    for data in (b"\xff" * 9 + b"\x02", b"\xff" * 30, b"\x80\x00"):
        with pytest.raises(MalformedFrame):
            read_number(data, 0)


@given(st.integers(0xC1, 0xC5), st.binary(max_size=200), st.binary(max_size=20))
def test_envelopes_survive(kind, stamp, message):
    assert open_envelope(kind, seal(kind, stamp, message)) == (stamp, message)


@pytest.mark.parametrize(
    ("codec", "data", "reason"),
    [
        (DottedVersionVector, "00 03 00 00 00", "a dot within its own past"),
        (DottedVersionVector, "00 03 02 01 03 02 00", "a dot within its own past"),
        (HybridStamp, "0000000000000000 00 01 ffffffffffffffff7f", "error over its maximum"),
        (LamportStamp, "01 02 00", "unknown kind of process"),
        (LamportStamp, "01 01 8108" + "61" * 1025, "name over its maximum"),
    ],
)
def test_bytes_that_read_well_and_make_no_sense_are_refused(codec, data, reason):
    with pytest.raises(MalformedFrame, match=reason):
        codec.decode(bytes.fromhex(data))


def test_numbers_that_do_not_fit_are_the_callers_mistake():
    for stamp in (LamportStamp(2**64, 1), HybridStamp(2**64, 1), VectorStamp({1: 2**64})):
        with pytest.raises(ValueError, match="64 bits"):
            stamp.encode()


def test_clocks_and_stamps_show_what_they_hold():
    clock = VectorClock("a")
    clock.tick()
    assert repr(clock) == "VectorClock('a', {a:1})"
    assert repr(LamportClock(3, time=4)) == "LamportClock(3, step=1, time=4)"
    assert repr(HybridClock("a", lambda: 0)) == "HybridClock('a', value=0)"
    assert repr(Versions().put("a", "x")) == "Versions([(a:1|{}, 'x')])"
    assert len(Versions().put("a", "x")) == 1
    assert len(VectorStamp({"a": 1, "b": 0})) == 1
    assert str(Order.CONCURRENT) == "concurrent"


def test_stamps_of_another_kind_are_never_equal():
    assert VectorStamp() != Versions()
    assert Versions() != VectorStamp()
    assert IntervalTreeStamp(0) != 0
