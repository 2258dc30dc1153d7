"""Messages that a change of the ring cuts across: scenarios S13 and S14."""

import pytest

from tests.vsync.scenarios.stage import HOP_NS, Stage, assert_clean, reg, trans
from vsync.config import RingConfig
from vsync.frames import Data, Token
from vsync.packing import Outbox
from vsync.states import Cause

# S13: numbers run out


LIMIT = 2**10
EACH = 400


@pytest.mark.slow
@pytest.mark.parametrize("safe", [False, True])
def test_s13_the_ring_runs_out_of_numbers_under_load(safe: bool) -> None:
    """A ring forms anew when its numbers reach the limit (2^61 in earnest, 2^10 here): three
    members say more than fits into one ring, and nobody sees more of it than two configurations."""
    stage = Stage(3, config=RingConfig.simulated(sequence_limit=LIMIT))
    stage.form()
    for number in range(EACH):
        for me in stage.group.members:
            say = stage.say_safe if safe else stage.say
            say(me, f"{number} of {me}")
    wanted = {f"{number} of {me}" for number in range(EACH) for me in stage.group.members}
    stage.until(lambda: all(len(stage.told(me)) >= 3 * EACH + 2 for me in (1, 2, 3)), "all is said")
    told = stage.told(1)
    assert stage.told(2) == stage.told(3) == told
    assert told.index(trans(1, 2, 3)) < told.index(reg(1, 2, 3))
    assert LIMIT < told.index(reg(1, 2, 3)) <= LIMIT + stage.group.config.window
    assert set(told) - wanted == {trans(1, 2, 3), reg(1, 2, 3)}
    assert len(told) == len(wanted) + 2
    for me in stage.group.members:
        own = [line for line in told if line.endswith(f" of {me}")]
        assert own == [f"{number} of {me}" for number in range(EACH)]
    assert Cause.SEQUENCE_LIMIT in stage.causes()
    assert set(stage.causes()) <= {
        Cause.BOOTED,
        Cause.JOIN_HEARD,
        Cause.CONSENSUS_REACHED,
        Cause.COMMIT_HEARD,
        Cause.COMMIT_CIRCULATED,
        Cause.RECOVERED,
        Cause.SEQUENCE_LIMIT,
    }
    stage.calm_down()
    assert_clean(stage, is_quiet=True)


def test_s13_one_alone_runs_out_of_numbers_too() -> None:
    stage = Stage(1, config=RingConfig.simulated(sequence_limit=LIMIT))
    stage.form(1)
    names = [str(number) for number in range(LIMIT + 100)]
    stage.say(1, *names)
    stage.until(lambda: len(stage.told(1)) == len(names) + 2, "all is said")
    assert stage.told(1) == [*names[:LIMIT], trans(1), reg(1), *names[LIMIT:]]
    assert_clean(stage, is_quiet=True)


# S14: a message in pieces


LONG = 3000
"""Seventeen pieces or so: more than one visit of the token may send."""


def half_a_message(safe: bool = False) -> Stage:
    """1 has sent a part of a long message, and has more to say after it; then the token is lost."""
    stage = Stage(3)
    stage.form()
    say = stage.say_safe if safe else stage.say
    say(1, "before")
    say(1, "long", size=LONG)
    say(1, "after")
    stage.until(lambda: stage.engine(1).ring.log.highest > 4, "some pieces are sent")
    old = stage.engine(1).ring.id
    stage.swallow(lambda sender, to, frame: isinstance(frame, Token) and frame.ring == old)
    stage.run(2 * HOP_NS)
    assert "long" not in stage.sent
    return stage


@pytest.mark.parametrize("safe", [False, True])
def test_s14_a_message_that_is_half_sent_begins_again_on_the_next_ring(safe: bool) -> None:
    """Its pieces on the old ring are nobody's message. On the new one it is sent whole, between
    what its sender said before and after it."""
    stage = half_a_message(safe)
    stage.until_told(1, "after")
    stage.until_told(3, "after")
    told = stage.told(1)
    assert [line for line in told if "{" not in line] == ["before", "long", "after"]
    assert told.index("long") > told.index(reg(1, 2, 3))
    assert stage.told(2) == stage.told(3) == told
    assert stage.sent["long"][0] == stage.rings[1][-1]
    stage.calm_down()
    assert_clean(stage, is_quiet=True)


def test_s14_half_a_message_of_a_dead_member_is_nothing() -> None:
    """The others have its first pieces, and never speak of them."""
    stage = half_a_message()
    stage.world.crash(1)
    stage.until_ring(2, 3)
    stage.say(3, "later")
    stage.until_told(2, "later")
    for me in (2, 3):
        assert stage.told(me) == ["before", trans(2, 3), reg(2, 3), "later"]
    stage.world.restart(1)
    stage.calm_down()
    assert "long" not in stage.told(1) + stage.told(2) + stage.told(3)
    assert_clean(stage, is_quiet=True)


def test_s14_half_a_message_of_a_lost_member_is_whole_where_it_went_on_alone() -> None:
    """1 goes on alone and delivers its message to itself, once. The others have nothing of it, even
    after the merge: it was said where they were not."""
    stage = half_a_message()
    stage.world.partition([1], [2, 3])
    stage.until_ring(2, 3)
    stage.until_told(1, "after")
    assert stage.told(1) == ["before", trans(1), reg(1), "long", "after"]
    assert stage.told(2) == stage.told(3) == ["before", trans(2, 3), reg(2, 3)]
    stage.calm_down()
    for me in (2, 3):
        assert not {"long", "after"} & set(stage.told(me))
    assert_clean(stage, is_quiet=True)


def test_s14_a_message_whose_last_piece_has_a_number_is_recovered_whole() -> None:
    """All its pieces were sent on the old ring, and 2 and 3 lack every other one of them: those of
    even numbers at 2, the odd ones at 3. Its sender dies. Between them they have it all, and it is
    delivered in the old order, before the new configuration."""
    stage = Stage(3)
    stage.form()
    stage.swallow(
        lambda sender, to, frame: (
            sender == 1 and isinstance(frame, Data) and frame.sequence % 2 == to % 2
        )
    )
    stage.say_safe(1, "long", size=LONG)
    stage.say_safe(1, "after")
    stage.until_sent("after")
    stage.run(2 * HOP_NS)
    stage.world.crash(1)
    stage.until_ring(2, 3)
    assert stage.told(2) == stage.told(3)
    assert stage.told(2) == [trans(2, 3), "long", "after", reg(2, 3)]
    stage.world.restart(1)
    stage.calm_down()
    assert_clean(stage, is_quiet=True)


def test_s14_would_notice_a_message_that_goes_on_where_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A sender that does not begin again sends the rest only: what is delivered is no message."""
    monkeypatch.setattr(Outbox, "rewind", lambda self: None)
    stage = half_a_message()
    stage.until_told(1, "after")
    assert "long" not in stage.told(1)
