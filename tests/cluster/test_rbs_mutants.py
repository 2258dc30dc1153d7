"""The simulated receivers notice when the arithmetic is wrong: bugs planted one at a time.

A mutant replaces one function while it lives. Each must be caught by a property of
:mod:`tests.cluster.rbs_properties`, which the right code passes (:mod:`tests.cluster.test_rbs`), in
the scenario named beside it or in one of the first seeds.
"""

from collections.abc import Callable
from dataclasses import replace

import pytest

from clocksync.ntp import known
from clocksync.ntp.known import Known
from clocksync.ntp.sample import Sample
from clocksync.peers.twoway import Asker
from clocksync.rbs import contact, receiver, relation, web
from clocksync.rbs.contact import Contact, Proven
from clocksync.rbs.fit import Fit, fit
from clocksync.rbs.hearing import Heard
from clocksync.rbs.relation import Relation
from clocksync.rbs.web import Web
from clocksync.runtime.core import Send
from clocksync.runtime.interval import Interval
from clocksync.runtime.simulation import Constant, Exponential, Link, SimulationFailure
from clocksync.runtime.units import MICROSECOND
from tests.cluster.rbs_properties import (
    FOUR,
    Violated,
    check,
    clean,
    estimates_are_exact,
    judge,
)
from tests.cluster.rbs_world import LIES

SEEDS = 60
Plant = Callable[[pytest.MonkeyPatch], None]
Hunt = Callable[[], object]
MUTANTS: list[tuple[Plant, Hunt]] = []


def _seeds() -> None:
    for seed in range(SEEDS):
        check(seed)


def _exact() -> None:
    estimates_are_exact(clean(beacon_loss=0.3))


def _chain() -> None:
    near = Link(delay=Constant(5 * MICROSECOND))
    judge(clean(east=(1, 2), west=(2, 3), rates={1: 240.0, 2: -240.0, 3: 240.0}, link=near))


def _lying_between() -> None:
    judge(clean(east=(1, 2), west=(2, 3), liar=2, lie="huge relations"))


def _lying_beside() -> None:
    for lie in LIES:
        judge(clean(**FOUR, liar=3, lie=lie))


def _set_a_little_while_down() -> None:
    slow = Link(delay=Exponential(200 * MICROSECOND, 100 * MICROSECOND))
    for seed in range(10):
        judge(clean(seed=seed, fault="restart", step_ns=300 * MICROSECOND, link=slow))


def _alone() -> None:
    judge(clean(east=(1, 2)))


def caught_by(hunt: Hunt) -> Callable[[Plant], Plant]:
    def register(plant: Plant) -> Plant:
        MUTANTS.append((plant, hunt))
        return plant

    return register


