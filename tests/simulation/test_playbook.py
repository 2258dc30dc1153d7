"""The playbook notices what a core does otherwise than a test says."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import pytest

from clocksync.runtime.core import (
    Arrival,
    CancelTimer,
    Effects,
    Notify,
    Send,
    SetTimer,
    SilentCore,
    Stamp,
)
from clocksync.runtime.errors import MisusedCore
from clocksync.runtime.wire import U32, Frame
from tests.playbook import begin, converse, do, expect, hear, refused, sent, tick, wait, whatever


@dataclass(frozen=True, slots=True)
class Ask(Frame):
    KIND: ClassVar[int] = 1
    number: Annotated[U32, "which question"]


class Asker(SilentCore):
    """Asks 7, again every second until it hears the answer."""

    def start(self, now: int) -> Effects:
        return [Send(7, Ask(1), tag=1), SetTimer("again", 1000)]

    def on_timer(self, timer, now: int) -> Effects:
        return [Notify(("asked again", now)), SetTimer("again", 1000)]

    def on_frame(self, arrival: Arrival, now: int) -> Effects:
        return [CancelTimer("again"), Notify(arrival.stamp)]

    def on_sent(self, tag, stamp: Stamp, now: int) -> Effects:
        return [Notify((tag, stamp.time))]

    def on_refused(self, to, tag, reason: str, now: int) -> Effects:
        return [Notify((to, reason))]

    def leave(self, now: int) -> Effects:
        return [Notify(("left", now))]

    def fail(self) -> Effects:
        raise MisusedCore("never")


OPENING = (begin(), expect(Send(7, Ask(1), tag=1), SetTimer("again", 1000)))


def test_a_conversation_that_goes_as_written_passes_and_hands_back_the_core():
    core = Asker()
    returned = converse(
        core,
        *OPENING,
        sent(1, 55),
        expect(Notify((1, 55))),
        wait(400),
        refused(7),
        expect(Notify((7, "connection refused"))),
        tick("again"),
        expect(Notify(("asked again", 1_000_001_000)), SetTimer("again", 1000)),
        hear(7, Ask(2), stamp=77),
        whatever(),
        do("leave"),
        expect(Notify(("left", 1_000_001_000))),
        do("fail", raises=MisusedCore),
    )
    assert returned is core


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ((begin(),), [r"line 1, begin\(\)", r"\+ Send\(to=7", r"\+ SetTimer"]),
        ((begin(), wait(1)), [r"line 1, begin\(\)", r"\+ Send\(to=7"]),
        ((begin(), expect(Send(7, Ask(1), tag=1))), [r"    \+ SetTimer\(timer='again'"]),
        ((begin(), expect(SetTimer("again", 1000), Send(7, Ask(1), tag=1))), [r"- ", r"\+ "]),
        ((*OPENING, sent(1, 55), expect(Notify((1, 56)))), [r"- .*56", r"\+ .*55"]),
        ((*OPENING, hear(7, Ask(2)), whatever(), tick("again")), ["'again' is not set"]),
        ((*OPENING, wait(1001)), ["timers ran out meanwhile: .'again'"]),
        ((*OPENING, expect()), ["nothing to expect"]),
        ((do("leave", raises=MisusedCore),), ["leave did not raise MisusedCore"]),
    ],
)
def test_a_conversation_that_goes_otherwise_fails_and_says_where(script, words):
    with pytest.raises(AssertionError) as failure:
        converse(Asker(), *script)
    for word in words:
        assert failure.match(word)


def test_a_core_that_returns_nothing_at_all_is_told_so():
    class Forgetful(SilentCore):
        def start(self, now):
            return None

    with pytest.raises(AssertionError, match="returned None, no list of effects"):
        converse(Forgetful(), begin())
