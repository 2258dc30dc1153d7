"""The checker notices when the algorithm is wrong: bugs planted one at a time."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from clocksync.berkeley import average, clock, daemon, host, member, peer
from clocksync.berkeley.average import Average
from clocksync.berkeley.reign import Reign
from clocksync.runtime.core import Notify
from clocksync.runtime.simulation import SimulationFailure
from clocksync.runtime.units import MILLISECOND, SECOND
from tests.cluster.berkeley_world import Scenario, play

Plant = Callable[[pytest.MonkeyPatch], None]
CALM = Scenario(4, "calm", 5, (), SECOND, 24 * SECOND, SECOND)
LIED_TO = Scenario(4, "calm", 5, ((3, "huge"),), SECOND, 24 * SECOND, SECOND)
SUBTLE = Scenario(4, "calm", 3, ((3, "subtle"),), SECOND, 40 * SECOND, 0)
SLOW = Scenario(4, "takeover", 5, (), 30 * SECOND, 720 * SECOND, SECOND, SECOND)
POLLED = Scenario(4, "calm", 5, ((3, "polls"),), SECOND, 24 * SECOND, SECOND)
DEAD = Scenario(4, "takeover", 5, (), SECOND, 24 * SECOND, SECOND)
BACK = Scenario(4, "returns", 5, (), SECOND, 30 * SECOND, SECOND)
SPLIT = Scenario(4, "partition", 5, (), SECOND, 36 * SECOND, SECOND)
LOSSY = Scenario(6, "lossy", 5, (), SECOND, 60 * SECOND, SECOND)
NEVER_TWICE = member.Member.follows


def everybody_counts(patch):
    def plain(differences, gamma):
        mean = sum(differences.values()) // len(differences)
        return Average(mean, frozenset(differences), gamma, True)

    patch.setattr(daemon, "fault_tolerant_average", plain)


def the_group_goes_wherever_the_average_is(patch):
    patch.setattr(daemon, "drift_allowance", lambda age, ppm: 10**15)


def delays_are_not_compensated(patch):
    right = peer.Exchange.sample

    def sample(self, precision_ns):
        found = right(self, precision_ns)
        if found is None:
            return None
        return replace(found, t4=found.t1, t3=found.t2)  # as if the answer took no time

    patch.setattr(peer.Exchange, "sample", sample)


def bounds_do_not_grow(patch):
    patch.setattr(
        clock.GroupClock, "drifted", lambda self, reading: self.claim and self.claim.bound
    )


def what_is_still_to_be_slewed_is_forgotten(patch):
    def adjust(self, by_ns, rate_ppb, now):
        self.steering.slew(by_ns, self.present.soon(now))
        self.total += by_ns

    patch.setattr(clock.GroupClock, "adjust", adjust)


def the_clock_is_set_instead_of_slewed(patch):
    def adjust(self, by_ns, rate_ppb, now):
        segments = self.steering._segments
        self.steering._segments = [s._replace(reading=s.reading + by_ns) for s in segments]
        self.total += by_ns

    patch.setattr(clock.GroupClock, "adjust", adjust)


def an_order_counts_every_time_it_comes(patch):
    def follows(self, sender, order):
        kept, self.followed = self.followed, 0
        found = NEVER_TWICE(self, sender, order)
        self.followed = kept
        return found

    patch.setattr(member.Member, "follows", follows)


def answers_of_the_round_before_count(patch):
    patch.setattr(peer.Peer, "begin_round", lambda self: None)


def nobody_takes_over(patch):
    patch.setattr(host.BerkeleyHost, "_silence_ns", lambda self: 3600 * SECOND)


def the_highest_takes_over(patch):
    def silence(self):
        higher = sum(1 for n in self.me.roster if n > self.me.id)
        return 3 * self.me.interval_ns + higher * self.me.interval_ns // 2

    patch.setattr(host.BerkeleyHost, "_silence_ns", silence)


def the_roster_is_not_told(patch):
    patch.setattr(daemon, "encode", lambda roster: b"")


def members_obey_whoever_polls_last(patch):
    patch.setattr(Reign, "beats", lambda self, other: True)


def nobody_yields(patch):
    patch.setattr(host.BerkeleyHost, "_yield", lambda self, reign: [Notify("no")])


def the_old_daemon_does_not_begin_a_term(patch):
    patch.setattr(
        host.BerkeleyHost, "_begin_term",
        lambda self, term, why, now, right=host.BerkeleyHost._begin_term:
            right(self, term, why, now) if self.daemon is None else [],
    )  # fmt: skip


def the_bound_is_half(patch):
    right = daemon.Daemon._tell

    def tell(self, peer, adjustment, rate, bound, *more, **named):
        halved = None if bound is None else bound // 40
        right(self, peer, adjustment, rate, halved, *more, **named)

    patch.setattr(daemon.Daemon, "_tell", tell)
    patch.setattr(clock, "drift_allowance", lambda age, ppm: 0)


def adjustments_have_the_wrong_sign(patch):
    right = daemon.Daemon._tell

    def tell(self, peer, adjustment, *more, **named):
        right(self, peer, -adjustment, *more, **named)

    patch.setattr(daemon.Daemon, "_tell", tell)


def gamma_is_without_end(patch):
    patch.setattr(daemon, "gamma_of", lambda *given, **named: 10**18)
    patch.setattr(daemon, "drift_allowance", lambda age, ppm: 10**15)


MUTANTS: list[tuple[Plant, Scenario]] = [
    (everybody_counts, LIED_TO),
    (the_group_goes_wherever_the_average_is, SUBTLE),
    (delays_are_not_compensated, CALM),
    (bounds_do_not_grow, SLOW),
    (what_is_still_to_be_slewed_is_forgotten, CALM),
    (the_clock_is_set_instead_of_slewed, CALM),
    (an_order_counts_every_time_it_comes, LOSSY),
    (answers_of_the_round_before_count, CALM),
    (nobody_takes_over, DEAD),
    (the_highest_takes_over, DEAD),
    (the_roster_is_not_told, DEAD),
    (members_obey_whoever_polls_last, POLLED),
    (nobody_yields, SPLIT),
    (the_old_daemon_does_not_begin_a_term, BACK),
    (the_bound_is_half, CALM),
    (adjustments_have_the_wrong_sign, CALM),
    (gamma_is_without_end, LIED_TO),
]


@pytest.mark.parametrize(
    "scenario", [CALM, LIED_TO, SUBTLE, SLOW, POLLED, DEAD, BACK, SPLIT, LOSSY], ids=str
)
def test_without_a_bug_the_scenario_passes(scenario: Scenario) -> None:
    play(scenario)


@pytest.mark.parametrize(
    ("plant", "scenario"), MUTANTS, ids=[plant.__name__ for plant, _ in MUTANTS]
)
def test_a_planted_bug_is_seen(
    plant: Plant, scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    with pytest.raises((AssertionError, SimulationFailure)):
        _play_some(scenario)


def _play_some(scenario: Scenario) -> None:
    for seed in range(scenario.seed, scenario.seed + 4):
        play(replace(scenario, seed=seed))


def test_there_are_enough_of_them() -> None:
    assert len(MUTANTS) >= 12
    assert average.KEEPING_GAMMA_NS == 10 * MILLISECOND
