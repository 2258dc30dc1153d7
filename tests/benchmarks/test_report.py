"""The report: every benchmark a process, and one page that needs nothing else."""

import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from html.parser import HTMLParser
from pathlib import Path

import pytest

from benchmarks import catalogue, machine, page, report
from benchmarks.axes import Scale, figure, short
from benchmarks.catalogue import Benchmark
from benchmarks.harness import ALONE, the_machine_alone
from benchmarks.results import Record, read, write

DATA = Path(__file__).parents[1] / "data" / "benchmarks"
ROOT = Path(__file__).parents[2]
VOID = {"meta", "br", "hr", "img", "input", "link"}

GOOD = """
import argparse
from benchmarks.results import record
def main():
    record.parse(argparse.ArgumentParser())
    print("a table")
    record.headline("a claim", 1.0, "us", peer=2.0, peer_name="chronyd")
record.run(main)
"""
BROKEN = "print('first'); raise SystemExit('the cable is missing')"
UNABLE = GOOD.replace('print("a table")', 'record.impossible("no <chronyd> here")')
SLOW = "import signal; print('slow', flush=True); signal.pause()"
PROGRAMS = {"good": GOOD, "broken": BROKEN, "unable": UNABLE, "slow": SLOW}


@pytest.fixture
def planted(monkeypatch):
    """Benchmarks of our own in the catalogue's place."""
    known = {name: Benchmark(name, name.title(), "Planted", ("-q",)) for name in PROGRAMS}
    monkeypatch.setattr(report, "BENCHMARKS", tuple(known.values()))
    monkeypatch.setattr(report, "NAMED", known)
    monkeypatch.setattr(
        report, "command", lambda one, arguments: [sys.executable, "-c", PROGRAMS[one.name]]
    )
    # Each test may run beside another one, or beside a benchmark.
    monkeypatch.setenv(ALONE, "1")
    return known


