"""PTP messages: bytes laid out by hand from the standard, and scapy's own dissector."""

import pytest
from hypothesis import given
from scapy.contrib.ptp_v2 import PTP

from clocksync.ntp.packet import NtpPacket
from clocksync.ptp.codec import PtpCodec, made
from clocksync.ptp.frames import (
    PTP_TIMESCALE,
    TWO_STEP,
    UTC_OFFSET_VALID,
    Announce,
    DelayReq,
    DelayResp,
    FollowUp,
    PdelayReq,
    PortIdentity,
    PtpHeader,
    Sync,
)
from clocksync.runtime.errors import MalformedFrame
from clocksync.runtime.strategies import frames

# IEEE 1588-2008 13.3, 13.5, 13.7, 13.8: a header of 34 bytes, then the body.
#                type ver. length domain flags correction      reserved
SYNC = bytes.fromhex(
    "00 02 002c 00 00 0200 0000000000018000 00000000 001122fffe334455 0001 0007 00 fd"
    "0000 5f5e1000 0000002a"
)
FOLLOW_UP = bytes.fromhex(
    "08 02 002c 03 00 0000 ffffffffffff8000 00000000 001122fffe334455 0001 0007 02 fd"
    "0001 00000002 3b9ac9ff"
)
DELAY_RESP = bytes.fromhex(
    "09 12 0036 00 00 0400 0000000000000000 00000000 001122fffe334455 0001 1234 03 7f"
    "0000 5f5e1001 00000001 aabbccddeeff0011 0002"
)
ANNOUNCE = bytes.fromhex(
    "0b 12 0040 7f 00 000c 0000000000000000 00000000 001122fffe334455 0001 0001 05 01"
    "0000 00000000 00000000 0025 00 80 06 21 4e5d 80 001122fffe334455 0000 20"
)


def test_a_two_step_sync_of_2008() -> None:
    sync = PtpCodec().decode(SYNC)
    assert isinstance(sync, Sync)
    assert sync.encode() == SYNC
    assert (sync.version, sync.minor_version, sync.domain, sync.sequence) == (2, 0, 0, 7)
    assert sync.flags == TWO_STEP
    assert sync.correction == 3 << 15  # 1.5 ns
    assert sync.source == PortIdentity(0x001122FFFE334455, 1)
    assert str(sync.source) == "001122.fffe.334455-1"
    assert sync.log_interval == -3
    assert sync.timestamp == 1_600_000_000_000_000_042


def test_a_follow_up_with_48_bits_of_seconds_and_a_negative_correction() -> None:
    follow_up = PtpCodec().decode(FOLLOW_UP)
    assert isinstance(follow_up, FollowUp)
    assert follow_up.encode() == FOLLOW_UP
    assert (follow_up.domain, follow_up.correction) == (3, -(1 << 15))
    assert follow_up.timestamp == ((1 << 32) + 2) * 10**9 + 999_999_999


def test_a_unicast_delay_resp_of_2019_names_who_asked() -> None:
    response = PtpCodec().decode(DELAY_RESP)
    assert isinstance(response, DelayResp)
    assert response.encode() == DELAY_RESP
    assert response.requester == PortIdentity(0xAABBCCDDEEFF0011, 2)
    assert (response.minor_version, response.sequence, response.log_interval) == (1, 0x1234, 127)


def test_an_announce_tells_the_timescale() -> None:
    announce = PtpCodec().decode(ANNOUNCE)
    assert isinstance(announce, Announce)
    assert announce.encode() == ANNOUNCE
    assert announce.flags == PTP_TIMESCALE | UTC_OFFSET_VALID
    assert (announce.utc_offset, announce.domain) == (37, 127)
    assert (announce.clock_class, announce.clock_accuracy, announce.time_source) == (6, 0x21, 0x20)
    assert announce.grandmaster == 0x001122FFFE334455


def test_a_timestamp_of_a_billion_nanoseconds_is_no_time() -> None:
    assert Sync(nanoseconds=10**9).timestamp is None


