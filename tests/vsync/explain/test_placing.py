"""Where things stand: causes above effects, a node's own order, and nothing lost on the way."""

import itertools

import pytest

from tests.vsync.explain import histories
from vsync.explain.axis import arrange, causally, has_common_time
from vsync.explain.choosing import LEVELS, choose
from vsync.explain.placing import place
from vsync.explain.reading import read
from vsync.explain.rows import Fold
from vsync.explain.wording import numbers_text

TALES = {
    "life": histories.life_of_three(),
    "worked": histories.worked_example(),
    "big": histories.big(),
    "wide": histories.big(9, 900, 4),
    "real": histories.as_real_nodes_write(histories.life_of_three()),
    "big and real": histories.as_real_nodes_write(histories.big(4, 1500, 9)),
}


@pytest.fixture(scope="module", params=TALES)
def drawn(request):
    history = read(TALES[request.param], tokens=False)
    plan = choose(history, {})
    return history, plan, place(history, plan, "")


def test_every_event_is_drawn_or_folded_or_before_the_picture(drawn) -> None:
    history, plan, _ = drawn
    found = [item.number for item in plan.before]
    for row in plan.rows:
        found += [item.number for entry in row.entries for item in entry.items]
        found += [item.number for item in row.fold.items] if row.fold else []
    assert sorted(found) == sorted(item.number for item in history.items)


def test_every_message_that_is_delivered_has_its_line_or_is_in_a_fold(drawn) -> None:
    _, plan, picture = drawn
    items = {"send": [], "deliver": []}
    for row in plan.rows:
        for item in itertools.chain(*(entry.items for entry in row.entries)):
            items.setdefault(item.kind, []).append((item, False))
        for item in row.fold.items if row.fold else ():
            items.setdefault(item.kind, []).append((item, True))
    sent = {item.message: is_folded for item, is_folded in items["send"]}
    expected = sum(
        item.message in sent and not (is_folded and sent[item.message])
        for item, is_folded in items["deliver"]
    )
    assert sum(line.count for line in picture.lines) == expected > 0


def test_what_shares_a_row_is_not_far_apart(drawn) -> None:
    _, plan, _ = drawn
    for row in plan.rows:
        if plan.moment is not None and row.entries:
            times = [entry.at for entry in row.entries]
            assert max(times) - min(times) <= plan.moment
            assert min(times) == row.at


def test_a_ring_differs_in_colour_from_those_beside_it_and_lends_it_to_what_is_left(drawn) -> None:
    history, _, picture = drawn
    for lane in picture.lanes:
        bands = [band for band in picture.bands if band.left == lane.left]
        for before, band in itertools.pairwise(bands):
            if not band.is_regular and before.is_regular:
                assert band.colour == before.colour
        for before, band in itertools.pairwise([band for band in bands if band.is_regular]):
            names = {history.configurations[name].members for name in (before.id, band.id)}
            if max(map(len, names)) > 1:
                assert band.colour != before.colour


def test_lines_point_down(drawn) -> None:
    for line in drawn[2].lines:
        assert line.y2 > line.y1


def test_a_nodes_own_order_goes_down(drawn) -> None:
    _, plan, _ = drawn
    last: dict[int, int] = {}
    for row in plan.rows:
        items = [entry.items for entry in row.entries]
        items += [row.fold.items] if row.fold else []
        for item in itertools.chain(*items):
            if item.node:
                assert item.number > last.get(item.node, 0)
                last[item.node] = item.number


def test_no_two_marks_of_a_lane_are_nearer_than_a_line_of_text(drawn) -> None:
    _, _, picture = drawn
    for _, marks in itertools.groupby(
        sorted(picture.marks, key=lambda mark: (mark.x, mark.y)), key=lambda mark: mark.x
    ):
        for above, below in itertools.pairwise(marks):
            assert below.y - above.y >= 16


def test_labels_stay_in_their_lane(drawn) -> None:
    _, _, picture = drawn
    lanes = {lane.x: lane for lane in picture.lanes}
    for mark in picture.marks:
        lane = lanes[mark.x]
        assert mark.x + 12 + 5.7 * len(mark.label) <= lane.left + lane.width + 16, mark.label


def test_bands_of_a_lane_follow_each_other(drawn) -> None:
    _, _, picture = drawn
    for lane in picture.lanes:
        bands = [band for band in picture.bands if band.left == lane.left]
        for above, below in itertools.pairwise(bands):
            assert above.top + above.height <= below.top + 0.5


def test_what_happened_in_a_transitional_configuration_stands_in_its_band() -> None:
    history = read(histories.worked_example(), tokens=False)
    picture = place(history, choose(history, {}), "")
    found = {}
    for band in picture.bands:
        if not band.is_regular:
            inside = [
                mark.label
                for mark in picture.marks
                if mark.kind == "deliver"
                and band.left <= mark.x <= band.left + band.width
                and band.top <= mark.y <= band.top + band.height
            ]
            lane = next(lane.node for lane in picture.lanes if lane.left == band.left)
            found.setdefault((lane, band.name), []).extend(inside)
    assert found[1, "T {1}"] == ["3", "4", "5"]
    assert found[2, "T {2,3}"] == found[3, "T {2,3}"] == ["2", "4"], "5 is behind the gap"
    assert found[4, "T {4,5}"] == found[5, "T {4,5}"] == []


