"""``clocksync gnss``: what it prints, what its exit code says, and no tracebacks."""

import json
import re
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from clocksync.gnss.simulation import WHEN
from clocksync.runtime.units import SECOND
from tests.clocksync.gnss.sky import Site, gps, navigation, observations_2, observations_3
from tests.commands import Command, command

DATA = Path(__file__).parents[2] / "data" / "gnss"
AUSTRALIA = [str(DATA / "14601736.18o"), str(DATA / "14601736.18n")]
SCHEMA = json.loads(resources.files("clocksync").joinpath("schemas/gnss-1.json").read_text())


clocksync = command("clocksync", "gnss")


@pytest.fixture
def files(tmp_path: Path) -> Callable[..., list[str]]:
    """Observations of a site, and the ephemerides of its sky, as files."""

    def write(site: Site, seconds: int = 300, text: str | None = None) -> list[str]:
        times = [WHEN + second * SECOND for second in range(0, seconds, 30)]
        (tmp_path / "site.obs").write_text(text or observations_3(site, times, others="R01"))
        (tmp_path / "day.nav").write_text(navigation(gps()))
        return [str(tmp_path / "site.obs"), str(tmp_path / "day.nav")]

    return write


def document(text: str) -> Any:
    parsed = json.loads(text)
    jsonschema.validate(parsed, SCHEMA)
    return parsed


def test_the_document_is_as_the_schema_says(clocksync: Command) -> None:
    code, out, err = clocksync(*AUSTRALIA, "--json")
    parsed = document(out)
    assert (code, err) == (0, "")
    assert parsed["schema"] == "clocksync.gnss/1"
    assert [epoch["time"] for epoch in parsed["epochs"]] == [
        "2018-06-22T06:17:30.0000000",
        "2018-06-22T06:17:45.0000000",
        "2018-06-22T06:18:00.0000000",
    ]
    first = parsed["epochs"][0]
    assert first["satellites"] == ["G03", "G07", "G09", "G23", "G30"]
    assert {"satellite": "E07", "cause": "no-ephemeris", "reason": "no ephemeris"} in first[
        "excluded"
    ]
    assert first["clock_error_s"] == pytest.approx(-65e-6, abs=1e-6)
    assert 0 < first["clock_error_std_s"] < 1e-6
    assert parsed["summary"]["horizontal_error_m"]["max"] < 30


def test_each_epoch_is_a_line_so_that_it_streams(clocksync: Command) -> None:
    _, out, _ = clocksync(*AUSTRALIA, "--json")
    lines = out.splitlines()
    assert len(lines) == 5
    for line in lines[1:-1]:
        assert json.loads(line.rstrip(","))["status"] == "solved"


def test_the_table_tells_clock_bound_and_who_was_left_out(clocksync: Command) -> None:
    code, out, err = clocksync(*AUSTRALIA)
    assert (code, err) == (0, "")
    assert re.search(r"2018-06-22 06:17:30\.0 +65\.1\d us slow +± \d+ ns", out)
    assert "left out E07, E19: no ephemeris" in out
    assert "left out R07, R08, R09, R10, R11: GLONASS is not used" in out
    assert "3 epochs: 3 solved" in out
    assert "within the bound in 3 of 3 epochs" in out
    assert "the receiver's clock loses 70" in out


def test_a_long_file_fills_no_more_rows_than_asked(
    clocksync: Command, files: Callable[..., list[str]]
) -> None:
    code, out, _ = clocksync(
        *files(Site(gps(), clock_error_ns=1e6, drift_ppb=250.0), 3000), "--rows", "9"
    )
    assert code == 0
    assert 5 <= len(re.findall(r"ms fast", out)) <= 9
    assert "of 100 epochs)" in out
    assert "the receiver's clock gains 250.0 ± 0.0 ppb" in out


def test_millisecond_jumps_of_the_clock_are_counted_and_do_not_spoil_the_drift(
    clocksync: Command, files: Callable[..., list[str]]
) -> None:
    site = Site(gps(), clock_error_ns=300_000.0, drift_ppb=2_000.0)
    times = [WHEN + second * SECOND for second in range(0, 1200, 30)]
    parts = []
    for time in times:
        # The receiver steps its clock back whenever it is a millisecond ahead.
        site.clock_error_ns = 300_000.0 - (time > times[12]) * 1e6 - (time > times[30]) * 1e6
        text = observations_3(site, [time])
        parts.append(text if not parts else text.split("END OF HEADER\n")[1])
    code, out, _ = clocksync(*files(site, text="".join(parts)), "--json")
    summary = document(out)["summary"]
    assert code == 0
    assert summary["clock_jumps"] == 2
    assert summary["clock_drift_ppb"] == pytest.approx(2_000.0, abs=0.5)


def test_a_header_without_a_position_is_no_matter(
    clocksync: Command, files: Callable[..., list[str]]
) -> None:
    text = observations_2(Site(gps()), [WHEN], position=False)
    code, out, _ = clocksync(*files(Site(gps()), text=text), "--json")
    assert code == 0
    assert document(out)["summary"]["horizontal_error_m"] is None
    code, out, _ = clocksync(*files(Site(gps()), text=text))
    assert code == 0
    assert "header" not in out


