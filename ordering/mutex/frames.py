"""What members of a mutex tell each other, and how it is written.

Frames travel as messages over reliable FIFO links, not as datagrams of their own, so they have no
kind in the toolkit's envelope: :class:`MutexCodec` puts one byte in front that says which frame
follows. Logical times and numbers of requests are never 0.
"""

from dataclasses import dataclass
from typing import Annotated

from clocksync.runtime.errors import MalformedFrame
from clocksync.runtime.wire import U8, U16, U32, U64, Counted, Frame, Sized

MEMBERS_MAX = 256
"""A member's place takes 8 bits of a fencing token."""
PAYLOAD_MAX = 8192


@dataclass(frozen=True, slots=True)
class Request(Frame):
    """The sender wants to enter."""

    number: Annotated[U64, "its Lamport time, or how many requests it has made"]


@dataclass(frozen=True, slots=True)
class Release(Frame):
    """The sender has left, and its request is served."""

    number: Annotated[U64, "of the request that is served"]
    time: Annotated[U64, "Lamport time of the sender; 0 where none is kept"]


@dataclass(frozen=True, slots=True)
class Withdraw(Frame):
    """The sender does not want to enter any more, and has not entered."""

    number: Annotated[U64, "of the request that is taken back"]
    time: Annotated[U64, "Lamport time of the sender; 0 where none is kept"]


@dataclass(frozen=True, slots=True)
class Grant(Frame):
    """The coordinator lets the receiver enter."""

    number: Annotated[U64, "of the request that is granted"]
    token: Annotated[U64, "how many grants there were, this one included"]


@dataclass(frozen=True, slots=True)
class Denied(Frame):
    """The coordinator says that the receiver has to wait, where it is set to say so."""

    number: Annotated[U64, "of the request that waits"]
    ahead: Annotated[U32, "how many are served before it, the holder included"]


@dataclass(frozen=True, slots=True)
class Permission(Frame):
    """Ricart and Agrawala's OK: as far as the sender is concerned, the receiver may enter."""

    number: Annotated[U64, "of the request that is answered"]
    time: Annotated[U64, "Lamport time of the sender"]


@dataclass(frozen=True, slots=True)
class Vote(Frame):
    """An OK that is exclusive: the sender gives no other until this one comes back."""

    number: Annotated[U64, "of the request that is voted for"]


@dataclass(frozen=True, slots=True)
class Inquire(Frame):
    """An earlier request came: may the sender have its vote back?"""

    number: Annotated[U64, "of the request that was voted for"]


@dataclass(frozen=True, slots=True)
class Yield(Frame):
    """The sender has not entered yet and gives the vote back; its request stays."""

    number: Annotated[U64, "of the request that was voted for"]


@dataclass(frozen=True, slots=True)
class Stale(Frame):
    """A later request was served meanwhile: ask again, or fencing tokens would fall."""

    number: Annotated[U64, "of the request that came too late"]
    time: Annotated[U64, "Lamport time that was served: ask with a later one"]


@dataclass(frozen=True, slots=True)
class Ballot(Frame):
    """A client asks one of the coordinators for its vote."""

    attempt: Annotated[U64, "how many attempts the client has made"]
    proposal: Annotated[U64, "the fencing token it would enter with"]


DENIED, GRANTED, BEHIND = 0, 1, 2


@dataclass(frozen=True, slots=True)
class BallotAnswer(Frame):
    """What a coordinator says to a ballot."""

    attempt: Annotated[U64, "of the ballot"]
    verdict: Annotated[U8, "0 another client has the vote, 1 granted, 2 granted, but propose more"]
    highest: Annotated[U64, "the highest token this coordinator has voted for"]


@dataclass(frozen=True, slots=True)
class BallotReturn(Frame):
    """The client gives the vote back, entered or not."""

    attempt: Annotated[U64, "of the ballot"]


@dataclass(frozen=True, slots=True)
class RingToken(Frame):
    """Whoever has it may enter; it goes from member to member."""

    hops: Annotated[U64, "how often it was passed"]
    grants: Annotated[U64, "how many entries it has served"]


@dataclass(frozen=True, slots=True)
class BroadcastToken(Frame):
    """Suzuki and Kasami's token: whoever has it may enter; it goes where it is asked for."""

    grants: Annotated[U64, "how many entries it has served"]
    served: Annotated[tuple[int, ...], Counted(64, MEMBERS_MAX), "last request served, by place"]
    queue: Annotated[tuple[int, ...], Counted(16, MEMBERS_MAX), "places that wait, first one first"]


