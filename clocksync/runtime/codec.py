"""Codec: how the frames of one protocol become datagrams and come back.

A driver is handed one of these and knows nothing more of the format: frames of the toolkit travel
in an envelope (:class:`clocksync.runtime.envelope.Envelope`), foreign formats as they are
(:class:`clocksync.ntp.codec.NtpCodec`). Pure: no codec reads a clock or keeps state between calls.
"""

from typing import Protocol

from clocksync.runtime.wire import Frame


class Codec(Protocol):
    """Frames to datagrams and back."""

    def encode(self, frame: Frame) -> bytes:
        """The datagram that carries `frame`.

        Raises:
            ValueError: the frame is not one this codec carries, or a field is out of range.
        """
        ...

    def decode(self, data: bytes | memoryview) -> Frame:
        """The frame a datagram carries. `data` may be reused by the caller afterwards.

        Raises:
            MalformedFrame: the datagram carries no frame of this protocol. Nothing else is raised,
                whatever the bytes.
        """
        ...
