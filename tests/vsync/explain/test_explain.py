"""A picture of a history shows what happened, and nothing that is not in it."""

from types import SimpleNamespace
from xml.etree import ElementTree

import pytest

from clocksync.runtime.errors import ToolkitError
from clocksync.runtime.units import MILLISECOND
from tests.vsync.explain import histories
from vsync.check import judge
from vsync.explain import explain
from vsync.simulation.run import draw, play

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def simulated():
    return play(draw(8, 3, 400 * MILLISECOND, ("partition", "crash"), 3, quiet_end=False)).events


@pytest.fixture(scope="module")
def life():
    return histories.life_of_three()


@pytest.fixture(scope="module")
def big():
    return histories.big()


def texts(picture):
    return ["".join(node.itertext()) for node in ElementTree.fromstring(picture).iter(f"{SVG}text")]


def tooltips(picture):
    return [node.text or "" for node in ElementTree.fromstring(picture).iter(f"{SVG}title")]


def violation(rule, text, *numbers):
    return SimpleNamespace(rule=rule, text=text, places=tuple((number, "h") for number in numbers))


def numbers_of(events, kind):
    return [number for number, event in enumerate(events, 1) if event["event"] == kind]


ALL = {
    "life": histories.life_of_three,
    "worked": histories.worked_example,
    "big": histories.big,
    "wide": lambda: histories.big(9, 900, 4),
    "real": lambda: histories.as_real_nodes_write(histories.life_of_three()),
    "one": lambda: [e for e in histories.life_of_three() if e.get("node") == 1][:3],
}


@pytest.mark.parametrize("name", ALL)
def test_it_is_one_well_formed_document_without_scripts_the_same_each_time(name) -> None:
    events = ALL[name]()
    picture = explain(events, title="a <title> & more")
    assert ElementTree.fromstring(picture).tag == f"{SVG}svg"
    assert "<script" not in picture
    assert picture.count("http") == picture.count("http://www.w3.org/2000/svg")
    assert "a <title> & more" in texts(picture)
    assert picture == explain([dict(event) for event in events], title="a <title> & more")


def test_a_simulated_history_can_be_drawn_and_judged(simulated) -> None:
    picture = explain(simulated, violations=judge(simulated).violations)
    assert {"node 1", "node 2", "node 3"} <= set(texts(picture))


def test_one_configuration_has_one_colour_at_all_members(life) -> None:
    bands = [
        (node.get("stroke"), (node[0].text or "").splitlines())
        for node in ElementTree.fromstring(explain(life)).iter(f"{SVG}rect")
        if node.get("class") == "band"
    ]
    assert len(bands) == len(numbers_of(life, "configuration"))
    for event in life:
        if event["event"] == "configuration":
            colours = {colour for colour, told in bands if f"id: {event['id']}" in told}
            assert len(colours) == 1, event["id"]


def test_what_began_before_a_window_and_what_goes_on_have_their_colours_of_the_whole(life) -> None:
    def colours(picture):
        return {
            (node[0].text or "").splitlines()[0]: node.get("stroke")
            for node in ElementTree.fromstring(picture).iter(f"{SVG}rect")
            if node.get("class") == "band"
        }

    whole, part = colours(explain(life)), colours(explain(life, first=50))
    assert part
    assert part.items() <= whole.items()


def test_a_pointer_shows_all_that_is_known_of_an_event(life) -> None:
    number = numbers_of(life, "deliver")[4]
    told = next(text for text in tooltips(explain(life)) if text.startswith(f"event {number}:"))
    for key, value in life[number - 1].items():
        if key not in ("event", "flags"):
            assert f"{key}: {value}" in told
    assert "sent by node" in told


