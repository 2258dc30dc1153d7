"""The truth lies within what a PTP listener says, in every simulated domain; and the judge looks.

A failure names its scenario; ``python -m tools.campaign ptp --seeds N..N`` brings a seed back.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from clocksync.measuring import master_row
from clocksync.ntp import sample
from clocksync.ptp import syncs
from clocksync.ptp.claims import Claims
from clocksync.ptp.frames import TWO_STEP
from clocksync.ptp.listener import PtpListener
from clocksync.ptp.syncs import Syncs
from tests.cluster.ptp_world import MASTER, Violated, check, draw, play

SEEDS = 1_000
MUTANT_SEEDS = 600
Plant = Callable[[pytest.MonkeyPatch], None]
MUTANTS: list[tuple[Plant, str]] = []


@pytest.mark.slow
def test_the_truth_lies_within_every_bound() -> None:
    counts = sum((check(seed) for seed in range(SEEDS)), Counter())
    assert counts["rows"] > SEEDS * 9 // 10
    assert counts["samples"] > 3 * SEEDS
    assert counts["calm"] > SEEDS // 10
    assert counts["strangers"] > SEEDS // 10


def test_one_seed_gives_one_run() -> None:
    for seed in range(10):
        assert play(draw(seed)).row == play(draw(seed)).row


def mutant(seen_by: str) -> Callable[[Plant], Plant]:
    def register(plant: Plant) -> Plant:
        MUTANTS.append((plant, seen_by))
        return plant

    return register


def _corrected(patch: pytest.MonkeyPatch, factor: int) -> None:
    right = Syncs._complete

    def complete(self, sync, teller, arrived, correction):
        return right(self, sync, teller, arrived, correction * factor)

    patch.setattr(Syncs, "_complete", complete)


@mutant("no_bound_is_wider_than_the_path")
def corrections_are_dropped(patch: pytest.MonkeyPatch) -> None:
    _corrected(patch, 0)


@mutant("no_bound_is_wider_than_the_path")
def corrections_are_taken_off(patch: pytest.MonkeyPatch) -> None:
    _corrected(patch, -1)


@mutant("every_sample_holds")
def corrections_count_twice(patch: pytest.MonkeyPatch) -> None:
    _corrected(patch, 2)


@mutant("no_bound_is_wider_than_the_path")
def the_correction_of_an_answer_is_added(patch: pytest.MonkeyPatch) -> None:
    right = PtpListener._complete

    def complete(self, exchange, response):
        return right(self, exchange, replace(response, correction=-response.correction))

    patch.setattr(PtpListener, "_complete", complete)


@mutant("every_sample_holds")
def the_offset_of_utc_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Claims, "to_utc_ns", 0)


@mutant("every_sample_holds")
def an_arbitrary_timescale_is_taken_for_tai(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Claims, "to_utc_ns", -37 * 10**9)


@mutant("the_row_holds")
def the_accuracy_it_claims_is_dropped(patch: pytest.MonkeyPatch) -> None:
    right = PtpListener._sample
    without = lambda self, exchange: replace(right(self, exchange), root_dispersion_ns=0)  # noqa: E731
    patch.setattr(PtpListener, "_sample", without)


@mutant("it_ends_with_what_a_calm_path_gives")
def an_address_is_not_looked_at(patch: pytest.MonkeyPatch) -> None:
    right = PtpListener.on_frame
    patch.setattr(
        PtpListener, "on_frame", lambda self, a, now: right(self, replace(a, sender=MASTER), now)
    )


@mutant("no_answer_of_the_master_is_refused")
def any_answer_is_the_one_waited_for(patch: pytest.MonkeyPatch) -> None:
    right = PtpListener._on_delay_resp

    def on_delay_resp(self, response, arrived):
        waiting = self._exchange
        if waiting is not None:
            response = replace(response, sequence=waiting.sequence)
        return right(self, response, arrived)

    patch.setattr(PtpListener, "_on_delay_resp", on_delay_resp)


@mutant("no_answer_of_the_master_is_refused")
def a_follow_up_tells_of_whatever_sync_waits(patch: pytest.MonkeyPatch) -> None:
    right = Syncs.on_follow_up

    def on_follow_up(self, follow_up):
        waiting = list(self._open)
        return right(self, replace(follow_up, sequence=waiting[0]) if waiting else follow_up)

    patch.setattr(Syncs, "on_follow_up", on_follow_up)


@mutant("no_bound_is_wider_than_the_path")
def a_two_step_sync_is_taken_at_its_word(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(syncs, "TWO_STEP", 0)
    assert TWO_STEP


@mutant("every_sample_holds")
def transparent_clocks_run_at_the_masters_rate(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(PtpListener, "_surely", lambda self, correction_ns: correction_ns)


@mutant("every_sample_holds")
def clocks_do_not_drift_within_an_exchange(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(sample, "drift_allowance", lambda age_ns, ppm: 0)


@mutant("no_answer_of_the_master_is_refused")
def a_sync_is_told_to_have_left_too_late(patch: pytest.MonkeyPatch) -> None:
    right = Syncs._complete

    def complete(self, *given):
        told = right(self, *given)
        return told and replace(told, left=told.left + 2_000)

    patch.setattr(Syncs, "_complete", complete)


@mutant("the_row_holds")
def a_row_is_of_another_instant(patch: pytest.MonkeyPatch) -> None:
    right = master_row.estimate
    patch.setattr(master_row, "estimate", lambda found, at, ppm: right(found, found[0].t4, ppm))


@mutant("every_sample_holds")
def half_of_the_delay_is_taken_for_the_whole(patch: pytest.MonkeyPatch) -> None:
    right = sample.Sample.path_within

    def path_within(self, ppm):
        whole = right(self, ppm)
        return type(whole).around(whole.middle, whole.error // 2)

    patch.setattr(sample.Sample, "path_within", path_within)


@pytest.mark.parametrize(
    ("plant", "seen_by"), MUTANTS, ids=[plant.__name__ for plant, _ in MUTANTS]
)
def test_a_planted_bug_is_seen(plant: Plant, seen_by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    with pytest.raises(Violated) as violation:
        sum((check(seed) for seed in range(MUTANT_SEEDS)), Counter())
    assert violation.value.by == seen_by, str(violation.value)
