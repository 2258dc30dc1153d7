"""Whom a member believes: an incarnation that has echoed a challenge drawn in our own life.

Replay windows are forgotten at a restart, and what was recorded before could be played to us then.
So the key alone proves nothing. An incarnation of a peer is believed once it has sent back, under
the group's key, a number that nobody could know before we sent it; the hello that does so also
says which counters are behind it. From then on the peer's former incarnation is never believed
again. ::

    A -> B  challenge a                 B knows nothing new, and answers
    B -> A  challenge b, echo a         A believes B
    A -> B  echo b                      B believes A

What strangers can make us do is bounded, whatever they replay or invent:

- A challenge is not kept but computed, like a SYN cookie (RFC 4987 section 3.6): a keyed hash of
  the peer, of how many of its incarnations we have believed, and of the time in steps of
  `CHALLENGE_NS`. One more believed, and every challenge before is void; an answer held back is
  void after two steps.
- What cannot be fresh draws one hello in `HELLO_EVERY_NS` for each peer; what is fresh happens
  once for each incarnation and is answered at once, or else a handshake would wait for itself.
  Datagrams that cannot be read and hellos have a limit each: a flood of those delays none of these.
- We never send more bytes than came. A hello answers a hello of the same length; a datagram that
  cannot be read adds its length to what its sender has in credit, and a hello takes its own from
  there (RFC 9000 section 8.1 limits amplification likewise).
- Hellos go to a member's own address, never to where a datagram seemed to come from.
- Peers that were never greeted share one credit and one limit: no state for invented numbers.
"""

import hmac
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from clocksync.runtime.envelope import MAGIC
from clocksync.runtime.errors import MalformedFrame
from clocksync.runtime.units import MILLISECOND, SECOND
from clocksync.security.datagram import (
    BAD_TAG,
    FOR_ANOTHER,
    HELLO_BYTES,
    REFLECTED,
    SUPERSEDED,
    TAG_BYTES,
    UNKNOWN_KEY,
    VERSION,
    Hello,
    hello_tag,
)
from clocksync.security.derivation import hello_key
from clocksync.security.keyring import KeyRing
from clocksync.security.replay import ReplayWindow

HELLO_EVERY_NS = 10 * MILLISECOND
CHALLENGE_NS = 5 * SECOND
"""A challenge may be answered for one to two times this long."""

_CHALLENGED = struct.Struct(">HQq")
_NO_TAG = bytes(TAG_BYTES)


class Believed(NamedTuple):
    """An incarnation that has proved to be alive, and what it has sent since."""

    incarnation: bytes
    window: ReplayWindow


@dataclass(slots=True)
class Peer:
    """What is known of one peer."""

    believed: Believed | None = None
    superseded: set[bytes] = field(default_factory=set)
    credit: int = 0
    """Bytes that came in its name, could not be read, and were not answered."""
    prompt_at: int = 0
    """When a datagram that cannot be read may draw a hello again, ns."""
    answer_at: int = 0
    """When a hello that may be a replay may draw another again, ns."""


