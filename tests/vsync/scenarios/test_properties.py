"""The four properties of virtual synchrony, as transcripts of real engines.

After Steven Dake, "Inside Virtual Synchrony" (slides, 2005): self delivery, AGREED ordering, SAFE
ordering, and virtual synchrony. There M1, M2, ... are messages, CT and CR configurations.
"""

import pytest

from clocksync.runtime.units import MILLISECOND
from tests.vsync.scenarios.stage import HOP_NS, Stage, assert_clean, reg, trans
from vsync.frames import Token
from vsync.ring import Ring

# 1: self delivery


def test_self_delivery_a_sender_delivers_its_own_message() -> None:
    """P1 sends M1. M1 is delivered to P1, in the order, not at once: it has no place in it yet."""
    stage = Stage(3)
    stage.form()
    stage.say(2, "M1")
    assert stage.told(2) == []
    stage.until_told(2, "M1")
    stage.run(10 * MILLISECOND)
    assert stage.told(1) == stage.told(2) == stage.told(3) == ["M1"]
    assert_clean(stage)


@pytest.mark.parametrize("safe", [False, True])
def test_self_delivery_holds_for_a_sender_that_loses_everybody(safe: bool) -> None:
    """Its network dies as the message leaves: nobody else will ever have it. It is delivered to its
    sender all the same, if safe then with respect to a configuration of one."""
    stage = Stage(3)
    stage.form()
    (stage.say_safe if safe else stage.say)(2, "M1")
    stage.until_sent("M1")
    stage.world.partition([1, 3], [2])
    stage.until_ring(2)
    stage.until_ring(1, 3)
    alone = [trans(2), "M1", reg(2)] if safe else ["M1", trans(2), reg(2)]
    assert stage.told(2) == alone
    assert stage.told(1) == stage.told(3) == [trans(1, 3), reg(1, 3)]
    stage.calm_down()
    assert_clean(stage, is_quiet=True)


# 2: agreed ordering


def test_agreed_three_senders_and_one_order() -> None:
    """All speak at the same time, and all hear the same: in the order in which the token came by,
    and each sender's messages in its own order."""
    stage = Stage(3)
    stage.form()
    stage.say(3, "M1 of 3", "M2 of 3")
    stage.say(1, "M1 of 1", "M2 of 1")
    stage.say(2, "M1 of 2", "M2 of 2")
    stage.run(30 * MILLISECOND)
    order = ["M1 of 1", "M2 of 1", "M1 of 2", "M2 of 2", "M1 of 3", "M2 of 3"]
    told = stage.told(1)
    assert sorted(told) == sorted(order)
    assert stage.told(2) == stage.told(3) == told
    for me in (1, 2, 3):
        assert [line for line in told if line.endswith(f"of {me}")] == [
            f"M1 of {me}",
            f"M2 of {me}",
        ]
    assert_clean(stage)


def test_agreed_a_member_that_misses_a_message_waits_for_it() -> None:
    """Can't happen: P2 delivers M1 M2 M4 M3. P2 has M4 and not M3, and so it delivers neither,
    while the others have delivered all four."""
    stage = Stage(3)
    stage.form()
    late = stage.swallow_message("M3", 2)
    stage.say(1, "M1", "M2", "M3", "M4")
    stage.until_sent("M4")
    stage.run(2 * HOP_NS)
    assert 4 in stage.engine(2).ring.log.frames
    assert stage.told(2) == ["M1", "M2"]
    assert stage.told(1) == stage.told(3) == ["M1", "M2", "M3", "M4"]
    late.end()
    stage.until_told(2, "M4")
    assert stage.told(2) == ["M1", "M2", "M3", "M4"]
    assert_clean(stage)


def test_agreed_a_reply_comes_after_what_it_replies_to_everywhere() -> None:
    """2 answers when it delivers the question; 3 gets the answer first, and waits."""
    stage = Stage(3)
    stage.form()
    late = stage.swallow_message("question", 3)
    stage.say(1, "question")
    stage.until_told(2, "question")
    stage.say(2, "answer")
    stage.until_told(1, "answer")
    stage.run(2 * HOP_NS)
    assert stage.told(3) == []
    late.end()
    stage.until_told(3, "answer")
    for me in (1, 2, 3):
        assert stage.told(me) == ["question", "answer"]
    assert_clean(stage)


# 3: safe ordering


def test_safe_nobody_delivers_before_a_member_that_misses_the_message_has_recovered_it() -> None:
    """P1 sends M1 M2 M3. P2 and P3 only receive M1 and M2. P1, P2 and P3 deliver M1 M2. P2 and P3
    recover M3. M3 may now be delivered."""
    stage = Stage(3)
    stage.form()
    lost = stage.swallow_message("M3", 2, 3)
    stage.say_safe(1, "M1", "M2", "M3")
    for me in (1, 2, 3):
        stage.until_told(me, "M2")
    stage.run(50 * MILLISECOND)
    for me in (1, 2, 3):
        assert stage.told(me) == ["M1", "M2"]
    assert lost.count > 2
    assert stage.engine(1).ring.log.contiguous == 3
    lost.end()
    stage.until(lambda: stage.engine(2).ring.log.contiguous == 3, "2 has recovered it")
    assert stage.told(1) == stage.told(2) == stage.told(3) == ["M1", "M2"]
    stage.until_told(1, "M3")
    assert stage.engine(3).ring.log.contiguous == 3
    stage.run(20 * MILLISECOND)
    assert stage.told(1) == stage.told(2) == stage.told(3) == ["M1", "M2", "M3"]
    assert_clean(stage)


