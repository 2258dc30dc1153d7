"""The terminal sessions of docs/scales.md are what the commands print."""

import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from clocksync.cli import main
from clocksync.runtime.clocks import SystemClock
from clocksync.scales import BUILT_IN, Leaps, UtcTime, format_list, sources

PAGE = Path(__file__).parents[3] / "docs" / "scales.md"
AT = UtcTime.parse("2026-11-26T12:00:00Z").posix_ns


def sessions(text: str) -> Iterator[tuple[str, str]]:
    """Each command of the page's console blocks, and what stands below it."""
    for block in re.findall(r"^```console\n(.*?)^```$", text, re.M | re.S):
        for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, _, output = part.partition("\n")
            yield command, output


def test_the_commands_of_the_page_print_what_it_says(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "leap-seconds.list").write_text(format_list(BUILT_IN), encoding="utf-8")
    # As on a machine without lists, at a time before the built-in table's end: newer lists and
    # later days change what a page may say, not what it means.
    monkeypatch.setattr(sources, "find_leaps", lambda: Leaps(BUILT_IN, (BUILT_IN,)))
    monkeypatch.setattr(SystemClock, "read", lambda _: AT)
    code, told = 0, 0
    for command, output in sessions(PAGE.read_text(encoding="utf-8")):
        if command == "echo $?":
            assert output == f"{code}\n"
            continue
        monkeypatch.setattr(sys, "argv", shlex.split(command))
        with pytest.raises(SystemExit) as leaving:
            main.run()
        code = leaving.value.code
        assert output == "".join(capsys.readouterr()), f"docs/scales.md: {command}"
        told += 1
    assert told >= 8


def test_the_program_of_the_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (program,) = re.findall(
        r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S
    )
    exec(compile(program, str(PAGE), "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "1483228836500000000 1930:17.500000000 1483228800000000000"
    assert lines[2] == "1000000000"
    assert lines[3].startswith("leap second pending: 2016-12-31T23:59:60Z inserted")
