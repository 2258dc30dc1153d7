"""One host of the Berkeley algorithm: a member that can become the daemon, or the daemon itself.

What it promises, for a group of n hosts of which f < n / 2 lie, whose clocks differ in rate by no
more than `max_drift_ppm`:

- the settled clock of a member is never further from the group's time than it says
  (:meth:`BerkeleyHost.status`), and what it says grows with every round it misses;
- liars move nobody by more than gamma (:mod:`clocksync.berkeley.average`), and the group's time by
  no more than clocks can drift;
- the shown clock never goes back;
- a member follows one daemon at a time, and each order once (:mod:`clocksync.berkeley.member`).

**The daemon dies.** Every poll tells the roster and the interval. Who has heard no poll for three
intervals waits for half an interval more for each host of the roster that has a lower number, and
then begins the next term. So the lowest that is alive is first, and its polls keep the others from
doing the same: three intervals and a half for every lower number that is dead as well.

**Two daemons.** Each goes on polling those that do not answer, so when the network heals, or the
old one returns, one of them hears the other. The one of higher number becomes a member; the one of
lower number begins a term above both. A member goes over to the higher term, or of two equal ones
to that of the lower number, and never back. So a daemon that returns with a wrong clock takes back
a group that outvotes it, and goes to where the others are.

**When it is wrong.** A clock that is set, by a step, is a liar until the next round. Half of the
members or more that lie together are believed. Who has the key can make itself the daemon; what it
can do then is limited at every member by `max_adjust_ns` a round and by `max_slew_ppm` at all
times.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from enum import Enum
from typing import cast

from clocksync.berkeley.clock import GroupClock
from clocksync.berkeley.daemon import Daemon, PollLeft
from clocksync.berkeley.events import Elected, GaveUp, Over, RoundDone, Row, Yielded
from clocksync.berkeley.frames import NO_BOUND, Answer, Join, Order, Poll
from clocksync.berkeley.me import Me
from clocksync.berkeley.member import AnswerLeft, Member
from clocksync.berkeley.reign import NOBODY, Reign
from clocksync.berkeley.roster import decode, decode_address, encode_address
from clocksync.berkeley.settings import BerkeleySettings
from clocksync.runtime.core import (
    Arrival,
    CancelTimer,
    Effects,
    Notify,
    Send,
    SetTimer,
    SilentCore,
    Stamp,
)
from clocksync.runtime.units import MILLISECOND, SECOND

SILENT_INTERVALS = 3
RANK_NS_MIN = 200 * MILLISECOND
RESEND_NS = 50 * MILLISECOND
RESENDS = 3
FAREWELLS = 12
LOOK_AFTER_NS = 250 * MILLISECOND
JOIN_NS = 250 * MILLISECOND
TERM_MAX = 1 << 63


class Timer(Enum):
    """What a host waits for."""

    GATHER = "nobody new has joined for a while"
    ROUND = "the next round is due"
    POLL = "the next poll of the round is due"
    CLOSE = "no answer is waited for any longer"
    RESEND = "orders have not been acknowledged"
    SILENCE = "the daemon is dead"
    JOIN = "nobody has polled us yet"


DAEMON_TIMERS = (Timer.GATHER, Timer.ROUND, Timer.POLL, Timer.CLOSE, Timer.RESEND)


class Role(Enum):
    """What a host is."""

    DAEMON = "daemon"
    MEMBER = "member"
    LEFT = "done"


@dataclass(frozen=True, slots=True)
class Status:
    """How a host stands; ns. `bound` is of the shown clock; None: nobody knows yet.

    It is against the time of the group under `group`: between a new daemon's first poll and its
    first order that is still the former one's.
    """

    role: Role
    term: int
    daemon: int
    round: int
    missed: int
    bound: int | None
    drifted: int | None
    pending: int
    group: Reign


class BerkeleyHost(SilentCore):
    """The core. Stamps are told in the host's own clock; what comes of it is :meth:`read`.

    Args:
        boot: 32 bits that no earlier start of this program had, not 0.
    """

    def __init__(self, settings: BerkeleySettings, boot: int) -> None:
        clock = GroupClock(settings.max_slew_ppm, settings.max_drift_ppm)
        self.settings = settings
        self.me = Me(settings, boot, clock, interval_ns=settings.interval_ns)
        self.member = Member(self.me)
        self.daemon: Daemon | None = None
        self.last_round: RoundDone | None = None
        self.is_left = False
        self._began = 0
        self._in_round = False
        self._resends = 0
        self._is_over = False
        self._settle_until: int | None = None
        self._asks = 0

    # What an application reads

    @property
    def role(self) -> Role:
        if self.is_left:
            return Role.LEFT
        return Role.DAEMON if self.daemon is not None else Role.MEMBER

    def read(self, reading: int) -> int:
        """The steered clock when the host's own clock shows `reading`. It never goes back."""
        return self.me.clock.shown(reading)

    def status(self, reading: int) -> Status:
        """How it stands when the host's own clock shows `reading`."""
        clock, reign = self.me.clock, self.me.reign
        pending, drifted = clock.steering.pending(reading), clock.drifted(reading)
        bound, missed, round_ = clock.bound(reading), self.member.missed, self.member.round
        group = clock.claim.reign if clock.claim is not None else reign
        if self.daemon is not None:
            group = reign
            has_time = self.daemon.round > 0
            drifted, bound = (0, abs(pending)) if has_time else (None, None)
            missed, round_ = 0, self.daemon.round
        return Status(
            self.role, reign.term, reign.daemon, round_, missed, bound, drifted, pending, group
        )

    # Inputs

    def start(self, now: int) -> Effects:
        self._began = now
        if not self.settings.is_daemon:
            return self._ask_to_join(now)
        self.me.rounds_left = self.settings.rounds
        self.me.reign = Reign(1, self.me.id, self.me.boot)
        self.daemon = Daemon(self.me)
        return []

    def on_frame(self, arrival: Arrival, now: int) -> Effects:
        self.me.clock.present.saw(arrival.stamp, now)
        sender, frame = arrival.sender, arrival.frame
        if self.is_left or not isinstance(sender, int) or sender == self.me.id:
            return []
        match frame:
            case Join():
                return self._on_join(sender, frame, now)
            case Poll():
                return self._on_poll(sender, frame, arrival, now)
            case Answer():
                return self._on_answer(sender, frame, arrival.stamp, now)
            case Order():
                return self._on_order(sender, frame, now)
        return []

    def on_sent(self, tag: Hashable, stamp: Stamp, now: int) -> Effects:
        self.me.clock.present.saw(stamp, now)
        if isinstance(tag, AnswerLeft):
            self.member.on_sent(tag, stamp)
        elif isinstance(tag, PollLeft) and self.daemon is not None:
            self.daemon.on_sent(tag, stamp)
        return []

    def on_timer(self, timer: Hashable, now: int) -> Effects:
        match cast(Timer, timer):
            case Timer.JOIN:
                return self._ask_to_join(now)
            case Timer.SILENCE:
                return self._begin_term(self.me.reign.term + 1, "the daemon is silent", now)
            case Timer.GATHER | Timer.ROUND:
                return self._begin_round(now)
            case Timer.POLL:
                return self._poll(now)
            case Timer.CLOSE:
                return self._close(now)
            case Timer.RESEND:
                return self._resend(now)

    def leave(self, now: int) -> Effects:
        """The application ends. A member says so. A daemon ends the run for all if its end was
        planned; else it says that it goes, and the others go on without it."""
        if self.is_left:
            return []
        if self.daemon is None:
            return self._depart()
        self._in_round = False
        quiet: Effects = [CancelTimer(timer) for timer in DAEMON_TIMERS]
        if self.last_round is not None and self.me.rounds_left is not None:
            return [*quiet, *self._say_farewell()]
        goodbyes: Effects = []
        for number in sorted(self.daemon.peers):
            goodbyes += self._join(self.me.to(number), True)
        return [*quiet, *goodbyes, *self._finish()]

    # A member

    def _ask_to_join(self, now: int) -> Effects:
        waited, patience = now - self._began, self.settings.patience_ns
        if patience and waited > patience:
            self.is_left = True
            return [Notify(GaveUp())]
        self._asks += 1
        # A little more or less, so that two who wait for the same daemon do not stay in step.
        after = (JOIN_NS if self._asks < 8 else SECOND) * (100 + self.me.boot * self._asks % 31)
        after //= 100
        return [*self._join(self.settings.contact), SetTimer(Timer.JOIN, after)]

    def _join(self, to: Hashable, leaving: bool = False) -> Effects:
        if to is None:
            return []
        reign = self.me.reign
        frame = Join(self.me.id, self.me.boot, leaving, reign.term, reign.daemon, b"")
        return [Send(to, frame)]

    def _depart(self, residual: int | None = None, bound: int | None = None) -> Effects:
        """End as a member: dismissed, or of our own accord."""
        self.is_left = True
        daemon = self.me.reign.daemon
        goodbye = self._join(self.me.to(daemon), True) if bound is None and daemon else []
        timers: Effects = [CancelTimer(Timer.SILENCE), CancelTimer(Timer.JOIN)]
        return [*goodbye, *timers, Notify(Over(residual, bound))]

    def _on_poll(self, sender: int, poll: Poll, arrival: Arrival, now: int) -> Effects:
        reign = Reign(poll.term, sender, poll.boot)
        if poll.term > TERM_MAX or not self.member.accepts(sender, poll):
            return self.member.on_foreign_poll(sender, poll, now)
        effects: Effects = []
        if self.daemon is not None:
            if self.me.id < sender:
                self.me.roster |= decode(poll.roster)
                return self._begin_term(poll.term + 1, f"host {sender} reigned meanwhile", now)
            effects = self._yield(reign)
        wants_to_leave = self.settings.rounds is not None and not self.settings.is_daemon
        if wants_to_leave and self.member.orders >= (self.settings.rounds or 0) and not poll.last:
            return self._depart()
        effects += self.member.on_poll(sender, poll, arrival, now)
        return [*effects, CancelTimer(Timer.JOIN), SetTimer(Timer.SILENCE, self._silence_ns())]

    def _silence_ns(self) -> int:
        """How long no poll may come until we are the one to go on."""
        return SILENT_INTERVALS * self.me.interval_ns + self._turn_ns()

    def _turn_ns(self) -> int:
        """How much sooner those of lower number have their turn."""
        lower = sum(1 for n in self.me.roster if n < self.me.id and n != self.me.reign.daemon)
        return lower * max(self.me.interval_ns // 2, RANK_NS_MIN)

    def _on_order(self, sender: int, order: Order, now: int) -> Effects:
        if self.daemon is not None:
            return []
        effects = self.member.on_order(sender, order, now)
        over = self.member.dismissal
        if over is None:
            return effects
        is_known = over.bound != NO_BOUND
        return [
            *effects,
            *self._depart(over.residual if is_known else None, over.bound if is_known else 0),
        ]

    # Who is the daemon

    def _on_join(self, sender: int, join: Join, now: int) -> Effects:
        if self.daemon is None:
            daemon = self.me.reign.daemon
            if sender == join.member == daemon and join.leaving:
                return [SetTimer(Timer.SILENCE, self._turn_ns() + MILLISECOND)]
            if sender != join.member or daemon in (0, sender):
                return []
            address = encode_address(self.me.address_of(sender))
            handed_on = Join(join.member, join.boot, join.leaving, join.term, join.daemon, address)
            return [Send(self.me.to(daemon), handed_on)]
        if not 0 < join.member < 0xFFFF:
            return []
        if join.leaving:
            return self.daemon.leave(join.member, "it has left")
        if sender != join.member and (where := decode_address(join.address)) is not None:
            self.me.roster[join.member] = where
        effects = self.daemon.join(join.member, join.boot)
        if effects and not self.daemon.round:
            effects += self._gather()
        return effects

    def _gather(self) -> Effects:
        """Before the first round: wait for the others."""
        assert self.daemon is not None
        if self.settings.members is None:
            return [SetTimer(Timer.GATHER, self.settings.gather_ns)]
        is_full = len(self.daemon.peers) >= self.settings.members
        return [SetTimer(Timer.GATHER, 0)] if is_full else []

    def _on_answer(self, sender: int, answer: Answer, stamp: Stamp, now: int) -> Effects:
        if self.daemon is None:
            return []
        theirs = Reign(answer.term, answer.daemon, answer.daemon_boot)
        if theirs == self.me.reign:
            effects = self.daemon.on_answer(sender, answer, stamp)
            if self._in_round and self.daemon.is_answered:
                effects += self._close(now)
            elif self._is_over and not self.daemon.orders():
                effects += self._finish()
            return effects
        is_former = theirs.daemon == self.me.id and theirs.term == self.me.reign.term
        if answer.term > TERM_MAX or not (theirs.beats(self.me.reign) or is_former):
            return []
        if theirs.daemon < self.me.id:
            # It is for that daemon to say so: what another says of it is hearsay.
            return self._join(self.me.to(theirs.daemon))
        return self._begin_term(theirs.term + 1, f"host {sender} is in a later term", now)

    def _begin_term(self, term: int, why: str, now: int) -> Effects:
        """Be the daemon from now on."""
        former, known = self.daemon, dict(self.me.roster)
        self.me.reign = Reign(term, self.me.id, self.me.boot)
        self.daemon = Daemon(self.me)
        for number in sorted(known):
            self.daemon.know(number)
        if former is not None:
            self.daemon.adopt(former)
        else:
            self.daemon.told = self.me.clock.total
        if self.settings.is_daemon:
            self.me.interval_ns = self.settings.interval_ns
            if self.me.rounds_left is None:
                self.me.rounds_left = self.settings.rounds
        self._in_round, self._is_over = False, False
        stop: Effects = [CancelTimer(Timer.SILENCE), CancelTimer(Timer.JOIN)]
        if self.me.rounds_left == 0:
            self.me.rounds_left = None if self.settings.rounds is None else 1
        # A moment later: the frame that brought us here may bring others.
        return [*stop, Notify(Elected(term, why)), SetTimer(Timer.ROUND, MILLISECOND)]

    def _yield(self, reign: Reign) -> Effects:
        self.daemon = None
        self.me.clock.claim = None
        self.member.obey(NOBODY)
        self._in_round = self._is_over = False
        return [Notify(Yielded(reign.term, reign.daemon)), *map(CancelTimer, DAEMON_TIMERS)]

    # Rounds

    def _begin_round(self, now: int) -> Effects:
        assert self.daemon is not None
        self.daemon.begin(is_last=self.me.rounds_left == 0)
        self._in_round = True
        next_round = SetTimer(Timer.ROUND, self.me.interval_ns)
        return [CancelTimer(Timer.RESEND), *self._poll(now), next_round]

    def _poll(self, now: int) -> Effects:
        assert self.daemon is not None
        effects = self.daemon.poll(now)
        if self.daemon.is_polled:
            return [*effects, SetTimer(Timer.CLOSE, self.me.answer_ns)]
        return [*effects, SetTimer(Timer.POLL, self.me.spacing_ns)]

    def _close(self, now: int) -> Effects:
        assert self.daemon is not None
        self._in_round = False
        effects: Effects = [CancelTimer(Timer.POLL), CancelTimer(Timer.CLOSE)]
        was_last = self.daemon.is_last
        effects += self.daemon.close(now)
        self.last_round = next(
            e.event for e in effects if isinstance(e, Notify) and isinstance(e.event, RoundDone)
        )
        if was_last:
            return [*effects, *self._settled(now)]
        if self.me.rounds_left is not None:
            self.me.rounds_left -= 1
            if self.me.rounds_left == 0:  # look at what it came to while it is fresh
                soon = min(self.me.interval_ns, LOOK_AFTER_NS)
                effects.append(SetTimer(Timer.ROUND, soon))
        self._resends = 0
        return [*effects, SetTimer(Timer.RESEND, RESEND_NS)]

    def _resend(self, now: int) -> Effects:
        assert self.daemon is not None
        self._resends += 1
        if self._resends > (FAREWELLS if self._is_over else RESENDS):
            return self._finish() if self._is_over else []
        orders = self.daemon.orders()
        return [*orders, SetTimer(Timer.RESEND, RESEND_NS)] if orders else []

    def _settled(self, now: int) -> Effects:
        """After a round that only looked: whether to look again once clocks have slewed."""
        assert self.daemon is not None
        if self._settle_until is None:
            self._settle_until = now + self.settings.settle_ns
        needs = round(self.daemon.pending / self.settings.max_slew_ppm * 1_000_000)
        if not needs or now + needs > self._settle_until:
            return self._say_farewell()
        return [SetTimer(Timer.ROUND, needs + self.me.spacing_ns)]

    def _say_farewell(self) -> Effects:
        assert self.daemon is not None
        self._is_over, self._resends = True, 0
        effects: Effects = [CancelTimer(Timer.ROUND), *self.daemon.dismiss()]
        if len(effects) == 1:
            return [*effects, *self._finish()]
        return [*effects, SetTimer(Timer.RESEND, RESEND_NS)]

    def _finish(self) -> Effects:
        self._is_over, self.is_left = False, True
        own = next((row for row in self.rows if row.id == self.me.id), None)
        over = Over(own.residual, own.bound) if own is not None else Over()
        return [CancelTimer(Timer.RESEND), CancelTimer(Timer.ROUND), Notify(over)]

    @property
    def rows(self) -> tuple[Row, ...]:
        """All clocks as the latest round of ours left them."""
        return self.last_round.rows if self.last_round is not None else ()
