"""The simulated mutexes notice when one is wrong: bugs planted one at a time.

A mutant replaces one method while it lives. Each must be caught by the property named beside it, or
by an assertion of a core where that is said, within the schedules that the right code passes.
"""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from clocksync.runtime.core import Send
from clocksync.runtime.simulation import SimulationFailure
from ordering.mutex import contract, epochs, majority, voting
from ordering.mutex.agreement import Agreement
from ordering.mutex.central import CentralMutex
from ordering.mutex.contract import State
from ordering.mutex.epochs import EpochMutex
from ordering.mutex.frames import BEHIND, GRANTED, BallotAnswer, Inquire, RingToken, Vote, Withdraw
from ordering.mutex.lamport_queue import LamportQueueMutex
from ordering.mutex.leases import Leases
from ordering.mutex.majority import MajorityMutex
from ordering.mutex.ricart_agrawala import RicartAgrawalaMutex
from ordering.mutex.suzuki_kasami import SuzukiKasamiMutex
from ordering.mutex.token_ring import TokenRingMutex
from ordering.mutex.voting import VotingMutex
from tests.cluster.mutex_properties import Violated, judge
from tests.cluster.mutex_world import draw, play

SEEDS = 60
LIMIT_NS = 5_000_000_000
EXCLUSION, FENCING, LIVENESS = "at_most_one_is_inside", "fencing_tokens_grow", "everybody_gets_in"
LOST, CORE = "nothing_is_lost_without_cause", "an assertion of the core itself"
Plant = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True)
class Mutant:
    """A planted bug, what it runs in, and the properties of which one must see it."""

    plant: Plant
    algorithm: str
    epochs: bool
    seen_by: tuple[str, ...]


MUTANTS: list[Mutant] = []


def mutant(algorithm: str, *seen_by: str, epochs: bool = False) -> Callable[[Plant], Plant]:
    def register(plant: Plant) -> Plant:
        MUTANTS.append(Mutant(plant, algorithm, epochs, seen_by))
        return plant

    return register


@mutant("ricart-agrawala", EXCLUSION)
def the_tie_break_is_dropped(patch: pytest.MonkeyPatch) -> None:
    def first(self, asked, sender):
        wanted = self.state is State.WANTED and self._asked_at < asked
        return self.state is State.HELD or wanted

    patch.setattr(RicartAgrawalaMutex, "_we_come_first", first)


@mutant("ricart-agrawala", EXCLUSION)
def a_holder_says_ok(patch: pytest.MonkeyPatch) -> None:
    right = RicartAgrawalaMutex._we_come_first
    patch.setattr(
        RicartAgrawalaMutex,
        "_we_come_first",
        lambda self, *given: self.state is not State.HELD and right(self, *given),
    )


@mutant("ricart-agrawala", EXCLUSION, FENCING, LIVENESS)
def the_receive_rule_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    right = RicartAgrawalaMutex._hear

    def hear(self, sender, frame, now):
        before = self.time
        effects = right(self, sender, frame, now)
        self.time = before
        return effects

    patch.setattr(RicartAgrawalaMutex, "_hear", hear)


