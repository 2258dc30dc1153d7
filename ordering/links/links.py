"""The reliable links of one process to all its peers: the ground of every protocol of the floor.

A protocol's core owns one :class:`Links` and hands its frames and timer on. It pushes records and
takes records; when everything of a step is done it calls :meth:`Links.flush` once, so that what
collected shares datagrams: records among each other, and answers with records. ::

    def on_frame(self, arrival, now):
        self.links.hear(arrival, now)
        for peer, records in self.links.records(): ...
        self.links.multicast([(KIND, b"...")])
        return self.links.flush(now)

A multicast is cut into pieces once; the links share the bytes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from clocksync.runtime.core import Arrival, Effects, Notify, Send, SetTimer
from clocksync.runtime.errors import MalformedFrame
from ordering.links.link import Link, LinkSettings
from ordering.links.segment import PAYLOAD_BYTES, Segment
from ordering.links.stream import Record, Unpacker, cut


class LinkTimer(Enum):
    """The one timer of all links."""

    TIMEOUT = "a link's time-out"


@dataclass(frozen=True, slots=True)
class PeerMisbehaved:
    """Somebody who says it is `peer` does what no right member does. Told once for each cause."""

    peer: int
    why: str

    def __str__(self) -> str:
        return f"member {self.peer}: {self.why}"


ANOTHER_PROCESS = (
    "another process says it is this member: it was restarted (a member that dies stays out), or "
    "two were given one number"
)
OUR_NUMBER = "somebody else uses this number, which is ours: give each member its own"
UNREADABLE = "its stream makes no sense: is it of the same version? Nothing more of it is read"


class Links:
    """Links to `peers`, none of them this process.

    `incarnation` is this process's, drawn at its start, never 0.
    """

    def __init__(
        self,
        peers: Iterable[int],
        incarnation: int,
        settings: LinkSettings | None = None,
        piece_bytes: int = PAYLOAD_BYTES,
    ) -> None:
        assert incarnation, "an incarnation is never 0"
        settings = settings or LinkSettings()
        self.incarnation = incarnation
        self.of: Mapping[int, Link] = {peer: Link(incarnation, settings) for peer in sorted(peers)}
        self.strangers = 0
        """Datagrams of processes that are no peer."""
        self._piece_bytes = piece_bytes
        self._unpackers = {peer: Unpacker() for peer in self.of}
        self._unread: dict[int, None] = {}  # peers whose inbox holds something, first come first
        self._closed: set[int] = set()  # read no more
        self._refused: set[int] = set()  # of those, the ones nothing more is said to
        self._is_parting = False
        self._told: set[tuple[int, str]] = set()
        self._events: Effects = []
        self._armed_for: int | None = None

    def start(self, now: int) -> Effects:
        """Say hello to everybody."""
        for link in self.of.values():
            link.quiet_since = now
        return self.flush(now)

    # What there is to see.

    @property
    def unconfirmed(self) -> list[int]:
        """Peers that have not been reached yet."""
        return [peer for peer, link in self.of.items() if not link.confirmed]

    @property
    def backlog(self) -> int:
        """Pieces that wait for the slowest peer."""
        return max((len(link.backlog) for link in self.of.values()), default=0)

    def unflushed(self) -> list[int]:
        """Peers that have not confirmed all that was sent to them; those closed do not count."""
        return [p for p, link in self.of.items() if p not in self._closed and not link.is_flushed]

    def unparted(self, now: int, linger_ns: int) -> list[int]:
        """Peers that have left, and may still wait for an answer to that: they were heard less than
        `linger_ns` ago, and have not confirmed what was said to them by :meth:`part`."""
        left = [(peer, self.of[peer]) for peer in sorted(self._closed - self._refused)]
        return [
            peer
            for peer, link in left
            if not link.is_flushed and now - (link.heard_at or 0) < linger_ns
        ]

    # In.

    def hear(self, arrival: Arrival, now: int) -> bool:
        """Take in a datagram; whether it brought anything to :meth:`records`."""
        segment, peer = arrival.frame, arrival.sender
        link = self.of.get(peer) if isinstance(peer, int) else None
        if link is None or not isinstance(segment, Segment):
            self.strangers += 1
            return False
        assert isinstance(peer, int)
        if not link.hear(segment, now):
            self.tell(peer, ANOTHER_PROCESS)
        if link.inbox:
            self._unread[peer] = None
        return bool(link.inbox)

    def records(self) -> list[tuple[int, list[Record]]]:
        """What has arrived since the last call, in order for each peer."""
        found = []
        for peer in self._unread:
            link = self.of[peer]
            pieces, link.inbox = link.inbox, []
            if peer in self._closed:
                continue
            try:
                records = self._unpackers[peer].feed(pieces)
            except MalformedFrame:
                self.refuse(peer)
                continue
            if records:
                found.append((peer, records))
        self._unread.clear()
        return found

    def refuse(self, peer: int, why: str = UNREADABLE) -> None:
        """Have no more to do with a peer whose records make no sense."""
        self.close(peer)
        self._refused.add(peer)
        self.of[peer].backlog.clear()
        self.tell(peer, why)

    def tell(self, peer: int, why: str) -> None:
        """Tell the application once of a peer's misbehaviour."""
        if (peer, why) not in self._told:
            self._told.add((peer, why))
            self._events.append(Notify(PeerMisbehaved(peer, why)))

    # Out.

    def send(self, peer: int, records: list[Record]) -> None:
        """Send records to one peer, after all that was sent to it before."""
        if peer not in self._closed:
            self.of[peer].backlog.extend(cut(records, self._piece_bytes))

    def multicast(self, records: list[Record]) -> None:
        """Send records to every peer."""
        pieces = cut(records, self._piece_bytes)
        for peer, link in self.of.items():
            if peer not in self._closed:
                link.backlog.extend(pieces)

    def close(self, peer: int) -> None:
        """Read nothing more of a peer that has left, and drop what it was not sent yet."""
        self._closed.add(peer)
        if not self._is_parting:
            self.of[peer].backlog.clear()

    def part(self, records: list[Record]) -> None:
        """Say the last, also to peers that have left: they may wait for us to confirm that."""
        self._is_parting = True
        for peer, link in self.of.items():
            if peer not in self._refused:
                link.backlog.extend(cut(records, self._piece_bytes))

    def shut(self, shut: bool) -> None:
        """Keep all windows shut, or open them again: the application is behind, or is not."""
        for link in self.of.values():
            link.owes_answer |= link.keeps_shut and not shut
            link.keeps_shut = shut

    def flush(self, now: int) -> Effects:
        """The datagrams that leave now, and the timer; call it at the end of every step."""
        effects, self._events = self._events, []
        earliest: int | None = None
        for peer, link in self.of.items():
            effects += [Send(peer, segment) for segment in link.take(now)]
            due = link.due() if self._is_served(peer) else None
            if due is not None and (earliest is None or due < earliest):
                earliest = due
        # A timer that is early costs little; one for every datagram would cost much.
        if earliest is not None and (self._armed_for is None or earliest < self._armed_for):
            self._armed_for = earliest
            effects.append(SetTimer(LinkTimer.TIMEOUT, max(0, earliest - now)))
        return effects

    def run_out(self, now: int) -> None:
        """The timer ran out; call :meth:`flush` after it."""
        self._armed_for = None
        for peer, link in self.of.items():
            if self._is_served(peer):
                link.run_out(now)

    def _is_served(self, peer: int) -> bool:
        """Whether what is sent to this peer is repeated until it is confirmed."""
        return peer not in (self._refused if self._is_parting else self._closed)
