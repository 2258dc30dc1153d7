"""NTP packets as they are on the wire: the 48-byte header, no envelope (RFC 5905 section 7.3).

Extension fields and a MAC may follow a header (RFC 7822); they are kept as they are and not looked
at, so a datagram is a packet if its first 48 bytes are there. Every bit pattern of those bytes is a
header: whether its values make sense, and the rest, is for the protocol to say.
"""

from typing import cast

from clocksync.ntp.packet import HEADER_BYTES, LongPacket, NtpPacket, lengthened
from clocksync.runtime.wire import Frame, layout

_PACKET = layout(NtpPacket)


class NtpCodec:
    """The :class:`clocksync.runtime.codec.Codec` of NTP.

    >>> datagram = NtpCodec().encode(NtpPacket(mode=4, stratum=1))
    >>> len(datagram), NtpCodec().decode(datagram + b"extension").stratum
    (48, 1)
    """

    __slots__ = ()

    def encode(self, frame: Frame) -> bytes:
        """The 48 bytes of an :class:`NtpPacket`, and what a :class:`LongPacket` has behind them.

        Raises:
            ValueError: the frame is no NTP packet, or a field is out of range.
        """
        if not isinstance(frame, NtpPacket):
            raise ValueError(f"NTP carries NtpPacket, not {type(frame).__name__}")
        header = _PACKET.encode(frame)
        return header + frame.trailer if isinstance(frame, LongPacket) else header

    def decode(self, data: bytes | memoryview) -> NtpPacket:
        """The header at the beginning of a datagram; a :class:`LongPacket` where more follows.

        Raises:
            MalformedFrame: it is shorter than 48 bytes.
        """
        packet = cast(NtpPacket, _PACKET.decode(data)[0])
        if len(data) == HEADER_BYTES:
            return packet
        return lengthened(packet, bytes(data[HEADER_BYTES:]))
