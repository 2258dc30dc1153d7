"""What the UDP driver asks of a socket, and how its errors read.  [I/O]"""

import contextlib
import errno
import os
import socket

from clocksync.runtime import kernel
from clocksync.runtime.mmsg import Address

RECEIVE_BUFFER_BYTES = 4 << 20


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
