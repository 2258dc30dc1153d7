"""Who is who: rings that must not be taken for others, processes that come back, old tokens.

Scenarios S5, S6, S11 and S15.
"""

import copy
from collections import Counter
from typing import ClassVar

import pytest

from clocksync.runtime.interval import Interval
from clocksync.runtime.units import MILLISECOND
from tests.vsync.scenarios.stage import HOP_NS, Stage, assert_clean, decode, reg, trans
from vsync.config import RingConfig
from vsync.engine import Engine
from vsync.events import Datagram, Dropped, Effect, Input, Moved
from vsync.frames import Commit, Token
from vsync.identity import RingId
from vsync.states import Cause, State

# S5: names of rings


def listen_for_rings(stage: Stage) -> set[RingId]:
    """All rings that anybody was ever told of."""
    heard: set[RingId] = set()

    def listen(sender: object, to: object, data: bytes) -> bool:
        frame = decode(data)
        if isinstance(frame, Commit | Token):
            heard.add(frame.ring)
        return False

    stage.world.intercept(listen)
    return heard


def assert_no_name_was_used_twice(stage: Stage, heard: set[RingId]) -> None:
    rings = heard | {ring for installed in stage.rings.values() for ring in installed}
    names = Counter((ring.sequence, ring.representative) for ring in rings)
    assert [name for name, times in names.items() if times > 1] == []
    assert len(heard) > 1


def lose_the_token(stage: Stage) -> None:
    lost = stage.swallow(lambda sender, to, frame: isinstance(frame, Token))
    stage.until_state(1, State.GATHER)
    lost.end()


@pytest.mark.parametrize("seed", range(4))
def test_s5_a_representative_dies_with_a_new_ring_in_its_head(seed: int) -> None:
    """1 has made a name for the next ring and dies before anybody hears of it, with the number on
    disk or not, as the seed has it. It restarts at once."""
    stage = Stage(3, seed=seed)
    heard = listen_for_rings(stage)
    stage.form()
    lose_the_token(stage)
    stage.until_state(1, State.COMMIT)
    minted = stage.engine(1).my_ring
    assert minted not in heard
    stage.world.crash(1)
    stage.world.restart(1)
    stage.calm_down()
    assert minted not in heard
    assert_no_name_was_used_twice(stage, heard)
    assert_clean(stage, is_quiet=True)


def representative_dies_having_told_one(make: type[Engine] = Engine) -> tuple[Stage, set[RingId]]:
    """1 has sent the commit token to 2 and dies; it comes back where only 3 hears it, who does not
    know of that ring."""
    stage = Stage(3, make=make)
    heard = listen_for_rings(stage)
    stage.form()
    lose_the_token(stage)
    stage.until_state(2, State.COMMIT)
    told = stage.engine(2).my_ring
    assert told in heard
    assert stage.engine(3).my_ring.sequence < told.sequence
    stage.world.partition([1, 3], [2])
    stage.world.crash(1)
    stage.world.restart(1)
    stage.until_ring(1, 3)
    return stage, heard


def test_s5_a_representative_dies_with_the_commit_token_sent() -> None:
    """Its next ring has another name, although nobody could tell it the last one."""
    stage, heard = representative_dies_having_told_one()
    stage.calm_down()
    assert_no_name_was_used_twice(stage, heard)
    assert_clean(stage, is_quiet=True)


def test_s5_would_notice_a_number_that_is_not_stored() -> None:
    class Forgetful(Engine):
        def persist(self, ring_sequence: int, reserved_until: int) -> None:
            super().persist(0, reserved_until)

    stage, heard = representative_dies_having_told_one(Forgetful)
    with pytest.raises(AssertionError):
        assert_no_name_was_used_twice(stage, heard)


@pytest.mark.parametrize("victim", [1, 2, 3])
def test_s5_a_member_that_restarts_at_once_is_not_taken_for_its_former_self(victim: int) -> None:
    """It comes back before anybody misses it. The others must go through a configuration without
    what it was, or they would count on messages that it has no more."""
    stage = Stage(3)
    heard = listen_for_rings(stage)
    stage.form()
    stage.say_safe(2, "m1")
    stage.until_told(victim, "m1")
    stage.world.crash(victim)
    stage.world.restart(victim)
    others = [me for me in (1, 2, 3) if me != victim]
    stage.calm_down()
    for me in others:
        assert trans(*others) in stage.told(me)
        assert stage.told(me)[-1] == reg(1, 2, 3)
    assert_no_name_was_used_twice(stage, heard)
    assert_clean(stage, is_quiet=True)


