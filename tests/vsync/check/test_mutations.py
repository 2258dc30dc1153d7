"""Clean histories are found clean, and with one lie planted in them they are not.

The histories are those of a tiny model of the promises and those of the engine in simulation; the
lies, and why some cannot be seen, are in :mod:`tests.vsync.check.lies`.
"""

import copy
from dataclasses import replace
from random import Random

import pytest

from clocksync.runtime.history import Event
from clocksync.runtime.units import MILLISECOND
from tests.vsync.check.lies import LIES, Index
from tests.vsync.check.model import Model
from vsync.check import judge, render
from vsync.simulation.run import Scenario, draw, play

TOLD_EACH = 2
"""So many lies of each kind are planted in each history."""


@pytest.fixture(scope="module")
def simulated() -> list[list[Event]]:
    return [play(brief(seed)).events for seed in range(4)]


def brief(seed: int) -> Scenario:
    """A short run: the shorter the pauses of who was given up, the sooner it is quiet."""
    kinds = ("partition", "crash", "loss")
    scenario = draw(seed, 3, 100 * MILLISECOND, kinds, 3, quiet_end=True)
    pauses = (20 * MILLISECOND, 60 * MILLISECOND)
    return replace(scenario, config=replace(scenario.config, backoff_ns=pauses))


@pytest.fixture(scope="module")
def modelled() -> list[list[Event]]:
    return [Model(seed, nodes=2 + seed % 4, steps=40).events for seed in range(30)]


def test_the_model_keeps_all_promises() -> None:
    for seed in range(300):
        verdict = judge(Model(seed, nodes=2 + seed % 4, steps=40 + seed % 60).events)
        assert verdict.violations == [], f"{seed}\n{render(verdict)}"
        assert verdict.ends_quiet


def test_the_model_sees_all_that_there_is() -> None:
    told = [event for seed in range(100) for event in Model(seed).events]
    deliveries = [event for event in told if event["event"] == "deliver"]
    for place in "RT":
        for service in ("agreed", "safe"):
            assert any(
                e["configuration"].startswith(place) and e["service"] == service for e in deliveries
            )
    assert {event["event"] for event in told} == {
        *("boot", "configuration", "submit", "send", "deliver", "recovered", "crash", "leave"),
        *("healed", "quiet"),
    }
    assert any(event.get("storage") == "lost" for event in told)


def test_the_engine_keeps_all_promises(simulated: list[list[Event]]) -> None:
    for events in simulated:
        assert judge(events).violations == []


def shuffled(events: list[Event], random: Random) -> list[Event]:
    """Another order of the lines that keeps each incarnation's own, and that of the boots."""
    lives: dict[tuple[int, str], list[Event]] = {}
    for event in events:
        if "node" in event:
            lives.setdefault((event["node"], event["incarnation"]), []).append(event)
    boots = [life.pop(0) for life in lives.values()]
    waiting = [life[::-1] for life in lives.values() if life]
    rest = []
    while waiting:
        at = random.randrange(len(waiting))
        rest.append(waiting[at].pop())
        if not waiting[at]:
            del waiting[at]
    return [*boots, *rest, *(event for event in events if "node" not in event)]


def test_the_order_of_the_lines_of_different_nodes_does_not_matter(
    modelled: list[list[Event]], simulated: list[list[Event]]
) -> None:
    for number, events in enumerate(modelled + simulated):
        told = shuffled(events, Random(number))
        assert len(told) == len(events)
        assert judge(told).violations == [], number


def test_a_missing_log_is_not_held_against_anybody(
    modelled: list[list[Event]], simulated: list[list[Event]]
) -> None:
    for number, events in enumerate(modelled + simulated):
        for lost in range(1, 6):
            told = [event for event in events if event.get("node") != lost]
            assert judge(told).violations == [], (number, lost)


def test_a_history_may_be_cut_anywhere(modelled: list[list[Event]]) -> None:
    """Nothing is held against what may come yet."""
    for number, events in enumerate(modelled):
        for at in range(0, len(events), 7):
            assert judge(events[:at]).violations == [], (number, at)


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_seen(lie: str, modelled: list[list[Event]], simulated: list[list[Event]]) -> None:
    planted = 0
    for number, events in enumerate(modelled + simulated):
        variants = [v for v in LIES[lie](Index(events)) if v.is_contradicted]
        random = Random(f"{lie} {number}")
        for variant in random.sample(variants, min(TOLD_EACH, len(variants))):
            planted += 1
            assert judge(variant.events).violations, f"{number}: {events[variant.at]}"
    assert planted > 20


def test_where_everything_is_wrong_the_verdict_is_short(simulated: list[list[Event]]) -> None:
    told = copy.deepcopy(simulated[0])
    random = Random(1)
    for event in told:
        if event["event"] == "deliver":
            event.update(timestamp=random.randrange(9), digest="x", configuration="nowhere")
            event.update(origin=random.randrange(4), flags=["odd"], service="safe")
    random.shuffle(told)
    verdict = judge(told)
    assert len(verdict.violations) < 400
    assert sum(verdict.more.values()) > 300
    assert " and " in render(verdict)
