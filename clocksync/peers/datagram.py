"""Datagrams as they are: what a core is given that takes them apart itself."""

from dataclasses import dataclass

from clocksync.runtime import wire


@dataclass(frozen=True, slots=True)
class Datagram(wire.Frame):
    """All the bytes of a datagram. No frame of a format: nothing declares what is in it."""

    data: bytes

    def encode(self) -> bytes:
        return self.data

    def __str__(self) -> str:
        return f"Datagram({len(self.data)})"


class Datagrams:
    """The :class:`clocksync.runtime.codec.Codec` of a core that takes them whole."""

    __slots__ = ()

    def encode(self, frame: wire.Frame) -> bytes:
        """The datagram itself."""
        return frame.encode()

    def decode(self, data: bytes | memoryview) -> Datagram:
        """A datagram, whatever is in it."""
        return Datagram(bytes(data))
