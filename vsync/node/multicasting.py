"""The multicast address of a group, and the socket that hears it.  [I/O]

IPv4: an address out of 239.192.0.0/14, which is for an organisation's own use (RFC 2365), on the
interface that has the address listened on. IPv6: one of ff12::8000:0/97 (RFC 4291 section 2.7: not
well-known, of link-local scope; RFC 3307 section 4.3: the numbers that are free to be chosen). The
scope says what the hop limit of 1 does: what leaves stays on the link, and a router that knew
nothing of us would not pass it on either.
"""

import socket
import struct
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from clocksync.runtime import kernel
from clocksync.runtime.addresses import is_loopback
from clocksync.runtime.mmsg import Address
from clocksync.runtime.sockets import sockaddr

_IP_MULTICAST_ALL = 49  # linux/in.h
_IPV6_MULTICAST_ALL = 29  # linux/in6.h
_INTERFACE = struct.Struct("=I")
_HOP_LIMIT = 1
_MULTICAST = "ff12::"
_FREE_NUMBERS = 0x8000_0000
_ADDRESSES = Path("/proc/thread-self/net/if_inet6")  # of the network namespace that we are in

_WILDCARDS = ("0.0.0.0", "::")


def multicast_address(
    cluster: int, listen: Address, peers: Mapping[int, Address]
) -> tuple[Address | None, str]:
    """The address on which a group can multicast, by its number.

    Args:
        peers: whose addresses are known; the others will have to be of the same kind.

    Returns:
        the address, None if there is none; then, why not.
    """
    everybody = [listen, *peers.values()]
    if any(is_loopback(host) for host, _ in everybody):
        return None, "members are on one machine"
    if any(host in _WILDCARDS for host, _ in everybody):
        return None, "it takes an address of one interface to listen on"
    if len({host for host, _ in everybody}) < len(everybody):
        return None, "members share an address"
    if len({port for _, port in everybody}) > 1:
        return None, "members listen on different ports"
    if ":" in listen[0]:
        low = _FREE_NUMBERS | cluster & 0x7FFF_FFFF
        return (f"{_MULTICAST}{low >> 16:x}:{low & 0xFFFF:x}", listen[1]), ""
    number = cluster & 0x3FFFF
    return (f"239.{192 + (number >> 16)}.{number >> 8 & 255}.{number & 255}", listen[1]), ""


def join(sock: socket.socket, ear: socket.socket, multicast: Address) -> Address:
    """Have `ear` hear the group's multicasts and nothing else, and `sock`, which listens on an
    address of this machine, send its own by the interface of that address, not to itself.

    Returns:
        where to send them: with the interface, where it takes one.

    Raises:
        OSError: it cannot be done here.
    """
    if sock.family == socket.AF_INET6:
        return _join_ipv6(sock, ear, multicast)
    here = socket.inet_aton(sock.getsockname()[0])
    ear.bind(multicast)
    member = socket.inet_aton(multicast[0]) + here
    ear.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
    if kernel.IS_LINUX:  # only what we joined, not what others on this machine did
        ear.setsockopt(socket.IPPROTO_IP, _IP_MULTICAST_ALL, 0)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, here)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, _HOP_LIMIT)
    return multicast


def _join_ipv6(sock: socket.socket, ear: socket.socket, multicast: Address) -> Address:
    host, _, _, scope = sock.getsockname()
    index = scope or interface_of(host.partition("%")[0])
    where = (f"{multicast[0]}%{index}", multicast[1])
    ear.bind(sockaddr(where))
    number = socket.inet_pton(socket.AF_INET6, multicast[0])
    level = socket.IPPROTO_IPV6
    ear.setsockopt(level, socket.IPV6_JOIN_GROUP, number + _INTERFACE.pack(index))
    if kernel.IS_LINUX:
        with suppress(OSError):  # from Linux 4.20 on; the address it is bound to is ours alone
            ear.setsockopt(level, _IPV6_MULTICAST_ALL, 0)
    sock.setsockopt(level, socket.IPV6_MULTICAST_IF, index)
    sock.setsockopt(level, socket.IPV6_MULTICAST_LOOP, 0)
    sock.setsockopt(level, socket.IPV6_MULTICAST_HOPS, _HOP_LIMIT)
    return where


def interface_of(host: str) -> int:
    """The number of the interface that has an IPv6 address.

    Raises:
        OSError: none has it, or the system does not say.
    """
    wanted = socket.inet_pton(socket.AF_INET6, host).hex()
    # IPv4 finds the interface by the address itself; for IPv6 the kernel wants its number.
    for line in _ADDRESSES.read_text(encoding="ascii").splitlines():
        address, index, *_ = line.split()
        if address == wanted:
            return int(index, 16)
    raise OSError(f"no interface has the address {host}")
