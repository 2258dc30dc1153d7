"""Keys out of the group's key: HKDF-SHA256 (RFC 5869), one for each purpose.

``info`` names all that a key is for, in fields of fixed length behind a label, so that no two
purposes ever give one string. Above all a datagram key belongs to one sender *and* one incarnation
of it: two members never encrypt under one key, nor does a member that restarted and counts from 1
again, so that no nonce is used twice (SP 800-38D section 8.2.1).

The group's key is uniformly random and needs no salt (RFC 5869 section 3.1).
"""

import struct

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from clocksync.security.keyring import GroupKey

KEY_BYTES = 32

_DATAGRAM = b"vsync 2 datagram AES-256-GCM"
_HELLO = b"vsync 2 hello HMAC-SHA256"
_GROUP = struct.Struct(">BI")
_SENDER = struct.Struct(">BIH")


def datagram_key(key: GroupKey, cluster: int, sender: int, incarnation: bytes) -> bytes:
    """The key under which one incarnation of a sender encrypts its datagrams."""
    return _derived(key, _DATAGRAM + _SENDER.pack(key.id, cluster, sender) + incarnation)


def hello_key(key: GroupKey, cluster: int) -> bytes:
    """The key with which all members authenticate hellos."""
    return _derived(key, _HELLO + _GROUP.pack(key.id, cluster))


def _derived(key: GroupKey, info: bytes) -> bytes:
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=info).derive(key.secret)
