"""What all stages of algorithms promise: one seed one story, scenes that end, only NotPossible."""

import json
from importlib import resources

import jsonschema
import pytest

from tests.vsync.playground.algorithms.driving import clicked, play, rubbish, scenes
from vsync.playground.algorithms import STAGES
from vsync.playground.stage import NotPossible

SCHEMA = json.loads(resources.files("clocksync").joinpath("schemas/dashboard-1.json").read_text())
SCENES = [pytest.param(*each, id=f"{each[0]}-{each[1].name}") for each in scenes()]


@pytest.mark.parametrize("name", STAGES)
def test_the_same_clicks_give_the_same_messages(name) -> None:
    first, second = (list(clicked(STAGES[name](3, None), seed=5)) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("name", ["ricart-agrawala", "token-ring", "berkeley", "rbs"])
def test_another_seed_gives_another_story(name) -> None:
    scene = STAGES[name](1, None).scenes[0]
    assert play(name, scene, seed=1)[1] != play(name, scene, seed=2)[1]


@pytest.mark.parametrize(("name", "scene"), SCENES)
def test_a_scene_plays_to_its_end_and_says_what_happens(name, scene) -> None:
    _, told = play(name, scene)
    assert any(message["kind"] == "say" for message in told)
    assert {message["kind"] for message in told} >= {"lane", "arrow"}


@pytest.mark.parametrize(("name", "scene"), SCENES)
def test_how_often_a_scene_is_drawn_does_not_change_it(name, scene) -> None:
    def sorted_by_time(told):
        return sorted(json.dumps(message, sort_keys=True) for message in told)

    assert sorted_by_time(play(name, scene, frames=1)[1]) == sorted_by_time(
        play(name, scene, frames=40)[1]
    )


@pytest.mark.parametrize("name", STAGES)
def test_what_is_told_fits_the_schema(name) -> None:
    validator = jsonschema.Draft202012Validator(SCHEMA)
    for told in clicked(STAGES[name](2, None), seed=8, clicks=25):
        validator.validate(told)


@pytest.mark.parametrize("name", STAGES)
def test_texts_for_people_hold_no_markup_but_bold(name) -> None:
    stage = STAGES[name](1, None)
    for scene in stage.scenes:
        for step in scene.steps:
            plain = step.text.replace("<b>", "").replace("</b>", "")
            assert not {"<", "&"} & set(plain), step.title
            assert step.text.count("<b>") == step.text.count("</b>"), step.title


@pytest.mark.parametrize("name", STAGES)
def test_rubbish_is_refused_in_one_line(name) -> None:
    stage = STAGES[name](1, None)
    stage.begin()
    refused = []
    for action in rubbish(stage):
        try:
            stage.act(action)
        except NotPossible as error:
            refused.append(str(error))
        stage.advance(stage.now_s + stage.pace / 10)
    assert len(refused) > 20
    assert all(0 < len(line) < 200 for line in refused)
    assert not any("\n" in line for line in refused)


@pytest.mark.parametrize("name", STAGES)
@pytest.mark.parametrize("options", [{"no": 1}, {"scale": "years"}, {"hold": 1e9}, {"ask": 1}])
def test_options_that_are_none_are_refused(name, options) -> None:
    with pytest.raises(NotPossible):
        STAGES[name](1, options)


@pytest.mark.parametrize("name", STAGES)
def test_what_is_told_comes_in_no_past_that_was_shown(name) -> None:
    """But for arrows and spans that are told again, nothing is of before the time shown."""
    stage, before, known = STAGES[name](4, None), 0.0, set()
    for told in clicked(stage, seed=2):
        for message in told:
            again = message.get("id", 0) in known
            known.add(message.get("id"))
            assert again or message["at_s"] >= before - 1e-6, message
        before = stage.now_s


@pytest.mark.parametrize("name", STAGES)
def test_arrows_that_get_lost_are_told_again(name) -> None:
    stage, arrows = STAGES[name](6, None), {}
    for told in clicked(stage, seed=9, clicks=60):
        for message in told:
            if message["kind"] == "arrow":
                before = arrows.get(message["id"])
                if before is not None:
                    assert message["got_s"] is None
                    assert before["got_s"] is not None
                    assert message["lost_s"] <= message["due_s"] == before["got_s"]
                else:
                    assert message["got_s"] > message["at_s"]
                arrows[message["id"]] = message