@mutant("ricart-agrawala", LIVENESS)
def deferred_requests_are_forgotten(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(RicartAgrawalaMutex, "_give_back", lambda self, now: [])


@mutant("ricart-agrawala", EXCLUSION, FENCING)
def an_ok_to_a_cancelled_request_counts(patch: pytest.MonkeyPatch) -> None:
    right = RicartAgrawalaMutex._hear

    def hear(self, sender, frame, now):
        if isinstance(frame, contract.Frame) and hasattr(frame, "time"):
            frame = type(frame)(self._asked_at, frame.time)
        return right(self, sender, frame, now)

    patch.setattr(RicartAgrawalaMutex, "_hear", hear)


@mutant("lamport-queue", EXCLUSION)
def being_first_in_the_own_queue_is_enough(patch: pytest.MonkeyPatch) -> None:
    right = LamportQueueMutex._enter_if_first

    def enter(self):
        heard, self.heard = self.heard, {}
        effects = right(self)
        self.heard = heard
        return effects

    patch.setattr(LamportQueueMutex, "_enter_if_first", enter)


@mutant("lamport-queue", LIVENESS)
def a_release_is_told_to_one_only(patch: pytest.MonkeyPatch) -> None:
    right = LamportQueueMutex._give_back
    patch.setattr(LamportQueueMutex, "_give_back", lambda self, now: right(self, now)[:1])


@mutant("majority", EXCLUSION)
def half_of_the_votes_are_enough(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(majority, "majority", lambda count: max(1, count // 2))


@mutant("majority", LIVENESS)
def the_deadlock_is_left_in(patch: pytest.MonkeyPatch) -> None:
    right = MajorityMutex.__init__

    def init(self, *given, **named):
        right(self, *given, **named)
        self.resolves = False

    patch.setattr(MajorityMutex, "__init__", init)


@mutant("majority", EXCLUSION)
def a_vote_is_not_exclusive(patch: pytest.MonkeyPatch) -> None:
    right = MajorityMutex._consider

    def consider(self, sender, asked, now):
        if self.voted is not None and self.voted[1] != self._place[sender]:
            return self._post(sender, Vote(asked), now)
        return right(self, sender, asked, now)

    patch.setattr(MajorityMutex, "_consider", consider)


@mutant("majority", EXCLUSION, FENCING)
def a_holder_yields(patch: pytest.MonkeyPatch) -> None:
    right = MajorityMutex._hear

    def hear(self, sender, frame, now):
        if isinstance(frame, Inquire) and self.state is State.HELD:
            return self._post(sender, majority.Yield(frame.number), now)
        return right(self, sender, frame, now)

    patch.setattr(MajorityMutex, "_hear", hear)


@mutant("majority", FENCING)
def a_stale_request_is_voted_for(patch: pytest.MonkeyPatch) -> None:
    right = MajorityMutex._hear

    def hear(self, sender, frame, now):
        effects = right(self, sender, frame, now)
        self.served = (0, 0)
        return effects

    patch.setattr(MajorityMutex, "_hear", hear)


@mutant("central", EXCLUSION)
def the_coordinator_grants_whoever_asks(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        CentralMutex,
        "_coordinate",
        lambda self, sender, number, now: self._grant((sender, number), now),
    )


@mutant("central", LIVENESS)
def a_cancelled_request_keeps_its_place(patch: pytest.MonkeyPatch) -> None:
    right = CentralMutex._hear

    def hear(self, sender, frame, now):
        return [] if isinstance(frame, Withdraw) else right(self, sender, frame, now)

    patch.setattr(CentralMutex, "_hear", hear)


@mutant("token-ring", EXCLUSION, LIVENESS)
def the_token_is_passed_and_kept(patch: pytest.MonkeyPatch) -> None:
    right = TokenRingMutex._give_back

    def give_back(self, now):
        kept = self.here
        effects = right(self, now)
        self.here = kept
        return effects

    patch.setattr(TokenRingMutex, "_give_back", give_back)


@mutant("token-ring", FENCING)
def the_token_does_not_count(patch: pytest.MonkeyPatch) -> None:
    right = TokenRingMutex._pass

    def pass_on(self):
        return [
            Send(effect.to, RingToken(effect.frame.hops, 0)) if isinstance(effect, Send) else effect
            for effect in right(self)
        ]

    patch.setattr(TokenRingMutex, "_pass", pass_on)


@mutant("suzuki-kasami", LIVENESS)
def requests_heard_while_inside_are_forgotten(patch: pytest.MonkeyPatch) -> None:
    right = SuzukiKasamiMutex._hear

    def hear(self, sender, frame, now):
        return [] if self.state is State.HELD else right(self, sender, frame, now)

    patch.setattr(SuzukiKasamiMutex, "_hear", hear)


@mutant("suzuki-kasami", EXCLUSION)
def a_holder_gives_the_token_away(patch: pytest.MonkeyPatch) -> None:
    right = SuzukiKasamiMutex._hear

    def hear(self, sender, frame, now):
        effects = right(self, sender, frame, now)
        return effects or (self._pass_on() if self.state is State.HELD else [])

    patch.setattr(SuzukiKasamiMutex, "_hear", hear)


@mutant("voting", FENCING)
def a_vote_for_a_low_token_lets_in(patch: pytest.MonkeyPatch) -> None:
    right = VotingMutex._count

    def count(self, voter, answer, now):
        verdict = GRANTED if answer.verdict == BEHIND else answer.verdict
        return right(self, voter, BallotAnswer(answer.attempt, verdict, 0), now)

    patch.setattr(VotingMutex, "_count", count)


@mutant("voting", EXCLUSION)
def a_coordinator_votes_twice(patch: pytest.MonkeyPatch) -> None:
    right = VotingMutex._vote

    def vote(self, *given):
        self.voted = None
        return right(self, *given)

    patch.setattr(VotingMutex, "_vote", vote)


@mutant("voting", LIVENESS)
def votes_of_a_failed_attempt_are_kept(patch: pytest.MonkeyPatch) -> None:
    right = VotingMutex._fail

    def fail(self, now):
        return [each for each in right(self, now) if isinstance(each, voting.SetTimer)]

    patch.setattr(VotingMutex, "_fail", fail)


@mutant("central", EXCLUSION, epochs=True)
def a_lease_never_ends(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Leases, "holds", lambda self, now: True)


@mutant("suzuki-kasami", EXCLUSION, LOST, epochs=True)
def the_next_epoch_does_not_wait_for_the_silent(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(EpochMutex, "_may_accept", lambda self, ballot, outside, now: True)


@mutant("central", EXCLUSION, FENCING, epochs=True)
def a_minority_is_enough(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Agreement, "has_majority", lambda self, of: of > 0)


@mutant("token-ring", FENCING, epochs=True)
def the_epoch_is_not_in_the_token(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(contract, "fencing_token", lambda generation, number: number)


@mutant("ricart-agrawala", EXCLUSION, LOST, epochs=True)
def who_has_promised_still_enters(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        EpochMutex,
        "_active",
        lambda self, now: self.inner is not None and self._leases.holds(now),
    )


@mutant("central", LIVENESS, epochs=True)
def nobody_proposes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(EpochMutex, "_needs_epoch", lambda self, now: False)


@mutant("majority", LIVENESS, epochs=True)
def early_frames_of_the_next_epoch_are_dropped(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(epochs, "BACKLOG_MAX", 0)


def seen_first(mutant: Mutant) -> str:
    """Which property, or the core itself, first saw something wrong; empty if none did."""
    for seed in range(SEEDS):
        try:
            judge(play(draw(seed, mutant.algorithm, mutant.epochs), LIMIT_NS))
        except Violated as violated:
            return violated.name
        except SimulationFailure:
            return CORE
    return ""


@pytest.mark.parametrize("planted", MUTANTS, ids=lambda planted: planted.plant.__name__)
def test_a_planted_bug_is_caught(planted: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    planted.plant(monkeypatch)
    assert seen_first(planted) in planted.seen_by
