"""Histories: written line by line, read lazily, and torn files told from bad ones."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocksync.runtime import history
from clocksync.runtime.history import (
    FileHistory,
    MalformedHistory,
    MemoryHistory,
    entry,
    parse_history,
    read_history,
)

BOOT = entry(1, "9c1f", "boot", 0, storage="kept")
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
EVENTS = st.builds(
    lambda more, head: {**more, **head},
    st.dictionaries(st.text(), VALUES, max_size=3),
    st.builds(entry, st.integers(0, 2**40), st.text(), st.text(min_size=1), st.integers()),
)


@given(st.lists(EVENTS, max_size=5))
def test_what_was_written_is_read_whatever_the_texts_hold(events):
    sink = MemoryHistory()
    for event in events:
        sink.write(event)
    lines = [json.dumps(event).encode() + b"\n" for event in sink]
    assert list(parse_history(lines, "memory")) == events == sink.events
    assert len(sink) == len(events)


def test_a_file_holds_one_line_an_event_as_the_format_shows_it(tmp_path):
    path = tmp_path / "a.jsonl"
    with FileHistory(path) as sink:
        sink.write(BOOT)
        # Before it is closed: whoever kills the process now loses nothing.
        assert path.read_bytes() == (
            b'{"node":1,"incarnation":"9c1f","event":"boot","at":0,"storage":"kept"}\n'
        )
        sink.write(entry(1, "9c1f", "note", 5, text="line\nbreak \u2028 \ud800"))
        assert path.read_bytes().count(b"\n") == 2
    with FileHistory(path) as sink:
        sink.write({"event": "quiet"})
    assert [event["event"] for event in read_history(path)] == ["boot", "note", "quiet"]


def test_every_line_is_one_write(tmp_path, monkeypatch):
    sizes = []
    write = history.os.write

    def counted(file, data):
        sizes.append(len(data))
        return write(file, data)

    monkeypatch.setattr(history.os, "write", counted)
    with FileHistory(tmp_path / "a.jsonl") as sink:
        sink.write(BOOT)
        sink.write(entry(1, "9c1f", "note", 5, text="x" * 100_000))
    assert sizes == [71, 100_064]


def test_a_disk_that_takes_half_a_line_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(history.os, "write", lambda file, data: len(data) // 2)
    with (
        FileHistory(tmp_path / "a.jsonl") as sink,
        pytest.raises(OSError, match="in part only: is the disk full"),
    ):
        sink.write(BOOT)


def test_a_torn_last_line_is_ignored_with_a_note(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"event":"healed"}\n{"event":"qui')
    notes = []
    assert list(read_history(path, notes.append)) == [{"event": "healed"}]
    assert notes == [
        f"{path}:2: the last line has no newline and was ignored: its writer died writing it"
    ]
    assert list(read_history(path)) == [{"event": "healed"}]


@pytest.mark.parametrize(
    ("before", "kept"),
    [
        (b'{"event":"healed"}\n{"event":"qui', 1),
        (b'{"event":"healed"}\n' + b"x" * 200_000, 1),
        (b"x" * 65_536, 0),
        (b"", 0),
        (b'{"event":"healed"}\n', 1),
    ],
)
def test_appending_takes_a_torn_line_away_and_nothing_else(tmp_path, before, kept):
    path = tmp_path / "a.jsonl"
    path.write_bytes(before)
    with FileHistory(path) as sink:
        sink.write({"event": "quiet"})
    events = [event["event"] for event in read_history(path)]
    assert events == ["healed"] * kept + ["quiet"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"\n", "no JSON"),
        (b"{\n", "no JSON: .* at column 2"),
        (b"\xff\xfe{}\n", "no UTF-8"),
        ('{"event":"quiet"}'.encode("utf-16-le") + b"\n", "no JSON"),
        (b"[1]\n", "no JSON object"),
        (b'{"event":"boot","node":1}\n', 'no "incarnation"'),
        (b'{"event":"boot","node":true,"incarnation":"a"}\n', 'no "node"'),
        (b'{"event":"boot","node":"1","incarnation":"a"}\n', 'no "node"'),
        (b'{"node":1,"incarnation":"a"}\n', 'no "event"'),
        (b'{"event":"quiet","at":1.5}\n', '"at" is no integer'),
        (b'{"event":"quiet","at":NaN}\n', "NaN is no JSON"),
        (b'{"event":"quiet","x":' + b"[" * 100_000 + b"\n", "nested too deeply|no JSON"),
        (b'{"event":"quiet","x":' + b"1" * 10_000 + b"}\n", "limit|too large"),
    ],
)
def test_a_bad_line_is_reported_with_its_place(tmp_path, line, words):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"event":"healed"}\n' + line + b'{"event":"quiet"}\n')
    reader = read_history(path)
    assert next(reader) == {"event": "healed"}  # lazily: what is good comes first
    with pytest.raises(MalformedHistory, match=words) as failure:
        next(reader)
    assert str(failure.value).startswith(f"{path}:2: ")
    assert "\n" not in str(failure.value)


def test_a_file_that_is_no_history_does_not_take_all_memory(monkeypatch):
    monkeypatch.setattr(history, "LINE_BYTES_MAX", 100)
    with pytest.raises(MalformedHistory, match="zeros:1: longer than 100 bytes"):
        list(parse_history(history._lines(io.BytesIO(bytes(100_000))), "zeros"))
    with pytest.raises(ValueError, match="is too long"):
        MemoryHistory().write(entry(1, "a", "note", 0, text="x" * 100))


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"event": "boot"},
        {"event": 7, "node": 1, "incarnation": "a"},
        {**BOOT, "node": "1"},
        {**BOOT, "at": 0.5},
        {**BOOT, "x": float("nan")},
        {**BOOT, "x": b"bytes"},
    ],
)
def test_a_writer_s_mistake_is_the_writer_s_error_and_leaves_no_line(tmp_path, event):
    path = tmp_path / "a.jsonl"
    with FileHistory(path) as sink, pytest.raises(ValueError):
        sink.write(event)
    assert path.read_bytes() == b""


def test_a_closed_history_takes_nothing(tmp_path):
    sink = FileHistory(tmp_path / "a.jsonl")
    sink.close()
    sink.close()
    with pytest.raises(ValueError, match="is closed"):
        sink.write(BOOT)
