"""Bugs planted in the ring, one at a time: each a patch of a method, and what must see it.

The first ones are those of our reference (what field reports and papers got wrong); the others are
ours. ``engine`` stands for an assertion or exception of the engine itself.
"""

from dataclasses import replace
from typing import Any

import pytest

from tests.cluster.planted import Mutants
from vsync import change, committing, gathering, lifecycle, operational, reception, recovering
from vsync.engine import HANDLERS, Engine
from vsync.events import BootState, Configuration, Kind
from vsync.frames import Data, HoldCancel, Token
from vsync.identity import NO_RING, RingId
from vsync.membership import BackOff
from vsync.packing import Assembly, Outbox
from vsync.recovery import Plan, Recovery, Step
from vsync.ring import Ring
from vsync.ringtime import Reading, Stamper
from vsync.simulation.run import Scenario
from vsync.states import State, Timer

mutant = Mutants[Scenario]()


def quiet(scenario: Scenario) -> Scenario:
    return replace(scenario, quiet_end=True)


# Of the reference


@mutant("D7")
def safe_messages_are_delivered_as_agreed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Ring, "next_deliverable", lambda self: self.log.frames.get(self.delivered + 1))


@mutant("D7", "D5")
def one_visit_makes_safe(patch: pytest.MonkeyPatch) -> None:
    def advance(self: Ring, received: int) -> None:
        self.safe = max(self.safe, received)
        self._received_by_all = received

    patch.setattr(Ring, "_advance_safe", advance)


@mutant(
    test="tests.vsync.scenarios.test_recovery:test_s1_a_safe_message_delivered_by_its_isolated_sender_is_delivered_by_the_others"
)
def only_messages_of_the_obliged_are_delivered(patch: pytest.MonkeyPatch) -> None:
    right = recovering.plan

    def literal(log: Any, delivered: int, highest: int, obligations: tuple[int, ...]) -> Plan:
        what = right(log, delivered, highest, obligations)
        owed = set(obligations)
        kept = tuple(n for n in what.transitional if log.frames[n].origin in owed)
        return replace(what, transitional=kept)

    patch.setattr(recovering, "plan", literal)


@mutant(
    test="tests.vsync.test_gathering:test_messages_of_the_old_ring_are_dropped_once_we_told_what_we_hold"
)
def late_messages_of_a_frozen_ring_are_taken(patch: pytest.MonkeyPatch) -> None:
    def take_old(engine: Engine, sender: int, frame: Data) -> None:
        if frame.ring == engine.ring.id and engine.ring.takes(frame):
            engine.ring.log.add(frame)

    patch.setattr(gathering, "on_data", take_old)
    for state in (State.GATHER, State.COMMIT, State.RECOVERY):
        right = HANDLERS[state][Data]

        def both(engine: Engine, sender: int, frame: Data, right: Any = right) -> None:
            if frame.ring == engine.ring.id:
                take_old(engine, sender, frame)
            else:
                right(engine, sender, frame)

        patch.setitem(HANDLERS[state], Data, both)


@mutant(
    test="tests.vsync.test_attempts:test_the_commit_token_of_an_attempt_given_up_is_not_taken_again"
)
def the_number_of_the_ring_that_failed_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    right = change._give_up_forming

    def restore(engine: Engine) -> None:
        right(engine)
        engine.my_ring = engine.ring.id
        engine.membership.highest_ring_sequence = engine.ring.id.sequence

    patch.setattr(change, "_give_up_forming", restore)


@mutant(test="tests.vsync.scenarios.test_recovery:test_s3_each_alone_keeps_the_promise")
def obligations_are_dropped(patch: pytest.MonkeyPatch) -> None:
    right = recovering._promise

    def promise(engine: Engine, recovery: Recovery) -> None:
        right(engine, recovery)
        engine.obligations.clear()

    patch.setattr(recovering, "_promise", promise)


@mutant(test="tests.vsync.test_recovery:test_those_who_all_completed_one_recovery_exchange_nothing")
def whoever_recovered_once_exchanges_nothing(patch: pytest.MonkeyPatch) -> None:
    right = Recovery.begin.__func__  # type: ignore[attr-defined]

    def begin(cls: type, ring: Ring, old: Ring, table: Any, shared: RingId) -> Recovery:
        ours = [entry for entry in table if entry.old_ring == old.id]
        if all(entry.recovered_in != NO_RING for entry in ours):
            table = tuple(
                replace(
                    entry,
                    recovered_sequence=1,
                    recovered_representative=1,
                    recovered_nonce=1,
                )
                for entry in table
            )
            shared = RingId(1, 1, 1)
        made: Recovery = right(cls, ring, old, table, shared)
        return made

    patch.setattr(Recovery, "begin", classmethod(begin))


