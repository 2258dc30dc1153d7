"""One member of a group: links, an order, and what the application asks of them, as one core.

A step is short: what arrives and what the application multicasts is only put down, and a timer of
0 ns ends the batch of inputs. Then, once for all of them, records are read, batches are stamped,
the order decides, and what is to be said leaves. So a datagram carries what a whole batch of
inputs caused, and an acknowledgement costs nothing while there is traffic.

**The beginning.** Nothing is multicast until everybody has reached everybody, and all mean the same
processes. Otherwise a member that dies and is restarted early could be known by its first life to
one peer and by its second to another, and order messages once for each. So the first record of
every stream says whose incarnations its sender has confirmed; a link never changes its mind about
that. Who has heard the same from all may begin, and whoever hears from it that it began knows so.

A batch is stamped as late as possible, when the links can take it. What waits until then is counted
by :attr:`Member.backlog_bytes`; whoever multicasts should wait while :attr:`Member.has_room` is
false. It stays false while one member does not take what was sent to it.
"""

import struct
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from enum import Enum
from random import Random

from clocksync.runtime.core import Arrival, Effects, Notify, SetTimer, SilentCore
from clocksync.runtime.errors import BadConfig, MalformedFrame, MisusedCore
from clocksync.runtime.units import MILLISECOND
from ordering.links.link import LinkSettings
from ordering.links.links import OUR_NUMBER, Links, LinkTimer
from ordering.links.segment import PAYLOAD_BYTES
from ordering.links.stream import Record
from ordering.multicast.acknowledgement import Rule
from ordering.multicast.batch import MESSAGE_BYTES_MAX, Batch, take_batch
from ordering.multicast.causal import Causal
from ordering.multicast.fifo import Fifo
from ordering.multicast.lamport import LamportOrder
from ordering.multicast.order import Arranger, Order
from ordering.multicast.sequencer import CausalSequencer, Sequencer

NOTE = 0xF0
LEAVE = 0xF1
LIVES = 0xF2

ANOTHER_LIFE = (
    "it knows another life of a member than we do: one was restarted while the group came "
    "together; restart all"
)

_LIFE = struct.Struct(">HQ")

BACKLOG_BYTES = 256 * 1024
MESSAGE_COST_BYTES = 8
"""What a message counts beside its bytes, so that empty ones come to an end, too."""

PIECES_AHEAD = 8
"""Batches are stamped while the slowest link has fewer pieces than this waiting."""


class MemberTimer(Enum):
    """Timers of a member, beside its links'."""

    SETTLE = "the end of a batch of inputs"


@dataclass(frozen=True, slots=True)
class Delivered:
    """These batches, in this order."""

    batches: tuple[Batch, ...]

    def __str__(self) -> str:
        return "delivers " + ", ".join(
            f"{b.origin}:{b.first}+{len(b.messages)}" for b in self.batches
        )


@dataclass(frozen=True, slots=True)
class Previewed:
    """These batches have arrived, in causal order; their place in the total one comes later."""

    batches: tuple[Batch, ...]


@dataclass(frozen=True, slots=True)
class Noted:
    """A peer said something to everybody outside the order; notes of one peer keep theirs."""

    peer: int
    note: bytes


@dataclass(frozen=True, slots=True)
class Left:
    """A peer has left: it has sent its last message, and waits for none."""

    peer: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why nothing moves: these members are silent about what comes next to be delivered; or, if
    nothing does, they do not take what is sent to them, so that more has to wait."""

    members: tuple[int, ...]
    since_ns: int
    """When it became next, or when one of them was last heard; on the node's monotonic clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberSettings:
    """How a member behaves.

    Raises:
        BadConfig: two of them contradict each other.
    """

    order: Order = Order.TOTAL

    rule: Rule = Rule.SPARING
    """When an update is acknowledged; for :attr:`Order.TOTAL`."""

    sequencer: int | None = None
    """Who decides; the member with the lowest number if None. For the orders with a sequencer."""

    link: LinkSettings = field(default_factory=LinkSettings)

    linger_ns: int = 250 * MILLISECOND
    """How long a member that leaves stays for one that left as well: some retransmissions."""

    backlog_bytes: int = BACKLOG_BYTES
    """How much may wait to be stamped before :attr:`Member.has_room` says stop."""

    def arranger(self, me: int, members: Iterable[int]) -> Arranger:
        """The order of one member."""
        match self.order:
            case Order.FIFO:
                return Fifo(me, members)
            case Order.CAUSAL:
                return Causal(me, members)
            case Order.TOTAL:
                return LamportOrder(me, members, self.rule)
            case Order.SEQUENCER:
                return Sequencer(me, members, self.sequencer)
            case Order.TOTAL_CAUSAL:
                return CausalSequencer(me, members, self.sequencer)


