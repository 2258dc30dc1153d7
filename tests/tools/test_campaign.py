"""The campaign runner: what is done is not done again, and a failure says how to come back."""

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools import campaign
from tools.campaign import CAMPAIGNS, CHUNK, Chunk, Totals, fingerprint, main, parse_seeds

seen: list[int] = []
BAD = 137


def counting(seed: int) -> Counter[str]:
    seen.append(seed)
    return Counter(seeds=1, even=seed % 2 == 0)


def failing(seed: int) -> Counter[str]:
    assert seed != BAD, f"a property does not hold for {seed}"
    return Counter(seeds=1)


def crashing(seed: int) -> Counter[str]:
    raise OSError("the disk is full")


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Campaigns of this file, and where their totals go."""
    for check in (counting, failing, crashing):
        monkeypatch.setitem(CAMPAIGNS, check.__name__, f"{__name__}:{check.__name__}")
    monkeypatch.setattr(campaign, "_load", lambda function: globals()[function.split(":")[1]])
    seen.clear()
    return tmp_path / "deep" / "totals.jsonl"


def start(name: str, totals: Path, *more: str) -> int:
    return main([name, "--totals", str(totals), "--workers", "1", *more])


def test_every_seed_is_checked_once_and_counted(registered: Path, capsys) -> None:
    assert start("counting", registered, "--seeds", "3..250") == 0
    assert seen == list(range(3, 251))
    entries = [json.loads(line) for line in registered.read_text().splitlines()]
    assert sum(entry["totals"]["seeds"] for entry in entries) == 248
    assert "248 seeds" in capsys.readouterr().out


def test_what_is_done_is_not_done_again(registered: Path) -> None:
    start("counting", registered, "--seeds", "100..199")
    seen.clear()
    assert start("counting", registered, "--seeds", "50..249") == 0
    assert seen == [*range(50, 100), *range(200, 250)]


def test_without_seeds_it_goes_on_where_it_was(registered: Path) -> None:
    start("counting", registered, "--count", "10")
    start("counting", registered, "--count", "5")
    assert seen == list(range(15))


def test_results_of_other_code_count_for_nothing(
    registered: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start("counting", registered, "--seeds", "0..9")
    monkeypatch.setattr(campaign, "fingerprint", lambda: "other")
    start("counting", registered, "--seeds", "0..9")
    assert seen == [*range(10), *range(10)]


def test_half_a_line_of_a_run_that_was_killed_is_done_again(registered: Path) -> None:
    start("counting", registered, "--seeds", "0..199")
    lines = registered.read_text().splitlines()
    registered.write_text(lines[0] + "\n" + lines[1][:40] + "\n")
    seen.clear()
    start("counting", registered, "--seeds", "0..199")
    assert seen == list(range(100, 200))


def test_a_failure_names_its_seed_and_how_to_replay_it(registered: Path, capsys) -> None:
    assert start("failing", registered, "--seeds", "0..999") == 1
    said = capsys.readouterr().out
    assert f"a property does not hold for {BAD}" in said
    assert f"python -m tools.campaign failing --seeds {BAD}..{BAD}" in said
    assert "Traceback" not in said
    assert start("failing", registered, "--seeds", f"{BAD}..{BAD}") == 1  # it stays undone


def test_a_crash_shows_where(registered: Path, capsys) -> None:
    assert start("crashing", registered, "--seeds", "0") == 1
    said = capsys.readouterr().out
    assert "the disk is full" in said
    assert "in crashing" in said


@pytest.mark.parametrize("text", ["", "..", "5..", "..5", "9..5", "-1..5", "a..b", "1..2..3", "²"])
def test_what_are_no_seeds_is_refused_in_one_line(registered: Path, text: str, capsys) -> None:
    with pytest.raises(SystemExit) as refusal:
        start("counting", registered, f"--seeds={text}")
    assert refusal.value.code == 2
    assert "argument --seeds" in capsys.readouterr().err


@given(
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 150)), max_size=6),
    st.integers(0, 400),
    st.integers(0, 400),
)
def test_what_is_left_is_exactly_what_is_not_done(done, first: int, length: int) -> None:
    totals = Totals(Path("nowhere-at-all"), "measure", "code")
    totals.done = [(begin, begin + more) for begin, more in done]
    wanted = (first, first + length)
    chunks = totals.left(wanted)
    left = [seed for begin, end in chunks for seed in range(begin, end + 1)]
    covered = {seed for begin, end in totals.done for seed in range(begin, end + 1)}
    assert left == [seed for seed in range(first, first + length + 1) if seed not in covered]
    assert all(end - begin < CHUNK for begin, end in chunks)


def test_an_empty_chunk_leaves_no_line(tmp_path: Path) -> None:
    Totals(tmp_path / "t", "measure", "code").add(Chunk((5, 4), {}, failed=5))
    assert not (tmp_path / "t").exists()


def test_the_fingerprint_follows_the_code(tmp_path: Path) -> None:
    before = fingerprint(tmp_path)
    (tmp_path / "clocksync").mkdir()
    (tmp_path / "clocksync" / "x.py").write_text("x = 1")
    after = fingerprint(tmp_path)
    (tmp_path / "clocksync" / "x.py").write_text("x = 2")
    assert len({before, after, fingerprint(tmp_path)}) == 3


def test_seeds_include_both_ends() -> None:
    assert parse_seeds("5..9") == (5, 9)
    assert parse_seeds("7") == (7, 7)


def test_two_processes_share_the_work_of_a_real_campaign(tmp_path: Path, capsys) -> None:
    path = tmp_path / "totals.jsonl"
    arguments = ["measure", "--seeds", "0..149", "--workers", "2", "--totals", str(path)]
    assert main(arguments) == 0
    assert "150 runs" in capsys.readouterr().out
    assert len(path.read_text().splitlines()) == 2


def test_every_campaign_can_be_loaded() -> None:
    assert all(callable(campaign._load(function)) for function in CAMPAIGNS.values())
