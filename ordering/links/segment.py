"""The one frame of a reliable link."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from clocksync.runtime.wire import U16, U64, Frame, Sized

PAYLOAD_BYTES = 1394
"""With this frame's head and the envelope it fills 1452 bytes: an MTU of 1500 less IPv6 and UDP."""

PAYLOAD_BYTES_MAX = 8192

SELECTIVE_BITS = 64


@dataclass(frozen=True, slots=True)
class Segment(Frame):
    """A piece of one member's stream to another, and what it has received of the other's."""

    KIND: ClassVar[int] = 0x20
    incarnation: Annotated[U64, "drawn by the sender when it started; never 0"]
    to_incarnation: Annotated[U64, "the receiver's, as the sender heard it; 0: not heard yet"]
    sequence: Annotated[U64, "number of this piece, from 1; 0: there is none, only what follows"]
    received_up_to: Annotated[U64, "every piece of the receiver's up to this one has arrived"]
    received_beyond: Annotated[U64, "bit i, from the least: piece received_up_to + 2 + i has too"]
    window: Annotated[U16, "how many pieces after received_up_to the sender takes at present"]
    payload: Annotated[bytes, Sized(maximum=PAYLOAD_BYTES_MAX), "the piece"]
