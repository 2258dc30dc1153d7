"""What may follow the header of an NTP packet: extension fields, then perhaps a MAC (RFC 7822).

Nothing on the wire says which of the two comes next. RFC 7822 section 7.5 tells them apart by
length: what is left is a MAC where it is no longer than the longest MAC, 24 bytes, and an extension
field where it is longer. Versions before 4 know no extension fields: all that follows is a MAC.
"""

from typing import NamedTuple

from clocksync.runtime.errors import MalformedFrame

SHORTEST_FIELD = 16  # RFC 7822 section 7.5
LONGEST_MAC = 24
KEY_ID_BYTES = 4
CRYPTO_NAK = bytes(KEY_ID_BYTES)
"""A MAC of key number 0 and no digest: "your key is not accepted" (RFC 5905 section 7.3)."""


class ExtensionField(NamedTuple):
    """One field: its type, its value with whatever padding it has, and where it begins."""

    kind: int
    value: bytes
    start: int


class Trailer(NamedTuple):
    """The extension fields in order, and the MAC (empty where there is none)."""

    fields: tuple[ExtensionField, ...]
    mac: bytes

    def only(self, kind: int) -> bytes | None:
        """The value of the one field of that type; None where there is none, or several."""
        values = [field.value for field in self.fields if field.kind == kind]
        return values[0] if len(values) == 1 else None


def parse(data: bytes, version: int) -> Trailer:
    """What these bytes behind a header are.

    Raises:
        MalformedFrame: a length is impossible.

    >>> parse(encode_field(0x0104, bytes(32)) + CRYPTO_NAK, version=4).mac.hex()
    '00000000'
    """
    if len(data) % 4:
        raise MalformedFrame("a trailer that is not a multiple of 4 bytes")
    if version < 4:
        return Trailer((), data)
    fields: list[ExtensionField] = []
    at, end = 0, len(data)
    while end - at > LONGEST_MAC:
        field = _field(data, at)
        fields.append(field)
        at += len(field.value) + 4
    return Trailer(tuple(fields), data[at:])


def parse_fields(data: bytes) -> tuple[ExtensionField, ...]:
    """Bytes that are extension fields to the last, as NTS encrypts them: no MAC is among them.

    Raises:
        MalformedFrame: a length is impossible.
    """
    fields: list[ExtensionField] = []
    at = 0
    while at < len(data):
        fields.append(_field(data, at))
        at += len(fields[-1].value) + 4
    return tuple(fields)


def _field(data: bytes, at: int) -> ExtensionField:
    size = int.from_bytes(data[at + 2 : at + 4], "big")
    if size < SHORTEST_FIELD or size % 4 or size > len(data) - at:
        raise MalformedFrame("an extension field of an impossible length")
    kind = int.from_bytes(data[at : at + 2], "big")
    return ExtensionField(kind, data[at + 4 : at + size], at)


def encode_field(kind: int, value: bytes) -> bytes:
    """An extension field, padded with zeros to whole words and to the shortest one there is."""
    size = max(SHORTEST_FIELD, 4 + padded(len(value)))
    return b"".join(
        (kind.to_bytes(2, "big"), size.to_bytes(2, "big"), value, bytes(size - 4 - len(value)))
    )


def padded(length: int) -> int:
    """A length rounded up to whole words of 4 bytes."""
    return length + 3 & ~3
