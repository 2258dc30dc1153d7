"""The judges notice when a group is wrong: bugs planted one at a time.

A mutant replaces one function while it lives. Each must be caught by the property named beside it
within the number of seeds that the right code passes (:mod:`tests.cluster.test_multicast`).
"""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from clocksync.runtime.simulation import SimulationFailure
from ordering.links.link import Link
from ordering.links.stream import Unpacker
from ordering.multicast import causal, lamport, member
from ordering.multicast.acknowledgement import Rule, own_update_to_await
from ordering.multicast.causal import CausalDelay
from ordering.multicast.fifo import Fifo
from ordering.multicast.lamport import LamportOrder
from ordering.multicast.sequencer import Sequencer
from ordering.testing import Order, judge
from tests.cluster.multicast_runs import run

SEEDS = 40
SEEDS_WITH_CRASHES = 200
Patch = pytest.MonkeyPatch
Plant = Callable[[Patch], None]


@dataclass(frozen=True)
class Mutant:
    """A planted bug, the order it is in, and the property that sees it."""

    plant: Plant
    order: Order
    seen_by: str
    crashes: bool = False


MUTANTS: list[Mutant] = []


def mutant(order: Order, seen_by: str, crashes: bool = False) -> Callable[[Plant], Plant]:
    def register(plant: Plant) -> Plant:
        MUTANTS.append(Mutant(plant, order, seen_by, crashes))
        return plant

    return register


@mutant(Order.TOTAL, "all_deliver_one_sequence")
def the_tie_break_is_dropped(patch: Patch) -> None:
    def push(queue: list, item: tuple) -> None:
        place = sum(other[0] <= item[0] for other in queue)
        queue.insert(place, item)

    patch.setattr(lamport, "heappush", push)
    patch.setattr(lamport, "heappop", lambda queue: queue.pop(0))


@mutant(Order.TOTAL, "all_deliver_one_sequence")
def an_update_is_acknowledged_before_it_is_queued(patch: Patch) -> None:
    queue, settle = LamportOrder._queue, LamportOrder.settle
    late: dict[int, list] = {}

    def acknowledge_first(self: LamportOrder, origin: int, time: int, messages: list) -> None:
        queue(self, origin, time, messages)
        item = next(one for one in self.queue if one[:2] == (time, origin))
        self.queue.remove(item)
        late.setdefault(id(self), []).append(item)

    def settle_then_queue(self: LamportOrder) -> None:
        settle(self)
        for item in late.pop(id(self), []):
            lamport.heappush(self.queue, item)

    patch.setattr(LamportOrder, "_queue", acknowledge_first)
    patch.setattr(LamportOrder, "settle", settle_then_queue)


@mutant(Order.TOTAL, "all_deliver_one_sequence")
def a_receipt_does_not_move_the_clock(patch: Patch) -> None:
    receive = LamportOrder.receive

    def receive_without_the_rule(self: LamportOrder, origin: int, kind: int, body: bytes) -> None:
        before = self.time
        receive(self, origin, kind, body)
        self.time = before

    patch.setattr(LamportOrder, "receive", receive_without_the_rule)


@mutant(Order.TOTAL, "all_deliver_one_sequence")
def one_acknowledgement_is_not_waited_for(patch: Patch) -> None:
    missing = LamportOrder._missing
    patch.setattr(LamportOrder, "_missing", lambda self, *given: missing(self, *given)[1:])


@mutant(Order.TOTAL, "all_deliver_one_sequence")
def no_acknowledgement_is_waited_for(patch: Patch) -> None:
    patch.setattr(LamportOrder, "_missing", lambda self, origin, number: [])


@mutant(Order.TOTAL, "all_is_delivered")
def identifiers_are_compared_instead_of_stamps(patch: Patch) -> None:
    patch.setattr(
        lamport,
        "own_update_to_await",
        lambda rule, *given: own_update_to_await(Rule.IDENTIFIERS_ONLY, *given),
    )


