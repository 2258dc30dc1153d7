"""Finding the other members at the start: names that may not resolve yet, or zeroconf.  [I/O]

Addresses are looked up once. A name that means another address later is not noticed: give members
addresses that stay (``docs/operations.md``).
"""

import importlib
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from clocksync.runtime.addresses import parse_endpoint
from clocksync.runtime.errors import BadConfig, MissingExtra
from clocksync.runtime.mmsg import Address
from clocksync.runtime.units import SECOND, format_duration
from vsync.frames import NOBODY
from vsync.identity import group_number
from vsync.node.joining import numeric

TRY_EVERY_S = 0.5
QUIET_S = 1.0
"""How long we wait without a word."""
SERVICE = "_vsync._udp.local."

Note = Callable[[str], None]
"""Takes one line for whoever started the member."""


def resolved(
    peers: Mapping[int, str], listen: Address, wait_ns: int, note: Note
) -> dict[int, Address]:
    """The numeric addresses of all peers; waits for names that do not resolve yet.

    Args:
        listen: our own address: others are looked for in its family, v4 or v6.
        wait_ns: for how long, ns.
        note: is told once that we wait, and for whom.

    Raises:
        BadConfig: some did not resolve in time; the message names them.
    """
    ends = {peer: parse_endpoint(endpoint) for peer, endpoint in peers.items()}
    family = socket.AF_INET6 if ":" in listen[0] else socket.AF_INET
    found: dict[int, Address] = {}
    is_done, is_over = threading.Event(), threading.Event()

    def look() -> None:
        while not is_over.is_set():
            for peer in sorted(set(ends) - set(found)):
                if (address := _looked_up(ends[peer], family)) is not None:
                    found[peer] = address
            if len(found) == len(ends):
                is_done.set()
                return
            is_over.wait(TRY_EVERY_S)

    if not wait_ns:
        return {peer: _looked_up(end, family) or numeric(end) for peer, end in ends.items()}
    # A resolver can take its time, and cannot be stopped: it gets a thread that nobody waits for.
    threading.Thread(target=look, name="vsync-resolving", daemon=True).start()
    if is_done.wait(min(QUIET_S, wait_ns / SECOND)):
        return found
    note(f"waiting up to {format_duration(wait_ns)} for {_missing(ends, found)} to resolve")
    if is_done.wait(wait_ns / SECOND):
        return found
    is_over.set()
    raise BadConfig(
        f"{_missing(ends, found)} cannot be resolved after {format_duration(wait_ns)}:"
        " start what has that name, or wait longer (--wait-for-peers)"
    )


def _looked_up(end: Address, family: int) -> Address | None:
    host, port = end
    try:
        found = socket.getaddrinfo(host, port, family, socket.SOCK_DGRAM)
        return numeric((str(found[0][4][0]), port))
    except (OSError, BadConfig, UnicodeError):  # the last: a label no name can have
        return None


def _missing(ends: Mapping[int, Address], found: Mapping[int, Address]) -> str:
    return ", ".join(dict.fromkeys(ends[peer][0] for peer in sorted(set(ends) - set(found))))


# zeroconf


class Found:
    """Who announced itself: takes what zeroconf says, and keeps the first word of each.

    >>> found = Found(group_number("orders"), me=1, members=3)
    >>> found.hear({b"group": b"1c168adb", b"id": b"2"}, "10.0.0.2", 5410)
    >>> found.hear({b"group": b"1c168adb", b"id": b"9"}, "10.0.0.9", 5410)     # of no member
    >>> found.peers, found.is_complete.is_set()
    ({2: ('10.0.0.2', 5410)}, False)
    """

    def __init__(self, group: int, me: int, members: int) -> None:
        self.peers: dict[int, Address] = {}
        self.is_complete = threading.Event()
        self._group, self._me, self._members = f"{group:08x}".encode(), me, members
        self._note_if_complete()

    def hear(self, properties: Mapping[bytes, bytes | None], host: str, port: int) -> None:
        """One announcement; what it says is not to be believed, and only tells where to send."""
        number = properties.get(b"id") or b""
        if properties.get(b"group") != self._group or not number.isdigit() or len(number) > 5:
            return
        peer = int(number)
        if 0 < peer <= min(self._members, NOBODY - 1) and peer != self._me and 0 < port < 1 << 16:
            self.peers.setdefault(peer, (host, port))
            self._note_if_complete()

    def _note_if_complete(self) -> None:
        if len(self.peers) >= self._members - (1 <= self._me <= self._members):
            self.is_complete.set()

    def missing(self) -> str:
        """Who did not announce itself, in words."""
        everybody = set(range(1, self._members + 1)) - {self._me}
        return ", ".join(map(str, sorted(everybody - set(self.peers))))


@contextmanager
def announced(
    group: str, me: int, listen: Address, members: int, wait_ns: int, note: Note
) -> Iterator[dict[int, Address]]:
    """Announce this member on the local network, and find the others; announced until the end.

    Args:
        listen: a numeric IPv4 address that others can reach, and a port other than 0.
        members: how many there are, from number 1 up.
        wait_ns: for how long others may be missing, ns.

    Raises:
        MissingExtra: zeroconf is not installed.
        BadConfig: not all were found in time, or `listen` cannot be announced.
    """
    try:
        zeroconf: Any = importlib.import_module("zeroconf")
    except ImportError:
        raise MissingExtra("zeroconf", "discovery") from None
    host, port = listen
    if ":" in host or host == "0.0.0.0" or port == 0:
        raise BadConfig(
            f"listen {host}:{port} cannot be announced by zeroconf: name this host's IPv4 address"
        )
    found = Found(group_number(group), me, members)
    try:
        machine = zeroconf.Zeroconf(interfaces=[host])
    except OSError as error:
        raise BadConfig(f"zeroconf cannot be used on {host}: {error.strerror or error}") from None
    try:
        _announce(zeroconf, machine, group_number(group), me, listen)
        zeroconf.ServiceBrowser(machine, SERVICE, handlers=[_handler(zeroconf, found)])
        if not found.is_complete.wait(min(QUIET_S, wait_ns / SECOND)):
            note(f"waiting up to {format_duration(wait_ns)} for members {found.missing()}")
        if not found.is_complete.wait(wait_ns / SECOND):
            raise BadConfig(
                f"members {found.missing()} did not announce themselves in"
                f" {format_duration(wait_ns)}: start them, or wait longer (--wait-for-peers)"
            )
        yield dict(found.peers)
    finally:
        machine.close()


def _announce(zeroconf: Any, machine: Any, group: int, me: int, listen: Address) -> None:
    name = f"{group:08x}-{me}"
    info = zeroconf.ServiceInfo(
        SERVICE,
        f"{name}.{SERVICE}",
        addresses=[socket.inet_aton(listen[0])],
        port=listen[1],
        properties={"group": f"{group:08x}", "id": str(me)},
        server=f"vsync-{name}.local.",
    )
    try:
        machine.register_service(info)
    except zeroconf.Error as error:
        raise BadConfig(
            f"member {me} cannot be announced: another one may have its number"
            f" ({type(error).__name__})"
        ) from None


def _handler(zeroconf: Any, found: Found) -> Callable[..., None]:
    def changed(zeroconf: Any, service_type: str, name: str, state_change: Any) -> None:
        if state_change is removed:
            return
        info = zeroconf.get_service_info(service_type, name)
        if info is not None and (addresses := info.parsed_addresses()):
            found.hear(info.properties, addresses[0], info.port)

    removed = zeroconf.ServiceStateChange.Removed
    return changed
