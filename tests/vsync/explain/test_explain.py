"""A picture of a history shows what happened, and nothing that is not in it."""

from xml.etree import ElementTree

import pytest

from clocksync.runtime.errors import ToolkitError
from clocksync.runtime.units import MILLISECOND
from vsync.check import judge
from vsync.explain import explain
from vsync.explain.story import DETAIL_MOST, tell
from vsync.simulation.run import draw, play

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def history():
    return play(draw(8, 3, 400 * MILLISECOND, ("partition", "crash"), 3, quiet_end=False)).events


@pytest.fixture(scope="module")
def brief():
    return play(draw(2, 3, 45 * MILLISECOND, ())).events


def texts(picture):
    return ["".join(node.itertext()) for node in ElementTree.fromstring(picture).iter(f"{SVG}text")]


def test_it_is_one_well_formed_document_without_scripts(history) -> None:
    picture = explain(history, title="a <title> & more")
    assert ElementTree.fromstring(picture).tag == f"{SVG}svg"
    assert "<script" not in picture
    assert picture.count("http") == picture.count("http://www.w3.org/2000/svg")
    assert "a <title> & more" in texts(picture)


def test_the_same_history_gives_the_same_picture(history) -> None:
    assert explain(history) == explain([dict(event) for event in history])


def test_every_member_has_its_lane(history) -> None:
    assert {"node 1", "node 2", "node 3"} <= set(texts(explain(history)))


def test_a_short_history_shows_every_message_where_it_was_sent_and_delivered(brief) -> None:
    drawn = [event for event in brief if event["event"] in ("send", "deliver")]
    assert 0 < len(drawn) <= DETAIL_MOST
    shown = texts(explain(brief))
    for event in drawn:
        number = event["message"].rpartition("/")[2]
        assert shown.count(number) >= 1
    story = tell(brief)
    assert story.is_detail
    assert sum(row.kind in ("send", "deliver") for row in story.rows) == len(drawn)


def test_a_long_history_sums_messages_up_and_loses_none(history) -> None:
    story = tell(history)
    assert not story.is_detail
    for kind, total in (
        ("deliver", sum(row.delivered for row in story.rows)),
        ("send", sum(row.sent for row in story.rows)),
    ):
        assert total == sum(event["event"] == kind for event in history)
    kinds = [row.kind for row in story.rows]
    for kind in ("configuration", "crash", "boot"):
        assert kinds.count(kind) == sum(event["event"] == kind for event in history)


def test_one_configuration_has_one_colour_at_all_members(brief) -> None:
    rectangles = [
        (node.get("stroke"), "".join(node.itertext()))
        for node in ElementTree.fromstring(explain(brief)).iter(f"{SVG}rect")
        if node.get("rx")
    ]
    for event in brief:
        if event["event"] == "configuration":
            colours = {stroke for stroke, told in rectangles if f'"{event["id"]}"' in told}
            assert len(colours) == 1, event["id"]


def test_a_violation_is_told_and_marked(history) -> None:
    wrong = [dict(event) for event in history]
    last = max(at for at, event in enumerate(wrong) if event["event"] == "deliver")
    wrong[last]["timestamp"] += 1_000_000_000_000
    violations = judge(wrong).violations
    picture = explain(wrong, violations=violations)
    assert any(text.startswith("T1:") for text in texts(picture))
    assert "T1" in texts(picture), "the event itself is marked"
    assert 'class="wrong"' in picture


def test_a_window_is_chosen_around_the_first_violation(history) -> None:
    wrong = [dict(event) for event in history]
    last = max(at for at, event in enumerate(wrong) if event["event"] == "deliver")
    wrong[last]["timestamp"] += 1_000_000_000_000
    story = tell(wrong, judge(wrong).violations)
    assert story.is_detail
    assert story.left_out
    assert any(row.number == last + 1 for row in story.rows)
    assert story.before, "the bands that the window begins in"


def test_the_token_is_drawn_where_it_was_recorded() -> None:
    scenario = draw(2, 3, 45 * MILLISECOND, ())
    events = play(scenario, tells_tokens=True).events
    picture = explain(events, first=20, last=90)
    drawn = sum(event["event"] == "token" for event in events[19:90])
    assert drawn > 5
    assert picture.count('class="token"') == drawn
    assert not judge(events).violations


def test_events_are_chosen_by_hand(history) -> None:
    story = tell(history, first=10, last=40)
    assert all(10 <= row.number <= 40 for row in story.rows)
    assert story.left_out == f"events 10 to 40 of {len(history):,}"


def test_one_member_and_many_members_can_be_drawn() -> None:
    boot = {"node": 1, "incarnation": "a", "event": "boot", "storage": "kept"}
    assert "node 1" in texts(explain([boot]))
    many = play(draw(3, 9, 40 * MILLISECOND, ())).events
    width = float(ElementTree.fromstring(explain(many)).get("width") or 0)
    assert width > 9 * 100


@pytest.mark.parametrize(
    ("events", "says"),
    [
        ([], "nothing to draw"),
        ([{"event": "quiet"}, {"event": "unheard of"}], None),
        ([{"event": "boot"}], "boot without 'node'"),
        ([{"event": "configuration", "node": 1, "id": "R"}], "configuration without 'kind'"),
        ([{"event": "deliver", "node": 1}], "deliver without 'message'"),
    ],
)
def test_what_cannot_be_drawn_is_one_line(events, says) -> None:
    if says is None:
        assert explain(events).startswith("<svg")
        return
    with pytest.raises(ToolkitError, match=says) as refused:
        explain(events)
    assert "\n" not in str(refused.value)
