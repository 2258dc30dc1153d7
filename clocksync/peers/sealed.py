"""Around a core: frames are sealed as they leave and opened as they come; strangers stay outside.

A protocol between hosts of one's own names its peers by number. :class:`Sealed` is itself a core,
of whole datagrams and addresses, that stands between such a protocol and a driver:

- What the protocol sends to a number goes to that peer's address, what it sends to `EVERYBODY` to
  the multicast group, what it sends to an address (a host whose number it does not know yet) there.
- What comes in is opened by a sealer (:mod:`clocksync.security`: AES-256-GCM, a handshake that
  keeps old recordings out, or the plain envelope for who was told to go without a key). The
  protocol sees whole frames of its own only, by the number of the peer that sealed them.
- Where a peer lives is configured, or it is where its latest authentic datagram came from. A hello
  goes to a configured address, or else to where the datagram that drew it came from: never more
  bytes than came, so this is of no use to who forges a sender.

First contact needs nothing of the protocol but that it repeats its first frame until it is
answered. An address that was never heard, or has left us without an answer for `SILENT_NS`, is
*hailed* beside what is sent there: "whoever you are" (:mod:`clocksync.security.handshake`), and the
handshake (one and a half round trips) happens meanwhile. A hail is authentic, so it is answered
whatever a flood of rubbish does. It comes with a datagram of the protocol's, never more often than
`HAIL_EVERY_NS` for each address; to a multicast group, which never counts as heard, half as often
each time, down to once in `HAIL_GROUP_NS`.

All of it is pure, so that attackers can be simulated too.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, cast

from clocksync.peers.datagram import Datagram
from clocksync.runtime.core import Arrival, Core, Effect, Effects, Send, Stamp
from clocksync.runtime.errors import MalformedFrame
from clocksync.runtime.mmsg import Address
from clocksync.runtime.units import MILLISECOND, SECOND
from clocksync.runtime.wire import Frame
from clocksync.security.datagram import Opened

UNKNOWN_KIND = "unknown kind"
REASONS_MAX = 64
LEARNED_MAX = 4096
"""Peers whose address was learned: as many as any group has, and no key holder can fill memory."""
PLACES_MAX = 4096
"""Addresses of which is known whether they are silent; the oldest give way."""
HAIL_EVERY_NS = 50 * MILLISECOND
HAIL_GROUP_NS = 60 * SECOND
SILENT_NS = 200 * MILLISECOND
"""So long an address may leave us without an answer before it is hailed again."""


class Everybody(Enum):
    """Whom a frame is for that is for all."""

    EVERYBODY = "everybody"


EVERYBODY = Everybody.EVERYBODY


class Sealer(Protocol):
    """What turns frames into datagrams and back: see :class:`clocksync.security.sealer.Sealer`."""

    def greet(self, peer: int, now_ns: int) -> None: ...

    def seal(self, kind: int, body: bytes) -> bytes: ...

    def hail(self, now_ns: int) -> bytes | None: ...

    def open(
        self, data: bytes | memoryview, now_ns: int, source: Hashable = None
    ) -> Opened | None: ...

    def take_outgoing(self) -> list[tuple[int, bytes]]: ...


@dataclass(slots=True)
class Place:
    """Whether an address is silent. Times are monotonic, ns."""

    was_heard: bool = False
    waits_since: int | None = None
    """When we first sent something there that was followed by nothing; None: never."""
    hail_at: int | None = None
    """Not to be hailed again before this; None: at any time."""
    pause_ns: int = HAIL_EVERY_NS

    def is_silent(self, now: int) -> bool:
        """Whether nobody was ever heard there, or not since long ago."""
        if not self.was_heard:
            return True
        return self.waits_since is not None and now - self.waits_since >= SILENT_NS


class Sealed:
    """The core of a driver, around the protocol `core`.

    Args:
        frames: the frame classes of the protocol, each with a ``KIND``.
        addresses: where peers are that are configured, by number.
        group: where frames for everybody go; None: to every peer whose address is known.

    Raises:
        ValueError: two of the frames share a kind.
    """

    def __init__(
        self,
        core: Core,
        sealer: Sealer,
        frames: Iterable[type[Frame]],
        addresses: Mapping[int, Address] | None = None,
        group: Address | None = None,
    ) -> None:
        self.core, self.group = core, group
        self.refused: Counter[str] = Counter()
        """Datagrams that were not let in, by reason."""
        self.unsent = 0
        """Frames for peers whose address nobody knows."""
        self._sealer = sealer
        self._configured = dict(addresses or {})
        self._learned: dict[int, Address] = {}
        self._places: dict[Address, Place] = {}
        self._frames: dict[int, type[Frame]] = {}
        for cls in frames:
            if self._frames.setdefault(cls.KIND, cls) is not cls:
                raise ValueError(f"{cls.__name__} and another frame have the kind {cls.KIND:#x}")

    def address_of(self, peer: int) -> Address | None:
        """Where a peer is, if that is known."""
        return self._configured.get(peer) or self._learned.get(peer)

    def start(self, now: int) -> Effects:
        for peer in sorted(self._configured):
            self._sealer.greet(peer, now)
        return [*self._hellos(None), *self._translated(self.core.start(now), now)]

    def on_frame(self, arrival: Arrival, now: int) -> Effects:
        came_from = cast(Address, arrival.sender)
        data = cast(Datagram, arrival.frame).data
        try:
            opened = self._sealer.open(data, now, came_from)
            frame = None if opened is None else self._frame_in(opened)
        except MalformedFrame as error:
            self._count(error.reason)
            # A datagram that is refused may still draw a hello: its sender has just started.
            return self._hellos(came_from)
        effects = self._hellos(came_from)
        if opened is None or frame is None:
            return effects
        self._heard(came_from)
        if opened.sender not in self._configured and (
            opened.sender in self._learned or len(self._learned) < LEARNED_MAX
        ):
            self._learned[opened.sender] = came_from
        inner = Arrival(frame, opened.sender, arrival.stamp)
        return [*effects, *self._translated(self.core.on_frame(inner, now), now)]

    def on_timer(self, timer: Hashable, now: int) -> Effects:
        return self._translated(self.core.on_timer(timer, now), now)

    def on_sent(self, tag: Hashable, stamp: Stamp, now: int) -> Effects:
        return self._translated(self.core.on_sent(tag, stamp, now), now)

    def on_malformed(self, sender: Hashable, now: int) -> Effects:
        self._count("longer than any of ours")
        return []

    def on_refused(self, to: Hashable, tag: Hashable, reason: str, now: int) -> Effects:
        numbers = [*self._configured.items(), *self._learned.items()]
        peer: Hashable = next((number for number, address in numbers if address == to), to)
        return self._translated(self.core.on_refused(peer, tag, reason, now), now)

    def call(self, effects: Effects, now: int) -> Effects:
        """What a verb of the protocol returned, as a driver carries it out."""
        return self._translated(effects, now)

    def hail(self, address: Address, now: int) -> Effects:
        """Ask whoever is at an address to get acquainted, if that was not just done."""
        return self._hails(address, self._place(address), now)

    def _frame_in(self, opened: Opened) -> Frame:
        cls = self._frames.get(opened.kind)
        if cls is None:
            raise MalformedFrame(UNKNOWN_KIND)
        return cls.decode(opened.body)

    def _count(self, reason: str) -> None:
        if reason in self.refused or len(self.refused) < REASONS_MAX:
            self.refused[reason] += 1

    def _hellos(self, came_from: Address | None) -> list[Effect]:
        effects: list[Effect] = []
        for peer, hello in self._sealer.take_outgoing():
            to = self._configured.get(peer) or came_from or self._learned.get(peer)
            if to is not None:
                effects.append(Send(to, Datagram(hello)))
        return effects

    def _place(self, address: Address) -> Place:
        place = self._places.get(address)
        if place is None:
            place = self._places[address] = Place()
            if len(self._places) > PLACES_MAX:
                del self._places[next(iter(self._places))]
        return place

    def _heard(self, address: Address) -> None:
        """Somebody is there: a datagram came from there that was opened. A hello is not enough, for
        anybody can repeat one, and the place would seem to be alive."""
        place = self._place(address)
        place.was_heard, place.waits_since = True, None

    def _hails(self, address: Address, place: Place, now: int) -> list[Effect]:
        if place.hail_at is not None and now < place.hail_at:
            return []
        hail = self._sealer.hail(now)
        if hail is None:
            return []
        place.hail_at = now + place.pause_ns
        if address == self.group:
            place.pause_ns = min(2 * place.pause_ns, HAIL_GROUP_NS)
        return [Send(address, Datagram(hail))]

    def _hailed(self, addresses: Iterable[Address], now: int) -> list[Effect]:
        """The hails that go along with what has just been sent to these."""
        effects: list[Effect] = []
        for address in addresses:
            place = self._place(address)
            if place.is_silent(now):
                effects += self._hails(address, place, now)
            if place.waits_since is None:
                place.waits_since = now
        return effects

    def _translated(self, effects: Effects, now: int) -> list[Effect]:
        return [
            datagram
            for effect in effects
            for datagram in (self._sealed(effect, now) if isinstance(effect, Send) else [effect])
        ]

    def _sealed(self, send: Send, now: int) -> list[Effect]:
        targets = self._targets(send.to)
        if not targets:
            self.unsent += 1
            return []
        datagram = Datagram(self._sealer.seal(send.frame.KIND, send.frame.encode()))
        # Hails come after: they are in the way of nothing that is measured.
        return [*(Send(to, datagram, send.tag) for to in targets), *self._hailed(targets, now)]

    def _targets(self, to: Hashable) -> list[Address]:
        if to is EVERYBODY:
            if self.group is not None:
                return [self.group]
            return list({**self._learned, **self._configured}.values())
        if isinstance(to, int):
            address = self.address_of(to)
            return [] if address is None else [address]
        return [cast(Address, to)]