def test_a_violation_is_told_and_marked(life) -> None:
    number = numbers_of(life, "deliver")[3]
    change = numbers_of(life, "configuration")[4]
    wrong = violation("D4", "the order\n of <things> differs", number, change)
    picture = explain(life, violations=[wrong])
    assert f"the order of <things> differs (events {number}, {change})" in texts(picture)
    assert texts(picture).count("D4") == 3, "in words, at the delivery, at the configuration"
    assert picture.count('class="wrong"') == 3, "two, and the legend's"
    assert 'class="wrong"' not in explain(life)


def test_a_checkers_violations_fit(simulated) -> None:
    wrong = [dict(event) for event in simulated]
    wrong[numbers_of(wrong, "deliver")[-1] - 1]["timestamp"] += 1_000_000_000_000
    picture = explain(wrong, violations=judge(wrong).violations)
    assert texts(picture).count("T1") >= 2


def test_a_violation_is_found_by_file_and_line_where_several_were_read(life) -> None:
    events = [dict(event, _place=("a", at + 100)) for at, event in enumerate(life)]
    number = numbers_of(life, "deliver")[3]
    wrong = SimpleNamespace(rule="B4", text="twice", places=((number + 99, "a", "deliver"),))
    assert f"twice (event {number})" in texts(explain(events, violations=[wrong]))


def test_many_violations_are_counted_and_places_outside_are_said_to_be(life) -> None:
    wrong = [violation("D1", f"number {at}", 2) for at in range(9)]
    shown = texts(explain(life, violations=wrong, first=60))
    assert "and 3 more violations" in shown
    assert "number 0 (event 2, not in this picture)" in shown
    explain(life, violations=[violation("X", "nowhere", 0, 10**9), violation("Y", "no place")])


def test_a_long_history_with_a_violation_shows_the_messages_around_it(big) -> None:
    number = numbers_of(big, "deliver")[900]
    picture = explain(big, violations=[violation("D5", "not safe", number)])
    told = tooltips(picture)
    near = [n for n in range(number - 25, number + 25) if big[n - 1]["event"] != "submit"]
    for one in near:
        assert any(f"event {one:,}:" in text for text in told), one
    assert any("folded where no configuration changed" in text for text in texts(picture))


def test_a_picture_fits_a_few_screens_and_says_what_it_leaves_out(big) -> None:
    for events in (big, histories.big(5, 9000, 7)):
        picture = explain(events)
        height = float(ElementTree.fromstring(picture).get("height") or 0)
        assert height < 3100
        note = next(text for text in texts(picture) if text.startswith(f"{len(events):,} events"))
        assert "folded" in " ".join(texts(picture))
        if len(events) > 9000:
            assert "left out" in note


def test_events_are_chosen_by_hand(life) -> None:
    first = numbers_of(life, "submit")[2]
    picture = explain(life, first=first, last=60)
    numbers = {
        int(text.partition(":")[0].split()[1])
        for text in tooltips(picture)
        if text.startswith("event ")
    }
    assert max(numbers) <= 60
    before = {number for number in numbers if number < first}
    assert {life[number - 1]["event"] for number in before} == {"configuration"}, "still in force"
    assert any(f"events {first} to 60 of {len(life)}" in text for text in texts(picture))


def test_the_event_asked_for_is_in_the_middle_and_marked(big) -> None:
    picture = explain(big, around=numbers_of(big, "deliver")[300])
    assert picture.count('class="asked"') == 2, "the event, and the legend's"
    assert explain(big, around=1).startswith("<svg")
    assert explain(big, around=len(big)).startswith("<svg")


def test_the_token_is_drawn_if_asked_for_or_where_events_are_chosen_by_hand() -> None:
    events = histories.with_tokens()
    passed = len(numbers_of(events, "token"))

    def drawn(**options):
        return sum("the token of ring" in text for text in tooltips(explain(events, **options)))

    assert passed == 8
    assert drawn(tokens=True) == passed
    assert drawn() == 0
    assert drawn(first=1) == passed
    assert drawn(first=1, tokens=False) == 0


