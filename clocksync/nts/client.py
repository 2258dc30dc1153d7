"""The client's half of NTS-protected NTP (RFC 8915 section 5.7), without I/O.

An :class:`NtsAuthenticator` holds what key establishment brought and spends one cookie a request.
What it promises:

- a cookie leaves once, in one request, and so does an identifier: whoever sees two requests cannot
  tell by them that they are of one client;
- an answer counts if it carries the identifier of a request that still waits and the server's key
  sealed it; then its cookies are kept, and that identifier is never accepted again;
- lost cookies are made up for by placeholders, one each, as far as a datagram of
  :data:`REQUEST_BYTES_MAX` has room;
- an NTS NAK is heard if it carries an identifier that waits. It proves nothing, so a valid answer
  after it counts as ever; but if none came by the next request, new keys are wanted first;
- new keys are wanted as well when the last cookie is gone. They help once: where not one answer was
  valid since the last ones, wanting more of them would be a loop, and :attr:`is_exhausted` says so.
"""

import random
from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from clocksync.ntp.checks import Rejection
from clocksync.ntp.packet import HEADER_BYTES, LongPacket, NtpPacket, lengthened
from clocksync.ntp.trailer import ExtensionField, encode_field, parse
from clocksync.nts import COOKIES, NTP_PORT
from clocksync.nts.aead import NONCE_BYTES, Aead
from clocksync.nts.fields import (
    COOKIE,
    COOKIE_PLACEHOLDER,
    IDENTIFIER_BYTES,
    KISS_NTSN,
    UNIQUE_IDENTIFIER,
    authenticator,
    authenticator_bytes,
    before_authenticator,
    cookies_in,
    find_sealed,
)
from clocksync.runtime.errors import MalformedFrame

REQUEST_BYTES_MAX = 1024
"""With placeholders; less than any path's MTU, and what our own server takes."""
REMEMBERED_MAX = 128
COOKIE_BYTES_MAX = 512


@dataclass(frozen=True, slots=True)
class Establishment:
    """What key establishment brought: two keys, cookies, and whom to ask. No key is in a repr."""

    to_server: bytes = field(repr=False)
    to_client: bytes = field(repr=False)
    cookies: tuple[bytes, ...] = field(repr=False)
    server: str | None = None
    """Host of the time server; None: where the keys were established."""
    port: int = NTP_PORT


class NtsAuthenticator:
    """Seals requests and opens answers; `rng` must be unpredictable on a network."""

    method = name = "nts"
    silence = "its keys came over TCP, so it may be UDP that does not get through"

    def __init__(self, established: Establishment, rng: random.Random) -> None:
        self._rng = rng
        self._cookies: deque[bytes] = deque(maxlen=COOKIES)
        self._outstanding: OrderedDict[bytes, None] = OrderedDict()
        self._refused = False
        self._barren = 0
        self.adopt(established)

    def __repr__(self) -> str:
        return f"NtsAuthenticator({len(self._cookies)} cookies)"

    @property
    def cookies(self) -> int:
        """How many are left."""
        return len(self._cookies)

    @property
    def must_rekey(self) -> bool:
        """Whether the server refused the last request, or no cookie is left."""
        return self._refused or not self._cookies

    @property
    def is_exhausted(self) -> bool:
        """Whether new keys would be of no use: the last two establishments brought no answer."""
        return self._barren > 1

    def adopt(self, established: Establishment) -> None:
        """Go on with new keys; whatever the old ones would open is no longer waited for."""
        self._seal, self._open = Aead(established.to_server), Aead(established.to_client)
        self._cookies.clear()
        self._cookies.extend(established.cookies[:COOKIES])
        self._outstanding.clear()
        self._refused = False
        self._barren += 1

    def seal(self, packet: NtpPacket) -> LongPacket:
        """The request with a fresh identifier, a cookie, placeholders, and the authenticator."""
        cookie = self._cookies.popleft()
        identifier = self._rng.randbytes(IDENTIFIER_BYTES)
        self._outstanding[identifier] = None
        if len(self._outstanding) > REMEMBERED_MAX:
            self._outstanding.popitem(last=False)
        fields = encode_field(UNIQUE_IDENTIFIER, identifier) + encode_field(COOKIE, cookie)
        placeholder = encode_field(COOKIE_PLACEHOLDER, bytes(len(cookie)))
        room = REQUEST_BYTES_MAX - HEADER_BYTES - len(fields) - authenticator_bytes(0)
        missing = COOKIES - len(self._cookies) - 1
        fields += placeholder * min(missing, max(0, room) // len(placeholder))
        nonce = self._rng.randbytes(NONCE_BYTES)
        return lengthened(
            packet, fields + authenticator(self._seal, nonce, packet.encode() + fields)
        )

    def open(self, packet: NtpPacket) -> Rejection | None:
        if not isinstance(packet, LongPacket):
            return Rejection.UNAUTHENTICATED
        try:
            trailer = parse(packet.trailer, packet.version)
            sealed = find_sealed(packet.encode(), trailer.fields)
            if sealed is None:
                return self._unsealed(packet, trailer.fields)
            identifier = _only(before_authenticator(trailer.fields), UNIQUE_IDENTIFIER)
            if identifier not in self._outstanding:
                return Rejection.WRONG_IDENTIFIER
            plain = sealed.open(self._open)
            if plain is None:
                return Rejection.FORGED
            cookies = cookies_in(plain)
        except MalformedFrame:
            return Rejection.MALFORMED
        del self._outstanding[identifier]
        self._keep(cookies)
        return None

    def _unsealed(self, packet: LongPacket, fields: tuple[ExtensionField, ...]) -> Rejection:
        identifier = _only(fields, UNIQUE_IDENTIFIER)
        if packet.stratum or packet.reference_id != KISS_NTSN:
            return Rejection.UNAUTHENTICATED
        if identifier not in self._outstanding:
            return Rejection.WRONG_IDENTIFIER
        self._refused = True
        return Rejection.NTS_NAK

    def _keep(self, cookies: Iterable[bytes]) -> None:
        self._refused = False
        self._barren = 0
        for cookie in cookies:
            if len(self._cookies) < COOKIES and 0 < len(cookie) <= COOKIE_BYTES_MAX:
                self._cookies.append(cookie)


def _only(fields: Iterable[ExtensionField], kind: int) -> bytes:
    """The value of the one field of that type; nothing where there is none, or several."""
    values = [field.value for field in fields if field.kind == kind]
    return values[0] if len(values) == 1 else b""