# S6: lost disks


@pytest.mark.parametrize("victim", [1, 3])
def test_s6_a_member_back_without_its_disk_waits_until_the_others_miss_it(victim: int) -> None:
    """Its numbers begin low, so what it says sounds like something from before the ring, and the
    others, who list it as a member, do not listen. When they lose the token they do."""
    stage = Stage(3)
    stage.form()
    for me in (1, 2):  # make the ring's numbers higher than those of a first boot
        lose_the_token(stage)
        stage.until_ring(1, 2, 3)
        stage.say_safe(me, f"before {me}")
    stage.form()
    stage.world.crash(victim, keep_storage=False)
    stage.world.restart(victim)
    others = [me for me in (1, 2, 3) if me != victim]
    crashed_at = stage.world.now
    stage.until(
        lambda: (
            Cause.TOKEN_LOST
            in [s.effect.cause for s in stage.seen if s.at_ns > crashed_at and s.me in others]
        ),
        "the others miss the token",
    )
    deaf_to_it = [stage.engine(me).dropped["join from before this ring"] for me in others]
    assert sum(deaf_to_it) > 0
    assert all(stage.told(me) == [] for me in others)
    stage.until_ring(1, 2, 3)
    for me in others:
        assert trans(*others) in stage.told(me)
        sequences = [ring.sequence for ring in stage.rings[me]]
        assert sequences == sorted(set(sequences))
    # The number of its first ring came twice; the nonce keeps the two apart.
    assert len(stage.rings[victim]) == len(set(stage.rings[victim]))
    stage.calm_down()
    assert_clean(stage, is_quiet=True)


# S11: tokens of the past


class Suspicious(Engine):
    """At every change of its state it takes all tokens it ever got once more, in a copy of itself,
    and at every token the same token again: nothing may come of it."""

    replayed: ClassVar[Counter[tuple[State, str]]] = Counter()
    taken: ClassVar[list[str]] = []

    def __init__(self, *given: object) -> None:
        super().__init__(*given)  # type: ignore[arg-type]
        self.past: dict[bytes, None] = {}
        self.is_copy = False

    def step(self, now: int, clock: Interval, event: Input) -> list[Effect]:
        effects = super().step(now, clock, event)
        if self.is_copy:
            return effects
        again: list[bytes] = []
        if isinstance(event, Datagram) and isinstance(decode(event.data), Commit | Token):
            self.past[event.data] = None
            again = [event.data]
        if any(isinstance(effect, Moved) for effect in effects):
            again = list(self.past)
        if again and self.state is not State.IDLE:
            self.replay(now, clock, again)
        return effects

    def replay(self, now: int, clock: Interval, datagrams: list[bytes]) -> None:
        past, self.past = self.past, {}
        twin = copy.deepcopy(self)
        self.past, twin.is_copy = past, True
        for data in datagrams:
            dropped = twin.dropped.total()
            effects = twin.step(now, clock, Datagram(data))
            name = type(decode(data)).__name__
            self.replayed[self.state, name] += 1
            if not all(isinstance(effect, Dropped) for effect in effects):
                self.taken.append(f"{self.me} in {self.state}: {name}: {effects}")
            elif twin.dropped.total() != dropped + 1:
                self.taken.append(f"{self.me} in {self.state}: {name} not counted")


def a_life_with_many_rings(make: type[Suspicious], duplicate: bool = False) -> Stage:
    make.replayed, make.taken = Counter(), []
    stage = Stage(3, make=make)
    stage.form()
    stage.say_safe(1, "m1")
    stage.world.partition([1], [2, 3])
    stage.until_ring(2, 3)
    stage.say(2, "m2")
    stage.world.heal()
    stage.until_ring(1, 2, 3)
    stage.say_safe(3, "m3")
    stage.world.crash(1)
    stage.until_ring(2, 3)
    stage.world.restart(1)
    stage.until_ring(1, 2, 3)
    stage.say(1, "m4")
    stage.calm_down()
    return stage


