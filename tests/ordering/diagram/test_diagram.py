"""A space-time diagram shows every event and every message once, where it belongs."""

import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest
from hypothesis import given

from ordering.diagram import Rows, draw, picture_of
from ordering.diagram.layout import COLUMN_WIDTHS, HEADING_EVERY, ROW
from ordering.diagram.svg import BACKWARD, PALETTE
from ordering.trace import BadTrace, Kind, Recorder, Run
from tests.ordering.executions import executions
from tests.ordering.trace.test_run import recorded, two_clocks

SVG = "{http://www.w3.org/2000/svg}"


@given(executions())
def test_every_message_points_down_and_no_two_events_share_a_place(steps):
    run, _ = recorded(steps)
    picture = picture_of(run)
    assert len(picture.marks) == len(run.events)
    assert len(picture.arrows) == len(run.messages())
    assert all(arrow.y2 - arrow.y1 >= ROW for arrow in picture.arrows)
    assert len({(mark.x, mark.y) for mark in picture.marks}) == len(picture.marks)
    for column in picture.columns:
        down = [mark.y for mark in picture.marks if mark.x == column.x]
        assert down == sorted(down)
    lost = {mark.tooltip for mark in picture.marks if mark.lost}
    unread = [
        e for e in run.events if e.kind is Kind.SEND and e not in {s for s, _ in run.messages()}
    ]
    assert len(lost) == len(unread)


@given(executions())
def test_the_document_is_well_formed_and_holds_each_event_and_message(steps):
    run, _ = recorded(steps)
    root = ET.fromstring(draw(run, title="A & B <run>"))
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    lines = root.findall(f"{SVG}line[@marker-end]")
    assert len(lines) == len(run.messages())
    assert len(root.findall(f"{SVG}g")) == len(run.events)
    assert root.find(f"{SVG}title").text == "A & B <run>"
    for line in lines:
        assert all(0 <= float(line.attrib[key]) <= width for key in ("x1", "x2"))
        assert all(0 <= float(line.attrib[key]) <= height for key in ("y1", "y2"))


def long_run(processes, events):
    recorders = [Recorder(f"p{n}", reading=lambda: 0) for n in range(processes)]
    for recorder in recorders:
        for _ in range(events):
            recorder.local("a text that is longer than any column has room for, by far")
    return Run(event for recorder in recorders for event in recorder.events)


def test_labels_stay_in_their_columns_and_names_come_again_on_rows_of_their_own():
    picture = picture_of(long_run(3, 3 * HEADING_EVERY))
    widest = max(len(mark.label) for mark in picture.marks)
    gap = picture.columns[1].x - picture.columns[0].x
    assert gap == COLUMN_WIDTHS[1]
    assert widest * 5.6 < gap - 15
    assert all(mark.label.endswith("…") and "longer than" in mark.tooltip for mark in picture.marks)
    assert len(picture.headings) == 2
    taken = {mark.y for mark in picture.marks}
    assert not taken & set(picture.headings)
    assert {b - a for a, b in pairwise(sorted(taken | set(picture.headings)))} == {ROW}


def test_labels_can_be_left_out():
    assert not any(mark.label for mark in picture_of(long_run(2, 2), labels=False).marks)


def test_a_message_received_before_it_was_sent_points_up_in_rows_by_time_and_is_dashed():
    run = two_clocks(100, 60)
    (arrow,) = picture_of(run, rows=Rows.TIME).arrows
    assert arrow.backward
    assert arrow.y2 == arrow.y1 - ROW
    root = ET.fromstring(draw(run, rows=Rows.TIME))
    drawn = root.findall(f"{SVG}line[@class='message backward']")
    assert {line.attrib["stroke"] for line in drawn} == {BACKWARD}
    assert len(drawn) == 2  # the message, and the legend
    assert "stroke-dasharray" in root.find(f"{SVG}style").text


def test_rows_by_time_need_times():
    recorder = Recorder("a", reading=lambda: None)
    recorder.local()
    with pytest.raises(BadTrace, match="draw this run in causal rows"):
        draw(Run(recorder.events), rows=Rows.TIME)


def linear(colour):
    """A colour's channels as light, by the sRGB standard."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    return [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]


def test_lines_can_be_seen_on_white_and_no_colour_is_used_twice():
    for colour in [*PALETTE, BACKWARD]:
        red, green, blue = linear(colour)
        luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
        assert 1.05 / (luminance + 0.05) > 2.2, colour
    assert len({*PALETTE, BACKWARD}) == len(PALETTE) + 1


def test_the_same_run_gives_the_same_bytes():
    assert draw(long_run(2, 5)) == draw(long_run(2, 5))


def test_the_legend_names_what_the_picture_holds_and_nothing_else():
    def legend(run):
        return {text.text for text in ET.fromstring(draw(run)).findall(f"{SVG}text")}

    alice, bob = Recorder("alice", reading=lambda: 0), Recorder("bob", reading=lambda: 0)
    bob.unwrap(alice.wrap(b"arrives"))
    both = [*alice.events, *bob.events]
    assert {"send", "receive", "local", "alice", "bob"} == legend(Run(both)) - {None}
    assert "no receipt recorded" in legend(Run(alice.events))
    backward = "received before it was sent, by the clocks"
    assert backward in legend(two_clocks(2, 1))
    assert backward not in legend(two_clocks(1, 2))


def test_long_names_neither_overlap_nor_leave_the_page():
    recorders = [Recorder(letter * 80, reading=lambda: 0) for letter in "abc"]
    for recorder in recorders:
        recorder.local()
    picture = picture_of(Run(event for r in recorders for event in r.events))
    half = max(len(column.name) for column in picture.columns) * 7 / 2
    assert picture.columns[0].x - half > 0
    assert all(b.x - a.x > 2 * half for a, b in pairwise(picture.columns))
