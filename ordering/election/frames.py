"""What members tell each other to elect a leader, and how it is written (one byte in front)."""

from dataclasses import dataclass
from typing import Annotated

from clocksync.runtime.errors import MalformedFrame
from clocksync.runtime.wire import U16, U32, Counted, Frame

MEMBERS_MAX = 256


@dataclass(frozen=True, slots=True)
class Challenge(Frame):
    """Bully: the sender holds an election; is anybody above it alive?"""

    round: Annotated[U32, "of the sender's elections"]


@dataclass(frozen=True, slots=True)
class Alive(Frame):
    """Bully: the answer to a challenge. The sender takes over."""

    round: Annotated[U32, "of the challenge"]


@dataclass(frozen=True, slots=True)
class Victory(Frame):
    """Bully: the sender leads."""

    leader: Annotated[U16, "the sender"]


@dataclass(frozen=True, slots=True)
class Roll(Frame):
    """Ring: who is alive, collected on the way round."""

    hop: Annotated[U32, "number of this message between its sender and its receiver"]
    members: Annotated[tuple[int, ...], Counted(16, MEMBERS_MAX), "in the order they were met"]


@dataclass(frozen=True, slots=True)
class Proclamation(Frame):
    """Ring: who leads, told on the way round once more."""

    hop: Annotated[U32, "number of this message between its sender and its receiver"]
    origin: Annotated[U16, "who proclaims; there it ends"]
    leader: Annotated[U16, "who leads"]


@dataclass(frozen=True, slots=True)
class Passed(Frame):
    """Ring: the receiver's message has arrived, so the sender is alive."""

    hop: Annotated[U32, "of the message"]


FRAMES: tuple[type[Frame], ...] = (Challenge, Alive, Victory, Roll, Proclamation, Passed)


class ElectionCodec:
    """One byte that names the frame, then the frame; see :class:`clocksync.runtime.codec.Codec`."""

    def encode(self, frame: Frame) -> bytes:
        """The bytes of `frame`.

        Raises:
            ValueError: it is no frame of an election, or a field is out of range.
        """
        if type(frame) not in FRAMES:
            raise ValueError(f"{type(frame).__name__} is no frame of an election")
        return FRAMES.index(type(frame)).to_bytes(1, "big") + frame.encode()

    def decode(self, data: bytes | memoryview) -> Frame:
        """The frame that is exactly these bytes.

        Raises:
            MalformedFrame: they are none.
        """
        if not data:
            raise MalformedFrame("empty")
        if data[0] >= len(FRAMES):
            raise MalformedFrame("unknown frame")
        return FRAMES[data[0]].decode(data[1:])
