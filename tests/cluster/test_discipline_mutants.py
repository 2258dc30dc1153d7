"""The simulated worlds notice when the disciplining is wrong: bugs planted one at a time.

A mutant replaces one function or constant while it lives; nothing is copied. Each must be caught by
the property named beside it, within a few seeds, which the right code passes
(:mod:`tests.cluster.test_discipline`).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from clocksync.ntp.selection import Selection
from clocksync.runtime.interval import Interval
from clocksync.runtime.simulation import SimulationFailure
from clocksync.steering import discipline, kalman, servo, source
from clocksync.steering.clock import Steering
from clocksync.steering.discipline import Discipline
from clocksync.steering.kalman import KalmanServo
from clocksync.steering.reach import Reach
from clocksync.steering.settings import DisciplineSettings
from clocksync.steering.source import Source
from clocksync.steering.states import State
from tests.cluster.discipline_properties import KINDS, Violated, draw, play

Plant = Callable[[pytest.MonkeyPatch], None]
BOUND = "true time is in the bound"
ERROR = "a locked clock is near true time"


@dataclass(frozen=True)
class Mutant:
    """A planted bug, what is expected to see it first, and in which kind of world."""

    plant: Plant
    seen_by: tuple[str, ...]
    kind: str
    servo: str


MUTANTS: list[Mutant] = []


def mutant(*seen_by: str, kind: str, servo: str = "kalman") -> Callable[[Plant], Plant]:
    def register(plant: Plant) -> Plant:
        MUTANTS.append(Mutant(plant, seen_by, kind, servo))
        return plant

    return register


@mutant(ERROR, "a clock with honest hosts is locked", kind="calm")
def a_reading_has_the_wrong_sign(patch: pytest.MonkeyPatch) -> None:
    right = Source.reading

    def reading(self, *given):
        made = right(self, *given)
        return replace(made, offset_ns=-made.offset_ns)

    patch.setattr(Source, "reading", reading)


@mutant(ERROR, "a clock with honest hosts is locked", kind="calm")
def the_frequency_has_the_wrong_sign(patch: pytest.MonkeyPatch) -> None:
    right = KalmanServo.frequency_ppm.fget
    patch.setattr(KalmanServo, "frequency_ppm", property(lambda self: -right(self)))


@mutant(BOUND, kind="holdover")
def the_bound_does_not_grow(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Reach, "at", lambda self, base: self._anchor and self._anchor.interval)


@mutant(BOUND, kind="holdover")
def a_filters_confidence_is_taken_for_a_bound(patch: pytest.MonkeyPatch) -> None:
    def bound_at(self: Discipline, now: int) -> Interval | None:
        if self.state is State.UNLOCKED:
            return None
        base = now + self.epoch_ns
        spread = round(min(1e9, 3 * self.servo.error_ns(base)))
        return Interval.around(base + self.servo.at(base), spread)

    patch.setattr(Discipline, "bound_at", bound_at)


@mutant(BOUND, kind="holdover")
def an_oscillator_is_taken_not_to_wander(patch: pytest.MonkeyPatch) -> None:
    right = Reach.__init__
    patch.setattr(Reach, "__init__", lambda self, drift, wander: right(self, drift, 0.05))


@mutant(BOUND, kind="calm")
def an_anchor_tells_the_frequency_at_its_end(patch: pytest.MonkeyPatch) -> None:
    """The mean over a span is taken for the value at its end, and answers for exact."""

    def frequency(self: Reach, at: int, cut: Interval):
        lowest, highest = self.frequency_ppm(at)
        for anchor in self._past:
            span = at - anchor.at
            if span > 0:
                slope = (cut.middle - anchor.interval.middle) * 1e6 / span
                lowest, highest = max(lowest, slope - 0.05), min(highest, slope + 0.05)
        return (lowest, highest) if lowest <= highest else (slope, slope)

    patch.setattr(Reach, "_frequency_from", frequency)


@mutant("the clock never goes back", kind="local step")
def a_step_may_go_back(patch: pytest.MonkeyPatch) -> None:
    def step(self: Steering, by_ns: int, now: int) -> None:
        self._cut(now, by_ns)
        self._plan(now, 0)

    def slew(self: Steering, by_ns: int, now: int, as_of: int | None = None) -> None:
        step(self, by_ns, now)

    patch.setattr(Steering, "step", step)
    patch.setattr(Steering, "slew", slew)


@mutant(ERROR, "a clock with honest hosts is locked", kind="calm", servo="pi")
def a_gain_is_too_high(patch: pytest.MonkeyPatch) -> None:
    right = servo.PiServo.__init__
    patch.setattr(servo.PiServo, "__init__", lambda self: right(self, kp=6.0, ki=3.0))


@mutant(ERROR, "a clock with honest hosts is locked", kind="calm")
def noise_is_followed(patch: pytest.MonkeyPatch) -> None:
    def update(self, offset: float, noise: float) -> None:
        self.frequency += 1.5 * (offset - self.offset) / 16
        self.offset = offset

    patch.setattr(kalman._Filter, "update", update)


@mutant(BOUND, kind="liar")
def a_falseticker_is_accepted(patch: pytest.MonkeyPatch) -> None:
    def select(claims: list[Interval], liars: int) -> Selection:
        everybody = tuple(range(len(claims)))
        return Selection(claims[0], everybody, (), (), claims[0])

    patch.setattr(discipline, "select", select)


@mutant(BOUND, "a clock with honest hosts is locked", kind="minority")
def whoever_is_left_is_followed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(DisciplineSettings, "needed", lambda self, named: 1)
    right = discipline.select
    patch.setattr(discipline, "select", lambda claims, liars: right(claims))


@mutant("a frequency in holdover is kept", kind="holdover")
def the_frequency_winds_up_in_holdover(patch: pytest.MonkeyPatch) -> None:
    right = Discipline._health

    def health(self: Discipline, now: int, **how: bool):
        if self.state is State.HOLDOVER:
            self.steering.set_rate(self.steering.rate_ppm + 0.01, now + self.epoch_ns)
        return right(self, now, **how)

    patch.setattr(Discipline, "_health", health)


@mutant("a locked clock hears its hosts", kind="holdover")
def silence_is_not_noticed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(source, "UNANSWERED_MAX", 10**9)


@mutant(BOUND, kind="sleep")
def a_sleeping_machines_clock_is_taken_for_exact(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(discipline, "SLEEP_ERROR_NS", 0)


@mutant(BOUND, kind="sleep")
def a_sleep_is_not_made_up_for(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Discipline, "slept", lambda self, for_ns, now: [])


@mutant("a clock with honest hosts is locked", kind="holdover")
def a_return_is_not_noticed(patch: pytest.MonkeyPatch) -> None:
    right = Discipline._learn
    patch.setattr(
        Discipline,
        "_learn",
        lambda self, *given: [] if self.state is State.HOLDOVER else right(self, *given),
    )


def worlds(planted: Mutant, count: int):
    """The first drawn worlds of the kind that shows it."""
    number = list(KINDS).index(planted.kind)
    return [draw(number + n * len(KINDS), planted.servo) for n in range(count)]


@pytest.mark.slow
@pytest.mark.parametrize("planted", MUTANTS, ids=lambda planted: planted.plant.__name__)
def test_a_planted_bug_is_seen(planted: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    planted.plant(monkeypatch)
    seen = None
    for plan in worlds(planted, 12):
        try:
            play(plan)
        except Violated as violation:
            seen = violation
        except SimulationFailure as failure:
            seen = failure.__cause__
            assert isinstance(seen, Violated), repr(seen)
        if seen is not None:
            break
    assert seen is not None, "nobody noticed"
    assert seen.by in planted.seen_by, str(seen)
