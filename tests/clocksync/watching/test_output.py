"""What a watch writes and shows: logs, series, sparklines, the view, metrics, pictures."""

import csv
import json
from importlib import resources

import jsonschema
import pytest
from rich.console import Console

from clocksync import BadConfig
from clocksync.measuring.result import Verdict
from clocksync.runtime.units import SECOND
from clocksync.watching import metrics, plot
from clocksync.watching.log import COLUMNS, alarm_line, csv_header, csv_lines, json_lines
from clocksync.watching.logfile import LogFile
from clocksync.watching.series import POINTS_MAX, Event, History, Point, Series
from clocksync.watching.sparkline import sparkline
from clocksync.watching.stability import allan_deviation, steady_part
from clocksync.watching.view import View, plain_line
from tests.clocksync.watching.reports import AT, report, row, silent

SCHEMA = json.loads(resources.files("clocksync").joinpath("schemas/watch-1.json").read_text())
EVERYTHING = report(
    row(group="core"), silent(), row("ntp3", verdict=Verdict.FALSETICKER, reason="off"),
    changes=True,
)  # fmt: skip


def rendered(one, width=120, height=None, view=None) -> str:
    console = Console(width=width, record=True, file=None, force_terminal=False, quiet=False)
    view = view or View()
    view.add(one)
    with console.capture() as captured:
        console.print(view.render(one, width, height))
    return captured.get()


# Logs


def test_every_line_is_as_the_schema_has_it() -> None:
    lines = [json.loads(line) for line in json_lines(EVERYTHING)]
    assert [line["event"] for line in lines] == ["alarm", "host", "host", "host", "combined"]
    for line in lines:
        jsonschema.validate(line, SCHEMA)
    assert (lines[1]["offset_s"], lines[1]["error_bound_s"]) == (1.2e-05, 1e-04)
    assert lines[2]["offset_s"] is None
    assert lines[2]["alarms"] == ["silence"]


def test_csv_holds_the_same_in_columns() -> None:
    text = [csv_header(), *csv_lines(EVERYTHING)]
    entries = list(csv.DictReader(text))
    assert len(entries) == 5
    assert tuple(entries[0]) == COLUMNS
    for entry, line in zip(entries, json_lines(EVERYTHING), strict=True):
        told = json.loads(line)
        for key, value in told.items():
            if key in COLUMNS and isinstance(value, int | float) and not isinstance(value, bool):
                assert float(entry[key]) == value
            elif value is None:
                assert entry[key] == ""


def test_every_key_of_a_line_has_a_column_but_lists_of_hosts() -> None:
    keys = {key for line in json_lines(EVERYTHING) for key in json.loads(line)}
    assert keys - set(COLUMNS) == {"schema", "truechimers", "falsetickers"}


def test_alarms_are_lines_when_raised_and_when_cleared() -> None:
    (change,) = EVERYTHING.changes
    assert alarm_line(change) == (
        "2026-09-21T14:13:20Z ALARM ntp2 silence: no answer to 5 requests in a row"
    )


@pytest.mark.parametrize("name", ["w.jsonl", "w.csv"])
def test_a_log_is_appended_to_and_reopened_after_it_was_moved(tmp_path, name) -> None:
    path = tmp_path / name
    for _ in range(2):
        log = LogFile(path)
        log.write(EVERYTHING)
        log.close()
    extra = name.endswith(".csv")
    assert len(path.read_text().splitlines()) == 2 * 5 + extra
    log = LogFile(path)
    path.rename(tmp_path / "old")
    log.write(EVERYTHING)
    assert not path.exists()
    log.reopen()
    log.write(EVERYTHING)
    log.close()
    assert len(path.read_text().splitlines()) == 5 + extra


def test_a_file_that_is_no_log_is_not_appended_to(tmp_path) -> None:
    path = tmp_path / "w.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(BadConfig, match="other columns"):
        LogFile(path)
    with pytest.raises(BadConfig, match="cannot be written"):
        LogFile(tmp_path / "no" / "w.jsonl")