class Whole(HTMLParser):
    """Elements that are opened and not closed, ids, and all addresses."""

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.addresses = [], [], []

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.ids += [found["id"]] if "id" in found else []
        self.addresses += [v for k, v in attributes if k in ("src", "href", "srcset", "data")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.ids += [dict(attributes)["id"]] if "id" in dict(attributes) else []

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> where something else is open"


def judged(text):
    """Whether a page is whole, and loads nothing."""
    parser = Whole()
    parser.feed(text)
    parser.close()
    assert parser.open == []
    assert len(parser.ids) == len(set(parser.ids))
    for address in parser.addresses:
        assert address[:1] == "#", address
        assert address[1:] in parser.ids, address
    assert not re.search(r"url\(|@import|<script|<link|<img|<iframe", text)
    return parser


def records():
    return [read(path) for path in sorted(DATA.glob("*.json"))]


@pytest.mark.slow
def test_one_that_fails_or_cannot_run_is_told_and_the_others_go_on(planted, tmp_path, capfd):
    out = tmp_path / "out"
    assert report.main(["broken", "unable", "good", "--out", str(out)]) == 1
    text = (out / "index.html").read_text(encoding="utf-8")
    judged(text)
    assert "the cable is missing" in text
    assert "no &lt;chronyd&gt; here" in text
    assert "a claim" in text
    assert read(out / "broken.json").status == "failed"
    assert read(out / "unable.json").status == "impossible"
    assert read(out / "good.json").status == "done"
    assert (out / "good.log").read_text() == "a table\n"
    assert "not done, the page tells why: broken, unable" in capfd.readouterr().out


@pytest.mark.slow
def test_one_that_does_not_end_is_ended_and_told(planted, tmp_path, monkeypatch):
    monkeypatch.setattr(report, "_code_of", _hurried(report._code_of))
    found = report.run(planted["slow"], [], tmp_path)
    assert found.status == "failed"
    assert "did not end within 15 minutes" in found.reason


def _hurried(code_of):
    return lambda command, path, printed, file, longest_s: code_of(
        command, path, printed, file, longest_s / 900
    )


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs Linux")
def test_what_it_started_is_ended_with_it(planted, tmp_path, monkeypatch):
    # Ended itself, but for a child that would have gone on.
    child = "import signal; print('I am', flush=True); signal.pause()"
    code = f"import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', {child!r}])"
    monkeypatch.setitem(PROGRAMS, "good", f"{code}; print(p.pid, flush=True)")
    report.run(planted["good"], [], tmp_path)
    pid = int(re.findall(r"^\d+$", (tmp_path / "good.log").read_text(), re.M)[0])
    try:
        whether_it_ended = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    ended, _, _ = select.select([whether_it_ended], [], [], 30)
    os.close(whether_it_ended)
    if not ended:
        os.kill(pid, signal.SIGKILL)
        pytest.fail("its child goes on")


@pytest.mark.slow
def test_resumed_it_runs_only_what_this_commit_has_no_results_of(planted, tmp_path, monkeypatch):
    ran = []
    run = report.run
    monkeypatch.setattr(report, "run", lambda one, *more: ran.append(one.name) or run(one, *more))
    monkeypatch.setattr(machine, "commit", lambda: "0123456789ab")
    arguments = ["good", "broken", "--out", str(tmp_path), "--resume"]
    for name in ("good", "broken"):
        write(Record(name, commit="0123456789ab"), tmp_path / f"{name}.json")
    assert report.main(arguments) == 0
    assert ran == []
    write(Record("broken", "failed", commit="0123456789ab"), tmp_path / "broken.json")
    assert report.main(arguments) == 1
    assert ran == ["broken"]
    write(Record("good", commit="another"), tmp_path / "good.json")
    report.main(arguments[:1] + arguments[2:])
    assert ran == ["broken", "good"]


@pytest.mark.slow
def test_who_is_started_while_the_machine_is_ours_does_not_wait_for_it(tmp_path, monkeypatch):
    # A lock of our own: a real benchmark may be running beside the tests.
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    code = (
        "from benchmarks.harness import the_machine_alone as alone\nwith alone(): print('has it')"
    )
    command = [sys.executable, "-c", code]
    with the_machine_alone():
        env = {**os.environ, "TMPDIR": str(tmp_path)}
        done = subprocess.run(
            command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60
        )
    assert done.stdout == "has it\n"
    assert ALONE not in os.environ


def test_a_quick_run_is_no_run_in_full(tmp_path):
    benchmark = catalogue.NAMED["accuracy"]
    write(Record("accuracy", arguments=benchmark.arguments(True)), tmp_path / "accuracy.json")
    assert report.has_results(tmp_path, benchmark, benchmark.arguments(True), "")
    assert not report.has_results(tmp_path, benchmark, benchmark.arguments(False), "")


def test_a_name_that_is_none_is_told_with_those_there_are(capsys):
    with pytest.raises(SystemExit, match="2"):
        report.main(["acuracy"])
    said = capsys.readouterr().err
    assert "no benchmark is named acuracy" in said
    assert "serve_rate" in said


def test_the_page_of_real_results_is_whole_and_loads_nothing():
    found = records()
    assert len(found) >= 5
    text = page.html(found)
    parser = judged(text)
    assert {record.benchmark for record in found} <= set(parser.ids)
    for record in found:
        assert page.command_of(record.benchmark, record.arguments) in text
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")


def test_a_page_of_nothing_says_what_to_do(tmp_path):
    assert report.main(["--only-page", "--out", str(tmp_path)]) == 0
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    judged(text)
    assert "make report" in text


def test_a_quick_run_is_marked_as_not_to_be_quoted():
    record = Record("accuracy", arguments=["--rounds=1"])
    assert "Not to be quoted" in page.html([record])
    assert "Not to be quoted" not in page.html([Record("accuracy")])


def test_nothing_that_a_benchmark_says_becomes_markup():
    evil = "<script>alert(1)</script>"
    record = Record("accuracy", "failed", evil, arguments=[evil], parameters={evil: evil})
    record.sheet(evil, (evil, "n")).add(evil, evil)
    record.headline(evil, 1.0, evil, peer=2.0, peer_name=evil, asked=evil)
    record.bars(evil, evil, {evil: {evil: 1.0}, "b": {evil: 2.0}}, peers=["b"])
    record.spread(evil, evil, {evil: {evil: [1.0, 2.0]}})
    record.lines(evil, evil, evil, {evil: [(1.0, 2.0), (2.0, 3.0)]})
    record.note(evil)
    judged(page.html([record]))


@pytest.mark.parametrize("values", [[], [0.0], [0.0, 0.0], [5.0], [0.0, 1e-9, 1e9], [0.001, 1.0]])
def test_an_axis_has_every_value_and_round_ticks(values):
    scale = Scale.of(values, 100.0, 500.0, None)
    for value in values:
        assert 100 <= scale.at(value) <= 500
    ticks = scale.ticks()
    assert 2 <= len(ticks) <= 9
    assert ticks == sorted(ticks)
    assert all(re.fullmatch(r"\d+(\.\d+)?(e-\d+)?( [kMG])?", short(tick)) for tick in ticks)


def test_plots_without_anything_but_zeros_or_with_gaps_can_be_drawn():
    record = Record("accuracy")
    record.bars("zeros", "us", {"a": {"idle": 0.0, "loaded": None}, "b": {"idle": 0.0}})
    record.spread("zeros", "us", {"a": {"idle": [0.0] * 9}})
    record.lines("one", "n", "us", {"a": [(3, 0.0)], "b": []}, log="xy")
    judged(page.html([record]))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0931, "0.0931"),
        (1.449, "1.45"),
        (12.34, "12.3"),
        (8106.3, "8,106"),
        (0, "0"),
        (None, "–"),
    ],
)
def test_a_figure_has_three_digits(value, text):
    assert figure(value) == text


def test_a_peer_that_is_the_least_possible_is_no_rival():
    record = Record("seal")
    record.headline("sealing", 1500.0, "ns", peer=1200.0, peer_name="bare AES", is_floor=True)
    record.headline("offsets", 1500.0, "ns", peer=1200.0, peer_name="chronyd")
    record.headline("offsets", 0.0, "ns", peer=1200.0, peer_name="chronyd")
    words = [page.advantage(headline) for headline in record.headlines]
    assert words == ["1.25× of it", "1.25× worse", "exact"]


@pytest.mark.slow
def test_a_browser_shows_it_on_a_phone_without_moving_it_sideways(tmp_path):
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("chromium is missing: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    path = tmp_path / "index.html"
    path.write_text(page.html(records()), encoding="utf-8")
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        wrong = []
        for width in (1400, 720, 420, 340):
            shown = browser.new_page(viewport={"width": width, "height": 900})
            shown.on("request", lambda asked: asked.url.startswith("file:") or wrong.append(asked))
            shown.on("console", lambda said: wrong.append(said.text))
            shown.goto(path.as_uri())
            assert shown.evaluate("document.documentElement.scrollWidth") <= width
            visible = shown.locator("svg:visible").count()
            assert visible == shown.locator("svg").count() / 2
            shown.close()
        browser.close()
    assert wrong == []


@pytest.mark.slow
def test_the_command_lists_what_there_is():
    command = [sys.executable, "-m", "benchmarks.report", "--list"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert len(done.stdout.splitlines()) == len(catalogue.BENCHMARKS)
