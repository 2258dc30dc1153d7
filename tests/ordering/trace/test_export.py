"""Exported logs obey the rules by which ShiViz and TSViz refuse logs."""

import json
import re

import pytest
from hypothesis import given

from ordering.trace import BadTrace, Recorder, Run, to_shiviz, to_tsviz
from tests.ordering.executions import executions
from tests.ordering.trace.test_run import recorded


def parse(log):
    """Read a log as the viewers do: by the expression in its first line, after two lines."""
    expression, delimiter, body = log.split("\n", 2)
    assert delimiter == ""
    pattern = re.compile(expression.replace("(?<", "(?P<"))
    found = [match.groupdict() for match in pattern.finditer(body)]
    assert 2 * len(found) == body.count("\n")  # nothing was skipped
    return [{**event, "clock": json.loads(event["clock"])} for event in found]


def refused_by_the_viewers(events):
    """Their checks: own counts from 1 without a gap, own host present, no unknown host or event."""
    seen: dict[str, int] = {}
    for event in events:
        seen[event["host"]] = seen.get(event["host"], 0) + 1
        if event["clock"].get(event["host"]) != seen[event["host"]]:
            return True
    return any(
        host not in seen or not 1 <= count <= seen[host]
        for event in events
        for host, count in event["clock"].items()
    )


@given(executions())
def test_the_viewers_accept_every_run_and_read_back_its_clocks(steps):
    run, _ = recorded(steps, reading=lambda: 1_700_000_000_000_000_000)
    for log in (to_shiviz(run), to_tsviz(run)):
        events = parse(log)
        assert not refused_by_the_viewers(events)
        assert [event["clock"] for event in events] == [dict(e.vector.items()) for e in run.events]


def test_the_logs_look_exactly_like_this():
    alice, bob = Recorder("alice", reading=lambda: 100), Recorder(7, reading=lambda: 90)
    _, header = alice.send("asks\n twice ")
    bob.receive(header)
    run = Run([*alice.events, *bob.events])
    assert to_shiviz(run) == (
        "(?<host>\\S*) (?<clock>{.*})\\n(?<event>.*)\n\n"
        'alice {"alice":1}\nasks twice\n7 {"7":1,"alice":1}\nreceive\n'
    )
    assert to_tsviz(run) == (
        "(?<timestamp>(\\d*)) (?<host>\\S*) (?<clock>{.*})\\n(?<event>.*)\n\n"
        '0000000000000000100 alice {"alice":1}\nasks twice\n'
        '0000000000000000090 7 {"7":1,"alice":1}\nreceive\n'
    )


def test_hosts_have_no_blanks_and_stay_apart():
    recorders = [Recorder(name, reading=lambda: 0) for name in (3, "3", "a b", "a_b", "a\tb")]
    for recorder in recorders:
        recorder.local("x")
    events = parse(to_shiviz(Run(event for r in recorders for event in r.events)))
    assert len({event["host"] for event in events}) == 5
    assert not refused_by_the_viewers(events)


def test_processes_that_were_not_recorded_are_left_out_of_the_clocks():
    alice, bob = Recorder("alice", reading=lambda: 0), Recorder("bob", reading=lambda: 0)
    bob.unwrap(alice.wrap(b""))
    (event,) = parse(to_shiviz(Run(bob.events)))
    assert event["clock"] == {"bob": 1}


@pytest.mark.parametrize("at", [None, -1])
def test_a_viewer_of_times_gets_no_run_without_times(at):
    recorder = Recorder("a", reading=lambda: at)
    recorder.local()
    with pytest.raises(BadTrace, match="a:1 has no physical time"):
        to_tsviz(Run(recorder.events))
