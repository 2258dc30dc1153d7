"""The messages of PTP version 2 that a listener hears and sends (IEEE 1588-2008 and -2019, 13).

Every message begins with the same 34 bytes; TLVs may follow a body and are not looked at. The two
editions of the standard differ in the names of what 2008 left reserved; the names here are those of
2019. A frame keeps every field, so that it encodes to the bytes it came from.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, ClassVar, NamedTuple

from clocksync.runtime.units import SECOND
from clocksync.runtime.wire import I8, I16, I64, U4, U8, U16, U32, U64, Frame

VERSION = 2
HEADER_BYTES = 34
UNICAST_INTERVAL = 0x7F
"""A logMessageInterval that says nothing."""
CORRECTION_OVERFLOW = (1 << 63) - 1
"""A correctionField that is too large to be told (2019, 13.3.2.9)."""

ALTERNATE_MASTER = 0x0100
TWO_STEP = 0x0200
UNICAST = 0x0400
LEAP_61 = 0x0001
LEAP_59 = 0x0002
UTC_OFFSET_VALID = 0x0004
PTP_TIMESCALE = 0x0008
TIME_TRACEABLE = 0x0010


class MessageType(IntEnum):
    """Table 36 of 2019; the others are reserved."""

    SYNC = 0x0
    DELAY_REQ = 0x1
    PDELAY_REQ = 0x2
    PDELAY_RESP = 0x3
    FOLLOW_UP = 0x8
    DELAY_RESP = 0x9
    PDELAY_RESP_FOLLOW_UP = 0xA
    ANNOUNCE = 0xB
    SIGNALING = 0xC
    MANAGEMENT = 0xD


class PortIdentity(NamedTuple):
    """A port of a clock."""

    clock: int
    port: int

    def __str__(self) -> str:
        return f"{clock_text(self.clock)}-{self.port}"


def clock_text(identity: int) -> str:
    """A clock identity as linuxptp writes it.

    >>> clock_text(0x001122FFFE334455)
    '001122.fffe.334455'
    """
    digits = f"{identity:016x}"
    return f"{digits[:6]}.{digits[6:10]}.{digits[10:]}"


@dataclass(frozen=True, slots=True)
class PtpHeader(Frame):
    """What every PTP message begins with; alone, a message whose body nobody here reads."""

    TYPE: ClassVar[int] = -1

    major_sdo_id: Annotated[U4, "0 but in other standards' profiles; transportSpecific in 2008"] = 0
    message_type: Annotated[U4, "what it is, and so what follows"] = 0
    minor_version: Annotated[U4, "0 in 2008, 1 in 2019"] = 1
    version: Annotated[U4, "2"] = VERSION
    message_length: Annotated[U16, "bytes from here to the end of the last TLV"] = HEADER_BYTES
    domain: Annotated[U8, "which of several independent PTP systems"] = 0
    minor_sdo_id: Annotated[U8, "0"] = 0
    flags: Annotated[U16, "flagField, first byte high"] = 0
    correction: Annotated[I64, "residence times and asymmetry to add, 2^-16 ns"] = 0
    type_specific: Annotated[U32, "of use within a clock only"] = 0
    source_clock: Annotated[U64, "clock identity of the sender"] = 0
    source_port: Annotated[U16, "its port, from 1"] = 0
    sequence: Annotated[U16, "counts the messages of this type"] = 0
    control: Annotated[U8, "obsolete"] = 0
    log_interval: Annotated[I8, "log2 s between messages of this type; 127 says nothing"] = 0

    @property
    def source(self) -> PortIdentity:
        """Who sent it."""
        return PortIdentity(self.source_clock, self.source_port)


@dataclass(frozen=True, slots=True)
class Timed(PtpHeader):
    """A header and a timestamp, which means what the message's type says."""

    seconds_high: Annotated[U16, "upper 16 of 48 bits"] = 0
    seconds: Annotated[U32, "lower 32 bits of the seconds"] = 0
    nanoseconds: Annotated[U32, "below 10^9"] = 0

    @property
    def timestamp(self) -> int | None:
        """The timestamp in ns since the timescale's epoch; None where it is no time."""
        if self.nanoseconds >= SECOND:
            return None
        return (self.seconds_high << 32 | self.seconds) * SECOND + self.nanoseconds


@dataclass(frozen=True, slots=True)
class Sync(Timed):
    """The master's time: of its own departure (one step), or a Follow_Up tells that (two)."""

    TYPE: ClassVar[int] = MessageType.SYNC


@dataclass(frozen=True, slots=True)
class DelayReq(Timed):
    """A slave asks when this arrives; its timestamp is a rough one or zero."""

    TYPE: ClassVar[int] = MessageType.DELAY_REQ


@dataclass(frozen=True, slots=True)
class FollowUp(Timed):
    """When the Sync of the same number left."""

    TYPE: ClassVar[int] = MessageType.FOLLOW_UP


@dataclass(frozen=True, slots=True)
class TimedAnswer(Timed):
    """A timestamp, and whom it is for."""

    requesting_clock: Annotated[U64, "clock identity of who asked"] = 0
    requesting_port: Annotated[U16, "its port"] = 0

    @property
    def requester(self) -> PortIdentity:
        """Whom it answers."""
        return PortIdentity(self.requesting_clock, self.requesting_port)


@dataclass(frozen=True, slots=True)
class DelayResp(TimedAnswer):
    """When the Delay_Req of the same number came to the master."""

    TYPE: ClassVar[int] = MessageType.DELAY_RESP


@dataclass(frozen=True, slots=True)
class PdelayResp(TimedAnswer):
    """When the Pdelay_Req of the same number came to the neighbour."""

    TYPE: ClassVar[int] = MessageType.PDELAY_RESP


@dataclass(frozen=True, slots=True)
class PdelayRespFollowUp(TimedAnswer):
    """When the Pdelay_Resp of the same number left."""

    TYPE: ClassVar[int] = MessageType.PDELAY_RESP_FOLLOW_UP


@dataclass(frozen=True, slots=True)
class PdelayReq(Timed):
    """A neighbour measures the delay of its link: not of use to us but to know that it does."""

    TYPE: ClassVar[int] = MessageType.PDELAY_REQ

    reserved_high: Annotated[U16, "reserved"] = 0
    reserved: Annotated[U64, "reserved"] = 0


@dataclass(frozen=True, slots=True)
class Announce(Timed):
    """What a master says of its clock and of the grandmaster behind it."""

    TYPE: ClassVar[int] = MessageType.ANNOUNCE

    utc_offset: Annotated[I16, "TAI - UTC, s, if the flag says that it is valid"] = 0
    reserved: Annotated[U8, "reserved"] = 0
    priority1: Annotated[U8, "of the grandmaster"] = 128
    clock_class: Annotated[U8, "of the grandmaster: whether it is traceable"] = 248
    clock_accuracy: Annotated[U8, "of the grandmaster: an upper limit of its error, coded"] = 0xFE
    variance: Annotated[U16, "of the grandmaster: offsetScaledLogVariance"] = 0xFFFF
    priority2: Annotated[U8, "of the grandmaster"] = 128
    grandmaster: Annotated[U64, "its clock identity"] = 0
    steps_removed: Annotated[U16, "boundary clocks between it and the sender"] = 0
    time_source: Annotated[U8, "where the grandmaster has its time from"] = 0xA0
