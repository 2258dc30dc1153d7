"""What is delivered where when a ring is lost: scenarios S1 to S4 and S12."""

from collections.abc import Iterable

import pytest

from clocksync.runtime.simulation import Disturbance
from clocksync.runtime.units import MILLISECOND, SECOND
from tests.vsync.scenarios.stage import HOP_NS, Stage, assert_clean, reg, trans
from vsync import gathering, reception, recovering
from vsync.config import RingConfig
from vsync.engine import Engine
from vsync.frames import CommitEntry, Data, Token
from vsync.identity import NO_RING, RingId
from vsync.recovery import Plan, Recovery
from vsync.ring import Ring
from vsync.states import Cause, State
from vsync.store import Log

Table = tuple[CommitEntry, ...]
recovering_plan = recovering.plan


def delivered_at_its_sender_only() -> Stage:
    stage = Stage(3)
    stage.form(1, 2, 3)
    stage.swallow(
        lambda sender, to, frame: sender == 1 and isinstance(frame, Token) and "m" in stage.told(1)
    )
    stage.say_safe(1, "m")
    stage.until_told(1, "m")
    stage.world.partition([1], [2, 3])
    stage.until_ring(2, 3)
    stage.until_ring(1)
    return stage


def test_s1_a_safe_message_delivered_by_its_isolated_sender_is_delivered_by_the_others() -> None:
    """All have m. Its sender 1 sees the token twice and delivers m as safe; then the token to 2 is
    lost and 1 with it. 2 and 3 do not know that m is safe, but 1 counted on them."""
    stage = delivered_at_its_sender_only()
    assert stage.told(1) == ["m", trans(1), reg(1)]
    assert stage.told(2) == stage.told(3) == [trans(2, 3), "m", reg(2, 3)]
    stage.calm_down()
    assert_clean(stage)


def literal_plan(
    log: Log, delivered: int, highest_delivered: int, obligations: Iterable[int]
) -> Plan:
    """TOCS 1995, figure 7, as it is printed: behind what is safe, only messages of those in the
    transitional configuration."""
    right = recovering_plan(log, delivered, highest_delivered, obligations)
    owed = set(obligations)
    rest = tuple(n for n in right.transitional if log.frames[n].origin in owed)
    return Plan(right.regular, rest, right.is_complete)


def test_s1_would_notice_the_literal_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovering, "plan", literal_plan)
    stage = delivered_at_its_sender_only()
    assert stage.told(1) == ["m", trans(1), reg(1)]
    assert stage.told(2) == [trans(2, 3), reg(2, 3)]


def delivered_before_the_token_was_lost() -> Stage:
    """As before, but only the token is lost: 1, who delivered m as safe, stays with the others."""
    stage = Stage(3)
    stage.form()
    old = stage.engine(1).ring.id
    stage.swallow(
        lambda sender, to, frame: (
            isinstance(frame, Token) and frame.ring == old and "m" in stage.told(1)
        )
    )
    stage.say_safe(1, "m")
    stage.until_told(1, "m")
    stage.run(HOP_NS)
    assert stage.told(2) == stage.told(3) == []
    stage.until_told(3, reg(1, 2, 3))
    stage.run(10 * MILLISECOND)
    return stage


def test_s1_a_safe_message_that_one_of_those_present_delivered_is_delivered_where_it_did() -> None:
    """m was safe for 1 in the old configuration. Those who go on with it do as it did, although
    they do not know that m is safe: the change is at the same place among the messages for all."""
    stage = delivered_before_the_token_was_lost()
    for me in (1, 2, 3):
        assert stage.told(me) == ["m", trans(1, 2, 3), reg(1, 2, 3)]
    assert_clean(stage)


def test_s1_would_notice_that_nobody_asks_what_others_delivered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def blind(log: Log, delivered: int, highest_delivered: int, obligations: Iterable[int]) -> Plan:
        return recovering_plan(log, delivered, delivered, obligations)

    monkeypatch.setattr(recovering, "plan", blind)
    stage = delivered_before_the_token_was_lost()
    assert stage.told(1) == ["m", trans(1, 2, 3), reg(1, 2, 3)]
    assert stage.told(2) == [trans(1, 2, 3), "m", reg(1, 2, 3)]


def the_worked_example() -> Stage:
    """1, 2, 3 are p, q, r; 4 and 5 are s and t."""
    stage = Stage(5, config=RingConfig.simulated(misses=1))
    stage.world.partition([1, 2, 3], [4, 5])
    stage.until_ring(4, 5)
    stage.form(1, 2, 3)
    # That 1 lacks m2 for a rotation keeps the others from knowing that it is safe.
    late = stage.swallow_message("m2", 1)
    stage.swallow_message("m3", 2, 3)
    stage.swallow(
        lambda sender, to, frame: sender == 1 and isinstance(frame, Token) and "m2" in stage.told(1)
    )
    stage.say_safe(1, "m1")
    stage.say_safe(2, "m2")
    stage.until_sent("m2")
    stage.run(HOP_NS)
    late.end()
    stage.until(lambda: stage.engine(1).ring.log.contiguous == 2, "1 has m2")
    stage.say_safe(1, "m3")
    stage.until_sent("m3")
    stage.say_safe(3, "m4")
    stage.until_sent("m4")
    stage.say_safe(1, "m5")
    stage.until_told(1, "m2")
    stage.run(2 * HOP_NS)
    assert [stage.sent[name][1] for name in ("m1", "m2", "m3", "m4", "m5")] == [1, 2, 3, 4, 5]
    return stage


