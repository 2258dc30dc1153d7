"""The AEAD of NTS: AEAD_AES_SIV_CMAC_256 (RFC 5297), which every implementation has to have.

SIV is what RFC 8915 section 5.1 asks for because it forgives a repeated nonce: a server that is
cloned, or whose generator fails, gives away that two texts are equal and nothing else.
"""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

AES_SIV_CMAC_256 = 15
"""Its number in IANA's registry of AEAD algorithms."""
KEY_BYTES = 32
NONCE_BYTES = 16
TAG_BYTES = 16


class Aead:
    """Seals and opens with one key."""

    __slots__ = ("_cipher",)

    def __init__(self, key: bytes) -> None:
        assert len(key) == KEY_BYTES
        self._cipher = AESSIV(key)

    def seal(self, plain: bytes, nonce: bytes, associated: bytes) -> bytes:
        """The tag and the ciphertext (the nonce is the last associated data, RFC 5297)."""
        return self._cipher.encrypt(plain, [associated, nonce])

    def open(self, sealed: bytes, nonce: bytes, associated: bytes) -> bytes | None:
        """What was sealed; None where key, nonce, text or associated data are other ones."""
        if len(sealed) < TAG_BYTES:
            return None
        try:
            return self._cipher.decrypt(sealed, [associated, nonce])
        except InvalidTag:
            return None
