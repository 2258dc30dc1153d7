"""What must be true of every receiver at all times, checked from outside with the truth at hand."""

from collections import Counter
from dataclasses import replace

from clocksync.rbs.receiver import Ended
from clocksync.rbs.relation import Relation
from clocksync.runtime.simulation import Constant, Link
from clocksync.runtime.units import MICROSECOND, SECOND
from tests.cluster.rbs_world import Played, Scenario, draw, play

TOLERANCE_NS = 4
"""Clocks and the record of them are rounded to nanoseconds, each."""
EVERY = 4
"""Of this many looks, a receiver is asked for all it knows at one."""


class Violated(AssertionError):
    """A property does not hold; what, where and how to replay it."""


def check(seed: int) -> Counter[str]:
    """Play a seed's scenario and judge it; what was counted."""
    return judge(draw(seed))


def judge(scenario: Scenario) -> Counter[str]:
    """Play a scenario and judge it.

    Raises:
        Violated: something was not as promised.
    """
    counted: Counter[str] = Counter(runs=1)
    done: set[tuple[int, int]] = set()

    def look(played: Played) -> None:
        counted["looks"] += 1
        for host in played.running:
            life = (host, played.receiver(host).epoch)
            if host == scenario.liar or (life in done and not played.is_over):
                continue  # who has ended learns nothing more
            if any(isinstance(event, Ended) for event in played.world.events(host)):
                done.add(life)
            if (counted["looks"] + host) % EVERY == 0 or played.is_over:
                every_bound_holds_the_truth(played, host, counted)

    played = play(scenario, look)
    for host in played.running:
        if host != scenario.liar:
            it_ended_for_a_reason(played, host)
            it_knows_whom_it_hears(played, host, counted)
    return counted


def every_bound_holds_the_truth(played: Played, host: int, counted: Counter[str]) -> None:
    """Of honest clocks, at the instant that an offset is said to hold for."""
    scenario, receiver = played.scenario, played.receiver(host)
    for relation in receiver.relations():
        if scenario.liar in (relation.a, relation.b):
            counted["liar's pairs"] += 1
            continue
        if scenario.liar and relation.hops > 1:
            # It may lead over the liar, and is documented to be worth no more than that.
            direct = scenario.is_direct(relation.a, relation.b) and scenario.fault == "none"
            told = any(scenario.is_direct(host, other) for other in (relation.a, relation.b))
            if direct and told and played.is_over and not scenario.late:
                raise Violated(f"{scenario}\nthey hear each other, and yet: {_said(relation)}")
            continue
        a = (relation.a, receiver.web.epoch_of(relation.a))
        b = (relation.b, relation.epoch_b)
        if relation.b == receiver.me:
            b = (relation.b, receiver.epoch)
        truth = played.record.offset(a, b, relation.as_of)
        if truth is None:
            counted["unjudged"] += 1
            continue
        counted["judged"] += 1
        counted["chains judged"] += relation.hops > 1
        if not relation.interval.widened(TOLERANCE_NS).__contains__(truth):
            miss = max(relation.interval.earliest - truth, truth - relation.interval.latest)
            raise Violated(
                f"{scenario}\nat {played.world.now} receiver {host} says {_said(relation)};"
                f" the truth is {truth}, outside by {miss} ns"
            )
        if relation.is_disputed:
            raise Violated(f"{scenario}\nhonest ones are said to dispute: {_said(relation)}")


def it_ended_for_a_reason(played: Played, host: int) -> None:
    receiver, scenario = played.receiver(host), played.scenario
    if not any(isinstance(event, Ended) for event in played.world.events(host)):
        raise Violated(f"{scenario}\nreceiver {host} has not ended: {receiver.count} heard")
    if receiver.ended is Ended.HEARD and receiver.count < scenario.broadcasts:
        raise Violated(f"{scenario}\nreceiver {host} ended after {receiver.count}")


def it_knows_whom_it_hears(played: Played, host: int, counted: Counter[str]) -> None:
    """Every pair it should know, it knows; where nothing went wrong the estimate is good."""
    scenario, receiver = played.scenario, played.receiver(host)
    if scenario.liar or scenario.late or scenario.fault not in ("none", "garbage"):
        return
    known = {(relation.a, relation.b): relation for relation in receiver.relations()}
    for a in scenario.hosts:
        for b in scenario.hosts:
            if a >= b:
                continue
            if (a, b) not in known:
                raise Violated(f"{scenario}\nreceiver {host} knows nothing of {a} and {b}")
            counted["pairs known"] += 1
            if known[a, b].broadcasts < min(3, scenario.broadcasts // 2) and known[a, b].hops == 1:
                raise Violated(f"{scenario}\nreceiver {host}: {_said(known[a, b])}")


FOUR = {
    "east": (1, 2, 3, 4),
    "offsets": {1: 0, 2: 3 * SECOND, 3: -70 * MICROSECOND, 4: 5000 * MICROSECOND},
    "rates": {1: 0.0, 2: 40.0, 3: -60.0, 4: 90.0},
    "lateness": {1: 0, 2: 30 * MICROSECOND, 3: 90 * MICROSECOND, 4: 0},
}
"""Changes of :func:`clean`."""


def clean(**changes: object) -> Scenario:
    """Nothing goes wrong: three hosts on even paths, with ports that are late by tens of us."""
    scenario = Scenario(
        seed=1,
        east=(1, 2, 3),
        offsets={1: 0, 2: 3 * SECOND, 3: -70 * MICROSECOND},
        rates={1: 0.0, 2: 40.0, 3: -60.0},
        link=Link(delay=Constant(20 * MICROSECOND)),
        lateness={1: 0, 2: 30 * MICROSECOND, 3: 90 * MICROSECOND},
    )
    return replace(scenario, **changes)


def estimates_are_exact(scenario: Scenario) -> None:
    """On even paths of one length the offset is right to 50 ns and the skew to a tenth of a ppm,
    whatever the ports' lateness, once the bias is known."""
    played = play(scenario, lambda _: None)
    for host in scenario.hosts:
        receiver = played.receiver(host)
        for relation in receiver.relations():
            a = (relation.a, receiver.web.epoch_of(relation.a))
            truth = played.record.offset(a, (relation.b, relation.epoch_b), relation.as_of)
            assert truth is not None
            if abs(truth - relation.offset_ns) > 50:
                raise Violated(f"receiver {host}: {_said(relation)}; the truth is {truth}")
            skew = scenario.rates[relation.b] - scenario.rates[relation.a]
            if relation.skew_ppm is None or abs(relation.skew_ppm - skew) > 0.1:
                raise Violated(f"receiver {host}: {_said(relation)}; the skew is {skew}")


def _said(relation: Relation) -> str:
    way = f"{relation.hops} hops via {relation.via}" if relation.hops > 1 else "direct"
    return (
        f"{relation.b} - {relation.a} = {relation.offset_ns} ± {relation.error_bound_ns} ns"
        f" {relation.interval} as of {relation.as_of}, skew {relation.skew_ppm},"
        f" {relation.broadcasts} broadcasts, {way}"
    )
