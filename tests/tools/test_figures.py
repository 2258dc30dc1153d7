"""README's figures: they are what the committed results give, or what stood there before."""

import re
from pathlib import Path

import pytest

from benchmarks.results import Record, read, write
from benchmarks.ring_crash import EVENTS, OURS, TIMEOUTS_MS, Outages, print_outages
from benchmarks.ring_hosts import Network
from benchmarks.ring_tables import THREE, Case, Measured, Results, print_all
from tools import figures
from tools.figure_texts import REGIONS, Book, Missing, rounded

DATA = Path(__file__).parents[1] / "data" / "benchmarks"
BOOK = Book.of(DATA)


def pages():
    return [figures.ROOT / name for name in figures.PAGES]


def test_every_region_is_what_the_committed_results_give():
    book = Book.of(figures.RESULTS)
    for path in pages():
        text = path.read_text(encoding="utf-8")
        assert figures.written(text, book, []) == text, "python -m tools.figures"


def test_committed_results_are_of_full_runs_that_were_done():
    for path in figures.RESULTS.glob("*.json"):
        record = read(path)
        assert (record.status, record.arguments) == ("done", []), path.name
        assert re.fullmatch("[0-9a-f]{7,40}", record.commit), path.name


def test_every_region_is_somewhere_once_and_no_mark_stands_alone():
    found = []
    for path in pages():
        text = path.read_text(encoding="utf-8")
        names = [match["name"] for match in figures.REGION.finditer(text)]
        assert len(names) == text.count("<!-- figures:") == text.count("<!-- /figures -->")
        found += names
    assert sorted(found) == sorted(REGIONS)


def test_no_line_begins_with_a_mark_and_has_words_behind_it():
    # It would be a block of HTML to Markdown, in the midst of a sentence.
    for path in pages():
        assert not re.search(r"^<!-- figures: [\w-]+ -->.", path.read_text("utf-8"), re.M), path


@pytest.mark.parametrize(
    "name", ["accuracy", "serve-rate", "multicast", "machine", "state-transfer", "ring-members"]
)
def test_a_region_has_figures_of_the_results_and_nothing_else(name):
    before = f"a <!-- figures: {name} -->old<!-- /figures --> b"
    after = figures.written(before, BOOK, [])
    assert "old" not in after
    assert after.startswith(f"a <!-- figures: {name} -->")
    assert after.endswith("<!-- /figures --> b")
    assert figures.written(after, BOOK, []) == after, "written twice it is the same"


def test_errors_of_clients_are_those_of_the_table():
    text = REGIONS["accuracy"](BOOK)
    sheet = BOOK.sheet("accuracy")
    row = next(row for row in sheet.rows if row[:2] == ["clocksync, burst of 8", "chronyd"])
    idle = sheet.columns.index("idle median us")
    assert f"| clocksync, bursts of 8 | {row[idle]} / {row[idle + 1]} |" in text
    assert len(text.splitlines()) == 8


def test_a_region_without_results_stays_and_says_why():
    before = "<!-- figures: ring-crash -->as it was<!-- /figures -->"
    left = []
    assert figures.written(before, Book({}), left) == before
    assert left == ["ring-crash: no results of ring_crash"]


def test_a_region_that_nobody_knows_is_an_error():
    with pytest.raises(ValueError, match="nobody knows figures of 'acuracy'"):
        figures.written("<!-- figures: acuracy -->x<!-- /figures -->", BOOK, [])


def test_only_a_full_run_of_a_commit_on_an_idle_machine_is_taken_over(tmp_path):
    source, target = tmp_path / "out", tmp_path / "results"
    write(Record("full", commit="0123456789ab"), source / "full.json")
    write(Record("dirty", commit="0123456789ab+changes"), source / "dirty.json")
    busy = Record("busy", commit="0123456789ab", machine={"busy_before_percent": 40.0})
    write(busy, source / "busy.json")
    write(Record("quick", arguments=["--rounds=1"]), source / "quick.json")
    write(Record("broken", "failed", "it broke"), source / "broken.json")
    told = list(figures.take_over(source, target))
    assert [path.name for path in target.iterdir()] == ["full.json"]
    assert told == [
        "broken: failed: it broke",
        "busy: the machine was busy with something else before it began",
        "dirty: is of no commit (0123456789ab+changes)",
        "quick: was run with --rounds=1, not in full",
    ]


