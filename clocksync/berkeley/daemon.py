"""The daemon's part: rounds of polls, the average, and what each member is told.

It sees clocks as settled ones (:mod:`clocksync.berkeley.clock`), its own among them. The *group's
time* is its own settled clock after each round: what is claimed, is claimed against that. A round
moves it by no more than clocks can have drifted since the last, whatever the answers say, unless
the daemon's own clock was left out of the average: then it is the one that is wrong, and goes to
where the others are.
"""

from dataclasses import dataclass

from clocksync.berkeley.average import Average, fault_tolerant_average, gamma_of
from clocksync.berkeley.clock import in_64_bits
from clocksync.berkeley.events import Joined, Left, NoMajority, RoundDone, Row
from clocksync.berkeley.frames import NO_BOUND, Answer, Order, Poll
from clocksync.berkeley.me import Me
from clocksync.berkeley.peer import Peer, RateBook
from clocksync.berkeley.reign import Claim
from clocksync.berkeley.roster import encode
from clocksync.berkeley.settings import MEMBERS_MAX
from clocksync.ntp.estimate import Contradiction, Estimate
from clocksync.runtime.clocks import drift_allowance
from clocksync.runtime.core import Effects, Notify, Send, Stamp

ABSENT_AFTER = 3
"""Rounds without an answer until a member is no longer waited for."""
PRECISION_NS = 2


@dataclass(frozen=True, slots=True)
class PollLeft:
    """The tag of a poll."""

    member: int
    number: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a round came to: the average and what was measured of each member."""

    average: Average
    shift: int
    """By how much the group's time moves against our settled clock."""
    found: dict[int, Estimate]
    contradictions: frozenset[int]


