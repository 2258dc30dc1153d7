"""A ring under faults keeps its promises: fresh seeds each time, and those that once broke one."""

from collections import Counter
from pathlib import Path
from random import SystemRandom

import pytest

from clocksync.runtime.simulation import Link, Uniform
from clocksync.runtime.units import MICROSECOND, MILLISECOND, SECOND
from tests.cluster import ring_runs
from tests.cluster.ring_long import long_run
from tests.cluster.ring_runs import (
    REGRESSIONS,
    Violated,
    check,
    check_liveness,
    load,
    offences,
    save,
    scenario_of,
    shrunk,
)
from tests.hashes import printed
from vsync.check import judge
from vsync.ring import Ring
from vsync.simulation.group import FAULTS, Group
from vsync.simulation.run import draw, play

FRESH = 200
CHUNK = 20
CHUNKS = range(FRESH // CHUNK)


@pytest.mark.slow
@pytest.mark.parametrize("chunk", CHUNKS)
def test_fresh_schedules_break_no_promise(chunk: int) -> None:
    """Each run of the suite has its own seeds; a failure names the one to replay."""
    totals: Counter[str] = Counter()
    first = SystemRandom().randrange(10**9, 10**12)
    for seed in range(first, first + CHUNK):
        totals += check(seed)
    assert totals["schedules"] == CHUNK
    assert totals["promises"] > CHUNK, "rings were recovered"
    assert totals["deliveries"] > 20 * CHUNK, "messages were delivered"


@pytest.mark.slow
def test_a_healed_core_goes_on_beside_what_stays_broken() -> None:
    first = SystemRandom().randrange(10**9, 10**12)
    totals: Counter[str] = Counter()
    for seed in range(first, first + 8):
        totals += check_liveness(seed)
    assert totals["healed cores"] == 8


@pytest.mark.parametrize("path", sorted(REGRESSIONS.glob("*.txt")), ids=lambda path: path.stem)
def test_what_once_broke_a_promise_keeps_it(path: Path) -> None:
    assert offences(load(path))[0] == []


def test_a_scenario_is_saved_as_a_literal_that_gives_the_same_run(tmp_path: Path) -> None:
    scenario = scenario_of(3)
    again = load(save(scenario, tmp_path))
    assert again == scenario
    assert play(again).events == play(scenario).events


def test_a_schedule_that_fails_is_shrunk_to_the_faults_it_needs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scenario = scenario_of(8)
    needed = {scenario.faults[1], scenario.faults[-1]}
    monkeypatch.setattr(
        ring_runs,
        "offences",
        lambda scenario, make: (["D1"] if needed <= set(scenario.faults) else [], None),
    )
    assert set(shrunk(scenario).faults) == needed


def test_a_broken_engine_is_reported_by_rule_and_saved(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(Ring, "next_deliverable", lambda self: self.log.get(self.delivered + 1))
    monkeypatch.setattr(ring_runs, "REGRESSIONS", tmp_path)
    monkeypatch.setattr(ring_runs, "shrunk", lambda scenario, make: scenario)
    with pytest.raises(Violated, match="D7") as violated:
        check(0)
    assert "D7" in violated.value.rules
    assert load(tmp_path / "seed-0.txt") == scenario_of(0)


PROGRAM = """
import hashlib, sys
from vsync.simulation.run import draw, play
from vsync.simulation.group import FAULTS
played = play(draw(11, 4, 400_000_000, FAULTS, 10), keep=None)
print(played.group.world.transcript.digest())
"""


@pytest.mark.slow
def test_one_seed_gives_one_trace_whatever_the_hashes_are() -> None:
    """Every frame, timer and delivery with its time, in processes of their own."""
    digests = printed("-c", PROGRAM)
    assert len(digests) == 1, digests


@pytest.mark.slow
def test_memory_stays_flat_over_an_hour() -> None:
    """A simulated hour with changes all the time; what the engines hold is counted."""
    held = long_run("an hour", minutes=60)
    assert max(held) < 2000, held
    assert max(held[6:]) <= 2 * max(held[:6]) + 200, held


def test_a_lossy_network_alone_changes_no_configuration() -> None:
    """P3: losing one datagram in twenty is what retransmission is for."""
    group = Group(
        seed=5, count=3, link=Link(delay=Uniform(200 * MICROSECOND, 900 * MICROSECOND), loss=0.05)
    )
    group.world.run(300 * MILLISECOND)
    assert group.node(1).engine.ring.members == (1, 2, 3)
    before = len(_changes(group))
    group.work(2 * SECOND)
    group.world.run(2 * SECOND)
    assert len(_changes(group)) == before
    assert sum(event["event"] == "deliver" for event in group.history) > 1000
    assert not judge(group.history).violations


def _changes(group: Group) -> list[dict[str, object]]:
    return [event for event in group.history if event["event"] == "configuration"]


@pytest.mark.parametrize("fault", FAULTS)
def test_each_kind_of_fault_alone_is_survived(fault: str) -> None:
    scenario = draw(f"only {fault}", 3, 500 * MILLISECOND, (fault,), 6, quiet_end=True)
    found, played = offences(scenario)
    assert found == []
    assert played is not None
    assert played.events[-1]["event"] == "quiet"