def test_what_the_run_tells_of_itself_is_drawn_across(life) -> None:
    shown = texts(explain(life))
    assert any(text.startswith("healed") for text in shown)
    assert any(text.startswith("quiet") for text in shown)


def test_boots_crashes_and_leaves_are_named(life) -> None:
    shown = texts(explain(life))
    assert {"crash", "leaves", "boot, disk lost"} <= set(shown)
    assert sum(text.startswith("boot ") for text in shown) >= 3


def test_a_message_that_nobody_delivers_is_drawn_as_lost(life) -> None:
    assert "no delivery recorded" not in texts(explain(life))
    name = next(e["message"] for e in life if e["event"] == "send")
    lost = [e for e in life if not (e["event"] == "deliver" and e["message"] == name)]
    assert "no delivery recorded" in texts(explain(lost))


def test_control_characters_do_not_spoil_the_document(life) -> None:
    odd = [dict(event) for event in life]
    odd[1]["reason"] = "\x00\x1b[31m\ud800 <&>"
    picture = explain(odd, title="\x07 & <b>")
    ElementTree.fromstring(picture)
    picture.encode("utf-8")


def outcome(events, **options):
    """What is said in refusal, or nothing if it can be drawn."""
    try:
        ElementTree.fromstring(explain(events, **options))
    except ToolkitError as refused:
        return str(refused)
    return ""


@pytest.mark.parametrize("key", ["message", "at", "incarnation", "origin", "service", "ring", "id"])
def test_odd_values_are_drawn_or_refused_in_one_line(life, key) -> None:
    odd = (None, [], {}, "x" * 5000, 1.5, True, -(10**400), "\n/\n.", "1/" + "9" * 400, "<&>/1")
    for value in odd:
        events = [{**event, **({key: value} if key in event else {})} for event in life]
        assert "\n" not in outcome(events)


def test_unknown_events_and_keys_are_passed_over(life) -> None:
    noisy = []
    for event in life:
        noisy += [{"event": "unheard of", "at": event["at"]}, {**event, "colour": "pink"}]
    note, *rest = texts(explain(noisy))
    assert note.startswith(f"{len(noisy)} events")
    assert rest == texts(explain(life))[1:]


BOOT = {"event": "boot", "node": 1}
VIEW = {"event": "configuration", "node": 1, "id": "R", "kind": "regular"}


@pytest.mark.parametrize(
    ("events", "options", "says"),
    [
        ([], {}, "nothing to draw"),
        ([{"event": "unheard of"}], {}, "nothing to draw"),
        ([{"event": "boot"}], {}, "event 1: boot without 'node'"),
        ([{"event": "configuration", "node": 1, "id": "R"}], {}, "configuration without 'kind'"),
        ([VIEW], {}, "configuration without 'members'"),
        ([{**VIEW, "members": ["a"]}], {}, "'members' are no integers"),
        ([{**VIEW, "members": None}], {}, "'members' are no integers"),
        ([{**VIEW, "kind": "odd", "members": [1]}], {}, "of no known kind"),
        ([BOOT, {"event": "deliver", "node": 1}], {}, "event 2: deliver without 'message'"),
        ([{"event": "boot", "node": "one"}], {}, "'node' is no integer"),
        ([{"event": "token", "node": 1, "to": "x"}], {"tokens": True}, "'to' is no integer"),
        ([BOOT], {"first": 5}, "no events of a ring from 5 on: the history has 1"),
        ([BOOT], {"first": 5, "last": 9}, "no events of a ring from 5 to 9"),
        ([BOOT], {"around": 5}, "there is no event 5"),
    ],
)
def test_what_cannot_be_drawn_is_one_line(events, options, says) -> None:
    with pytest.raises(ToolkitError, match=says) as refused:
        explain(events, **options)
    assert "\n" not in str(refused.value)


def test_a_run_without_nodes_can_be_drawn() -> None:
    assert explain([{"event": "quiet"}]).startswith("<svg")
