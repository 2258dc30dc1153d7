"""Berkeley and reference broadcasts: the textbook's numbers, and bounds that hold the truth."""

import pytest

from tests.vsync.playground.algorithms.driving import clicked, play
from vsync.playground.algorithms import STAGES, berkeley, rbs


def scene(stage, name):
    return next(each for each in STAGES[stage](1, None).scenes if each.name == name)


def readings(told):
    return [message for message in told if message["kind"] == "reading"]


def assert_bounds_hold(told) -> int:
    checked = 0
    for each in readings(told):
        if None not in (each["value"], each["bound"], each["truth"]):
            checked += 1
            assert abs(each["value"] - each["truth"]) <= each["bound"] + 1e-9, each
    return checked


@pytest.mark.parametrize("seed", range(5))
def test_three_o_clock_twenty_five_past_and_ten_to_agree_on_five_past(seed) -> None:
    _, told = play("berkeley", scene("berkeley", "textbook"), seed)
    orders = [m["label"] for m in told if m["kind"] == "arrow" and m["tone"] == "order"]
    assert sorted(orders[:2]) == ["+15 min", "−20 min"]
    first = next(m for m in told if m["kind"] == "say")
    assert first["title"] == "The average is +5 min"
    assert "host 1 +5, host 2 −20 and host 3 +15" in first["text"]
    last = {each["lane"]: each for each in readings(told)}
    assert [each["text"] for each in last.values()] == ["3:05"] * 3


def test_a_liar_is_left_out_and_pulls_nobody() -> None:
    _, told = play("berkeley", scene("berkeley", "a-liar"))
    assert any(m["title"] == "Host 3 is left out" for m in told if m["kind"] == "say")
    while_it_lies = [each for each in readings(told) if 0.3 <= each["at_s"] <= 0.5]
    values = [each["value"] for each in while_it_lies if each["lane"] != 3]
    assert max(values) - min(values) < 10


def test_when_the_daemon_dies_the_lowest_that_is_left_goes_on() -> None:
    stage, told = play("berkeley", scene("berkeley", "takeover"))
    assert any(m["title"] == "Host 2 is the daemon now" for m in told if m["kind"] == "say")
    assert {stage.core(lane).me.reign.daemon for lane in stage.lanes} == {2}


@pytest.mark.parametrize("scale", [berkeley.MINUTES, berkeley.MILLISECONDS])
@pytest.mark.parametrize("seed", range(6))
def test_every_bound_of_a_host_holds_the_groups_time(seed, scale) -> None:
    stage = STAGES["berkeley"](seed, {"hosts": "5", "scale": scale})
    told = []
    spared = ("hosts", "scale", "lie")
    for each in clicked(stage, seed, clicks=50, apart_s=0.1, spared=spared):
        told += each
    assert assert_bounds_hold(told) > 3


@pytest.mark.parametrize("seed", range(4))
def test_bounds_hold_beside_a_minority_of_liars(seed) -> None:
    stage = STAGES["berkeley"](seed, {"hosts": "5", "scale": berkeley.MILLISECONDS})
    told = [*stage.begin(), *stage.advance(0.2)]
    for lane in (3, 5):
        told += stage.act({"do": "lie", "lane": lane})
    told += stage.advance(2)
    assert assert_bounds_hold(told) > 50


@pytest.mark.parametrize("seed", range(4))
def test_every_bound_of_reference_broadcasts_holds_the_truth(seed) -> None:
    stage = STAGES["rbs"](seed, None)
    told = []
    for each in clicked(stage, seed, clicks=40, apart_s=0.8):
        told += each
    assert assert_bounds_hold(told) > 50


@pytest.mark.parametrize("seed", range(3))
def test_broadcasts_come_closer_than_asking_over_jittery_senders(seed) -> None:
    stage = STAGES["rbs"](seed, {"m": 20})
    told = [*stage.begin(), *stage.advance(30)]
    errors = {"by broadcasts": [], "by asking": []}
    for each in readings(told):
        if each["unit"] == "ms" and each["at_s"] > 10:
            errors[each["name"].partition(", ")[2]].append(abs(each["value"] - each["truth"]))
    mean = {how: sum(found) / len(found) for how, found in errors.items()}
    assert mean["by broadcasts"] < 3 < 5 < mean["by asking"]


def test_the_slope_is_the_skew() -> None:
    stage = STAGES["rbs"](1, None)
    told = [*stage.begin(), *stage.advance(60)]
    skews = {each["lane"]: each for each in readings(told) if each["unit"] == "ppm"}
    for lane in (rbs.B, rbs.C):
        assert abs(skews[lane]["value"] - skews[lane]["truth"]) < 40


def test_a_silent_beacon_lets_the_bound_grow() -> None:
    _, told = play("rbs", scene("rbs", "silence"))
    bounds = {
        each["at_s"]: each["bound"]
        for each in readings(told)
        if each["name"] == "B − A, by broadcasts"
    }
    assert bounds[14.0] > bounds[6.0] + 5 > bounds[max(bounds)] + 1
