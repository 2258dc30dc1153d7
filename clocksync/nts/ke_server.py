"""The NTS-KE server: TLS on TCP, on a thread of its own.  [I/O]

Strangers may connect, so everything about a connection is bounded: how many there are at a time,
how long one may take from the first byte to the last, how many bytes it may send. What is beyond is
closed without a word, and counted. Nothing is kept of a connection when it ends; what the client
needs later is in its cookies.
"""

import asyncio
import contextlib
import errno
import socket
import threading
import time
from collections import Counter
from collections.abc import Sequence
from enum import Enum

from clocksync.nts import COOKIES, KE_PORT, NTP_PORT
from clocksync.nts.cookies import COOKIE_BYTES, ClientKeys, CookieJar
from clocksync.nts.negotiation import BAD_REQUEST, Refused, answer, refusal
from clocksync.nts.records import Reader, Record
from clocksync.nts.tls import Server as TlsContext
from clocksync.nts.tls import Tls
from clocksync.runtime.addresses import format_endpoint
from clocksync.runtime.errors import BadConfig, MalformedFrame
from clocksync.runtime.mmsg import Address
from clocksync.runtime.sockets import in_words
from clocksync.runtime.units import SECOND

CONNECTIONS_MAX = 64
TIMEOUT_NS = 5 * SECOND
REQUEST_BYTES_MAX = 4_096
RAW_BYTES_MAX = 32_768
"""Of TLS, before decryption: a client has no certificate to show."""
_PIECE = 4_096


class Ending(Enum):
    """How a connection ended."""

    GRANTED = "given keys"
    REFUSED = "refused"
    CROWDED = "turned away: too many at a time"
    SLOW = "too slow"
    BROKEN = "broken off"


class KeServer:
    """Serves key establishment on `binds` until :meth:`close`.

    Args:
        context: the certificate and its key.
        jar: what makes the cookies.
        port: 0 takes any free one.
        ntp_port: where the time server listens; told to clients if it is not 123.

    Raises:
        BadConfig: an address cannot be bound.
    """

    def __init__(
        self,
        context: TlsContext,
        jar: CookieJar,
        binds: Sequence[str],
        port: int = KE_PORT,
        ntp_port: int = NTP_PORT,
        timeout_ns: int = TIMEOUT_NS,
    ) -> None:
        self._context, self._jar, self._ntp_port = context, jar, ntp_port
        self._timeout_ns = timeout_ns
        self.counts: Counter[Ending] = Counter()
        self._connections = 0
        self._sockets: list[socket.socket] = []
        try:
            for bind in binds:
                self._sockets.append(_listening(bind, port))
                port = port or self._sockets[0].getsockname()[1]
        except BaseException:
            for sock in self._sockets:
                sock.close()
            raise
        self.addresses: list[Address] = [sock.getsockname()[:2] for sock in self._sockets]
        self._loop: asyncio.AbstractEventLoop | None = None
        self._done: asyncio.Event | None = None
        ready = threading.Event()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._run(ready)), name="clocksync nts-ke", daemon=True
        )
        self._thread.start()
        ready.wait()

    def close(self) -> None:
        """Stop listening, and drop what is under way. Can be called twice."""
        loop, done = self._loop, self._done
        if loop is not None and done is not None:
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(done.set)
        self._thread.join()

    async def _run(self, ready: threading.Event) -> None:
        self._loop, self._done = asyncio.get_running_loop(), asyncio.Event()
        servers = [
            await asyncio.start_server(self._converse, sock=sock, limit=_PIECE)
            for sock in self._sockets
        ]
        ready.set()
        await self._done.wait()
        for server in servers:
            server.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._connections >= CONNECTIONS_MAX:
            self.counts[Ending.CROWDED] += 1
            writer.close()
            return
        self._connections += 1
        ending = Ending.BROKEN
        try:
            async with asyncio.timeout(self._timeout_ns / SECOND):
                ending = await self._serve(self._context.session(), reader, writer)
        except TimeoutError:
            ending = Ending.SLOW
        except (Refused, MalformedFrame):
            ending = Ending.REFUSED
        except (OSError, asyncio.CancelledError):
            ending = Ending.BROKEN
        finally:
            self._connections -= 1
            self.counts[ending] += 1
            # What is not taken by now is for nobody: a peer that does not read must not keep it.
            if ending in (Ending.GRANTED, Ending.REFUSED):
                writer.close()
            else:
                writer.transport.abort()

    async def _serve(
        self, tls: Tls, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> Ending:
        left, whole, through = RAW_BYTES_MAX, Reader(REQUEST_BYTES_MAX), False
        while True:
            piece = await reader.read(_PIECE)
            left -= len(piece)
            if not piece or left < 0:
                return Ending.BROKEN if not piece else Ending.REFUSED
            tls.incoming(piece)
            try:
                through = through or tls.handshake()
                records = _said(tls, whole) if through else None
            except MalformedFrame:
                tls.write(refusal(BAD_REQUEST))
                await self._send(tls, writer)
                raise
            finally:
                writer.write(tls.outgoing())
            if records is None:
                await writer.drain()
                continue
            said = answer(records, tls.export, self._make_cookie, self._ntp_port)
            tls.write(said)
            await self._send(tls, writer)
            holds_cookies = len(said) > COOKIES * COOKIE_BYTES  # or a few bytes that say no
            return Ending.GRANTED if holds_cookies else Ending.REFUSED

    def _make_cookie(self, keys: ClientKeys) -> bytes:
        return self._jar.make(keys, time.monotonic_ns())

    async def _send(self, tls: Tls, writer: asyncio.StreamWriter) -> None:
        tls.close()
        writer.write(tls.outgoing())
        await writer.drain()


def _said(tls: Tls, whole: Reader) -> tuple[Record, ...] | None:
    while True:
        piece = tls.read()
        if piece is None:
            return None
        if not piece:
            raise Refused("it closed the session before it had asked")
        records = whole.feed(piece)
        if records is not None:
            return records


def _listening(bind: str, port: int) -> socket.socket:
    where = format_endpoint(bind, port)
    try:
        found = socket.getaddrinfo(bind, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        raise BadConfig(f"cannot serve NTS on {where}: {bind!r} is no address of ours") from None
    family, _, _, _, name = found[0]
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(name)
        sock.listen(CONNECTIONS_MAX)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise BadConfig(f"cannot serve NTS: TCP {where} is in use: say --nts-port") from None
        raise BadConfig(f"cannot serve NTS on TCP {where}: {in_words(error)}") from None
    return sock