@mutant(
    test="tests.vsync.test_committing:test_the_commit_token_is_not_passed_on_before_the_rings_number_is_durable"
)
def the_ring_number_is_told_before_it_is_durable(patch: pytest.MonkeyPatch) -> None:
    right = committing._begin

    def begin(engine: Engine, *given: Any) -> None:
        right(engine, *given)
        engine.awaited = None
        committing.send(engine)

    patch.setattr(committing, "_begin", begin)


@mutant("B4", "D4", "D7", "T1", "B7", "B3", "engine", first=11)
def a_token_is_visited_twice(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        Ring, "is_fresh", lambda self, token: token.token_sequence >= self.token_sequence - 2
    )


@mutant(test="tests.vsync.test_recovering:test_the_representative_makes_the_first_token_once")
def a_second_first_token_is_made(patch: pytest.MonkeyPatch) -> None:
    right = recovering.on_commit

    def forget(engine: Engine, *given: Any) -> None:
        engine.is_started = False
        if engine.recovery is not None:
            engine.recovery.ring.token_sequence = 0
        right(engine, *given)

    patch.setitem(HANDLERS[State.RECOVERY], committing.Commit, forget)


@mutant("D4", "D1", "D5", "P1", "engine", "B8", "P2", "D2")
def messages_are_released_when_we_have_them(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Ring, "release", lambda self: self.log.release(self.delivered))


@mutant("D2", "D5", "D4")
def what_others_delivered_is_ignored(patch: pytest.MonkeyPatch) -> None:
    right = recovering.plan
    patch.setattr(
        recovering,
        "plan",
        lambda log, delivered, highest, owed: right(log, delivered, delivered, owed),
    )


@mutant("B6", "D2", "D4", "engine", "B7")
def any_former_fellow_counts_as_transitional(patch: pytest.MonkeyPatch) -> None:
    right = Recovery.begin.__func__  # type: ignore[attr-defined]

    def begin(cls: type, ring: Ring, old: Ring, table: Any, shared: RingId) -> Recovery:
        mine = {
            "old_sequence": old.id.sequence,
            "old_representative": old.id.representative,
            "old_nonce": old.id.nonce,
        }
        table = tuple(
            replace(entry, **mine) if entry.member in old.members else entry for entry in table
        )
        made: Recovery = right(cls, ring, old, table, shared)
        return made

    patch.setattr(Recovery, "begin", classmethod(begin))


@mutant("T2", "T3")
def the_floor_knows_delivered_messages_only(patch: pytest.MonkeyPatch) -> None:
    right = committing._entry
    patch.setattr(
        committing,
        "_entry",
        lambda engine: replace(right(engine), timestamp=engine.ring.delivered_time),
    )


@mutant("T5")
def the_clock_table_is_empty_after_a_change(patch: pytest.MonkeyPatch) -> None:
    right = operational.visit

    def visit(engine: Engine, token: Token) -> None:
        if engine.ring.delivered == 0:
            token = replace(token, clocks=(0,) * len(token.clocks))
        right(engine, token)

    patch.setattr(operational, "visit", visit)


@mutant(test="tests.vsync.test_operational:test_a_join_that_has_given_us_up_is_ignored")
def a_ring_is_left_for_whoever_gave_us_up(patch: pytest.MonkeyPatch) -> None:
    def heed(engine: Engine, sender: int, join: Any) -> None:
        change.gather_hearing(engine, sender, join)

    patch.setitem(HANDLERS[State.OPERATIONAL], committing.Join, heed)


@mutant(
    test="tests.vsync.test_operational:"
    "test_a_token_that_was_here_already_is_dropped_and_touches_no_timer"
)
def a_token_seen_before_resets_the_timer(patch: pytest.MonkeyPatch) -> None:
    right = reception.accept

    def accept(engine: Engine, sender: int, token: Token) -> bool:
        if token.ring == reception.present_ring(engine).id:
            engine.arm(Timer.TOKEN_LOSS, engine.config.token_loss_ns)
        return right(engine, sender, token)

    patch.setattr(reception, "accept", accept)


# Ours