class Handshake:
    """The hellos of one member.

    Args:
        next_number: takes the next number from those of this member's datagrams.
        secret: random bytes, of which challenges are made.
    """

    def __init__(
        self,
        keys: KeyRing,
        cluster: int,
        me: int,
        incarnation: bytes,
        next_number: Callable[[], int],
        secret: bytes,
    ) -> None:
        self._cluster, self._me, self._incarnation = cluster, me, incarnation
        self._next_number, self._secret = next_number, secret
        self.outgoing: list[tuple[int, bytes]] = []
        """Hellos to be sent, with the peer each is for."""
        self.peers: dict[int, Peer] = {}
        """Those that were greeted, or have proved to be alive."""
        self._strangers = Peer()
        self.use(keys)

    def use(self, keys: KeyRing) -> None:
        """Authenticate with these keys from now on."""
        self._keys = {key.id: hello_key(key, self._cluster) for key in keys.keys}
        self._used = keys.used

    def greet(self, peer: int, now_ns: int) -> None:
        """Tell a peer that we are there, whether it is believed yet or not."""
        if peer != self._me:
            known = self.peers.setdefault(peer, Peer())
            self._say(peer, 0 if known.believed else self._challenge(peer, known, now_ns))

    def prompt(self, sender: int, size: int, now_ns: int) -> None:
        """A datagram came that would be of this sender, of an incarnation not believed: ask."""
        peer = self.peers.get(sender, self._strangers)
        peer.credit += size
        if peer.credit >= HELLO_BYTES and now_ns >= peer.prompt_at:
            peer.credit, peer.prompt_at = 0, now_ns + HELLO_EVERY_NS
            self._say(sender, self._challenge(sender, peer, now_ns))

    def is_superseded(self, sender: int, prefix: bytes) -> bool:
        """Whether an incarnation that begins like this has had a successor."""
        peer = self.peers.get(sender)
        return peer is not None and any(former.startswith(prefix) for former in peer.superseded)

    def hear(self, data: bytes | memoryview, now_ns: int) -> bool:
        """Take a hello, and answer it if that is to be done; whether its sender is newly believed.

        Raises:
            MalformedFrame: it is none, not authentic, not for us, or of a former incarnation.
        """
        hello = self._authentic(data)
        peer = self.peers.get(hello.sender, self._strangers)
        if hello.incarnation in peer.superseded:
            raise MalformedFrame(SUPERSEDED)
        is_known = peer.believed is not None and peer.believed.incarnation == hello.incarnation
        is_news = not is_known and self._is_answered(hello, peer, now_ns)
        if is_news:
            peer = self._believe(hello)
        ours = 0 if is_known or is_news else self._challenge(hello.sender, peer, now_ns)
        if (hello.challenge or ours) and (is_news or now_ns >= peer.answer_at):
            if not is_news:
                peer.answer_at = now_ns + HELLO_EVERY_NS
            self._say(hello.sender, ours, hello.challenge)
        return is_news

    def _authentic(self, data: bytes | memoryview) -> Hello:
        hello = Hello.decode(data)
        if hello.sender == self._me:
            raise MalformedFrame(REFLECTED)
        if hello.receiver != self._me:
            raise MalformedFrame(FOR_ANOTHER)
        key = self._keys.get(hello.key)
        if key is None:
            raise MalformedFrame(UNKNOWN_KEY)
        if not hmac.compare_digest(hello_tag(key, data[:-TAG_BYTES]), hello.tag):
            raise MalformedFrame(BAD_TAG)
        return hello

    def _believe(self, hello: Hello) -> Peer:
        peer = self.peers.setdefault(hello.sender, Peer())
        if peer.believed is not None:
            peer.superseded.add(peer.believed.incarnation)
        peer.believed = Believed(hello.incarnation, ReplayWindow(hello.counter))
        return peer

    def _is_answered(self, hello: Hello, peer: Peer, now_ns: int) -> bool:
        return hello.echo != 0 and any(
            hello.echo == self._challenge(hello.sender, peer, at)
            for at in (now_ns, now_ns - CHALLENGE_NS)
        )

    def _challenge(self, number: int, peer: Peer, now_ns: int) -> int:
        # 64 bits (SP 800-63B section 5.1.7 asks for no more): who recorded a million hellos of a
        # dead incarnation has one chance in 2^44 that any of them answers a challenge of ours.
        count = len(peer.superseded) + (peer.believed is not None)
        text = _CHALLENGED.pack(number, count, now_ns // CHALLENGE_NS)
        return int.from_bytes(hmac.digest(self._secret, text, "sha256")[:8], "big") or 1

    def _say(self, peer: int, challenge: int, echo: int = 0) -> None:
        hello = Hello(
            MAGIC,
            VERSION,
            Hello.KIND,
            self._cluster,
            self._me,
            self._used,
            peer,
            self._incarnation,
            self._next_number(),
            challenge,
            echo,
            _NO_TAG,
        )
        data = hello.encode()[:-TAG_BYTES]
        self.outgoing.append((peer, data + hello_tag(self._keys[self._used], data)))
