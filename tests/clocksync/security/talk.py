"""Members that seal and open, and the hellos between them, all taken down."""

import hmac
from dataclasses import replace
from hashlib import sha256

import pytest

from clocksync.runtime.errors import MalformedFrame
from clocksync.security.datagram import Hello, Opened
from clocksync.security.derivation import hello_key
from clocksync.security.handshake import HELLO_EVERY_NS, Handshake
from clocksync.security.keyring import GroupKey, KeyRing
from clocksync.security.sealer import Sealer

CLUSTER = 7
JOIN = 0x33
MS = 1_000_000
BODY = b"the frame of a Join, of the usual length or so"


def group_key(number: int) -> GroupKey:
    return GroupKey(number, sha256(b"key %d" % number).digest())


def ring(*numbers: int, used: int | None = None) -> KeyRing:
    """Keys of these numbers; the first is used unless told otherwise."""
    return KeyRing(tuple(map(group_key, numbers)), numbers[0] if used is None else used)


def incarnation(me: int, life: int = 1) -> bytes:
    return sha256(b"%d, life %d" % (me, life)).digest()[:16]


def sealer(me: int, life: int = 1, keys: KeyRing | None = None, cluster: int = CLUSTER) -> Sealer:
    """A member in one of its lives, with its own luck."""

    def random_bytes(count: int) -> bytes:
        return sha256(b"luck of %d in life %d" % (me, life)).digest()[:count]

    return Sealer(keys or ring(1), cluster, me, incarnation(me, life), random_bytes)


class Talk:
    """Some members by number. The time stands still unless it is moved."""

    def __init__(self, *numbers: int, keys: KeyRing | None = None) -> None:
        self.now = 1000_000 * MS
        self.lives = dict.fromkeys(numbers, 1)
        self.members = {number: sealer(number, keys=keys) for number in numbers}
        self.sent: list[tuple[int, int, bytes]] = []
        """Every hello that was sent: from, to, bytes."""

    def __getitem__(self, number: int) -> Sealer:
        return self.members[number]

    def restart(self, number: int, keys: KeyRing | None = None) -> None:
        """It forgets everything, and draws a new incarnation."""
        self.lives[number] += 1
        self.members[number] = sealer(number, self.lives[number], keys)

    def hear(self, to: int, data: bytes, source: object = None) -> Opened | str | None:
        """What a member opens, or the reason of its refusal."""
        try:
            return self.members[to].open(data, self.now, source)
        except MalformedFrame as error:
            return error.reason

    def greet(self, me: int, peer: int) -> None:
        self.members[me].greet(peer, self.now)

    def hail(self, me: int) -> bytes:
        hail = self.members[me].hail(self.now)
        assert hail is not None
        return hail

    def posted(self) -> list[tuple[int, int, bytes]]:
        """Take the hellos that wait to be sent: from, to, bytes."""
        posted = [
            (number, peer, data)
            for number, member in self.members.items()
            for peer, data in member.take_outgoing()
        ]
        self.sent += posted
        return posted

    def trip(self) -> bool:
        """Carry what waits across the network, once; whether there was anything."""
        posted = self.posted()
        for _, peer, data in posted:
            if peer in self.members:
                self.hear(peer, data)
        return bool(posted)

    def settle(self) -> int:
        """Carry hellos until nobody has any; how often they crossed the network."""
        trips = 0
        while self.trip():
            trips += 1
            assert trips < 20, "they never fall silent"
        return trips

    def acquainted(self) -> "Talk":
        """Everybody greets everybody; all believe each other afterwards."""
        for me in self.members:
            for peer in self.members:
                self.greet(me, peer)
        self.settle()
        self.now += 100 * MS
        self.sent.clear()
        assert all(self.believes(a, b) for a in self.members for b in self.members if a != b)
        return self

    def believes(self, me: int, peer: int) -> bool:
        """Whether a member believes the present incarnation of another."""
        return self.members[me].believed(peer) == incarnation(peer, self.lives[peer])

    def says(self, me: int, body: bytes = BODY) -> bytes:
        """A member's next datagram."""
        return self.members[me].seal(JOIN, body)

    def understands(self, me: int, peer: int) -> bool:
        """Whether a member opens what another seals now."""
        return self.hear(me, self.says(peer)) == (peer, JOIN, BODY)

    def mind(self, number: int) -> object:
        """All that a member has learned: whom it believes or no longer does, what it has seen."""
        member = self.members[number]
        peers = {
            peer: (known.believed and known.believed.incarnation, frozenset(known.superseded))
            for peer, known in member._handshake.peers.items()
            if known.believed
        }
        windows = [
            (route, channel.window._floor, bytes(channel.window._seen))
            for route, channel in sorted(member._channels.items())
        ]
        return peers, windows


def forged(data: bytes, under: GroupKey | None = None, **changes: int | bytes) -> bytes:
    """A hello with fields changed by somebody who has the key, if one is given."""
    hello = replace(Hello.decode(data), **changes)  # type: ignore[arg-type]
    if under is None:
        return hello.encode()
    clear = hello.encode()[:-16]
    return clear + hmac.digest(hello_key(under, hello.cluster), clear, "sha256")[:16]


def share_the_answers(patch: pytest.MonkeyPatch) -> None:
    """What was once a bug: strangers share how often hellos are answered, once in 10 ms."""
    right = Handshake._is_first
    answer_at: dict[int, int] = {}

    def hear(self: Handshake, data: bytes, now_ns: int, source: object = None) -> bool:
        self.now_ns = now_ns  # type: ignore[attr-defined]
        return heard(self, data, now_ns, source)

    def is_first(self: Handshake, hello: Hello, source: object) -> bool:
        if hello.sender in self.peers:
            return right(self, hello, source)
        now = self.now_ns  # type: ignore[attr-defined]
        if now < answer_at.get(id(self), 0):
            return False
        answer_at[id(self)] = now + HELLO_EVERY_NS
        return True

    heard = Handshake.hear
    patch.setattr(Handshake, "hear", hear)
    patch.setattr(Handshake, "_is_first", is_first)
