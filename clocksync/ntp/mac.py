"""Message authentication codes of NTP with symmetric keys.

Two kinds (RFC 8573): AES-CMAC (RFC 4493), which is what to use, and a digest over the key followed
by the packet (RFC 5905 section 7.3), as chrony and ntpsec still do with SHA-1 and the SHA-2 family.
In version 4 a digest is cut to 20 bytes, because what is longer would be taken for an extension
field (RFC 7822 section 7.5); older versions carry it whole. A MAC is accepted in exactly that
length, whatever part of it a sender would like to be judged by, and compared in constant time.

MD5 is not among them. RFC 8573 section 2 says that it must not be used.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC

from clocksync.ntp.trailer import KEY_ID_BYTES

LONGEST_DIGEST_V4 = 20

CIPHER_KEY_BYTES: Mapping[str, int] = MappingProxyType({"AES128": 16, "AES256": 32})
DIGESTS: Mapping[str, str] = MappingProxyType(
    {
        "SHA1": "sha1",
        "SHA224": "sha224",
        "SHA256": "sha256",
        "SHA384": "sha384",
        "SHA512": "sha512",
        "SHA3-224": "sha3_224",
        "SHA3-256": "sha3_256",
        "SHA3-384": "sha3_384",
        "SHA3-512": "sha3_512",
    }
)


@dataclass(frozen=True, slots=True)
class SymmetricKey:
    """A key both ends have, by its number. ``algorithm`` is a name of :data:`CIPHER_KEY_BYTES` or
    :data:`DIGESTS`; the secret is in no ``repr``."""

    number: int
    algorithm: str
    secret: bytes = field(repr=False)

    def mac(self, message: bytes, version: int = 4) -> bytes:
        """The key's number and the code over `message`: what follows it on the wire."""
        return self.number.to_bytes(KEY_ID_BYTES, "big") + self._code(message, version)

    def verifies(self, message: bytes, mac: bytes, version: int = 4) -> bool:
        """Whether `mac` is what :meth:`mac` makes of that message, bit for bit."""
        return hmac.compare_digest(self.mac(message, version), mac)

    def _code(self, message: bytes, version: int) -> bytes:
        if self.algorithm in CIPHER_KEY_BYTES:
            code = CMAC(AES(self.secret))
            code.update(message)
            return code.finalize()
        digest = hashlib.new(DIGESTS[self.algorithm], self.secret + message).digest()
        return digest[:LONGEST_DIGEST_V4] if version >= 4 else digest


def number_of(mac: bytes) -> int:
    """Which key a MAC says it is of."""
    return int.from_bytes(mac[:KEY_ID_BYTES], "big")
