"""The simulated watches notice when the watching is wrong: bugs planted one at a time.

Each must be caught by a property said beside it in the worlds of
:func:`tests.cluster.watch_world.edges`, which the right code passes
(:mod:`tests.cluster.test_watch_truth`).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from clocksync.ntp.association import Association
from clocksync.ntp.known import Known
from clocksync.runtime.interval import Interval
from clocksync.watching import alarms, core
from clocksync.watching.core import Watch
from clocksync.watching.feed import Feed
from clocksync.watching.ties import Ties
from clocksync.watching.track import Track
from tests.cluster.watch_properties import Violated, judge
from tests.cluster.watch_world import edges, play

Plant = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True)
class Mutant:
    """A planted bug, and the properties of which one sees it first."""

    plant: Plant
    seen_by: tuple[str, ...]


MUTANTS: list[Mutant] = []


def mutant(*seen_by: str) -> Callable[[Plant], Plant]:
    def register(plant: Plant) -> Plant:
        MUTANTS.append(Mutant(plant, seen_by))
        return plant

    return register


BOUNDS = ("every_honest_bound_holds", "every_server_is_where_it_is_said_to_be")


@mutant(*BOUNDS)
def what_is_known_does_not_grow_old(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Known, "at", lambda self, time_ns, ppm: self.interval)


@mutant(*BOUNDS)
def the_drift_allowed_for_is_halved(patch: pytest.MonkeyPatch) -> None:
    right = Known.at
    patch.setattr(Known, "at", lambda self, time_ns, ppm: right(self, time_ns, ppm / 2))


@mutant(*BOUNDS)
def a_step_of_ours_is_taken_the_wrong_way(patch: pytest.MonkeyPatch) -> None:
    right = Track.shift
    patch.setattr(Track, "shift", lambda self, association, by: right(self, association, -by))


@mutant(*BOUNDS)
def a_step_of_ours_is_not_noticed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Ties, "step", lambda self, tie: None)


@mutant(*BOUNDS)
def the_uncertainty_of_a_step_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    right = Track.shift

    def shift(self: Track, association: Association, by: Interval) -> None:
        right(self, association, Interval(by.latest, by.latest))

    patch.setattr(Track, "shift", shift)


@mutant(*BOUNDS)
def a_sample_that_excludes_what_was_known_is_ignored(patch: pytest.MonkeyPatch) -> None:
    def cut(self: Known, other: Known, ppm: float) -> Known:
        newer = self if self.as_of_ns > other.as_of_ns else other
        both = self.at(newer.as_of_ns, ppm) & other.at(newer.as_of_ns, ppm)
        return Known(both or self.at(newer.as_of_ns, ppm), newer.as_of_ns)

    patch.setattr(Known, "cut", cut)
    patch.setattr(Known, "gap_to", lambda self, other, ppm: 0)


@mutant(*BOUNDS)
def the_bound_is_about_the_estimate_and_not_about_what_is_known(patch: pytest.MonkeyPatch) -> None:
    right = Track.estimate

    def estimate(self: Track, at_ns: int):
        told = right(self, at_ns)
        half = None if told is None else told.error_bound_ns // 2
        return told and replace(
            told, error_bound_ns=half, interval=Interval.around(told.offset_ns, half)
        )

    patch.setattr(Track, "estimate", estimate)


@mutant("a_silence_is_told")
def nobody_counts_what_is_missed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Feed, "_miss", lambda self, count: False)


@mutant("a_silence_is_told")
def a_liar_that_falls_silent_is_only_a_liar(patch: pytest.MonkeyPatch) -> None:
    right = alarms.causes_of

    def causes_of(*given):
        found = right(*given)
        liar = any(cause.kind is alarms.Kind.FALSETICKER for cause in found)
        return [c for c in found if not (liar and c.kind is alarms.Kind.SILENCE)]

    patch.setattr(core, "causes_of", causes_of)


@mutant("a_step_is_told", "nobody_is_accused_wrongly")
def steps_are_not_told(patch: pytest.MonkeyPatch) -> None:
    right = Watch.report

    def report(self: Watch):
        self._steps.clear()
        return right(self)

    patch.setattr(Watch, "report", report)


@mutant("a_loud_liar_is_named", "a_majority_that_is_honest_is_right")
def nobody_votes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(core, "agree", lambda rows: (list(rows), None, False))


@mutant("memory_is_bounded")
def exchanges_are_kept_for_ever(patch: pytest.MonkeyPatch) -> None:
    right = Association.retire

    def retire(self: Association, keep: int):
        before = list(self._measured)
        told = right(self, keep)
        self._measured = before
        return told

    patch.setattr(Association, "retire", retire)


def judge_all() -> None:
    for scenario in edges():
        judge(play(scenario))


@pytest.mark.parametrize("planted", MUTANTS, ids=lambda planted: planted.plant.__name__)
def test_a_planted_bug_is_seen(planted: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    planted.plant(monkeypatch)
    with pytest.raises(Violated) as violation:
        judge_all()
    assert violation.value.by in planted.seen_by, str(violation.value)
