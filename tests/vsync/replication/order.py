"""A ring by hand: one order, delivered to each member as far as the test says.

Members are those of :mod:`vsync.replication.member`; what they multicast gets a place in the order
when the test says so, and what is delivered to whom before a ring ends is the test's choice. A ring
that ends is delivered to its end in the transitional configuration, as extended virtual synchrony
has it: all who go on together deliver the same.
"""

from collections import deque

from vsync.events import Configuration, Kind, Messages, Moved
from vsync.identity import RingId, regular_id, transitional_id
from vsync.replication.events import CancelTimer, Delivered, Multicast, SetTimer
from vsync.replication.member import Member
from vsync.replication.quorum import NO_QUORUM
from vsync.states import Cause, State

START = 1_790_000_000_000_000_000
"""Timestamps begin here."""


class Order:
    """Some members, and the rings they are on."""

    def __init__(self, *members, policy=NO_QUORUM):
        self.members = {me: Member(me, policy) for me in members}
        self.told = {me: [] for me in members}
        self.timers = {me: {} for me in members}
        self.outbox = {me: deque() for me in members}
        self.ring_of = {}
        self.log = {}
        self.at = {}
        self.now = 0
        self._sequence = 1
        self._time = START

    # The ring

    def ring(self, *members, lose=()):
        """End the rings of these members, and begin one for all of them.

        What was ordered and not delivered comes in the transitional configuration, but for what
        names of `lose` are in.
        """
        self._sequence += 4
        self._time += 10
        ring = RingId(self._sequence, min(members), 7)
        self.log[ring] = []
        for me in members:
            self._state(me, State.OPERATIONAL, State.GATHER, Cause.TOKEN_LOST)
        for me in members:
            old = self.ring_of.get(me)
            came = tuple(m for m in sorted(members) if self.ring_of.get(m) == old is not None)
            if old is not None:
                self._part(me, old, ring, came, lose)
        for me in members:
            old = self.ring_of.get(me)
            self._configure(me, ring, tuple(sorted(members)), Kind.REGULAR, regular_id(ring), ring)
            self.at[me] = 0
        for me in members:
            self.ring_of[me] = ring
        return ring

    def _part(self, me, old, ring, came, lose):
        name = transitional_id(ring, came)
        self._configure(me, old, came, Kind.TRANSITIONAL, name, old)
        for messages in self.log[old][self.at[me] :]:
            if messages.sequence not in lose:
                self._hand(me, messages, name)

    def _state(self, me, before, after, cause):
        self._take(me, self.members[me].on_state(Moved(before, after, cause), self.now))

    def _configure(self, me, ring, members, kind, name, _):
        configuration = Configuration(
            name, kind, ring, members, (), (), Cause.TOKEN_LOST, self._time, 0
        )
        self._take(me, self.members[me].on_configuration(configuration, self.now))

    def lose_ring(self, *members):
        """The token is lost; nothing else happens yet."""
        for me in members:
            self._state(me, State.OPERATIONAL, State.GATHER, Cause.TOKEN_LOST)

    def find_ring(self, *members):
        """Nobody answered: the same ring goes on."""
        for me in members:
            self._state(me, State.GATHER, State.OPERATIONAL, Cause.ALONE_AGAIN)

    # Messages

    def order(self, me=None):
        """Give the next message (of this member) its place; the message, None if there is none."""
        for sender in [me] if me is not None else sorted(self.outbox):
            if self.outbox[sender] and sender in self.ring_of:
                effect = self.outbox[sender].popleft()
                ring = self.ring_of[sender]
                self._time += 10
                messages = Messages(
                    ring,
                    len(self.log[ring]) + 1,
                    sender,
                    effect.service,
                    self._time,
                    0,
                    (),
                    regular_id(ring),
                    effect.payloads,
                    True,
                    effect.group,
                )
                self.log[ring].append(messages)
                return messages
        return None

    def deliver(self, *members, until=None):
        """Deliver what is ordered to these, in the regular configuration."""
        for me in members or tuple(self.ring_of):
            for messages in self.log[self.ring_of[me]][self.at[me] : until]:
                self.at[me] += 1
                self._hand(me, messages, messages.configuration)

    def run(self, *without):
        """Order and deliver until nobody has anything to say; those `without` hear nothing."""
        while self.order() is not None:
            self.deliver(*(me for me in self.ring_of if me not in without))

    def _hand(self, me, messages, configuration):
        given = Messages(
            messages.ring,
            messages.sequence,
            messages.origin,
            messages.service,
            messages.timestamp,
            messages.error,
            messages.flags,
            configuration,
            messages.payloads,
            True,
            messages.group,
        )
        self._take(me, self.members[me].on_messages(given, self.now))

    # What members say

    def do(self, me, effects):
        """Carry out what a verb of a member answered."""
        self._take(me, effects)

    def _take(self, me, effects):
        for effect in effects:
            match effect:
                case Multicast():
                    self.outbox[me].append(effect)
                case SetTimer(timer, at_ns):
                    self.timers[me][timer] = at_ns
                case CancelTimer(timer):
                    self.timers[me].pop(timer, None)
                case _:
                    self.told[me].append(effect)

    def wait(self, duration_ns):
        """Let time pass: timers run out."""
        self.now += duration_ns
        for me in self.members:
            for timer, at_ns in sorted(self.timers[me].items(), key=lambda item: item[1]):
                if at_ns <= self.now:
                    del self.timers[me][timer]
                    self._take(me, self.members[me].on_timer(timer, self.now))

    def heard(self, me, kind, group=None):
        """What a member was told of this kind, of a group."""
        return [
            each
            for each in self.told[me]
            if isinstance(each, kind) and group in (None, getattr(each, "group", None))
        ]

    def messages(self, me, group):
        """The payloads a plain group was delivered at a member."""
        return [
            payload
            for each in self.heard(me, Delivered, group)
            for payload in each.messages.payloads
        ]

    def restart(self, me, policy=NO_QUORUM):
        """The process of a member dies, and begins anew."""
        self.members[me] = Member(me, policy)
        self.told[me], self.timers[me] = [], {}
        self.outbox[me].clear()
        self.ring_of.pop(me, None)
