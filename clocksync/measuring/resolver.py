"""Names to addresses, without ever holding up the measurement.  [I/O]

``getaddrinfo`` blocks, cannot be cancelled, and may take half a minute to say that a name does not
exist. It runs on daemon threads, so that neither the event loop nor the end of the program waits
for it; numeric addresses never get there.
"""

import asyncio
import contextlib
import ipaddress
import queue
import socket
import threading
from collections.abc import Callable, Sequence

from clocksync.measuring.settings import HostSpec, is_address
from clocksync.runtime.errors import BadConfig
from clocksync.runtime.mmsg import Address

THREADS_MAX = 32
_FAMILIES = {None: socket.AF_UNSPEC, 4: socket.AF_INET, 6: socket.AF_INET6}

Answer = Sequence[Address] | str
"""The addresses in order of preference, or why there are none."""


class Resolver:
    """Resolves `specs` in the background; `on_answer(number, answer)` is called in the loop."""

    def __init__(
        self,
        specs: Sequence[HostSpec],
        on_answer: Callable[[int, Answer], None],
        family: int = socket.AF_UNSPEC,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_answer = on_answer
        self._family = family
        self._names: queue.SimpleQueue[tuple[int, HostSpec]] = queue.SimpleQueue()
        self._specs = specs

    def start(self) -> None:
        """Answer for numeric addresses at once, and set threads to work on the names."""
        names = 0
        for number, spec in enumerate(self._specs):
            if is_address(spec.name):
                self._on_answer(number, self._resolve(spec))
            else:
                self._names.put((number, spec))
                names += 1
        for _ in range(min(names, THREADS_MAX)):
            threading.Thread(target=self._work, daemon=True, name="resolver").start()

    def _work(self) -> None:
        while True:
            try:
                number, spec = self._names.get_nowait()
            except queue.Empty:
                return
            answer = self._resolve(spec)
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(self._on_answer, number, answer)

    def _resolve(self, spec: HostSpec) -> Answer:
        flags = socket.AI_NUMERICHOST if is_address(spec.name) else 0
        try:
            found = socket.getaddrinfo(
                spec.name, spec.port, self._family, socket.SOCK_DGRAM, socket.IPPROTO_UDP, flags
            )
        except UnicodeError:
            return "the name does not resolve: no host can have that name"
        except OSError as error:
            words = (error.strerror or str(error)).lower()
            if not flags:
                return f"the name does not resolve: {words}"
            own = socket.AF_INET6 if ":" in spec.name else socket.AF_INET
            if self._family not in (socket.AF_UNSPEC, own):
                return "that address is not of the family asked for"
            return f"that address cannot be used: {words}"
        addresses: list[Address] = []
        for *_, name in found:
            scope = f"%{name[3]}" if len(name) > 3 and name[3] else ""
            address = (str(name[0]).partition("%")[0] + scope, spec.port)
            if address not in addresses:
                addresses.append(address)
        return addresses or "the name has no address"


def family_of(version: int | None, source: str | None) -> int:
    """The address family to use: what is asked for, or that of the local address to send from.

    Raises:
        BadConfig: nothing can be sent from there.
    """
    if version not in _FAMILIES:
        raise BadConfig(f"the IP version must be 4 or 6, not {version}")
    if source is None:
        return _FAMILIES[version]
    if not is_address(source):
        raise BadConfig(f"{source!r} is no address to send from: write an IPv4 or IPv6 address")
    own = ipaddress.ip_address(source).version
    if version not in (None, own):
        raise BadConfig(f"{source} is an IPv{own} address, but IPv{version} is asked for")
    with socket.socket(_FAMILIES[own], socket.SOCK_DGRAM) as sock:
        try:
            sock.bind((source, 0))
        except OSError:
            raise BadConfig(f"cannot send from {source}: it is no address of this host") from None
    return _FAMILIES[own]
