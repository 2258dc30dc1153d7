"""scapy, which nobody here wrote, reads our bytes as we do."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.ntp import NTPHeader

from clocksync.ntp.packet import NtpPacket
from clocksync.runtime.envelope import Envelope
from clocksync.runtime.scapy_layers import envelope_layer, field_name, layer, to_frame, to_packet
from clocksync.runtime.strategies import frames
from clocksync.runtime.wire import Frame, layout
from tests.runtime.shapes import ALL, Lengths, Nothing, One

DECLARED = (*ALL, NtpPacket)


@given(st.sampled_from(DECLARED).flatmap(frames), st.binary(max_size=5))
def test_scapy_shows_our_values_and_builds_our_bytes(frame: Frame, behind: bytes) -> None:
    data = frame.encode()
    packet = layer(type(frame))(data + behind)
    for field in layout(type(frame)):
        shown = getattr(packet, field_name(field.name))
        value = getattr(frame, field.name)
        assert shown == (list(value) if isinstance(value, tuple) else value), field.name
    assert bytes(packet.payload) == behind
    assert to_frame(type(frame), packet) == frame
    # A dissected packet remembers its bytes: built afresh, scapy has to encode the values.
    packet.remove_payload()
    packet.raw_packet_cache = None
    assert bytes(packet) == data
    assert bytes(to_packet(frame)) == data


def test_names_that_scapy_uses_itself_get_an_underscore() -> None:
    assert field_name("payload") == "payload_"
    assert to_packet(Lengths(1, b"", b"\x05", (), bytes(4), 0, (), ())).payload_ == b"\x05"


def test_counts_are_computed_when_a_packet_is_built() -> None:
    packet = layer(Lengths)(text=b"abc", members=[1, 2], digest=b"\1\2\3\4")
    frame = Lengths.decode(bytes(packet))
    assert (frame.text, frame.members) == (b"abc", (1, 2))


def test_a_list_may_be_as_long_as_declared() -> None:
    # scapy stops at 100 entries by itself.
    frame = Lengths(1, b"", b"", (), bytes(4), 0, tuple(range(200)), ())
    assert to_frame(Lengths, layer(Lengths)(frame.encode())) == frame


def test_the_envelope_shows_the_frame_in_it() -> None:
    codec = Envelope((One, Lengths, Nothing), cluster=9, sender=4)
    dissect = envelope_layer((One, Lengths, Nothing))
    packet = dissect(codec.encode(One(0x2A)))
    assert (packet.magic, packet.version, packet.cluster, packet.sender) == (0xC10C, 1, 9, 4)
    assert packet.payload.name == "One"
    assert packet.payload.only == 0x2A
    assert "only" in packet.show(dump=True)
    # Without the frames the rest stays raw: nothing was registered for everybody.
    assert envelope_layer(())(codec.encode(One(0x2A))).payload.name == "Raw"


def test_a_cut_frame_is_shown_as_raw_bytes_behind_its_header() -> None:
    codec = Envelope((Lengths,), cluster=9, sender=4)
    data = codec.encode(Lengths(1, b"abc", b"", (1,), bytes(4), 0, (2,), ()))
    shown = [envelope_layer((Lengths,))(data[:end]) for end in range(15, len(data) + 1)]
    assert {packet.sender for packet in shown} == {4}
    assert shown[0].payload.name == "Raw"
    assert shown[-1].payload.name == "Lengths"


# Ours, and scapy's own dissector of NTP, written by others from the RFC.
SCAPYS_NAMES = {
    "leap": "leap",
    "version": "version",
    "mode": "mode",
    "stratum": "stratum",
    "root_delay": "delay",
    "root_dispersion": "dispersion",
    "reference_timestamp": "ref",
    "origin_timestamp": "orig",
    "receive_timestamp": "recv",
    "transmit_timestamp": "sent",
}


@given(frames(NtpPacket))
def test_an_ntp_packet_is_what_scapys_own_dissector_says(packet: NtpPacket) -> None:
    theirs: Any = NTPHeader(packet.encode())
    for ours, name in SCAPYS_NAMES.items():
        assert theirs.fields[name] == getattr(packet, ours), ours  # the bits, before any reading
    for ours in ("poll", "precision"):
        # Not every version of scapy gives them their sign.
        assert theirs.fields[ours] % 256 == getattr(packet, ours) % 256
    # As people read them: scapy shows four digits.
    assert float(theirs.delay) == pytest.approx(packet.root_delay / 2**16, rel=1e-3)
    assert float(theirs.sent) == pytest.approx(packet.transmit_timestamp / 2**32, rel=1e-3)
    theirs.raw_packet_cache = None
    assert bytes(theirs) == packet.encode()
