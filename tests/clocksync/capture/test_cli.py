"""``clocksync capture`` as its user sees it."""

import json
import subprocess
import sys
from importlib import resources
from pathlib import Path

import jsonschema
import pytest

from tests.captures import Truth, exchanges, pcap

SCHEMA = json.loads(resources.files("clocksync").joinpath("schemas/capture-1.json").read_text())


def run(*arguments: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "clocksync", "capture", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("capture") / "day.pcap"
    path.write_bytes(pcap(exchanges(Truth(server=7_000_000), 60), 101))
    return path


def test_the_document_follows_the_schema(file: Path) -> None:
    finished = run(file, "--json")
    assert finished.returncode == 0, finished.stderr
    document = json.loads(finished.stdout)
    jsonschema.validate(document, SCHEMA)
    (pair,) = document["pairs"]
    assert abs(pair["offset_s"] - 0.007) <= pair["error_bound_s"]


def test_the_table_names_the_pair_and_too_large_an_offset_exits_with_one(file: Path) -> None:
    finished = run(file, "--max-offset", "5ms")
    assert finished.returncode == 1
    assert "10.0.0.1   10.0.0.2" in finished.stdout
    assert "out of bounds" in finished.stdout
    assert "120 packets in 59.0 s: 120 NTP." in finished.stdout


def test_csv_has_a_line_for_each_sample(file: Path) -> None:
    lines = run(file, "--csv").stdout.splitlines()
    assert lines[0] == "time,protocol,client,server,clock,offset_s,error_bound_s,delay_s"
    assert sum(",server," in line for line in lines[1:]) == 60


def test_packets_are_shown_by_name(file: Path) -> None:
    lines = run(file, "--packets").stdout.splitlines()
    assert len(lines) == 120
    assert "10.0.0.1 → 10.0.0.2 NTP NtpPacket leap=0 version=4 mode=3" in lines[0]


def test_a_picture_is_drawn(file: Path, tmp_path: Path) -> None:
    picture = tmp_path / "day.svg"
    assert run(file, "--plot", picture).returncode == 0
    drawn = picture.read_text(encoding="utf-8")
    assert "10.0.0.2 − 10.0.0.1, NTP" in drawn
    assert "offset, the server's minus the other's" in drawn.replace("&#39;", "'")


def test_a_picture_of_no_known_format_is_refused_before_anything_is_read(file: Path) -> None:
    finished = run(file, "--plot", "day.txt")
    assert (finished.returncode, finished.stdout) == (2, "")
    assert "a picture is a file that ends in" in finished.stderr


@pytest.mark.parametrize("content", [None, "1 used 00"])
def test_a_key_that_is_none_is_refused(file: Path, tmp_path: Path, content: str | None) -> None:
    key = tmp_path / "key"
    if content is not None:
        key.touch(mode=0o600)
        key.write_text(content, encoding="utf-8")
    finished = run(file, "--key", key)
    assert (finished.returncode, finished.stdout) == (2, "")
    assert finished.stderr.count("\n") == 1
    assert str(key) in finished.stderr


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"rubbish, no capture", "is neither pcap nor pcapng"),
        (pcap([]), "no NTP, PTP or toolkit traffic in 0 packets"),
    ],
)
def test_rubbish_is_one_line_and_exit_code_two(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "rubbish.pcap"
    path.write_bytes(content)
    finished = run(path)
    assert (finished.returncode, finished.stdout) == (2, "")
    assert finished.stderr.count("\n") == 1
    assert says in finished.stderr


def test_what_is_not_there_is_told() -> None:
    finished = run("no-such-thing")
    assert finished.returncode == 2
    assert finished.stderr == "clocksync: no-such-thing is neither an interface nor a file\n"
