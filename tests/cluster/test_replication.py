"""Groups, replicas and locks under faults keep their promises: fresh seeds each time."""

from collections import Counter
from dataclasses import replace
from random import SystemRandom

import pytest

from tests.cluster import replication_runs
from tests.cluster.replication_properties import judge
from tests.cluster.replication_runs import Violated, check, offences, shrunk
from tests.cluster.replication_world import Plan, plan_of, play
from tests.hashes import printed
from vsync.replication.accounts import Account
from vsync.simulation.group import FAULTS
from vsync.simulation.run import draw

FRESH = 100
CHUNK = 20
CHUNKS = range(FRESH // CHUNK)

# What a campaign found, by what was wrong.
REGRESSIONS = {
    184: "a command that was absorbed into a state, and lost with it, was not told",
    267: "a lock that was taken back while its release was rejected was kept for ever",
    1343: "a command was rejected by what a minority knew, and applied by the others",
    1378: "views of rings that were never opened had one name",
    1910: "a receiver that was late let members leave at another place than the sender",
    3945: "a command was discarded by what a minority knew, and came back",
    5973: "a grant was told late, with a token below later ones",
}


@pytest.mark.slow
@pytest.mark.parametrize("chunk", CHUNKS)
def test_fresh_schedules_break_no_promise(chunk: int) -> None:
    """Each run of the suite has its own seeds; a failure names the one to replay."""
    totals: Counter[str] = Counter()
    first = SystemRandom().randrange(10**9, 10**12)
    for seed in range(first, first + CHUNK):
        totals += check(seed)
    assert totals["schedules"] == CHUNK
    assert totals["Applied"] > 20 * CHUNK, "commands were applied"
    assert totals["Restored"] > 3 * CHUNK, "states were transferred"
    assert totals["locks held"] > 3 * CHUNK, "locks were granted"


@pytest.mark.parametrize("seed", REGRESSIONS)
def test_what_once_broke_a_promise_keeps_it(seed: int) -> None:
    """As far as schedules have stayed the same; each has a test of its own in tests/vsync, too."""
    assert offences(plan_of(seed))[0] == []


@pytest.mark.parametrize("policy", ["none", "expected", "last"])
@pytest.mark.parametrize("fault", FAULTS)
def test_each_kind_of_fault_alone_is_survived(fault: str, policy: str) -> None:
    plan = plan_of(f"only {fault}")
    drawn = draw(f"only {fault}", 3, 300_000_000, (fault,), 5)
    scenario = replace(
        plan.scenario, nodes=3, faults=drawn.faults, duration_ns=300_000_000, quiet_end=True
    )
    played = play(replace(plan, scenario=scenario, policy=policy, away=()))
    assert judge(played) == []
    assert played.is_together()


def test_a_broken_replica_is_reported_by_rule_and_shrunk(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Account.applied
    monkeypatch.setattr(Account, "applied", lambda self, *given: right(self, *given[:-1], True))
    with pytest.raises(Violated, match="R3") as violated:
        _check_all(range(60))
    assert "R3" in violated.value.rules


def _check_all(seeds: range) -> None:
    for seed in seeds:
        check(seed)


def test_a_schedule_that_fails_is_shrunk_to_the_faults_it_needs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plan = plan_of(8)
    needed = {plan.scenario.faults[1], plan.scenario.faults[-1]}

    def fails(plan: Plan) -> tuple[list[str], None]:
        return (["R1"] if needed <= set(plan.scenario.faults) else []), None

    monkeypatch.setattr(replication_runs, "offences", fails)
    assert set(shrunk(plan).scenario.faults) == needed


PROGRAM = """
from tests.cluster.replication_world import plan_of, play
played = play(plan_of(12), keep=None)
print(played.stage.world.transcript.digest(), len(played.stage.told))
"""


@pytest.mark.slow
def test_one_seed_gives_one_run_whatever_the_hashes_are() -> None:
    digests = printed("-c", PROGRAM)
    assert len(digests) == 1, digests
