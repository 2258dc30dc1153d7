"""The tests of groups, replicas and locks notice when these are wrong."""

import pytest

from tests.cluster.planted import Mutant, fails_its_test, is_seen
from tests.cluster.replication_mutants import mutant
from tests.cluster.replication_runs import offences
from tests.cluster.replication_world import Plan, plan_of


@pytest.mark.slow
@pytest.mark.parametrize("planted", mutant.by_schedule, ids=lambda planted: planted.name)
def test_a_planted_bug_is_seen_by_its_rule(
    planted: Mutant[Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    is_seen(planted, monkeypatch, plan_of, lambda case: offences(case)[0])


@pytest.mark.parametrize("planted", mutant.by_name, ids=lambda planted: planted.name)
def test_a_planted_bug_fails_its_test(
    planted: Mutant[Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    fails_its_test(planted, monkeypatch)


def test_there_are_enough_of_them() -> None:
    assert len(mutant.all) >= 20
    assert len(mutant.names) == len(mutant.all)
