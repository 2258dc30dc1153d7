"""``vsync timestamps``: what it says of good histories, of bad ones, and of what is none."""

import json
from pathlib import Path

import jsonschema
import pytest

from tests.cluster import ring_time
from tests.commands import command
from vsync.check.times import Spread, survey

SCHEMA = json.loads(
    (Path(__file__).parents[3] / "vsync/schemas/timestamps-1.json").read_text(encoding="utf-8")
)
BOOT = {"node": 1, "incarnation": "a", "event": "boot", "storage": "kept"}
RING = {
    "node": 1,
    "incarnation": "a",
    "event": "configuration",
    "id": "R5.1.a",
    "kind": "regular",
    "ring": "5.1.a",
    "ring_seq": 5,
    "members": [1],
    "timestamp": 100,
    "error": 5,
}


def delivery(number, timestamp, *, error=50, flags=(), origin=1):
    return {
        "node": 1,
        "incarnation": "a",
        "event": "deliver",
        "message": f"5.1.a/{number}.0",
        "origin": origin,
        "service": "agreed",
        "digest": "00",
        "timestamp": timestamp,
        "error": error,
        "flags": list(flags),
        "configuration": "R5.1.a",
    }


vsync = command("vsync", "timestamps")


def written(path, events):
    path.write_text("".join(json.dumps(event) + "\n" for event in events), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def history():
    run = ring_time.Run(21)
    run.play()
    return run.group.history


def test_a_run_with_a_wrong_clock_is_reported_and_good(vsync, history, tmp_path):
    file = written(tmp_path / "h.jsonl", history)
    code, out, _ = vsync(file)
    assert code == 0
    assert "the same everywhere, growing, causal, true within their bounds" in out
    assert "off from the truth, of 1,231" in out
    code, out, _ = vsync(file, "--json")
    document = json.loads(out)
    jsonschema.validate(document, SCHEMA)
    assert code == 0
    assert document["violations"] == {}
    assert sum(node["suspicions"] for node in document["nodes"]) == 1
    assert sum(node["timestamps"] for node in document["nodes"]) == document["timestamps"] == 1281
    assert 0 < document["off_s"]["median"] < document["bound_s"]["median"] < 0.001


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_a_picture_is_drawn(vsync, history, tmp_path, suffix):
    file, picture = written(tmp_path / "h.jsonl", history), tmp_path / f"times.{suffix}"
    code, out, _ = vsync(file, "--plot", picture)
    assert code == 0
    assert out.endswith(f"drawn: {picture}\n")
    assert picture.stat().st_size > 5_000


@pytest.mark.parametrize(
    ("deliveries", "rule"),
    [
        ([delivery(1, 200), delivery(2, 200)], "T2"),
        ([delivery(1, 200), delivery(2, 199)], "T2"),
        ([delivery(1, 200), {**delivery(1, 201), "node": 1}], "T1"),
        ([delivery(1, 90)], "T2"),
    ],
)
def test_an_order_that_is_broken_is_named_and_a_one(vsync, tmp_path, deliveries, rule):
    code, out, _ = vsync(written(tmp_path / "h.jsonl", [BOOT, RING, *deliveries]))
    assert code == 1
    assert f"\n{rule} " in out
    assert out.endswith("1 violations\n")


def test_a_cause_of_elsewhere_counts(vsync, tmp_path):
    seen = {"node": 1, "incarnation": "a", "event": "observe", "timestamp": 500}
    sent = {
        "node": 1,
        "incarnation": "a",
        "event": "send",
        "message": "5.1.a/1.0",
        "handle": "1",
        "service": "agreed",
        "digest": "00",
    }
    events = [BOOT, RING, seen, sent]
    good, bad = ([*events, delivery(1, at)] for at in (501, 500))
    assert vsync(written(tmp_path / "good.jsonl", good))[0] == 0
    code, out, _ = vsync(written(tmp_path / "bad.jsonl", bad))
    assert code == 1
    assert "T3 5.1.a/1.0 has 500 and its cause what it observed 500" in out


def test_what_holds_no_timestamps_is_a_two_and_one_line(vsync, tmp_path):
    code, out, err = vsync(written(tmp_path / "h.jsonl", [BOOT, RING]))
    assert (code, out) == (2, "")
    assert err == "vsync: no message was delivered in these histories: there is no timestamp\n"
    (tmp_path / "x").write_text("rubbish\n")
    code, _, err = vsync(tmp_path / "x")
    assert code == 2
    assert err.count("\n") == 1
    code, _, err = vsync(tmp_path / "none")
    assert (code, err.count("\n")) == (2, 1)


def test_a_picture_of_no_known_kind_is_a_two(vsync, tmp_path):
    file = written(tmp_path / "h.jsonl", [BOOT, RING, delivery(1, 200)])
    code, _, err = vsync(file, "--plot", tmp_path / "x.txt")
    assert code == 2
    assert "the name must end in .svg, .png, .pdf" in err


def test_suspicion_is_counted_by_how_often_it_came_up():
    flags = ["", "suspect", "suspect", "", "unverified", "suspect"]
    stamps = [
        delivery(n, 200 + n, error=n, flags=[flag] if flag else [])
        for n, flag in enumerate(flags, 1)
    ]
    times = survey([BOOT, RING, *stamps])
    (origin,) = times.origins
    assert (origin.suspicions, origin.suspect, origin.unverified) == (2, 3, 1)
    assert origin.bound == times.bound == Spread(4, 6, 6)
    assert times.off is None
    assert times.changes == [(100, (1,))]
