"""Histories in files, and what is said of them."""

import copy
import json
from pathlib import Path

import pytest

from clocksync.runtime.history import Event, MalformedHistory
from tests.vsync.check.histories import Story
from tests.vsync.check.model import Model
from tests.vsync.check.test_rules import a_safe_message_that_another_member_goes_on_without
from vsync.check import judge, read_files, render

MODELLED = Model(1, nodes=3).events


def write(path: Path, events: list[Event]) -> Path:
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    return path


def of(events: list[Event], *nodes: int | None) -> list[Event]:
    return [event for event in events if event.get("node") in nodes]


def test_each_node_may_have_a_file_of_its_own(tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{node}", of(MODELLED, node, None)) for node in (3, 1, 2)]
    verdict = judge(read_files(paths))
    assert verdict.violations == []
    assert (verdict.nodes, verdict.events, verdict.ends_quiet) == (3, len(MODELLED) + 4, True)


def test_one_quiet_speaks_for_all_if_it_ends_its_file(tmp_path: Path) -> None:
    one = write(tmp_path / "1", [*of(MODELLED, 1), {"event": "quiet"}])
    two = write(tmp_path / "2", of(MODELLED, 2))
    assert judge(read_files([one, two])).ends_quiet
    one = write(tmp_path / "1", [{"event": "quiet"}, *of(MODELLED, 1)])
    assert not judge(read_files([one, two])).ends_quiet


def test_a_file_may_be_missing(tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{node}", of(MODELLED, node, None)) for node in (1, 3)]
    assert judge(read_files(paths)).violations == []


def test_a_place_is_told_with_its_file_and_line(tmp_path: Path) -> None:
    told = copy.deepcopy(MODELLED)
    at = max(n for n, event in enumerate(told) if event["event"] == "deliver")
    told[at]["timestamp"] += 10**12
    paths = [write(tmp_path / f"{node}.jsonl", of(told, node)) for node in (1, 2, 3)]
    text = render(judge(read_files(paths)))
    node = told[at]["node"]
    line = 1 + of(told, node).index(told[at])
    assert f"{tmp_path / f'{node}.jsonl'}:{line}: node {node} deliver" in text


def test_a_torn_last_line_is_noted_and_ignored(tmp_path: Path) -> None:
    path = write(tmp_path / "h", MODELLED[:50])
    path.write_bytes(path.read_bytes() + b'{"node":1,"inc')
    notes: list[str] = []
    assert len(read_files([path], notes.append)) == 50
    assert len(notes) == 1


def test_a_torn_line_costs_no_other_file_anything(tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{node}", of(MODELLED, node)) for node in (1, 2)]
    for path in paths:
        path.write_bytes(path.read_bytes() + b"{")
    assert judge(read_files(paths)).violations == []


def test_unknown_keys_and_events_are_ignored() -> None:
    told = [{**event, "mood": "good", "_place": 7} for event in MODELLED]
    told.insert(50, {"node": 1, "incarnation": "?", "event": "sneeze"})
    told.append({"event": "epilogue"})
    verdict = judge(told)
    assert verdict.violations == []
    assert verdict.ends_quiet


def test_a_place_in_the_line_itself_is_no_place() -> None:
    told = Story().boot(1).configure([1], "R9", [1], 9).events
    for event in told:
        event["_place"] = ["elsewhere", 5]
    assert "history:3: node 1" in render(judge(told))


def test_a_log_that_is_given_twice_is_refused(tmp_path: Path) -> None:
    one, two = (write(tmp_path / name, of(MODELLED, 1)) for name in ("1", "2"))
    for paths in ([one, two], [one, one]):
        with pytest.raises(MalformedHistory, match=r"node 1 boots as 1.1 in .* too") as refused:
            read_files(paths)
        assert str(refused.value).startswith(f"{paths[1]}:1: ")


def test_a_log_in_pieces_is_read_in_their_order(tmp_path: Path) -> None:
    pieces = (MODELLED[:40], MODELLED[40:90], MODELLED[90:])
    paths = [write(tmp_path / f"{n}", piece) for n, piece in enumerate(pieces)]
    assert judge(read_files(paths)).violations == []


def test_who_killed_a_node_may_have_a_file_of_his_own(tmp_path: Path) -> None:
    crash = {"node": 2, "incarnation": "i1", "event": "crash"}
    story = Story().ring("R5", 1, 2).send(2, "R5", 1).apart("x", 9, (1,)).mark("quiet")
    log = write(tmp_path / "log", story.events)
    killer = write(tmp_path / "killer", [crash])
    assert {violation.rule for violation in judge(read_files([log])).violations} == {"B8", "D1"}
    for paths in ([log, killer], [killer, log]):
        assert judge(read_files(paths)).violations == []


def test_no_events_are_no_history(tmp_path: Path) -> None:
    with pytest.raises(MalformedHistory, match="no events"):
        read_files([write(tmp_path / "empty", [])])


# What is said


def test_a_verdict_reads_like_this() -> None:
    assert render(judge(a_safe_message_that_another_member_goes_on_without().events)) == (
        "D5 node 1 delivers the safe R5/1 in R5, node 2 never\n"
        "    history:10: node 1 deliver message=R5/1 configuration=R5 timestamp=1040 service=safe\n"
        "    history:14: node 2 configuration id=R10 members=[2] timestamp=1060 ring=R10\n"
        "14 events of 2 nodes, 9 configurations, 1 messages: 1 violation"
        " (it does not end quiet: liveness not judged)"
    )


def test_a_clean_verdict_reads_like_this() -> None:
    verdict = judge(Story().ring("R5", 1).mark("quiet").events)
    assert verdict
    assert render(verdict) == (
        "5 events of 1 nodes, 3 configurations, 0 messages: no violation (liveness too)"
    )


def test_many_violations_of_one_rule_are_counted() -> None:
    story = Story().ring("R5", 1).send(1, "R5", 1).deliver([1], "R5", *[1] * 1500)
    text = render(judge(story.events))
    assert text.count("B4 node 1 delivers R5/1 twice") == 20
    assert "\nB4 and 1,479 more\n" in text
    assert "1,499 violations (" in text


def test_what_others_wrote_does_not_write_on_the_terminal() -> None:
    evil = "R5\nno violation\x1b[2J\ud800"
    story = Story().boot(1).configure([1], evil, [1], 9)
    text = render(judge(story.events, name=evil))
    text.encode()
    assert len(text.splitlines()) == 4
    assert all(line.isprintable() for line in text.splitlines())
    assert "R5\\x0ano violation\\x1b[2J\\ud800" in text


def test_an_endless_name_is_cut() -> None:
    story = Story().boot(1).configure([1], "R" * 10**6, [1], 9)
    assert len(render(judge(story.events))) < 5000
