"""Cristian's algorithm: ask until an answer comes quickly enough, or tell the best there was.

What it promises: the remote clock minus ours lies in a reading's interval, if the clocks differ in
rate by no more than `max_drift_ppm` and no way takes less than `min_delay_ns`. Nothing is assumed
of symmetry, nor of how delays are distributed; that decides only how many attempts it takes
(docs/cristian.md).

Following a clock, the reader reads again before the bound has grown to what was asked for, and
steers a clock of its own (:class:`clocksync.steering.Steering`) over ours: rate by the skew where
that is known, phase by slewing, never back.

**When it is wrong.** A remote clock that lies is read as it is. One that is set between readings
is noticed when the next reading contradicts the ones before (:class:`Stepped`), and until then the
interval is that of the clock as it was.

F. Cristian, "Probabilistic clock synchronization", Distributed Computing 3 (1989), sections 2 to 5.
"""

import random
from collections.abc import Hashable
from dataclasses import dataclass
from enum import Enum
from typing import cast

from clocksync.cristian.reading import Reading, TooFast, proven
from clocksync.cristian.settings import CristianSettings
from clocksync.cristian.sources import Heard, Source
from clocksync.ntp.estimate import Contradiction, Estimate
from clocksync.runtime.clocks import drift_allowance
from clocksync.runtime.core import (
    Arrival,
    CancelTimer,
    Effects,
    Notify,
    SetTimer,
    SilentCore,
    Stamp,
)
from clocksync.runtime.interval import Interval
from clocksync.runtime.units import MILLISECOND, SECOND
from clocksync.steering import Present, Steering

BACK_OFF_MAX = 8
REST_NS_MAX = 1_024 * SECOND
ACQUAINTANCE_NS = 50 * MILLISECOND
ACQUAINTANCE_ASKS = 8
SAMPLES_KEPT = 32
SKEW_BOUND_PPM = 50.0
"""The steered clock's rate is corrected by a skew that is known to within this."""
REFUSALS_MAX = 2
UNHURRIED_NS = SECOND
"""An answer cannot tell when it left, but the next one can. So an attempt that was not enough is
closed by a second question at once, unless attempts are so far apart that they should not."""


class Timer(Enum):
    """What the reader waits for."""

    ASK = "the next attempt is due"
    ANSWER = "an answer is overdue"


@dataclass(frozen=True, slots=True)
class Read:
    """A reading is done: within what was asked for, or the best there was."""

    reading: Reading


@dataclass(frozen=True, slots=True)
class Failed:
    """There is no reading, and why."""

    why: str
    attempts: int


@dataclass(frozen=True, slots=True)
class Stepped:
    """Readings contradict each other by `gap_ns`: a clock was set, or the other lies."""

    gap_ns: int


