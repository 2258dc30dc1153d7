"""How an epoch ends: one decision, whatever is lost and whoever competes; and leases."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocksync.runtime.errors import BadConfig
from clocksync.runtime.units import MILLISECOND
from ordering.mutex import EpochConfig
from ordering.mutex.agreement import Agreement
from ordering.mutex.frames import Promise
from ordering.mutex.leases import Leases


def decide(seed: int) -> set[tuple[int, ...]]:
    """Members propose, and every message arrives late, or never; what majorities accepted."""
    random = Random(seed)
    members = tuple(range(1, random.choice((3, 4, 5)) + 1))
    all_of_them = {me: Agreement(me, members) for me in members}
    accepted: dict[tuple[int, tuple[int, ...]], set[int]] = {}
    wire: list[tuple[str, int, int, object]] = []

    def accept(me: int, ballot: int, value: tuple[int, ...]) -> None:
        all_of_them[me].accept(ballot, value)
        accepted.setdefault((ballot, value), set()).add(me)

    def promise_of(me: int) -> Promise:
        one = all_of_them[me]
        return Promise(one.promised, 1, 0, one.accepted_ballot, one.accepted)

    def advance(me: int) -> None:
        one = all_of_them[me]
        if not one.proposing or not one.has_majority(len(one.promises)) or one.value:
            return
        bound = one.bound_value()
        one.value = bound or tuple(random.sample(members, random.randint(1, len(members))))
        accept(me, one.ballot, one.value)
        wire.extend(("accept", me, to, (one.ballot, one.value)) for to in members if to != me)

    for _ in range(120):
        if not wire or random.random() < 0.08:
            me = random.choice(members)
            highest = max(one.promised for one in all_of_them.values())
            ballot = all_of_them[me].begin(highest if random.random() < 0.7 else 0)
            all_of_them[me].promised_by(me, promise_of(me))
            wire.extend(("prepare", me, to, ballot) for to in members if to != me)
            advance(me)
            continue
        kind, sender, to, said = wire.pop(random.randrange(len(wire)))
        if random.random() < 0.2:
            continue
        if kind == "prepare" and all_of_them[to].promise(said):
            wire.append(("promise", to, sender, promise_of(to)))
        elif kind == "promise" and all_of_them[to].promised_by(sender, said):
            advance(to)
        elif kind == "accept" and said[0] >= all_of_them[to].promised:
            accept(to, *said)
    needed = len(members) // 2 + 1
    return {value for (_, value), who in accepted.items() if len(who) >= needed}


SEEDS = range(1500)


def test_at_most_one_membership_is_ever_decided() -> None:
    decided = [decide(seed) for seed in SEEDS]
    assert max(map(len, decided)) == 1
    assert sum(map(len, decided)) > len(SEEDS) // 4, "often enough for the test to say something"


@pytest.mark.parametrize(
    ("method", "wrong"),
    [
        ("bound_value", lambda self: None),
        ("has_majority", lambda self, of: of >= len(self.members) // 2),
        ("promise", lambda self, ballot: setattr(self, "promised", ballot) or True),
    ],
)
def test_a_bug_in_the_agreement_is_seen(monkeypatch, method, wrong) -> None:
    monkeypatch.setattr(Agreement, method, wrong)
    assert max(len(decide(seed)) for seed in SEEDS) > 1


@given(
    st.lists(st.tuples(st.integers(0, 2_000), st.integers(0, 400)), min_size=1, max_size=20),
    st.integers(-1_000, 1_000),
    st.integers(-1_000, 1_000),
)
def test_who_is_silent_to_a_member_has_no_lease_from_it(heard, holder_ppm, giver_ppm) -> None:
    """Two members, clocks off by up to the assumed drift. True times in ms; delays up to 400."""
    config = EpochConfig()

    def reading(true_ms: int, ppm: int) -> int:
        return true_ms * MILLISECOND + true_ms * ppm

    holder, giver = Leases(1, (1, 2, 3), config, 0), Leases(2, (1, 2, 3), config, 0)
    for sent_ms, delay_ms in sorted(heard, key=sum):
        giver.give(1, reading(sent_ms + delay_ms, giver_ppm))
        holder.acknowledged(2, reading(sent_ms, holder_ppm), reading(10_000, holder_ppm))
    for true_ms in range(max(map(sum, heard)), 4_000, 7):
        if giver.has_run_out(1, reading(true_ms, giver_ppm)):
            assert not holder.holds(reading(true_ms, holder_ppm))


@given(
    st.integers(1, 100_000).flatmap(
        lambda drift: st.tuples(
            st.just(drift), st.integers(-drift, drift), st.integers(-drift, drift)
        )
    )
)
def test_a_lease_has_ended_at_the_instant_its_giver_calls_it_over(drifts) -> None:
    drift_ppm, holder_ppm, giver_ppm = drifts
    config = EpochConfig(drift_ppm=drift_ppm)
    holder, giver = Leases(1, (1, 2, 3), config, 0), Leases(2, (1, 2, 3), config, 0)
    giver.give(1, 0)
    holder.acknowledged(2, 0, 0)
    true_ns = -(-config.silence_ns * 1_000_000 // (1_000_000 + giver_ppm))
    assert giver.has_run_out(1, config.silence_ns)
    assert not giver.has_run_out(1, config.silence_ns - 1)
    assert not holder.holds(true_ns * (1_000_000 + holder_ppm) // 1_000_000)


def test_a_lease_needs_a_majority_and_lasts_from_when_it_was_asked_for() -> None:
    config = EpochConfig()
    leases = Leases(1, (1, 2, 3, 4, 5), config, 0)
    leases.acknowledged(2, 10, 50)
    assert leases.until() is None
    leases.acknowledged(3, 20, 50)
    leases.acknowledged(3, 5, 50)
    assert leases.until() == 10 + config.lease_ns
    leases.acknowledged(9, 40, 50)
    leases.acknowledged(4, 60, 50)  # from the future: not ours
    assert leases.until() == 10 + config.lease_ns
    assert leases.holds(9 + config.lease_ns)
    assert not leases.holds(10 + config.lease_ns)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"heartbeat_ns": 0}, "must be 4 heartbeats"),
        ({"heartbeat_ns": 30, "lease_ns": 100}, "lease_ns = 100 must be 4 heartbeats or more"),
        ({"drift_ppm": 0}, "drift_ppm"),
    ],
)
def test_impossible_settings_are_named(given, says) -> None:
    with pytest.raises(BadConfig, match=says):
        EpochConfig(**given)