@caught_by(_seeds)
def only_half_of_the_delay_bounds(patch):
    right = Sample.path_within

    def path_within(one, ppm):
        whole = right(one, ppm)
        return Interval.around(whole.middle, whole.error // 2)

    patch.setattr(Sample, "path_within", path_within)


@caught_by(_seeds)
def bounds_do_not_grow_as_clocks_drift(patch):
    right = known.drift_allowance
    for module in (contact, known):
        patch.setattr(module, "drift_allowance", lambda age, ppm: right(age, ppm / 10_000))


@caught_by(_exact)
def the_bias_stays(patch):
    patch.setattr(Contact, "_bias", lambda *given: (0, 0.0))


@caught_by(_exact)
def the_bias_is_taken_off_the_wrong_way_round(patch):
    right = Contact._bias

    def bias(*given):
        found, error = right(*given)
        return None if found is None else -found, error

    patch.setattr(Contact, "_bias", bias)


@caught_by(_exact)
def the_slope_is_not_followed(patch):
    patch.setattr(Fit, "value", lambda self, at: self.offset)


@caught_by(_exact)
def the_skew_has_the_wrong_sign(patch):
    patch.setattr(
        contact, "fit", lambda points: replace(fit(points), slope=-(fit(points).slope or 0.0))
    )


@caught_by(_exact)
def broadcasts_are_matched_by_their_order(patch):
    def matched(self, theirs, since=None):
        for name, numbers in self.stamps.items():
            others = list(theirs.stamps.get(name, {}).values())[1:]
            return [
                (own, other - own) for own, other in zip(numbers.values(), others, strict=False)
            ]
        return []

    patch.setattr(Heard, "matched", matched)


@caught_by(_seeds)
def a_relation_turned_round_keeps_its_interval(patch):
    right = Relation.reversed
    patch.setattr(
        Relation,
        "reversed",
        lambda self, epoch, ppm: replace(right(self, epoch, ppm), interval=self.interval),
    )


@caught_by(_chain)
def a_chain_has_the_bound_of_its_first_link(patch):
    right = Relation.then

    def then(self, other, ppm):
        whole = right(self, other, ppm)
        return replace(whole, interval=Interval.around(whole.offset_ns, 100))

    patch.setattr(Relation, "then", then)


@caught_by(_chain)
def a_chain_does_not_wait_for_its_second_link(patch):
    patch.setattr(Relation, "at", lambda self, reading, ppm: self)


@caught_by(_set_a_little_while_down)
def what_was_known_of_an_earlier_clock_stays(patch):
    right = receiver.Receiver._on_report

    def on_report(self, sender, report):
        known = self.contacts.get(sender)
        if known is not None and known.epoch != report.epoch:
            known.epoch = report.epoch
            known.asker.first_number = contact.probe_number(report.epoch, self.me, self.epoch)
            self.web.meet(sender, report.epoch)
        right(self, sender, report)

    patch.setattr(receiver.Receiver, "_on_report", on_report)


@caught_by(_seeds)
def the_answers_to_a_probe_that_came_twice_are_mixed_up(patch):
    right = Asker.on_echo

    def on_echo(self, echo, stamp):
        earlier = self._exchanges.get(echo.earlier)
        if earlier is not None:
            echo = replace(echo, earlier_arrived=earlier.arrived_there)
        return right(self, echo, stamp)

    patch.setattr(Asker, "on_echo", on_echo)


@caught_by(_seeds)
def exchanges_that_contradict_each_other_are_put_together(patch):
    def add(self, sample):
        path = sample.path_within(self.max_drift_ppm)
        kept = (self.interval and self.interval & path) or self.interval or path
        self.known = Known(kept, sample.t4)
        return True

    patch.setattr(Proven, "add", add)


@caught_by(_seeds)
def others_are_believed_of_our_own_clock(patch):
    right = Web.hear

    def hear(self, sender, told):
        right(self, sender, told)
        for one in web._read(sender, told):
            if one.b == self.me and one.epoch_b == self.epoch and sender in self.own:
                turned = one.reversed(told.epoch, self.max_drift_ppm)
                self.own[sender] = replace(turned, interval=Interval.around(turned.offset_ns, 1))

    patch.setattr(Web, "hear", hear)
    patch.setattr(receiver.Receiver, "_find", lambda self: None)


@caught_by(_lying_beside)
def the_best_bound_wins_whoever_it_comes_from(patch):
    def best_of(candidates, ppm):
        return min(candidates, key=lambda one: one.error_bound_ns, default=None)

    def between(self, a, b, known):
        return [
            self._turned(claims[a]).then(claims[b], self.max_drift_ppm)
            for claims in self.claims.values()
            if a in claims and b in claims
        ] or right(self, a, b, known)

    right = Web._between
    patch.setattr(web, "best_of", best_of)
    patch.setattr(Web, "_between", between)
    patch.setattr(relation, "best_of", best_of)


@caught_by(_lying_between)
def extremes_are_passed_on(patch):
    patch.setattr(web, "_can_be_told", lambda one, told_at: True)
    patch.setattr(web, "READING_MAX", 1 << 80)


@caught_by(_alone)
def it_waits_for_others_before_it_ends(patch):
    right = receiver.Receiver._linger

    def linger(self, why, now):
        return [
            effect
            for effect in right(self, why, now)
            if isinstance(effect, Send) or effect.timer is not receiver._Timer.LINGER
        ]

    patch.setattr(receiver.Receiver, "_linger", linger)
    patch.setattr(receiver.Receiver, "_is_content", lambda self: len(self.contacts) > 1)


@pytest.mark.slow
@pytest.mark.parametrize(("plant", "hunt"), MUTANTS, ids=[m[0].__name__ for m in MUTANTS])
def test_a_planted_bug_is_caught(plant: Plant, hunt: Hunt, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    with pytest.raises((Violated, SimulationFailure)) as caught:
        hunt()
    # What the right code says of itself; a plant that no longer fits the code is no catch.
    assert not isinstance(caught.value.__cause__, TypeError | AttributeError | NameError)
