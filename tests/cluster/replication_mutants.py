"""Bugs planted in groups, replicas and locks, one at a time, and what must see each.

Most are what our design notes argue against, or what others' field reports name.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.cluster.planted import Mutants
from tests.cluster.replication_world import Plan
from vsync.identity import Service
from vsync.replication import offers, quorum
from vsync.replication.accounts import Account
from vsync.replication.channels import CONTROL
from vsync.replication.control import Roll
from vsync.replication.events import Discarded
from vsync.replication.exchange import Exchange
from vsync.replication.groups import Groups
from vsync.replication.lineage import Lineage
from vsync.replication.locks import Locks
from vsync.replication.locktable import LockTable
from vsync.replication.quorum import Memory
from vsync.replication.replica import COMMAND, SYNCED, Replica
from vsync.replication.rounds import Receiver
from vsync.replication.standing import Standing

mutant = Mutants[Plan]()


def with_policy(policy: str) -> Callable[[Plan], Plan]:
    return lambda plan: replace(plan, policy=policy, service=Service.SAFE)


# Replicas


@mutant("R1", "core")
def commands_after_the_cut_are_applied_before_the_state(patch: pytest.MonkeyPatch) -> None:
    right = Receiver.take

    def take(self: Receiver, chunk: Any) -> Any:
        dropped = right(self, chunk)
        if self.is_complete:
            # What came meanwhile was applied to the old state, and is not applied again.
            self.backlog = [each for each in self.backlog if not isinstance(each, tuple)]
        return dropped

    patch.setattr(Receiver, "take", take)


@mutant("R1")
def a_tie_between_two_states_is_not_broken(patch: pytest.MonkeyPatch) -> None:
    def holders(found: Any) -> set[int]:
        best = max(map(offers.rank, found.values()))
        return {member for member, offer in found.items() if offers.rank(offer) == best}

    patch.setattr(offers, "holders", holders)


@mutant(
    test="tests.vsync.replication.test_offers:test_the_primarys_state_is_chosen_over_a_longer_one"
)
def the_longest_history_wins_over_the_primary(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(offers, "rank", lambda offer: (offer.applied, offer.position))


@mutant(
    test="tests.vsync.replication.test_replica:test_a_majority_of_which_one_holds_the_state_is_none"
)
def who_is_connected_counts_as_a_holder(patch: pytest.MonkeyPatch) -> None:
    right = Standing.elect

    def elect(self: Standing, policy: Any, step: int, is_certain: bool) -> None:
        true = self.holders
        self.holders = self.members
        right(self, policy, step, is_certain)
        self.holders = true

    patch.setattr(Standing, "elect", elect)


@mutant("R3", adapt=with_policy("expected"))
def who_has_just_started_has_a_voice(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        quorum.MajorityOfExpected,
        "knows",
        lambda self, voices, present, memory: 2 * len(present) > len(self.expected),
    )


@mutant(
    test="tests.vsync.replication.test_replica:test_the_last_words_of_a_primary_are_applied_and_certain_when_it_goes_on"
)
def the_last_words_of_a_primary_are_not_applied(patch: pytest.MonkeyPatch) -> None:
    right = Replica._take

    def take(self: Replica, messages: Any, place: int, payload: bytes, handle: Any) -> None:
        if messages.configuration.startswith("T") and payload[:1] == COMMAND:
            self._on_unopened(messages, place, payload, handle)
        else:
            right(self, messages, place, payload, handle)

    patch.setattr(Replica, "_take", take)


@mutant("R3", "R2")
def last_words_are_certain(patch: pytest.MonkeyPatch) -> None:
    right = Account.applied

    def applied(self: Account, *given: Any) -> Any:
        return right(self, *given[:-1], True)

    patch.setattr(Account, "applied", applied)


@mutant("R3")
def what_is_discarded_is_not_told(patch: pytest.MonkeyPatch) -> None:
    right = Account.resolve
    patch.setattr(
        Account,
        "resolve",
        lambda self: [each for each in right(self) if not isinstance(each, Discarded)],
    )


@mutant("R3")
def what_is_awaited_is_rejected(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Lineage, "holds", lambda self, ring, sequence: False)


@mutant("R3", "L3", "L1")
def a_minority_applies_commands(patch: pytest.MonkeyPatch) -> None:
    right = Standing.elect

    def elect(self: Standing, policy: Any, step: int, is_certain: bool) -> None:
        right(self, policy, step, is_certain)
        self.is_primary = True

    patch.setattr(Standing, "elect", elect)


@mutant(test="tests.vsync.replication.test_replica:test_synced_of_an_old_ring_does_not_count")
def synced_of_an_old_ring_counts(patch: pytest.MonkeyPatch) -> None:
    right = Replica._on_synced

    def on_synced(self: Replica, messages: Any, payload: bytes) -> None:
        right(self, messages, SYNCED + str(self.standing.ring).encode())

    patch.setattr(Replica, "_on_synced", on_synced)


@mutant(test="tests.vsync.replication.test_rounds:test_a_chunk_of_a_round_given_up_is_not_taken")
def a_chunk_of_an_old_round_is_taken(patch: pytest.MonkeyPatch) -> None:
    right = Receiver._begin

    def begin(self: Receiver, chunk: Any) -> Any:
        first = next(each for each in self.backlog if not isinstance(each, tuple))
        return right(self, chunk._replace(round=first.id))

    patch.setattr(Receiver, "_begin", begin)


@mutant("R1")
def a_round_goes_on_over_a_change_of_the_ring(patch: pytest.MonkeyPatch) -> None:
    right = Replica.on_ring_ended

    def on_ring_ended(self: Replica, now: int) -> Any:
        receiver = self._receiver
        said = right(self, now)
        if receiver is not None and receiver.incoming is not None:
            receiver.incoming.is_complete = True
            self._restore(self.me, receiver)
            said += self._said()
        return said

    patch.setattr(Replica, "on_ring_ended", on_ring_ended)


@mutant(
    test="tests.vsync.replication.test_quorum:test_a_possible_primary_needs_a_majority_of_it_too"
)
def primaries_that_may_have_been_are_forgotten(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        Memory,
        "formed",
        lambda self, primary, is_certain: Memory(primary) if is_certain else self,
    )


@mutant(
    test="tests.vsync.replication.test_replica:test_members_that_leave_do_so_at_one_place_of_the_order"
)
def a_receiver_learns_at_once_who_left(patch: pytest.MonkeyPatch) -> None:
    right = Replica._restore

    def restore(self: Replica, sender: int, receiver: Receiver) -> None:
        receiver.backlog.sort(key=lambda each: not getattr(each, "is_transitional", False))
        right(self, sender, receiver)

    patch.setattr(Replica, "_restore", restore)


# Groups


@mutant(test="tests.vsync.replication.test_groups:test_a_zombie_is_removed")
def a_zombie_is_kept(patch: pytest.MonkeyPatch) -> None:
    right = Groups._open

    def open_(self: Groups, exchange: Exchange, *given: Any) -> None:
        for table in self._tables.values():
            for member in table.members:
                roll = exchange.rolls.get(member)
                if roll is not None and table.name not in roll.groups:
                    groups = {**roll.groups, table.name: None}
                    exchange.rolls[member] = Roll(roll.ring, roll.memory, groups)
        right(self, exchange, *given)

    patch.setattr(Groups, "_open", open_)


@mutant("V3")
def messages_do_not_wait_for_the_rolls(patch: pytest.MonkeyPatch) -> None:
    right = Groups.on_messages

    def on_messages(self: Groups, messages: Any, now: int) -> Any:
        if messages.group != CONTROL:
            self._deliver(messages)
            return self._said()
        return right(self, messages, now)

    patch.setattr(Groups, "on_messages", on_messages)


@mutant(test="tests.vsync.replication.test_groups:test_rolls_of_an_old_ring_do_not_count")
def rolls_of_an_old_ring_count(patch: pytest.MonkeyPatch) -> None:
    right = Groups._on_roll

    def on_roll(self: Groups, messages: Any, roll: Roll, now: int) -> None:
        if self._exchange is not None:
            roll = replace(roll, ring=self._exchange.configuration.ring)
        right(self, messages, roll, now)

    patch.setattr(Groups, "_on_roll", on_roll)


@mutant("R5", "L4", "core")
def a_join_is_not_made_again(patch: pytest.MonkeyPatch) -> None:
    right = Groups._give_up

    def give_up(self: Groups) -> None:
        if self._exchange is not None:
            self._exchange.held = [
                each for each in self._exchange.held if not hasattr(each, "what")
            ]
        right(self)

    patch.setattr(Groups, "_give_up", give_up)


# Locks


@mutant("L4")
def a_lock_stays_with_the_dead(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(LockTable, "members_changed", lambda self, view: None)


@mutant("L2", "R1")
def fencing_tokens_begin_anew_with_a_state(patch: pytest.MonkeyPatch) -> None:
    right_restore, right_apply = LockTable.restore, LockTable.apply

    def restore(self: LockTable, pieces: Any) -> None:
        right_restore(self, pieces)
        self.token = 0

    def apply(self: LockTable, command: bytes, context: Any) -> None:
        right_apply(self, command, context._replace(timestamp=0))

    patch.setattr(LockTable, "restore", restore)
    patch.setattr(LockTable, "apply", apply)


@mutant("L1", "L3", "R1", adapt=with_policy("expected"))
def a_minority_grants(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(quorum.MajorityOfExpected, "has_quorum", lambda self, members, memory: True)
    patch.setattr(quorum.MajorityOfExpected, "knows", lambda self, *given: True)


@mutant(
    test="tests.vsync.replication.test_locks:test_the_lock_of_a_holder_that_was_cut_off_is_granted_after_its_lease"
)
def leases_are_not_waited_for(patch: pytest.MonkeyPatch) -> None:
    right = LockTable.members_changed

    def members_changed(self: LockTable, view: Any) -> None:
        self.has_leases = False
        right(self, view)

    patch.setattr(LockTable, "members_changed", members_changed)


@mutant(
    test="tests.vsync.replication.test_locks:test_the_lock_of_a_holder_that_was_cut_off_is_granted_after_its_lease"
)
def a_lease_does_not_end(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Locks, "_keep_lease", lambda self, now: None)
    patch.setattr(Locks, "_has_lease", lambda self, now: True)


@mutant(
    test="tests.vsync.replication.test_locks:test_a_lease_counts_from_when_what_proves_it_was_sent"
)
def a_lease_counts_from_the_delivery(patch: pytest.MonkeyPatch) -> None:
    right = Locks._follow

    def follow(self: Locks, effects: Any, now: int) -> Any:
        self._sent = {handle: sent._replace(at_ns=now) for handle, sent in self._sent.items()}
        return right(self, effects, now)

    patch.setattr(Locks, "_follow", follow)


@mutant("L4")
def what_was_rejected_is_not_asked_for_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Locks, "_ask_again", lambda self, now: None)