def test_s2_the_worked_example_of_the_papers() -> None:
    """Five safe messages. 1 has them all and knows that two are safe; 2 and 3 lack the third and
    know that the first is safe. Then {1} | {2,3}, and 2 and 3 merge with 4 and 5.

    What 2 and 3 have before the gap they deliver among themselves; m5 comes behind the gap from
    somebody who is not with them, so it may depend on m3, and is left out."""
    stage = the_worked_example()
    assert stage.told(1) == ["m1", "m2"]
    assert stage.told(2) == stage.told(3) == ["m1"]
    stage.world.partition([1], [2, 3, 4, 5])
    stage.until_ring(2, 3, 4, 5)
    stage.until_ring(1)
    assert stage.told(1) == ["m1", "m2", trans(1), "m3", "m4", "m5", reg(1)]
    for me in (2, 3):
        assert stage.told(me) == ["m1", trans(2, 3), "m2", "m4", reg(2, 3, 4, 5)]
    for me in (4, 5):
        assert stage.told(me) == [trans(4, 5), reg(2, 3, 4, 5)]
    stage.calm_down()
    assert_clean(stage)


def installed_by_one_only(count: int = 4, others: tuple[int, ...] = ()) -> Stage:
    """Ring {1,2,3,4,...}. 4 sends x, which nobody gets. 1 sends y, safe, behind that gap; 4 dies.
    1, 2 and 3 recover y on a new ring and promise it; 1 installs the ring and delivers y; the token
    that would let 2 install is lost, and 1 is isolated before it can say so."""
    stage = Stage(count)
    stage.form()
    stage.swallow_message("x", 1, 2, 3, *others)
    stage.swallow_message("y", *others)
    stage.swallow(
        lambda sender, to, frame: (
            sender == 1 and isinstance(frame, Token) and reg(1, 2, 3) in stage.told(1)
        )
    )
    stage.say(4, "x")
    stage.until_sent("x")
    if others:
        stage.swallow_message("z", 1, 2, 3)
        stage.say(others[-1], "z")
        stage.until_sent("z")
    stage.say_safe(1, "y")
    stage.until_sent("y")
    stage.run(HOP_NS)
    stage.world.crash(4)
    return stage


def lose_the_others(stage: Stage, *parts: list[int]) -> None:
    """1 installs, and is alone from then on; the others are divided like this."""
    stage.until_told(1, reg(1, 2, 3))
    assert stage.told(1) == [trans(1, 2, 3), "y", reg(1, 2, 3)]
    for me in (2, 3):
        assert stage.engine(me).state is State.RECOVERY
        assert stage.engine(me).obligations == {1, 2, 3}
        assert stage.told(me) == []
    stage.world.partition([1], *parts)


def test_s3_two_who_promised_and_did_not_install_keep_their_promise_to_the_one_who_did() -> None:
    """2 and 3 form a ring without 1. They deliver 1's y behind the gap, although 1 is not with
    them: they owe it."""
    stage = installed_by_one_only()
    lose_the_others(stage, [2, 3])
    stage.until_ring(2, 3)
    stage.until_ring(1)
    for me in (2, 3):
        assert stage.told(me) == [trans(2, 3), "y", reg(2, 3)]
    assert stage.told(1)[3:] == [trans(1), reg(1)]
    stage.world.restart(4)
    stage.calm_down()
    assert "x" not in stage.told(1) + stage.told(2) + stage.told(3)
    assert_clean(stage)


def test_s3_each_alone_keeps_the_promise() -> None:
    """2 and 3 part from each other, too: two smaller transitional configurations, the same y."""
    stage = installed_by_one_only()
    lose_the_others(stage, [2], [3])
    stage.until_ring(2)
    stage.until_ring(3)
    for me in (2, 3):
        assert stage.told(me) == [trans(me), "y", reg(me)]
    stage.world.restart(4)
    stage.calm_down()
    assert_clean(stage)


def a_late_message_of_the_old_ring() -> Stage:
    """x, which nobody got in time, arrives: at 2 only, when 2 and 3 have lost their new ring."""
    stage = installed_by_one_only()
    lose_the_others(stage, [2, 3])
    stage.until_state(2, State.GATHER)
    stage.until_state(3, State.GATHER)
    stage.world.inject(2, 4, stage.lost["x"])
    stage.until_ring(2, 3)
    return stage