@pytest.mark.slow
def test_s11_tokens_that_were_here_before_change_nothing_in_any_state() -> None:
    """All tokens and commit tokens a member ever got, those of dead rings among them, come again
    after every change of its state; and each of them at once, as over redundant links. Each is
    dropped, and counted."""
    stage = a_life_with_many_rings(Suspicious)
    assert Suspicious.taken == []
    for state in (State.OPERATIONAL, State.GATHER, State.COMMIT, State.RECOVERY):
        for name in ("Commit", "Token"):
            assert Suspicious.replayed[state, name] > 5, (state, name)
    assert_clean(stage, is_quiet=True)


@pytest.mark.slow
def test_s11_would_notice_a_token_that_is_taken_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vsync.ring.Ring.is_fresh", lambda ring, token: True)
    a_life_with_many_rings(Suspicious)
    assert any("Token" in taken for taken in Suspicious.taken)


@pytest.mark.slow
def test_s11_would_notice_a_ring_begun_twice() -> None:
    """A commit token that comes again made corosync's representative begin its ring again."""

    class Restarting(Suspicious):
        @property
        def is_started(self) -> bool:
            return False

        @is_started.setter
        def is_started(self, value: bool) -> None:
            pass

    a_life_with_many_rings(Restarting)
    assert any("Commit" in taken for taken in Restarting.taken)


@pytest.mark.slow
def test_s11_a_ring_forms_and_works_while_every_token_comes_late_once_more() -> None:
    """In the world, not in copies: each token and commit token comes again three times, a hop, a
    rotation and a long time later."""
    stage = Stage(3)
    copies = Counter[str]()
    apart: set[object] = set()

    def again(sender: object, to: object, data: bytes) -> bool:
        frame = decode(data)
        if isinstance(frame, Commit | Token) and apart.isdisjoint((sender, to)):
            copies[type(frame).__name__] += 1
            for late in (2 * HOP_NS, 7 * HOP_NS, 80 * MILLISECOND):
                stage.world.inject(to, sender, data, late)
        return False

    stage.world.intercept(again)
    stage.form()
    stage.say_safe(1, "m1")
    stage.say(2, "m2")
    stage.until_told(3, "m1", "m2")
    stage.world.partition([1, 2], [3])
    apart.add(3)
    stage.until_ring(1, 2)
    apart.clear()
    stage.calm_down()
    for me in (1, 2):
        assert sorted(stage.told(me)[:2]) == ["m1", "m2"]
        assert stage.told(me)[2:] == [trans(1, 2), reg(1, 2), trans(1, 2), reg(1, 2, 3)]
    assert copies["Commit"] > 10
    assert copies["Token"] > 100
    assert_clean(stage, is_quiet=True)


# S15: somebody comes while somebody goes


@pytest.mark.parametrize("victim", [1, 2, 3, 4])
@pytest.mark.parametrize("state", [State.COMMIT, State.RECOVERY])
def test_s15_one_joins_and_one_dies_in_the_same_recovery(victim: int, state: State) -> None:
    """{1,2,3}, and 4 comes. While the ring of four is being formed one of them dies, whoever it is,
    the newcomer too. The dead one is in no configuration that is installed afterwards."""
    stage = Stage(4, config=RingConfig.simulated(), later=(4,))
    stage.form(1, 2, 3)
    stage.say_safe(2, "m1")
    stage.until_told(3, "m1")
    stage.world.restart(4)
    stage.until_state(victim, state)
    assert stage.engine(victim).members == (1, 2, 3, 4)
    stage.world.crash(victim)
    died_at = stage.world.now
    left = [me for me in (1, 2, 3, 4) if me != victim]
    stage.calm_down(*left)
    for me in left:
        last = stage.regs(me, died_at)[-1]
        assert last == tuple(left)
        ghosts = [members for members in stage.regs(me, died_at) if victim in members]
        # Whoever was one visit of the token from installing it installed the ring of four.
        assert len(ghosts) <= (1 if state is State.RECOVERY else 0)
    stage.say_safe(left[0], "m2")
    stage.say(left[-1], "m3")
    stage.run(100 * MILLISECOND)
    for me in left:
        assert {"m2", "m3"} <= set(stage.told(me))
    assert_clean(stage)
