"""Timestamps under wrong clocks and divided networks: they hold, and planted bugs are seen."""

from collections import Counter
from itertools import count

import pytest

from tests.cluster import ring_time
from vsync import causes, ringtime
from vsync.events import Observed
from vsync.frames import SUSPECT, UNVERIFIED
from vsync.ringtime import Reading, Stamper

pytestmark = pytest.mark.slow
SEEDS = range(4)
PATIENCE = 40


@pytest.mark.parametrize("first", [100 * n for n in SEEDS])
def test_stamps_are_what_is_promised(first: int) -> None:
    totals: Counter[str] = Counter()
    for seed in range(first, first + 8):
        totals += ring_time.check(seed)
    assert totals["protected"] > 1000
    assert totals["unverified"] > 100
    assert totals["steps noticed"]


def test_a_slow_rotation_does_not_displace_what_a_quick_one_told() -> None:
    """Seed 10865 of the campaign: a wide reading took the place of a narrow one, and a clock that
    had stepped by 65 ms shifted a stamp by 0.64 ms."""
    assert ring_time.check(10865)["protected"]


def naive(self, mine, group):
    """Every holder believes its own clock."""
    return Reading(mine.middle, mine, 0 if group else UNVERIFIED)


def certain(self, mine, group):
    """Two clocks are as good as three."""
    real = REAL_READ(self, mine, group)
    return Reading(real.wanted, real.base, real.flags & ~UNVERIFIED, real.latest)


def young(clock, age_ns, drift_ppm):
    """Readings in the table are of now."""
    return clock


def hasty(self, group, now_ns):
    """A long rotation's table is taken as it is."""
    return group


def optimistic(self, first, final):
    """The bound of the clock, whatever the order did to the stamp."""
    return self.base.error


def forgetful(engine, event):
    """Observed and forgotten."""
    engine.emit(Observed(event.handle, event.timestamp or engine.clock.latest))


def shy(self, first):
    """What was forced beyond the majority's time does not say so."""
    return self.flags


def narrow(self, mine, group):
    """A contradicted clock's stamp claims the bound of the majority, right or wrong."""
    if group is not None and (mine & group) is None:
        return Reading(group.middle + 600_000, group, SUSPECT, group.latest)
    return REAL_READ(self, mine, group)


REAL_READ = Stamper.read
MUTANTS = {
    "naive": (Stamper, "read", naive),
    "certain": (Stamper, "read", certain),
    "young": (ringtime, "aged", young),
    "hasty": (Stamper, "steadied", hasty),
    "optimistic": (Reading, "error", optimistic),
    "forgetful": (causes, "observe", forgetful),
    "shy": (Reading, "flags_of", shy),
    "narrow": (Stamper, "read", narrow),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_planted_bug_is_seen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, attribute, bug = MUTANTS[name]
    monkeypatch.setattr(owner, attribute, bug)
    for seed in count():
        assert seed < PATIENCE, f"{name} was not noticed"
        try:
            ring_time.check(seed)
        except AssertionError:
            return


def test_the_judge_knows_what_is_protected() -> None:
    def truth(members, wrong):
        return ring_time.Truth(0, 1, members, wrong).is_protected

    assert truth((1, 2, 3), {})
    assert truth((1, 2, 3), {1: 10**9, 5: 1})
    assert not truth((1, 2, 3), {1: 10**6}), "it may not be noticed"
    assert not truth((1, 2), {})
    assert not truth((1, 2, 3, 4), {1: 10**9, 2: 10**9})
