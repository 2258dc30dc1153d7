"""The watch as one core: rounds of requests to every host, and after each round a report.

A round asks each host twice or so: the first requests a little apart, each next one as soon as the
one before is answered. It is over when all have answered or the time-out has
passed (or the next one begins), and then :class:`Report` says what is known *at that instant*: for
a host that fell silent that is what was known before with a bound that has grown since.

The core is given `tie`, a callable that reads the watched clock and a steady one together. It is
called with every input, so that a step of our own clock is noticed before the next stamp is
believed: requests that were under way then are given up, and what is known of the others is told in
the clock as it shows now (:mod:`clocksync.watching.ties`).

Memory is bounded: per host 64 samples, 64 cookies and one interval, however long it runs.
"""

import random
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

from clocksync.measuring.result import Combined
from clocksync.ntp.association import Exchange
from clocksync.ntp.packet import NtpPacket
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
from clocksync.runtime.mmsg import Address
from clocksync.runtime.units import MICROSECOND, format_duration
from clocksync.watching.alarms import LOCAL, Alarm, AlarmBook, Cause, Change, Kind, causes_of
from clocksync.watching.feed import Feed
from clocksync.watching.rows import Row, Target, agree, row_of
from clocksync.watching.settings import Limits, WatchSettings
from clocksync.watching.ties import Tie, Ties
from clocksync.watching.track import Gap

APART_NS = 200 * MICROSECOND
"""Hosts of a round are asked this far apart, so that their answers do not queue for each other."""
STEP_TOLD_NS = 10 * MICROSECOND
"""A smaller step of our own clock is accounted for, and not worth an alarm."""


class _Timer(NamedTuple):
    what: str


_EVER = 1 << 80
ROUND, NEXT, TIMEOUT = _Timer("round"), _Timer("next"), _Timer("timeout")


@dataclass(frozen=True, slots=True)
class Report:
    """What is known after one round.

    ``at_ns`` is the local wall time that offsets are as of, ``elapsed_ns`` the steady time since
    the watch began.
    """

    number: int
    at_ns: int
    elapsed_ns: int
    rows: tuple[Row, ...]
    combined: Combined | None
    alarms: tuple[Alarm, ...]
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Lost:
    """A host fell silent: its name is worth another look."""

    host: int


