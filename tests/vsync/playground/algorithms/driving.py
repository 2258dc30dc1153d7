"""Clicks on stages: scenes played to their end, and random ones from a seed."""

from collections.abc import Iterator
from contextlib import suppress
from random import Random

from vsync.playground.algorithms import STAGES
from vsync.playground.stage import NotPossible


def scenes():
    """Every scene of every stage: (stage's name, scene)."""
    return [(name, scene) for name, make in STAGES.items() for scene in make(1, None).scenes]


def play(name, scene, seed=1, frames=7):
    """A scene played to its end: the stage, and all it told."""
    stage = STAGES[name](seed, scene.options)
    told, at_s = stage.begin(), 0.0
    for step in scene.steps:
        for action in step.actions:
            told += stage.act(action)
        for _ in range(frames):
            at_s += (step.run_s or 0) / frames
            told += stage.advance(at_s)
    return stage, told


def random_action(stage, random: Random):
    """Something that may be clicked; not all of it is possible."""
    control = random.choice(stage.controls)
    action = {"do": control.name}
    if control.lane is not None:
        action["lane"] = control.lane
    match control.kind:
        case "lane":
            action["lane"] = random.randint(1, 5)
        case "pair":
            action |= {"from": random.randint(1, 4), "to": random.randint(1, 4)}
        case "slider":
            steps = round((control.high - control.low) / control.step)
            action["value"] = control.low + control.step * random.randint(0, steps)
        case "choice":
            action["value"] = random.choice(control.options)
    return action


def clicked(stage, seed, clicks=40, apart_s=0.0, spared=()) -> Iterator[list]:
    """Random clicks, and what was told after each and the time that followed."""
    random, at_s = Random(f"clicks {seed}"), 0.0
    apart_s = apart_s or stage.pace
    yield stage.begin()
    for _ in range(clicks):
        told = []
        action = random_action(stage, random)
        if action["do"] not in spared:
            with suppress(NotPossible):
                told += stage.act(action)
        at_s += random.uniform(0, 2 * apart_s)
        yield told + stage.advance(at_s)


RUBBISH = (
    {}, {"do": None}, {"do": 7}, {"do": ["kill"]}, {"do": "__init__"}, {"do": "build"},
    {"do": "kill", "lane": "1; drop"}, {"lane": 1}, [], None, "kill", 3,
)  # fmt: skip
VALUES = (
    None, True, -1, 0, 99, 10**400, float("nan"), float("inf"), "", "x" * 10_000, [], {}, "1",
)  # fmt: skip


def rubbish(stage):
    """Actions that nobody could click."""
    yield from RUBBISH
    for control in stage.controls:
        yield {"do": control.name, "lane": "none", "event": "none", "value": {}}
        for value in VALUES:
            keys = ("lane", "value", "from", "to", "event")
            yield {"do": control.name, **dict.fromkeys(keys, value)}
