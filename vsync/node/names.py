"""Members that were given by name: when a name is looked up again, and what comes of it.

A member on our ring is where we think it is, whatever its name means by now, so that nobody can
take its place by answering for a name. One that is not there is worth another look: soon after it
fell silent, and ever more seldom while nothing changes. A name that stands for several addresses
gets each of them tried in turn.

What a resolver says is not to be believed, and need not be: it only tells where to send what
nobody can read or answer without the group's key.
"""

import ipaddress
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from socket import inet_aton
from typing import Any

from clocksync.runtime.addresses import format_endpoint, is_numeric, parse_endpoint
from clocksync.runtime.errors import BadConfig
from clocksync.runtime.mmsg import Address
from clocksync.runtime.units import SECOND

SILENT_NS = 2 * SECOND
"""After so long without a member its name is looked up."""
APART_NS_MAX = 30 * SECOND
"""Lookups of one name are further apart each time, and in the end this far."""
NAME_MAX = 253
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.IGNORECASE)


def is_address(host: str) -> bool:
    """Whether this is an address, which nobody has to be asked for: also such as 127.1, which
    resolvers take for one.

    >>> is_address("fe80::1%eth0"), is_address("127.1"), is_address("db2.example")
    (True, True, False)
    """
    if is_numeric(host):
        return True
    try:
        inet_aton(host)
    except (OSError, ValueError):
        return False
    return True


def place(endpoint: str | Address) -> Address:
    """Host and port of a member.

    Raises:
        BadConfig: no host can be called so, or have that address.

    >>> place("db2.example:5410")
    ('db2.example', 5410)
    """
    host, port = parse_endpoint(endpoint) if isinstance(endpoint, str) else endpoint
    bare = host.partition("%")[0]
    if is_address(host):
        if bare == host and ":" in host and ipaddress.ip_address(host).is_link_local:
            raise BadConfig(f"{host} is an address of a link: say of which, as {host}%eth0")
    elif not _can_be_a_name(host):
        raise BadConfig(f"{host!r:.60} is no address and no name of a host: write host:port")
    return host, port


def _can_be_a_name(host: str) -> bool:
    try:
        ascii_name = host.encode("idna").decode() if not host.isascii() else host
    except UnicodeError:
        return False
    labels = ascii_name.removesuffix(".").split(".")
    return (
        len(ascii_name) <= NAME_MAX
        and all(map(_LABEL.fullmatch, labels))
        and not labels[-1].isdigit()  # it would be meant as an address (RFC 3696 section 2)
    )


@dataclass(slots=True)
class _Name:
    host: str
    port: int
    address: Address | None
    lookups: int = 0
    failures: int = 0  # in a row
    is_failure_told: bool = False
    is_silent: bool = False
    apart_ns: int = SILENT_NS
    next_ns: int = 0


class Names:
    """The names of a member's peers.

    Args:
        ends: name and port, by member.
        known: the addresses they have now, as far as that is known.

    >>> names = Names({2: ("db2.example", 5410)}, {2: ("10.0.0.2", 5410)})
    >>> names.due((1,), now=0), names.due((1,), now=2_000_000_000)
    ([], [2])
    >>> names.learn(2, [("10.0.0.9", 5410)])
    (('10.0.0.9', 5410), 'member 2 is at 10.0.0.9 now (db2.example)')
    """

    def __init__(self, ends: Mapping[int, Address], known: Mapping[int, Address]) -> None:
        self._names = {
            peer: _Name(*end, known.get(peer), is_failure_told=peer not in known)
            for peer, end in ends.items()
        }

    def __bool__(self) -> bool:
        return bool(self._names)

    def end(self, peer: int) -> Address:
        """A member's name and port."""
        name = self._names[peer]
        return name.host, name.port

    def due(self, present: Collection[int], now: int) -> list[int]:
        """Whose name is to be looked up now.

        Args:
            present: who is on our ring.
            now: of a clock that only grows, ns.
        """
        found = []
        for peer, name in self._names.items():
            if peer in present:
                name.is_silent = False
                continue
            if not name.is_silent:
                name.is_silent, name.apart_ns = True, SILENT_NS
                name.next_ns = now + SILENT_NS
            if now >= name.next_ns:
                name.next_ns = now + name.apart_ns
                name.apart_ns = min(2 * name.apart_ns, APART_NS_MAX)
                found.append(peer)
        return found

    def learn(self, peer: int, addresses: Sequence[Address]) -> tuple[Address | None, str]:
        """What came of a lookup; no addresses: the name does not resolve.

        Returns:
            where the member is to be sent to from now on, None: where it was; and what a person
            should know, or nothing.
        """
        name = self._names[peer]
        name.lookups += 1
        if not addresses:
            name.failures += 1
            if name.is_failure_told:
                return None, ""
            name.is_failure_told = True
            return None, (
                f"{name.host} does not resolve any more: member {peer} keeps its last address,"
                " and the name is looked up again until it does"
            )
        name.failures, name.is_failure_told = 0, False
        before, name.address = name.address, _next(addresses, name.address)
        if name.address == before:
            return None, ""
        if before in addresses:  # one of several, of which each gets its turn
            return name.address, ""
        return name.address, f"member {peer} is at {name.address[0]} now ({name.host})"

    def described(self) -> dict[str, dict[str, Any]]:
        """What is known of each, by member, as ``vsync status --json`` tells it."""
        return {
            str(peer): {
                "name": name.host,
                "address": None if name.address is None else format_endpoint(*name.address),
                "lookups": name.lookups,
                "failures": name.failures,
            }
            for peer, name in self._names.items()
        }


def _next(addresses: Sequence[Address], current: Address | None) -> Address:
    if current not in addresses:
        return addresses[0]
    return addresses[(addresses.index(current) + 1) % len(addresses)]
