"""Whom a member believes: an incarnation that has echoed a challenge drawn in our own life.

Replay windows are forgotten at a restart, and what was recorded before could be played to us then.
So the key alone proves nothing. An incarnation of a peer is believed once it has sent back, under
the group's key, a number that nobody could know before we sent it; the hello that does so also
says which counters are behind it. From then on the peer's former incarnation is never believed
again. ::

    A -> B  challenge a                 B knows nothing new, and answers
    B -> A  challenge b, echo a         A believes B
    A -> B  echo b                      B believes A

Who does not know whose address it has *hails* whoever is there, with a hello for `ANYBODY`. The
challenge of a hail is bound to nobody, so its answer counts for a peer of whom nobody was believed
since it was made; else that answer draws a challenge of the peer's own.

Nobody can keep a newcomer out, and what strangers can make us do is bounded, whatever they replay
or invent:

- A challenge is not kept but computed, like a SYN cookie (RFC 4987 section 3.6): a keyed hash of
  the peer, of how many of its incarnations we have believed, and of the time in steps of
  `CHALLENGE_NS`. One more believed, and every challenge before is void; an answer held back is
  void after two steps.
- **An authentic hello is answered, once**, whatever else comes: no limit is shared with others. An
  incarnation numbers its hellos, so one that was answered, or is older than one that was, draws
  nothing. Once for each of `SOURCES_MAX` addresses it comes from, that is: who copies a hello and
  is faster than its sender takes no answer away. We remember this of `ANSWERED_MAX` incarnations,
  all of holders of the key; where more are replayed, each is answered once again.
- A datagram that cannot be read draws one hello in `HELLO_EVERY_NS` for each peer that is known or
  was greeted, and one for all others together. That is a help and no more: who wants to be let in
  greets or hails.
- We never send more bytes than came. A hello answers a hello of the same length; a datagram that
  cannot be read adds its length to what its sender has in credit, and a hello takes its own from
  there (RFC 9000 section 8.1 limits amplification likewise).
- Hellos go to a member's own address, where that is known, wherever a datagram seemed to come from.
- There is no state for invented numbers. Who has the key and comes with ever new numbers and lives
  is kept `PEERS_MAX` times, with `SUPERSEDED_MAX` former lives each; those that were not greeted
  and were believed longest ago are forgotten, and may prove to be alive again.
"""

import hmac
import struct
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import NamedTuple