def test_checking_writes_nothing_and_tells_what_differs(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(figures, "ROOT", tmp_path)
    monkeypatch.setattr(figures, "RESULTS", DATA)
    monkeypatch.setattr(figures, "PAGES", ("README.md",))
    before = "a <!-- figures: serve-rate -->1 a second<!-- /figures -->"
    (tmp_path / "README.md").write_text(before)
    assert figures.main(["--check"]) == 1
    assert "README.md differs" in capsys.readouterr().out
    assert (tmp_path / "README.md").read_text() == before
    assert figures.main([]) == 0
    assert figures.main(["--check"]) == 0


@pytest.fixture
def ring_records(monkeypatch):
    """What benchmarks of the ring record of planted measurements."""
    book = {}
    for name in ("ring", "ring_crash"):
        record = Record(name, machine=BOOK.record("accuracy").machine)
        for module in ("benchmarks.ring_tables.record", "benchmarks.ring_crash.record"):
            monkeypatch.setattr(module, record)
        book[name] = record
        if name == "ring":
            record.parameters = {"runs": 5, "seconds": 2.0}
            print_all(planted_results(), cores=2)
        else:
            record.parameters = {"runs": 5}
            outages = Outages()
            for event in EVENTS:
                for token_ms in TIMEOUTS_MS:
                    outages.add(OURS, token_ms, event, round(1.1e6 * token_ms))
                    outages.add("corosync, knet aes256+sha256", token_ms, event, 2_000_000)
            print_outages(outages)
    return book


def planted_results():
    found = Results()
    for network in (Network(1500), Network(1500, offload=False), Network(9000)):
        for program, encrypted, rate in (
            ("vsync, encrypted", True, 1_578_432.0),
            ("vsync, plaintext", False, 1_490_111.0),
            ("bare ring, AES-GCM", True, 2_662_000.0),
            ("bare ring, plain", False, 3_427_000.0),
            ("corosync, knet aes256+sha256", True, 38_512.0),
            ("corosync, knet", False, 50_000.0),
            ("corosync, udp", False, 62_849.0),
        ):
            for size in (64, 1024, 8192, 65_536):
                measured = Measured(rate * 64 / size, (0.3, 0.3, 0.4), 150.0)
                found.add(Case(network, program, encrypted, size), measured)
    for program in ("vsync, encrypted", "vsync, plaintext"):
        for service in ("AGREED", "SAFE"):
            found.add_latency(f"{program}, {service}", 64, (82.0, 373.0))
            found.add_latency(f"{program}, {service}{THREE}", 64, (482.0, 873.0))
    for program in ("knet aes256+sha256", "knet", "udp"):
        found.add_latency(f"corosync, {program}, AGREED", 64, (243.0, 424.0))
        found.add_latency(f"corosync, {program}, AGREED{THREE}", 64, (263.0, 454.0))
    return found


def test_the_ring_s_regions_are_made_of_what_its_benchmark_records(ring_records):
    book = Book(ring_records)
    assert "| vsync, segment offload on the links | 1,578,000 | 98,700 | 82 us |" in REGIONS[
        "ring-short"
    ](book)
    assert "| corosync 3, without | 38,500 | 2,410 | |" in REGIONS["ring-short"](book)
    throughput = REGIONS["ring-throughput"](book)
    assert len(throughput.splitlines()) == 2 + 4 * 4
    assert "| 8,192 | vsync, encrypted | 12,300 (101 MB/s) |" in throughput
    assert "| | corosync, encrypted / better plain | 38,500 / 62,800 |" in throughput
    latency = REGIONS["ring-latency"](book)
    assert "| vsync, encrypted: AGREED, SAFE | 82, 82 | 373, 373 | 482, 482 | 873, 873 |" in latency
    assert (
        "other programs took 0 % of the processors meanwhile; medians of 5 runs of 2 s"
        in REGIONS["ring-run"](book)
    )


def test_outages_are_told_with_their_token_timeouts(ring_records):
    text = REGIONS["ring-crash"](Book(ring_records))
    assert (
        "| vsync, encrypted | kill -9 | 1,100 (1.10) | 220 (1.10) | 110 (1.10) | 55 (1.10) |"
        in text
    )
    assert "| corosync, knet aes256+sha256 | cable | 2 (0.00) | 2 (0.01) | | |" in text


def test_without_a_peer_the_figures_beside_it_stay(ring_records):
    for sheet in ring_records["ring"].sheets:
        sheet.rows = [row for row in sheet.rows if "corosync" not in row[1]]
    with pytest.raises(Missing, match="no row 64, corosync"):
        REGIONS["ring-short"](Book(ring_records))


@pytest.mark.parametrize(
    ("value", "text"),
    [(1_578_432, "1,578,000"), (173_456, "173,000"), (38_512, "38,500"), (382, "382"), (4.2, "4")],
)
def test_a_rounded_figure_says_no_more_than_was_measured(value, text):
    assert rounded(value) == text
