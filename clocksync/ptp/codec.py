"""PTP messages as they are in UDP datagrams (IEEE 1588-2019 13, Annexes C and D).

Strict in what matters: the version, a known type, and a length that holds the body and is there.
What follows the body is ignored: TLVs, and the two bytes that Annex D lets follow over IPv6.
"""

from clocksync.ptp.frames import (
    VERSION,
    Announce,
    DelayReq,
    DelayResp,
    FollowUp,
    MessageType,
    PdelayReq,
    PdelayResp,
    PdelayRespFollowUp,
    PtpHeader,
    Sync,
)
from clocksync.runtime.errors import MalformedFrame
from clocksync.runtime.wire import Frame, layout

_READ: dict[int, type[PtpHeader]] = {
    cls.TYPE: cls
    for cls in (
        Sync,
        DelayReq,
        PdelayReq,
        PdelayResp,
        FollowUp,
        DelayResp,
        PdelayRespFollowUp,
        Announce,
    )
}
_KNOWN = frozenset(MessageType)


class PtpCodec:
    """The :class:`clocksync.runtime.codec.Codec` of PTP.

    >>> datagram = PtpCodec().encode(made(DelayReq, sequence=7))
    >>> len(datagram), PtpCodec().decode(datagram + b"what follows").sequence
    (44, 7)
    """

    __slots__ = ()

    def encode(self, frame: Frame) -> bytes:
        """The bytes of a PTP message.

        Raises:
            ValueError: the frame is no PTP message, or a field is out of range.
        """
        if not isinstance(frame, PtpHeader):
            raise ValueError(f"PTP carries PtpHeader, not {type(frame).__name__}")
        return frame.encode()

    def decode(self, data: bytes | memoryview) -> PtpHeader:
        """The message at the beginning of a datagram: of its own class where it is one that is
        read here, else its header.

        Raises:
            MalformedFrame: it is of another version, of no known type, or shorter than it says or
                must be.
        """
        if len(data) < 4:
            raise MalformedFrame("too short")
        kind, version, length = data[0] & 0xF, data[1] & 0xF, data[2] << 8 | data[3]
        if version != VERSION:
            raise MalformedFrame("not PTP version 2")
        if kind not in _KNOWN:
            raise MalformedFrame("a reserved message type")
        cls = _READ.get(kind, PtpHeader)
        if length < layout(cls).fixed_size:
            raise MalformedFrame("its length does not hold its body")
        if length > len(data):
            raise MalformedFrame("shorter than it says")
        return cls.decode_prefix(data)[0]


def made(cls: type[PtpHeader], **values: int) -> PtpHeader:
    """A message of that class with its type and length filled in; `values` are other fields."""
    return cls(message_type=cls.TYPE, message_length=layout(cls).fixed_size, **values)
