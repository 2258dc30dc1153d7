"""How frames become bytes in a world that was not told how: any declared frame, no envelope."""

from clocksync.runtime.errors import MalformedFrame
from clocksync.runtime.wire import Frame


class DeclaredFrames:
    """A codec for any declared frame: one byte that numbers its class, then the frame.

    Classes are numbered as they are first sent, so there is nothing to register, and a run is the
    same every time. What comes from outside (``World.inject``) and wears no such number is
    malformed. A program with a wire format of its own gives the world that codec instead.
    """

    def __init__(self) -> None:
        self._numbers: dict[type[Frame], bytes] = {}
        self._classes: list[type[Frame]] = []

    def encode(self, frame: Frame) -> bytes:
        """The datagram that carries `frame`.

        Raises:
            ValueError: a field is out of its declared range, or it is no declared frame.
        """
        cls = type(frame)
        number = self._numbers.get(cls)
        if number is None:
            if not issubclass(cls, Frame):
                raise ValueError(f"{frame!r} is no frame")
            number = self._numbers[cls] = len(self._classes).to_bytes(1, "big")
            self._classes.append(cls)
        return number + frame.encode()

    def decode(self, data: bytes | memoryview) -> Frame:
        """The frame in a datagram.

        Raises:
            MalformedFrame: there is none.
        """
        if not data:
            raise MalformedFrame("empty")
        if data[0] >= len(self._classes):
            raise MalformedFrame("unknown kind")
        return self._classes[data[0]].decode(data[1:])
