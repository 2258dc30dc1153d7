"""The files under deploy/ for watching clocks: what they say is accepted by what they start."""

import json
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import typer

from clocksync.cli.main import app
from clocksync.inventory import parse_inventory

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
UNITS = ("clocksync-watch.service", "clocksync-measure.service", "clocksync-measure.timer")


def text(name):
    return (DEPLOY / name).read_text(encoding="utf-8")


def in_the_config_map():
    block = text("clocksync-daemonset.yaml").partition("hosts.toml: |\n")[2].partition("---")[0]
    return textwrap.dedent(block)


def test_the_inventories_can_be_read():
    example = parse_inventory(text("hosts.toml"), "hosts.toml")
    assert [(e.name, e.group, e.spec.port) for e in example] == [
        ("ntp1", "core", 123),
        ("ntp2", "core", 123),
        ("ntp3", "core", 1123),
        ("gate.north", "edge", 123),
    ]
    assert [e.offset_max_ns for e in example] == [1_000_000] * 3 + [5_000_000]
    assert len(parse_inventory(in_the_config_map(), "f")) == 4


def commands():
    for unit in UNITS[:2]:
        yield from re.findall(r"^ExecStart=\S*/clocksync (.*)$", text(unit), re.M)
    (words,) = re.findall(r'command: (\[".*?"\])', text("clocksync-daemonset.yaml"))
    program, *rest = json.loads(words)
    assert program == "clocksync"
    yield " ".join(rest)


def test_every_command_line_is_accepted_by_the_parser():
    group = typer.main.get_command(app)
    lines = list(commands())
    assert len(lines) == 3
    for line in lines:
        name, *words = line.split()
        group.commands[name].make_context(name, words).close()


@pytest.mark.parametrize("name", UNITS)
def test_the_units_are_units(name, tmp_path):
    tool = shutil.which("systemd-analyze")
    if tool is None:
        pytest.skip("systemd-analyze is not installed")
    for unit in UNITS:
        told = text(unit).replace("/usr/local/bin/clocksync", sys.executable)
        (tmp_path / unit).write_text(told)
    run = subprocess.run(
        [tool, "verify", tmp_path / name], capture_output=True, text=True, timeout=60, check=False
    )
    assert [line for line in run.stderr.splitlines() if name in line] == []


@pytest.mark.parametrize("name", UNITS[:2])
@pytest.mark.parametrize(
    "line",
    ["DynamicUser=yes", "NoNewPrivileges=yes", "ProtectSystem=strict", "ProtectClock=yes",
     "CapabilityBoundingSet="],
)  # fmt: skip
def test_the_units_give_no_more_than_is_needed(name, line):
    assert line in text(name).splitlines()


def test_the_log_is_where_it_is_rotated_and_may_be_written():
    unit = text("clocksync-watch.service")
    (log,) = re.findall(r"--log (\S+)", unit)
    assert log == "/var/log/clocksync/watch.jsonl"
    assert "LogsDirectory=clocksync" in unit
    assert "/var/log/clocksync/*.jsonl" in text("clocksync.logrotate")
    assert "reload clocksync-watch.service" in text("clocksync.logrotate")


def test_the_exporter_has_no_privileges_and_listens_outside_where_told_to_only():
    manifest, unit = text("clocksync-daemonset.yaml"), text("clocksync-watch.service")
    for line in (
        "runAsNonRoot: true",
        "readOnlyRootFilesystem: true",
        "allowPrivilegeEscalation: false",
        'capabilities: {drop: ["ALL"]}',
        "kind: NetworkPolicy",
    ):
        assert line in manifest
    assert "hostNetwork" not in manifest
    assert "--metrics 127.0.0.1:" in unit
