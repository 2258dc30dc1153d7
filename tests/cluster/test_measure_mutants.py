"""The simulated measurements notice when the measuring is wrong: bugs planted one at a time.

A mutant replaces one function or constant while it lives; nothing is copied. Each must be caught by
one of :mod:`tests.cluster.measure_properties` within the number of seeds said beside it, which the
right code passes (:mod:`tests.cluster.test_measure_truth`).
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from clocksync.measuring import result
from clocksync.measuring.prober import Prober
from clocksync.ntp import association, estimate, sample, selection, timestamps
from clocksync.ntp.association import Association
from clocksync.ntp.checks import Standing, standing
from clocksync.ntp.sample import Sample
from clocksync.runtime.clocks import drift_allowance
from clocksync.runtime.interval import Interval
from tests.cluster.measure_properties import Violated, check

SEEDS = 200
Plant = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True)
class Mutant:
    """A planted bug, and the property that is expected to see it first."""

    plant: Plant
    seen_by: str
    seeds: int = SEEDS


MUTANTS: list[Mutant] = []


def mutant(seen_by: str, seeds: int = SEEDS) -> Callable[[Plant], Plant]:
    def register(plant: Plant) -> Plant:
        MUTANTS.append(Mutant(plant, seen_by, seeds))
        return plant

    return register


def _without(patch: pytest.MonkeyPatch, **changes: int) -> None:
    """Bounds are worked out as if samples had these values; everything else is as it was."""
    path_within = Sample.path_within
    patch.setattr(Sample, "path_within", lambda s, ppm: path_within(replace(s, **changes), ppm))


def _claims(patch: pytest.MonkeyPatch, **changes: int) -> None:
    right = Sample.root_distance_ns.fget
    patch.setattr(Sample, "root_distance_ns", property(lambda s: right(replace(s, **changes))))


@mutant("a_symmetric_path_gives_the_offset_itself")
def the_offset_has_the_wrong_sign(patch: pytest.MonkeyPatch) -> None:
    right = Sample.offset_ns.fget
    patch.setattr(Sample, "offset_ns", property(lambda s: -right(s)))


@mutant("every_sample_holds")
def the_bound_has_the_wrong_sign(patch: pytest.MonkeyPatch) -> None:
    right = Sample.path_within
    patch.setattr(Sample, "path_within", lambda s, ppm: -right(s, ppm))


@mutant("every_sample_holds")
def root_dispersion_is_dropped(patch: pytest.MonkeyPatch) -> None:
    _claims(patch, root_dispersion_ns=0)


@mutant("every_sample_holds")
def root_delay_is_dropped(patch: pytest.MonkeyPatch) -> None:
    _claims(patch, root_delay_ns=0)


@mutant("every_sample_holds")
def timestamps_are_rounded_to_a_float_of_seconds(patch: pytest.MonkeyPatch) -> None:
    right = timestamps.to_unix_ns
    patch.setattr(timestamps, "to_unix_ns", lambda t, near: round(right(t, near) / 1e9 * 1e9))


@mutant("every_sample_holds")
def precision_is_dropped(patch: pytest.MonkeyPatch) -> None:
    _without(patch, precision_ns=0)


@mutant("every_sample_holds")
def drift_within_the_exchange_is_that_of_a_disciplined_clock(patch: pytest.MonkeyPatch) -> None:
    right = Sample.path_within
    patch.setattr(Sample, "path_within", lambda s, ppm: right(s, sample.PHI_PPM))


@mutant("every_sample_holds")
def only_half_of_the_delay_counts(patch: pytest.MonkeyPatch) -> None:
    right = Sample.path_within

    def path_within(one: Sample, ppm: float) -> Interval:
        whole = right(one, ppm)
        return Interval.around(whole.middle, whole.error // 2)

    patch.setattr(Sample, "path_within", path_within)


@mutant("every_sample_holds")
def a_stale_server_is_believed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(sample, "STALE_AFTER_S", 10**9)


@mutant("every_sample_holds")
def the_era_is_always_the_first(patch: pytest.MonkeyPatch) -> None:
    right = timestamps.to_unix_ns
    patch.setattr(timestamps, "to_unix_ns", lambda timestamp, near: right(timestamp, 0))


@mutant("every_sample_holds")
def arrival_and_departure_at_the_server_are_swapped(patch: pytest.MonkeyPatch) -> None:
    right = association.make_sample

    def make_sample(*given: object) -> Sample:
        made = right(*given)
        return replace(made, t2=made.t3, t3=made.t2)

    patch.setattr(association, "make_sample", make_sample)


@mutant("no_bound_is_wider_than_a_sample_proves")
def an_intersection_takes_the_earlier_beginning(patch: pytest.MonkeyPatch) -> None:
    def meet(one: Interval, other: Interval) -> Interval | None:
        earliest, latest = min(one.earliest, other.earliest), min(one.latest, other.latest)
        return Interval(earliest, latest) if earliest <= latest else None

    patch.setattr(Interval, "__and__", meet)


@mutant("every_honest_bound_holds")
def samples_do_not_age(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(estimate, "drift_allowance", lambda age_ns, ppm: 0)


@mutant("no_bound_is_wider_than_a_sample_proves")
def samples_age_from_the_first_answer_on(patch: pytest.MonkeyPatch) -> None:
    right = result.estimate
    patch.setattr(
        result, "estimate", lambda found, at_ns, ppm: right(found, min(s.t4 for s in found), ppm)
    )


@mutant("every_honest_bound_holds")
def drift_is_that_of_a_disciplined_clock(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(estimate, "drift_allowance", lambda age, _: drift_allowance(age, sample.PHI_PPM))


@mutant("loud_liars_are_named")
def a_majority_is_off_by_one(patch: pytest.MonkeyPatch) -> None:
    right = selection._shared_by
    patch.setattr(selection, "_shared_by", lambda claims, needed: right(claims, needed - 1))


@mutant("the_combined_interval_holds", seeds=500)
def only_the_fewest_liars_are_allowed_for(patch: pytest.MonkeyPatch) -> None:
    right = result.select

    def select(claims: list[Interval]) -> selection.Selection:
        chosen = right(claims)
        return replace(chosen, combined=chosen.agreed)

    patch.setattr(result, "select", select)


@mutant("every_sample_holds")
def the_origin_is_not_checked(patch: pytest.MonkeyPatch) -> None:
    right = Association.on_reply

    def on_reply(self: Association, packet, arrived):
        waiting = [cookie for cookie in self._outstanding if self.is_waiting_for(cookie)]
        if waiting and packet.origin_timestamp not in self._by_receive_cookie:
            packet = replace(packet, origin_timestamp=waiting[-1])
        return right(self, packet, arrived)

    patch.setattr(Association, "on_reply", on_reply)


@mutant("every_row_is_plausible")
def a_kiss_is_obeyed_whoever_sent_it(patch: pytest.MonkeyPatch) -> None:
    right = Prober.on_packet

    def on_packet(self: Prober, packet, *given):
        if standing(packet) is Standing.KISS:
            self.kiss = "DENY"
            return self.stop()
        return right(self, packet, *given)

    patch.setattr(Prober, "on_packet", on_packet)


def _pair_with_the_teller(patch: pytest.MonkeyPatch) -> None:
    right = Association._complete

    def complete(self: Association, earlier, departure):
        telling = [e for e in self._outstanding.values() if e.packet is not None]
        right(self, telling[-1], departure)

    patch.setattr(Association, "_complete", complete)


@mutant("interleaved_answers_complete_their_own_exchange")
def a_departure_is_paired_with_the_exchange_that_told_it(patch: pytest.MonkeyPatch) -> None:
    _pair_with_the_teller(patch)


@mutant("every_sample_holds")
def a_departure_is_paired_without_looking_whether_it_fits(patch: pytest.MonkeyPatch) -> None:
    _pair_with_the_teller(patch)
    patch.setattr(Association, "_impossible", lambda self, exchange, departure: None)


@mutant("every_row_is_plausible")
def a_second_answer_counts_as_another(patch: pytest.MonkeyPatch) -> None:
    right = Association.on_reply

    def on_reply(self: Association, packet, arrived):
        exchange = self._outstanding.get(packet.origin_timestamp)
        if exchange is not None:
            exchange.packet = None
        return right(self, packet, arrived)

    patch.setattr(Association, "on_reply", on_reply)


@mutant("no_side_is_taken_without_a_majority")
def the_largest_group_wins_even_below_half(patch: pytest.MonkeyPatch) -> None:
    right = result.select

    def select(claims: list[Interval]) -> selection.Selection:
        chosen = right(claims)
        return chosen if chosen.combined is not None else selection.Selection(claims[0], (0,))

    patch.setattr(result, "select", select)


@mutant("every_honest_bound_holds")
def a_long_series_is_cut_by_its_narrowest_sample_alone_as_it_was(
    patch: pytest.MonkeyPatch,
) -> None:
    def intersect(found, at_ns, ppm):
        return min((s.truth_within(ppm) for s in found), key=lambda truth: truth.width)

    patch.setattr(estimate, "_intersect", intersect)


@pytest.mark.parametrize("planted", MUTANTS, ids=lambda planted: planted.plant.__name__)
def test_a_planted_bug_is_seen(planted: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    planted.plant(monkeypatch)
    with pytest.raises(Violated) as violation:
        sum((check(seed) for seed in range(planted.seeds)), Counter())
    assert violation.value.by == planted.seen_by, str(violation.value)
