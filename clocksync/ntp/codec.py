"""NTP packets as they are on the wire: the 48-byte header, no envelope (RFC 5905 section 7.3).

Extension fields and a MAC may follow a header (RFC 7822); they are not looked at, so a datagram is
a packet if its first 48 bytes are there. Every bit pattern of those bytes is a header: whether its
values make sense is for the protocol to say.
"""

from typing import cast

from clocksync.ntp.packet import NtpPacket
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
        """The 48 bytes of an :class:`NtpPacket`.

        Raises:
            ValueError: the frame is no NTP packet, or a field is out of range.
        """
        if not isinstance(frame, NtpPacket):
            raise ValueError(f"NTP carries NtpPacket, not {type(frame).__name__}")
        return _PACKET.encode(frame)

    def decode(self, data: bytes | memoryview) -> NtpPacket:
        """The header at the beginning of a datagram.

        Raises:
            MalformedFrame: it is shorter than 48 bytes.
        """
        packet, _ = _PACKET.decode(data)
        return cast(NtpPacket, packet)
