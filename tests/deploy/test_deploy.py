"""The files under deploy/: what they say is accepted by what they start."""

import json
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import typer

from vsync.cli.effective import effective
from vsync.cli.main import app
from vsync.node.presets import PRESETS
from vsync.node.settings import Settings, parse

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
UNIT = DEPLOY / "vsync@.service"


def text(name):
    return (DEPLOY / name).read_text(encoding="utf-8")


def in_the_config_map():
    """The TOML of kubernetes.yaml, which is a block of text in it."""
    block = text("kubernetes.yaml").partition("orders.toml: |\n")[2].partition("---")[0]
    return textwrap.dedent(block)


TOML = {
    "orders.toml": text("orders.toml"),
    "compose.toml": text("compose.toml"),
    "kubernetes.yaml": in_the_config_map(),
}


@pytest.mark.parametrize("name", TOML)
def test_settings_are_complete_and_protected(name, monkeypatch):
    monkeypatch.setattr("socket.gethostname", lambda: "vsync-1")
    said = parse(TOML[name], name)
    member = effective(Settings(id=2 if said.id is None else None).over(said), None)
    assert len(member.peers) == 2
    assert member.settings.key_file
    assert member.settings.state
    if name == "kubernetes.yaml":
        assert (member.id, member.peers[1]) == (2, "vsync-0.vsync:5410")


def commands():
    """Every command line of vsync: in a unit, in lists of words, in comments."""
    unit = re.findall(r"^Exec\w+=\S*/vsync (.*)$", text("vsync@.service"), re.M)
    found = [line.split() for line in unit]
    for name in ("compose.yaml", "kubernetes.yaml", "Containerfile"):
        for words in re.findall(r'(?:command|test|CMD):? (\[".*?"\])', text(name)):
            parts = json.loads(words)
            if parts[0] == "CMD":
                del parts[0]
            if parts[0] == "vsync":
                found.append(parts[1:])
            elif parts[0] == "join":  # the image's entry point is vsync
                found.append(parts)
        comments = re.findall(
            r"(?<![\w/])vsync ((?:key|status|join) .*?)(?=\"|$)", text(name), re.M
        )
        found += [line.split() for line in comments]
    return found


def test_every_command_line_is_accepted_by_the_parser():
    group = typer.main.get_command(app)
    lines = commands()
    assert {line[0] for line in lines} == {"join", "check-config", "status", "key"}
    for words in lines:
        command = group
        while hasattr(command, "commands"):
            command, words = command.commands[words[0]], words[1:]
        command.make_context(command.name, list(words)).close()


def test_the_unit_is_a_unit(tmp_path):
    tool = shutil.which("systemd-analyze")
    if tool is None:
        pytest.skip("systemd-analyze is not installed")
    unit = tmp_path / UNIT.name
    unit.write_text(text(UNIT.name).replace("/usr/local/bin/vsync", sys.executable))
    run = subprocess.run(
        [tool, "verify", unit], capture_output=True, text=True, timeout=60, check=False
    )
    mine = [line for line in run.stderr.splitlines() if UNIT.name in line]
    assert mine == []


@pytest.mark.parametrize(
    "line",
    [
        "User=vsync",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "CapabilityBoundingSet=",
        "RuntimeDirectory=vsync",
        "KillSignal=SIGTERM",
        "ExecReload=/bin/kill -HUP $MAINPID",
    ],
)
def test_the_unit_gives_no_more_than_is_needed(line):
    assert line in text(UNIT.name).splitlines()


def test_the_unit_lets_the_clock_be_read():
    # systemd's own switch for clocks forbids adjtimex(2) altogether, and with it the bound of time.
    lines = text(UNIT.name).splitlines()
    assert "ProtectClock=yes" not in lines
    filters = [line for line in lines if line.startswith("SystemCallFilter=")]
    assert filters[-1] == "SystemCallFilter=adjtimex"


def test_the_unit_writes_where_it_may():
    said = parse(TOML["orders.toml"], "f")
    assert said.state == "/var/lib/vsync/orders"
    assert said.status_socket == "/run/vsync/"
    assert "StateDirectory=vsync vsync/%i" in text(UNIT.name)


def test_containers_have_no_privileges_and_a_plain_base():
    image = text("Containerfile")
    assert re.findall(r"^FROM (.*)$", image, re.M) == ["python:3.12-slim"]
    (user,) = re.findall(r"^USER (\d+):\d+$", image, re.M)
    assert user != "0"
    compose, kubernetes = text("compose.yaml"), text("kubernetes.yaml")
    assert "privileged" not in compose + kubernetes
    assert 'cap_drop: ["ALL"]' in compose
    assert f"uid={user}," in compose
    for line in (
        "runAsNonRoot: true",
        f"runAsUser: {user}",
        "readOnlyRootFilesystem: true",
        "allowPrivilegeEscalation: false",
        'capabilities: {drop: ["ALL"]}',
        "publishNotReadyAddresses: true",
        "clusterIP: None",
        "replicas: 3",
        "podAntiAffinity:",
        "defaultMode: 0400",
    ):
        assert line in kubernetes
    assert not re.search(r"^kind: Secret$", kubernetes, re.M), "a key is no business of this file"


def test_names_that_are_looked_up_are_there():
    compose, kubernetes = text("compose.yaml"), text("kubernetes.yaml")
    for n in (1, 2, 3):
        assert f"  member-{n}:\n" in compose
    # Pods are called after their StatefulSet, in the domain of its headless Service.
    services = [part for part in kubernetes.split("---\n") if "kind: Service\n" in part]
    assert len(services) == 1
    assert "  name: vsync\n" in services[0]
    assert "clusterIP: None" in services[0]
    (pods,) = [part for part in kubernetes.split("---\n") if "kind: StatefulSet\n" in part]
    assert "  name: vsync\n" in pods
    assert "  serviceName: vsync\n" in pods


# docs/operations.md

PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")


def test_every_settings_example_of_the_page_can_be_read():
    examples = re.findall(r"```toml\n(.*?)```", PAGE, re.S)
    assert len(examples) >= 3
    for example in examples:
        assert isinstance(parse(example, "docs/operations.md"), Settings)


def test_the_table_of_keys_is_that_of_the_program():
    from vsync.node.declared import reference

    assert reference() in PAGE, "put in what reference() says now"


def test_the_presets_are_told_as_they_are():
    for name, preset in PRESETS.items():
        (row,) = re.findall(rf"^\| `{name}` \|(.*)\|$", PAGE, re.M)
        cells = [cell.strip() for cell in row.split("|")]
        config = parse(f'preset = "{name}"', "f").config()
        assert cells[:4] == [
            f"{preset.token_timeout // 1_000_000:,} ms",
            f"{preset.mtu:,}",
            f"{config.token_retransmit_ns // 1_000_000:,} ms",
            f"{config.window:,} / {config.visit_max:,}",
        ]


def test_the_metrics_are_told_as_they_are():
    from vsync.node.metrics import METRICS

    for metric in METRICS:
        assert f"| `{metric.name}` | {metric.help} |" in PAGE


def test_every_command_line_of_the_page_is_accepted_by_the_parser():
    group = typer.main.get_command(app)
    lines = re.findall(r"^    vsync (.*?)(?: *#.*)?$", PAGE, re.M)
    assert len(lines) > 5
    for line in lines:
        command, words = group, line.split()
        while hasattr(command, "commands"):
            command, words = command.commands[words[0]], words[1:]
        command.make_context(command.name, words).close()
