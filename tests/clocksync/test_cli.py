"""The command line: what is printed, what the exit code says, and that nobody sees a traceback."""

import csv
import json
import os
import pty
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from clocksync.runtime.units import MILLISECOND, SECOND
from tests.commands import Command, command
from tests.sockets.servers import (
    SCHEMA,
    Answer,
    Question,
    Responder,
    honest,
    kissing,
    lying,
    silent,
)

NOBODY = "127.9.9.8:9"
COMMAND = [sys.executable, "-m", "clocksync"]
LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux has these files")


clocksync = command("clocksync")


def measuring(*arguments: str) -> list[str]:
    return ["measure", "--burst", "--samples", "2", "--timeout", "5s", *arguments]


def start(*arguments: str, **options: Any) -> "subprocess.Popen[str]":
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
    return subprocess.Popen([*COMMAND, *arguments], **streams)


def end(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    out, err = process.communicate(timeout=60)
    assert "Traceback" not in (out or "") + (err or "")
    return process.returncode, out or "", err or ""


def test_a_good_host_is_a_table_a_sentence_and_exit_code_0(clocksync: Command) -> None:
    with Responder(offset_ns=5 * SECOND) as server:
        code, out, err = clocksync(*measuring(server.host))
    assert (code, err) == (0, "")
    assert "truechimer" in out
    assert "5.00 s slow ±" in out.splitlines()[-1]


def test_json_is_one_document_of_the_schema(clocksync: Command) -> None:
    with Responder(offset_ns=-SECOND) as server, Responder(kissing(b"\x1b[2J")) as other:
        code, out, err = clocksync(*measuring("--json", server.host, other.host, NOBODY))
    document = json.loads(out)
    jsonschema.validate(document, SCHEMA)
    assert (code, err) == (1, "")
    verdicts = [host["verdict"] for host in document["hosts"]]
    assert verdicts == ["truechimer", "kiss-of-death", "unreachable"]
    first, _, last = document["hosts"]
    assert abs(first["offset_s"] + 1) <= first["error_bound_s"]
    assert (last["offset_s"], last["delay_s"], last["stratum"]) == (None, None, None)
    assert document["combined"]["truechimers"] == [server.host]


def test_csv_has_a_line_for_each_host(clocksync: Command) -> None:
    with Responder() as server:
        code, out, _ = clocksync(*measuring("--csv", server.host, NOBODY))
    good, bad = csv.DictReader(out.splitlines())
    assert (code, good["verdict"], bad["verdict"]) == (1, "truechimer", "unreachable")
    assert (bad["offset_s"], good["interleaved"]) == ("", "false")
    assert float(good["error_bound_s"]) > 0


@pytest.mark.parametrize(
    ("behaviour", "more", "expected"),
    [
        (honest, [], 0),
        (honest, ["--max-offset", "10s"], 0),
        (honest, ["--max-offset", "1ns"], 1),
        (honest, [NOBODY], 1),
        (honest, ["--reference", NOBODY], 1),
        (lying(leap=3), [], 1),
        (kissing(b"DENY"), [], 2),
        (lying(mode=5), ["--timeout", "50ms"], 2),
        (silent, ["--timeout", "50ms"], 2),
    ],
)
def test_the_exit_code_says_how_it_went(
    clocksync: Command, behaviour: Any, more: list[str], expected: int
) -> None:
    with Responder(behaviour) as server:
        code, out, err = clocksync(*measuring(server.host, *more))
    assert (code, err) == (expected, "")
    assert server.host in out


def test_every_bad_host_gets_one_line(clocksync: Command) -> None:
    with Responder(silent) as mute, Responder(lying(stratum=16)) as lost, Responder() as server:
        hosts = [mute.host, lost.host, NOBODY, "no..example", server.host]
        code, out, _ = clocksync(*measuring("--timeout", "50ms", *hosts))
    assert code == 1
    for host, word in zip(
        hosts, ["no answer", "not synchronised", "refused", "resolve"], strict=False
    ):
        assert len([line for line in out.splitlines() if line.startswith(f"{host}: ")]) == 1
        assert any(word in line for line in out.splitlines() if line.startswith(f"{host}: "))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["watch"], "for example: clocksync watch pool"),
        (["dashboard"], "for example: clocksync dashboard pool"),
        (["measure"], "name at least one host"),
        (["measure", ""], "is no host name"),
        (["measure", "a b"], "is no host name"),
        (["measure", "host:0"], "port"),
        (["measure", "host:99999"], "port"),
        (["measure", "host:" + "9" * 5000], "port"),
        (["measure", "host:"], "no port after the colon"),
        (["measure", "[::1"], "is no host"),
        (["measure", "1:2:3"], "is no host"),
        (["measure", "\x1b[2Jhost"], "is no host name"),
        (["measure", "h\u202eost"], "is no host name"),
        (["measure", "h\udcffost"], "is no host name"),
        (["measure", "x", "--samples", "0"], "--samples"),
        (["measure", "x", "--samples", "many"], "--samples"),
        (["measure", "x", "--timeout", "5 parsecs"], "is no duration"),
        (["measure", "x", "--timeout", "0"], "timeout"),
        (["measure", "x", "--timeout", "-1s"], "timeout"),
        (["measure", "x", "--interval=-1s"], "interval"),
        (["measure", "x", "--max-offset=-5ms"], "cannot be negative"),
        (["measure", "x", "--max-offset", "\x1b]0;x\x07"], "is no duration"),
        (["measure", "x", "--max-drift", "inf"], "maximum drift"),
        (["measure", "x", "--max-drift", "nan"], "maximum drift"),
        (["measure", "x", "--max-drift", "-1"], "maximum drift"),
        (["measure", "x", "--source", "nonsense"], "no address to send from"),
        (["measure", "x", "--source", "192.0.2.77"], "cannot send from"),
        (["measure", "x", "--reference", "a b"], "is no host name"),
        (["measure", "x", "-4", "-6"], "exclude each other"),
        (["measure", "x", "--json", "--csv"], "exclude each other"),
        (["measure", "x", "--bogus"], "--bogus"),
        (["now", "a b"], "is no host name"),
        (["bogus"], "bogus"),
        (["bog\x1b[2Jus"], "bog"),
    ],
)
def test_a_usage_error_is_one_clean_line_and_exit_code_2(
    clocksync: Command, arguments: list[str], words: str
) -> None:
    code, out, err = clocksync(*arguments)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert words in err
    assert err.rstrip("\n").isprintable()


