"""The replay window at its edges, and against an obviously right one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocksync.security.datagram import BAD_TAG
from clocksync.security.replay import REPLAYED, TOO_OLD, WINDOW, ReplayWindow
from tests.clocksync.security.talk import BODY, JOIN, Talk


class Slow:
    """The same, by a set of all there ever was."""

    def __init__(self, floor: int) -> None:
        self.floor, self.highest, self.seen = floor, floor, set()

    def refusal(self, counter: int) -> str | None:
        if counter <= max(self.floor, self.highest - WINDOW):
            return TOO_OLD
        return REPLAYED if counter in self.seen else None

    def mark(self, counter: int) -> None:
        self.seen.add(counter)
        self.highest = max(self.highest, counter)


STEPS = st.lists(
    st.one_of(
        st.integers(-3, 3),
        st.integers(-WINDOW - 2, WINDOW + 2),
        st.sampled_from([0, 1, WINDOW, -WINDOW, WINDOW - 1, 1 - WINDOW, 1 << 40]),
    ),
    max_size=80,
)


@given(st.sampled_from([0, 1, WINDOW, 1 << 33]), STEPS)
def test_it_is_the_obvious_window(floor: int, steps: list[int]) -> None:
    window, slow, counter = ReplayWindow(floor), Slow(floor), floor
    for step in steps:
        counter = max(0, counter + step)
        for probe in (counter, counter + 1, max(0, counter - WINDOW), counter + WINDOW):
            assert window.refusal(probe) == slow.refusal(probe)
        if slow.refusal(counter) is None:
            window.mark(counter)
            slow.mark(counter)


def test_counters_begin_behind_the_floor() -> None:
    assert ReplayWindow(0).refusal(0) == TOO_OLD
    assert ReplayWindow(0).refusal(1) is None
    assert ReplayWindow(9).refusal(9) == TOO_OLD
    assert ReplayWindow(9).refusal(10) is None
    assert ReplayWindow(9).refusal((1 << 64) - 1) is None


@pytest.mark.parametrize("late", [0, 1, WINDOW - 2, WINDOW - 1])
def test_datagrams_may_come_so_late_and_no_later(late: int) -> None:
    talk = Talk(1, 2).acquainted()
    data = [talk[1].seal(JOIN, b"%d" % n) for n in range(WINDOW + 1)]
    newest = data[-1]
    assert talk.hear(2, newest) == (1, JOIN, b"%d" % WINDOW)
    assert talk.hear(2, data[0]) == TOO_OLD, "a window behind"
    at = WINDOW - late
    expected = (1, JOIN, b"%d" % at) if late else REPLAYED
    assert talk.hear(2, data[at]) == expected
    assert talk.hear(2, data[at]) == REPLAYED


def test_all_of_a_window_in_reverse_come_in_once() -> None:
    talk = Talk(1, 2).acquainted()
    data = [talk[1].seal(JOIN, b"") for _ in range(WINDOW)]
    assert {talk.hear(2, one) for one in reversed(data)} == {(1, JOIN, b"")}
    assert {talk.hear(2, one) for one in data} == {REPLAYED}


def test_a_forged_counter_moves_no_window() -> None:
    talk = Talk(1, 2).acquainted()
    data = talk.says(1)
    own = int.from_bytes(data[15:23], "big")
    for counter in (own + 1, 1 << 20, (1 << 64) - 1):
        forged = data[:15] + counter.to_bytes(8, "big") + data[23:]
        assert talk.hear(2, forged) == BAD_TAG
    assert talk.hear(2, data[:30] + b"?" + data[31:]) == BAD_TAG
    assert talk.hear(2, data) == (
        1,
        JOIN,
        BODY,
    )


def test_what_one_member_has_seen_is_new_to_another() -> None:
    talk = Talk(1, 2, 3).acquainted()
    for _ in range(WINDOW + 10):
        talk.says(1)
    data = talk.says(1)
    for me in (2, 3):
        assert talk.hear(me, data) == (1, JOIN, BODY)
        assert talk.hear(me, data) == REPLAYED
    assert talk.understands(3, 2)
