"""The Berkeley algorithm and Cristian's on real sockets: commands, in network namespaces.

All hosts of a machine read one clock, so the truth about clocks that are wrong on purpose is known.
"""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from clocksync.cristian import read_clock_sync
from clocksync.runtime.clocks import SoftwareClock, SystemClock
from clocksync.runtime.errors import NotSynchronised
from clocksync.runtime.units import MILLISECOND, SECOND
from clocksync.security import keys
from clocksync.serve import Server
from tests.namespaces import Host, bridge
from tests.vsync.node.loopback import free_ports

COMMAND = [sys.executable, "-m", "clocksync"]
OFFSETS = {1: ("0", 0.0), 2: ("0.4", 80.0), 3: ("-1.5", -100.0), 4: ("2.1", 30.0), 5: ("0", -20.0)}
PATIENCE_S = 100


def schema(name: str) -> Any:
    return json.loads(resources.files("clocksync").joinpath(f"schemas/{name}.json").read_text())


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "fleet.key"
    keys.generate(path)
    return path


@contextmanager
def running(commands: dict[int, list[str]]) -> Iterator[dict[int, "subprocess.Popen[str]"]]:
    """These commands at once; what still runs at the end is killed, by its pid."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    started = {number: subprocess.Popen(command, **pipes) for number, command in commands.items()}
    try:
        yield started
    finally:
        for process in started.values():
            if process.poll() is None:
                process.kill()
            process.communicate()


def group(where: dict[int, str], key: Path | None, prefix: dict[int, list[str]], *more: str):
    """The command line of each host: a daemon, and members of it."""
    commands = {}
    for number, listen in where.items():
        role = ["daemon"] if number == 1 else ["member", "--daemon", where[1]]
        offset, rate = OFFSETS[number]
        line = [*COMMAND, "berkeley", *role, "--id", str(number), "--listen", listen, "--json"]
        line += [f"--offset={offset}", f"--rate={rate}"]
        line += ["--interval", "0.5"] if number == 1 else []
        line += ["--key", str(key)] if key else []
        commands[number] = [*prefix.get(number, []), *line, *(more if number == 1 else ())]
    return commands


def ended(process: "subprocess.Popen[str]") -> tuple[int, dict[str, Any], str]:
    out, err = process.communicate(timeout=PATIENCE_S)
    assert "Traceback" not in out + err, err
    document = json.loads(out)
    jsonschema.validate(document, schema("berkeley-1"))
    return process.returncode, document, err


def rows(document: dict[str, Any]) -> dict[int, dict[str, Any]]:
    return {row["id"]: row for row in document["members"]}


def on_loopback(*numbers: int) -> dict[int, str]:
    """Where each listens: ports that nobody has now."""
    ports = zip(numbers, free_ports(len(numbers)), strict=True)
    return {number: f"127.0.0.1:{port}" for number, port in ports}


def on(hosts: list[Host]) -> tuple[dict[int, str], dict[int, list[str]]]:
    numbered = dict(enumerate(hosts, 1))
    where = {number: f"{host.ipv4}:3190" for number, host in numbered.items()}
    return where, {number: host.command([]) for number, host in numbered.items()}


@pytest.mark.slow
@pytest.mark.namespaces
def test_five_hosts_with_a_key_agree(key: Path) -> None:
    with bridge(5) as hosts:
        where, prefix = on(hosts)
        # Time enough for all: who misses the first round is far out in the next, and left out.
        more = ("--interval", "1", "--members", "4", "--rounds", "4", "--settle", "0")
        with running(group(where, key, prefix, *more)) as processes:
            told = {number: ended(process) for number, process in processes.items()}
    assert {code for code, _, _ in told.values()} == {0}
    found = rows(told[1][1])
    widest = max(row["error_bound_s"] for row in found.values())
    average = sum(float(offset) for offset, _ in OFFSETS.values()) / 5
    for number, row in found.items():
        expected = average - float(OFFSETS[number][0])
        assert row["adjustment_s"] == pytest.approx(expected, abs=widest + 0.005)
        assert not row["excluded"]
        assert abs(row["residual_s"]) < row["error_bound_s"] + 0.001
        own = rows(told[number][1])[number]
        assert own["adjustment_s"] == pytest.approx(row["adjustment_s"], abs=1e-9)
        assert own["residual_s"] == row["residual_s"]


@pytest.mark.slow
@pytest.mark.namespaces
def test_the_daemon_is_killed_and_the_lowest_goes_on_to_the_end(key: Path) -> None:
    with bridge(4) as hosts:
        where, prefix = on(hosts)
        more = ("--members", "3", "--rounds", "15", "--settle", "0")
        commands = group(where, key, prefix, *more)
        commands[1].remove("--json")
        with running(commands) as processes:
            assert any("round 4 " in line for line in processes[1].stdout)
            processes[1].kill()
            processes[1].communicate()
            told = {n: ended(processes[n]) for n in (2, 3, 4)}
    assert {code for code, _, _ in told.values()} == {0}
    assert "we are the daemon now, in term 2" in told[2][2]
    assert all(document["daemon"] == 2 for _, document, _ in told.values())
    found = rows(told[2][1])
    assert set(found) == {1, 2, 3, 4}
    assert found[1]["residual_s"] is None
    assert found[1]["missed"] > 0
    # They began up to seconds apart; how close they come is for benchmarks to say.
    assert all(abs(found[n]["residual_s"]) < 0.05 for n in (2, 3, 4))


def test_nobody_without_the_key_moves_a_clock(key: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.key"
    keys.generate(other)
    where = on_loopback(1, 2, 3)
    commands = group(where, key, {}, "--rounds", "3", "--members", "1", "--settle", "0")
    commands[3][commands[3].index(str(key))] = str(other)
    with running({3: commands.pop(3)}) as strangers:
        # It asks to be let in before anybody else is there.
        assert "to be let in" in strangers[3].stderr.readline()
        with running(commands) as processes:
            told = {n: ended(processes[n]) for n in (1, 2)}
        strangers[3].send_signal(signal.SIGINT)
        code, document, _ = ended(strangers[3])
    assert {code for code, _, _ in told.values()} == {0}
    assert set(rows(told[1][1])) == {1, 2}
    assert code == 2
    assert rows(document)[3]["adjustment_s"] == 0


def test_a_wild_clock_is_left_out_and_brought_in() -> None:
    where = on_loopback(1, 2, 4, 5)
    # A member that misses a round is far out in the next, and left out too: time enough for all.
    more = ("--interval", "1", "--rounds", "3", "--members", "3", "--settle", "0")
    commands = group(where, None, {}, *more)
    commands[5] = [part.replace("--offset=0", "--offset=5000") for part in commands[5]]
    with running(commands) as processes:
        told = {n: ended(processes[n]) for n in where}
    found = rows(told[1][1])
    assert {n for n, row in found.items() if row["excluded"]} == {5}
    assert found[5]["adjustment_s"] == pytest.approx((0 + 0.4 + 2.1) / 3 - 5000, abs=0.01)
    assert found[1]["adjustment_s"] == pytest.approx((0 + 0.4 + 2.1) / 3, abs=0.01)


def test_a_member_without_a_daemon_ends_in_one_line() -> None:
    line = [*COMMAND, "berkeley", "member", "--id=2", "--listen=127.0.0.1:0"]
    ran = subprocess.run(
        [*line, "--daemon=127.0.0.1:9", "--patience=0.3"], capture_output=True, text=True,
        timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert ran.returncode == 2
    assert ran.stderr.splitlines()[-1] == "clocksync berkeley: host 2: no daemon was heard"


@pytest.mark.parametrize("offset_ns", [0, 5 * SECOND, -40 * MILLISECOND])
def test_cristian_reads_an_ntp_server_to_within_its_bound(offset_ns: int) -> None:
    clock = SoftwareClock(SystemClock(), offset_ns)
    with Server(clock, port=0) as server:
        host, port = server.address
        reading = read_clock_sync(f"{host}:{port}", 500_000_000)
    assert reading.is_within
    assert abs(reading.offset_ns - offset_ns) <= reading.error_bound_ns


def test_cristian_of_a_port_nobody_listens_on_says_so() -> None:
    with pytest.raises(NotSynchronised, match="connection refused"):
        read_clock_sync("127.0.0.1:9", 1000, attempts=3)


def test_cristian_reads_an_agent_with_the_key_and_json_is_of_the_schema(key: Path) -> None:
    (place,) = on_loopback(7).values()
    agent = [*COMMAND, "agent", "--id=7", f"--listen={place}", "--offset=3", f"--key={key}"]
    with running({7: agent}) as processes:
        assert f"answers on {place}" in processes[7].stdout.readline()
        line = [*COMMAND, "cristian", place, "--within=500ms", "--json", f"--key={key}"]
        ran = subprocess.run(line, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        processes[7].send_signal(signal.SIGTERM)
        processes[7].wait(PATIENCE_S)
    document = json.loads(ran.stdout)
    jsonschema.validate(document, schema("cristian-1"))
    assert (ran.returncode, ran.stderr, processes[7].returncode) == (0, "", 0)
    assert abs(document["offset_s"] - 3) <= document["error_bound_s"]


def test_cristian_follows_and_says_how_it_went() -> None:
    with Server(SoftwareClock(SystemClock(), 0, 40.0), port=0) as server:
        host, port = server.address
        line = [*COMMAND, "cristian", f"{host}:{port}", "--within=10s", "--follow", "--json"]
        ran = subprocess.run(
            [*line, "--duration=1s"],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
    document = json.loads(ran.stdout)
    jsonschema.validate(document, schema("cristian-1"))
    assert (ran.returncode, ran.stderr) == (0, "")
    assert document["followed"]["readings"] >= 1
    assert document["followed"]["share_within"] == 1