def test_no_ephemeris_in_time_is_unsolved_and_exits_with_1(
    clocksync: Command, files: Callable[..., list[str]]
) -> None:
    site = Site(gps())
    text = observations_3(site, [WHEN + 3 * 3600 * SECOND])
    code, out, _ = clocksync(*files(site, text=text), "--json")
    epoch = document(out)["epochs"][0]
    assert code == 1
    assert (epoch["status"], epoch["position_ecef_m"]) == ("unsolved", None)
    assert {each["cause"] for each in epoch["excluded"]} == {"stale-ephemeris"}
    code, out, _ = clocksync(*files(site, text=text), "--max-age", "4h", "--json")
    assert code == 0
    assert document(out)["epochs"][0]["status"] == "solved"


def test_a_truncated_file_is_used_as_far_as_it_goes_and_exits_with_1(
    clocksync: Command, files: Callable[..., list[str]]
) -> None:
    site = Site(gps())
    times = [WHEN, WHEN + 30 * SECOND]
    text = "\n".join(observations_3(site, times).splitlines()[:-3])
    code, out, _ = clocksync(*files(site, text=text), "--json")
    parsed = document(out)
    assert code == 1
    assert len(parsed["epochs"]) == 1
    assert "ends within an epoch" in parsed["cautions"][-1]
    assert clocksync(*files(site, text=text))[1].count("caution: could not be read") == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "name an observation file and a navigation file"),
        (AUSTRALIA[:1], "name an observation file and a navigation file"),
        ([AUSTRALIA[0], "/no/such/file"], "/no/such/file: No such file or directory"),
        ([AUSTRALIA[0], __file__], "not a RINEX file"),
        ([AUSTRALIA[0], str(DATA)], "Is a directory"),
        ([*AUSTRALIA, "--ionosphere", "magic"], "auto, model, pair, none"),
        ([*AUSTRALIA, "--mask", "99"], "0 to 60 degrees"),
        ([*AUSTRALIA, "--systems", "GR"], "G (GPS) and E (Galileo)"),
        ([*AUSTRALIA, "--max-age", "old"], "is no duration"),
        ([*AUSTRALIA, "--plot", "x.gif"], ".png or .svg"),
        ([*AUSTRALIA, "--simulate"], "takes no files"),
        (["--simulate", "--lie", "everybody"], "for example G05:300"),
        (["--simulate", "--clock-error", "2s"], "at most a second"),
    ],
)
def test_unusable_input_is_one_line_and_exits_with_2(
    clocksync: Command, arguments: list[str], says: str
) -> None:
    code, out, err = clocksync(*arguments)
    assert (code, out) == (2, "")
    assert says in err
    assert err.count("\n") == 1


def test_a_file_whose_epochs_are_all_rubbish_is_unusable(
    clocksync: Command, files: Callable[..., list[str]]
) -> None:
    text = observations_3(Site(gps()), [WHEN]).split("> ")[0] + "> what is this\nrubbish\n"
    code, out, err = clocksync(*files(Site(gps()), text=text))
    assert (code, out) == (2, "")
    assert "could not be read" in err
    text = text.split("> ")[0]
    assert "no epoch in it" in clocksync(*files(Site(gps()), text=text))[2]


@pytest.mark.parametrize("name", ["fix.png", "fix.svg"])
def test_a_plot_is_drawn(
    name: str, clocksync: Command, files: Callable[..., list[str]], tmp_path: Path
) -> None:
    target = tmp_path / name
    code, _, _ = clocksync(*files(Site(gps(), drift_ppb=100.0)), "--plot", str(target))
    assert code == 0
    data = target.read_bytes()
    assert data.startswith(b"\x89PNG" if name.endswith("png") else b"<?xml")


def test_a_plot_of_nothing_is_refused(
    clocksync: Command, files: Callable[..., list[str]], tmp_path: Path
) -> None:
    text = observations_3(Site(gps()), [WHEN + 9 * 3600 * SECOND])
    code, _, err = clocksync(*files(Site(gps()), text=text), "--plot", str(tmp_path / "x.png"))
    assert code == 2
    assert "no epoch was solved" in err


def test_the_lesson_says_what_a_microsecond_does(clocksync: Command) -> None:
    code, out, _ = clocksync("--simulate")
    assert code == 0
    assert "c times 1.00 us is 300 m" in out
    assert "finds its clock 1.0000 us fast" in out


@pytest.mark.parametrize(
    ("satellites", "code", "says"),
    [
        ("8", 0, "Found out: contradicts the others: pseudorange 300 m too long"),
        ("5", 1, "notices that somebody lies, but not who"),
        ("4", 1, "It cannot be detected"),
    ],
)
def test_the_lesson_says_what_a_lie_does(
    clocksync: Command, satellites: str, code: int, says: str
) -> None:
    got, out, _ = clocksync("--simulate", "--satellites", satellites, "--lie", "any")
    assert got == code
    assert says in " ".join(out.split())


def test_the_simulation_as_a_document_has_the_truth_beside_the_answer(clocksync: Command) -> None:
    code, out, _ = clocksync("--simulate", "--satellites", "4", "--lie", "any", "--json")
    parsed = document(out)
    assert code == 1
    assert parsed["epochs"][0]["status"] == "unchecked"
    assert parsed["truth"]["position_error_m"] > 100
    assert parsed["truth"]["clock_error_s"] == 1e-6
