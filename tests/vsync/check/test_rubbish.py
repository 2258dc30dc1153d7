"""What is no event is refused with its line; nothing else is ever raised."""

import contextlib
import json
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocksync.runtime.history import Event, MalformedHistory
from tests.fuzz.mutation import mutated
from tests.vsync.check.model import Model
from vsync.check import judge, render

BRIEF = Model(17, nodes=2, steps=25).events


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
        ({"event": "configuration", "kind": "regular", "members": "12"}, "no list"),
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


DEEP: Any = []
for _ in range(5000):
    DEEP = [DEEP]

ODD = [
    *(None, True, -1, 10**50, 10**5000, 1.5, float("nan"), "", "R/\u0663", "/", "R/", "/1", "R/1."),
    *(
        "R/-1",
        "R/1.x",
        "R/1.-2",
        f"R/{'9' * 5000}",
        "12",
        "x" * 10**5,
        "\n",
        "\ud800",
        [],
        {},
        [1, "2"],
    ),
    *([2, 1], [1, 1], [True], [None], [[1]], [10**5000], {"1": 1}, DEEP, [DEEP], {"a": DEEP}),
]


def judged(events: list[Any]) -> None:
    """However odd, they are judged, or refused in one line."""
    try:
        text = render(judge(events, name="file"))
    except MalformedHistory as error:
        text = str(error)
        refused = text.startswith("file:") and len(text) < 2000 and "\n" not in text
    else:
        refused = False
    assert refused or text.endswith(("liveness too)", "liveness not judged)"))
    assert all(line.isprintable() for line in text.splitlines())


@pytest.mark.parametrize(
    "kind",
    ["boot", "configuration", "submit", "send", "deliver", "recovered", "crash", "leave", "quiet"],
)
def test_any_value_of_any_key_is_judged_or_refused(kind: str) -> None:
    at = next(n for n, event in enumerate(BRIEF) if event["event"] == kind)
    for key in BRIEF[at]:
        for odd in ODD:
            judged([*BRIEF[:at], {**BRIEF[at], key: odd}, *BRIEF[at + 1 :]])
        judged([*BRIEF[:at], {k: v for k, v in BRIEF[at].items() if k != key}, *BRIEF[at + 1 :]])


@pytest.mark.parametrize(
    ("kind", "keys"),
    [
        ("boot", {"storage"}),
        ("configuration", {"id", "kind", "ring", "ring_seq", "members", "timestamp", "error"}),
        ("submit", {"handle", "service", "digest"}),
        ("send", {"message", "handle", "service", "digest"}),
        (
            "deliver",
            {"message", "origin", "service", "digest", "timestamp", "error", "flags"}
            | {"configuration"},
        ),
        ("recovered", {"ring", "obligations"}),
    ],
)
def test_a_key_that_is_missing_is_named(kind: str, keys: set[str]) -> None:
    at = next(n for n, event in enumerate(BRIEF) if event["event"] == kind)
    for key in keys | {"node", "incarnation"}:
        told = [*BRIEF[:at], {k: v for k, v in BRIEF[at].items() if k != key}]
        with pytest.raises(MalformedHistory, match=f"^file:{at + 1}: .*'{key}'"):
            judge(told, name="file")


@pytest.mark.parametrize("odd", [None, 5, "boot", [], ["event"], {}, {"event": 1}, {"event": []}])
def test_what_is_no_object_is_refused(odd: object) -> None:
    with pytest.raises(MalformedHistory, match=r"^file:2: "):
        judge([BRIEF[0], odd], name="file")  # type: ignore[list-item]


def test_after_an_end_anything_may_be_told_and_is_shown() -> None:
    """What comes too late is not read, only shown."""
    events = [BRIEF[0], {**BRIEF[0], "event": "crash"}]
    judged(
        [*events, {**BRIEF[0], "event": "send", "message": DEEP, "members": DEEP, "id": 10**5000}]
    )


def test_huge_times_are_judged() -> None:
    """Their difference has more digits than either, and than Python prints."""
    huge = 10**39
    told = [{**event, "true_time": -huge} if event["event"] == "send" else event for event in BRIEF]
    assert "T4" in {violation.rule for violation in judge(told).violations}


@given(st.integers(0, 10**9))
def test_rubbish_is_refused_or_judged_and_never_raises_otherwise(seed: int) -> None:
    random = Random(seed)
    lines = [json.dumps(event).encode() for event in BRIEF]
    for _ in range(random.randrange(1, 4)):
        at = random.randrange(len(lines))
        lines[at] = mutated(lines[at], lines, random)
    events = []
    for line in lines:
        with contextlib.suppress(ValueError, RecursionError):
            events.append(json.loads(line))
    judged(events)


@given(st.integers(0, 10**9))
def test_events_that_are_shuffled_changed_and_dropped_are_judged(seed: int) -> None:
    """Well formed and all wrong."""
    random = Random(seed)
    events = [dict(event) for event in BRIEF if random.random() < 0.9]
    for _ in range(random.randrange(30)):
        event, other = random.choice(events), random.choice(events)
        shared = [key for key in event if key in other and key != "event"]
        if shared:
            key = random.choice(shared)
            event[key] = other[key]
    if random.random() < 0.5:
        random.shuffle(events)
    judged(events)
