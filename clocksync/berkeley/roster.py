"""Who is in the group and where: what every poll tells, so that members can go on alone."""

from collections.abc import Mapping

from clocksync.berkeley.frames import ROSTER_BYTES_MAX
from clocksync.runtime.mmsg import Address

Roster = dict[int, Address | None]
"""By number; None: reached by the number itself."""


def encode_address(address: Address | None) -> bytes:
    """An address in the form of frames.

    >>> encode_address(("fd77::1", 3190)), encode_address(None)
    (b'fd77::1:3190', b'')
    """
    return b"" if address is None else f"{address[0]}:{address[1]}".encode()


def decode_address(text: bytes) -> Address | None:
    """What :func:`encode_address` wrote; None where it is nothing of the kind."""
    host, _, port = text.decode("ascii", "replace").rpartition(":")
    is_port = port.isascii() and port.isdigit() and len(port) < 6 and 0 < int(port) < 1 << 16
    is_host = bool(host) and all(c in "0123456789abcdefABCDEF.:%" or c.isalnum() for c in host)
    return (host, int(port)) if is_port and is_host else None


def encode(roster: Mapping[int, Address | None]) -> bytes:
    """As many as fit, the lowest numbers first: those come first when a daemon is wanted.

    >>> encode({7: ("10.0.0.7", 3190), 2: None})
    b'2= 7=10.0.0.7:3190'
    """
    text = b""
    for number in sorted(roster):
        entry = b"%d=" % number + encode_address(roster[number])
        if len(text) + 1 + len(entry) > ROSTER_BYTES_MAX:
            break
        text += b" " * bool(text) + entry
    return text


def decode(text: bytes) -> Roster:
    """What :func:`encode` wrote; entries that are none are left out.

    >>> decode(b"2= 7=10.0.0.7:3190 nonsense 9=x")
    {2: None, 7: ('10.0.0.7', 3190)}
    """
    roster: Roster = {}
    for entry in text.split(b" "):
        number, equals, address = entry.partition(b"=")
        if not equals or not number.isdigit() or len(number) > 5 or not 0 < int(number) < 0xFFFF:
            continue
        where = decode_address(address)
        if where is not None or not address:
            roster[int(number)] = where
    return roster