@mutant(Order.TOTAL, "all_is_delivered")
def what_was_held_back_is_forgotten(patch: Patch) -> None:
    acknowledge = LamportOrder._acknowledge

    def forget(self: LamportOrder) -> list[bytes]:
        parts = acknowledge(self)
        for held_back in self._held_back.values():
            held_back.clear()
        return parts

    patch.setattr(LamportOrder, "_acknowledge", forget)


@mutant(Order.CAUSAL, "causes_come_first")
def the_causal_condition_is_dropped(patch: Patch) -> None:
    patch.setattr(CausalDelay, "_lacks", lambda self, vector, origin: False)


@mutant(Order.CAUSAL, "causes_come_first")
def one_delivery_of_another_is_not_counted(patch: Patch) -> None:
    lacks = CausalDelay._lacks

    def lacks_two(self: CausalDelay, vector: tuple, origin: int) -> bool:
        lowered = tuple(n if place == origin else max(0, n - 1) for place, n in enumerate(vector))
        return lacks(self, lowered, origin)

    patch.setattr(CausalDelay, "_lacks", lacks_two)


@mutant(Order.CAUSAL, "all_is_delivered")
def a_vector_counts_what_has_not_been_delivered(patch: Patch) -> None:
    def stamp(self: CausalDelay, me: int, messages: list[bytes]) -> tuple:
        place = self._place[me]
        self.passed[place] += 1
        self._arrived[place] += 1
        vector = tuple(n + 1 if k != place else n for k, n in enumerate(self.passed))
        return vector, self._vector.pack(*vector) + causal.pack(messages)

    patch.setattr(CausalDelay, "stamp_own", stamp)


@mutant(Order.SEQUENCER, "all_deliver_one_sequence")
def a_gap_in_the_sequence_is_ignored(patch: Patch) -> None:
    settle = Sequencer.settle

    def settle_what_there_is(self: Sequencer) -> None:
        settle(self)
        for run_ in list(self._runs):
            undecided = self._undecided[run_[0]]
            while run_[1] and undecided:
                run_[1] -= 1
                self.delivered.append(self._batch(run_[0], undecided.popleft(), (0,)))

    patch.setattr(Sequencer, "settle", settle_what_there_is)


@mutant(Order.SEQUENCER, "all_deliver_one_sequence")
def a_sender_delivers_its_own_at_once(patch: Patch) -> None:
    decided = Sequencer._decided
    early: dict[int, int] = {}

    def multicast(self: Sequencer, messages: list[bytes]) -> None:
        self.outgoing.append((1, causal.pack(messages)))
        if self.me == self.sequencer:
            self._arrived(self.me, messages)
        else:
            self.delivered.append(self._batch(self.me, messages, (0,)))
            early[id(self)] = early.get(id(self), 0) + 1

    def decide_others(self: Sequencer, body: bytes) -> None:
        decided(self, body)
        self._runs = type(self._runs)(one for one in self._runs if one[0] != self.me)

    patch.setattr(Sequencer, "multicast", multicast)
    patch.setattr(Sequencer, "_decided", decide_others)


@mutant(Order.TOTAL_CAUSAL, "what_was_seen_comes_first")
def the_sequencer_numbers_as_it_receives(patch: Patch) -> None:
    patch.setattr(CausalDelay, "_lacks", lambda self, vector, origin: False)


@mutant(Order.TOTAL_CAUSAL, "what_was_seen_comes_first")
def what_has_arrived_is_not_a_cause(patch: Patch) -> None:
    def stamp(self: CausalDelay, me: int, messages: list[bytes]) -> tuple:
        place = self._place[me]
        self.passed[place] += 1
        self._arrived[place] += 1
        vector = tuple(n if k == place else 0 for k, n in enumerate(self.passed))
        return vector, self._vector.pack(*vector) + causal.pack(messages)

    patch.setattr(CausalDelay, "stamp_own", stamp)