from clocksync.runtime.envelope import MAGIC
from clocksync.runtime.errors import MalformedFrame
from clocksync.runtime.units import MILLISECOND, SECOND
from clocksync.security.datagram import (
    ANYBODY,
    BAD_TAG,
    FOR_ANOTHER,
    HELLO_BYTES,
    NOBODYS,
    REFLECTED,
    SUPERSEDED,
    TAG_BYTES,
    TOO_MANY,
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
PEERS_MAX = 1024
"""Peers believed that were not greeted: 32 MB of replay windows."""
SUPERSEDED_MAX = 16
ANSWERED_MAX = 4096
SOURCES_MAX = 8

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
    believed_at: int = 0
    lives: int = 0
    """How many incarnations were believed."""
    superseded: deque[bytes] = field(default_factory=lambda: deque(maxlen=SUPERSEDED_MAX))
    was_greeted: bool = False
    credit: int = 0
    """Bytes that came in its name, could not be read, and were not answered."""
    prompt_at: int = 0
    """When a datagram that cannot be read may draw a hello again, ns."""


@dataclass(slots=True)
class Answered:
    """The latest hello of an incarnation that was answered, and to where."""

    counter: int
    sources: set[Hashable]


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
        self._answered: dict[tuple[int, bytes], Answered] = {}
        """By sender and incarnation, the one that spoke longest ago first."""
        self.use(keys)

    def use(self, keys: KeyRing) -> None:
        """Authenticate with these keys from now on."""
        self._keys = {key.id: hello_key(key, self._cluster) for key in keys.keys}
        self._used = keys.used

    def greet(self, peer: int, now_ns: int) -> None:
        """Tell a peer that we are there, whether it is believed yet or not."""
        if peer != self._me:
            known = self.peers.setdefault(peer, Peer())
            known.was_greeted = True
            self._say(peer, 0 if known.believed else self._challenge(peer, known, now_ns))

    def hail(self, now_ns: int) -> bytes:
        """A hello for whoever gets it."""
        return self._hello(ANYBODY, self._challenge(ANYBODY, None, now_ns), 0)

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

    def hear(self, data: bytes | memoryview, now_ns: int, source: Hashable = None) -> bool:
        """Take a hello, and answer it if that is to be done; whether its sender is newly believed.

        Raises:
            MalformedFrame: it is none, not authentic, not for us, of a former incarnation, or of
                one peer too many.
        """
        hello = self._authentic(data)
        peer = self.peers.get(hello.sender)
        if peer is not None and hello.incarnation in peer.superseded:
            raise MalformedFrame(SUPERSEDED)
        believed = None if peer is None else peer.believed
        is_known = believed is not None and believed.incarnation == hello.incarnation
        is_news = not is_known and self._is_answered(hello, peer, now_ns)
        if is_news:
            self._believe(hello, now_ns)
        is_first = self._is_first(hello, source)
        ours = 0 if is_known or is_news else self._challenge(hello.sender, peer, now_ns)
        if (hello.challenge or ours) and (is_news or is_first):
            self._say(hello.sender, ours, hello.challenge)
        return is_news

    def _authentic(self, data: bytes | memoryview) -> Hello:
        hello = Hello.decode(data)
        if hello.sender == self._me:
            raise MalformedFrame(REFLECTED)
        if hello.sender == ANYBODY:
            raise MalformedFrame(NOBODYS)
        if hello.receiver not in (self._me, ANYBODY):
            raise MalformedFrame(FOR_ANOTHER)
        key = self._keys.get(hello.key)
        if key is None:
            raise MalformedFrame(UNKNOWN_KEY)
        if not hmac.compare_digest(hello_tag(key, data[:-TAG_BYTES]), hello.tag):
            raise MalformedFrame(BAD_TAG)
        return hello

    def _is_first(self, hello: Hello, source: Hashable) -> bool:
        """Whether a hello was not answered yet, nor a later one of the same incarnation."""
        name = hello.sender, hello.incarnation
        answered = self._answered.pop(name, None)
        is_first = answered is None or hello.counter > answered.counter
        if answered is None or is_first:
            answered = Answered(hello.counter, {source})
        elif hello.counter == answered.counter and source not in answered.sources:
            is_first = len(answered.sources) < SOURCES_MAX
            if is_first:
                answered.sources.add(source)
        self._answered[name] = answered
        if len(self._answered) > ANSWERED_MAX:
            del self._answered[next(iter(self._answered))]
        return is_first

    def _believe(self, hello: Hello, now_ns: int) -> Peer:
        peer = self.peers.get(hello.sender)
        if peer is None:
            self._make_room(now_ns)
            peer = self.peers[hello.sender] = Peer()
        if peer.believed is not None:
            peer.superseded.append(peer.believed.incarnation)
        peer.believed = Believed(hello.incarnation, ReplayWindow(hello.counter))
        peer.believed_at, peer.lives = now_ns, peer.lives + 1
        return peer

    def _make_room(self, now_ns: int) -> None:
        """Forget a peer if there are too many. Not one whose challenges are not void by now: they
        would count again for somebody of whom nothing is known."""
        others = [number for number, peer in self.peers.items() if not peer.was_greeted]
        if len(others) < PEERS_MAX:
            return
        oldest = min(others, key=lambda number: self.peers[number].believed_at)
        if now_ns - self.peers[oldest].believed_at < 2 * CHALLENGE_NS:
            raise MalformedFrame(TOO_MANY)
        del self.peers[oldest]

    def _is_answered(self, hello: Hello, peer: Peer | None, now_ns: int) -> bool:
        return hello.echo != 0 and any(
            hello.echo == self._challenge(hello.sender, peer, at)
            or (_is_new_since(peer, at) and hello.echo == self._challenge(ANYBODY, None, at))
            for at in (now_ns, now_ns - CHALLENGE_NS)
        )

    def _challenge(self, number: int, peer: Peer | None, now_ns: int) -> int:
        # 64 bits (SP 800-63B section 5.1.7 asks for no more): who recorded a million hellos of a
        # dead incarnation has one chance in 2^44 that any of them answers a challenge of ours.
        lives = 0 if peer is None else peer.lives
        text = _CHALLENGED.pack(number, lives, now_ns // CHALLENGE_NS)
        return int.from_bytes(hmac.digest(self._secret, text, "sha256")[:8], "big") or 1

    def _say(self, peer: int, challenge: int, echo: int = 0) -> None:
        self.outgoing.append((peer, self._hello(peer, challenge, echo)))

    def _hello(self, receiver: int, challenge: int, echo: int) -> bytes:
        hello = Hello(
            MAGIC,
            VERSION,
            Hello.KIND,
            self._cluster,
            self._me,
            self._used,
            receiver,
            self._incarnation,
            self._next_number(),
            challenge,
            echo,
            _NO_TAG,
        )
        data = hello.encode()[:-TAG_BYTES]
        return data + hello_tag(self._keys[self._used], data)


def _is_new_since(peer: Peer | None, at: int) -> bool:
    """Whether no incarnation of a peer was believed since hails of that time were first sent."""
    if peer is None or peer.believed is None:
        return True
    return peer.believed_at // CHALLENGE_NS < at // CHALLENGE_NS
