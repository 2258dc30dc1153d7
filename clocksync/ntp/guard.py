"""Who may pass a responder: what authenticates a request, and with it the answer.

A :class:`Guard` looks at requests that carry a MAC or NTS fields. What it finds authentic gets a
:class:`Passage`, which seals the answer in the same way; what names a key that is not known, or
proves nothing, gets one that only says so (a crypto-NAK, RFC 5905 section 7.3, or an NTS NAK, RFC
8915 section 5.7). No answer is longer than its request: a MAC is as long as the one that came, a
NAK shorter, and NTS hands out as many cookies as it was sent room for.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from clocksync.ntp.keys import KeySet
from clocksync.ntp.mac import number_of
from clocksync.ntp.packet import HEADER_BYTES, NtpPacket, lengthened
from clocksync.ntp.trailer import CRYPTO_NAK, KEY_ID_BYTES, Trailer, parse

KISS_CRYPTO = int.from_bytes(b"CRYP", "big")
"""RFC 5905 figure 13: cryptographic authentication failed."""


@dataclass(frozen=True, slots=True)
class Passage:
    """How to answer: ``seal`` puts the proof behind an answer; with a ``kiss`` code the answer is
    to be that kiss, because the request proved nothing."""

    seal: Callable[[NtpPacket], NtpPacket]
    kiss: int = 0


class NtsRequests(Protocol):
    """What NTS brings to a guard: :class:`clocksync.nts.server.NtsServer`."""

    def admit(self, request: bytes, trailer: Trailer, now: int) -> Passage | None:
        """As :meth:`Guard.admit`; None where the request is none of NTS."""


@dataclass(slots=True)
class Guard:
    """Authenticates by symmetric `keys`, by `nts`, or both; `required` turns all others away."""

    keys: KeySet | None = None
    nts: NtsRequests | None = None
    required: bool = False

    def admit(self, request: bytes, now: int) -> Passage | None:
        """The passage of a well-formed request; None where it has nothing to be judged by.

        `now` is monotonic, ns.
        """
        if len(request) == HEADER_BYTES:
            return None
        version = request[0] >> 3 & 7
        trailer = parse(request[HEADER_BYTES:], version)
        if trailer.mac:
            return self._by_key(request, trailer.mac, version)
        return self.nts.admit(request, trailer, now) if self.nts is not None else None

    def _by_key(self, request: bytes, mac: bytes, version: int) -> Passage | None:
        if self.keys is None or len(mac) <= KEY_ID_BYTES:  # nothing to say to a NAK
            return None
        key = self.keys.get(number_of(mac))
        if key is None or not key.verifies(request[: -len(mac)], mac, version):
            return Passage(lambda answer: lengthened(answer, CRYPTO_NAK), KISS_CRYPTO)
        return Passage(lambda answer: lengthened(answer, key.mac(answer.encode(), version)))
