"""Many short runs of replicated groups under faults, judged by checkers that see applications only.

A swarm as in :mod:`tests.cluster.ring_runs`.
"""

from collections import Counter
from dataclasses import replace

from clocksync.runtime.simulation import Fault, SimulationFailure, shrink
from tests.cluster.replication_properties import judge
from tests.cluster.replication_world import Plan, Played, plan_of, play


class Violated(AssertionError):
    """A promise was broken; `rules` says which."""

    def __init__(self, offences: list[str], plan: Plan) -> None:
        super().__init__("\n".join([*offences[:10], repr(plan)]))
        self.rules = {offence.split()[0] for offence in offences}


def offences(plan: Plan) -> tuple[list[str], Played | None]:
    """What is wrong with a run, each beginning with the name of the rule."""
    try:
        played = play(plan)
    except SimulationFailure as failure:
        return [f"core {failure.what}"], None
    return judge(played), played


def check(seed: int) -> Counter[str]:
    """One schedule: what happened, counted.

    Raises:
        Violated: a promise was broken. The schedule is shrunk first.
    """
    plan = plan_of(seed)
    found, played = offences(plan)
    if found or played is None:
        smaller = shrunk(plan)
        raise Violated(offences(smaller)[0] or found, smaller)
    totals = Counter({"schedules": 1, "commands": len(played.submitted)})
    totals["locks held"] = len(played.holds)
    totals["judged for liveness"] += played.is_quiet
    totals["engine steps"] = played.stage.steps
    return totals + played.totals


def shrunk(plan: Plan) -> Plan:
    """The same plan with only the faults that its violation needs."""

    def with_faults(faults: list[Fault]) -> Plan:
        return replace(plan, scenario=replace(plan.scenario, faults=tuple(faults)))

    def fails(faults: list[Fault]) -> bool:
        return bool(offences(with_faults(faults))[0])

    return with_faults(shrink(plan.scenario.faults, fails))
