"""Random meshes and what must hold of each, whatever goes wrong: ``python -m tools.campaign mesh``.

Each seed draws hosts, clocks, paths and faults. The properties are functions whose names say what
they promise; each raises :class:`Violated`.
"""

from collections import Counter
from dataclasses import dataclass, field
from random import Random

from clocksync.meshing.agent import LEASE_NS
from clocksync.meshing.coordinator import Probing, Trouble
from clocksync.meshing.result import MeshResult
from clocksync.runtime.simulation import Condition, Disturbance, Link, Pareto
from clocksync.runtime.units import MICROSECOND, MILLISECOND, SECOND
from tests.cluster.mesh_world import (
    Erratic,
    Lab,
    TwoFaced,
    Violated,
    check_bounds,
    where,
)

FAULTS = ("step", "liar", "crash", "return", "pause", "loss", "twin", "deaf")


@dataclass
class Drawn:
    """What a seed came to."""

    lab: Lab
    faults: dict[str, int] = field(default_factory=dict)
    """Which, and whom they concern."""
    step_ns: int = 0
    stepped_at: int = 0
    asymmetric: dict[tuple[int, int], int] = field(default_factory=dict)
    """By (from, to): how much longer that way takes."""

    @property
    def liars(self) -> frozenset[int]:
        return frozenset([self.faults["liar"]] if "liar" in self.faults else [])


def draw(seed: int) -> Drawn:
    """A mesh and its faults, not yet run."""
    random = Random(f"mesh/{seed}")
    count = random.choice((3, 4, 4, 5, 5, 6, 8))
    chosen = [fault for fault in FAULTS if random.random() < 0.18]
    if random.random() < 0.35:
        chosen = []
    # Of the shortest paths bounds are tight enough to see every nanosecond that is missing.
    least, tail = random.choice(((400_000, 200_000), (400_000, 200_000), (1_000, 5_000), (50, 50)))
    lab = Lab(
        seed,
        count,
        link=Link(delay=Pareto(least, tail, 1.5), loss=0.01),
        offsets={
            n: _log(random, MICROSECOND, 10 ** random.choice((6, 9, 12, 17)))
            for n in range(1, count + 1)
        },
        rates={n: random.uniform(-50, 50) for n in range(1, count + 1)},
        lasts_ns=random.choice((400, 1000, 1500)) * MILLISECOND,
    )
    drawn = Drawn(lab)
    for number in lab.hosts:
        lab.world.wander(where(number), 50 * MILLISECOND, 0.01, 60)
    for fault in chosen:
        drawn.faults[fault] = random.randint(2, count)
        _inflict(drawn, fault, drawn.faults[fault], random)
    share = random.choice((0.0, 0.0, 0.2))
    pairs = [(a, b) for a in lab.hosts for b in lab.hosts if a != b]
    slow = [pair for pair in pairs if random.random() < share]
    if not slow and random.random() < 0.4:
        slow = [random.choice(pairs)]
    for a, b in slow:
        extra = random.randint(100 * MICROSECOND, 2 * MILLISECOND)
        if (b, a) not in drawn.asymmetric:
            drawn.asymmetric[a, b] = extra
            lab.world.link(where(a), where(b), Link(delay=Pareto(least + extra, tail, 1.5)))
    return drawn


def _log(random: Random, least: int, most: int) -> int:
    size = round(least * (most / least) ** random.random())
    return random.choice((-1, 1)) * min(size, 10**17)


def _inflict(drawn: Drawn, fault: str, number: int, random: Random) -> None:
    lab, world = drawn.lab, drawn.lab.world
    at = random.randrange(100 * MILLISECOND, lab.lasts_ns + 50 * MILLISECOND)
    match fault:
        case "step":
            drawn.step_ns = _log(random, MICROSECOND, 100 * SECOND)
            drawn.stepped_at = at
            world.at(at, lambda: world.step_wall(where(number), drawn.step_ns))
        case "liar":
            lab.lies[number] = random.choice((TwoFaced, Erratic))
        case "crash" | "return":
            at = random.choice((at, random.randrange(MILLISECOND, 20 * MILLISECOND)))
            world.at(at, lambda: world.crash(where(number)))
            if fault == "return":
                later = at + random.randrange(1, SECOND)
                world.at(later, lambda: world.restart(where(number)))
        case "pause":
            world.at(at, lambda: world.pause(where(number)))
            later = at + random.randrange(1, 500 * MILLISECOND)
            world.at(later, lambda: world.resume(where(number)))
        case "loss":
            pairs = [(where(number), where(n)) for n in lab.hosts if n != number]
            world.disturb(pairs, Disturbance(loss=random.uniform(0.1, 0.9), duplicate=0.2))
        case "twin":
            lab.numbers[number] = 1
        case "deaf":
            world.cut(where(number), where(1))