@dataclass(frozen=True, slots=True)
class Heartbeat(Frame):
    """The sender asks for its lease."""

    sent_at: Annotated[U64, "the sender's own reading, which comes back to it"]
    generation: Annotated[U64, "the epoch it is in"]
    promised: Annotated[U64, "the highest ballot it has promised"]


@dataclass(frozen=True, slots=True)
class Lease(Frame):
    """The answer: the sender helps no new epoch to begin without the receiver for a while."""

    sent_at: Annotated[U64, "of the heartbeat"]
    generation: Annotated[U64, "the epoch it holds for"]


@dataclass(frozen=True, slots=True)
class Prepare(Frame):
    """The sender wants to begin a new epoch."""

    ballot: Annotated[U64, "round << 16 | the proposer's place of honour, its number"]
    generation: Annotated[U64, "the epoch that is to end"]


@dataclass(frozen=True, slots=True)
class Promise(Frame):
    """The sender enters no more in this epoch, and helps no lower ballot."""

    ballot: Annotated[U64, "that is promised"]
    generation: Annotated[U64, "the epoch that is to end"]
    holding: Annotated[U8, "1: the sender is still inside; it promises again when it has left"]
    accepted_ballot: Annotated[U64, "of the members it has accepted; 0 if none"]
    accepted: Annotated[tuple[int, ...], Counted(16, MEMBERS_MAX), "those members"]


@dataclass(frozen=True, slots=True)
class Accept(Frame):
    """The sender asks to settle who is in the next epoch."""

    ballot: Annotated[U64, "that a majority has promised"]
    generation: Annotated[U64, "the epoch that is to end"]
    outside: Annotated[tuple[int, ...], Counted(16, MEMBERS_MAX), "promised, and not inside"]
    members: Annotated[tuple[int, ...], Counted(16, MEMBERS_MAX), "of the next epoch"]


@dataclass(frozen=True, slots=True)
class Accepted(Frame):
    """The sender has accepted."""

    ballot: Annotated[U64, "of what it accepted"]
    generation: Annotated[U64, "the epoch that is to end"]


@dataclass(frozen=True, slots=True)
class Install(Frame):
    """A majority has accepted: this is the epoch now."""

    generation: Annotated[U64, "number of the epoch"]
    members: Annotated[tuple[int, ...], Counted(16, MEMBERS_MAX), "who is in it"]


@dataclass(frozen=True, slots=True)
class Join(Frame):
    """The sender wants to be a member."""

    member: Annotated[U16, "its number"]


@dataclass(frozen=True, slots=True)
class Leave(Frame):
    """The sender wants to be a member no more."""

    member: Annotated[U16, "its number"]


@dataclass(frozen=True, slots=True)
class InEpoch(Frame):
    """A frame of the algorithm that runs inside an epoch."""

    generation: Annotated[U64, "the epoch"]
    payload: Annotated[bytes, Sized(PAYLOAD_MAX), "the frame, as MutexCodec writes it"]


# The place is the number on the wire: append, never insert.
FRAMES: tuple[type[Frame], ...] = (
    *(Request, Release, Withdraw, Grant, Denied, Permission, Vote, Inquire, Yield, Stale),
    *(Ballot, BallotAnswer, BallotReturn, RingToken, BroadcastToken),
    *(Heartbeat, Lease, Prepare, Promise, Accept, Accepted, Install, Join, Leave, InEpoch),
)


class MutexCodec:
    """One byte that names the frame, then the frame; see :class:`clocksync.runtime.codec.Codec`.

    >>> MutexCodec().decode(MutexCodec().encode(Request(7)))
    Request(number=7)
    """

    _numbers = {cls: place.to_bytes(1, "big") for place, cls in enumerate(FRAMES)}  # noqa: RUF012

    def encode(self, frame: Frame) -> bytes:
        """The bytes of `frame`.

        Raises:
            ValueError: it is no frame of a mutex, or a field is out of range.
        """
        number = self._numbers.get(type(frame))
        if number is None:
            raise ValueError(f"{type(frame).__name__} is no frame of a mutex")
        return number + frame.encode()

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
