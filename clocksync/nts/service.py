"""NTS as a service beside an NTP server: its certificate, its cookies, its TCP port.  [I/O]"""

import os
from collections import Counter
from collections.abc import Sequence

from clocksync.ntp.guard import Guard
from clocksync.ntp.keys import KeySet
from clocksync.nts import KE_PORT
from clocksync.nts.cookies import ROTATE_NS, CookieJar
from clocksync.nts.ke_server import Ending, KeServer
from clocksync.nts.server import NtsServer
from clocksync.nts.tls import Server as TlsContext
from clocksync.runtime.errors import BadConfig
from clocksync.runtime.mmsg import Address


class NtsService:
    """Key establishment and the cookies that it gives out.

    Args:
        certificate: PEM file of the server's certificate, and those above it.
        key: PEM file of its private key, readable by its owner only.
        port: TCP; 0 takes any free one.
        rotate_ns: how long a master key of cookies is used; they are accepted three times longer.

    Raises:
        BadConfig: a file does not hold what it should, or `port` is none.
        MissingExtra: pyOpenSSL is not installed.
    """

    def __init__(
        self,
        certificate: str | os.PathLike[str],
        key: str | os.PathLike[str],
        port: int = KE_PORT,
        rotate_ns: int = ROTATE_NS,
    ) -> None:
        if not 0 <= port < 65536:
            raise BadConfig(f"port {port} is not one of 0 to 65535")
        self._context = TlsContext(certificate, key)
        self._port = port
        self.jar = CookieJar(os.urandom, rotate_ns)
        self._server: KeServer | None = None
        self._ended: Counter[Ending] = Counter()

    def guard(self, keys: KeySet | None, required: bool) -> Guard:
        """A guard that lets NTS pass, and whoever has one of `keys`."""
        return Guard(keys, NtsServer(self.jar, os.urandom), required)

    @property
    def addresses(self) -> list[Address]:
        """Where it listens; nowhere while it is closed."""
        return [] if self._server is None else self._server.addresses

    def open(self, binds: Sequence[str], ntp_port: int) -> None:
        """Listen, and tell clients that the time server is at that port of the same address.

        Raises:
            BadConfig: an address cannot be bound.
        """
        self._server = KeServer(self._context, self.jar, binds, self._port, ntp_port)

    def close(self) -> None:
        """Stop listening. What was given out stays good. Can be called twice."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
            self._ended = server.counts

    def summary(self) -> str:
        """What became of all connections of the server that is open, or was last, in words."""
        counts = self._server.counts if self._server is not None else self._ended
        parts = [f"{counts[ending]} {ending.value}" for ending in Ending if counts[ending]]
        return ", ".join(parts) or "nobody asked for keys"
