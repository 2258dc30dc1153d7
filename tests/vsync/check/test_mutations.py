"""Real histories with one lie planted in them: the checker sees it.

The histories are those of the engine in simulation; each lie is one that something else in them
contradicts. What nothing contradicts cannot be seen: a message dropped from the end of the only log
that has it, a member added to a configuration that nobody else installed.
"""

import contextlib
import copy
import json
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocksync.runtime.history import Event, MalformedHistory
from clocksync.runtime.units import MILLISECOND
from tests.fuzz.mutation import mutated
from vsync.check import judge, read_files, render
from vsync.simulation.run import draw, play

SEEDS = range(4)
Lie = Callable[[list[Event], Random], bool]


@pytest.fixture(scope="module")
def histories() -> list[list[Event]]:
    kinds = ("partition", "crash", "loss")
    return [
        play(draw(seed, 3, 150 * MILLISECOND, kinds, 3, quiet_end=True)).events for seed in SEEDS
    ]


def places(events: list[Event], kind: str) -> list[int]:
    return [at for at, event in enumerate(events) if event["event"] == kind]


def shared(events: list[Event]) -> list[int]:
    """Deliveries of messages that several nodes deliver."""
    by: dict[str, set[int]] = {}
    for at in places(events, "deliver"):
        by.setdefault(events[at]["message"], set()).add(events[at]["node"])
    return [at for at in places(events, "deliver") if len(by[events[at]["message"]]) > 1]


def following(events: list[Event], at: int) -> int | None:
    """The same node's next event, if it is a delivery in the same configuration."""
    for later in range(at + 1, len(events)):
        if events[later].get("node") != events[at]["node"]:
            continue
        if events[later]["event"] in ("send", "submit", "recovered"):
            continue
        same = events[later].get("configuration") == events[at]["configuration"]
        return later if events[later]["event"] == "deliver" and same else None
    return None


def swap_two_deliveries(events: list[Event], random: Random) -> bool:
    at = random.choice([at for at in places(events, "deliver") if following(events, at)])
    later = following(events, at)
    assert later is not None
    events[at], events[later] = events[later], events[at]
    return True


def drop_a_delivery_in_the_middle(events: list[Event], random: Random) -> bool:
    regular = [
        at
        for at in places(events, "deliver")
        if following(events, at) and events[at]["configuration"].startswith("R")
    ]
    del events[random.choice(regular)]
    return True


def repeat_a_delivery(events: list[Event], random: Random) -> bool:
    at = random.choice(places(events, "deliver"))
    events.insert(at + 1, copy.deepcopy(events[at]))
    return True


def forget_a_sending(events: list[Event], random: Random) -> bool:
    sent = {events[at]["message"] for at in shared(events)}
    chosen = [at for at in places(events, "send") if events[at]["message"] in sent]
    del events[random.choice(chosen)]
    return True


def change(key: str, to: Callable[[Event], object]) -> Lie:
    def lie(events: list[Event], random: Random) -> bool:
        event = events[random.choice(shared(events))]
        event[key] = to(event)
        return True

    lie.__name__ = f"change_{key}"
    return lie


def drop_a_transitional_configuration(events: list[Event], random: Random) -> bool:
    chosen = [at for at in places(events, "configuration") if events[at]["kind"] == "transitional"]
    del events[random.choice(chosen)]
    return True


def change_members(events: list[Event], random: Random) -> bool:
    ids = [events[at]["id"] for at in places(events, "configuration")]
    chosen = [at for at in places(events, "configuration") if ids.count(events[at]["id"]) > 1]
    event = events[random.choice(chosen)]
    event["members"] = [*event["members"], 99]
    return True


def let_a_ring_number_go_back(events: list[Event], random: Random) -> bool:
    chosen = [at for at in places(events, "configuration") if events[at]["kind"] == "regular"]
    events[random.choice(chosen[3:])]["ring_seq"] = 0
    return True


def lose_the_last_word(events: list[Event], random: Random) -> bool:
    """Somebody's own last message of a configuration."""
    own = [at for at in places(events, "deliver") if events[at]["origin"] == events[at]["node"]]
    del events[random.choice(own)]
    return True


LIES: tuple[Lie, ...] = (
    swap_two_deliveries,
    drop_a_delivery_in_the_middle,
    repeat_a_delivery,
    forget_a_sending,
    change("digest", lambda event: "0" * 16),
    change("timestamp", lambda event: event["timestamp"] + 1),
    change("error", lambda event: event["error"] + 1),
    change("flags", lambda event: ["a flag nobody saw"]),
    change("origin", lambda event: 1 + event["origin"] % 3),
    change("configuration", lambda event: "R0.0.0"),
    change("service", lambda event: "safe" if event["service"] == "agreed" else "agreed"),
    drop_a_transitional_configuration,
    change_members,
    let_a_ring_number_go_back,
    lose_the_last_word,
)


