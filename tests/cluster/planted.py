"""Bugs planted one at a time, and what must see each: schedules, or a named test.

Most bugs are found by schedules that the right code passes. The others need a coincidence that is
rare there; beside each of these stands a test that fails with it.
"""

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import Generic, TypeVar

import pytest

Plant = Callable[[pytest.MonkeyPatch], None]
Case = TypeVar("Case")

SEEDS = 60


def as_drawn(case: Case) -> Case:
    return case


@dataclass(frozen=True)
class Mutant(Generic[Case]):
    """A planted bug."""

    name: str
    plant: Plant
    seen_by: frozenset[str]
    """Rules; one of them must be violated."""
    adapt: Callable[[Case], Case]
    """What the schedules need for the bug to matter."""
    test: str
    """A named test that fails with it, ``module:function``, where schedules seldom meet it."""
    first: int
    """The first seed to try: one that is known to find it, so that the suite need not search."""


class Mutants(Generic[Case]):
    """Those of one protocol; an object of this is the decorator of their functions."""

    def __init__(self) -> None:
        self.all: list[Mutant[Case]] = []

    def __call__(
        self,
        *seen_by: str,
        adapt: Callable[[Case], Case] = as_drawn,
        test: str = "",
        first: int = 0,
    ) -> Callable[[Plant], Plant]:
        def register(plant: Plant) -> Plant:
            self.all.append(Mutant(plant.__name__, plant, frozenset(seen_by), adapt, test, first))
            return plant

        return register

    @property
    def by_schedule(self) -> list[Mutant[Case]]:
        return [mutant for mutant in self.all if not mutant.test]

    @property
    def by_name(self) -> list[Mutant[Case]]:
        return [mutant for mutant in self.all if mutant.test]

    @property
    def names(self) -> set[str]:
        return {mutant.name for mutant in self.all}


def is_seen(
    planted: Mutant[Case],
    monkeypatch: pytest.MonkeyPatch,
    drawn: Callable[[int], Case],
    offences: Callable[[Case], Iterable[str]],
) -> None:
    """Fail unless one of the mutant's rules is broken by one of :data:`SEEDS` schedules."""
    planted.plant(monkeypatch)
    seen: set[str] = set()
    for seed in range(planted.first, planted.first + SEEDS):
        seen |= {offence.split()[0] for offence in offences(planted.adapt(drawn(seed)))}
        if seen & planted.seen_by:
            return
    pytest.fail(f"{planted.name}: {SEEDS} schedules broke only {sorted(seen)}")


def fails_its_test(planted: Mutant[Case], monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail unless the mutant's test passes without it, and fails with it."""
    module, _, name = planted.test.partition(":")
    test = getattr(import_module(module), name)
    given = [1] if inspect.signature(test).parameters else []
    test(*given)
    planted.plant(monkeypatch)
    with pytest.raises((AssertionError, KeyError, StopIteration)):
        test(*given)
