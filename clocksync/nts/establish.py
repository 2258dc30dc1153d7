"""The client of NTS key establishment over TCP.  [I/O]

One connection, one question, one answer, bounded in time and in bytes whatever the peer does. The
certificate is checked against the name that was asked for before a single record is sent.
"""

import asyncio
import contextlib

from clocksync.nts.client import Establishment
from clocksync.nts.negotiation import TO_CLIENT, TO_SERVER, Refused, judge_answer, request
from clocksync.nts.records import Reader, Record
from clocksync.nts.tls import Client, Tls
from clocksync.runtime.errors import MalformedFrame
from clocksync.runtime.mmsg import Address
from clocksync.runtime.sockets import in_words
from clocksync.runtime.units import SECOND

TIMEOUT_NS = 5 * SECOND
RAW_BYTES_MAX = 131_072
"""Of TLS, before decryption: certificates of any sensible size and the answer."""
_PIECE = 16_384


class NotEstablished(Exception):
    """There are no keys; the message is one line. ``reachable`` where somebody answered."""

    def __init__(self, words: str, reachable: bool) -> None:
        super().__init__(words)
        self.reachable = reachable


async def establish(
    client: Client,
    host: str,
    address: Address,
    *,
    source: str | None = None,
    timeout_ns: int = TIMEOUT_NS,
) -> Establishment:
    """Get keys and cookies from the server at `address`, which must prove that it is `host`.

    Raises:
        NotEstablished: it could not be reached, did not prove it, or grants nothing.
    """
    try:
        async with asyncio.timeout(timeout_ns / SECOND):
            return await _establish(client, host, address, source)
    except TimeoutError:
        words = f"NTS key establishment: no answer within {timeout_ns / SECOND:g} s"
        raise NotEstablished(words, False) from None
    except Refused as error:
        raise NotEstablished(f"NTS key establishment: {error}", True) from None
    except OSError as error:
        raise NotEstablished(f"NTS key establishment: {in_words(error)}", False) from None


async def _establish(
    client: Client, host: str, address: Address, source: str | None
) -> Establishment:
    local = None if source is None else (source, 0)
    reader, writer = await asyncio.open_connection(*address, local_addr=local)
    try:
        tls, complaint = client.session(host)
        peer = _Peer(tls, reader, writer)
        try:
            while not tls.handshake():
                await peer.exchange()
        except Refused as error:
            raise Refused(complaint() or str(error)) from None
        names = tls.peer_names()
        if not names.cover(host):
            raise Refused(f"its certificate is for {names.told()}, not for {host}")
        tls.write(request())
        agreed = judge_answer(await peer.message())
        tls.close()
        peer.flush()
        return Establishment(
            tls.export(TO_SERVER), tls.export(TO_CLIENT), agreed.cookies, agreed.server, agreed.port
        )
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


class _Peer:
    """The bytes of one session, counted."""

    def __init__(
        self, tls: Tls, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._tls, self._reader, self._writer = tls, reader, writer
        self._left = RAW_BYTES_MAX

    def flush(self) -> None:
        self._writer.write(self._tls.outgoing())

    async def exchange(self) -> None:
        """Send what there is, and take what comes next."""
        self.flush()
        await self._writer.drain()
        piece = await self._reader.read(_PIECE)
        self._left -= len(piece)
        if not piece:
            raise Refused("it closed the connection before it had answered")
        if self._left < 0:
            raise Refused("it sends more than an answer can be")
        self._tls.incoming(piece)

    async def message(self) -> tuple[Record, ...]:
        whole = Reader()
        while True:
            said = self._tls.read()
            if said is None:
                await self.exchange()
                continue
            if not said:
                raise Refused("it closed the connection before it had answered")
            try:
                records = whole.feed(said)
            except MalformedFrame as error:
                raise Refused(f"its answer holds {error.reason}") from None
            if records is not None:
                return records
