"""The AEAD of NTS: AEAD_AES_SIV_CMAC_256 (RFC 5297), which every implementation has to have.

SIV is what RFC 8915 section 5.1 asks for because it forgives a repeated nonce: a server that is
cloned, or whose generator fails, gives away that two texts are equal and nothing else.

A request of NTS encrypts nothing, and some versions of ``cryptography`` (45 and before, or with an
OpenSSL before 3.5) refuse an empty text. SIV of that is no more than its tag, a few CMACs, which
are made here where it has to be.
"""

import functools
import hmac

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC

AES_SIV_CMAC_256 = 15
"""Its number in IANA's registry of AEAD algorithms."""
KEY_BYTES = 32
NONCE_BYTES = 16
TAG_BYTES = 16
_BLOCK_BITS = 128


class Aead:
    """Seals and opens with one key."""

    __slots__ = ("_cipher", "_key")

    def __init__(self, key: bytes) -> None:
        assert len(key) == KEY_BYTES
        self._cipher = AESSIV(key)
        self._key = key

    def seal(self, plain: bytes, nonce: bytes, associated: bytes) -> bytes:
        """The tag and the ciphertext (the nonce is the last associated data, RFC 5297)."""
        if not plain and not takes_empty_text():
            return self._tag_of_nothing(associated, nonce)
        return self._cipher.encrypt(plain, [associated, nonce])

    def open(self, sealed: bytes, nonce: bytes, associated: bytes) -> bytes | None:
        """What was sealed; None where key, nonce, text or associated data are other ones."""
        if len(sealed) < TAG_BYTES:
            return None
        if len(sealed) == TAG_BYTES and not takes_empty_text():
            tag = self._tag_of_nothing(associated, nonce)
            return b"" if hmac.compare_digest(tag, sealed) else None
        try:
            return self._cipher.decrypt(sealed, [associated, nonce])
        except InvalidTag:
            return None

    def _tag_of_nothing(self, *associated: bytes) -> bytes:
        """RFC 5297 section 2.4, S2V, of an empty plaintext."""
        key = self._key[: KEY_BYTES // 2]
        mixed = _cmac(key, bytes(TAG_BYTES))
        for part in associated:
            mixed = _doubled(mixed) ^ _cmac(key, part)
        padded = 1 << _BLOCK_BITS - 1
        return _cmac(key, (_doubled(mixed) ^ padded).to_bytes(TAG_BYTES, "big")).to_bytes(
            TAG_BYTES, "big"
        )


@functools.cache
def takes_empty_text() -> bool:
    """Whether this version of ``cryptography`` seals nothing."""
    try:
        AESSIV(bytes(KEY_BYTES)).encrypt(b"", [b""])
    except ValueError:
        return False
    return True


def _cmac(key: bytes, data: bytes) -> int:
    code = CMAC(AES(key))
    code.update(data)
    return int.from_bytes(code.finalize(), "big")


def _doubled(block: int) -> int:
    """Multiplication by x in the field of 2^128 elements that RFC 5297 section 2.3 names."""
    shifted = block << 1
    return shifted ^ (1 << _BLOCK_BITS | 0x87) if shifted >> _BLOCK_BITS else shifted
