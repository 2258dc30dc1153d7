"""docs/watching.md says what the program does."""

import re
from pathlib import Path

import typer

from clocksync.cli.main import app
from clocksync.inventory import parse_inventory
from clocksync.watching.alarms import Kind
from clocksync.watching.metrics import METRICS

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "watching.md").read_text(encoding="utf-8")


def test_the_metrics_are_told_as_they_are() -> None:
    for metric in METRICS:
        assert f"| `{metric.name}` | {metric.help} |" in PAGE


def test_every_kind_of_alarm_is_explained() -> None:
    table = PAGE.partition("### Alarms")[2].partition("###")[0]
    assert set(re.findall(r"`([a-z-]+)`", table)) >= {kind.value for kind in Kind}


def test_every_finding_of_the_doctor_is_named() -> None:
    told = set()
    for name in ("machine", "servers"):
        source = (ROOT / "clocksync" / "doctor" / f"{name}.py").read_text(encoding="utf-8")
        told |= set(re.findall(r'(?:Finding\(|: \()\s*"([a-z-]+)",\s*Severity', source))
    assert len(told) > 25
    named = set(re.findall(r"`([a-z-]+)`", PAGE.partition("## doctor")[2]))
    assert told <= named, told - named


def test_every_command_line_is_accepted_by_the_parser() -> None:
    group = typer.main.get_command(app)
    lines = re.findall(
        r"^(?:    |(?:    )?[a-z0-9]*\$ )clocksync ([a-z]+[^|>\n]*?)(?: [|>].*)?$", PAGE, re.M
    )
    assert len(lines) > 8
    for line in lines:
        name, *words = line.split()
        group.commands[name].make_context(name, words).close()


def test_the_inventory_of_the_page_can_be_read() -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE, re.S)
    (one,) = parse_inventory(example)
    assert one.offset_max_ns == 1_000_000
