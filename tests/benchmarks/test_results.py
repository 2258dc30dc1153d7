"""What a benchmark records: written, read back, and nothing else changed by it."""

import argparse
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.table import Table

from benchmarks.catalogue import BENCHMARKS, HERE
from benchmarks.results import VARIABLE, Headline, Record, read, write

ROOT = Path(__file__).parents[2]
# Modules with a command line that are no benchmarks of their own, or the report itself.
NOT_RUN = {"report", "ring_floor"}


def full_record() -> Record:
    record = Record("planted", arguments=["--rounds=1"], parameters={"rounds": 1})
    record.sheet("a title", ("who", "idle\nmedian us"), words=1).add("ours", "0.10")
    record.headline("an error", 0.1, "us", peer=0.4, peer_name="chronyd", asked="1 us", limit=1)
    record.bars("bars", "us", {"ours": {"idle": 0.1}, "chronyd": {"idle": 0.4}}, peers=["chronyd"])
    record.lines("lines", "n", "us", {"ours": [(2, 0.2), (1, 0.1)]}, log="xy")
    record.spread("spread", "us", {"ours": {"idle": [3.0, 1.0, 2.0]}})
    record.note("a note\n  over two lines")
    return record


def test_what_is_written_is_read_back_equal(tmp_path):
    record = full_record()
    write(record, tmp_path / "planted.json")
    found = read(tmp_path / "planted.json")
    write(found, tmp_path / "again.json")
    assert found.headlines == record.headlines
    assert found.sheets == record.sheets
    assert found.notes == ["a note over two lines"]
    assert (tmp_path / "again.json").read_text() == (tmp_path / "planted.json").read_text()


def test_a_row_of_a_table_is_a_line_of_the_file(tmp_path):
    write(full_record(), tmp_path / "planted.json")
    assert '["ours", "0.10"]' in (tmp_path / "planted.json").read_text()


def test_a_table_of_rich_is_kept_without_its_marks_and_parting_rows(tmp_path):
    table = Table(title="[b]a title[/b]")
    table.add_column("program")
    table.add_column("[i]p50[/i]\nus", justify="right")
    table.add_row("[green]ours[/green]", "1,024")
    table.add_row("")
    table.add_row("theirs", "7")
    record = Record("planted")
    record.table(table)
    [sheet] = record.sheets
    assert (sheet.title, sheet.columns, sheet.words) == ("a title", ["program", "p50 us"], 1)
    assert sheet.rows == [["ours", "1,024"], ["theirs", "7"]]


@pytest.mark.parametrize(
    ("ours", "peer", "better", "advantage"),
    [(1.0, 4.0, "less", 4.0), (1.0, 4.0, "more", 0.25), (0.0, 4.0, "less", None)],
)
def test_an_advantage_above_one_is_better_whatever_better_means(ours, peer, better, advantage):
    headline = Headline("a claim", ours, "us", better, peer, "chronyd", "", None)
    assert headline.advantage == advantage


@pytest.mark.parametrize(
    ("value", "better", "is_met"),
    [(1.0, "less", True), (1.1, "less", False), (0.9, "more", False), (None, "less", None)],
)
def test_what_is_asked_is_held_against_what_was_found(value, better, is_met):
    record = Record("planted")
    record.headline("a claim", value, "us", better=better, asked="1 us", limit=1.0)
    assert record.headlines[0].is_met is is_met


def test_what_json_has_no_number_for_is_null(tmp_path):
    record = Record("planted")
    record.headline("a claim", math.nan, "us")
    write(record, tmp_path / "planted.json")
    assert json.loads((tmp_path / "planted.json").read_text())["headlines"][0]["ours"] is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 99}', '{"format": 1, "sheets": 3}'])
def test_a_file_of_something_else_is_refused_with_its_name(tmp_path, text):
    path = tmp_path / "strange.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"strange\.json holds no results"):
        read(path)


def run_planted(record, path, main):
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)

    def whole():
        options = record.parse(parser, ["--rounds", "7", "--results", str(path)])
        return main(options)

    return record.run(whole)


def test_a_run_tells_its_options_as_the_benchmark_left_them(tmp_path):
    def main(options):
        options.rounds = 1  # as --quick does

    record = Record()
    assert run_planted(record, tmp_path / "x.json", main) == 0
    found = read(tmp_path / "x.json")
    assert found.parameters == {"rounds": 1}
    assert found.arguments == ["--rounds", "7"]
    assert found.status == "done"
    assert found.machine["processors"] >= 1
    assert found.began.endswith("Z")


def test_a_benchmark_that_breaks_leaves_what_it_found_and_why(tmp_path):
    record = Record()

    def main(options):
        record.note("so far")
        raise RuntimeError("it broke")

    with pytest.raises(RuntimeError):
        run_planted(record, tmp_path / "x.json", main)
    found = read(tmp_path / "x.json")
    assert (found.status, found.reason) == ("failed", "RuntimeError: it broke")
    assert found.notes == ["so far"]


def test_a_benchmark_that_cannot_run_here_says_why_whatever_its_code(tmp_path):
    for code in (0, 2):
        record = Record()

        def main(options, record=record, code=code):
            record.impossible("chronyd not there")
            return code

        assert run_planted(record, tmp_path / "x.json", main) == code
        found = read(tmp_path / "x.json")
        assert (found.status, found.reason) == ("impossible", "chronyd not there")


def test_who_cannot_run_here_says_so_on_standard_error(tmp_path, capsys):
    record = Record()
    assert run_planted(record, tmp_path / "x.json", lambda options: record.unable("no peers")) == 2
    assert capsys.readouterr().err.endswith(": no peers\n")
    assert read(tmp_path / "x.json").status == "impossible"


def test_who_is_started_by_a_benchmark_does_not_write_in_its_place(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "x.json"))
    record = Record()
    parser = argparse.ArgumentParser()
    record.run(lambda: record.parse(parser, []) and VARIABLE in os.environ)
    assert read(tmp_path / "x.json").status == "done"
    assert VARIABLE not in os.environ


@pytest.mark.slow
def test_what_is_printed_is_the_same_with_and_without_results(tmp_path):
    code = "from benchmarks.harness import Contestant, Sample, print_table\n"
    code += "from benchmarks.results import record\nimport argparse, sys\n"
    code += "def main():\n    record.parse(argparse.ArgumentParser())\n"
    code += "    print_table('t', [Contestant('ours', 's', {'idle': [Sample(3)]})], ['idle'])\n"
    code += "sys.exit(record.run(main))"

    def printed(*more):
        command = [sys.executable, "-c", code, *more]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert printed() == printed("--results", str(tmp_path / "x.json"))
    assert read(tmp_path / "x.json").sheets[0].rows == [["ours", "s", "0.00", "0.00", "1"]]


def test_every_benchmark_is_in_the_report_and_keeps_its_results():
    programs = {
        path.stem
        for path in HERE.glob("*.py")
        if '__name__ == "__main__"' in path.read_text(encoding="utf-8")
    }
    assert programs - NOT_RUN == {benchmark.name for benchmark in BENCHMARKS}
    for benchmark in BENCHMARKS:
        text = (HERE / f"{benchmark.name}.py").read_text(encoding="utf-8")
        assert "record.run(main)" in text, benchmark.name
        assert "record.parse(" in text, benchmark.name
        assert benchmark.explanation(), benchmark.name
