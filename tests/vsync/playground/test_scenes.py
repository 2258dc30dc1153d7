"""Every scene plays to its end; what cannot happen is judged bad, by the rule that it breaks."""

import pytest

from tests.vsync.playground.schema import validate
from vsync.check import judge
from vsync.playground.ring.lies import LIES
from vsync.playground.ring.scenes import FIVE_MINUTES, SCENES
from vsync.playground.session import Session
from vsync.playground.stage import NotPossible
from vsync.playground.stages import STAGES

BROKEN = {"self-delivery": "D1", "agreed": "B7", "safe": "D5", "virtual-synchrony": "D2"}


def logged(session):
    found, cursor = session.log.since(0)
    while cursor < session.log.end:
        more, cursor = session.log.since(cursor)
        found += more
    return found


def played(name, seconds=0.1):
    """A scene, step by step to its end; what was told during each."""
    session = Session(STAGES["ring"], 0, name)
    steps = next(scene for scene in SCENES if scene.name == name).steps
    told = []
    for number in range(len(steps)):
        edition = session.edition
        before = session.log.end if number else 0
        if number:
            session.take({"step": number})
        for _ in range(600):
            session.pass_time(seconds)
        told.append(logged(session)[before if session.edition == edition else 0 :])
    return session, told


def verdicts(told):
    return [one for one in told if one["kind"] == "say" and one["verdict"] is not None]


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_a_scene_plays_to_its_end(scene) -> None:
    session, told = played(scene.name)
    validate(logged(session))
    assert verdicts(told[-1]), "the last word is the judge's"
    with pytest.raises(NotPossible):
        session.take({"step": len(scene.steps)})


@pytest.mark.parametrize("name", LIES)
def test_what_cannot_happen_is_judged_bad_by_its_rule(name) -> None:
    assert BROKEN[name] in {violation.rule for violation in judge(LIES[name]().events).violations}
    _, told = played(name)
    (verdict,) = verdicts(told[-1])
    assert verdict["verdict"] == "bad"
    assert BROKEN[name] in verdict["title"]


def test_the_walk_of_five_minutes_ends_well() -> None:
    _, told = played(FIVE_MINUTES.name)
    assert verdicts(told[-1])[0]["verdict"] == "good"
    titles = [one["title"] for step in told for one in step if one["kind"] == "say"]
    assert titles.count("New configuration {1,2,3,4,5}") == 2  # after the restart, and the merge
    assert "New configuration {1,2,4,5}" in titles


def test_the_safe_message_of_the_scene_is_delivered_in_transition() -> None:
    _, told = played("safe")
    where = {one["text"] for one in told[3] if one["kind"] == "why" and one["state"] == "got"}
    assert where == {
        "delivered, in the transitional configuration {1,2,3,4}: among those who go on"
    }


def test_the_message_that_only_one_has_reaches_all_before_the_change() -> None:
    _, told = played("virtual-synchrony")
    assert {one["node"] for one in told[1] if one["kind"] == "got"} == {1, 3}
    assert {one["node"] for one in told[3] if one["kind"] == "got"} == {2, 4, 5}
    again = {one["from"] for one in told[3] if one["kind"] == "frame" and one["what"] == "again"}
    assert again == {1}


def test_who_is_in_a_hurry_sees_the_same_as_who_is_not() -> None:
    slow, _ = played("agreed")
    quick = Session(STAGES["ring"], 0, "agreed")
    for number in range(1, 5):
        quick.take({"step": number})
    quick.pass_time(0.5)
    assert logged(quick) == logged(slow)


def test_going_back_plays_it_anew() -> None:
    session, told = played("agreed")
    session.take({"step": 1})
    for _ in range(600):
        session.pass_time(0.1)
    assert logged(session)[-len(told[1]) :] == told[1]


def test_a_scene_can_be_left_and_played_on() -> None:
    session = Session(STAGES["ring"], 0, "five-minutes")
    with pytest.raises(NotPossible, match="a scene is playing"):
        session.take({"act": {"do": "kill", "lane": 3}})
    session.take({"step": None})
    session.take({"act": {"do": "kill", "lane": 3}})
    for _ in range(200):
        session.pass_time(0.1)
    titles = [one["title"] for one in logged(session) if one["kind"] == "say"]
    assert "New configuration {1,2,4,5}" in titles