class Daemon:
    """The rounds of `me`, in one term."""

    def __init__(self, me: Me) -> None:
        self.me = me
        self.round = 0
        self.is_last = False
        """Whether this round only looks."""
        self.peers: dict[int, Peer] = {}
        self.told = self.excluded_rounds = 0
        self.rows: tuple[Row, ...] = ()
        self._polled = 0
        self._at = 0
        self._before: int | None = None
        self._rates = RateBook()
        self._orders: dict[int, Order] = {}

    # Who is in it

    def know(self, number: int) -> Peer | None:
        """A member's record, made if there is room for it."""
        if number == self.me.id or (number not in self.peers and len(self.peers) >= MEMBERS_MAX):
            return None
        return self.peers.setdefault(number, Peer(number))

    def join(self, number: int, boot: int) -> Effects:
        """A member asks to be polled."""
        peer = self.know(number)
        if peer is None or (peer.boot == boot and not peer.is_absent):
            return []
        return self._heard(peer, boot)

    def leave(self, number: int, why: str) -> Effects:
        """A member goes."""
        if self.peers.pop(number, None) is None:
            return []
        self._orders.pop(number, None)
        self.me.roster.pop(number, None)
        return [Notify(Left(number, why))]

    def _heard(self, peer: Peer, boot: int) -> Effects:
        is_known = peer.boot is not None and not peer.is_absent
        is_restart = peer.boot not in (None, boot)
        if is_restart:
            peer.rates = RateBook()
        peer.boot, peer.is_absent = boot, False
        return [] if is_known and not is_restart else [Notify(Joined(peer.number, is_restart))]

    def adopt(self, former: "Daemon") -> None:
        """Go on in a new term with what was known in the one before."""
        self.told, self.excluded_rounds = former.told, former.excluded_rounds
        for number in sorted(former.peers):
            self.peers[number] = former.peers[number]

    # A round

    def begin(self, is_last: bool) -> None:
        """Begin the next round."""
        self.round += 1
        self._polled, self._at, self.is_last = 0, 0, is_last
        self._orders.clear()
        for peer in self.peers.values():
            peer.begin_round()
        self.me.roster = {self.me.id: self.me.address_of(self.me.id)} | {
            number: self.me.address_of(number) for number in sorted(self.peers)
        }

    def poll(self, now: int) -> Effects:
        """The next poll of everybody; of those that are absent, the first one only."""
        self._polled += 1
        left = self.me.rounds_left
        roster = encode(self.me.roster) if self._polled == 1 else b""
        effects: Effects = []
        for peer in self._sorted():
            if peer.is_absent and self._polled > 2:
                continue
            number, time = self.me.next_number(), in_64_bits(self.me.clock.settled_now(now))
            peer.asked(number, time)
            poll = Poll(
                self.me.reign.term,
                self.me.boot,
                self.round,
                self.is_last,
                self.me.interval_ns,
                0xFFFF_FFFF if left is None else max(0, left - 1),
                time,
                roster,
                number,
            )
            effects.append(Send(self.me.to(peer.number), poll, PollLeft(peer.number, number)))
        return effects

    @property
    def is_polled(self) -> bool:
        """Whether all polls of this round are on their way."""
        return self._polled >= self.me.settings.polls

    def on_sent(self, tag: PollLeft, stamp: Stamp) -> None:
        """A poll left."""
        peer = self.peers.get(tag.member)
        if peer is not None:
            peer.on_sent(tag.number, self._told(stamp))

    def on_answer(self, sender: int, answer: Answer, stamp: Stamp) -> Effects:
        """A member of our term answers a poll, or says that an order came."""
        peer = self.know(sender)
        if peer is None:
            return []
        order = self._orders.get(sender)
        if order is not None and answer.number == order.number:
            peer.is_acknowledged, peer.pending = True, answer.pending
            peer.says_total(answer.total)
            return []
        effects = self._heard(peer, answer.boot) if peer.boot != answer.boot else []
        back = self._told(stamp)
        if not peer.on_answer(answer, back, PRECISION_NS):
            return effects
        self._at = max(self._at, back.time)
        return effects or self._heard(peer, answer.boot)

    @property
    def is_answered(self) -> bool:
        """Whether nothing is left to wait for in this round."""
        polls = self.me.settings.polls
        return self.is_polled and all(
            peer.is_absent or peer.answered >= polls for peer in self.peers.values()
        )

    def _told(self, stamp: Stamp) -> Stamp:
        return Stamp(self.me.clock.settled(stamp.time), stamp.source)

    def _sorted(self) -> list[Peer]:
        return [self.peers[number] for number in sorted(self.peers)]

    # What comes of it

    def close(self, now: int) -> Effects:
        """The round is over: average, adjust ourselves, tell the others."""
        if not self._at:
            self._at = self.me.clock.settled_now(now)
        effects = self._count_missed()
        verdict = self._verdict()
        if verdict is None:
            clocks = 1 + sum(peer.answered > 0 for peer in self.peers.values())
            self.rows = tuple(self._silent_rows())
            effects.append(Notify(NoMajority(self.round, self._gamma_asked(), clocks)))
        elif self.is_last:
            self.rows = tuple(self._looked_at(verdict, now))
        else:
            self.rows = tuple(self._adjusted(verdict, now))
            effects += self.orders()
        average = verdict.average if verdict is not None else None
        done = RoundDone(
            self.me.reign.term,
            self.round,
            average.average if average is not None else 0,
            average.gamma if average is not None else self._gamma_asked(),
            self.rows,
            self.is_last,
        )
        return [*effects, Notify(done)]

    def orders(self) -> Effects:
        """The orders of this round that nobody has acknowledged."""
        return [
            Send(self.me.to(number), order)
            for number, order in sorted(self._orders.items())
            if number in self.peers and not self.peers[number].is_acknowledged
        ]

    def dismiss(self) -> Effects:
        """Tell all that it is over, each with where it ended."""
        self._orders.clear()
        for row in self.rows:
            peer = self.peers.get(row.id)
            if peer is not None and peer.boot is not None and not peer.is_absent:
                self._tell(peer, 0, 0, row.bound, row.excluded, row.residual or 0, is_over=True)
        return self.orders()

    @property
    def pending(self) -> int:
        """The most that anybody has still to slew, ns."""
        return max((abs(row.pending) for row in self.rows), default=0)

    def _count_missed(self) -> Effects:
        effects: Effects = []
        for peer in self._sorted():
            peer.missed = 0 if peer.answered else peer.missed + 1
            if peer.missed >= ABSENT_AFTER and not peer.is_absent:
                peer.is_absent = True
                if peer.boot is not None:
                    why = f"it has missed {peer.missed} rounds"
                    effects.append(Notify(Left(peer.number, why)))
        return effects

    def _gamma_asked(self) -> int:
        return self.me.settings.gamma_ns or 0

    def _verdict(self) -> Verdict | None:
        found: dict[int, Estimate] = {}
        contradictions: set[int] = set()
        drift = self.me.settings.max_drift_ppm
        for peer in self._sorted():
            measured = peer.measured(self._at, PRECISION_NS, drift)
            if isinstance(measured, Estimate):
                found[peer.number] = measured
            elif isinstance(measured, Contradiction):
                contradictions.add(peer.number)
        differences = {self.me.id: 0} | {n: each.offset_ns for n, each in found.items()}
        claiming = sum(self.peers[n].bound is not None for n in found)
        bounds = [each.error_bound_ns for each in found.values()]
        is_gathering = 2 * claiming < len(found) or not found
        gamma = self.me.settings.gamma_ns
        if gamma is None:
            gamma = gamma_of(list(differences.values()), bounds, is_gathering)
        average = fault_tolerant_average(differences, gamma)
        if not average.is_majority:
            return None
        shift = average.average
        if self._before is not None and not is_gathering and self.me.id in average.included:
            most = drift_allowance(self._at - self._before, drift)
            shift = max(-most, min(most, shift))
        return Verdict(average, shift, found, frozenset(contradictions))

    def _adjusted(self, verdict: Verdict, now: int) -> list[Row]:
        included = verdict.average.included
        typical = sorted(each.error_bound_ns for each in verdict.found.values())
        rate, is_in = 0, self.me.id in included
        if self.me.settings.steers_rate and typical:
            bound = typical[len(typical) // 2]
            drift = self.me.settings.max_drift_ppm
            rate = self._rates.note(verdict.shift, bound, self._at, is_in, drift)
        self.me.clock.adjust(verdict.shift, rate, now)
        self.told += verdict.shift
        self.excluded_rounds += not is_in
        rows = [self._own_row(verdict, now)]
        for peer in self._sorted():
            each = verdict.found.get(peer.number)
            if each is not None:
                rows.append(self._order(peer, each, verdict))
            else:
                contradicts = peer.number in verdict.contradictions
                peer.excluded_rounds += contradicts
                rows.append(self._silent_row(peer, contradicts))
        self._before = self._at + verdict.shift
        return sorted(rows, key=lambda row: row.id)

    def _order(self, peer: Peer, each: Estimate, verdict: Verdict) -> Row:
        is_in = peer.number in verdict.average.included
        adjustment = in_64_bits(verdict.shift - each.offset_ns)
        rate = 0
        if self.me.settings.steers_rate:
            is_sound, drift = is_in and peer.is_acknowledged, self.me.settings.max_drift_ppm
            rate = peer.rates.note(adjustment, each.error_bound_ns, self._at, is_sound, drift)
        self._tell(peer, adjustment, rate, each.error_bound_ns, not is_in)
        peer.order(adjustment)
        peer.excluded_rounds += not is_in
        peer.claim = Claim(each.error_bound_ns, self._at + verdict.shift, self.me.reign)
        return Row(
            peer.number,
            each.offset_ns,
            adjustment,
            0,
            each.error_bound_ns,
            peer.pending + adjustment,
            not is_in,
            0,
            peer.told,
            peer.excluded_rounds,
            peer.bound,
        )

    def _tell(
        self,
        peer: Peer,
        adjustment: int,
        rate: int,
        bound: int | None,
        excluded: bool,
        residual: int = 0,
        is_over: bool = False,
    ) -> None:
        peer.is_acknowledged = False
        self._orders[peer.number] = Order(
            self.me.reign.term,
            self.round,
            peer.boot or 0,
            is_over,
            excluded,
            adjustment,
            rate,
            NO_BOUND if bound is None else min(bound, NO_BOUND - 1),
            in_64_bits(residual),
            self.me.next_number(),
        )

    def _own_row(self, verdict: Verdict, now: int, residual: int = 0, bound: int = 0) -> Row:
        adjustment = 0 if self.is_last else verdict.shift
        return Row(
            self.me.id,
            0,
            adjustment,
            residual,
            bound,
            self.me.clock.pending(now),
            self.me.id not in verdict.average.included,
            0,
            self.told,
            self.excluded_rounds,
            bound,
        )

    def _looked_at(self, verdict: Verdict, now: int) -> list[Row]:
        """What the clocks came to. The average is no better known than those that it is of."""
        included, average = verdict.average.included, verdict.average.average
        bounds = {n: each.error_bound_ns for n, each in verdict.found.items()} | {self.me.id: 0}
        doubt = -(-sum(bounds[n] for n in included) // len(included))
        rows = [self._own_row(verdict, now, -average, doubt)]
        for peer in self._sorted():
            each = verdict.found.get(peer.number)
            if each is None:
                rows.append(self._silent_row(peer, peer.number in verdict.contradictions))
                continue
            rows.append(
                Row(
                    peer.number,
                    each.offset_ns,
                    0,
                    each.offset_ns - average,
                    each.error_bound_ns + doubt,
                    peer.pending,
                    peer.number not in included,
                    0,
                    peer.told,
                    peer.excluded_rounds,
                    peer.bound,
                )
            )
        return sorted(rows, key=lambda row: row.id)

    def _silent_rows(self) -> list[Row]:
        own = Row(self.me.id, 0, 0, None, None, 0, False, 0, self.told, self.excluded_rounds, None)
        rows = [own, *(self._silent_row(peer, False) for peer in self._sorted())]
        return sorted(rows, key=lambda row: row.id)

    def _silent_row(self, peer: Peer, contradicts: bool) -> Row:
        """Of a member that nothing was learned of in this round."""
        note = "its answers contradict each other" if contradicts else ""
        return Row(
            peer.number,
            None,
            0,
            None,
            None,
            peer.pending,
            contradicts,
            peer.missed,
            peer.told,
            peer.excluded_rounds,
            peer.drifted(self._at, self.me.settings.max_drift_ppm),
            note or ("gone" if peer.is_absent else ""),
        )
