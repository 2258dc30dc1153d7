"""Timestamps when clocks are wrong and groups divide: scenarios S16 and S18."""

from functools import partial

import pytest

from clocksync.runtime.units import MILLISECOND, SECOND
from tests.vsync.scenarios.stage import HOP_NS, Stage, assert_clean, reg, trans
from vsync import committing
from vsync.events import TimeRefused
from vsync.simulation.group import CLOCK_ERROR_NS
from vsync.simulation.node import STATE
from vsync.states import Cause

YEAR = 365 * 86_400 * SECOND


def deliveries(stage: Stage) -> list[dict[str, object]]:
    return [event for event in stage.group.history if event["event"] == "deliver"]


def true_times(stage: Stage) -> dict[str, int]:
    """When messages were sent, by a clock nobody has; not of members with a wrong clock."""
    return {
        event["message"]: event["true_time"]
        for event in stage.group.history
        if event["event"] == "send" and "true_time" in event
    }


def assert_stamps_are_the_same_everywhere(stage: Stage) -> None:
    """T1."""
    known: dict[object, object] = {}
    for event in deliveries(stage):
        stamp = event["timestamp"], event["error"], event["flags"]
        assert known.setdefault(event["message"], stamp) == stamp, event


def assert_stamps_only_grow(stage: Stage) -> None:
    """T2: also over restarts, and over configurations."""
    last = dict.fromkeys(stage.group.members, 0)
    for event in stage.group.history:
        is_regular = event.get("kind") == "regular"
        if event["event"] == "deliver" or is_regular:
            assert event["timestamp"] > last[event["node"]], event
            last[event["node"]] = event["timestamp"]


def assert_replies_are_later(stage: Stage) -> None:
    """T3: what was delivered before something was sent has an earlier stamp."""
    stamps = {event["message"]: event["timestamp"] for event in deliveries(stage)}
    last = dict.fromkeys(stage.group.members, 0)
    for event in stage.group.history:
        if event["event"] == "deliver":
            last[event["node"]] = event["timestamp"]
        elif event["event"] == "send" and event["message"] in stamps:
            assert stamps[event["message"]] > last[event["node"]], event


def assert_bounds_hold(stage: Stage) -> int:
    """T4: true time lies within the bound, if the sender's clock was right. How many there were."""
    true = true_times(stage)
    judged = 0
    for event in deliveries(stage):
        if event["message"] in true:
            distance = abs(event["timestamp"] - true[event["message"]])  # type: ignore[operator]
            assert distance <= event["error"], event  # type: ignore[operator]
            judged += 1
    return judged


def talk(stage: Stage, who: tuple[int, ...], about: str, rounds: int = 5) -> None:
    for number in range(rounds):
        for me in who:
            at = stage.world.now + number * 10 * MILLISECOND + me * MILLISECOND
            stage.world.at(at, partial(stage.say, me, f"{about} {number} of {me}"))
    stage.run((rounds + 3) * 10 * MILLISECOND)


# S16: a clock steps


@pytest.mark.slow
@pytest.mark.parametrize("step", [SECOND, -SECOND], ids=["ahead", "back"])
@pytest.mark.parametrize("victim", [2, 5])
def test_s16_a_clock_steps_by_a_second_during_a_partition(step: int, victim: int) -> None:
    """{1,2,3} | {4,5}; then the clock of one of five jumps and does not know. Among three the
    others outvote it; among two nobody can say who is right, and stamps are marked. They merge; the
    clock is right again. Order, sameness and the bounds of the others hold all the time, and in the
    end no stamp is marked."""
    stage = Stage(5, seed=f"{step}")
    stage.form()
    talk(stage, (1, 2, 3, 4, 5), "together")
    stage.world.partition([1, 2, 3], [4, 5])
    stage.until_ring(1, 2, 3)
    stage.until_ring(4, 5)
    talk(stage, (1, 2, 3, 4, 5), "apart")
    stage.group.step_clock(victim, step)
    talk(stage, (1, 2, 3, 4, 5), "wrong")
    if victim == 2:
        for me in (1, 3):
            stamps = [stage.stamps[f"wrong {number} of {me}"] for number in range(5)]
            assert all(flags == () for _, _, flags in stamps), stamps
        assert stage.stamps["wrong 4 of 2"][2] == ("suspect",)
        apart = stage.stamps["wrong 4 of 2"][0] - stage.stamps["wrong 4 of 1"][0]
        assert (
            abs(apart) < 20 * MILLISECOND
        )  # its value is the others', whatever its own clock says
    else:
        assert stage.stamps["wrong 4 of 5"][2] == ("unverified",)
    stage.world.heal()
    stage.until_ring(1, 2, 3, 4, 5)
    talk(stage, (1, 2, 3, 4, 5), "merged")
    stage.group.step_clock(victim, -step)
    stage.calm_down()
    stage.run(2 * SECOND)
    talk(stage, (1, 2, 3, 4, 5), "right again", rounds=5)
    for me in stage.group.members:
        told = [stage.stamps[f"right again {number} of {me}"] for number in range(5)]
        assert all(flags == () for _, _, flags in told), told
        assert all(error < 10 * MILLISECOND for _, error, _ in told), told
    assert_stamps_are_the_same_everywhere(stage)
    assert_stamps_only_grow(stage)
    assert_replies_are_later(stage)
    assert assert_bounds_hold(stage) > 300
    assert stage.watch.violations == []
    assert_clean(stage, is_quiet=True)


def test_s16_would_notice_a_clock_that_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vsync.ringtime.majority", lambda clocks: None)
    stage = Stage(3)
    stage.form()
    stage.group.step_clock(2, SECOND)
    talk(stage, (1, 2, 3), "wrong")
    assert stage.stamps["wrong 4 of 2"][2] == ("unverified",)


