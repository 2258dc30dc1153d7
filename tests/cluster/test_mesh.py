"""Random meshes: what must hold of each, and that bugs are seen by it."""

import pytest

from tests.cluster import mesh_day
from tests.cluster.mesh_mutants import MUTANTS, Mutant
from tests.cluster.mesh_runs import check

SEEDS = range(1000, 1018)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_property_holds_of_a_random_mesh(seed: int) -> None:
    assert check(seed)["runs"] == 1


def test_a_slice_of_a_day_is_inside_at_all_times_though_clocks_are_set() -> None:
    """The whole day: ``python -m tools.campaign mesh-day``."""
    counted = mesh_day.check(0, lasts_s=1_500)
    assert counted["looks at the instant that is told"] > 20
    assert counted["looks later on"] > 100
    assert counted["clocks set"] > 0


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.plant.__name__)
def test_a_planted_bug_is_seen(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    check(mutant.seed)  # the right code passes
    mutant.plant(monkeypatch)
    with pytest.raises(Exception) as seen:
        check(mutant.seed)
    assert mutant.seen_by in repr(seen.value)
