"""Looking up names, in a thread that nobody waits for.  [I/O]

A resolver can take half a minute to say that it knows nothing, and cannot be stopped: so neither
the ring nor the end of a member ever waits for one.
"""

import socket
import threading
import time
from collections.abc import Callable, Collection, Sequence

from clocksync.runtime.addresses import from_sockaddr
from clocksync.runtime.errors import BadConfig
from clocksync.runtime.mmsg import Address
from vsync.node.names import Names, place

ROUND_S = 0.5
"""How often it is seen who is silent."""

LookUp = Callable[[Address, int], Sequence[Address]]
"""Takes a name and port, and a family; gives the addresses, none if it does not resolve."""
Note = Callable[[str], object]
"""Takes one line for whoever started the member."""


def look_up(end: Address, family: int = socket.AF_UNSPEC) -> list[Address]:
    """The numeric addresses of a name, in order of preference; none if it does not resolve."""
    try:
        found = socket.getaddrinfo(*end, family, socket.SOCK_DGRAM)
    except (OSError, UnicodeError):  # the last: a label no name can have
        return []
    return list(dict.fromkeys(from_sockaddr(family, name) for family, _, _, _, name in found))


def numeric(endpoint: str | Address) -> Address:
    """An address without names.

    Raises:
        BadConfig: it is no address, or its name does not resolve.
    """
    host, port = place(endpoint)
    try:
        family, _, _, _, name = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    except OSError as error:
        raise BadConfig(f"{host} cannot be resolved: {error.strerror or error}") from None
    return from_sockaddr(family, name)


class Lookups:
    """Looks names up again while their members are silent.

    Args:
        names: of this member's peers.
        family: that of its own address; others are looked for in it.
        present: tells who is on the ring.
        move: takes a member and its new address.
        note: is told what a person should know.
    """

    def __init__(
        self,
        names: Names,
        family: int,
        present: Callable[[], Collection[int]],
        move: Callable[[int, Address], None],
        note: Note,
        look_up: LookUp = look_up,
    ) -> None:
        self.names = names
        self._family, self._look_up = family, look_up
        self._present, self._move, self._note = present, move, note
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="vsync-names", daemon=True)

    def start(self) -> None:
        """Begin, if there are names."""
        if self.names:
            self._thread.start()

    def close(self) -> None:
        """Look up no more; a resolver that is being asked is left alone."""
        self._over.set()

    def round(self, now: int) -> None:
        """Look up what is due; `now` is the monotonic clock, ns."""
        for peer in self.names.due(self._present(), now):
            addresses = self._look_up(self.names.end(peer), self._family)
            if self._over.is_set():
                return
            if peer in self._present():
                continue  # it came back meanwhile: it is where it was
            moved, line = self.names.learn(peer, addresses)
            if moved is not None:
                self._move(peer, moved)
            if line:
                self._note(line)

    def _run(self) -> None:
        while not self._over.wait(ROUND_S):
            self.round(time.monotonic_ns())
