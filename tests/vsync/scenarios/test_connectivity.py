"""Who hears whom: links that work one way, pauses, starts, leaves, and members gone deaf.

Scenarios S7 to S10 and S17.
"""

from functools import partial

import pytest

from clocksync.runtime.simulation import Constant, Link
from clocksync.runtime.units import MILLISECOND, SECOND
from tests.vsync.scenarios.stage import Stage, assert_clean, braces, reg, trans
from vsync import change
from vsync.config import RingConfig
from vsync.engine import Engine
from vsync.events import Left, Moved
from vsync.frames import Recovered
from vsync.membership import BackOff
from vsync.states import Cause, State

MINUTE = 60 * SECOND

PATIENT = RingConfig(
    token_loss_ns=1000 * MILLISECOND,
    token_retransmit_ns=150 * MILLISECOND,
    token_hold_ns=100 * MILLISECOND,
    merge_ns=500 * MILLISECOND,
)
"""The timers of a real ring, but for an idle token that circulates slowly: ten minutes of it."""


# S7: who hears whom is not the same for all, and not the same both ways


def far_apart(count: int) -> Stage:
    return Stage(count, config=PATIENT, link=Link(delay=Constant(5 * MILLISECOND)))


def ten_minutes(stage: Stage, *cuts: tuple[int, int]) -> int:
    """A ring; then these directions are cut, and everybody says something now and then."""
    stage.form()
    cut_at = stage.world.now
    for sender, to in cuts:
        stage.world.cut(sender, to)
    for minute in range(10):
        for me in stage.group.members:
            at = cut_at + minute * MINUTE + MINUTE // 2 + me * SECOND
            stage.world.at(at, partial(stage.say, me, f"{minute} of {me}"))
    stage.run(10 * MINUTE)
    return cut_at


def rings_per_minute(stage: Stage, me: int, since: int) -> list[int]:
    found = [0] * 10
    for seen in stage.installed:
        if seen.me == me and seen.at_ns >= since:
            found[(seen.at_ns - since) // MINUTE] += 1
    return found


def assert_few_rings(stage: Stage, since: int) -> None:
    """Back-off: 250 ms, doubled up to 30 s. Getting there takes seven attempts, within the first
    minute; after that two a minute. Each is worth a ring at those who try, now and then two."""
    for me in stage.group.members:
        minutes = rings_per_minute(stage, me, since)
        assert minutes[0] <= 12, (me, minutes)
        assert max(minutes[1:]) <= 3, (me, minutes)
        assert sum(minutes) <= 32, (me, minutes)


def minutes_shared(stage: Stage, one: int, other: int) -> int:
    """In how many minutes each delivered what the other said."""
    heard = {one: set(stage.told(one)), other: set(stage.told(other))}
    return sum(
        f"{minute} of {other}" in heard[one] and f"{minute} of {one}" in heard[other]
        for minute in range(10)
    )


@pytest.mark.slow
def test_s7_a_triangle_without_one_side_ends_in_one_clique_and_one_alone() -> None:
    """1 and 2 do not hear each other, 3 hears both. Without care the membership flaps for ever, the
    most frequent complaint about corosync. Here 1 and 3 work together, and 2 is asked ever less."""
    stage = far_apart(3)
    since = ten_minutes(stage, (1, 2), (2, 1))
    assert_few_rings(stage, since)
    assert max(minutes_shared(stage, 1, 3), minutes_shared(stage, 2, 3)) >= 9
    assert minutes_shared(stage, 1, 2) == 0
    assert_clean(stage)


@pytest.mark.slow
@pytest.mark.parametrize(("deaf", "mute"), [(1, 2), (2, 1), (3, 1)])
def test_s7_a_link_that_works_one_way_only_ends_in_one_clique(deaf: int, mute: int) -> None:
    """One does not hear the other and is heard by it. There is always a pair that hears each other,
    and it works all the time; the third is asked ever less.

    Where 3 does not hear 1 there is even more: a ring of three, since its token goes from 1 to 2,
    from 2 to 3 and from 3 to 1, until 1 says something and 3 is found deaf."""
    stage = far_apart(3)
    since = ten_minutes(stage, (mute, deaf))
    assert_few_rings(stage, since)
    pairs = [pair for pair in ((1, 2), (1, 3), (2, 3)) if set(pair) != {deaf, mute}]
    assert max(minutes_shared(stage, *pair) for pair in pairs) >= 9
    assert_clean(stage)


def test_s7_two_of_whom_one_is_mute_go_on_alone() -> None:
    """1 hears 2, 2 does not hear 1. Each delivers its own at once or after the next ring."""
    stage = far_apart(2)
    since = ten_minutes(stage, (1, 2))
    assert_few_rings(stage, since)
    for me in (1, 2):
        assert {f"{minute} of {me}" for minute in range(10)} <= set(stage.told(me))
    assert_clean(stage)


@pytest.mark.slow
def test_s7_would_notice_that_nobody_backs_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BackOff, "is_shunned", lambda self, process, now, asks=False: False)
    stage = far_apart(3)
    stage.form()
    since = stage.world.now
    stage.world.cut(1, 2)
    stage.world.cut(2, 1)
    stage.run(MINUTE)
    with pytest.raises(AssertionError):
        assert_few_rings(stage, since)


