"""A clock kept to its hosts: measured without end, steered, and never set back.

The steered clock is a :class:`~clocksync.steering.clock.Steering` over the *base*: the node's own
monotonic reading plus a constant, an oscillator that nobody corrects. All is measured against the
base, so that corrections of the clock never disturb what is being measured. Every answer passes

1. :class:`~clocksync.steering.source.Source`: what its host claims, and how noisy it is;
2. the vote (:mod:`clocksync.ntp.selection`): what enough hosts agree on, if fewer than half of the
   hosts *named* lie, whichever of them are silent;
3. :class:`~clocksync.steering.reach.Reach`: the bound, by set arithmetic alone;
4. the servo: the likeliest offset and frequency, held to the bound;
5. the steering: frequency set, phase slewed; a large correction forward, while the time is being
   found, is a step.

What it promises: the clock never goes back, whatever hosts say. True time lies in :meth:`bound_at`
while fewer than half of the hosts lie and the oscillator keeps to the limits of its settings. It
follows no host without a majority: then it holds over.

Stamps must be told in the base (:class:`~clocksync.steering.base.BaseClock` does so), and
``now`` must be the base without the constant.
"""

import random
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import cast

from clocksync.ntp.association import Exchange
from clocksync.ntp.packet import NtpPacket
from clocksync.ntp.selection import Selection, select
from clocksync.runtime.clocks import drift_allowance
from clocksync.runtime.core import Arrival, Effects, Notify, Send, SetTimer, SilentCore, Stamp
from clocksync.runtime.interval import Interval
from clocksync.runtime.mmsg import Address
from clocksync.runtime.units import SECOND, format_duration
from clocksync.steering.clock import Steering
from clocksync.steering.polling import Poll, interval_ns
from clocksync.steering.reach import Reach
from clocksync.steering.servo import Reading
from clocksync.steering.settings import DisciplineSettings
from clocksync.steering.source import News, Source, Standing
from clocksync.steering.states import (
    NEXT,
    Cause,
    ClockStepped,
    Followed,
    HostJudged,
    State,
    StateChanged,
)

ASK, ANSWER, WATCH = "ask", "answer", "watch"
CONFIRMATIONS = 3
"""So many votes in a row must contradict the bound before they are believed against it."""
SETTLED_READINGS = 4
"""So many readings in a row must be as expected before the clock counts as locked."""
SETTLED_WITHIN = 4.0
"""As expected: within so many times its noise, or a small part of the bound."""
SLEEP_ERROR_NS = 2 * SECOND
"""How far the clock that counts while a machine sleeps may be off: it counts whole seconds."""
BURST_INTERVAL_NS = 2 * SECOND
BACKOFF_AFTER = 8
WATCH_NS = 4 * SECOND
"""How often it looks whether silence or a grown bound means anything."""
_Timer = tuple[str, int]


@dataclass(slots=True)
class _Doubt:
    """What the bound was before the hosts contradicted it, and how often they have."""

    before: Reach
    votes: int