def test_no_arguments_at_all_show_the_help_and_are_a_usage_error(clocksync: Command) -> None:
    code, out, err = clocksync()
    assert code == 2
    assert "measure" in (out + err)
    assert len((out + err).splitlines()) > 5


@pytest.mark.parametrize("arguments", [["--help"], ["measure", "-h"], ["now", "--help"]])
def test_help_is_no_error(clocksync: Command, arguments: list[str]) -> None:
    code, out, err = clocksync(*arguments)
    assert (code, err) == (0, "")
    assert "Usage" in out


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_an_interrupt_prints_what_there_is(form: list[str]) -> None:
    heard = threading.Event()

    def answer(question: Question) -> Iterable[Answer]:
        if question.number == 1:  # so the first answer was taken in
            heard.set()
        yield question.honest()

    with Responder(answer) as server, Responder(silent) as mute:
        arguments = ["measure", "--burst", "-n", "3", "--timeout", "10m", *form]
        process = start(*arguments, server.host, mute.host)
        try:
            assert heard.wait(60)
            assert mute.asked.wait(60)
            process.send_signal(signal.SIGINT)
            code, out, err = end(process)
        finally:
            process.kill()
    assert (code, err) == (1, "")
    if form:
        document = json.loads(out)
        jsonschema.validate(document, SCHEMA)
        assert [host["verdict"] for host in document["hosts"]] == ["truechimer", "unreachable"]
        assert any("interrupted" in caution for caution in document["cautions"])
    else:
        assert "truechimer" in out
        assert "caution: interrupted" in out


def test_an_interrupted_now_says_nothing_more() -> None:
    with Responder(silent) as mute:
        process = start("now", "--timeout", "10m", mute.host)
        try:
            assert mute.asked.wait(60)
            process.send_signal(signal.SIGINT)
            assert end(process) == (130, "", "")
        finally:
            process.kill()


