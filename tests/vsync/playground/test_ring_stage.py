"""The ring as a stage: the same clicks give the same messages, and whatever is clicked, every
promise is kept."""

from contextlib import suppress
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vsync.playground.schema import validate
from vsync.check import judge
from vsync.playground.ring.stage import CONTROLS, RingStage
from vsync.playground.stage import NotPossible

LANE = [control.name for control in CONTROLS if control.kind == "lane"]


def click(random):
    """Something that may be clicked; half of it cannot be done then."""
    kind = random.choice(["lane", "lane", "lane", "pair", "split", "heal", "trickle"])
    if kind == "lane":
        return {"do": random.choice([*LANE, "agreed", "safe"]), "lane": random.randint(1, 5)}
    if kind == "pair":
        one, other = random.sample(range(1, 6), 2)
        return {"do": random.choice(["cut", "cut_both", "mend"]), "from": one, "to": other}
    if kind == "split":
        return {"do": "split", "lanes": random.sample(range(1, 6), random.randint(1, 4))}
    return {"do": kind}


def played(seed, slices=20):
    """A stage on which was clicked for a while, and all it told."""
    random, stage = Random(seed), RingStage(seed)
    told = stage.begin()
    for place in range(1, 41):
        with suppress(NotPossible):
            told += stage.act(click(random))
        for part in range(1, slices + 1):
            told += stage.advance(0.05 * (place - 1 + part / slices))
    return stage, told


def told_at(stage, to_s):
    return [message for message in stage.advance(to_s) if message["kind"] == "say"]


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10**6))
def test_whatever_is_clicked_every_promise_is_kept(seed) -> None:
    stage, told = played(seed, slices=3)
    assert len(stage.history) > 100
    verdict = judge(stage.history)
    assert verdict.violations == []
    validate(told)


def test_the_same_clicks_tell_the_same_however_time_is_divided() -> None:
    assert played(4, slices=1)[1] == played(4, slices=7)[1]


def test_a_fresh_stage_is_one_ring_of_five() -> None:
    told = RingStage(1).begin()
    changes = [message for message in told if message["kind"] == "change"]
    assert {message["node"] for message in changes} == {1, 2, 3, 4, 5}
    assert all(message["members"] == [1, 2, 3, 4, 5] for message in changes)
    assert {message["at_s"] for message in told} == {0.0}


def test_a_death_is_told_with_its_reason() -> None:
    stage = RingStage(1)
    stage.begin()
    assert stage.act({"do": "kill", "lane": 3})[0]["title"] == "You killed 3"
    said = told_at(stage, 0.5)
    assert any("lost the token" in message["title"] for message in said)
    assert any(message["title"] == "Transitional configuration {1,2,4,5}" for message in said)
    new = next(message for message in said if message["title"] == "New configuration {1,2,4,5}")
    assert "without 3" in new["text"]
    assert "lost the token" in new["text"]


def whys(told, node):
    return [m["text"] for m in told if m["kind"] == "why" and m["node"] == node]


def test_a_message_that_waits_says_which_one_is_missing() -> None:
    stage = RingStage(1)
    stage.begin()
    stage.act({"do": "cut", "from": 2, "to": 5})
    for lane in (2, 3, 4):
        stage.act({"do": "agreed", "lane": lane})
    at_5 = whys(stage.advance(0.3), 5)
    assert "does not have it: the link 2 → 5 is cut" in at_5
    assert any("which comes before it, is missing" in text for text in at_5)
    assert at_5[-1] == "delivered, in the configuration {1,2,3,4,5}"


def test_a_safe_message_says_who_does_not_have_it() -> None:
    stage = RingStage(1)
    stage.begin()
    stage.act({"do": "cut", "from": 2, "to": 5})
    stage.act({"do": "safe", "lane": 2})
    at_2 = whys(stage.advance(0.4), 2)
    assert "has it, and waits: SAFE, and 5 does not have it" in at_2
    assert at_2[-1].startswith("delivered, in the configuration")


def test_two_sides_become_one_again_and_each_keeps_its_fellows() -> None:
    stage = RingStage(1)
    stage.begin()
    stage.act({"do": "split", "lanes": [1, 2]})
    stage.advance(0.6)
    stage.act({"do": "heal"})
    titles = [message["title"] for message in told_at(stage, 1.4)]
    assert "Transitional configuration {1,2}" in titles
    assert "Transitional configuration {3,4,5}" in titles
    assert "New configuration {1,2,3,4,5}" in titles


@pytest.mark.parametrize(
    ("action", "why"),
    [
        ({"do": "fly"}, "no such thing"),
        ({}, "no such thing"),
        ({"do": "kill"}, "there is no member"),
        ({"do": "kill", "lane": 9}, "there is no member 9"),
        ({"do": "kill", "lane": "1"}, "there is no member"),
        ({"do": "kill", "lane": True}, "there is no member"),
        ({"do": "restart", "lane": 1}, "1 runs"),
        ({"do": "resume", "lane": 1}, "1 runs"),
        ({"do": "cut", "from": 1, "to": 1}, "between two members"),
        ({"do": "mend", "from": 1, "to": 2}, "is whole"),
        ({"do": "heal"}, "all links are whole"),
        ({"do": "split", "lanes": []}, "each side needs a member"),
        ({"do": "split", "lanes": [1, 2, 3, 4, 5]}, "each side needs a member"),
        ({"do": "split", "lanes": [[]]}, "choose the members"),
        ({"do": "split", "lanes": 7}, "choose the members"),
        ({"do": "trickle", "on": "yes"}, "true or false"),
    ],
)
def test_what_cannot_be_done_is_one_line(action, why) -> None:
    stage = RingStage(1)
    stage.begin()
    with pytest.raises(NotPossible, match=why):
        stage.act(action)


def test_a_member_that_left_or_lost_its_disk_comes_back() -> None:
    stage = RingStage(1)
    stage.begin()
    stage.act({"do": "leave", "lane": 2})
    stage.advance(0.6)
    stage.act({"do": "restart", "lane": 2})
    stage.act({"do": "kill", "lane": 4})
    stage.advance(1.3)
    stage.act({"do": "wiped", "lane": 4})
    assert "New configuration {1,2,3,4,5}" in [one["title"] for one in told_at(stage, 2.3)]
    assert judge(stage.history).violations == []
    assert stage.act({"do": "judge"})[-1]["verdict"] == "good"
