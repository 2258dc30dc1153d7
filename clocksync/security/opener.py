"""Opens what others have sealed for each other, for a passive observer that has the group's key.

A datagram names only the first bytes of its sender's incarnation; a hello tells all of them, and is
authenticated. So what can be opened is what was sealed by those of whom a hello was heard. Nothing
is asked of anybody, and nothing is claimed of freshness: a recording opens as well.
"""

import hmac
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from clocksync.runtime.errors import MalformedFrame
from clocksync.runtime.wire import layout
from clocksync.security.datagram import (
    BAD_TAG,
    HEADER_BYTES,
    NONCE,
    TAG_BYTES,
    UNKNOWN_INCARNATION,
    UNKNOWN_KEY,
    Hello,
    SealedHeader,
    hello_tag,
)
from clocksync.security.derivation import datagram_key, hello_key
from clocksync.security.keyring import KeyRing

INCARNATIONS_MAX = 1_024
_CLUSTERS_MAX = 64
_HEADER = layout(SealedHeader)


class Opener:
    """Opens datagrams of any cluster of the group.

    Args:
        keys: of the group, one or two.
    """

    def __init__(self, keys: KeyRing) -> None:
        self._keys = {key.id: key for key in keys.keys}
        self._hello_keys: dict[tuple[int, int], bytes] = {}
        self._incarnations: dict[tuple[int, int, int], bytes] = {}
        """By cluster, sender and the number that begins the incarnation; the oldest give way."""
        self._ciphers: dict[tuple[int, int, int, int], AESGCM] = {}

    def hear(self, data: bytes) -> None:
        """Take a hello, if it is authentic.

        Raises:
            MalformedFrame: it is none, of another key, or not authentic.
        """
        hello = Hello.decode(data)
        key = self._hello_key(hello.cluster, hello.key)
        if not hmac.compare_digest(hello_tag(key, data[:-TAG_BYTES]), hello.tag):
            raise MalformedFrame(BAD_TAG)
        prefix = int.from_bytes(hello.incarnation[:4], "big")
        place = hello.cluster, hello.sender, prefix
        if self._incarnations.get(place) != hello.incarnation:
            self._incarnations[place] = hello.incarnation
            for key_id in self._keys:
                self._ciphers.pop((*place, key_id), None)
            _bound(self._incarnations, INCARNATIONS_MAX)

    def open(self, data: bytes) -> bytes:
        """The body of a sealed datagram.

        Raises:
            MalformedFrame: it is none, or cannot be opened; the reason says why.
        """
        header, _ = _HEADER.decode(data)
        assert isinstance(header, SealedHeader)
        place = header.cluster, header.sender, header.incarnation, header.key
        cipher = self._ciphers.get(place) or self._cipher(*place)
        try:
            return cipher.decrypt(data[NONCE], data[HEADER_BYTES:], data[:HEADER_BYTES])
        except InvalidTag:
            raise MalformedFrame(BAD_TAG) from None

    def _hello_key(self, cluster: int, key_id: int) -> bytes:
        if key_id not in self._keys:
            raise MalformedFrame(UNKNOWN_KEY)
        found = self._hello_keys.get((cluster, key_id))
        if found is None:
            found = self._hello_keys[cluster, key_id] = hello_key(self._keys[key_id], cluster)
            _bound(self._hello_keys, _CLUSTERS_MAX)
        return found

    def _cipher(self, cluster: int, sender: int, prefix: int, key_id: int) -> AESGCM:
        if key_id not in self._keys:
            raise MalformedFrame(UNKNOWN_KEY)
        incarnation = self._incarnations.get((cluster, sender, prefix))
        if incarnation is None:
            raise MalformedFrame(UNKNOWN_INCARNATION)
        cipher = AESGCM(datagram_key(self._keys[key_id], cluster, sender, incarnation))
        self._ciphers[cluster, sender, prefix, key_id] = cipher
        _bound(self._ciphers, INCARNATIONS_MAX)
        return cipher


def _bound(entries: dict[Any, Any], limit: int) -> None:
    if len(entries) > limit:
        del entries[next(iter(entries))]
