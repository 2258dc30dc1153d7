"""The envelope: bytes by hand, and every reason for which a datagram is refused."""

from dataclasses import dataclass
from typing import ClassVar
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocksync.ntp.packet import NtpPacket
from clocksync.runtime import envelope
from clocksync.runtime.codec import Codec
from clocksync.runtime.envelope import Envelope, EnvelopeHeader
from clocksync.runtime.errors import BadConfig, MalformedFrame
from clocksync.runtime.strategies import frames
from clocksync.runtime.wire import U8, Frame
from tests.runtime.shapes import ALL, Lengths, Nothing, Numbers, One

CODEC = Envelope(ALL, cluster=0x01020304, sender=0x0506)
DATAGRAM = CODEC.encode(One(0x2A))


def _refusal(data: bytes, codec: Envelope = CODEC) -> str:
    with pytest.raises(MalformedFrame) as caught:
        codec.decode(data)
    return caught.value.reason


def _with(at: int, new: bytes, checked: bool = True) -> bytes:
    """The datagram with bytes replaced, and its checksum made right again if `checked`."""
    data = bytearray(DATAGRAM)
    data[at : at + len(new)] = new
    if checked:
        data[10:14] = crc32(data[:10] + data[14:]).to_bytes(4, "big")
    return bytes(data)


def test_a_datagram_is_the_bytes_written_by_hand() -> None:
    # The checksum is what gzip wrote for the other eleven bytes.
    assert DATAGRAM.hex() == "c10c01f3010203040506df544ebb2a"
    assert CODEC.open(DATAGRAM) == (0x0506, One(0x2A))
    assert len(CODEC.encode(Nothing())) == 14


@given(st.sampled_from(ALL).flatmap(frames), st.integers(0, 65535))
def test_what_goes_in_comes_out_with_its_sender(frame: Frame, sender: int) -> None:
    theirs = Envelope(ALL, cluster=0x01020304, sender=sender)
    assert CODEC.open(memoryview(theirs.encode(frame))) == (sender, frame)
    codec: Codec = CODEC
    assert codec.decode(theirs.encode(frame)) == frame


def test_the_header_is_as_declared() -> None:
    header, end = EnvelopeHeader.decode_prefix(DATAGRAM)
    assert end == 14
    assert header == EnvelopeHeader(
        0xC10C, 1, 0xF3, 0x01020304, 0x0506, crc32(DATAGRAM[:10] + DATAGRAM[14:])
    )


def test_each_cause_of_a_refusal_has_its_own_reason() -> None:
    assert _refusal(b"") == _refusal(DATAGRAM[:13]) == envelope.TOO_SHORT
    assert _refusal(_with(0, b"\xc1\x0d")) == envelope.FOREIGN_MAGIC
    assert _refusal(_with(2, b"\x02")) == envelope.OTHER_VERSION
    assert _refusal(_with(4, b"\xff")) == envelope.WRONG_CLUSTER
    assert _refusal(_with(14, b"\x2b", checked=False)) == envelope.BAD_CHECKSUM
    assert _refusal(_with(8, b"\x77", checked=False)) == envelope.BAD_CHECKSUM
    assert _refusal(_with(3, b"\x05")) == envelope.UNKNOWN_KIND
    assert _refusal(_with(14, b"\x2a\x2b")) == "trailing bytes"
    reasons = [
        envelope.TOO_SHORT,
        envelope.FOREIGN_MAGIC,
        envelope.OTHER_VERSION,
        envelope.WRONG_CLUSTER,
        envelope.BAD_CHECKSUM,
        envelope.UNKNOWN_KIND,
    ]
    assert len(set(reasons)) == len(reasons)


def test_another_version_is_told_before_anything_that_version_may_have_changed() -> None:
    assert _refusal(b"\xc1\x0c\x02" + b"\xff" * 20) == envelope.OTHER_VERSION


def test_another_clusters_datagram_is_not_taken_for_a_corrupt_one() -> None:
    theirs = Envelope(ALL, cluster=7, sender=1).encode(Nothing())
    assert _refusal(theirs) == envelope.WRONG_CLUSTER


@given(frames(Lengths), st.data())
def test_no_flipped_bits_within_32_get_through(frame: Lengths, data: st.DataObject) -> None:
    good = CODEC.encode(frame)
    burst = data.draw(st.integers(1, 2**32 - 1))
    shift = data.draw(st.integers(0, len(good) * 8 - burst.bit_length()))
    bad = (int.from_bytes(good, "big") ^ burst << shift).to_bytes(len(good), "big")
    assert _refusal(bad) in {
        envelope.FOREIGN_MAGIC,
        envelope.OTHER_VERSION,
        envelope.WRONG_CLUSTER,
        envelope.BAD_CHECKSUM,
    }


def test_a_frame_not_given_is_not_sent() -> None:
    small = Envelope((One,), cluster=0, sender=0)
    for frame in (Nothing(), NtpPacket(), Impostor(1)):
        with pytest.raises(ValueError, match=f"^{type(frame).__name__} is not a frame of this env"):
            small.encode(frame)
    assert _refusal(Envelope(ALL, 0, 0).encode(Nothing()), small) == envelope.UNKNOWN_KIND


@dataclass(frozen=True, slots=True)
class Impostor(Frame):
    """Has the kind of another frame."""

    KIND: ClassVar[int] = One.KIND
    only: U8


@pytest.mark.parametrize(
    ("classes", "cluster", "sender", "message"),
    [
        ((One, Impostor), 0, 0, "One and Impostor both have the kind 0xf3"),
        ((NtpPacket,), 0, 0, "NtpPacket has no kind"),
        ((One,), 1 << 32, 0, "cluster = 4294967296 is not in 0 to 4294967295"),
        ((One,), -1, 0, "cluster = -1"),
        ((One,), 0, 1 << 16, "node number 65536 is not in 0 to 65535"),
        ((One,), 0, -1, "node number -1"),
    ],
)
def test_an_impossible_setting_is_named(
    classes: tuple[type[Frame], ...], cluster: int, sender: int, message: str
) -> None:
    with pytest.raises(BadConfig, match=message):
        Envelope(classes, cluster, sender)


def test_naming_a_class_twice_is_no_conflict() -> None:
    assert Envelope((One, One, Numbers), 0, 0).decode(Envelope((One,), 0, 0).encode(One(1))) == One(
        1
    )
