"""Finding the other members at the start: names that may not resolve yet, or zeroconf.  [I/O]

Names are looked up again while their members are silent (:mod:`~vsync.node.lookups`). What
zeroconf found is not.
"""

import importlib
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from clocksync.runtime.errors import BadConfig, MissingExtra
from clocksync.runtime.mmsg import Address
from clocksync.runtime.units import SECOND, format_duration
from vsync.frames import NOBODY
from vsync.identity import group_number
from vsync.node.lookups import Note, look_up, numeric
from vsync.node.names import is_address, place

TRY_EVERY_S = 0.5
QUIET_S = 1.0
"""How long we wait without a word."""
ONCE_S = 5.0
"""How long a resolver may take for all names, where nobody asked to wait."""
SERVICE = "_vsync._udp.local."


def resolved(
    peers: Mapping[int, str | Address], listen: Address, wait_ns: int, note: Note
) -> dict[int, Address]:
    """The numeric addresses of peers; waits for names that do not resolve yet. Who is missing in
    the end can be found later (:class:`~vsync.node.lookups.Lookups`).

    Args:
        listen: our own address: others are looked for in its family, v4 or v6.
        wait_ns: for how long, ns; 0: each name is looked up once.
        note: is told once that we wait, and for whom; and who is missing.

    Raises:
        BadConfig: one of them cannot be an address, or a name.
    """
    ends = {peer: place(endpoint) for peer, endpoint in peers.items()}
    found = {peer: numeric(end) for peer, end in ends.items() if is_address(end[0])}
    family = socket.AF_INET6 if ":" in listen[0] else socket.AF_INET
    is_done, is_over = threading.Event(), threading.Event()

    def look() -> None:
        while not is_over.is_set():
            for peer in sorted(set(ends) - set(found)):
                if addresses := look_up(ends[peer], family):
                    found[peer] = addresses[0]
            if len(found) == len(ends) or not wait_ns:
                is_done.set()
                return
            is_over.wait(TRY_EVERY_S)

    if len(found) == len(ends):
        return found
    # A resolver can take its time, and cannot be stopped: it gets a thread that nobody waits for.
    threading.Thread(target=look, name="vsync-resolving", daemon=True).start()
    if wait_ns and not is_done.wait(min(QUIET_S, wait_ns / SECOND)):
        note(f"waiting up to {format_duration(wait_ns)} for {_missing(ends, found)} to resolve")
    is_done.wait(wait_ns / SECOND if wait_ns else ONCE_S)
    is_over.set()
    there = dict(found)  # the resolver may still be at it
    if len(there) < len(ends):
        who = ", ".join(map(str, sorted(set(ends) - set(there))))
        note(
            f"no {'IPv6' if ':' in listen[0] else 'IPv4'} address is known for"
            f" {_missing(ends, there)}: member {who} is looked for until it is found"
        )
    return there


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