class Member(SilentCore):
    """Member `me` of a group of `members`, which never changes but by leaving.

    Tells its application :class:`Delivered`, :class:`Previewed`, :class:`Noted`, :class:`Left` and
    :class:`ordering.links.PeerMisbehaved`. `random` gives the incarnation.

    Raises:
        BadConfig: `me` is no member, a number is impossible, or the sequencer is no member.
    """

    def __init__(
        self,
        me: int,
        members: Iterable[int],
        random: Random,
        settings: MemberSettings | None = None,
        piece_bytes: int = PAYLOAD_BYTES,
    ) -> None:
        settings = settings or MemberSettings()
        group = check_members(me, members, settings)
        self.me, self.members, self.settings = me, group, settings
        peers = [member for member in group if member != me]
        self.links = Links(peers, random.getrandbits(63) | 1, settings.link, piece_bytes)
        self.order = settings.arranger(me, group)
        self.backlog_bytes = 0
        """Bytes of messages that are not stamped yet."""
        self.sent = 0
        """Messages multicast."""
        self.left: set[int] = set()
        self._pending: list[bytes] = []
        self._notes: list[bytes] = []
        self._leaving = self._has_left = False
        self.has_begun = False
        """Whether every member has reached every other; nothing is multicast before."""
        self._has_introduced_itself = False
        self._own_lives = b""
        self._lives: dict[int, bytes] = {}  # what each peer has said of whom it knows
        self._is_settling = False
        self._head: object = None
        self._head_since = 0

    # What there is to see.

    @property
    def has_room(self) -> bool:
        """Whether the application may multicast more; see the module's text."""
        return self.backlog_bytes < self.settings.backlog_bytes

    def has_left(self, now: int) -> bool:
        """Whether everybody has all that this member ever sent, and knows that it left.

        A peer that leaves as well may have gone without saying that it knows, or may still wait for
        us to say so. Nobody can be sure (it is the problem of the two generals), so it is given
        ``linger_ns`` since it was last heard.
        """
        is_confirmed = self._has_left and not self.links.unflushed()
        return is_confirmed and not self.links.unparted(now, self.settings.linger_ns)

    @property
    def unreached(self) -> list[int]:
        """Peers without which the group has not begun."""
        if self._has_introduced_itself:
            return [peer for peer in self.links.of if peer not in self._lives]
        return self.links.unconfirmed

    def waiting(self) -> Waiting | None:
        """Whom the next delivery waits for, and since when; None if nothing is to be delivered."""
        members = self.order.waiting() or (self.unreached if self._pending else [])
        if members:
            return Waiting(tuple(members), self._head_since)
        links = self.links.of if self._pending else {}
        behind = {peer: link for peer, link in links.items() if len(link.backlog) >= PIECES_AHEAD}
        if not behind:
            return None
        return Waiting(tuple(behind), min(link.heard_at or 0 for link in behind.values()))

    # Verbs.

    def multicast(self, messages: Iterable[bytes], now: int) -> Effects:
        """Send messages to every member, this one included.

        Raises:
            MisusedCore: this member has left, or a message is too long; then none is sent.
        """
        more = list(messages)
        if self._leaving:
            raise MisusedCore("multicast after leave")
        sizes = list(map(len, more))
        if sizes and max(sizes) > MESSAGE_BYTES_MAX:
            raise MisusedCore(
                f"a message of {max(sizes)} bytes: at most {MESSAGE_BYTES_MAX}; split it, or send "
                "where to find it"
            )
        if not self._pending and self.order.head() is None:
            self._head_since = now
        self._pending += more
        self.backlog_bytes += sum(sizes) + MESSAGE_COST_BYTES * len(sizes)
        self.sent += len(more)
        return self._soon()

    def note(self, text: bytes) -> Effects:
        """Say something to every peer outside the order."""
        if self._leaving:
            raise MisusedCore("note after leave")
        self._notes.append(text)
        return self._soon()

    def leave(self) -> Effects:
        """Leave once all have been reached and what was multicast has been sent.

        :meth:`has_left` tells when that is so; before, this member must go on running.
        """
        self._leaving = True
        return self._soon()

    def shut(self, shut: bool) -> Effects:
        """The application is behind with what was delivered (True), or is not any more."""
        self.links.shut(shut)
        return self._soon()

    # Inputs.

    def start(self, now: int) -> Effects:
        return self.links.start(now)

    def on_frame(self, arrival: Arrival, now: int) -> Effects:
        if arrival.sender == self.me:
            self.links.tell(self.me, OUR_NUMBER)
        else:
            self.links.hear(arrival, now)
        return self._soon()

    def on_timer(self, timer: Hashable, now: int) -> Effects:
        if timer is LinkTimer.TIMEOUT:
            self.links.run_out(now)
        self._is_settling = False
        return self._settle(now)

    # The end of a batch of inputs.

    def _soon(self) -> Effects:
        if self._is_settling:
            return []
        self._is_settling = True
        return [SetTimer(MemberTimer.SETTLE, 0)]

    def _settle(self, now: int) -> Effects:
        effects: Effects = []
        order, links = self.order, self.links
        for peer, records in links.records():
            self._read(peer, records, effects)
        if not self.has_begun:
            self._begin()
        while self._pending and self.has_begun and links.backlog < PIECES_AHEAD:
            batch = take_batch(self._pending)
            self.backlog_bytes -= sum(map(len, batch)) + MESSAGE_COST_BYTES * len(batch)
            order.multicast(batch)
            self._send()
        order.settle()
        self._send()
        if self._notes and self.has_begun:
            links.multicast([(NOTE, note) for note in self._notes])
            self._notes = []
        is_all_said = self._has_introduced_itself and not self._pending and not self._notes
        if self._leaving and not self._has_left and is_all_said:
            self._has_left = True
            links.part([(LEAVE, b"")])
        effects += links.flush(now)
        self._tell(effects)
        head = order.head()
        if head != self._head:
            self._head, self._head_since = head, now
        return effects

    def _send(self) -> None:
        if self.order.outgoing:
            self.links.multicast(self.order.outgoing)
            self.order.outgoing = []

    def _read(self, peer: int, records: list[Record], effects: Effects) -> None:
        try:
            for kind, body in records:
                if kind == LEAVE:
                    self.left.add(peer)
                    self.order.left(peer)
                    self.links.close(peer)
                    effects.append(Notify(Left(peer)))
                    return
                if kind == LIVES:
                    self._lives.setdefault(peer, body)
                elif self._lives.get(peer) != self._known_lives():
                    # Who sends more has begun, so we have reached all, and ours is complete.
                    self.links.refuse(peer, ANOTHER_LIFE)
                    return
                elif kind == NOTE:
                    effects.append(Notify(Noted(peer, body)))
                else:
                    self.order.receive(peer, kind, body)
        except MalformedFrame:
            self.links.refuse(peer)

    def _known_lives(self) -> bytes:
        """Which process each member is, as far as this one has confirmed it."""
        if not self._own_lives:
            of, own = self.links.of, self.links.incarnation
            lives = [(m, own if m == self.me else of[m].theirs) for m in self.members]
            known = b"".join(_LIFE.pack(*life) for life in lives)
            if self.links.unconfirmed:
                return known
            self._own_lives = known
        return self._own_lives

    def _begin(self) -> None:
        """Introduce this member once it has reached all; begin once all have said the same."""
        if self.links.unconfirmed:
            return
        if not self._has_introduced_itself:
            self._has_introduced_itself = True
            self.links.multicast([(LIVES, self._known_lives())])
        self.has_begun = len(self._lives) == len(self.links.of)
        for peer, lives in self._lives.items():
            if lives != self._known_lives():
                self.has_begun = False
                self.links.tell(peer, ANOTHER_LIFE)

    def _tell(self, effects: Effects) -> None:
        order = self.order
        if order.previewed:
            batches, order.previewed = tuple(order.previewed), []
            effects.append(Notify(Previewed(batches)))
        if order.delivered:
            batches, order.delivered = tuple(order.delivered), []
            effects.append(Notify(Delivered(batches)))


def check_members(me: int, members: Iterable[int], settings: MemberSettings) -> tuple[int, ...]:
    """The members, sorted.

    Raises:
        BadConfig: see :class:`Member`.
    """
    given = list(members)
    group = tuple(sorted({*given, me}))
    if given.count(me) > 1 or len(given) != len(set(given)):
        raise BadConfig(f"a member is named twice among {sorted(given)}: each needs its own number")
    for member in group:
        if not 0 <= member < 1 << 16:
            raise BadConfig(f"member {member} is not in 0 to 65535")
    if settings.sequencer is not None and settings.sequencer not in group:
        raise BadConfig(f"the sequencer {settings.sequencer} is no member: {list(group)}")
    return group