# S8: pauses


def after_a_pause(times: float, victim: int, seed: int, make: type[Engine] = Engine) -> Stage:
    """One of five is stopped for so many token timeouts, just when it has passed the token on and
    the others fill its queue; and goes on."""
    stage = Stage(5, seed=seed, make=make)
    stage.form()
    others = [me for me in stage.group.members if me != victim]
    for number in range(10):
        for me in others:
            at = stage.world.now + number * 20 * MILLISECOND
            stage.world.at(at, partial(stage.say_safe, me, f"{number} of {me}"))
    stage.run(30 * MILLISECOND)
    for me in others:
        stage.say(me, *(f"burst {number} of {me}" for number in range(4)))
    visited = stage.engine(victim).ring.token_sequence
    stage.until(lambda: stage.engine(victim).ring.token_sequence > visited, "it has the token")
    stage.scene()
    stage.world.pause(victim)
    stage.run(round(times * stage.group.config.token_loss_ns))
    assert len(stage.world.node(victim).backlog) > 15
    stage.world.resume(victim)
    stage.run(SECOND)
    stage.calm_down()
    return stage


def rings_in(told: list[str]) -> int:
    return sum(line.startswith("REG") for line in told)


@pytest.mark.slow
@pytest.mark.parametrize(("times", "rings"), [(0.6, 0), (1.1, 1), (5.0, 2)])
@pytest.mark.parametrize("victim", [1, 2])
@pytest.mark.parametrize("seed", range(3))
def test_s8_a_paused_member_does_no_damage_with_what_it_finds_in_its_queue(
    times: float, rings: int, victim: int, seed: int
) -> None:
    """Before the timeout nobody needs to notice. Just after it, the others are still gathering, and
    one ring of all five is formed. After five timeouts there is one without it and one with it.
    What waits in its queue, Joins of long ago among it, costs no ring more."""
    stage = after_a_pause(times, victim, seed)
    others = [me for me in stage.group.members if me != victim]
    said = {f"{number} of {other}" for number in range(10) for other in others}
    for me in others:
        assert rings_in(stage.told(me)) == rings
        assert said <= set(stage.story(me))
        ghosts = [members for members in stage.regs(me)[1:] if not set(others) <= set(members)]
        assert ghosts == []
    assert rings_in(stage.told(victim)) <= rings
    stale = stage.engine(victim).dropped["of the time while we were paused"]
    assert (stale > 0) == (times > 1)
    assert_clean(stage, is_quiet=True)


@pytest.mark.slow
def test_s8_would_notice_a_member_that_acts_on_what_it_slept_through() -> None:
    class Heedless(Engine):
        def _notice_pause(self) -> None:
            pass

    stages = [after_a_pause(5.0, 2, seed, Heedless) for seed in range(4)]
    assert max(rings_in(stage.told(1)) for stage in stages) > 2


# S9: everybody comes


@pytest.mark.parametrize("seed", range(10))
def test_s9_five_that_start_within_50_ms_need_at_most_two_rings(seed: int) -> None:
    stage = Stage(5, seed=seed, spread_ns=50 * MILLISECOND, config=RingConfig())
    stage.until_ring(1, 2, 3, 4, 5)
    stage.calm_down()
    for me in stage.group.members:
        regs = stage.regs(me)
        assert regs[0] == (me,)
        assert regs[-1] == (1, 2, 3, 4, 5)
        assert len(regs) <= 3, regs
    assert_clean(stage, is_quiet=True)


def test_s9_five_that_start_at_once_need_one_ring() -> None:
    stage = Stage(5)
    stage.form()
    for me in stage.group.members:
        assert stage.regs(me) == [(me,), (1, 2, 3, 4, 5)]
    assert_clean(stage, is_quiet=True)


# S10: everybody goes


