"""The frame, against bytes made by hand."""

from clocksync.runtime.envelope import Envelope
from ordering.links import Segment
from ordering.links.segment import PAYLOAD_BYTES

IPV6_AND_UDP_BYTES = 48


def test_a_segment_is_written_as_documented() -> None:
    frame = Segment(1, 2, 3, 4, 5, 6, b"abc")
    assert frame.encode() == bytes.fromhex(
        "0000000000000001 0000000000000002 0000000000000003 0000000000000004 0000000000000005"
        "0006 0003 616263"
    )
    assert Segment.decode(frame.encode()) == frame


def test_a_full_segment_fits_an_ethernet_frame_over_ipv6() -> None:
    full = Segment(1, 2, 3, 4, 5, 6, bytes(PAYLOAD_BYTES))
    datagram = Envelope((Segment,), cluster=1, sender=1).encode(full)
    assert len(datagram) + IPV6_AND_UDP_BYTES == 1500
