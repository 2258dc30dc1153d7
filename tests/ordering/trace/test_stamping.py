"""Files without stamps, and histories, are stamped as their program would have done it."""

import json
from pathlib import Path

import pytest
from hypothesis import given

from ordering.trace import BadTrace, Run, read_run, write_events
from ordering.trace.stamping import events_of_texts
from tests.ordering.executions import executions
from tests.ordering.trace.test_run import recorded

HISTORY = """\
{"node":1,"incarnation":"9c","event":"boot","storage":"kept","at":0}
{"node":1,"incarnation":"9c","event":"send","message":"5/1","handle":"1","service":"safe","at":10}
{"node":1,"incarnation":"9c","event":"deliver","message":"5/1","origin":1,"service":"safe","at":30}
{"event":"healed"}
{"node":2,"incarnation":"aa","event":"deliver","message":"5/1","origin":1,"timestamp":9,"error":5,"at":25}
{"node":2,"incarnation":"aa","event":"crash","at":26}
{"node":2,"incarnation":"bb","event":"boot","storage":"kept","at":40}
{"node":2,"incarnation":"bb","event":"deliver","message":"4/9","origin":3,"at":41}
{"event":"quiet"}
"""


@given(executions())
def test_stripped_stamps_come_back_the_same(steps):
    run, _ = recorded(steps)
    bare = []
    for line in write_events(run.events).splitlines():
        record = json.loads(line)
        bare.append({k: v for k, v in record.items() if k not in ("vector", "lamport", "index")})
    bare.sort(key=lambda record: record["node"])  # one process after the other: the worst order
    text = "".join(json.dumps(record) + "\n" for record in bare)
    assert Run(events_of_texts([("bare", text)])).events == run.events


def test_a_history_is_read_with_every_incarnation_as_a_process_of_its_own():
    run = Run(events_of_texts([("history", HISTORY)]))
    assert run.processes == [1, "2/aa", "2/bb"]
    assert [(s.name, r.name) for s, r in run.messages()] == [("1:2", '"2/aa":1')]
    own = run.event(1, 3)
    assert (own.kind.value, own.text) == ("local", "deliver 5/1 safe")
    assert run.happened_before(run.event(1, 2), run.event("2/aa", 2))
    assert run.event("2/aa", 1).error_ns is None  # the stamp's error is not the reading's
    assert not run.happened_before(run.event(1, 2), run.event("2/bb", 2))


def test_a_message_that_leads_to_its_own_sending_is_no_run():
    lines = [
        {"node": "a", "event": "receive", "message": "y"},
        {"node": "a", "event": "send", "message": "x"},
        {"node": "b", "event": "receive", "message": "x"},
        {"node": "b", "event": "send", "message": "y"},
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    with pytest.raises(BadTrace, match="a receives y before everything that leads to its sending"):
        events_of_texts([("t", text)])


GOOD = '{"node":"a","event":"local","index":1,"text":"","lamport":1,"vector":{"a":1},"more":[1]}\n'


def test_an_unfinished_last_line_and_unknown_keys_are_ignored():
    assert len(events_of_texts([("t", GOOD + GOOD[:30])])) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nonsense\n", "t, line 1: no JSON object: 'nonsense'"),
        ("\n[1]\n", "t, line 2: no JSON object"),
        ("[" * 100_000 + "\n", "no JSON object"),
        (GOOD.replace('"index":1,', ""), "line 1: the key 'index' is missing"),
        (GOOD.replace('"index":1', '"index":"1"'), "a number is no integer"),
        (GOOD.replace('"local"', '"loud"'), "'loud' is not a valid Kind"),
        (GOOD.replace('{"a":1}', "[1]"), "line 1: "),
        (GOOD.replace('{"a":1}', '{"a":-1}'), "cannot count -1 events"),
        (GOOD.replace('"node":"a"', '"node":[]'), "cannot name a process"),
        (GOOD + '{"node":"b","event":"local"}\n', "some lines carry vector stamps"),
        ('{"node":"b"}\n', "the key 'event' is missing"),
        ('{"node":"","event":"local"}\n', "cannot name a process"),
        ('{"node":[],"event":"local"}\n', "cannot name a process"),
    ],
)
def test_a_file_that_is_no_trace_is_refused_with_the_line(text, message):
    with pytest.raises(BadTrace) as caught:
        events_of_texts([("t", text)])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_of_several_processes_make_one_run(tmp_path: Path):
    lines = HISTORY.splitlines(keepends=True)
    (tmp_path / "one").write_text("".join(lines[:4]))
    (tmp_path / "two").write_text("".join(lines[4:]))
    run = read_run(tmp_path / "two", tmp_path / "one")
    assert run.events == Run(events_of_texts([("history", HISTORY)])).events
    (tmp_path / "empty").write_text("")
    with pytest.raises(BadTrace, match="no events in"):
        read_run(tmp_path / "empty")