def test_the_histories_themselves_are_clean(histories: list[list[Event]]) -> None:
    for events in histories:
        assert judge(events).violations == []


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.__name__)
def test_a_lie_is_seen(lie: Lie, histories: list[list[Event]]) -> None:
    for number, events in enumerate(histories):
        for again in range(2):
            told = [dict(event) for event in events]
            assert lie(told, Random(f"{number}/{again}"))
            assert judge(told).violations, f"history {number}, {again}"


def test_one_lie_among_many_logs_does_not_take_for_ever(histories: list[list[Event]]) -> None:
    """Where everything is wrong the verdict is still short."""
    told = copy.deepcopy(histories[0])
    for event in told:
        if event["event"] == "deliver":
            event.update(timestamp=1, digest="x", origin=2, configuration="nowhere")
    verdict = judge(told)
    assert len(verdict.violations) < 200
    assert sum(verdict.more.values()) > 500
    assert "and" in render(verdict)


# Files


def write(path: Path, events: list[Event]) -> Path:
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    return path


def test_each_node_may_have_a_file_of_its_own(histories: list[list[Event]], tmp_path: Path) -> None:
    events = histories[1]
    paths = [
        write(
            tmp_path / f"{node}", [event for event in events if event.get("node") in (node, None)]
        )
        for node in (3, 1, 2)
    ]
    verdict = judge(read_files(paths))
    assert verdict.violations == []
    assert verdict.nodes == 3


def test_a_place_is_told_with_its_file_and_line(
    histories: list[list[Event]], tmp_path: Path
) -> None:
    told = copy.deepcopy(histories[1])
    at = places(told, "deliver")[-1]
    told[at]["timestamp"] += 10**12
    paths = [
        write(tmp_path / f"{node}.jsonl", [event for event in told if event.get("node") == node])
        for node in (1, 2, 3)
    ]
    text = render(judge(read_files(paths)))
    node = told[at]["node"]
    line = 1 + [event for event in told if event.get("node") == node].index(told[at])
    assert f"{tmp_path / f'{node}.jsonl'}:{line}: node {node} deliver" in text


def test_a_torn_last_line_is_noted_and_ignored(
    histories: list[list[Event]], tmp_path: Path
) -> None:
    path = write(tmp_path / "h", histories[0][:200])
    path.write_bytes(path.read_bytes() + b'{"node":1,"inc')
    notes: list[str] = []
    assert len(read_files([path], notes.append)) == 200
    assert len(notes) == 1


def test_unknown_keys_and_events_are_ignored(histories: list[list[Event]]) -> None:
    told = [{**event, "mood": "good"} for event in histories[2]]
    told.insert(50, {"node": 1, "incarnation": "?", "event": "sneeze"})
    assert judge(told).violations == []


@pytest.mark.parametrize(
    ("event", "says"),
    [
        ({"event": "boot"}, "no 'node'"),
        ({"event": "boot", "node": "1", "incarnation": "a"}, "no integer"),
        ({"event": "boot", "node": 1, "incarnation": 7}, "no string"),
        ({"event": "boot", "node": 1, "incarnation": "a"}, "boot without 'storage'"),
        ({"event": "boot", "node": 1, "incarnation": "a", "storage": "some"}, "neither kept"),
        ({"event": "deliver", "message": "5"}, "deliver: '5' is no message"),
        ({"event": "deliver", "message": "R/²"}, "is no message"),
        ({"event": "send", "message": "R/1", "service": "best"}, "neither agreed nor safe"),
        ({"event": "configuration", "kind": "odd", "members": []}, "neither regular"),
        ({"event": "configuration", "kind": "regular", "members": [2, 1]}, "no sorted list"),
        ({"event": "configuration", "kind": "regular", "members": "12"}, "no sorted list"),
        ({"event": "recovered", "obligations": 5, "ring": "R"}, "recovered"),
    ],
)
def test_what_is_no_event_is_refused_with_its_line(event: Event, says: str) -> None:
    life = {"node": 1, "incarnation": "a"}
    events = [{**life, "event": "boot", "storage": "kept"}]
    if event["event"] == "boot":
        events = []
    else:
        event = {**life, **event}
    with pytest.raises(MalformedHistory, match=says) as refused:
        judge([*events, event], name="file")
    assert str(refused.value).startswith(f"file:{len(events) + 1}: ")
    assert "\n" not in str(refused.value)


@given(st.integers(0, 10**9))
def test_rubbish_is_refused_or_judged_and_never_raises_otherwise(seed: int) -> None:
    random = Random(seed)
    lines = [json.dumps(event).encode() for event in BRIEF]
    at = random.randrange(len(lines))
    lines[at] = mutated(lines[at], lines, random)
    events = []
    for line in lines:
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(event, dict) and isinstance(event.get("event"), str):
            events.append(event)
    with contextlib.suppress(MalformedHistory):
        assert isinstance(render(judge(events)), str)


BRIEF = play(draw(3, 2, 60 * MILLISECOND, ())).events
