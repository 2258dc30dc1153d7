"""Seals and opens datagrams: AES-256-GCM (RFC 5116), a key for each sender and incarnation.

What promises what: a datagram that comes out was sealed by a holder of the group's key, as one of
this cluster and in this sender's name, byte for byte; by an incarnation that has proved to be
alive in our own life (:mod:`~clocksync.security.handshake`), not by one that has had a successor;
and it comes out once. All else is refused with a constant reason, after one check at the most, and
leaves nothing behind.

It rests on this: no nonce is used twice under one key. The nonce is the end of the header, four
bytes of the incarnation and a 64-bit counter (the deterministic construction of SP 800-38D section
8.2.1). The counter belongs to the incarnation, is common to all keys and never starts again; a new
incarnation has new keys. So whoever makes a :class:`Sealer` draws the incarnation anew each time,
and a process that has one neither forks nor is resumed from a snapshot.

Not bound to a receiver: a datagram is sealed once for all. What only one member may take must say
so itself.
"""

import struct
from collections.abc import Callable, Hashable, Iterable
from itertools import count
from typing import ClassVar, NamedTuple, cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from clocksync.runtime.envelope import (
    FOREIGN_MAGIC,
    MAGIC,
    OTHER_VERSION,
    TOO_SHORT,
    WRONG_CLUSTER,
)
from clocksync.runtime.errors import BadConfig, MalformedFrame
from clocksync.security.datagram import (
    ANYBODY,
    BAD_TAG,
    HEADER_BYTES,
    INCARNATION_BYTES,
    NOBODYS,
    NONCE,
    REFLECTED,
    SUPERSEDED,
    TAG_BYTES,
    UNKNOWN_INCARNATION,
    UNKNOWN_KEY,
    VERSION,
    Hello,
    Opened,
    check_number,
)
from clocksync.security.derivation import datagram_key
from clocksync.security.handshake import Handshake
from clocksync.security.keyring import KeyRing
from clocksync.security.replay import ReplayWindow

SECRET_BYTES = 32

Octets = bytes | memoryview
Cipher = Callable[[Octets, Octets, Octets], bytes]

# The header as the hot path takes it apart: magic and version, kind, route (cluster, sender, key,
# incarnation), counter. By the route it finds the key and the window.
_PARTS = struct.Struct(">3sB11sQ")
_ROUTE = struct.Struct(">IHB4s")
_START = struct.pack(">HB", MAGIC, VERSION)
_COMMON_BYTES = 10
"""What headers of all versions have in common."""
_PREFIX = slice(11, 15)
_COUNTER_BYTES = 8
_HEAD, _BODY = slice(HEADER_BYTES), slice(HEADER_BYTES, None)
_HELLO = Hello.KIND
_make_opened = cast(Callable[..., Opened], tuple.__new__)
"""``Opened(...)`` in half the time."""
assert _PARTS.size == HEADER_BYTES, "as SealedHeader declares"


class Channel(NamedTuple):
    """What opens the datagrams of one incarnation under one of the group's keys."""

    decrypt: Cipher
    window: ReplayWindow
    sender: int


