"""The command: files in, pictures and logs out, one line for what is wrong."""

import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest

from ordering.trace import Recorder, read_run, to_shiviz, to_tsviz, write_events
from tests.ordering.commands import ordering
from tests.ordering.trace.test_run import two_clocks


@pytest.fixture
def trace(tmp_path):
    path = tmp_path / "run.jsonl"
    path.write_text(write_events(two_clocks(2_000_000, 500_000).events))
    return path


def test_a_diagram_is_written_to_the_file(trace, tmp_path):
    done = ordering("diagram", trace, "-o", tmp_path / "out.svg", "--title", "Two")
    assert (done.exit_code, done.output) == (0, "")
    assert ET.parse(tmp_path / "out.svg").getroot().tag.endswith("svg")


def test_without_a_file_the_diagram_goes_to_standard_output(trace):
    done = ordering("diagram", trace, "--rows", "time", "--no-labels")
    assert done.exit_code == 0
    assert done.output.startswith("<svg")


def test_logs_for_other_viewers_are_exported(trace):
    run = two_clocks(2_000_000, 500_000)
    assert ordering("export", trace).output == to_shiviz(run)
    assert ordering("export", trace, "--to", "tsviz").output == to_tsviz(run)


def test_check_names_backward_messages_and_exits_1(trace):
    done = ordering("check", trace)
    assert done.exit_code == 1
    assert done.output.splitlines() == [
        "2 events of 2 processes (alice, bob), 1 message received",
        "alice:1 to bob:1: received 1.50 ms before it was sent, by the clocks",
    ]


def test_check_exits_0_when_every_message_arrives_after_it_was_sent(tmp_path):
    path = tmp_path / "good"
    path.write_text(write_events(two_clocks(5, 6).events))
    assert ordering("check", path).exit_code == 0


@pytest.mark.parametrize("verb", ["diagram", "export", "check"])
def test_a_missing_or_damaged_file_gives_one_line_and_exit_2(verb, tmp_path):
    bad = tmp_path / "bad"
    bad.write_text("nonsense\n")
    for path, words in ((tmp_path / "none", "No such file"), (bad, "line 1"), (tmp_path, "dir")):
        done = ordering(verb, path)
        assert done.exit_code == 2
        assert len(done.output.splitlines()) == 1
        assert words in done.output
        assert done.output.startswith("ordering: ")


def test_an_unwritable_output_gives_one_line_and_exit_2(trace, tmp_path):
    done = ordering("diagram", trace, "-o", tmp_path / "no" / "such" / "directory.svg")
    assert (done.exit_code, len(done.output.splitlines())) == (2, 1)


def test_the_module_is_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "ordering", "--help"], capture_output=True, text=True, check=True
    )
    assert all(verb in done.stdout for verb in ("diagram", "export", "check"))


@pytest.mark.parametrize(
    "text", ["\x00\x1b[31m\x7f", "\ud800", "]]> <&>\"'", "a\r\nb\u2028c\tüé名"]
)
def test_any_text_an_event_may_carry_gets_through_file_diagram_and_log(tmp_path, text):
    path, out = tmp_path / "run.jsonl", tmp_path / "out"
    with Recorder("a", path, reading=lambda: 5) as recorder:
        recorder.local(text)
        recorder.local("last")
    assert [event.text for event in read_run(path).events] == [text, "last"]
    assert ordering("diagram", path, "-o", out, "--title", "x").exit_code == 0
    assert "last" in {node.text for node in ET.parse(out).iter()}
    assert ordering("export", path, "-o", out).exit_code == 0
    assert out.read_text("utf-8").split("\n")[-2] == "last"
    assert ordering("check", path).exit_code == 0