def test_a_crash_ends_the_band_and_the_life_until_the_next_boot() -> None:
    history = read(TALES["life"], tokens=False)
    picture = place(history, choose(history, {}), "")
    crash = next(mark for mark in picture.marks if mark.kind == "crash")
    boot = [mark for mark in picture.marks if mark.kind == "boot" and mark.x == crash.x][-1]
    lives = [life for life in picture.lives if life.x == crash.x]
    assert [life.is_alive for life in lives] == [True, False, True]
    assert (lives[1].top, lives[1].bottom) == (crash.y, boot.y)
    assert not [
        band
        for band in picture.bands
        if band.left < crash.x < band.left + band.width
        and band.top < (crash.y + boot.y) / 2 < band.top + band.height
    ]


def test_long_pauses_are_written_out() -> None:
    history = read(TALES["life"], tokens=False)
    picture = place(history, choose(history, {}), "")
    assert "180 ms later" in [text for _, text in picture.pauses]
    assert picture.times


@pytest.mark.parametrize("name", TALES)
def test_rows_go_by_time_where_all_have_one_time(name) -> None:
    history = read(TALES[name], tokens=False)
    assert has_common_time(history) == ("real" not in name)
    picture = place(history, choose(history, {}), "")
    assert bool(picture.times) == ("real" not in name)
    assert all(len(fold.note) == (1 if "real" in name else 2) for fold in picture.folds)


def test_without_a_common_time_a_configuration_stands_at_one_height() -> None:
    history = read(TALES["real"], tokens=False)
    picture = place(history, choose(history, {}), "")
    tops: dict[str, set[float]] = {}
    for band in picture.bands:
        tops.setdefault(band.id, set()).add(band.top)
    assert all(len(heights) == 1 for heights in tops.values())


def test_a_history_that_contradicts_itself_is_drawn_in_its_own_order() -> None:
    late, early = (
        {"node": 1, "event": "send", "message": "r/1"},
        {"node": 1, "event": "deliver", "message": "r/1"},
    )
    history = read([early, late], tokens=False)
    assert [item.number for item in causally(history)] == [1, 2]
    assert not arrange(history)
    place(history, choose(history, {}), "")


def test_members_who_disagree_on_the_order_of_changes_are_still_drawn() -> None:
    def enters(node: int, name: str) -> dict[str, object]:
        view = {"id": name, "kind": "regular", "members": [1, 2]}
        return {"node": node, "event": "configuration", **view}

    events = [enters(1, "A"), enters(1, "B"), enters(2, "B"), enters(2, "A")]
    history = read(events, tokens=False)
    assert [item.number for item in causally(history)] == [1, 3, 2, 4]
    assert len(place(history, choose(history, {}), "").bands) == 4


def test_each_level_folds_more_than_the_one_before() -> None:
    history = read(TALES["big"], tokens=False)
    plan = choose(history, {})
    assert plan.level in LEVELS[3:]
    assert any(row.fold for row in plan.rows)
    assert all(len(row.fold.items) >= 8 for row in plan.rows if row.fold)
    runs = [entry for row in plan.rows for entry in row.entries if len(entry.items) > 1]
    assert runs
    for entry in runs:
        assert len({(item.node, item.kind, item.ring) for item in entry.items}) == 1


def test_a_run_is_labelled_with_all_its_numbers() -> None:
    history = read(TALES["big"], tokens=False)
    plan = choose(history, {})
    marks = {(mark.x, mark.y): mark for mark in place(history, plan, "").marks}
    shown = sorted(mark.label for mark in marks.values() if mark.count > 1)
    for row in plan.rows:
        assert not isinstance(row, Fold)
        for entry in row.entries:
            if len(entry.items) > 1:
                numbers = [item.sequence or 0 for item in entry.items]
                assert numbers_text(numbers) in shown


def test_messages_of_two_rings_are_never_drawn_as_one() -> None:
    events = [
        {"node": 1, "event": "deliver", "message": f"{ring}/{number}", "at": number}
        for ring in "ab"
        for number in range(100)
    ]
    plan = choose(read(events, tokens=False), {})
    runs = [entry for row in plan.rows for entry in row.entries]
    assert [len(entry.items) for entry in runs] == [100, 100]


def test_what_is_delivered_in_a_transitional_configuration_is_never_folded() -> None:
    tale = histories.Tale()
    tale.boot(1, 2)
    for _ in range(12):
        tale.change([1, 2], "boot")
        for turn in range(60):
            tale.exchange(1 + turn % 2, "safe")
        left = [name for turn in range(40) for name in tale.send(1 + turn % 2, "safe")]
        tale.change([1, 2], "boot", {1: left, 2: left})
    history = read(tale.events, tokens=False)
    plan = choose(history, {})
    folded = [item for row in plan.rows if row.fold for item in row.fold.items]
    assert folded
    assert not any(map(history.is_transitional, folded))


def test_members_who_contradict_each_other_on_a_configuration_are_drawn_as_they_say() -> None:
    view = {"event": "configuration", "id": "R1", "kind": "regular", "ring": "1", "ring_seq": 1}
    events = [{"node": node, **view, "members": [node, 7]} for node in (1, 2)]
    history = read(events, tokens=False)
    bands = place(history, choose(history, {}), "").bands
    assert [band.name for band in bands] == ["R1 {1,7}", "R1 {2,7}"]
    assert len({band.colour for band in bands}) == 1


def test_only_those_have_a_lane_who_are_there() -> None:
    history = read(TALES["life"], tokens=False)
    assert [lane.node for lane in place(history, choose(history, {}, last=4), "").lanes] == [1, 2]
    late = place(history, choose(history, {}, first=len(TALES["life"]) - 2), "")
    assert [lane.node for lane in late.lanes] == [1, 2, 3], "alive when it begins"
