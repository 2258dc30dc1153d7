"""How a client proves its requests and judges the answers: symmetric keys.

An :class:`Authenticator` stands between one association and the wire: what it has not found
authentic, no association ever sees. That includes kisses of death, which anybody on the path could
send to silence a client. NTS has one of its own, :class:`clocksync.nts.client.NtsAuthenticator`.
"""

from typing import Protocol

from clocksync.ntp.checks import Rejection
from clocksync.ntp.mac import SymmetricKey, number_of
from clocksync.ntp.packet import LongPacket, NtpPacket, lengthened
from clocksync.ntp.trailer import CRYPTO_NAK, parse
from clocksync.runtime.errors import MalformedFrame


class Authenticator(Protocol):
    """Seals requests and opens answers; pure."""

    @property
    def method(self) -> str:
        """``key`` or ``nts``."""

    @property
    def name(self) -> str:
        """Which one it is, for people: ``key 5``."""

    @property
    def must_rekey(self) -> bool:
        """Whether it needs new keys before another request can be sealed."""

    @property
    def is_exhausted(self) -> bool:
        """Whether new keys would be of no use."""

    @property
    def silence(self) -> str:
        """What a server's silence may mean, in words; or nothing."""

    def seal(self, packet: NtpPacket) -> LongPacket:
        """The request with its proof."""

    def open(self, packet: NtpPacket) -> Rejection | None:
        """Why nothing is to be believed of an answer; None where it is authentic."""


class KeyAuthenticator:
    """Authenticates with one symmetric key (RFC 5905 section 7.3, RFC 8573)."""

    method = "key"
    must_rekey = is_exhausted = False

    def __init__(self, key: SymmetricKey) -> None:
        self._key = key
        self.name = f"key {key.number}"
        self.silence = f"one that does not accept {self.name} may say nothing"

    def seal(self, packet: NtpPacket) -> LongPacket:
        return lengthened(packet, self._key.mac(packet.encode(), packet.version))

    def open(self, packet: NtpPacket) -> Rejection | None:
        if not isinstance(packet, LongPacket):
            return Rejection.UNAUTHENTICATED
        try:
            mac = parse(packet.trailer, packet.version).mac
        except MalformedFrame:
            return Rejection.MALFORMED
        if not mac:
            return Rejection.UNAUTHENTICATED
        if mac == CRYPTO_NAK:
            return Rejection.CRYPTO_NAK
        if number_of(mac) != self._key.number:
            return Rejection.WRONG_KEY
        message = packet.encode()[: -len(mac)]
        return None if self._key.verifies(message, mac, packet.version) else Rejection.FORGED
