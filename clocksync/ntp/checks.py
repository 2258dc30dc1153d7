"""What a reply must be before anything is believed of it (RFC 5905 sections 8 and 9.2).

Pure questions about one packet. Whether it answers *our* request (the origin check) comes first
and belongs to :mod:`clocksync.ntp.association`, which knows what was sent: a kiss-o'-death that
does not echo our random cookie is somebody else's and must not silence us (RFC 5905 7.4).
"""

from enum import Enum

from clocksync.ntp import timestamps
from clocksync.ntp.packet import Leap, Mode, NtpPacket, kiss_code
from clocksync.ntp.sample import DISTANCE_MAX_NS

STRATUM_UNSYNCHRONISED = 16
_NOT_YET_SYNCHRONISED = frozenset({"", "INIT", "STEP"})
"""Kiss codes by which ntpd says that it has no time yet; chronyd sends an empty one."""


class Rejection(Enum):
    """Why a reply was not accepted."""

    MALFORMED = "the answer is no NTP packet"
    WRONG_MODE = "the answer is not in server mode"
    WRONG_VERSION = "the answer has another version than the request"
    WRONG_ORIGIN = "the answer does not echo our request (a stray, a replay or a forgery)"
    LATE = "the answer came after the timeout"
    DUPLICATE = "a second answer to one request"
    ZERO_TIMESTAMP = "the answer has an empty timestamp"
    BACKWARDS = "the server says it answered before it was asked"
    IMPOSSIBLE_DELAY = "the server claims to have held the request longer than the round trip took"
    REFERENCE_IN_FUTURE = "the server's clock was last set after it answered"
    ROOT_DISTANCE = "the server's root distance is 16 s or more"
    UNAUTHENTICATED = "the answer is not authenticated, though the request was"
    WRONG_KEY = "the answer is authenticated with another key than the request"
    FORGED = "the answer's authentication is wrong (another secret, or changed on the way)"
    CRYPTO_NAK = "the server does not accept our key (crypto-NAK)"
    NTS_NAK = "the server does not accept our cookie (NTS NAK)"
    WRONG_IDENTIFIER = "the answer has not our unique identifier (a stray, a replay or a forgery)"


class Standing(Enum):
    """What an accepted reply says of the server."""

    GOOD = "synchronised"
    UNSYNCHRONISED = "not synchronised"
    KISS = "kiss-o'-death"


def check_shape(packet: NtpPacket, version: int) -> Rejection | None:
    """Whether this can be a server's reply to a client of `version` at all."""
    if packet.mode != Mode.SERVER:
        return Rejection.WRONG_MODE
    if packet.version != version:
        return Rejection.WRONG_VERSION
    return None


def standing(packet: NtpPacket) -> Standing:
    """Whether the server vouches for its time, and if not, how it says so."""
    if packet.stratum == 0 and kiss_code(packet) not in _NOT_YET_SYNCHRONISED:
        return Standing.KISS
    if packet.leap == Leap.UNSYNCHRONISED or not 0 < packet.stratum < STRATUM_UNSYNCHRONISED:
        return Standing.UNSYNCHRONISED
    return Standing.GOOD


def check_claims(packet: NtpPacket) -> Rejection | None:
    """Whether a synchronised server's claims are possible."""
    if not packet.receive_timestamp or not packet.transmit_timestamp:
        return Rejection.ZERO_TIMESTAMP
    distance = timestamps.from_short(packet.root_delay) // 2
    distance += timestamps.from_short(packet.root_dispersion)
    if distance >= DISTANCE_MAX_NS:
        return Rejection.ROOT_DISTANCE
    # In interleaved mode the transmit stamp is of an earlier answer, so the arrival of the request
    # is the better "now" of the server; a second's grace costs nothing.
    if packet.reference_timestamp and (
        timestamps.difference(packet.receive_timestamp, packet.reference_timestamp)
        < -timestamps.ONE_SECOND
    ):
        return Rejection.REFERENCE_IN_FUTURE
    return None
