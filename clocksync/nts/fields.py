"""The NTP extension fields of NTS (RFC 8915 section 5).

The authenticator is the last field that counts: everything before it, header and fields, is what
it authenticates, and what follows it is nobody's word and is not looked at.
"""

import struct
from dataclasses import dataclass

from clocksync.ntp.packet import HEADER_BYTES
from clocksync.ntp.trailer import ExtensionField, encode_field, padded, parse_fields
from clocksync.nts.aead import NONCE_BYTES, TAG_BYTES, Aead
from clocksync.runtime.errors import MalformedFrame

UNIQUE_IDENTIFIER = 0x0104
COOKIE = 0x0204
COOKIE_PLACEHOLDER = 0x0304
AUTHENTICATOR = 0x0404
IDENTIFIER_BYTES = 32
"""At least so many (section 5.3); longer ones of others are echoed as they are."""
KISS_NTSN = int.from_bytes(b"NTSN", "big")
_LENGTHS = struct.Struct(">HH")


@dataclass(frozen=True, slots=True)
class Sealed:
    """An authenticator field, taken apart."""

    nonce: bytes
    ciphertext: bytes
    associated: bytes
    """Everything before it, from the header on."""

    def open(self, aead: Aead) -> bytes | None:
        """The encrypted extension fields; None where it proves nothing."""
        return aead.open(self.ciphertext, self.nonce, self.associated)


def find_sealed(message: bytes, fields: tuple[ExtensionField, ...]) -> Sealed | None:
    """The authenticator among the fields of a packet; None where there is none.

    Raises:
        MalformedFrame: its lengths are impossible.
    """
    found = next((field for field in fields if field.kind == AUTHENTICATOR), None)
    if found is None:
        return None
    value = found.value
    nonce_length, length = _LENGTHS.unpack_from(value)
    start = _LENGTHS.size + padded(nonce_length)
    if start + padded(length) > len(value) or length < TAG_BYTES or not nonce_length:
        raise MalformedFrame("an authenticator of impossible lengths")
    nonce = value[_LENGTHS.size : _LENGTHS.size + nonce_length]
    return Sealed(nonce, value[start : start + length], message[: HEADER_BYTES + found.start])


def before_authenticator(fields: tuple[ExtensionField, ...]) -> tuple[ExtensionField, ...]:
    """The fields that an authenticator vouches for: those before the first one."""
    for place, field in enumerate(fields):
        if field.kind == AUTHENTICATOR:
            return fields[:place]
    return ()


def authenticator(aead: Aead, nonce: bytes, message: bytes, encrypted: bytes = b"") -> bytes:
    """The field that authenticates `message` and carries `encrypted` fields with it."""
    assert len(nonce) == NONCE_BYTES
    ciphertext = aead.seal(encrypted, nonce, message)
    lengths = _LENGTHS.pack(len(nonce), len(ciphertext))
    filling = bytes(padded(len(ciphertext)) - len(ciphertext))
    return encode_field(AUTHENTICATOR, lengths + nonce + ciphertext + filling)


def authenticator_bytes(encrypted: int) -> int:
    """How long :func:`authenticator` makes the field."""
    return 4 + _LENGTHS.size + NONCE_BYTES + padded(TAG_BYTES + encrypted)


def cookies_in(plain: bytes) -> list[bytes]:
    """The cookies among decrypted fields; whatever else is there is ignored.

    Raises:
        MalformedFrame: these are no fields.
    """
    return [field.value for field in parse_fields(plain) if field.kind == COOKIE]