def test_s3_what_comes_too_late_is_left_out_by_all() -> None:
    """2 and 3 have published what they have of the old ring, and completed its recovery: they will
    not compare again. So the old ring must not grow at one of them."""
    stage = a_late_message_of_the_old_ring()
    for me in (2, 3):
        assert stage.told(me) == [trans(2, 3), "y", reg(2, 3)]
    assert stage.engine(2).dropped["of the old ring, which is frozen"] == 1
    assert_clean(stage)


def test_s3_would_notice_an_old_ring_that_still_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    def on_data(engine: Engine, sender: int, frame: Data) -> None:
        if frame.ring == engine.ring.id and reception.take(engine, sender, frame):
            engine.deliver_ready()

    monkeypatch.setitem(gathering.ON_FRAME, Data, on_data)
    stage = a_late_message_of_the_old_ring()
    assert "x" in stage.told(2)
    assert "x" not in stage.told(3)


def test_s3_would_notice_a_promise_that_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    def promise(engine: Engine, recovery: Recovery) -> None:
        recovery.promised = True
        engine.recovered_in = recovery.ring.id

    monkeypatch.setattr(recovering, "_promise", promise)
    stage = installed_by_one_only()
    stage.until_told(1, reg(1, 2, 3))
    stage.world.partition([1], [2, 3])
    stage.until_ring(2, 3)
    assert stage.told(2) == [trans(2, 3), reg(2, 3)]


def meet_a_third_part(stage: Stage) -> None:
    """5 and 6 come from the old ring as well, and were on the way to a ring of their own."""
    stage.world.partition([1, 2, 3], [5, 6])
    stage.swallow(
        lambda sender, to, frame: isinstance(frame, Token) and frame.ring_representative == 5
    )
    stage.until_state(6, State.RECOVERY)
    lose_the_others(stage, [2, 3, 5, 6])
    # Ours do not expire while no ring is installed; those of a patient implementation may.
    for me in (2, 3, 5, 6):
        stage.engine(me).membership.failed.clear()
        stage.engine(me).membership.joins.clear()


def test_s4_a_third_part_of_the_old_ring_takes_the_promise_over() -> None:
    """As S3, but 2 and 3 meet 5 and 6, who lack y and have promised nothing. The exchange begins
    anew, obligations are united, and all four deliver y; and z of 6, which 1 never had, before."""
    stage = installed_by_one_only(6, (5, 6))
    meet_a_third_part(stage)
    stage.until_ring(2, 3, 5, 6)
    for me in (2, 3, 5, 6):
        assert stage.told(me) == [trans(2, 3, 5, 6), "z", "y", reg(2, 3, 5, 6)]
    stage.world.restart(4)
    stage.calm_down()
    assert_clean(stage)


def test_s4_would_notice_an_exchange_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has completed a recovery takes it that all have."""
    begin = Recovery.begin

    def hasty(ring: Ring, old: Ring, table: Table, shared: RingId) -> Recovery:
        recovery = begin(ring, old, table, shared)
        if shared != NO_RING:
            recovery.queue.clear()
        return recovery

    monkeypatch.setattr(Recovery, "begin", hasty)
    stage = installed_by_one_only(6, (5, 6))
    meet_a_third_part(stage)
    stage.until_ring(2, 3, 5, 6)
    assert "y" in stage.told(2)
    assert "y" not in stage.told(5)


def test_s12_a_recovery_of_more_than_a_window_at_half_the_frames_lost() -> None:
    """1 has sent as much as flow control lets it; 2 and 3 have nothing of it. Then the token is
    lost, and on the way to the next ring every second frame is."""
    config = RingConfig.simulated(
        token_loss_ns=400 * MILLISECOND,
        consensus_ns=200 * MILLISECOND,
        recovery_rotations_max=500,
        window=6,
        misses=4,  # for as many rotations nothing is sent again, which would leave less room
    )
    stage = Stage(3, config=config)
    stage.form()
    names = [f"m{number}" for number in range(1, 61)]
    deaf = stage.swallow(lambda sender, to, frame: sender == 1 and isinstance(frame, Data))
    for agreed, safe in zip(names[::2], names[1::2], strict=True):
        stage.say(1, agreed)
        stage.say_safe(1, safe)
    stage.until(lambda: len(stage.sent) > 4 * config.window, "many are sent")
    on_the_way = len(stage.sent)
    lost = stage.swallow(lambda sender, to, frame: isinstance(frame, Token))
    stage.until(lambda: Cause.TOKEN_LOST in stage.causes(), "the token is lost")
    deaf.end()
    lost.end()
    assert on_the_way > 4 * config.window
    assert stage.engine(2).ring.log.highest == stage.engine(3).ring.log.highest == 0
    everywhere = [(one, other) for one in (1, 2, 3) for other in (1, 2, 3) if one != other]
    half = stage.world.disturb(everywhere, Disturbance(loss=0.5))
    stage.until_told(1, "REG{1,2,3}", within_ns=20 * SECOND)
    stage.world.calm(half)
    stage.calm_down()
    for me in (1, 2, 3):
        spoken = [line for line in stage.told(me) if line.startswith("m")]
        assert spoken == names
    assert stage.world.counts.lost > 100
    assert_clean(stage)