class CristianReader(SilentCore):
    """The core: reads one remote clock, once, or over and over with `follows`."""

    def __init__(
        self,
        source: Source,
        settings: CristianSettings,
        rng: random.Random,
        follows: bool = False,
    ) -> None:
        self.source, self.settings, self.follows = source, settings, follows
        self.steering = Steering(0, slew_ppm_max=settings.max_slew_ppm)
        self.reading: Reading | None = None
        """The latest."""
        self.readings = 0
        self.steps = 0
        self.attempts = 0
        """Of the reading that is under way."""
        self.answered = 0
        self.total_attempts = 0
        self._present = Present()
        self._rng = rng
        self._silent = 0
        self._refusals = 0
        self._is_waiting = False
        self._is_closing = False
        self._has_ended = False

    # What an application reads; `own` is a reading of the host's clock

    def remote(self, own: int) -> Interval | None:
        """What the remote clock shows when ours shows `own`; None before the first reading."""
        if self.reading is None:
            return None
        drift = drift_allowance(own - self.reading.at, self.settings.max_drift_ppm)
        return (self.reading.interval + own).widened(drift)

    def read(self, own: int) -> int:
        """The steered clock. It never goes back."""
        return self.steering.at(own)

    def error_bound(self, own: int) -> int | None:
        """How far the steered clock may be from the remote one."""
        remote = self.remote(own)
        if remote is None:
            return None
        shown = self.read(own)
        return max(abs(shown - remote.earliest), abs(remote.latest - shown))

    # Inputs

    def start(self, now: int) -> Effects:
        return self._attempt(now)

    def on_sent(self, tag: Hashable, stamp: Stamp, now: int) -> Effects:
        self._present.saw(stamp, now)
        self.source.on_sent(tag, stamp)
        return []

    def on_timer(self, timer: Hashable, now: int) -> Effects:
        if cast(Timer, timer) is Timer.ASK:
            return self._attempt(now)
        self.source.give_up()
        return self._unanswered(now)

    def on_refused(self, to: Hashable, tag: Hashable, reason: str, now: int) -> Effects:
        if tag is None:  # no question of ours: a hail that went along with one
            return []
        self._refusals += 1
        if not self._is_waiting:
            return []
        if self._refusals >= REFUSALS_MAX and not self.answered and not self.follows:
            return self._fail(reason)
        return []  # a hint that anybody can give: the time-out decides

    def on_frame(self, arrival: Arrival, now: int) -> Effects:
        self._present.saw(arrival.stamp, now)
        was_stranger = self.source.is_stranger
        heard = self.source.on_frame(arrival)
        if heard is Heard.NOTHING or self._has_ended:
            return []
        if heard is not Heard.ANSWER:
            return self._fail(heard.value)
        self.answered += 1
        if was_stranger:  # what was lost until then only made acquaintance
            self.attempts = 1
        if not self._is_waiting:  # late, of a question given up: it counts at the next reading
            return []
        self._is_waiting, self._silent = False, 0
        return [CancelTimer(Timer.ANSWER), *self._judge(arrival.stamp.time, now)]

    # Attempts

    def _attempt(self, now: int) -> Effects:
        self.attempts += 1
        self.total_attempts += 1
        self._is_closing = False
        return self._ask()

    def _ask(self) -> Effects:
        self._is_waiting = True
        wait = self.settings.timeout_ns
        if self.source.is_stranger:
            wait = min(wait, ACQUAINTANCE_NS)
        wait *= min(BACK_OFF_MAX, 1 << min(self._silent, 3))
        return [self.source.ask(self._is_closing), SetTimer(Timer.ANSWER, wait)]

    def _unanswered(self, now: int) -> Effects:
        self._is_waiting = False
        self._silent += 1
        most = self.settings.attempts
        if self.source.is_stranger:  # it takes some questions to be let in
            most = max(most, ACQUAINTANCE_ASKS)
        if self.attempts < most:
            return self._attempt(now)
        if self.answered:
            return self._conclude(self.source.samples[-1].t4, now)
        return self._fail(f"no answer to {self.attempts} questions")

    def _judge(self, at: int, now: int) -> Effects:
        """An answer came: is it enough?"""
        proof = self._proof(at)
        if isinstance(proof, Estimate) and proof.error_bound_ns <= self.settings.within_ns:
            return self._conclude(at, now)
        if isinstance(proof, TooFast):
            fast = (
                f"a round trip of {proof.round_trip_ns} ns is shorter than two ways of --min-delay"
            )
            return self._fail(f"{fast} {self.settings.min_delay_ns} ns: that is no minimum")
        if not self._is_closing and self.settings.interval_ns < UNHURRIED_NS:
            self._is_closing = True
            return self._ask()
        if self.attempts < self.settings.attempts:
            return [SetTimer(Timer.ASK, self._about(self.settings.interval_ns))]
        return self._conclude(at, now)

    def _proof(self, at: int) -> Estimate | Contradiction | TooFast | None:
        settings = self.settings
        return proven(self.source.samples, at, settings.min_delay_ns, settings.max_drift_ppm)

    def _about(self, interval_ns: int) -> int:
        return round(interval_ns * self._rng.uniform(0.75, 1.25))

    # Readings

    def _conclude(self, at: int, now: int) -> Effects:
        effects: Effects = []
        proof = self._proof(at)
        if isinstance(proof, Contradiction):
            self.steps += 1
            effects.append(Notify(Stepped(proof.gap_ns)))
            self.source.forget(keep=1)
            proof = self._proof(at)
        if not isinstance(proof, Estimate):
            return [*effects, *self._fail("nothing that came can be used")]
        best = min(self.source.samples, key=lambda sample: sample.delay_ns)
        reading = Reading(
            proof.offset_ns,
            proof.error_bound_ns,
            proof.interval,
            at,
            best.delay_ns,
            self.attempts,
            self.answered,
            proof.error_bound_ns <= self.settings.within_ns,
            proof.source,
            proof.interleaved,
            proof.skew_ppm,
            self.source.distance_ns,
        )
        self.reading = reading
        self.readings += 1
        effects.append(Notify(Read(reading)))
        if not self.follows:
            self._has_ended = True
            return effects
        self._steer(proof, at, now)
        self.source.forget(keep=SAMPLES_KEPT)
        return [*effects, *self._rest(reading)]

    def _fail(self, why: str) -> Effects:
        effects: Effects = [CancelTimer(Timer.ANSWER), Notify(Failed(why, self.attempts))]
        self._is_waiting = False
        if not self.follows:
            self._has_ended = True
            return effects
        self.attempts = self.answered = 0
        wait = max(SECOND, BACK_OFF_MAX * self.settings.interval_ns)
        return [*effects, SetTimer(Timer.ASK, self._about(wait))]

    def _rest(self, reading: Reading) -> Effects:
        """Until the bound has used up half of what is left of it: the other half is for attempts
        that fail."""
        self.attempts = self.answered = 0
        left = self.settings.within_ns - reading.error_bound_ns
        wait = BACK_OFF_MAX * self.settings.interval_ns
        if left > 0:
            wait = round(left / self.settings.max_drift_ppm * 1_000_000) // 2
        wait = max(self.settings.interval_ns, min(wait, REST_NS_MAX))
        return [SetTimer(Timer.ASK, wait)]

    def _steer(self, proof: Estimate, at: int, now: int) -> None:
        begin = self._present.soon(now)
        if proof.skew_ppm is not None and (proof.skew_bound_ppm or 0.0) < SKEW_BOUND_PPM:
            self.steering.set_rate(proof.skew_ppm, begin)
        behind = at + proof.offset_ns - self.steering.at(at)
        self.steering.slew(behind, begin, as_of=at)
