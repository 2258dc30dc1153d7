"""The table for people: words for signs, nothing hidden, nothing a terminal could be hurt by."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from clocksync.measuring.result import Combined, HostResult, Measurement, Verdict
from clocksync.measuring.table import clock_words, print_table, render, summary
from clocksync.runtime.interval import Interval
from clocksync.runtime.units import MILLISECOND, SECOND

GOOD = HostResult(
    host="ntp1.example",
    port=123,
    address="192.0.2.1",
    verdict=Verdict.TRUECHIMER,
    reason=None,
    offset_ns=412_000,
    error_bound_ns=98_000,
    delay_ns=150_001,
    samples=8,
    answered=7,
)
BAD = HostResult("gone.example", 123, None, Verdict.UNREACHABLE, "no answer to 8 requests")
AROUND = Combined(Interval(314_000, 510_000), ("ntp1.example",), ())


def shown(measurement: Measurement, width: int = 200) -> str:
    out = io.StringIO()
    console = Console(file=out, width=width, highlight=False)
    for part in render(measurement, width):
        console.print(part)
    return out.getvalue()


def test_the_sign_is_said_in_words_and_every_offset_has_its_bound() -> None:
    text = shown(Measurement(0, (GOOD,), AROUND))
    assert "412 us slow" in text
    assert "± 98.0 us" in text
    assert "By ntp1.example the local clock is 412 us slow ± 98.0 us." in text
    assert clock_words(-5 * MILLISECOND) == "5.00 ms fast"


def test_a_host_without_an_answer_shows_no_number_and_one_line_of_why() -> None:
    text = shown(Measurement(0, (GOOD, BAD), AROUND))
    (line,) = [line for line in text.splitlines() if line.startswith("gone.example:")]
    assert line.rstrip() == "gone.example: unreachable: no answer to 8 requests"
    (row,) = [line for line in text.splitlines() if line.lstrip().startswith("gone.example ")]
    cells = row.split()
    assert cells[1:-2] == ["–"] * (len(cells) - 3)
    assert cells[-2:] == ["0/0", "unreachable"]


@pytest.mark.parametrize("width", [20, 40, 79, 80, 100, 120, 160, 200])
def test_host_bound_and_verdict_are_there_at_every_width(width: int) -> None:
    text = shown(Measurement(0, (GOOD, BAD), AROUND), width)
    assert max(len(line) for line in text.splitlines()) <= width
    if width >= 79:
        for word in ("ntp1.example", "412 us slow", "± 98.0 us", "truechimer", "unreachable"):
            assert word in text


def test_an_offset_to_a_reference_has_a_column_and_a_sign_of_its_own() -> None:
    related = replace(GOOD, offset_to_reference_ns=-SECOND, reference_error_bound_ns=MILLISECOND)
    text = shown(Measurement(0, (related, BAD), AROUND))
    assert "to reference" in text
    assert "-1.00 s" in text
    assert "± 1.00 ms" in text
    assert "to reference" not in shown(Measurement(0, (GOOD,), AROUND))


def test_the_summary_counts_servers_and_not_names() -> None:
    twice = Measurement(
        0, (GOOD, replace(GOOD, host="alias")), Combined(AROUND.interval, ("ntp1", "alias"), ())
    )
    assert summary(twice).plain.startswith("By ntp1 the local clock")
    liar = replace(GOOD, address="192.0.2.9", verdict=Verdict.FALSETICKER, reason="off")
    third = replace(GOOD, address="192.0.2.3")
    three = Measurement(0, (GOOD, third, liar), Combined(AROUND.interval, ("a", "b"), ("c",)))
    assert summary(three).plain.startswith("2 of 3 agree:")


def test_how_hosts_prove_themselves_is_shown_where_any_of_them_has_to() -> None:
    assert "proof" not in shown(Measurement(0, (GOOD,), AROUND))
    keyed = replace(GOOD, authentication="key")
    assert " proof " in shown(Measurement(0, (keyed,), AROUND))
    assert " key " in shown(Measurement(0, (keyed,), AROUND))


def test_without_a_majority_the_summary_takes_no_side() -> None:
    undecided = replace(GOOD, verdict=Verdict.UNDECIDED, reason="2 servers disagree")
    assert "no side is taken" in summary(Measurement(0, (undecided,), None)).plain
    assert "No host gave a usable answer" in summary(Measurement(0, (BAD,), None)).plain


def test_markup_in_a_name_is_shown_and_not_obeyed() -> None:
    odd = replace(GOOD, host="[red]x[/]", reason="[bold]why[/]", reference_id="[b]:smile:")
    text = shown(Measurement(0, (odd,), AROUND))
    for word in ("[red]x[/]", "[bold]why[/]", "[b]:smile:"):
        assert word in text


def test_cautions_are_told() -> None:
    text = shown(Measurement(0, (GOOD,), AROUND, ("the local clock was stepped by 1.00 s",)))
    assert "caution: the local clock was stepped by 1.00 s" in text


def test_a_pipe_gets_every_column(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    print_table(Measurement(0, (GOOD,), AROUND))
    out = capsys.readouterr().out
    assert "reference id" in out
    assert "\x1b" not in out


@pytest.mark.parametrize("width", [80, 200])
def test_thousands_of_hosts_read_like_a_handful(width: int) -> None:
    """The large table is laid out by ourselves: the same cells, in columns, within the width."""
    few = (GOOD, BAD, replace(GOOD, host="a-very-long-name." * 6, offset_ns=-SECOND))
    many = few * 400
    small = shown(Measurement(0, few, AROUND), width).splitlines()
    large = shown(Measurement(0, many, AROUND), width).splitlines()
    rows = [line for line in large if line.rstrip().endswith(("truechimer", "unreachable"))]
    assert len(rows) == len(many)
    header = next(line for line in large if line.startswith("host"))
    assert header.split() == next(line for line in small if "verdict" in line).split()
    assert {max(line.rfind("truechimer"), line.rfind("unreachable")) for line in rows} == {
        header.index("verdict")
    }
    assert max(len(line) for line in [header, *rows]) <= width
    of_small = [line.split() for line in small if line.rstrip().endswith(("chimer", "unreachable"))]
    assert [line.split() for line in rows[:3]] == of_small