@pytest.mark.parametrize("seed", range(5))
def test_s10_all_leave_at_once_and_nobody_waits_for_a_token(seed: int) -> None:
    """What they said just before is delivered; then each is told that it has left."""
    stage = Stage(5, seed=seed)
    stage.form()
    for me in stage.group.members:
        stage.say_safe(me, f"last words of {me}")
    began = stage.world.now
    for me in stage.group.members:
        stage.group.leave(me)
    stage.until(
        lambda: len([seen for seen in stage.seen if isinstance(seen.effect, Left)]) == 5,
        "all have left",
    )
    gone = [seen.me for seen in stage.seen if isinstance(seen.effect, Left)]
    assert sorted(gone) == [1, 2, 3, 4, 5]
    waited = (Cause.TOKEN_LOST, Cause.COMMIT_LOST, Cause.RECOVERY_LOST)
    assert not set(waited) & set(stage.causes())
    assert stage.world.now - began < stage.group.config.token_loss_ns
    for me in stage.group.members:
        assert f"last words of {me}" in stage.told(me)
    assert_clean(stage)


def test_s10_one_leaves_and_the_others_do_not_wait_for_a_token() -> None:
    stage = Stage(3)
    stage.form()
    stage.say(2, "goodbye")
    stage.group.leave(2)
    stage.until_ring(1, 3)
    assert Cause.TOKEN_LOST not in stage.causes()
    assert Cause.LEAVE_HEARD in stage.causes(1)
    assert stage.told(1) == stage.told(3) == ["goodbye", trans(1, 3), reg(1, 3)]
    assert stage.told(2) == ["goodbye", trans(2), reg(2)]
    assert_clean(stage)


def test_s10_would_notice_that_nobody_says_goodbye(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(change, "say_goodbye", lambda engine: None)
    stage = Stage(3)
    stage.form()
    stage.group.leave(2)
    stage.until_ring(1, 3)
    assert Cause.LEAVE_HEARD not in stage.causes(1)


# S17: small datagrams pass, large ones do not


LARGE = 1250
LONG_MESSAGES = RingConfig.simulated(datagram_bytes=1400)


def deaf_for_large_ones(victim: int) -> Stage:
    """Nothing of more than 1200 bytes reaches `victim`, as behind a link with a smaller MTU."""
    stage = Stage(4, config=LONG_MESSAGES)
    stage.form()
    stage.world.intercept(lambda sender, to, data: to == victim and len(data) > 1200)
    return stage


def last_words_on(stage: Stage, cause: Cause) -> list[int]:
    return [s.me for s in stage.seen if isinstance(s.effect, Moved) and s.effect.cause is cause]


@pytest.mark.parametrize("victim", [1, 3])
def test_s17_a_member_that_gets_no_large_datagrams_is_named_and_left_behind(victim: int) -> None:
    """The token reaches it, so no timeout helps: it asks for the message at every visit, and nobody
    can make anything safe. The others give it up, and say whom and why."""
    stage = deaf_for_large_ones(victim)
    config = stage.group.config
    others = tuple(me for me in (1, 2, 3, 4) if me != victim)
    stage.say_safe(others[0], "large", size=LARGE)
    began = stage.world.now
    accused: list[set[int]] = []

    def is_noticed() -> bool:
        accusers = last_words_on(stage, Cause.MEMBER_DEAF)
        accused.extend(set(stage.engine(me).membership.failed) for me in accusers)
        return bool(accused)

    rotation = 4 * MILLISECOND
    bound = max(2 * config.token_loss_ns, config.deaf_visits * rotation) + 20 * MILLISECOND
    stage.until(is_noticed, "somebody is found deaf", bound)
    assert accused[0] == {victim}
    assert victim not in last_words_on(stage, Cause.MEMBER_DEAF)
    stage.until_told(others[0], f"REG{braces(others)}")
    for me in others:
        stage.until_told(me, reg(*others))
        assert stage.told(me)[:3] == [trans(*others), "large", reg(*others)]
    assert stage.world.now - began < bound + 2 * config.consensus_ns + config.token_loss_ns
    assert Cause.MEMBER_DEAF in {cause for me in others for cause in stage.reasons[me]}
    stage.run(SECOND)
    assert_clean(stage)


def test_s17_a_member_that_gets_no_large_datagrams_does_not_hang_a_recovery() -> None:
    """The same in recovery, where the message is exchanged: the token is lost before anybody is
    found deaf, and the message comes in an even larger datagram on the next ring."""
    stage = deaf_for_large_ones(3)
    recovered: list[int] = []

    def looks(sender: int, to: int, frame: object) -> bool:
        if isinstance(frame, Recovered) and to == 3:
            recovered.append(sender)
        return False

    stage.swallow(looks)
    stage.say_safe(1, "large", size=LARGE)
    stage.until_sent("large")
    stage.world.crash(4)
    stage.until_state(1, State.RECOVERY)
    assert stage.engine(1).members == (1, 2, 3)
    stage.until_ring(1, 2)
    assert recovered
    assert Cause.MEMBER_DEAF in stage.causes(1, 2)
    assert stage.told(1) == stage.told(2) == [trans(1, 2), "large", reg(1, 2)]
    stage.run(SECOND)
    assert_clean(stage)
