"""Lamport's three clocks: the lecture's numbers, and the conditions over whatever is clicked."""

from itertools import pairwise

import pytest

from ordering import Order
from tests.vsync.playground.algorithms.driving import clicked, play
from vsync.playground.algorithms.lamport import make


def scene(name):
    return next(each for each in make(1, None).scenes if each.name == name)


def arrivals(stage):
    """Of each message: the times of its sending and of its receipt, free and Lamport's."""
    sent = {event.message: event for event in stage.events if event.what == "send"}
    got = [event for event in stage.events if event.what == "receive"]
    return [
        ((sent[e.message].free, e.free), (sent[e.message].lamport.time, e.lamport.time))
        for e in got
    ]


def test_the_lectures_numbers_come_out_without_and_with_correction() -> None:
    stage, told = play("lamport", scene("as-they-run"))
    free = [(6, 16), (24, 40), (60, 56), (64, 54)]
    assert [each[0] for each in arrivals(stage)] == free
    verdicts = [message["verdict"] for message in told if message["kind"] == "say"]
    assert verdicts == [None, None, "bad", "bad"]
    stage, told = play("lamport", scene("corrected"))
    assert [each[1] for each in arrivals(stage)] == [(6, 16), (24, 40), (60, 61), (69, 70)]
    said = " ".join(message["text"] for message in told if message["kind"] == "say")
    assert "max(56, 60 + 1) = 61" in said
    assert "max(54, 69 + 1) = 70" in said


def happened_before(events):
    """The order as it was: by process and by message, and what follows from these."""
    sent = {event.message: event for event in events if event.what == "send"}
    past = {}
    for event in events:  # in the order of their happening
        direct = [e for e in events if e.lane == event.lane and e.number < event.number][-1:]
        if event.what == "receive":
            direct.append(sent[event.message])
        past[event.number] = set().union(*(past[e.number] | {e.number} for e in direct))
    return past


@pytest.mark.parametrize("seed", range(12))
def test_the_clock_conditions_hold_over_all_that_is_clicked(seed) -> None:
    stage = make(seed, None)
    for _ in clicked(stage, seed, clicks=250):
        pass
    past, events = happened_before(stage.events), stage.events
    assert len(events) > 10
    for one in events:
        for other in events:
            before = one.number in past[other.number]
            if before:
                assert one.lamport < other.lamport, (one, other)
            assert (one.vector.compare(other.vector) is Order.BEFORE) == before, (one, other)


@pytest.mark.parametrize("seed", range(6))
def test_clocks_never_go_back_and_no_two_events_have_one_stamp(seed) -> None:
    stage = make(seed, None)
    for _ in clicked(stage, seed, clicks=250):
        pass
    for lane in (1, 2, 3):
        own = [event for event in stage.events if event.lane == lane]
        assert all(a.lamport < b.lamport for a, b in pairwise(own))


def test_two_chosen_events_are_compared() -> None:
    _, told = play("lamport", scene("concurrent"))
    said = [message["title"] for message in told if message["kind"] == "say"]
    assert any(title.startswith("Concurrent") for title in said)
    assert said[-1].startswith("Ordered: “P1 sends m1” happened before")
