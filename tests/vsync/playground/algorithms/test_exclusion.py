"""Mutual exclusion: never two inside, the prices of the textbook, and what a death does."""

from itertools import pairwise

import pytest

from tests.vsync.playground.algorithms.driving import clicked, play
from vsync.playground.algorithms import STAGES
from vsync.playground.algorithms.exclusion import EPOCHS, TEXTBOOK

NAMES = ("ricart-agrawala", "token-ring")


def scene(stage, name):
    return next(each for each in STAGES[stage](1, None).scenes if each.name == name)


def insides(told):
    """The spans of being inside, as they were told last."""
    spans = {m["id"]: m for m in told if m["kind"] == "span" and m["tone"] == "inside"}
    return sorted(spans.values(), key=lambda span: span["at_s"])


def assert_never_two(told) -> int:
    spans = insides(told)
    for one, other in pairwise(spans):
        assert one["until_s"] is not None, one
        assert one["until_s"] <= other["at_s"], (one, other)
    return len(spans)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("group", [TEXTBOOK, EPOCHS])
@pytest.mark.parametrize("seed", range(8))
def test_never_two_are_inside_whatever_is_clicked(name, group, seed) -> None:
    stage = STAGES[name](seed, {"group": group, "processes": "5"})
    told = []
    for each in clicked(stage, seed, clicks=60, spared=("group", "processes")):
        told += each
    told += stage.advance(stage.now_s + 60)
    assert_never_two(told)


@pytest.mark.parametrize("seed", range(5))
def test_two_ask_at_once_and_the_lower_timestamp_wins(seed) -> None:
    _, told = play("ricart-agrawala", scene("ricart-agrawala", "two-at-once"), seed)
    assert [span["lane"] for span in insides(told)] == [1, 3]
    titles = [message["title"] for message in told if message["kind"] == "say"]
    assert {"P1 is inside: 4 messages", "P3 is inside: 4 messages", "P1 keeps its OK"} <= set(
        titles
    )


@pytest.mark.parametrize("count", ["3", "4", "5"])
def test_an_entry_takes_twice_as_many_messages_as_there_are_others(count) -> None:
    stage = STAGES["ricart-agrawala"](1, {"processes": count})
    told = [*stage.begin(), *stage.act({"do": "ask", "lane": 2}), *stage.advance(10)]
    arrows = [message for message in told if message["kind"] == "arrow"]
    assert len(arrows) == 2 * (int(count) - 1)
    assert f"2(n−1) = {len(arrows)}" in " ".join(m["text"] for m in told if m["kind"] == "say")


@pytest.mark.parametrize("seed", range(5))
def test_in_the_textbook_one_death_blocks_all_and_in_a_group_it_does_not(seed) -> None:
    _, told = play("ricart-agrawala", scene("ricart-agrawala", "one-dies"), seed)
    assert insides(told) == []
    assert any("waits for ever" in m["title"] for m in told if m["kind"] == "say")
    _, told = play("ricart-agrawala", scene("ricart-agrawala", "a-group-goes-on"), seed)
    assert [span["lane"] for span in insides(told)] == [1]
    assert any("goes on without P3" in m["title"] for m in told if m["kind"] == "say")


@pytest.mark.parametrize("seed", range(5))
def test_a_lost_token_stays_lost_in_the_textbook_and_is_made_anew_in_a_group(seed) -> None:
    _, told = play("token-ring", scene("token-ring", "token-lost"), seed)
    said = [(m["title"], m["verdict"]) for m in told if m["kind"] == "say"]
    assert ("The token is lost", "bad") in said
    assert [span["lane"] for span in insides(told)] == [2, 2, 1]


def test_a_minority_does_not_enter() -> None:
    stage = STAGES["ricart-agrawala"](2, {"group": EPOCHS})
    told = [*stage.begin(), *stage.advance(2)]
    for lane in (2, 3):
        told += stage.act({"do": "kill", "lane": lane})
    told += [*stage.advance(3), *stage.act({"do": "ask", "lane": 1}), *stage.advance(40)]
    assert insides(told) == []
    assert any(m["title"] == "No majority: nobody enters" for m in told if m["kind"] == "say")


def test_when_all_want_in_an_entry_costs_one_message() -> None:
    _, told = play("token-ring", scene("token-ring", "all-want-in"))
    spans = insides(told)
    assert [span["lane"] for span in spans] == [1, 2, 3, 4]
    tokens = [m for m in told if m["kind"] == "arrow" and m["at_s"] < spans[-1]["at_s"]]
    assert len(tokens) == 3


def test_an_idle_ring_sends_messages_for_nobody() -> None:
    stage = STAGES["token-ring"](1, None)
    told = [*stage.begin(), *stage.advance(20)]
    assert sum(message["kind"] == "arrow" for message in told) > 10
    assert any("for nobody" in m["title"] for m in told if m["kind"] == "say")