@pytest.mark.parametrize(
    "arguments", [measuring(), measuring("--json"), measuring("--csv"), ["now"], ["bogus"]], ids=str
)
def test_a_reader_that_has_left_is_no_reason_to_complain(arguments: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with Responder() as server:
        both = arguments == ["bogus"]
        process = start(*arguments, server.host, stdout=writer, stderr=writer if both else -1)
        os.close(writer)
        code, _, err = end(process)
    assert (code, err) == (1, "")


@LINUX
@pytest.mark.parametrize("form", [[], ["--json"], ["--csv"]])
def test_output_that_cannot_be_written_is_one_line(form: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        code, _, err = end(start(*measuring(NOBODY, *form), stdout=full))
    assert (code, err) == (2, "clocksync: the system says: No space left on device\n")


def test_a_terminal_without_our_signs_gets_other_ones() -> None:
    ascii_only = {**os.environ, "PYTHONIOENCODING": "ascii"}
    code, out, err = end(start(*measuring(NOBODY), env=ascii_only))
    assert (code, err) == (2, "")
    assert out.isascii()
    assert "refused" in out


def test_closed_streams_are_survived() -> None:
    shell = ["sh", "-c", 'exec "$0" "$@" >&- 2>&-', *COMMAND, *measuring(NOBODY)]
    assert subprocess.run(shell, check=False, timeout=60).returncode == 2


@pytest.mark.parametrize("columns", ["40", "200"])
def test_on_a_terminal_progress_is_shown_and_wiped(columns: str) -> None:
    ours, theirs = pty.openpty()
    with Responder() as server:
        process = start(
            *measuring(server.host, NOBODY),
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, "TERM": "xterm", "COLUMNS": columns},
        )
        os.close(theirs)
        shown = _read_all(ours)
        os.close(ours)
        code = process.wait(60)
    assert code == 1
    assert "Traceback" not in shown
    assert "measuring" in shown
    assert "refused" in shown


def _read_all(descriptor: int) -> str:
    parts: list[bytes] = []
    while True:
        try:
            part = os.read(descriptor, 4096)
        except OSError:  # Linux's way to say that the other end is closed
            break
        if not part:
            break
        parts.append(part)
    return b"".join(parts).decode()


def test_now_tells_an_interval_that_contains_the_server_time(clocksync: Command) -> None:
    with Responder(offset_ns=3600 * SECOND) as server:
        earliest = server.clock.read()
        code, out, err = clocksync("now", "--json", server.host)
        latest = server.clock.read()
    told = json.loads(out)
    assert (code, err, told["schema"]) == (0, "", "clocksync.now/1")
    assert told["source"] == server.host
    # Both intervals contain the instant of the answer, so they meet.
    assert told["earliest_unix_ns"] <= latest
    assert earliest <= told["latest_unix_ns"]
    assert 0 < told["error_bound_s"] < 60


def test_now_for_people_is_three_lines(clocksync: Command) -> None:
    with Responder() as server:
        code, out, _ = clocksync("now", server.host)
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == ["earliest", "latest", "±"]


@pytest.mark.parametrize(
    ("offsets", "behaviour", "expected", "words"),
    [
        ([0], lying(leap=3), 1, "not synchronised"),
        ([0], silent, 2, "no answer"),
        ([0], kissing(b"DENY"), 2, "DENY"),
        ([0, SECOND], honest, 1, "no majority"),
        ([0, 100 * MILLISECOND, 0], honest, 0, ""),
    ],
)
def test_now_says_why_there_is_no_time(
    clocksync: Command, offsets: list[int], behaviour: Any, expected: int, words: str
) -> None:
    responders = [Responder(behaviour, offset_ns=offset) for offset in offsets]
    for responder in responders:
        responder.__enter__()
    hosts = [responder.host for responder in responders]
    code, out, err = clocksync("now", "--timeout", "500ms", *hosts)
    for responder in responders:
        responder.__exit__(None, None, None)
    assert code == expected
    if expected:
        assert out == ""
        assert err.count("\n") == 1
        assert words in err


def test_now_without_a_host_and_without_chronyd_says_what_to_do(
    clocksync: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clocksync.chronyd.find_chronyc", lambda: None)
    code, out, err = clocksync("now")
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert "clocksync now HOST" in err
