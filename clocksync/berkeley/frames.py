"""The frames of the Berkeley algorithm.

Everything is told in the sender's *settled clock*: what its steered clock will show once it has
done all slewing it was told to do. Poll and Answer end in a number that no other datagram of their
sender ends in, by which a driver finds the transmit stamp.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from clocksync.runtime.wire import I32, I64, U8, U16, U32, U64, Fixed, Frame, Sized

ROSTER_BYTES_MAX = 1100
NO_BOUND = (1 << 64) - 1
"""In place of a bound: the sender knows none."""


@dataclass(frozen=True, slots=True)
class Join(Frame):
    """A host wants to be polled, or no longer; its receiver hands it on to the daemon it obeys.

    It is as long as a hello of the handshake (:mod:`clocksync.security`), so that each that cannot
    be read yet may draw one, where the hail beside it was lost.
    """

    KIND: ClassVar[int] = 0x12
    member: Annotated[U16, "the host it is about"]
    boot: Annotated[U32, "drawn when that host's program started"]
    leaving: Annotated[U8, "1: it leaves"]
    term: Annotated[U64, "the term it obeys; 0: none"]
    daemon: Annotated[U16, "that term's daemon; 0: none"]
    address: Annotated[bytes, Sized(64, 8), "where it is, if the sender hands this on: host:port"]
    padding: Annotated[bytes, Fixed(16), "nothing; makes it long enough"] = bytes(16)


@dataclass(frozen=True, slots=True)
class Poll(Frame):
    """The daemon tells its time and asks a member how far its own is from that."""

    KIND: ClassVar[int] = 0x13
    term: Annotated[U64, "the daemon's; higher ones win, of two equal ones that of the lower id"]
    boot: Annotated[U32, "drawn when the daemon's program started"]
    round: Annotated[U32, "counts up from 1 in a term"]
    last: Annotated[U8, "1: the clocks are only looked at, no order will follow but the last"]
    interval: Annotated[U64, "from round to round, ns"]
    rounds_left: Annotated[U32, "rounds still to come after this one; 2^32 - 1: no end is planned"]
    time: Annotated[I64, "the daemon's settled clock, ns since the Unix epoch"]
    roster: Annotated[bytes, Sized(ROSTER_BYTES_MAX), "id=host:port of everybody, the lowest first"]
    number: Annotated[U64, "of this poll"]


@dataclass(frozen=True, slots=True)
class Answer(Frame):
    """A member's difference; also what tells a daemon that an order came, or that it is none."""

    KIND: ClassVar[int] = 0x14
    term: Annotated[U64, "the term the sender obeys"]
    daemon: Annotated[U16, "that term's daemon"]
    daemon_boot: Annotated[U32, "and which start of it"]
    boot: Annotated[U32, "drawn when the sender's program started"]
    bound: Annotated[U64, "how far it may be from the group's time, ns; 2^64 - 1: unknown"]
    total: Annotated[I64, "all adjustments it has accepted, ns"]
    pending: Annotated[I64, "what of them it has still to slew, ns"]
    difference: Annotated[I64, "its settled clock when the poll came, minus the time in the poll"]
    earlier: Annotated[U64, "an earlier poll of the receiver's; 0: none"]
    earlier_held: Annotated[U64, "how long that one's answer took to leave, ns"]
    number: Annotated[U64, "of the poll, or the order, this answers"]


@dataclass(frozen=True, slots=True)
class Order(Frame):
    """The daemon tells a member by how much to adjust its clock, or that all is over."""

    KIND: ClassVar[int] = 0x15
    term: Annotated[U64, "the daemon's"]
    round: Annotated[U32, "it came of; applied once"]
    boot: Annotated[U32, "of the member as it was measured: one that has restarted since is not"]
    over: Annotated[U8, "1: this was all, the member may go"]
    excluded: Annotated[U8, "1: its difference was left out of the average"]
    adjustment: Annotated[I64, "to be slewed, ns"]
    rate: Annotated[I32, "to be added to its rate, parts per 10^9"]
    bound: Annotated[U64, "how far it then is from the group's time at most, ns"]
    residual: Annotated[I64, "with `over`: its settled clock minus the average, ns"]
    number: Annotated[U64, "of this order"]


FRAMES = (Join, Poll, Answer, Order)