class Watch(SilentCore):
    """Watches `targets` until its driver has enough.

    Args:
        targets: the hosts; their addresses come by :meth:`resolved`.
        settings: how, and when to complain.
        rng: where cookies come from; unpredictable on a network.
        tie: reads the watched clock against a steady one.
        wall_drift_ppm: how fast the watched clock may be slewed against the steady one.
    """

    def __init__(
        self,
        targets: Sequence[Target],
        settings: WatchSettings,
        rng: random.Random,
        tie: Callable[[], Tie],
        wall_drift_ppm: float = 0.0,
    ) -> None:
        self.targets = tuple(targets)
        self.settings = settings
        self.feeds = [Feed(settings, rng) for _ in targets]
        self.alarms = AlarmBook(settings.hold)
        self.rounds = 0
        """How many reports were made."""
        self.ever_answered = False
        self.strays = 0
        """Datagrams from addresses that nobody asks."""
        self._tie = tie
        self._first = tie()
        self._ties = Ties(self._first, wall_drift_ppm)
        self._limits = [(t.limits or Limits()).or_else(settings.limits) for t in targets]
        self._feeds_of: dict[Address, list[Feed]] = {}
        self._steps: list[Cause] = []
        """What was stepped since the last report."""
        self._next = 0
        self._due = 0
        self._reported = True
        self._is_timing = False

    # Inputs

    def start(self, now: int) -> Effects:
        self._due = now
        return self._begin_round(now)

    def resolved(self, host: int, answer: Sequence[Address] | str, now: int) -> Effects:
        """A host's addresses, or why there are none (then those known before stay)."""
        feed = self.feeds[host]
        if isinstance(answer, str):
            if not feed.addresses:
                feed.failure = answer
            return self._maybe_report()
        feed.resolved(answer)
        self._index()
        # Whoever becomes known after his turn in the first round need not wait for the next.
        is_late = self._next > host and not feed.association.asked
        return [*(self._ask(feed, now) if is_late else []), *self._maybe_report()]

    def on_timer(self, timer: Hashable, now: int) -> Effects:
        self._look()
        match cast(_Timer, timer):
            case _Timer("round"):
                return self._begin_round(now)
            case _Timer("next"):
                return self._ask_next(now)
            case _:
                return self._give_up(now)

    def on_frame(self, arrival: Arrival, now: int) -> Effects:
        tie = self._look()
        feeds, packet = self._feeds_of.get(cast(Address, arrival.sender), []), arrival.frame
        if not feeds or not isinstance(packet, NtpPacket):
            self.strays += 1
            return []
        feed = next((f for f in feeds if f.association.echoes(packet)), feeds[0])
        waiting = feed.association.waiting
        gap = feed.on_packet(packet, arrival.stamp, tie.steady_ns)
        if gap is not None:
            self._steps.append(_told(self.targets[self.feeds.index(feed)].name, gap))
        self.ever_answered = self.ever_answered or feed.answered_at is not None
        if feed.association.waiting == waiting:
            return []
        return [*self._send(feed, feed.ask_again(now)), *self._maybe_report()]

    def on_malformed(self, sender: Hashable, now: int) -> Effects:
        for feed in self._feeds_of.get(cast(Address, sender), []):
            feed.on_malformed()
        return []

    def on_sent(self, tag: Hashable, stamp: Stamp, now: int) -> Effects:
        self._look()
        cast(Exchange, tag).left(stamp)
        return []

    def on_refused(self, to: Hashable, tag: Hashable, reason: str, now: int) -> Effects:
        effects: Effects = []
        for feed in self._feeds_of.get(cast(Address, to), []):
            waiting = feed.association.waiting
            if feed.refused(cast(Exchange, tag).cookie, reason):
                effects.append(self._lost(feed))
            effects += self._settled(feed, waiting)
        return effects

    # Asking to be told

    def look(self) -> Report:
        """What is known now, between reports too; it raises and clears no alarm."""
        tie = self._look()
        rows, combined, _ = agree(self._rows(tie))
        return self._report(tie, rows, combined, [])

    def report(self) -> Report:
        """What is known now, after all have voted, and what that changes in the alarms."""
        tie = self._look()
        rows, combined, undecided = agree(self._rows(tie))
        causes, self._steps = self._steps, []
        for row, limits in zip(rows, self._limits, strict=True):
            causes += causes_of(row, limits, self.settings.silence)
        if undecided:
            causes.append(Cause(LOCAL, Kind.NO_MAJORITY, "no majority of the servers agrees"))
        self.rounds += 1
        return self._report(tie, rows, combined, self.alarms.update(causes, tie.wall_ns))

    def _report(
        self, tie: Tie, rows: Sequence[Row], combined: Combined | None, changes: Sequence[Change]
    ) -> Report:
        return Report(
            self.rounds,
            tie.wall_ns,
            tie.steady_ns - self._first.steady_ns,
            tuple(rows),
            combined,
            tuple(self.alarms.active),
            tuple(changes),
        )

    def _rows(self, tie: Tie) -> list[Row]:
        return [
            row_of(target, feed, tie.wall_ns, tie.steady_ns)
            for target, feed in zip(self.targets, self.feeds, strict=True)
        ]

    # Rounds

    def _begin_round(self, now: int) -> Effects:
        effects, _ = self._give_up_expired(now)
        if not self._reported:
            effects += self._make_report()
        interval = self.settings.interval_ns
        self._due += interval
        if self._due <= now:  # the process slept: rounds that were missed stay missed
            self._due = now + interval
        effects.append(SetTimer(ROUND, self._due - now))
        if not self._is_timing:
            self._is_timing = True
            effects.append(SetTimer(TIMEOUT, self.settings.timeout_ns))
        self._reported, self._next = False, 0
        return effects + self._ask_next(now)

    def _ask_next(self, now: int) -> Effects:
        effects: Effects = []
        apart = min(APART_NS, self.settings.interval_ns // (2 * max(1, len(self.feeds))))
        while self._next < len(self.feeds):
            feed = self.feeds[self._next]
            self._next += 1
            asked = self._ask(feed, now)
            if not asked:
                continue
            effects += asked
            if self._next < len(self.feeds):
                effects.append(SetTimer(NEXT, apart))
                return effects
        return effects + self._maybe_report()

    def _ask(self, feed: Feed, now: int) -> Effects:
        return self._send(feed, feed.ask(now))

    @staticmethod
    def _send(feed: Feed, asked: tuple[NtpPacket, Exchange] | None) -> Effects:
        return [] if asked is None else [Send(feed.address, asked[0], tag=asked[1])]

    def _give_up(self, now: int) -> Effects:
        effects, oldest = self._give_up_expired(now)
        self._is_timing = oldest is not None or self._next < len(self.feeds)
        if self._is_timing:
            since = now if oldest is None else oldest
            effects.append(SetTimer(TIMEOUT, since + self.settings.timeout_ns - now))
        return effects + self._maybe_report(timed_out=True)

    def _give_up_expired(self, now: int) -> tuple[Effects, int | None]:
        """No longer wait for what has timed out; since when the oldest other is waited for."""
        effects: Effects = []
        oldest: int | None = None
        for feed in self.feeds:
            lost, waiting_since = feed.give_up_before(now - self.settings.timeout_ns)
            if lost:
                effects.append(self._lost(feed))
            if waiting_since is not None:
                oldest = waiting_since if oldest is None else min(oldest, waiting_since)
        return effects, oldest

    def _settled(self, feed: Feed, waiting: int) -> Effects:
        return self._maybe_report() if feed.association.waiting < waiting else []

    def _maybe_report(self, timed_out: bool = False) -> Effects:
        """The report, once, when there is nobody left to wait for; names are waited for until
        the time-out."""
        is_over = self._next >= len(self.feeds) and not any(
            feed.association.waiting or (feed.is_pending and not timed_out) for feed in self.feeds
        )
        return self._make_report() if is_over and not self._reported else []

    def _make_report(self) -> Effects:
        self._reported = True
        return [Notify(self.report())]

    def close(self) -> Effects:
        """Ask no more."""
        return [CancelTimer(timer) for timer in (ROUND, NEXT, TIMEOUT)]

    # Inside

    def _lost(self, feed: Feed) -> Notify:
        self._index()  # another of its addresses may be asked from now on
        return Notify(Lost(self.feeds.index(feed)))

    def _index(self) -> None:
        self._feeds_of = {}
        for feed in self.feeds:
            if feed.address is not None:
                self._feeds_of.setdefault(feed.address, []).append(feed)

    def _look(self) -> Tie:
        """Read the clocks; account for what happened to ours."""
        tie = self._tie()
        slept_ns, by = self._ties.slept(tie), self._ties.step(tie)
        if slept_ns:
            words = f"the machine slept for {format_duration(slept_ns)}: what was known is void"
        elif by is not None:
            size = format_duration(abs(by.middle))
            words = f"the local clock was set {'ahead' if by.middle > 0 else 'back'} by {size}"
        else:
            return tie
        for feed in self.feeds:
            feed.association.give_up_before(_EVER)
            if slept_ns:
                feed.track.drop(feed.association)
            elif by is not None:
                feed.track.shift(feed.association, by)
        if slept_ns or by is None or abs(by.middle) >= STEP_TOLD_NS:
            self._steps.append(Cause(LOCAL, Kind.STEP, words))
        return tie


def _told(host: str, gap: Gap) -> Cause:
    """A clock that jumped, or that drifts by more than the bounds allow for."""
    if gap.rate_ppm is not None:
        return Cause(
            host,
            Kind.DRIFT,
            f"it drifts by about {gap.rate_ppm:+.0f} ppm against the local clock,"
            " more than bounds allow for",
        )
    way = "ahead" if gap.about_ns > 0 else "back"
    size = format_duration(abs(gap.about_ns))
    return Cause(
        host,
        Kind.STEP,
        f"its clock jumped {way} by about {size}, or the local one the other way",
    )