@pytest.mark.parametrize("message", [SYNC, FOLLOW_UP, DELAY_RESP, ANNOUNCE])
def test_tlvs_and_padding_after_the_body_are_ignored(message: bytes) -> None:
    longer = message[:2] + (len(message) + 6).to_bytes(2, "big") + message[4:] + b"\0\3\0\2AB"
    assert PtpCodec().decode(longer).sequence == PtpCodec().decode(message).sequence
    assert PtpCodec().decode(message + b"\0\0") == PtpCodec().decode(message)  # Annex D


@pytest.mark.parametrize("message", [SYNC, FOLLOW_UP, DELAY_RESP, ANNOUNCE])
def test_a_message_cut_anywhere_is_refused(message: bytes) -> None:
    for end in range(len(message)):
        with pytest.raises(MalformedFrame):
            PtpCodec().decode(message[:end])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (SYNC[:1] + b"\x01" + SYNC[2:], "not PTP version 2"),
        (b"\x04" + SYNC[1:], "a reserved message type"),
        (SYNC[:2] + b"\0\x2b" + SYNC[4:], "its length does not hold its body"),
        (SYNC[:2] + b"\0\x2d" + SYNC[4:], "shorter than it says"),
        (DELAY_RESP[:2] + b"\0\x2c" + DELAY_RESP[4:], "its length does not hold its body"),
    ],
)
def test_what_is_refused_and_why(data: bytes, reason: str) -> None:
    with pytest.raises(MalformedFrame, match=reason):
        PtpCodec().decode(data)


def test_a_message_whose_body_nobody_reads_is_its_header() -> None:
    management = b"\x0d" + SYNC[1:]
    assert type(PtpCodec().decode(management)) is PtpHeader


def test_only_ptp_is_carried() -> None:
    with pytest.raises(ValueError, match="NtpPacket"):
        PtpCodec().encode(NtpPacket())


@pytest.mark.parametrize("cls", [Sync, DelayReq, FollowUp, DelayResp, PdelayReq, Announce])
def test_what_is_made_has_its_type_and_length(cls: type[PtpHeader]) -> None:
    message = made(cls, sequence=9)
    assert len(message.encode()) == message.message_length
    assert PtpCodec().decode(message.encode()) == message


# Ours under scapy's names. scapy leaves out the end of a Delay_Resp and some signs.
NAMES = {
    "transportSpecific": "major_sdo_id",
    "version": "version",
    "messageLength": "message_length",
    "domainNumber": "domain",
    "clockIdentity": "source_clock",
    "portNumber": "source_port",
    "sequenceId": "sequence",
    "controlField": "control",
}
OF_ANNOUNCE = {
    "grandmasterPriority1": "priority1",
    "grandmasterClockClass": "clock_class",
    "grandmasterClockAccuracy": "clock_accuracy",
    "grandmasterClockVariance": "variance",
    "grandmasterPriority2": "priority2",
    "grandmasterIdentity": "grandmaster",
    "stepsRemoved": "steps_removed",
    "timeSource": "time_source",
}
STAMP_NAMES = {
    Sync: "originTimestamp",
    DelayReq: "originTimestamp",
    FollowUp: "preciseOriginTimestamp",
    DelayResp: "receiveTimestamp",
    Announce: "originTimestamp",
}


@pytest.mark.parametrize("cls", list(STAMP_NAMES))
def test_a_message_is_what_scapys_own_dissector_says(cls: type[PtpHeader]) -> None:
    @given(frames(cls))
    def check(frame: PtpHeader) -> None:
        typed = cls(**{name: getattr(frame, name) for name in cls.__match_args__})
        raw = bytearray(typed.encode())
        raw[0] = raw[0] & 0xF0 | cls.TYPE
        ours, theirs = cls.decode(bytes(raw)), PTP(bytes(raw))
        for name, own in {**NAMES, **(OF_ANNOUNCE if cls is Announce else {})}.items():
            assert getattr(theirs, name) == getattr(ours, own), name
        assert theirs.correctionField == ours.correction % 2**64
        seconds = getattr(theirs, STAMP_NAMES[cls] + "_seconds")
        assert seconds == ours.seconds_high << 32 | ours.seconds
        assert getattr(theirs, STAMP_NAMES[cls] + "_nanoseconds") == ours.nanoseconds

    check()
