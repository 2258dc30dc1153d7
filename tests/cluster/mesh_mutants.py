"""Bugs planted in the mesh, one at a time: each must be seen by a property of the random runs.

A mutant replaces one function or constant while it lives. Beside each stands the property that sees
it, and a seed that the right code passes and it does not.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest

from clocksync.meshing import agent, bounds, coordinator, graph, pairs, solve, steps
from clocksync.meshing.agent import Agent, Errand
from clocksync.meshing.coordinator import Coordinator, Host
from clocksync.meshing.pairs import Cloud, Line

Plant = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True)
class Mutant:
    """A planted bug."""

    plant: Plant
    seen_by: str
    """The beginning of what is said of it."""
    seed: int


MUTANTS: list[Mutant] = []


def mutant(seen_by: str, seed: int) -> Callable[[Plant], Plant]:
    def register(plant: Plant) -> Plant:
        MUTANTS.append(Mutant(plant, seen_by, seed))
        return plant

    return register


@mutant("outside", seed=2)
def samples_do_not_age(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(pairs, "_drift", lambda age, ppm: np.zeros_like(age))


@mutant("is missing", seed=13)
def everybody_is_believed(patch: pytest.MonkeyPatch) -> None:
    right = bounds.closed
    patch.setattr(bounds, "closed", lambda direct, liars: right(direct, 0))


@mutant("is missing", seed=13)
def one_liar_too_few_is_allowed_for(patch: pytest.MonkeyPatch) -> None:
    right = np.partition

    def partition(a, kth, axis):
        return right(a, kth - 1, axis)[[kth - 1] * (kth + 1)]

    patch.setattr(bounds.np, "partition", partition)


@mutant("not named", seed=84)
def contradictions_are_not_looked_for(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(steps, "breaks", lambda rows, ppm, precision: [])


@mutant("outside", seed=4)
def what_the_other_asked_is_taken_as_ours(patch: pytest.MonkeyPatch) -> None:
    right = pairs.cloud

    def cloud(ours, theirs, *rest):
        return right([*ours, *theirs], [], *rest)

    patch.setattr(pairs, "cloud", cloud)


@mutant("outside", seed=4)
def half_a_delay_is_enough(patch: pytest.MonkeyPatch) -> None:
    right = Cloud.certain

    def certain(self, max_drift_ppm):
        least, most = right(self, max_drift_ppm)
        return least + (most - least) // 4, most - (most - least) // 4

    patch.setattr(Cloud, "certain", certain)


@mutant("not named", seed=84)
def a_step_is_put_down_to_nobody(patch: pytest.MonkeyPatch) -> None:
    right = steps.blame
    patch.setattr(steps, "blame", lambda broken: ([], right(broken)[1]))


@mutant("outside", seed=1347)
def small_steps_are_averaged(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(steps, "shift", lambda clouds: None)


@mutant("named", seed=21)
def a_fit_of_plain_squares(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(graph, "OUTLIER", 1e12)


@mutant("named", seed=21)
def no_path_is_asymmetric(patch: pytest.MonkeyPatch) -> None:
    right = graph.fit

    def fit(*given):
        found = right(*given)
        return replace(found, aside=np.zeros_like(found.aside))

    patch.setattr(graph, "fit", fit)


@mutant("told", seed=21)
def the_slower_way_is_the_other(patch: pytest.MonkeyPatch) -> None:
    right = graph.fit

    def fit(*given):
        found = right(*given)
        return replace(found, residuals=-found.residuals)

    patch.setattr(graph, "fit", fit)


@mutant("is off by", seed=0)
def the_line_follows_the_wrong_skew(patch: pytest.MonkeyPatch) -> None:
    right = pairs.line

    def line(points: Cloud, ppm: float, slope: float | None = None) -> Line:
        return right(points, ppm, None if slope is None else -slope)

    patch.setattr(pairs, "line", line)


@mutant("outside its own interval", seed=52)
def an_estimate_may_leave_its_bound(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        solve, "min", lambda *given: given[0] if len(given) == 2 else min(*given), raising=False
    )

    def most(*given, **more):
        return given[0] if len(given) == 2 and not more else max(*given, **more)

    patch.setattr(solve, "max", most, raising=False)


@mutant("still sends", seed=9)
def an_order_never_lapses(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(agent, "LEASE_NS", 3600 * 10**9)
    patch.setattr(agent, "LASTS_MS_MAX", 3_600_000)
    right = Agent._begin

    def begin(self, sender, order, now):
        return right(self, sender, replace(order, lasts_ms=3_600_000), now)

    patch.setattr(Agent, "_begin", begin)


@mutant("an order was not forgotten", seed=9)
def what_has_lapsed_is_kept(patch: pytest.MonkeyPatch) -> None:
    right = Agent.on_timer

    def on_timer(self, timer, now):
        errand = self._errands.get(timer)
        effects = right(self, timer, now)
        if errand is not None:
            self._errands[timer] = errand
        return effects

    patch.setattr(Agent, "on_timer", on_timer)


@mutant("bytes with", seed=0)
def answers_are_longer_than_orders(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(agent, "_size", lambda order: 1 << 16)
    patch.setattr(coordinator.frames, "padded", lambda order: order)


@mutant("IndexError", seed=5)
def twins_are_let_in(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Host, "note", lambda self, trouble: None)


@mutant("answered at first", seed=0)
def what_is_not_answered_is_not_asked_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(coordinator, "TRIES_MAX", 0)


@mutant("is missing", seed=0)
def only_the_first_neighbour_is_probed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        Errand, "next_neighbour", lambda self: self.neighbours[next(iter(self.neighbours))]
    )


@mutant("nothing was collected", seed=0)
def the_last_answer_ends_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Coordinator, "_finish", lambda self: [])
