"""The tests of groups, replicas and locks notice when these are wrong: bugs planted one at a time.

Most are found by schedules the right code passes, within :data:`SEEDS` of them; the others, which
need a coincidence that is rare, by the named test beside them.
"""

import inspect
from importlib import import_module

import pytest

from tests.cluster.replication_mutants import MUTANTS, Mutant
from tests.cluster.replication_runs import offences
from tests.cluster.replication_world import plan_of

SEEDS = 60

BY_SCHEDULE = [mutant for mutant in MUTANTS if not mutant.test]
BY_NAME = [mutant for mutant in MUTANTS if mutant.test]


@pytest.mark.slow
@pytest.mark.parametrize("planted", BY_SCHEDULE, ids=lambda planted: planted.name)
def test_a_planted_bug_is_seen_by_its_rule(
    planted: Mutant, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted.plant(monkeypatch)
    seen: set[str] = set()
    for seed in range(planted.first, planted.first + SEEDS):
        found, _ = offences(planted.adapt(plan_of(seed)))
        seen |= {offence.split()[0] for offence in found}
        if seen & planted.seen_by:
            return
    pytest.fail(f"{planted.name}: {SEEDS} schedules broke only {sorted(seen)}")


@pytest.mark.parametrize("planted", BY_NAME, ids=lambda planted: planted.name)
def test_a_planted_bug_fails_its_test(planted: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    module, _, name = planted.test.partition(":")
    test = getattr(import_module(module), name)
    given = [1] if inspect.signature(test).parameters else []
    test(*given)  # without the bug it passes
    planted.plant(monkeypatch)
    with pytest.raises((AssertionError, KeyError, StopIteration)):
        test(*given)


def test_there_are_enough_of_them() -> None:
    assert len(MUTANTS) >= 20
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
