"""NTP packets: bytes by hand, texts for people, and the codec that carries them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocksync.ntp.codec import NtpCodec
from clocksync.ntp.packet import (
    HEADER_BYTES,
    Leap,
    LongPacket,
    Mode,
    NtpPacket,
    kiss_code,
    printable,
    reference_id_text,
)
from clocksync.runtime.codec import Codec
from clocksync.runtime.errors import MalformedFrame
from clocksync.runtime.strategies import frames
from clocksync.runtime.wire import layout
from tests.runtime.shapes import One

CODEC: Codec = NtpCodec()

BY_HAND = [
    # A client's question: no leap, version 4, mode 3; the rest is nobody's business (RFC 9109).
    (
        NtpPacket(version=4, mode=Mode.CLIENT, transmit_timestamp=0x0123456789ABCDEF),
        "23000000 00000000 00000000 00000000"
        "0000000000000000 0000000000000000 0000000000000000 0123456789abcdef",
    ),
    # A stratum 2 server's answer.
    (
        NtpPacket(
            leap=Leap.NONE,
            version=4,
            mode=Mode.SERVER,
            stratum=2,
            poll=6,
            precision=-23,
            root_delay=0x0000012C,
            root_dispersion=0x00000A3D,
            reference_id=0xC0A80101,
            reference_timestamp=0xE8E1D2C300000001,
            origin_timestamp=0x0123456789ABCDEF,
            receive_timestamp=0xE8E1D2C480000000,
            transmit_timestamp=0xE8E1D2C480001000,
        ),
        "240206e9 0000012c 00000a3d c0a80101"
        "e8e1d2c300000001 0123456789abcdef e8e1d2c480000000 e8e1d2c480001000",
    ),
    # A kiss-o'-death of a version 3 server that is not synchronised: 11|011|100.
    (
        NtpPacket(Leap.UNSYNCHRONISED, 3, Mode.SERVER, 0, -1, -128, reference_id=0x52415445),
        "dc00ff80 00000000 00000000 52415445" + "00" * 32,
    ),
]


@pytest.mark.parametrize(("packet", "dump"), BY_HAND, ids=["question", "answer", "kiss"])
def test_a_packet_is_the_bytes_written_by_hand(packet: NtpPacket, dump: str) -> None:
    data = bytes.fromhex(dump)
    assert packet.encode() == CODEC.encode(packet) == data
    assert NtpPacket.decode(data) == CODEC.decode(data) == packet


def test_a_header_is_48_bytes_and_every_field_says_what_it_means() -> None:
    assert layout(NtpPacket).fixed_size == HEADER_BYTES == 48
    assert all(field.meaning for field in layout(NtpPacket))


@given(st.binary(min_size=48, max_size=120))
def test_any_48_bytes_are_a_packet_and_what_follows_is_kept_as_it_is(data: bytes) -> None:
    packet = CODEC.decode(data)
    assert packet == CODEC.decode(memoryview(data))
    assert CODEC.decode(data[:48]) == NtpPacket.decode(data[:48])
    assert CODEC.encode(packet) == packet.encode() == data
    assert (str(packet) == str(NtpPacket.decode(data[:48]))) == (len(data) == 48)
    trailer = packet.trailer if isinstance(packet, LongPacket) else b""
    assert trailer == data[48:]


@given(st.binary(max_size=47))
def test_fewer_are_none(data: bytes) -> None:
    with pytest.raises(MalformedFrame) as caught:
        CODEC.decode(data)
    assert caught.value.reason == "too short"


def test_the_codec_carries_nothing_else() -> None:
    with pytest.raises(ValueError, match=r"^NTP carries NtpPacket, not One$"):
        CODEC.encode(One(1))


@given(frames(NtpPacket))
def test_a_packet_survives_the_wire(packet: NtpPacket) -> None:
    assert CODEC.decode(CODEC.encode(packet)) == packet


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"GPS\0", "GPS"),
        (b"PPS", "PPS"),
        (b"\0\0\0\0", ""),
        (b"\0GPS", r"\x00GPS"),
        (b"a b~", "a b~"),
        (b"\x1b[2J", r"\x1b[2J"),  # would clear the screen
        (b"\x7f\x80\xff\n", r"\x7f\x80\xff\x0a"),
        (b"\\x1b", r"\x5cx1b"),  # not to be taken for an escape of ours
    ],
)
def test_bytes_of_a_peer_cannot_hurt_a_terminal(raw: bytes, text: str) -> None:
    assert printable(raw) == text


@given(st.binary(max_size=8), st.binary(max_size=8))
def test_texts_are_plain_ascii_and_differ_where_the_bytes_do(one: bytes, other: bytes) -> None:
    assert all(" " <= letter <= "~" for letter in printable(one))
    same = one.rstrip(b"\0") == other.rstrip(b"\0")
    assert (printable(one) == printable(other)) == same


def test_a_kiss_code_reads_as_text() -> None:
    assert kiss_code(NtpPacket(reference_id=0x52415445)) == "RATE"
    assert kiss_code(NtpPacket(reference_id=0x1B00FF41)) == r"\x1b\x00\xffA"


@pytest.mark.parametrize(
    ("reference_id", "stratum", "text"),
    [
        (0x47505300, 1, "GPS"),
        (0x494E4954, 0, "INIT"),
        (0x7F7F0101, 2, "127.127.1.1"),
        (0x47505300, 2, "71.80.83.0"),
        (0, 16, "0.0.0.0"),
        (0xFFFFFFFF, 255, "255.255.255.255"),
    ],
)
def test_a_reference_id_reads_as_a_name_or_as_an_address(
    reference_id: int, stratum: int, text: str
) -> None:
    assert reference_id_text(reference_id, stratum) == text


@pytest.mark.parametrize(
    "changes", [{"leap": 4}, {"version": 8}, {"mode": -1}, {"poll": 128}, {"root_delay": 1 << 32}]
)
def test_a_value_out_of_range_is_the_callers_mistake(changes: Any) -> None:
    with pytest.raises(ValueError, match=rf"NtpPacket.{next(iter(changes))} = "):
        NtpPacket(**changes).encode()