@mutant("P1", "D1", "D4", adapt=lambda s: replace(s, load=replace(s.load, large=0.5)))
def a_message_sent_in_part_is_not_begun_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Outbox, "rewind", lambda self: None)


@mutant("B3", "B4", adapt=lambda s: replace(s, load=replace(s.load, large=0.5)))
def pieces_of_two_rings_make_one_message(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Assembly, "reset", lambda self: None)
    right = Assembly.unpack

    def unpack(self: Assembly, frame: Data) -> tuple[bytes, ...]:
        if frame.origin in self._parts:
            frame = replace(frame, flags=frame.flags & ~2)
        return right(self, frame)

    patch.setattr(Assembly, "unpack", unpack)


@mutant("B1")
def all_transitional_configurations_have_one_id(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(recovering, "transitional_id", lambda ring, members: f"T{ring}")


@mutant("T2", "T3")
def a_stamp_is_what_the_clock_says(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Reading, "stamp", lambda self, last: self.wanted)


@mutant("T4")
def a_forced_stamp_keeps_the_clocks_bound(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Reading, "error", lambda self, first, final: self.base.error)


@mutant("T2")
def times_are_not_reserved(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(lifecycle, "start", lifecycle.number)
    right = Engine.persist
    patch.setattr(Engine, "persist", lambda self, ring, until: right(self, ring, 0))
    patch.setattr(Engine, "is_reserved", lambda self, timestamp: True)


@mutant("B2", "B1")
def a_process_comes_back_under_its_old_number(patch: pytest.MonkeyPatch) -> None:
    right = Engine.__init__

    def begin(self: Engine, config: Any, me: int, boot: BootState, seed: Any) -> None:
        right(self, config, me, replace(boot, ring_sequence=max(0, boot.ring_sequence - 1)), seed)

    patch.setattr(Engine, "__init__", begin)


@mutant("D7", "D5")
def anybody_may_raise_what_all_received(patch: pytest.MonkeyPatch) -> None:
    def rule(self: Ring, token: Token, sequence: int) -> tuple[int, int]:
        mine = self.log.contiguous
        return mine, 0xFFFF if mine == sequence else self.me

    patch.setattr(Ring, "_lower_or_raise", rule)


@mutant("D2", "D3", "D4", "D5", "O1", first=201)
def recovery_ends_at_the_first_quiet_visit(patch: pytest.MonkeyPatch) -> None:
    def at_once(self: Recovery, recovering: bool, sequence: int, *_: int) -> Step:
        if recovering:
            return Step.EXCHANGING
        if not self.promised:
            return Step.PROMISE
        return Step.INSTALL

    patch.setattr(Recovery, "after_visit", at_once)


@mutant("D2", "D5", "D6", "D7")
def all_safe_messages_are_settled_at_once(patch: pytest.MonkeyPatch) -> None:
    right = recovering.plan
    patch.setattr(
        recovering,
        "plan",
        lambda log, delivered, highest, owed: right(
            log, delivered, max(highest, log.contiguous), owed
        ),
    )


@mutant("B3", "D2", "D5", "O1")
def what_was_not_acknowledged_is_not_exchanged(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Recovery, "supply", lambda self, allowance, token: self.queue.clear() or [])


@mutant("D4", "D5", "D7", "D8")
def the_new_configuration_comes_before_the_rest_of_the_old(patch: pytest.MonkeyPatch) -> None:
    right = recovering.plan

    def none_transitional(*given: Any) -> Plan:
        what = right(*given)
        return replace(what, regular=what.regular + what.transitional, transitional=())

    patch.setattr(recovering, "plan", none_transitional)


@mutant("B1")
def lost_storage_leads_to_a_ring_known_before(patch: pytest.MonkeyPatch) -> None:
    # Without a nonce the number and the representative alone name a ring.
    right = Engine.__init__

    class Zero:
        def __init__(self, random: Any) -> None:
            self.random = random

        def getrandbits(self, bits: int) -> int:
            return 0 if bits == 32 else int(self.random.getrandbits(bits))

        def randrange(self, *given: int) -> int:
            return int(self.random.randrange(*given))

    def begin(self: Engine, *given: Any) -> None:
        right(self, *given)
        self.random = Zero(self.random)  # type: ignore[assignment]

    patch.setattr(Engine, "__init__", begin)


@mutant(test="tests.cluster.test_ring:test_a_lossy_network_alone_changes_no_configuration")
def nothing_is_asked_for_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Ring, "_ask", lambda self, others, given_out: ())


@mutant("B0", "B6", "B8", "D2")
def the_transitional_configuration_is_left_out(patch: pytest.MonkeyPatch) -> None:
    right = Engine.emit

    def emit(self: Engine, effect: Any) -> None:
        if not (isinstance(effect, Configuration) and effect.kind is Kind.TRANSITIONAL):
            right(self, effect)

    patch.setattr(Engine, "emit", emit)


@mutant("P1", "P2", "B8", adapt=quiet)
def the_token_is_sent_once(patch: pytest.MonkeyPatch) -> None:
    right = Engine.arm
    patch.setattr(
        Engine,
        "arm",
        lambda self, timer, after: (
            None
            if timer in (Timer.TOKEN_RETRANSMIT, Timer.TOKEN_LOSS)
            else right(self, timer, after)
        ),
    )


@mutant("P2", "B8", "P1", adapt=quiet)
def rings_do_not_announce_themselves(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(change, "on_foreign", lambda *given: None)


@mutant("T5", "T4")
def a_clock_outside_the_majority_is_believed_over_it(patch: pytest.MonkeyPatch) -> None:
    right = Stamper.group_interval

    def shifted(self: Stamper, *given: Any) -> Any:
        group = right(self, *given)
        return None if group is None else group + 10_000_000

    patch.setattr(Stamper, "group_interval", shifted)


@mutant("D9", "B3", "D2", "engine", "B4")
def the_old_ring_goes_on_delivering(patch: pytest.MonkeyPatch) -> None:
    right = reception.take

    def take(engine: Engine, sender: int, frame: Any) -> bool:
        if isinstance(frame, Data) and frame.ring != engine.ring.id and engine.recovery is None:
            engine.deliver(engine.ring, frame, "R" + str(engine.ring.id))
            return False
        return right(engine, sender, frame)

    patch.setattr(reception, "take", take)
    patch.setattr(change, "on_foreign", take)


@mutant("B1", "T2")
def a_configuration_is_stamped_by_each_for_itself(patch: pytest.MonkeyPatch) -> None:
    right = Engine.deliver_regular
    patch.setattr(
        Engine,
        "deliver_regular",
        lambda self, came, timestamp, error: right(self, came, timestamp + self.me, error),
    )


@mutant("D1", "P1", "D5")
def a_member_forgets_what_it_sends(patch: pytest.MonkeyPatch) -> None:
    right = Ring.visit

    def visit(self: Ring, *given: Any) -> Any:
        made = right(self, *given)
        if len(made.sent) > 1 and made.sent[-1].sequence not in (self.delivered, self.safe):
            self.log.frames.pop(made.sent[-1].sequence, None)
        return made

    patch.setattr(Ring, "visit", visit)


@mutant(
    test="tests.vsync.test_operational:"
    "test_somebody_who_was_given_up_lately_is_not_asked_again_for_a_while"
)
def nobody_backs_off(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(BackOff, "is_shunned", lambda self, process, now, asks=False: False)


@mutant("D1", "D2", "B3", "engine")
def the_token_that_lingered_leaves_as_it_came(patch: pytest.MonkeyPatch) -> None:
    right = Ring.extend

    def extend(self: Ring, kept: Token, *given: Any) -> Any:
        return kept, right(self, kept, *given)[1]

    patch.setattr(Ring, "extend", extend)


@mutant(test="tests.vsync.test_lingering:test_a_visit_that_was_extended_is_one_long_visit")
def a_visit_that_goes_on_counts_as_a_rotation(patch: pytest.MonkeyPatch) -> None:
    right = Ring.extend

    def extend(self: Ring, *given: Any) -> Any:
        passed, sent = right(self, *given)
        self._advance_safe(passed.all_received_up_to)
        return passed, sent

    patch.setattr(Ring, "extend", extend)


@mutant(test="tests.vsync.test_lingering:test_hold_cancel_ends_it_and_the_next_guess_is_careful")
def whoever_lingers_hears_nobody(patch: pytest.MonkeyPatch) -> None:
    right = HANDLERS[State.OPERATIONAL][HoldCancel]

    def hears(engine: Engine, sender: int, frame: HoldCancel) -> None:
        if engine.lingering.kept is None:
            right(engine, sender, frame)

    patch.setitem(HANDLERS[State.OPERATIONAL], HoldCancel, hears)
