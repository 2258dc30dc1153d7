"""The server's half of NTS-protected NTP (RFC 8915 section 5.7), without I/O and without memory.

All it knows of a client is in the cookie that the request carries. The answer brings one new cookie
for the one spent and one for each placeholder, sealed, as far as the answer stays no longer than
the request. A request whose cookie is stale or whose seal is broken gets an NTS NAK.
"""

from collections.abc import Callable

from clocksync.ntp.guard import Passage
from clocksync.ntp.packet import HEADER_BYTES, NtpPacket, lengthened
from clocksync.ntp.trailer import Trailer, encode_field
from clocksync.nts import COOKIES
from clocksync.nts.aead import NONCE_BYTES, Aead
from clocksync.nts.cookies import COOKIE_BYTES, ClientKeys, CookieJar
from clocksync.nts.fields import (
    COOKIE,
    COOKIE_PLACEHOLDER,
    IDENTIFIER_BYTES,
    KISS_NTSN,
    UNIQUE_IDENTIFIER,
    authenticator,
    authenticator_bytes,
    before_authenticator,
    find_sealed,
)
from clocksync.runtime.errors import MalformedFrame

_FIELD_BYTES = 4 + COOKIE_BYTES


class NtsServer:
    """Judges NTS requests; `draw` gives so many unpredictable bytes."""

    def __init__(self, jar: CookieJar, draw: Callable[[int], bytes]) -> None:
        self._jar, self._draw = jar, draw

    def admit(self, request: bytes, trailer: Trailer, now: int) -> Passage | None:
        """The passage of a request; None where it is none of NTS."""
        try:
            sealed = find_sealed(request, trailer.fields)
        except MalformedFrame:
            return self._nak(trailer)
        if sealed is None:
            return None
        fields = before_authenticator(trailer.fields)
        vouched = Trailer(fields, b"")
        identifier, cookie = vouched.only(UNIQUE_IDENTIFIER), vouched.only(COOKIE)
        if identifier is None or cookie is None or len(identifier) < IDENTIFIER_BYTES:
            return self._nak(trailer)
        keys = self._jar.open(cookie, now)
        if keys is None or sealed.open(Aead(keys.to_server)) is None:
            return self._nak(trailer)
        asked = 1 + sum(
            field.kind == COOKIE_PLACEHOLDER and len(field.value) >= COOKIE_BYTES
            for field in fields
        )
        echo = encode_field(UNIQUE_IDENTIFIER, identifier)
        room = len(request) - HEADER_BYTES - len(echo) - authenticator_bytes(0)
        count = min(asked, COOKIES, room // _FIELD_BYTES)
        return Passage(lambda answer: self._seal(answer, echo, keys, count, now))

    def _seal(
        self, answer: NtpPacket, echo: bytes, keys: ClientKeys, count: int, now: int
    ) -> NtpPacket:
        fresh = (encode_field(COOKIE, self._jar.make(keys, now)) for _ in range(count))
        message = answer.encode() + echo
        nonce = self._draw(NONCE_BYTES)
        seal = authenticator(Aead(keys.to_client), nonce, message, b"".join(fresh))
        return lengthened(answer, echo + seal)

    def _nak(self, trailer: Trailer) -> Passage:
        identifier = trailer.only(UNIQUE_IDENTIFIER)
        echo = b"" if identifier is None else encode_field(UNIQUE_IDENTIFIER, identifier)
        return Passage(lambda kiss: lengthened(kiss, echo), KISS_NTSN)
