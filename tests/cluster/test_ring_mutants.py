"""The ring's tests notice when it is wrong."""

import pytest

from tests.cluster.planted import Mutant, fails_its_test, is_seen
from tests.cluster.ring_mutants import mutant
from tests.cluster.ring_runs import offences, scenario_of
from vsync.simulation.run import Scenario


@pytest.mark.slow
@pytest.mark.parametrize("planted", mutant.by_schedule, ids=lambda planted: planted.name)
def test_a_planted_bug_is_seen_by_its_rule(
    planted: Mutant[Scenario], monkeypatch: pytest.MonkeyPatch
) -> None:
    is_seen(planted, monkeypatch, scenario_of, lambda case: offences(case)[0])


@pytest.mark.parametrize("planted", mutant.by_name, ids=lambda planted: planted.name)
def test_a_planted_bug_fails_its_test(
    planted: Mutant[Scenario], monkeypatch: pytest.MonkeyPatch
) -> None:
    fails_its_test(planted, monkeypatch)


def test_there_are_enough_of_them() -> None:
    """All of the reference's, and at least ten of our own."""
    assert len(mutant.all) >= 17 + 10
    assert len(mutant.names) == len(mutant.all)