@mutant(Order.SEQUENCER, "all_deliver_one_sequence", crashes=True)
def a_group_begins_before_its_members_know_the_same_lives(patch: Patch) -> None:
    patch.setattr(member.Member, "_known_lives", lambda self: b"")
    begin = member.Member._begin

    def begin_at_once(self: member.Member) -> None:
        begin(self)
        self.has_begun = True
        if not self._has_introduced_itself:
            self._has_introduced_itself = True
            self.links.multicast([(member.LIVES, b"")])

    patch.setattr(member.Member, "_begin", begin_at_once)


@mutant(Order.FIFO, "all_is_delivered")
def own_messages_are_not_delivered(patch: Patch) -> None:
    patch.setattr(
        Fifo, "multicast", lambda self, messages: self.outgoing.append((1, causal.pack(messages)))
    )


@mutant(Order.FIFO, "all_is_delivered")
def who_leaves_does_not_wait_until_all_is_confirmed(patch: Patch) -> None:
    patch.setattr(member.Member, "has_left", lambda self, now: self._has_left)


@mutant(Order.TOTAL, "all_is_delivered")
def who_has_left_is_still_waited_for(patch: Patch) -> None:
    patch.setattr(LamportOrder, "left", lambda self, who: None)


@mutant(Order.FIFO, "nothing_is_duplicated")
def a_link_delivers_duplicates(patch: Patch) -> None:
    take_in = Link._take_in

    def take_twice(self: Link, sequence: int, payload: bytes) -> None:
        if sequence <= self._received_up_to:
            self.inbox.append(payload)
        take_in(self, sequence, payload)

    patch.setattr(Link, "_take_in", take_twice)


@mutant(Order.FIFO, "senders_order_is_kept")
def a_link_does_not_wait_for_a_gap(patch: Patch) -> None:
    take_in = Link._take_in

    def take_anyway(self: Link, sequence: int, payload: bytes) -> None:
        fresh = sequence > self._received_up_to + 1 and sequence not in self._early
        take_in(self, sequence, payload)
        if fresh:
            self.inbox.append(self._early[sequence])
            self._early[sequence] = b""

    patch.setattr(Link, "_take_in", take_anyway)


@mutant(Order.FIFO, "all_is_delivered")
def a_link_never_repeats(patch: Patch) -> None:
    patch.setattr(Link, "_repeated", lambda self, now: [])


@mutant(Order.FIFO, "all_is_delivered")
def a_link_confirms_what_it_lacks(patch: Patch) -> None:
    received = Link._received
    patch.setattr(
        Link,
        "_received",
        lambda self: (max(self._early, default=self._received_up_to), *received(self)[1:]),
    )


@mutant(Order.FIFO, "all_is_delivered")
def a_stream_loses_what_spans_two_pieces(patch: Patch) -> None:
    feed = Unpacker.feed

    def forgetful(self: Unpacker, pieces: list[bytes]) -> list:
        records = feed(self, pieces)
        self._parts, self._missing = [], 0
        return records

    patch.setattr(Unpacker, "feed", forgetful)


@mutant(Order.FIFO, "all_is_delivered")
def a_batch_loses_its_last_message(patch: Patch) -> None:
    take = member.take_batch

    def lose(pending: list[bytes]) -> list[bytes]:
        batch = take(pending)
        return batch[:-1] if len(batch) > 1 else batch

    patch.setattr(member, "take_batch", lose)


@pytest.mark.parametrize("planted", MUTANTS, ids=lambda one: one.plant.__name__)
def test_a_planted_bug_is_seen(planted: Mutant, monkeypatch: Patch) -> None:
    planted.plant(monkeypatch)
    others: list[str] = []
    for seed in range(SEEDS_WITH_CRASHES if planted.crashes else SEEDS):
        try:
            played = run(seed, planted.order, planted.crashes)
        except SimulationFailure as failure:
            others.append(failure.what)
            continue
        seen = judge(played.observed, planted.order)
        if any(line.startswith(planted.seen_by) for line in seen):
            return
        others += seen
    pytest.fail(f"{planted.seen_by} did not see it; what was seen: {others[:3]}")


def test_there_are_at_least_a_dozen() -> None:
    assert len(MUTANTS) >= 12
