"""Addresses as people write them, and the numeric form that sockets take.  [I/O]"""

import asyncio
import ipaddress
import socket
from collections.abc import Sequence
from typing import cast

from clocksync.runtime.errors import BadConfig
from clocksync.runtime.mmsg import Address


def parse_endpoint(text: str) -> Address:
    """Read ``host:port`` or ``[v6]:port``.

    Raises:
        BadConfig: it is none; the message shows one.

    >>> parse_endpoint("10.0.0.1:4000"), parse_endpoint("[fe80::1%eth0]:4000")
    (('10.0.0.1', 4000), ('fe80::1%eth0', 4000))
    """
    host, _, port = text.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not bare or (":" in host and bare == host) or not (port.isascii() and port.isdigit()):
        raise BadConfig(f"{text!r} is no address: write host:port, such as 10.0.0.1:4000")
    if not 0 <= int(port) < 1 << 16:
        raise BadConfig(f"{text!r}: a port lies in 0 to 65535")
    return bare, int(port)


def format_endpoint(host: str, port: int | str) -> str:
    """The same as people write it.

    >>> format_endpoint("10.0.0.1", 4000), format_endpoint("fe80::1%eth0", 4000)
    ('10.0.0.1:4000', '[fe80::1%eth0]:4000')
    """
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_numeric(host: str) -> bool:
    """Whether this is an address in numbers.

    >>> is_numeric("10.0.0.1"), is_numeric("fe80::1%eth0"), is_numeric("db2.example")
    (True, True, False)
    """
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether this is an address in numbers that only this machine reaches.

    >>> is_loopback("127.0.0.2"), is_loopback("::1"), is_loopback("10.0.0.1"), is_loopback("host1")
    (True, True, False, False)
    """
    return is_numeric(host) and ipaddress.ip_address(host).is_loopback


async def numeric(text: str, default_port: int | None = None) -> Address:
    """The numeric form of an address as people write it: with `default_port` the port can be left
    out.

    Raises:
        BadConfig: it is none, or the name does not resolve.
    """
    if default_port is not None and _has_no_port(text):
        text = format_endpoint(text.strip("[]"), default_port)
    return await resolve(parse_endpoint(text))


def _has_no_port(text: str) -> bool:
    if text.startswith("["):
        return text.endswith("]")
    return text.count(":") != 1


async def resolve(address: Address) -> Address:
    """The numeric form of an address.

    Raises:
        BadConfig: the name does not resolve.
    """
    host, port = address
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            host, port, type=socket.SOCK_DGRAM, proto=socket.IPPROTO_UDP
        )
    except OSError as error:
        raise BadConfig(f"{host} cannot be resolved: {error.strerror or error}") from None
    family, _, _, _, name = found[0]
    return from_sockaddr(family, name)


def from_sockaddr(family: int, name: Sequence[object]) -> Address:
    """An address out of what the system's resolver says, with its scope if it has one."""
    scope = name[3] if family == socket.AF_INET6 else 0
    host = str(name[0]).partition("%")[0] + (f"%{scope}" if scope else "")
    return host, cast(int, name[1])