def test_safe_a_safe_message_holds_up_what_comes_after_it() -> None:
    """One order for both services: an agreed message behind a safe one waits with it."""
    stage = Stage(3)
    stage.form()
    lost = stage.swallow_message("safe", 3)
    stage.say_safe(1, "safe")
    stage.say(1, "agreed")
    stage.until_sent("agreed")
    stage.run(50 * MILLISECOND)
    assert stage.told(1) == stage.told(2) == stage.told(3) == []
    lost.end()
    stage.run(50 * MILLISECOND)
    for me in (1, 2, 3):
        assert stage.told(me) == ["safe", "agreed"]
    assert_clean(stage)


def test_safe_would_notice_a_message_that_is_safe_after_one_visit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The number everybody has received is raised in hope by whoever sends."""

    def hasty(ring: Ring, received: int) -> None:
        ring.safe = max(ring.safe, received)
        ring._received_by_all = received

    monkeypatch.setattr(Ring, "_advance_safe", hasty)
    stage = Stage(3)
    stage.form()
    stage.swallow_message("M1", 2, 3)
    stage.say_safe(1, "M1")
    stage.until_told(1, "M1")
    assert stage.engine(2).ring.log.contiguous == 0
    assert [rule for rule, _ in stage.watch.violations] == ["D7"]


# 4: virtual synchrony


def test_virtual_synchrony_configurations_come_at_the_same_place_among_the_messages() -> None:
    """P1: M1 M2 M3 M4 CT1 CR1; P2: M1 M2 M3 M4 CT1 CR1. Can't happen: P2 without M4.

    4 says M1 to M4 and dies. 2 has lost M4, and 3 has nothing but M1; between them and 1 they have
    it all, and each delivers all of it before the configuration changes."""
    stage = Stage(4)
    stage.form()
    stage.swallow_message("M4", 2)
    for name in ("M2", "M3", "M4"):
        stage.swallow_message(name, 3)
    stage.say(4, "M1", "M2", "M3", "M4")
    stage.until_sent("M4")
    stage.run(HOP_NS)
    stage.world.crash(4)
    stage.run(2 * HOP_NS)
    assert [stage.told(me) for me in (1, 2, 3)] == [
        ["M1", "M2", "M3", "M4"],
        ["M1", "M2", "M3"],
        ["M1"],
    ]
    stage.until_ring(1, 2, 3)
    for me in (1, 2, 3):
        assert stage.told(me) == ["M1", "M2", "M3", "M4", trans(1, 2, 3), reg(1, 2, 3)]
    assert_clean(stage)


def test_virtual_synchrony_a_message_nobody_left_has_is_delivered_by_nobody_left() -> None:
    """M4 never reached anybody but its sender. Those who stay together agree on that, too."""
    stage = Stage(3)
    stage.form()
    stage.swallow_message("M4", 1, 2)
    stage.say(3, "M1", "M2", "M3", "M4")
    stage.until_sent("M4")
    stage.run(HOP_NS)
    stage.world.crash(3)
    stage.until_ring(1, 2)
    assert "M4" in stage.told(3)
    for me in (1, 2):
        assert stage.told(me) == ["M1", "M2", "M3", trans(1, 2), reg(1, 2)]
    assert_clean(stage)


def test_virtual_synchrony_a_partition_and_a_merge_are_at_the_same_place_for_each_side() -> None:
    """Each side goes its own way, and at the merge each shows that it comes from its own past."""
    stage = Stage(4)
    stage.form()
    stage.say(1, "M1")
    stage.until_told(4, "M1")
    stage.world.partition([1, 2], [3, 4])
    stage.until_ring(1, 2)
    stage.until_ring(3, 4)
    stage.say_safe(1, "of 1 and 2")
    stage.say_safe(4, "of 3 and 4")
    stage.until_told(2, "of 1 and 2")
    stage.until_told(3, "of 3 and 4")
    stage.world.heal()
    stage.until_ring(1, 2, 3, 4)
    stage.say(3, "M2")
    for me in (1, 2, 3, 4):
        stage.until_told(me, "M2")
    everybody = reg(1, 2, 3, 4)
    for me in (1, 2):
        apart = [trans(1, 2), reg(1, 2), "of 1 and 2", trans(1, 2)]
        assert stage.told(me) == ["M1", *apart, everybody, "M2"]
    for me in (3, 4):
        apart = [trans(3, 4), reg(3, 4), "of 3 and 4", trans(3, 4)]
        assert stage.told(me) == ["M1", *apart, everybody, "M2"]
    stage.calm_down()
    assert_clean(stage, is_quiet=True)


def test_virtual_synchrony_needs_nobody_to_die() -> None:
    """Only the token is lost: the same members, another configuration, at the same place."""
    stage = Stage(3)
    stage.form()
    stage.say(2, "M1")
    stage.until_told(3, "M1")
    old = stage.engine(1).ring.id
    stage.swallow(lambda sender, to, frame: isinstance(frame, Token) and frame.ring == old)
    stage.until_told(1, reg(1, 2, 3))
    stage.say(2, "M2")
    stage.until_told(3, "M2")
    stage.run(10 * MILLISECOND)
    for me in (1, 2, 3):
        assert stage.told(me) == ["M1", trans(1, 2, 3), reg(1, 2, 3), "M2"]
    assert_clean(stage)
