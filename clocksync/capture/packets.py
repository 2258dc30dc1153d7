"""From the bytes of a captured packet to the UDP datagram in it.

Ethernet with VLAN tags, Linux cooked (both), BSD loopback and raw IP; IPv4 with options, IPv6 with
extension headers. Fragments are told apart and never put together: time protocols do not need them.
"""

from typing import NamedTuple

from clocksync.capture.reader import INCOMING, OUTGOING, UNKNOWN_WAY

PTP_ETHERNET = 0x88F7
"""In place of the ports of a datagram: PTP straight over Ethernet (IEEE 1588 annex F)."""

NULL, ETHERNET, RAW, LOOP, COOKED, IPV4, IPV6, COOKED2 = 0, 1, 101, 108, 113, 228, 229, 276
LINKS = frozenset({NULL, ETHERNET, 12, 14, RAW, LOOP, COOKED, IPV4, IPV6, COOKED2})
"""Link types that are read (the numbers of LINKTYPE_*; 12 and 14 are old ones of raw IP)."""

PACKET_OUTGOING = 4
_TAGS = frozenset({0x8100, 0x88A8, 0x9100})
_EXTENSIONS = frozenset({0, 43, 60, 135})
_FRAGMENT, _AUTHENTICATION, _UDP = 44, 51, 17


class Located(NamedTuple):
    """A datagram: addresses as bytes (4, 16, or 6 of Ethernet), ports, payload, which way."""

    source: bytes
    target: bytes
    source_port: int
    target_port: int
    payload: bytes
    way: int


class Fragment(Exception):
    """It is a part of a larger packet."""


def locate(link: int, data: bytes, way: int = UNKNOWN_WAY) -> Located | None:
    """The datagram in a packet of a link type in :data:`LINKS`; None where there is none.

    Raises:
        IndexError: the packet ends within its headers.
        Fragment: it is a fragment of a datagram.
    """
    if link == ETHERNET:
        kind, at = data[12] << 8 | data[13], 14
        while kind in _TAGS:
            kind, at = data[at + 2] << 8 | data[at + 3], at + 4
        if kind == PTP_ETHERNET:
            return Located(data[6:12], data[:6], PTP_ETHERNET, PTP_ETHERNET, data[at:], way)
    elif link == COOKED:
        kind, at = data[14] << 8 | data[15], 16
        way = way_of(data[1])
    elif link == COOKED2:
        kind, at = data[0] << 8 | data[1], 20
        way = way_of(data[10])
    else:
        kind, at = 0, 4 if link in (NULL, LOOP) else 0
    if link != ETHERNET and kind in _TAGS:
        kind, at = data[at + 2] << 8 | data[at + 3], at + 4
    if kind not in (0x0800, 0x86DD, 0):
        return None
    version = data[at] >> 4
    if version == 4:
        return _ipv4(data, at, way)
    return _ipv6(data, at, way) if version == 6 else None


def way_of(kind: int) -> int:
    """Which way a packet went, by the kernel's word for it: PACKET_HOST 0, PACKET_BROADCAST 1 and
    PACKET_MULTICAST 2 came in, PACKET_OUTGOING 4 went out; 3 was for somebody else."""
    return OUTGOING if kind == PACKET_OUTGOING else INCOMING if kind < 3 else UNKNOWN_WAY


def _ipv4(data: bytes, at: int, way: int) -> Located | None:
    if data[at + 9] != _UDP:
        return None
    if data[at + 6] & 0x3F or data[at + 7]:
        raise Fragment
    udp = at + ((data[at] & 15) << 2)
    return _udp(data, data[at + 12 : at + 16], data[at + 16 : at + 20], udp, way)


def _ipv6(data: bytes, at: int, way: int) -> Located | None:
    follows, udp = data[at + 6], at + 40
    while follows != _UDP:
        if follows in _EXTENSIONS:
            follows, udp = data[udp], udp + (data[udp + 1] + 1) * 8
        elif follows == _FRAGMENT:
            if data[udp + 2] or data[udp + 3] & 0xF9:
                raise Fragment
            follows, udp = data[udp], udp + 8
        elif follows == _AUTHENTICATION:
            follows, udp = data[udp], udp + (data[udp + 1] + 2) * 4
        else:
            return None
    return _udp(data, data[at + 8 : at + 24], data[at + 24 : at + 40], udp, way)


def _udp(data: bytes, source: bytes, target: bytes, at: int, way: int) -> Located:
    length = data[at + 4] << 8 | data[at + 5]
    return Located(
        source,
        target,
        data[at] << 8 | data[at + 1],
        data[at + 2] << 8 | data[at + 3],
        data[at + 8 : at + length],
        way,
    )