# Series


@pytest.mark.parametrize("is_csv", [False, True])
def test_what_was_logged_is_read_back(is_csv) -> None:
    lines = [csv_header(), *csv_lines(EVERYTHING)] if is_csv else list(json_lines(EVERYTHING))
    read, direct = History(), History()
    read.read(lines, "log")
    direct.add(EVERYTHING)
    assert read.bad_lines == 0
    assert set(read.series) == set(direct.series) == {"ntp1", "ntp2", "ntp3"}
    for host, series in direct.series.items():
        (one,), (other,) = series.points, read.series[host].points
        assert abs(one.at_s - other.at_s) < 1e-6
        assert (one.offset_s, one.error_bound_s) == (other.offset_s, other.error_bound_s)
        assert (one.answered, one.sample_s) == (other.answered, other.sample_s)
        assert [e.kind for e in series.events] == [e.kind for e in read.series[host].events]


def test_half_a_line_and_rubbish_are_counted_and_left_out() -> None:
    lines = list(json_lines(EVERYTHING))
    history = History()
    history.read([*lines, lines[0][:40], "[]", "{}", "nonsense", "1e999"], "log")
    assert history.bad_lines == 5
    assert len(history.series["ntp1"].points) == 1


@pytest.mark.parametrize("text", ["", "hello", "a,b\n1,2", "{}\n{}", '{"event":"host"}', "\0"])
def test_what_is_no_log_is_refused(text) -> None:
    with pytest.raises(BadConfig):
        History().read(text.splitlines(), "x")


def test_a_series_of_months_stays_small_and_keeps_its_ends() -> None:
    series = Series("h")
    for n in range(3 * POINTS_MAX):
        series.add(Point(float(n), 0.0, 0.0, True))
    assert len(series.points) <= POINTS_MAX + 1
    assert series.points[0].at_s == 0
    assert series.points[-1].at_s >= 3 * POINTS_MAX - 4
    steps = {b.at_s - a.at_s for a, b in zip(series.points, series.points[1:], strict=False)}
    assert len(steps) == 1


# Pictures


def noisy(count: int, gap_at: int = -1, step_at: int = -1) -> Series:
    import random

    draw, series = random.Random(5), Series("h")
    for n in range(count):
        at = n * 1.0 + (50 if n >= gap_at >= 0 else 0)
        offset = draw.gauss(0, 1e-6) + (1e-3 if n >= step_at >= 0 else 0)
        series.add(Point(at, offset, 1e-5, True, offset))
        if n == step_at:
            series.events.append(Event(at, "step", "jumped"))
    return series


def test_white_noise_gives_the_allan_deviation_it_must() -> None:
    found = allan_deviation(noisy(1024))
    for one in found[:6]:  # of white phase noise s: sqrt(3) s / tau (NIST SP 1065, table 3)
        expected = 3**0.5 * 1e-6 / one.tau_s
        assert one.low < expected < one.high
        assert one.low < one.value < one.high
    assert found[0].tau_s == 1


def test_gaps_and_steps_are_left_out_of_stability() -> None:
    assert len(steady_part(noisy(100))[0]) == 100
    assert len(steady_part(noisy(100, gap_at=70))[0]) == 70
    assert len(steady_part(noisy(100, step_at=60))[0]) == 60
    assert allan_deviation(noisy(5)) == []


@pytest.mark.parametrize("suffix", [".svg", ".png", ".pdf"])
def test_a_picture_is_drawn_and_is_the_same_for_the_same_data(tmp_path, suffix) -> None:
    history = History()
    history.series = {"h": noisy(200, step_at=120), "never": Series("never")}
    for name in ("a", "b"):
        plot.draw(history, tmp_path / (name + suffix))
    one, other = ((tmp_path / (name + suffix)).read_bytes() for name in "ab")
    assert len(one) > 5000
    if suffix == ".svg":
        assert one == other
        text = one.decode()
        for words in ("bound: truth lies within", "95 % confidence", ">h<", "step"):
            assert words in text