# S18: a year ahead


def but(one: int) -> tuple[int, ...]:
    return tuple(me for me in range(1, 7) if me != one)


def meet_one_from_the_future(one: int = 6) -> Stage:
    """One was alone with a clock a year ahead, and said things. Its clock is right again, its
    stamps are not. It meets five others."""
    stage = Stage(6)
    stage.world.partition(but(one), [one])
    stage.until_ring(*but(one))
    stage.until_ring(one)
    stage.group.step_clock(one, YEAR)
    stage.say(one, "from the future")
    stage.until_told(one, "from the future")
    assert stage.stamps["from the future"][0] > stage.world.true_wall_time + YEAR - SECOND
    stage.group.step_clock(one, -YEAR)
    stage.run(100 * MILLISECOND)
    stage.scene()
    stage.world.heal()
    return stage


def refusals(stage: Stage, me: int) -> list[TimeRefused]:
    return [s.effect for s in stage.seen if s.me == me and isinstance(s.effect, TimeRefused)]


def assert_the_five_have_true_stamps(stage: Stage, about: str, one: int = 6) -> None:
    talk(stage, but(one), about, rounds=2)
    true = stage.world.true_wall_time
    for number in range(2):
        for me in but(one):
            timestamp, error, flags = stage.stamps[f"{about} {number} of {me}"]
            assert abs(timestamp - true) < SECOND
            assert error < 4 * CLOCK_ERROR_NS
            assert flags == ()


@pytest.mark.slow
@pytest.mark.parametrize("one", [1, 6])
def test_s18_one_whose_stamps_are_a_year_ahead_is_refused_by_a_good_group(one: int) -> None:
    """Were it let in, every stamp of the five would have to lie above its, for ever. The five go on
    with true stamps, and do not try it again and again."""
    stage = meet_one_from_the_future(one)
    stage.until(lambda: any(refusals(stage, me) for me in stage.group.members), "it is refused")
    stage.until_ring(*but(one))
    stage.until_ring(one)
    assert_the_five_have_true_stamps(stage, "after", one)
    stage.run(5 * SECOND)
    for me in but(one):
        lines = [line for line in stage.told(me) if "{" in line]
        assert lines == [trans(*but(one)), reg(*but(one))], lines
        assert len(refusals(stage, me)) <= 1
        assert stage.reasons[me][-1] in (Cause.MERGE_HEARD, Cause.JOIN_HEARD)
    assert_stamps_only_grow(stage)
    assert_clean(stage)


@pytest.mark.parametrize("one", [1, 6])
def test_s18_both_sides_learn_why(one: int) -> None:
    """Whoever reads the logs of the one must find there why nobody wants it."""
    stage = meet_one_from_the_future(one)
    stage.run(2 * SECOND)
    for me in stage.group.members:
        assert [refusal.members for refusal in refusals(stage, me)] == [(one,)], me
        assert abs(refusals(stage, me)[0].ahead_ns - YEAR) < SECOND


@pytest.mark.slow
def test_s18_a_restart_does_not_help_if_the_disk_remembers() -> None:
    stage = meet_one_from_the_future()
    stage.until(lambda: bool(refusals(stage, 1)), "6 is refused")
    stage.until_ring(1, 2, 3, 4, 5)
    stage.world.crash(6)
    assert stage.world.node(6).storage[STATE].reserved_until > stage.world.true_wall_time + YEAR / 2
    stage.world.restart(6)
    stage.run(2 * SECOND)
    assert len(refusals(stage, 1)) == 2
    assert stage.engine(1).ring.members == (1, 2, 3, 4, 5)
    assert_the_five_have_true_stamps(stage, "after")
    assert_clean(stage)


def test_s18_a_restart_with_a_lost_disk_brings_it_in() -> None:
    """It has forgotten the future, and what it delivers from here on belongs to another life."""
    stage = meet_one_from_the_future()
    stage.until(lambda: bool(refusals(stage, 1)), "6 is refused")
    stage.until_ring(1, 2, 3, 4, 5)
    stage.world.crash(6, keep_storage=False)
    stage.world.restart(6)
    stage.until_ring(1, 2, 3, 4, 5, 6)
    talk(stage, (6,), "now")
    timestamp, _, flags = stage.stamps["now 1 of 6"]
    assert abs(timestamp - stage.world.true_wall_time) < SECOND
    assert flags == ()
    assert_the_five_have_true_stamps(stage, "after")
    stage.calm_down()
    assert_clean(stage)


def test_s18_two_from_the_future_and_two_who_are_not_cannot_tell() -> None:
    """Two clocks are no majority: the pair takes the stamps over, and says that they are not
    verified. The bound says how wrong they may be."""
    stage = Stage(2)
    stage.world.partition([1], [2])
    stage.until_ring(1)
    stage.until_ring(2)
    stage.group.step_clock(2, YEAR)
    stage.say(2, "from the future")
    stage.until_told(2, "from the future")
    stage.group.step_clock(2, -YEAR)
    stage.world.heal()
    stage.until_ring(1, 2)
    stage.say(1, "after")
    stage.until_told(2, "after")
    timestamp, error, flags = stage.stamps["after"]
    assert timestamp > stage.world.true_wall_time + YEAR / 2
    assert timestamp - error <= stage.world.true_wall_time + HOP_NS
    assert flags == ("unverified",)
    assert_clean(stage)


def test_s18_would_notice_that_it_is_let_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(committing, "too_far_ahead", lambda table, slack_ns: ((), 0))
    stage = meet_one_from_the_future()
    stage.until_ring(1, 2, 3, 4, 5, 6)
    with pytest.raises(AssertionError):
        assert_the_five_have_true_stamps(stage, "after")