class Discipline(SilentCore):
    """Keeps a clock to the hosts that are added to it.

    Args:
        settings: how.
        named: how many hosts there will be, whether or not their names resolve.
        rng: where cookies come from; unpredictable on a network.
        epoch_ns: base minus ``now``; the clock starts at the base's reading.
        now: the reading of the node's monotonic clock.
    """

    def __init__(
        self,
        settings: DisciplineSettings,
        named: int,
        rng: random.Random,
        *,
        epoch_ns: int,
        now: int,
    ) -> None:
        self.settings = settings
        self.named = named
        self.epoch_ns = epoch_ns
        self.state = State.UNLOCKED
        self.cause: Cause | None = None
        self.steering = Steering(now + epoch_ns, slew_ppm_max=settings.slew_ppm_max)
        self.reach = self._new_reach()
        self.servo = settings.make_servo()
        self.poll = Poll(settings.poll_min, settings.poll_max)
        self.sources: dict[int, Source] = {}
        self.selection: Selection | None = None
        self.strays = 0
        self.followed_at: int | None = None
        """The base's reading when the hosts' majority was last followed."""
        self._rng = rng
        self._by_address: dict[Address, Source] = {}
        self._doubt: _Doubt | None = None
        self._as_expected = 0

    def _new_reach(self) -> Reach:
        return Reach(self.settings.max_drift_ppm, self.settings.wander_ppm_per_hour)

    # What the clock shows

    def read(self, now: int) -> int:
        """The clock's reading, Unix ns: never less than one before."""
        return self.steering.at(now + self.epoch_ns)

    def bound_at(self, now: int) -> Interval | None:
        """Where true time is, Unix ns; None while nobody knows."""
        base = now + self.epoch_ns
        offset = None if self.state is State.UNLOCKED else self.reach.at(base)
        return None if offset is None else offset + base

    def error_bound_ns(self, now: int) -> int | None:
        """How far the clock's reading can be off true time; None while nobody knows."""
        bound, reading = self.bound_at(now), self.read(now)
        if bound is None:
            return None
        return max(bound.latest - reading, reading - bound.earliest)

    # Inputs

    def start(self, now: int) -> Effects:
        return [SetTimer((WATCH, 0), WATCH_NS)]

    def add(self, host: int, addresses: Sequence[Address], now: int) -> Effects:
        """Follow a host too; `addresses` in order of preference, at least one."""
        if addresses[0] in self._by_address:
            self.named -= 1  # one server has one vote, however often it is named
            return [Notify(HostJudged(host, "duplicate", "it is the same server as another host"))]
        source = Source(host, addresses, self.settings, self._rng)
        self.sources[host] = source
        for address in addresses:
            self._by_address.setdefault(address, source)
        # Asked a little apart: five answers at once are worth less than five in turn.
        apart = min(self._interval(source), SECOND) * host // max(1, self.named)
        return [SetTimer((ASK, host), apart)] if apart else self._ask(source, now)

    def on_timer(self, timer: Hashable, now: int) -> Effects:
        kind, number = cast(_Timer, timer)
        if kind == WATCH:
            return [*self._health(now, vote=False), SetTimer((WATCH, 0), WATCH_NS)]
        source = self.sources[number]
        return self._ask(source, now) if kind == ASK else self._give_up(source, now)

    def _ask(self, source: Source, now: int) -> Effects:
        if source.denied:
            return []
        packet, exchange = source.request(self._exponent(source), now)
        return [
            Send(source.address, packet, tag=(source.number, exchange)),
            SetTimer((ANSWER, source.number), self.settings.timeout_ns),
            SetTimer((ASK, source.number), self._scattered(self._interval(source))),
        ]

    def _scattered(self, interval: int) -> int:
        """An interval give or take an eighth, so that hosts asked at one time drift apart."""
        return interval - interval // 8 + self._rng.randrange(max(1, interval // 4))

    def _exponent(self, source: Source) -> int:
        """How often that host is asked: as all are, unless it wants less or does not answer."""
        silent = max(0, source.unanswered - BACKOFF_AFTER) // BACKOFF_AFTER
        wanted = max(self.poll.exponent, source.poll_floor) + silent
        return min(wanted, self.settings.poll_max)

    def _interval(self, source: Source) -> int:
        interval = interval_ns(self._exponent(source))
        if source.asked < self.settings.burst:
            return min(interval, BURST_INTERVAL_NS)
        return interval

    def _give_up(self, source: Source, now: int) -> Effects:
        oldest = source.give_up(now - self.settings.timeout_ns)
        effects: Effects = []
        if oldest is not None:
            due = oldest + self.settings.timeout_ns - now
            effects.append(SetTimer((ANSWER, source.number), max(1, due)))
        return effects + self._unanswered(source, now)

    def _unanswered(self, source: Source, now: int) -> Effects:
        effects: Effects = []
        if source.unanswered and not source.has_vote:
            effects += self._judge(source, Standing.SILENT, "it does not answer")
            source.try_next_address()
        soon = interval_ns(source.poll_floor)
        if 0 < source.unanswered <= BACKOFF_AFTER and soon < self._interval(source):
            # One lost answer of a host that is rarely asked is no reason to do without it for long.
            effects.append(SetTimer((ASK, source.number), self._scattered(soon)))
        return effects + self._health(now)

    def on_sent(self, tag: Hashable, stamp: Stamp, now: int) -> Effects:
        _, exchange = cast(tuple[int, Exchange], tag)
        exchange.left(stamp)
        return []

    def on_refused(self, to: Hashable, tag: Hashable, reason: str, now: int) -> Effects:
        number, exchange = cast(tuple[int, Exchange], tag)
        source = self.sources[number]
        source.unreachable(exchange)
        return self._unanswered(source, now)

    def on_frame(self, arrival: Arrival, now: int) -> Effects:
        source = self._by_address.get(cast(Address, arrival.sender))
        if source is None or not isinstance(arrival.frame, NtpPacket):
            self.strays += 1
            return []
        if source.denied or source.address != arrival.sender:
            return []
        before, unanswered = source.standing, source.unanswered
        news = source.on_packet(arrival.frame, arrival.stamp)
        if news is None:
            told = source.standing is not before
            return (self._told(source) if told else []) + self._health(now)
        effects = self._learn(source, news, now)
        if unanswered > BACKOFF_AFTER:  # its next turn was put off while it was silent
            effects.append(SetTimer((ASK, source.number), self._scattered(self._interval(source))))
        return effects

    def void(self, now: int) -> Effects:
        """The clock that stamps are read from was set: what is under way cannot be believed."""
        for source in self.sources.values():
            source.void()
        return []

    def slept(self, for_ns: int, now: int) -> Effects:
        """The machine was suspended, and the base stood still meanwhile. The clock makes up for it
        at once; the bound allows for what a sleeping machine's clock is worth."""
        base = now + self.epoch_ns
        error = SLEEP_ERROR_NS + drift_allowance(for_ns, self.settings.max_drift_ppm)
        known = self.reach.at(base)
        self._doubt = None
        if known is not None:
            self.servo.jump(base, self.servo.at(base) + for_ns, float(error))
            self.reach.restart(base, (known + for_ns).widened(error))
        self.steering.step(max(0, for_ns), base)
        for source in self.sources.values():
            source.void()
            source.restart()
        effects: Effects = [Notify(ClockStepped(for_ns))]
        if self.state in (State.LOCKED, State.STEPPING):
            effects += self._move(Cause.SLEPT, now)
        return effects + self._hurry()

    # From an answer to the clock

    def _learn(self, source: Source, news: News, now: int) -> Effects:
        consistent = source.cut(news.newest, self.reach)
        if news.final is not None and news.final is not news.newest:
            source.cut(news.final, self.reach)
        if not consistent:
            source.jitter_ns = None
        base = now + self.epoch_ns
        effects, agreed = self._vote(base)
        if agreed is None:
            return effects + self._health(now)
        if self.state is State.UNLOCKED:
            if not self.reach.learn(base, agreed):
                self.reach.restart(base, agreed)
                self.servo.restart()
            effects += self._move(Cause.AGREED, now)
        else:
            effects += self._hold_against(agreed, base, now)
        if self._doubt is not None:
            return effects
        self.followed_at = base
        if news.final is not None and source.standing is Standing.GOOD:
            bias, interval = self._common_bias(), self._interval(source)
            effects += self._follow(source, source.reading(news.final, bias, interval), base)
        return effects + self._steer(now)

    def _vote(self, base: int) -> tuple[Effects, Interval | None]:
        """Judge all hosts against each other: what enough of them agree on, if anything."""
        voters = [source for source in self.sources.values() if source.has_vote]
        needed = self.settings.needed(self.named)
        self.selection = None
        if len(voters) < needed:
            return [], None
        claims = [source.claim_at(base, self.reach) for source in voters]
        chosen = self.selection = select(claims, self.named - needed)
        effects: Effects = []
        for place, source in enumerate(voters):
            if chosen.combined is None:
                effects += self._judge(source, Standing.UNDECIDED, "no majority agrees")
            elif place in chosen.falsetickers:
                away = _distance(claims[place], chosen.agreed or chosen.combined)
                words = f"off by at least {format_duration(away)} from what the others agree on"
                effects += self._judge(source, Standing.FALSETICKER, words)
            else:
                effects += self._judge(source, Standing.GOOD)
        return effects, chosen.combined if len(chosen.truechimers) >= needed else None

    def _hold_against(self, agreed: Interval, base: int, now: int) -> Effects:
        """Cut the bound by what the hosts agree on now; where it cannot be, doubt both."""
        doubt = self._doubt
        if doubt is None:
            if self.reach.learn(base, agreed):
                return []
            self._doubt = _Doubt(self.reach, 1)
            self.reach = self._new_reach()
            self.reach.restart(base, _hull(self._doubt.before.at(base), agreed))
            effects = [] if self.state is State.HOLDOVER else self._move(Cause.CONTRADICTED, now)
            return effects + self._hurry()
        if doubt.before.learn(base, agreed):
            self.reach, self._doubt = doubt.before, None
            return []
        doubt.votes += 1
        if doubt.votes <= CONFIRMATIONS:
            self.reach.either(base, agreed)
            return []
        self._doubt = None
        self.reach.restart(base, agreed)
        away = agreed.middle - self.servo.at(base)
        if abs(away) > self.settings.step_ns:
            self.servo.jump(base, agreed.middle, float(agreed.error))
        return self._move(Cause.CONFIRMED, now)

    def _follow(self, source: Source, reading: Reading, base: int) -> Effects:
        """Let the servo take in a reading, and learn from how it differed."""
        innovation = reading.offset_ns - self.servo.at(reading.at)
        expected = self.servo.ready
        self.servo.update(reading)
        if expected:
            source.differed(reading, innovation)
            self._adapt_poll(innovation, reading, base)
        agreed = self.reach.at(base) or Interval(0, 0)
        usual = max(SETTLED_WITHIN * reading.noise_ns, agreed.error / SETTLED_WITHIN)
        fine = expected and abs(innovation) <= usual
        self._as_expected = self._as_expected + 1 if fine else 0
        return [Notify(Followed(base, agreed, source.number, innovation))]

    def _adapt_poll(self, innovation: int, reading: Reading, base: int) -> None:
        """Ask as rarely as noise, and the bound's growth between two votes, allow."""
        bound = self.reach.at(base) or Interval(0, 0)
        grown = self.reach.moved(base, base + 2 * self.poll.interval_ns)
        may_grow = grown.width <= bound.width
        hosts = max(1, len(self.sources))
        self.poll.adapt(innovation, reading.noise_ns, hosts, may_grow=may_grow)

    def _steer(self, now: int) -> Effects:
        """Bring the clock to the servo's estimate, within the bound."""
        base = now + self.epoch_ns
        allowed = self.reach.at(base)
        assert allowed is not None
        lowest, highest = self.reach.frequency_ppm(base)
        wanted = self.servo.at(base) if self.servo.error_ns(base) < SECOND else allowed.middle
        wanted = min(max(wanted, allowed.earliest), allowed.latest)
        error = wanted - (self.steering.at(base) - base)
        effects: Effects = []
        if self.state is not State.STEPPING and abs(error) > self.settings.step_ns:
            effects += self._move(Cause.FAR_OFF, now)
        elif self.state is State.HOLDOVER:
            effects += self._move(Cause.RETURNED, now) + self._hurry()
        self.steering.set_rate(min(max(self.servo.frequency_ppm, lowest), highest), base)
        if self.state is State.STEPPING and error > self.settings.step_ns:
            self.steering.slew(0, base)
            self.steering.step(error, base)
            return [*effects, Notify(ClockStepped(error))]
        settled = self._as_expected >= SETTLED_READINGS and self.servo.ready
        if self.state is State.STEPPING and settled and not self.steering.pending(base):
            effects += self._move(Cause.SETTLED, now)
        self.steering.slew(error, base)
        return effects

    def _common_bias(self) -> float:
        """The hosts' mean bias, the nearest ones weighing most: theirs can be the least."""
        total = weighted = 0.0
        for source in self.sources.values():
            if source.standing is Standing.GOOD and source.has_vote and source.least_delay_ns:
                weight = 1 / source.least_delay_ns**2
                total += weight
                weighted += weight * source.bias_ns
        return weighted / total if total else 0.0

    # States

    def _health(self, now: int, *, vote: bool = True) -> Effects:
        """What silence, and the passing of time, mean for the state. Time alone makes claims wider,
        and whoever agreed still does: then there is no need for a `vote`."""
        base = now + self.epoch_ns
        if self.state is State.UNLOCKED:
            return []
        bound = self.error_bound_ns(now)
        if self.state is State.HOLDOVER:
            if bound is not None and bound > self.settings.bound_max_ns and not self._doubt:
                return self._move(Cause.BOUND_LOST, now)
            return []
        voters = [source for source in self.sources.values() if source.has_vote]
        if len(voters) < self.settings.needed(self.named):
            return self._move(Cause.SOURCES_LOST, now) + self._hurry()
        if not vote:
            return []
        effects, agreed = self._vote(base)
        if agreed is None:
            effects += self._move(Cause.DISAGREED, now) + self._hurry()
        return effects

    def _move(self, cause: Cause, now: int) -> Effects:
        before, self.state = self.state, NEXT[self.state][cause]
        self.cause = cause
        if self.state is not State.LOCKED:
            self._as_expected = 0
        if self.state is State.UNLOCKED:
            self._doubt = None
        return [Notify(StateChanged(before, self.state, cause, self.error_bound_ns(now)))]

    def _hurry(self) -> Effects:
        """Ask all hosts soon, and often: something is not as it was."""
        self.poll.hurry()
        return [
            SetTimer((ASK, source.number), min(self._interval(source), SECOND))
            for source in self.sources.values()
            if not source.denied
        ]

    def _judge(self, source: Source, standing: Standing, reason: str = "") -> Effects:
        if source.standing is standing:
            source.reason = reason
            return []
        source.judge(standing, reason)
        return self._told(source)

    def _told(self, source: Source) -> Effects:
        return [Notify(HostJudged(source.number, source.standing.value, source.reason))]


def _distance(one: Interval, other: Interval) -> int:
    return max(one.earliest - other.latest, other.earliest - one.latest, 0)


def _hull(one: Interval | None, other: Interval) -> Interval:
    return other if one is None else Interval.hull([one, other])
