"""A mesh of real hosts: found, measured, bounded; agents that die or have another key."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import jsonschema
import pytest

import clocksync
from clocksync.peers.endpoint import Endpoint, PeerSettings
from clocksync.runtime.units import MICROSECOND, MILLISECOND, SECOND
from clocksync.security import keys
from tests.clocksync.peers.talkers import FRAMES, Talker
from tests.namespaces import Host, bridge

SCHEMA = json.loads(resources.files("clocksync").joinpath("schemas/mesh-1.json").read_text())
OFFSETS_NS = {1: 0, 2: 5 * MILLISECOND, 3: -20 * MICROSECOND, 4: 3600 * SECOND}
COMMAND = [sys.executable, "-m", "clocksync"]


@dataclass
class Fleet:
    """Four hosts, an agent on each, and their key."""

    hosts: list[Host]
    agents: list["subprocess.Popen[bytes]"]
    key: Path

    @property
    def names(self) -> list[str]:
        return [host.ipv4 for host in self.hosts]

    def mesh(self, *options: str) -> tuple[int, dict]:
        """The command, on the first host: its exit code and what it printed."""
        arguments = [*COMMAND, "mesh", *self.names, "--key", str(self.key), "--json", *options]
        run = subprocess.run(
            self.hosts[0].command(arguments),
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        document = json.loads(run.stdout.splitlines()[-1]) if run.stdout else {}
        return run.returncode, document


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    key = tmp_path_factory.mktemp("mesh") / "fleet.key"
    keys.generate(key)
    with ExitStack() as stack:
        hosts = stack.enter_context(bridge(4))
        agents = []
        for number, host in enumerate(hosts, 1):
            offset = f"{OFFSETS_NS[number]}ns"
            options = ["--id", str(number), "--listen", host.ipv4, "--key", str(key)]
            command = [*COMMAND, "agent", *options, f"--offset={offset}"]
            agents.append(
                stack.enter_context(
                    host.popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                )
            )
            stack.callback(agents[-1].terminate)
        for agent in agents:
            assert b"answers on 10.77.0." in agent.stdout.readline()
        yield Fleet(hosts, agents, key)


def test_hosts_that_are_wrong_on_purpose_are_told_apart_within_their_bounds(fleet: Fleet) -> None:
    code, document = fleet.mesh("--duration", "1500ms")
    jsonschema.validate(document, SCHEMA)
    assert (code, document["troubles"]) == (0, [])
    assert len(document["pairs"]) == 6
    for pair in document["pairs"]:
        truth = (OFFSETS_NS[pair["b"]] - OFFSETS_NS[pair["a"]]) / SECOND
        # A float of an hour in seconds has 4e-13 of its own.
        assert abs(pair["offset_s"] - truth) <= pair["error_bound_s"] + 1e-9
        assert pair["error_bound_s"] < 0.05
    assert document["loop_residual_s"] < 0.05


def test_the_library_gives_intervals(fleet: Fleet) -> None:
    with fleet.hosts[2].inside():
        result = asyncio.run(
            clocksync.mesh(fleet.names[:3], key_file=fleet.key, duration_ns=SECOND)
        )
    assert OFFSETS_NS[2] - OFFSETS_NS[3] in result.offset(3, 2)
    assert result.offset(2, 3) == -result.offset(3, 2)
    assert (result.offset(1, 1), result.exit_code) == (clocksync.Interval(0, 0), 0)
    with pytest.raises(KeyError):
        result.offset(1, 4)


def test_an_agent_answers_plain_probes_of_any_host_with_the_key(fleet: Fleet) -> None:
    async def ask() -> Talker:
        done = asyncio.Event()
        core = Talker(to=(fleet.names[1], 3190), wanted=10)
        settings = PeerSettings(id=999, listen=(fleet.names[0], 0), key_file=fleet.key)
        note = lambda event: event[0] == "done" and done.set()  # noqa: E731
        async with Endpoint(core, FRAMES, settings, on_event=note):
            await asyncio.wait_for(done.wait(), 90)
        return core

    with fleet.hosts[0].inside():
        samples = asyncio.run(ask()).asker(2).samples
    assert all(OFFSETS_NS[2] in sample.path for sample in samples)


def test_who_has_no_key_or_another_gets_nothing(fleet: Fleet, tmp_path: Path) -> None:
    other = tmp_path / "other.key"
    keys.generate(other)
    for options in (["--key", str(other)], ["--insecure-plaintext"]):
        arguments = [*COMMAND, "mesh", *fleet.names, "--json", "--timeout", "500ms", *options]
        run = subprocess.run(
            fleet.hosts[0].command(arguments), capture_output=True, timeout=100, check=False
        )
        document = json.loads(run.stdout)
        assert (run.returncode, document["pairs"]) == (2, [])
        assert len(document["troubles"]) == 4


def test_an_agent_that_dies_in_the_middle_takes_only_itself_along(fleet: Fleet) -> None:
    arguments = [*COMMAND, "mesh", *fleet.names, "--key", str(fleet.key), "--json"]
    victim = fleet.agents[3]
    command = fleet.hosts[0].command([*arguments, "--duration", "1s", "--id", "61234"])
    with subprocess.Popen(command, stdout=subprocess.PIPE) as mesh:
        while b"host 61234 has us probe 3 others" not in victim.stderr.readline():
            pass
        victim.kill()
        document = json.loads(mesh.communicate(timeout=100)[0])
    assert mesh.returncode == 1
    assert any("10.77.0.4" in words and "not when" in words for words in document["troubles"])
    honest = [pair for pair in document["pairs"] if pair["b"] < 4]
    assert len(honest) == 3
    for pair in honest:
        truth = (OFFSETS_NS[pair["b"]] - OFFSETS_NS[pair["a"]]) / SECOND
        assert abs(pair["offset_s"] - truth) <= pair["error_bound_s"]
