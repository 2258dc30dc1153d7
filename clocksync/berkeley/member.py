"""The member's part: it answers polls, and follows the orders of one daemon at a time.

An order is followed if it comes from the daemon that is obeyed, in its term, for the round we were
last polled in, for this start of our program, and not a second time. So duplicated, late, reordered
and foreign orders do nothing. One that asks for more than `max_adjust_ns` is followed as far as
that.
"""

from collections import deque
from dataclasses import dataclass

from clocksync.berkeley.clock import in_64_bits
from clocksync.berkeley.events import Obeyed
from clocksync.berkeley.frames import NO_BOUND, Answer, Order, Poll
from clocksync.berkeley.me import Me
from clocksync.berkeley.reign import Claim, Reign
from clocksync.berkeley.roster import decode
from clocksync.berkeley.settings import INTERVAL_MIN_NS
from clocksync.runtime.core import Arrival, Effects, Notify, Send, Stamp, StampSource
from clocksync.runtime.units import SECOND

ANSWERED_KEPT = 128
INTERVAL_MAX_NS = 86_400 * SECOND


@dataclass(frozen=True, slots=True)
class AnswerLeft:
    """The tag of an answer to a poll."""

    number: int
    arrived: int
    """When the poll had come, by our own clock: the settled one may be adjusted meanwhile."""


class Member:
    """Keeps the books of obedience for `me`."""

    def __init__(self, me: Me) -> None:
        self.me = me
        self.round = 0
        """The latest we were polled in."""
        self.followed = 0
        """The latest whose order we have followed."""
        self.orders = 0
        """Orders followed in all."""
        self.refused = 0
        """Orders that were not to be followed."""
        self.polls = 0
        """Polls that we obeyed."""
        self.heard_at = 0
        self.dismissal: Order | None = None
        """The order that said that all is over."""
        self._since = 0
        self._departed: tuple[int, int, StampSource] = (0, 0, StampSource.USER)
        self._answered: deque[int] = deque(maxlen=ANSWERED_KEPT)

    @property
    def missed(self) -> int:
        """Rounds that we were polled in and have had no order of."""
        return max(0, self.round - self.followed)

    def obey(self, reign: Reign) -> None:
        """Follow another daemon from now on: rounds are counted anew."""
        self.me.reign = reign
        self.round = self.followed = 0

    def accepts(self, sender: int, poll: Poll) -> bool:
        """Whether a poll comes from whom we obey, or are to obey from now on."""
        reign = Reign(poll.term, sender, poll.boot)
        return reign == self.me.reign or reign.beats(self.me.reign)

    def on_poll(self, sender: int, poll: Poll, arrival: Arrival, now: int) -> Effects:
        """A poll that was accepted."""
        reign = Reign(poll.term, sender, poll.boot)
        if reign != self.me.reign:
            self.obey(reign)
        if poll.round < self.round or poll.number in self._answered:
            return []
        arrived = self.me.clock.settled(arrival.stamp.time)
        if poll.round > self.round:
            self.round, self._since = poll.round, arrived
        self._answered.append(poll.number)
        self.polls, self.heard_at = self.polls + 1, now
        self.me.interval_ns = max(INTERVAL_MIN_NS, min(poll.interval, INTERVAL_MAX_NS))
        self.me.rounds_left = None if poll.rounds_left == 0xFFFF_FFFF else poll.rounds_left
        if poll.roster:
            self.me.roster = decode(poll.roster)
        difference, own = arrived - poll.time, arrival.stamp.time
        return [self._answer(sender, poll.number, now, difference, own)]

    def on_foreign_poll(self, sender: int, poll: Poll, now: int) -> Effects:
        """A poll of somebody we do not obey: it learns whom we do."""
        return [self._answer(sender, poll.number, now)]

    def _answer(
        self, to: int, number: int, now: int, difference: int = 0, arrived: int | None = None
    ) -> Send:
        clock, reign = self.me.clock, self.me.reign
        bound = clock.drifted(clock.reading(now))
        earlier, held, _ = self._departed
        answer = Answer(
            term=reign.term,
            daemon=reign.daemon,
            daemon_boot=reign.boot,
            boot=self.me.boot,
            bound=NO_BOUND if bound is None else min(bound, NO_BOUND - 1),
            total=in_64_bits(clock.total),
            pending=in_64_bits(clock.pending(now)),
            difference=in_64_bits(difference),
            earlier=earlier,
            earlier_held=in_64_bits(held),
            number=number,
        )
        tag = None if arrived is None else AnswerLeft(number, arrived)
        return Send(self.me.to(to), answer, tag)

    def on_sent(self, tag: AnswerLeft, stamp: Stamp) -> None:
        """An answer left: the next one tells how long it was held."""
        number, _, source = self._departed
        if number == tag.number and stamp.source.weaker(source) is stamp.source is not source:
            return  # the kernel's own came before
        held = max(0, stamp.time - tag.arrived)
        self._departed = tag.number, held, stamp.source

    def follows(self, sender: int, order: Order) -> bool:
        """Whether this order is to be followed: see the module."""
        reign = self.me.reign
        return (
            (sender, order.term) == (reign.daemon, reign.term)
            and order.boot == self.me.boot
            and order.round == self.round > self.followed
        )

    def on_order(self, sender: int, order: Order, now: int) -> Effects:
        """An order came, perhaps again. Whoever sends the one we follow is told that it is here."""
        if self.follows(sender, order):
            effects: Effects = []
            if order.over:
                self.dismissal = order
            else:
                effects = [self._follow(order, now)]
            self.followed = order.round
        else:
            effects = []
            self.refused += 1
            if (sender, order.term) != (self.me.reign.daemon, self.me.reign.term):
                return []
        return [*effects, self._answer(sender, order.number, now)]

    def _follow(self, order: Order, now: int) -> Notify:
        clock, most = self.me.clock, self.me.settings.max_adjust_ns
        drifted, missed = clock.drifted(clock.reading(now)), self.missed - 1
        by = max(-most, min(most, order.adjustment))
        clock.adjust(by, order.rate, now)
        bound = order.bound + abs(order.adjustment - by)
        clock.claim = Claim(bound, self._since + by, self.me.reign)
        self.orders += 1
        return Notify(
            Obeyed(
                order.term,
                self.me.reign.daemon,
                order.round,
                by,
                bound,
                bool(order.excluded),
                missed,
                drifted,
            )
        )
