"""The command line: what it prints, what it writes, how it ends."""

import json
from pathlib import Path

import pytest

from tests.commands import Command, command
from vsync.engine import Engine
from vsync.events import Messages


class Forgetful(Engine):
    """Another engine of the same interface, that loses every seventh delivery."""

    count = 0

    def step(self, now, clock, event):
        kept = []
        for effect in super().step(now, clock, event):
            Forgetful.count += isinstance(effect, Messages)
            if not isinstance(effect, Messages) or Forgetful.count % 7:
                kept.append(effect)
        return kept


class Raising(Engine):
    """An engine that fails."""

    def step(self, now, clock, event):
        raise RuntimeError("planted")


vsync = command("vsync")


BRIEF = ("simulate", "--seconds", 0.3, "--seed", 4, "--show", "nothing")


def test_a_run_is_summed_up_and_judged(vsync: Command) -> None:
    code, out, err = vsync(*BRIEF)
    assert (code, err) == (0, "")
    assert out.startswith("seed 4, 3 nodes, 1 faults:")
    assert "engine steps" in out
    assert out.endswith("every promise was kept\n")


def test_the_same_seed_gives_the_same_history(vsync: Command, tmp_path: Path) -> None:
    for name in ("one", "two"):
        vsync(*BRIEF, "--history", tmp_path / name)
    text = (tmp_path / "one").read_text()
    assert text == (tmp_path / "two").read_text()
    assert json.loads(text.splitlines()[0])["event"] == "boot"


def test_a_history_is_written_anew_and_can_be_checked_and_drawn(
    vsync: Command, tmp_path: Path
) -> None:
    path = tmp_path / "h.jsonl"
    path.write_text("rubbish\n")
    assert vsync(*BRIEF, "--quiet-end", "--history", path, "--explain")[0] == 0
    assert (tmp_path / "h.svg").read_text().startswith("<svg")
    code, out, err = vsync("check", path)
    assert (code, err) == (0, "")
    assert "no violation (liveness too)" in out
    assert json.loads(path.read_text().splitlines()[-1])["event"] == "quiet"
    assert vsync("explain", path, "-o", tmp_path / "again.svg") == (0, "", "")
    assert "node 1" in (tmp_path / "again.svg").read_text()
    assert vsync("explain", path, "--events", "1..20")[1].startswith("<svg")


def test_the_transcript_shows_as_much_as_is_asked_for(vsync: Command) -> None:
    lengths = []
    for show in ("nothing", "changes", "messages", "frames"):
        code, out, _ = vsync(*BRIEF[:-1], show, "--faults", "none")
        assert code == 0
        lengths.append(len(out))
    assert lengths == sorted(set(lengths)), "each shows more than the one before"


def test_faults_are_chosen_by_name(vsync: Command, tmp_path: Path) -> None:
    path = tmp_path / "h"
    vsync(*BRIEF, "--faults", "restart,lost-disk", "--seconds", 2, "--history", path)
    boots = [e for e in map(json.loads, path.read_text().splitlines()) if e["event"] == "boot"]
    assert {e["storage"] for e in boots} == {"kept", "lost"}


def test_another_engine_is_judged_and_found_out(vsync: Command, tmp_path: Path) -> None:
    path = tmp_path / "h"
    engine = ("--engine", "tests.vsync.test_cli:Forgetful", "--history", path)
    code, out, _ = vsync(*BRIEF, *engine)
    assert code == 1
    assert "D8" in out or "D4" in out
    assert "violations" in out
    code, out, _ = vsync("check", path)
    assert code == 1
    assert f"{path}:" in out, "the lines are named"


def test_an_engine_that_raises_is_reported_with_its_seed(vsync: Command) -> None:
    code, out, err = vsync(*BRIEF, "--engine", "tests.vsync.test_cli:Raising")
    assert code == 1
    assert "seed 4" in out
    assert "planted" in err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("simulate", "--faults", "sabotage"), "'sabotage' is no fault"),
        (("simulate", "--engine", "nothing"), "write it as MODULE:CLASS"),
        (("simulate", "--engine", "no.such:Thing"), "No module named 'no'"),
        (("simulate", "--engine", "vsync.engine:Nothing"), "has no attribute 'Nothing'"),
        (("simulate", "--seconds", "0"), "is not in 0 to"),
        (("simulate", "--seconds", "nan"), "is not in 0 to"),
        (("simulate", "--nodes", "0"), "is not in 1 to 64"),
        (("check",), "Missing argument"),
        (("check", "no/such/file"), "No such file"),
        (("explain", "no/such/file"), "No such file"),
    ],
)
def test_wrong_usage_is_one_line_and_a_two(
    vsync: Command, arguments: tuple[str, ...], says: str
) -> None:
    code, out, err = vsync(*arguments)
    assert (code, out) == (2, "")
    assert says in err
    assert len(err.splitlines()) == 1


def test_a_file_that_is_no_history_is_told_with_its_line(vsync: Command, tmp_path: Path) -> None:
    path = tmp_path / "notes"
    for text, says in (
        ("hello\n", "notes:1: no JSON"),
        ("", "no events: is it a history?"),
        ('{"event":"boot","node":1,"incarnation":"a"}\n', "notes:1: boot without 'storage'"),
    ):
        path.write_text(text)
        code, out, err = vsync("check", path)
        assert (code, out) == (2, "")
        assert says in err
        assert len(err.splitlines()) == 1


def test_the_events_to_draw_are_two_numbers(vsync: Command, tmp_path: Path) -> None:
    path = tmp_path / "h"
    vsync(*BRIEF, "--history", path)
    for text in ("5", "a..b", "1..", "..9"):
        assert vsync("explain", path, "--events", text)[0] == 2