def bounds_hold(drawn: Drawn, result: MeshResult) -> int:
    """But for those of a clock that was set when its host was dead; and by less than a round trip
    in the last fifth of the measurement, or in a short one: that proves nothing, and shows too
    little to tell it from a change of the path."""
    faults, exempt = drawn.faults, set(drawn.liars)
    is_late = drawn.stepped_at > 0.8 * drawn.lab.lasts_ns or drawn.lab.lasts_ns < SECOND
    is_small = abs(drawn.step_ns) < 5 * MILLISECOND
    if "step" in faults and (
        faults["step"] in (faults.get("crash"), faults.get("return")) or (is_late and is_small)
    ):
        exempt.add(faults["step"])
    return check_bounds(drawn.lab, result, frozenset(exempt))


def what_is_healthy_is_there(drawn: Drawn, result: MeshResult) -> None:
    """Hosts without a fault are all connected."""
    faulty = set(drawn.faults.values()) | ({1} if drawn.faults.keys() & {"twin", "deaf"} else set())
    healthy = [n for n in drawn.lab.hosts if n not in faulty]
    found = {(pair.a, pair.b) for pair in result.pairs}
    for i, a in enumerate(healthy):
        for b in healthy[i + 1 :]:
            if (a, b) not in found:
                raise Violated(f"seed {drawn.lab.seed}: healthy {a}-{b} is missing")


def a_large_step_is_named(drawn: Drawn, result: MeshResult) -> None:
    """One beyond all delays, with time to see it."""
    if set(drawn.faults) != {"step"} or abs(drawn.step_ns) < 50 * MILLISECOND:
        return
    lab, margin = drawn.lab, 100 * MILLISECOND
    began = next(told.time for told in lab.world.told if isinstance(told.event, Probing))
    if not began + margin < drawn.stepped_at < began + lab.lasts_ns - margin:
        return
    number = drawn.faults["step"]
    if not any(number in step.hosts for step in result.steps):
        raise Violated(f"seed {drawn.lab.seed}: {number} stepped {drawn.step_ns}, not named")
    step = next(step for step in result.steps if number in step.hosts)
    if step.hosts == (number,) and abs(step.by_ns - drawn.step_ns) > 0.2 * abs(drawn.step_ns):
        raise Violated(f"seed {drawn.lab.seed}: the step is {drawn.step_ns}, not {step.by_ns}")


def nobody_is_named_for_nothing(drawn: Drawn, result: MeshResult) -> None:
    if drawn.faults:
        return
    if result.troubles and len(drawn.asymmetric) <= 1:
        raise Violated(f"seed {drawn.lab.seed}: nothing is wrong, but {result.troubles}")
    for path in result.asymmetric:
        slow = {(path.a, path.b), (path.b, path.a)} & drawn.asymmetric.keys()
        if not slow and len(drawn.asymmetric) <= 1:
            raise Violated(f"seed {drawn.lab.seed}: {path} is not asymmetric")


def one_asymmetric_path_is_named(drawn: Drawn, result: MeshResult) -> None:
    """Among symmetric ones, with enough neighbours to tell; which way, and how much about."""
    if drawn.faults or len(drawn.asymmetric) != 1 or drawn.lab.count < 4:
        return
    ((slow, fast), extra) = next(iter(drawn.asymmetric.items()))
    if extra < 250 * MICROSECOND:
        return
    named = result.asymmetric
    if {(path.a, path.b) for path in named} != {(min(slow, fast), max(slow, fast))}:
        raise Violated(f"seed {drawn.lab.seed}: {slow}>{fast} slower by {extra}, named: {named}")
    path = named[0]
    there = path.asymmetry_ns if path.a == slow else -path.asymmetry_ns
    if abs(there - extra) > 100 * MICROSECOND:
        raise Violated(f"seed {drawn.lab.seed}: {slow}>{fast} slower by {extra}, told {there}")
    if max(path.asymmetry_proven_ns, path.asymmetry_least_ns) > extra + 20 * MICROSECOND:
        raise Violated(f"seed {drawn.lab.seed}: at least too much is claimed: {path}")


def what_is_proven_is_true(drawn: Drawn, result: MeshResult) -> None:
    for path in result.paths:
        if {path.a, path.b} & drawn.liars or "step" in drawn.faults:
            continue
        there = drawn.asymmetric.get((path.a, path.b), 0) - drawn.asymmetric.get(
            (path.b, path.a), 0
        )
        # Queues only lengthen, by more than this in both directions' minima hardly ever.
        if path.exchanges >= 40 and path.asymmetry_proven_ns > abs(there) + 60 * MICROSECOND:
            raise Violated(f"seed {drawn.lab.seed}: {path} proven, in truth {there}")