class Sealer:
    """Seals and opens for one incarnation of one member. Not to be shared by threads.

    Args:
        cluster: the group's number; 0 to 2^32 - 1.
        me: this member's number; 0 to 2^16 - 2.
        incarnation: 16 random bytes, drawn for this object and no other.
        random_bytes: so many unpredictable bytes; asked once.

    Raises:
        BadConfig: one of them is impossible.
    """

    OVERHEAD: ClassVar[int] = HEADER_BYTES + TAG_BYTES
    """What a datagram has besides its body."""

    def __init__(
        self,
        keys: KeyRing,
        cluster: int,
        me: int,
        incarnation: bytes,
        random_bytes: Callable[[int], bytes],
    ) -> None:
        if not 0 <= cluster < 1 << 32:
            raise BadConfig(f"cluster = {cluster} is not in 0 to {(1 << 32) - 1}")
        check_number(me)
        if len(incarnation) != INCARNATION_BYTES:
            raise BadConfig(f"an incarnation has {INCARNATION_BYTES} bytes, not {len(incarnation)}")
        self._cluster, self._me, self._incarnation = cluster, me, incarnation
        self._prefix = incarnation[:4]
        # One step of `count` is indivisible: were a sealer shared by threads after all, or called
        # again by the bodies it is sealing, still no two datagrams would have one number.
        self._next_number = count(1).__next__
        secret = random_bytes(SECRET_BYTES)
        self._handshake = Handshake(keys, cluster, me, incarnation, self._next_number, secret)
        self.use(keys)

    def use(self, keys: KeyRing) -> None:
        """Use other keys from the next datagram on. Who is believed stays so, windows stay."""
        self._keys = keys
        self._encrypt: Cipher = self._cipher(keys.used, self._me, self._incarnation).encrypt
        route = _ROUTE.pack(self._cluster, self._me, keys.used, self._prefix)
        self._starts = {
            kind: _PARTS.pack(_START, kind, route, 0)[:-_COUNTER_BYTES]
            for kind in range(1, 256)
            if kind != Hello.KIND
        }
        self._handshake.use(keys)
        self._channels: dict[bytes, Channel] = {}
        self._open_channels()

    # Datagrams

    def seal(self, kind: int, body: bytes) -> bytes:
        """The datagram that carries a body.

        Raises:
            KeyError: no frame can have this kind.
        """
        number = self._next_number().to_bytes(_COUNTER_BYTES, "big")
        header = self._starts[kind] + number
        return header + self._encrypt(self._prefix + number, body, header)

    def seal_many(self, kind: int, bodies: Iterable[bytes]) -> list[bytes]:
        """The datagrams that carry these bodies: in a run a little cheaper than one by one.

        Raises:
            KeyError: no frame can have this kind.
        """
        start, next_number = self._starts[kind], self._next_number
        prefix, encrypt = self._prefix, self._encrypt
        sealed: list[bytes] = []
        for body in bodies:
            number = next_number().to_bytes(_COUNTER_BYTES, "big")
            header = start + number
            sealed.append(header + encrypt(prefix + number, body, header))
        return sealed

    def open(self, data: bytes | memoryview, now_ns: int, source: Hashable = None) -> Opened | None:
        """What is in a datagram, and who sealed it; None where it was a hello.

        Args:
            source: where it came from, if answers go there.

        Raises:
            MalformedFrame: it is refused.
        """
        if len(data) < self.OVERHEAD:
            _refuse_foreign(data, self._cluster)
            raise MalformedFrame(TOO_SHORT)
        start, kind, route, counter = _PARTS.unpack_from(data)
        channel = self._channels.get(route)
        if channel is None or start != _START or kind == _HELLO:
            self._open_other(data, now_ns, source)
            return None
        decrypt, window, sender = channel
        refusal = window.refusal(counter)
        if refusal is not None:
            raise MalformedFrame(refusal)
        try:
            body = decrypt(data[NONCE], data[_BODY], data[_HEAD])
        except InvalidTag:
            raise MalformedFrame(BAD_TAG) from None
        window.mark(counter)
        return _make_opened(Opened, (sender, kind, body))

    def _open_other(self, data: bytes | memoryview, now_ns: int, source: Hashable) -> None:
        """A hello, or what is to be refused and for which reason."""
        _refuse_foreign(data, self._cluster)
        if data[3] == Hello.KIND:
            if self._handshake.hear(data, now_ns, source):
                self._open_channels()
            return
        sender = int.from_bytes(data[8:10], "big")
        if sender == self._me:
            raise MalformedFrame(REFLECTED)
        if sender == ANYBODY:
            raise MalformedFrame(NOBODYS)
        if data[10] not in [key.id for key in self._keys.keys]:
            raise MalformedFrame(UNKNOWN_KEY)
        if self._handshake.is_superseded(sender, bytes(data[_PREFIX])):
            raise MalformedFrame(SUPERSEDED)
        self._handshake.prompt(sender, len(data), now_ns)
        raise MalformedFrame(UNKNOWN_INCARNATION)

    # Peers

    def greet(self, peer: int, now_ns: int) -> None:
        """Queue a hello: when this member starts, and whenever its caller likes."""
        self._handshake.greet(peer, now_ns)

    def hail(self, now_ns: int) -> bytes | None:
        """A hello for whoever is where it is sent; None where nobody has to be asked."""
        return self._handshake.hail(now_ns)

    def take_outgoing(self) -> list[tuple[int, bytes]]:
        """The hellos to be sent, each to the peer named beside it."""
        outgoing, self._handshake.outgoing = self._handshake.outgoing, []
        return outgoing

    def believed(self, peer: int) -> bytes | None:
        """The incarnation of a peer that has proved to be alive; None if none has."""
        known = self._handshake.peers.get(peer)
        return None if known is None or known.believed is None else known.believed.incarnation

    def _open_channels(self) -> None:
        """Derive what opens the datagrams of all who are believed: a few microseconds for each that
        is new, and never because of a datagram that is not authentic."""
        former, self._channels = self._channels, {}
        for number, peer in self._handshake.peers.items():
            if peer.believed is None:
                continue
            incarnation, window = peer.believed
            for key in self._keys.keys:
                route = _ROUTE.pack(self._cluster, number, key.id, incarnation[:4])
                channel = former.get(route)
                if channel is None or channel.window is not window:
                    cipher = self._cipher(key.id, number, incarnation)
                    channel = Channel(cipher.decrypt, window, number)
                self._channels[route] = channel

    def _cipher(self, key_id: int, sender: int, incarnation: bytes) -> AESGCM:
        key = next(key for key in self._keys.keys if key.id == key_id)
        return AESGCM(datagram_key(key, self._cluster, sender, incarnation))


def _refuse_foreign(data: Octets, cluster: int) -> None:
    """Raise the reason, in the order of the plain envelope, if a datagram is none of this group."""
    if len(data) < _COMMON_BYTES:
        raise MalformedFrame(TOO_SHORT)
    if bytes(data[:2]) != _START[:2]:
        raise MalformedFrame(FOREIGN_MAGIC)
    if data[2] != VERSION:
        raise MalformedFrame(OTHER_VERSION)
    if int.from_bytes(data[4:8], "big") != cluster:
        raise MalformedFrame(WRONG_CLUSTER)