def test_pictures_that_cannot_be_drawn_are_refused_in_one_line(tmp_path) -> None:
    with pytest.raises(BadConfig, match=r"ends in \.svg"):
        plot.check(tmp_path / "x.gif")
    with pytest.raises(BadConfig, match="no folder"):
        plot.check(tmp_path / "no" / "x.svg")
    with pytest.raises(BadConfig, match="nothing to draw"):
        plot.draw(History(), tmp_path / "x.svg")
    many = History()
    many.series = {str(n): noisy(5) for n in range(13)}
    with pytest.raises(BadConfig, match="too many"):
        plot.draw(many, tmp_path / "x.svg")


# The view


def test_a_sparkline_is_as_wide_as_asked_and_shows_gaps() -> None:
    assert sparkline([1, None, 3], 5) == "  ▁·█"
    assert sparkline([], 3) == "   "
    assert sparkline([None], 2) == " ·"
    assert sparkline([5.0, 5.0], 2) == "▁▁"
    assert sparkline([5.0, 5.0], 2, from_zero=True) == "██"
    assert sparkline(range(100), 4) == "▁▃▆█"


def test_the_view_has_a_row_a_host_what_is_wrong_and_a_sentence() -> None:
    view = View()
    for _ in range(12):
        view.add(report(row(), silent()))
    told = rendered(EVERYTHING, 160, view=view)
    for words in (
        "ntp1", "core", "12.0 us slow", "± 100 us", "+1.25 ± 0.50", "●●●●●●●●", "○○○○○○○○",
        "unreachable", "falseticker", "! ntp2 silence", "no answer to 5 requests in a row",
        "the local clock is 20.0 us slow ± 70.0 us", "alarms: 1 active", "report 7",
    ):  # fmt: skip
        assert words in told, told
    assert max(map(len, told.splitlines())) <= 160


@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
def test_a_narrow_terminal_loses_columns_and_never_the_offset(width) -> None:
    told = rendered(report(row()), width)
    assert "12.0 us slow" in told
    assert "± 100 us" in told
    assert max(map(len, told.splitlines())) <= width


def test_more_hosts_than_lines_shows_the_worst() -> None:
    many = report(*(row(f"h{n}") for n in range(50)), silent("bad"))
    told = rendered(many, 120, height=20)
    assert len(told.splitlines()) <= 20
    assert "bad" in told
    assert "and 40 more" in told


def test_a_line_without_a_terminal_says_the_same() -> None:
    assert plain_line(row(), "T", []) == (
        "T ntp1 local clock is 12.0 us slow ± 100 us, skew +1.250 ppm, truechimer"
    )
    assert plain_line(silent(), "T", []) == "T ntp2 unreachable: no answer to 5 requests in a row"


# Metrics


def test_every_metric_has_a_name_with_a_unit_and_unknown_is_absent() -> None:
    told = list(metrics.samples(EVERYTHING, 3))
    names = {name for name, _, _ in told}
    assert names == {metric.name for metric in metrics.METRICS}
    of_silent = {name for name, labels, _ in told if labels.get("host") == "ntp2"}
    assert "clocksync_offset_seconds" not in of_silent
    values = {(n, lab.get("host"), lab.get("kind"), lab.get("verdict")): v for n, lab, v in told}
    assert values["clocksync_offset_seconds", "ntp1", None, None] == 1.2e-05
    assert values["clocksync_alarm", "ntp2", "silence", None] == 1
    assert values["clocksync_verdict", "ntp3", None, "falseticker"] == 1
    assert values["clocksync_combined_error_bound_seconds", None, None, None] == 7e-05


def test_times_are_as_of_the_report() -> None:
    (line, *_) = json_lines(report(row()))
    assert json.loads(line)["at"] == "2026-09-21T14:13:20.000000005Z"
    assert AT == 1_790_000_000 * SECOND
