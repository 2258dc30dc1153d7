"""What the UDP driver asks of a socket, and how its errors read.  [I/O]"""

import contextlib
import errno
import os
import socket
import struct

from clocksync.runtime import kernel
from clocksync.runtime.addresses import format_endpoint
from clocksync.runtime.errors import BadConfig
from clocksync.runtime.mmsg import Address

RECEIVE_BUFFER_BYTES = 4 << 20
_IP_MULTICAST_ALL = 49  # linux/in.h
_IPV6_MULTICAST_ALL = 29  # linux/in6.h
_MREQN = struct.Struct("=4s4si")  # struct ip_mreqn: group, local address, interface


def set_options(sock: socket.socket, family: int, kernel_stamps: bool) -> None:
    """Ask the kernel for a large buffer, and, if wanted, for stamps and an error queue: whatever of
    them it has."""
    # As much as we may: root may have all of it, others what the system's limit leaves.
    options = [kernel.SO_RCVBUFFORCE] if kernel.IS_LINUX else []
    for option in (*options, socket.SO_RCVBUF):
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, option, RECEIVE_BUFFER_BYTES)
            break
    if not kernel_stamps:
        return
    flags = kernel.SOFTWARE | kernel.RX_SOFTWARE | kernel.TX_SOFTWARE
    level, option = (
        (socket.IPPROTO_IP, kernel.IP_RECVERR)
        if family == socket.AF_INET
        else (socket.IPPROTO_IPV6, kernel.IPV6_RECVERR)
    )
    # A kernel that lacks one of these (a sandbox's, say) leaves us with the others: stamps say who
    # took them, and without an error queue refusals are silence.
    try:
        sock.setsockopt(socket.SOL_SOCKET, kernel.SO_TIMESTAMPING, flags)
    except OSError:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, kernel.SO_TIMESTAMPNS, 1)
    with contextlib.suppress(OSError):
        sock.setsockopt(level, option, 1)


def listening(address: Address) -> socket.socket:
    """A socket bound to a numeric address, not blocking.

    Raises:
        BadConfig: it cannot be; the message is one line.
    """
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(sockaddr(address))
    except OSError as error:
        sock.close()
        where = format_endpoint(*address)
        raise BadConfig(f"cannot listen on {where}: {error_words(error)}") from None
    return sock


def joined(sock: socket.socket, group: Address, interface: str | None) -> socket.socket:
    """A second socket that hears a multicast group only, not blocking; `sock`, which listens
    elsewhere, sends to the group from now on by the same interface, to this machine as well, and
    no further than this network (a TTL of 1).

    Raises:
        BadConfig: there is no such group or interface, or the system does not allow it.
    """
    is_ipv6 = ":" in group[0]
    family = socket.AF_INET6 if is_ipv6 else socket.AF_INET
    level = socket.IPPROTO_IPV6 if is_ipv6 else socket.IPPROTO_IP
    ear = socket.socket(family, socket.SOCK_DGRAM)
    try:
        index = socket.if_nametoindex(interface) if interface else 0
        ear.setblocking(False)
        ear.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        ear.bind(sockaddr(group))
        if is_ipv6:
            index = index or _scope(sock)
            raw = socket.inet_pton(family, group[0].partition("%")[0])
            ear.setsockopt(level, socket.IPV6_JOIN_GROUP, raw + struct.pack("=I", index))
            sock.setsockopt(level, socket.IPV6_MULTICAST_IF, index)
            sock.setsockopt(level, socket.IPV6_MULTICAST_LOOP, 1)
            sock.setsockopt(level, socket.IPV6_MULTICAST_HOPS, 1)
        else:
            here = b"\0" * 4 if interface else socket.inet_aton(sock.getsockname()[0])
            member = _MREQN.pack(socket.inet_aton(group[0]), here, index)
            ear.setsockopt(level, socket.IP_ADD_MEMBERSHIP, member)
            sock.setsockopt(level, socket.IP_MULTICAST_IF, member)
            sock.setsockopt(level, socket.IP_MULTICAST_LOOP, 1)
            sock.setsockopt(level, socket.IP_MULTICAST_TTL, 1)
        if kernel.IS_LINUX:  # only what we joined, not what others on this machine did
            with contextlib.suppress(OSError):
                ear.setsockopt(level, _IPV6_MULTICAST_ALL if is_ipv6 else _IP_MULTICAST_ALL, 0)
    except OSError as error:
        ear.close()
        where = f" by {interface}" if interface else ""
        raise BadConfig(f"cannot join {group[0]}{where}: {error_words(error)}") from None
    return ear


def _scope(sock: socket.socket) -> int:
    """The interface of a socket bound to a link-local address; 0 elsewhere."""
    return int(sock.getsockname()[3])


def sockaddr(address: Address) -> tuple[str, int] | tuple[str, int, int, int]:
    """An address as Python's socket functions take it; a scope may be a name or an index."""
    host, _, scope = address[0].partition("%")
    if not scope:
        return address
    index = int(scope) if scope.isdigit() else socket.if_nametoindex(scope)
    return host, address[1], 0, index


def in_words(error: OSError) -> str:
    """What it means that a datagram could not be delivered, for people."""
    if error.errno == errno.ECONNREFUSED:
        return "connection refused: nothing listens on that port"
    return error_words(error)


def error_words(error: OSError) -> str:
    """What the system says of an error, as a phrase."""
    text = os.strerror(error.errno) if error.errno else str(error)
    return text[:1].lower() + text[1:]