def estimates_are_good(drawn: Drawn, result: MeshResult) -> None:
    """With at most one path asymmetric and nothing wrong, far better than the bound."""
    lone = not drawn.asymmetric or (len(drawn.asymmetric) == 1 and drawn.lab.count >= 4)
    if drawn.faults or not lone:
        return
    for pair in result.pairs:
        truth = drawn.lab.true_offset(pair.a, pair.b, result.as_of_ns, 1)
        error = abs(truth - pair.offset_ns)
        allowed = 60 * MICROSECOND
        if error > allowed:
            raise Violated(f"seed {drawn.lab.seed}: {pair} is off by {error}")
        if pair.error_bound_ns > 3 * MILLISECOND:
            raise Violated(f"seed {drawn.lab.seed}: the bound of {pair} is wider than a round trip")


def a_twin_is_named(drawn: Drawn, result: MeshResult) -> None:
    if set(drawn.faults) == {"twin"}:
        named = [host for host in result.hosts if Trouble.TWIN.value in host.troubles]
        if len(named) != 2:
            raise Violated(f"seed {drawn.lab.seed}: two have one number, named: {named}")


def no_stranger_is_flooded(drawn: Drawn) -> None:
    """Who never sent an agent anything gets no more bytes of it than the coordinator sent it."""
    lab = drawn.lab
    for (sender, to), sent in lab.bytes_sent.items():
        ordered = lab.bytes_sent[lab.asks_from, sender]
        if sender != lab.asks_from and not lab.bytes_sent[to, sender] and sent > ordered:
            raise Violated(f"seed {lab.seed}: {sender} sent {sent} bytes to the silent {to}")
        if to == lab.asks_from and sent > ordered:
            raise Violated(f"seed {lab.seed}: {sender} answered {ordered} bytes with {sent}")


def agents_go_quiet(drawn: Drawn) -> None:
    """When the measurement is over, or its coordinator dead, nobody probes on."""
    lab = drawn.lab
    lab.world.crash(lab.asks_from)
    lab.world.run_for(LEASE_NS + SECOND)
    sent = lab.world.counts.sent
    lab.world.run_for(SECOND)
    if lab.world.counts.sent != sent:
        raise Violated(f"seed {lab.seed}: somebody still sends")
    alive = [n for n in lab.hosts if lab.world.node(where(n)).condition is Condition.UP]
    if any(lab.agents[number].coordinators for number in alive):
        raise Violated(f"seed {lab.seed}: an order was not forgotten")


def check_large(seed: int, count: int = 500) -> Counter[str]:
    """As many hosts as a mesh takes, a liar among them: all bounds hold, the liar is named, and
    nobody honest is far off."""
    random = Random(f"mesh/large/{seed}")
    lab = Lab(
        f"large {seed}",
        count,
        offsets={n: _log(random, MICROSECOND, SECOND) for n in range(1, count + 1)},
        rates={n: random.uniform(-50, 50) for n in range(1, count + 1)},
        interval_ns=100 * MILLISECOND,
        lasts_ns=2 * SECOND,
        grid_ns=20 * MILLISECOND,
    )
    liar = random.randint(2, count)
    lab.lies[liar] = TwoFaced
    result = lab.result()
    checked = check_bounds(lab, result, frozenset([liar]))
    if checked != (count - 1) * (count - 2) // 2:
        raise Violated(f"seed {lab.seed}: only {checked} pairs")
    if not any(f"host {liar} does not tell all the same time" in words for words in result.doubts):
        raise Violated(f"seed {lab.seed}: the liar {liar} is not named: {result.doubts}")
    others = [number for number in lab.hosts if number != liar]
    errors = sorted(
        abs(lab.true_offset(1, b, result.as_of_ns, 1) - result.pair(1, b).offset_ns)
        for b in others[1:]
    )
    if errors[-1] > 100 * MICROSECOND:
        raise Violated(f"seed {lab.seed}: an honest host is off by {errors[-1]} ns")
    return Counter({"runs": 1, "bounds": checked, "paths": len(result.paths)})


def check(seed: int) -> Counter[str]:
    """Run one seed; every property."""
    drawn = draw(seed)
    totals: Counter[str] = Counter(runs=1)
    if seed % 10 == 9:  # the coordinator dies on the way
        drawn.lab.world.run(Random(f"mesh/{seed}/end").randrange(drawn.lab.lasts_ns))
        agents_go_quiet(drawn)
        totals["coordinators that died"] += 1
        return totals
    result = drawn.lab.result()
    totals["bounds"] += bounds_hold(drawn, result)
    totals["pairs"] += len(result.pairs)
    for fault in drawn.faults:
        totals[f"with {fault}"] += 1
    for holds in (
        what_is_healthy_is_there,
        a_large_step_is_named,
        nobody_is_named_for_nothing,
        one_asymmetric_path_is_named,
        what_is_proven_is_true,
        estimates_are_good,
        a_twin_is_named,
    ):
        holds(drawn, result)
    agents_go_quiet(drawn)
    no_stranger_is_flooded(drawn)
    totals["asymmetric paths named"] += len(result.asymmetric)
    totals["steps named"] += len(result.steps)
    return totals
