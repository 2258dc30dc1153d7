"""``clocksync convert``: what is printed, what the exit code says, and one line for each error."""

import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from clocksync.runtime.clocks import SystemClock
from clocksync.scales import BUILT_IN, Leaps, Scale, UtcTime, format_list, sources
from tests.clocksync.scales.test_leaps import NEGATIVE
from tests.commands import Command, command

SCHEMA = json.loads(resources.files("clocksync").joinpath("schemas/convert-1.json").read_text())

typed = command("clocksync", "convert")


@pytest.fixture
def convert(typed: Command, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run the command on 2026-11-26 with the built-in table: exit code, output, errors."""
    monkeypatch.setattr(sources, "find_leaps", lambda: Leaps(BUILT_IN, (BUILT_IN,)))
    monkeypatch.setattr(SystemClock, "read", lambda _: UtcTime.parse("2026-11-26").posix_ns)

    def call(*arguments: str, stdin: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        return typed(*arguments)

    return call


def document(output: str) -> dict[str, Any]:
    parsed = json.loads(output)
    jsonschema.validate(parsed, SCHEMA)
    assert isinstance(parsed, dict)
    return parsed


def test_a_leap_second_is_told_in_every_scale(convert: Command) -> None:
    code, output, errors = convert("2016-12-31T23:59:60.5Z", "--json")
    assert (code, errors) == (0, "")
    parsed = document(output)
    (conversion,) = parsed["conversions"]
    assert (conversion["from"], conversion["ambiguous"], conversion["error"]) == (
        "utc",
        False,
        None,
    )
    assert conversion["instants"] == [
        {
            "utc": {
                "time": "2016-12-31T23:59:60.500000000Z",
                "leap_second": True,
                "day_length_s": 86_401,
                "certain": True,
            },
            "tai": {
                "time": "2017-01-01T00:00:36.500000000",
                "ns": 1_483_228_836_500_000_000,
                "tai_minus_utc_s": 36,
                "certain": True,
            },
            "gps": {
                "time": "1930:17.500000000",
                "date": "2017-01-01T00:00:17.500000000",
                "week": 1930,
                "ns_of_week": 17_500_000_000,
                "week_10_bits": 906,
                "rollovers": 1,
                "certain": True,
            },
            "posix": {
                "time": "1483228800.500000000",
                "ns": 1_483_228_800_500_000_000,
                "ambiguous": True,
                "certain": True,
            },
            "ntp": {
                "time": "0:0xdc12c50080000000",
                "timestamp": "0xdc12c50080000000",
                "era": 0,
                "seconds": 3_692_217_600,
                "fraction": 1 << 31,
                "ambiguous": True,
                "certain": True,
            },
            "smeared": {
                "time": "2017-01-01T00:00:00.000000000Z",
                "ns": 1_483_228_800_000_000_000,
                "smearing": True,
                "smeared_minus_posix_ns": -500_000_000,
                "certain": True,
            },
            "unavailable": {},
        }
    ]
    assert parsed["leap_seconds"] == {
        "source": "the built-in table",
        "updated": "2026-07-06",
        "known_until": "2027-06-28",
        "expired": False,
        "pending": None,
        "cautions": [],
    }


def test_both_times_of_an_ambiguous_number_are_given(convert: Command) -> None:
    code, output, _ = convert("1483228800.5", "--to", "utc", "--json")
    (conversion,) = document(output)["conversions"]
    assert code == 0
    assert conversion["ambiguous"]
    assert [each["utc"]["time"] for each in conversion["instants"]] == [
        "2016-12-31T23:59:60.500000000Z",
        "2017-01-01T00:00:00.500000000Z",
    ]
    _, text, _ = convert("1483228800.5")
    assert "means 2 times; number 1:" in text
    assert "means 2 times; number 2:" in text


def test_several_values_come_from_arguments_and_standard_input_in_order(convert: Command) -> None:
    lines = "# a comment\n\n  gps:0:0\nnow\n"
    code, output, errors = convert("1970-01-01", "-", "utc:2000-01-01", "--csv", stdin=lines)
    assert (code, errors) == (0, "")
    rows = list(csv.DictReader(io.StringIO(output)))
    assert [row["input"] for row in rows] == ["1970-01-01", "gps:0:0", "now", "utc:2000-01-01"]
    assert rows[0]["tai"] == rows[0]["gps"] == ""
    assert rows[1]["utc"] == "1980-01-06T00:00:00.000000000Z"
    assert rows[2]["utc"] == "2026-11-26T00:00:00.000000000Z"
    code, output, _ = convert("--to", "posix", stdin="2001-09-09T01:46:40Z\n")
    assert (code, output.split()[-1]) == (0, "1000000000.000000000")


def test_scales_are_told_in_the_order_they_were_named_in(convert: Command) -> None:
    _, output, _ = convert("2000-01-01", "--to", "gps,Unix", "--to", "smear,gps")
    told = [line.split()[0] for line in output.splitlines()[1:]]
    assert told == ["gps", "posix", "smeared"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["2017-12-31T23:59:60Z"], "2017-12-31T23:59:60Z: 2017-12-31 has no leap second"),
        (["2017-01-01T24:00:00"], "write 00:00:00 of the next day"),
        (["rubbish"], "'rubbish' is no time"),
        (["gps:5:700000"], "not within a GPS week"),
        (["now", "--to", "mars"], "'mars' is no scale: utc, tai, gps, posix, ntp, smeared"),
        (["5", "--from", "mars"], "'mars' is no scale"),
        (["5", "--pivot", "mars"], "--pivot 'mars' is no time"),
        (["5", "--pivot", "tai:5"], "before 1972 write it in UTC"),
        (["5", "--json", "--csv"], "--json and --csv exclude each other"),
        (["--leaps", "--csv"], "--leaps and --csv exclude each other"),
        (["5", "--leap-file", "nowhere"], "nowhere: No such file or directory"),
        (["-5"], "No such option"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    convert: Command, arguments: list[str], says: str
) -> None:
    code, output, errors = convert(*arguments)
    assert (code, output) == (2, "")
    assert says in errors
    assert errors.count("\n") == 1


def test_one_bad_value_among_good_ones_is_told_and_the_others_converted(convert: Command) -> None:
    code, output, errors = convert("5", "2016-02-30", "6", "--to", "posix", "--json")
    assert code == 2
    assert errors == "clocksync: 2016-02-30: there is no day 2016-02-30\n"
    conversions = document(output)["conversions"]
    assert [each["error"] is None for each in conversions] == [True, False, True]
    assert conversions[1]["input"] == "2016-02-30"
    assert conversions[1]["instants"] == []


def test_a_scale_that_was_asked_for_and_has_no_such_time_is_exit_1(convert: Command) -> None:
    code, output, _ = convert("1975-01-01", "--to", "utc,gps", "--json")
    assert code == 1
    (instant,) = document(output)["conversions"][0]["instants"]
    assert instant["gps"] is None
    assert instant["unavailable"] == {"gps": "GPS time begins on 1980-01-06"}
    assert convert("1975-01-01")[0] == 0  # nobody asked for GPS


@pytest.mark.parametrize("scale", Scale)
def test_before_1972_and_1970_every_scale_gives_a_value_or_a_reason(
    convert: Command, scale: str
) -> None:
    for text in ("1969-07-20T20:17:40Z", "1971-12-31T23:59:59.5", "0001-01-01", "tai:-1", "@-1"):
        code, output, errors = convert(text, "--to", scale, "--json")
        assert code in (0, 1)
        assert errors == ""
        (instant,) = document(output)["conversions"][0]["instants"]
        assert (instant[scale] is None) == (scale in instant["unavailable"]) == (code == 1)


@pytest.fixture
def leap_file(tmp_path: Path) -> Callable[[str], str]:
    def write(text: str) -> str:
        path = tmp_path / "leap.list"
        path.write_text(text)
        return str(path)

    return write


def test_what_rests_on_an_expired_list_is_exit_1_unless_allowed(
    convert: Command, leap_file: Callable[[str], str]
) -> None:
    old = type(BUILT_IN)(BUILT_IN.leaps, UtcTime.parse("2020-06-28").posix_ns, "old")
    file = ["--leap-file", leap_file(format_list(old))]
    code, output, errors = convert("now", "--to", "tai", "--json", *file)
    assert code == 1
    assert errors == (
        f"clocksync: leap seconds after 2020-06-28 are not known to {file[1]}: "
        "it is assumed that none comes\n"
    )
    parsed = document(output)
    assert parsed["leap_seconds"]["expired"]
    assert parsed["conversions"][0]["instants"][0]["tai"]["certain"] is False
    code, output, errors = convert("now", "--to", "tai", "--allow-expired", *file)
    assert code == 0
    assert "if no leap second comes before" in output
    assert "are not known" in errors


def test_an_expired_list_is_good_for_earlier_times_and_says_so(
    convert: Command, leap_file: Callable[[str], str]
) -> None:
    old = type(BUILT_IN)(BUILT_IN.leaps, UtcTime.parse("2020-06-28").posix_ns, "old")
    file = leap_file(format_list(old))
    code, output, errors = convert("2016-12-31T23:59:60Z", "--leap-file", file)
    assert code == 0
    assert "23:59:60" in output
    assert errors.startswith(f"clocksync: caution: {file} expired on 2020-06-28")
    assert errors.count("\n") == 1


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda text: text.replace("\t37\n", "\t36\n"), "does not match its hash"),
        (lambda text: text[: len(text) // 2], "no hash line"),
        (lambda _: "\x00\x01", "is no leap second file"),
        (lambda _: "", "is no leap second file"),
    ],
    ids=["altered", "cut", "rubbish", "empty"],
)
def test_a_damaged_leap_file_is_one_line_and_exit_2(
    convert: Command, leap_file: Callable[[str], str], damage: Callable[[str], str], says: str
) -> None:
    file = leap_file(damage(format_list(BUILT_IN)))
    code, output, errors = convert("now", "--leap-file", file)
    assert (code, output, errors.count("\n")) == (2, "", 1)
    assert errors.startswith(f"clocksync: {file}")
    assert says in errors


def test_a_negative_leap_second_of_a_given_file_works(
    convert: Command, leap_file: Callable[[str], str]
) -> None:
    file = ["--leap-file", leap_file(format_list(NEGATIVE))]
    code, output, _ = convert("2029-06-30T23:59:58Z", "tai:2029-07-01T00:00:35", "--csv", *file)
    rows = list(csv.DictReader(io.StringIO(output)))
    assert code == 0
    assert [row["tai"] for row in rows] == [
        "2029-07-01T00:00:35.000000000",
        "2029-07-01T00:00:35.000000000",
    ]
    assert rows[1]["utc"] == "2029-06-30T23:59:58.000000000Z"
    code, _, errors = convert("2029-06-30T23:59:59Z", *file)
    assert code == 2
    assert "a negative leap second left 23:59:59 out on 2029-06-30" in errors
    code, output, _ = convert("--leaps", *file)
    assert code == 0
    assert "leap second pending: 2029-06-30T23:59:59Z left out" in output
    _, output, _ = convert("--leaps", "--json", *file)
    assert document(output)["leap_seconds"]["pending"] == {"date": "2029-06-30", "change_s": -1}


def test_cautions_about_the_lists_found_are_told(
    convert: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Leaps(BUILT_IN, (BUILT_IN,), ("a list is broken; it is not used",))
    monkeypatch.setattr(sources, "find_leaps", lambda: found)
    code, output, errors = convert("5", "--json")
    assert code == 0
    assert errors == "clocksync: caution: a list is broken; it is not used\n"
    assert document(output)["leap_seconds"]["cautions"] == ["a list is broken; it is not used"]


def test_the_leap_seconds_and_their_sources_are_shown(convert: Command) -> None:
    code, output, errors = convert("--leaps")
    assert (code, errors) == (0, "")
    lines = output.splitlines()
    assert [line.split()[0] for line in lines[2:29]] == [str(x).split()[0] for x in BUILT_IN.leaps]
    assert lines[28].endswith("37 s")
    assert "no leap second until 2027-06-28 (by the built-in table)" in lines


def test_the_installed_command_converts_by_the_lists_of_this_machine() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "clocksync", "convert", "2016-12-31T23:59:60Z", "--to", "tai"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "2017-01-01T00:00:36.000000000" in run.stdout
