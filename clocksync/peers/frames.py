"""The frames by which a host reads another's clock.

Each ends in the number that tells it from all others of its sender: by its last bytes a driver
finds the datagram that a transmit stamp belongs to.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from clocksync.runtime.wire import I64, U64, Frame


@dataclass(frozen=True, slots=True)
class Probe(Frame):
    """Asks for the time of the receiver's clock."""

    KIND: ClassVar[int] = 0x10
    number: Annotated[U64, "of this probe, in no other of this sender"]


@dataclass(frozen=True, slots=True)
class Echo(Frame):
    """Answers a probe with the stamps of both its arrival and its own departure.

    Its own departure it can only guess; that of an earlier answer the kernel has told by now.
    """

    KIND: ClassVar[int] = 0x11
    arrived: Annotated[I64, "when the probe came, ns since the Unix epoch by the sender's clock"]
    left: Annotated[I64, "when this was about to leave, likewise"]
    earlier: Annotated[U64, "an earlier probe of the receiver's; 0: none"]
    earlier_arrived: Annotated[I64, "when that one came"]
    earlier_left: Annotated[I64, "when the answer to it left, as the kernel says"]
    number: Annotated[U64, "of the probe it answers"]
