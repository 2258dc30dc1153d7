"""A simulated day of a mesh, measured again and again: ``python -m tools.campaign mesh-day``.

Five hosts, one of which lies; rates of up to 50 ppm that wander; paths of a millisecond there and
back, 60 to 40 or 40 to 60, with heavy tails; clocks that are set, between measurements and during
them. Every difference that is told of honest hosts must hold the truth at the instant it is told
of, and, widened by what clocks may drift, at every look until the next measurement.
"""

from collections import Counter
from dataclasses import dataclass
from random import Random

from clocksync.meshing.coordinator import Coordinator
from clocksync.meshing.result import MeshResult
from clocksync.meshing.solve import solve
from clocksync.ntp.sample import MAX_DRIFT_PPM
from clocksync.runtime.clocks import drift_allowance
from clocksync.runtime.simulation import Link, Pareto
from clocksync.runtime.units import MICROSECOND, MILLISECOND, SECOND
from tests.cluster.mesh_world import (
    Erratic,
    Lab,
    TwoFaced,
    Violated,
    check_bounds,
    where,
)

DAY_S = 86_400
HOSTS = 5
MEASURE_EVERY_NS = 300 * SECOND
LOOK_EVERY_NS = 30 * SECOND
SETS_EVERY_NS = 3_600 * SECOND
FAST_NS, SLOW_NS, TAIL_NS = 400 * MICROSECOND, 600 * MICROSECOND, 50 * MICROSECOND
SEEN_NS = 5 * MILLISECOND
"""A clock that is set by more than a round trip while it is measured is always found out; by less,
not in the last fifth of a measurement (docs/mesh.md)."""


class Day(Lab):
    """A lab whose hosts stay, while coordinators come and go."""

    def __post_init__(self):
        super().__post_init__()
        self.world.run(0)
        self.set_at = dict.fromkeys(self.hosts, -1)
        """When each clock was set last, true time."""

    def measured(self) -> MeshResult:
        """One measurement, by a new coordinator."""
        if self.world.now:
            self.truth.clear()
            self._found.clear()
            self.world.crash(self.asks_from)
            self.coordinator = Coordinator(
                [where(number) for number in self.hosts],
                self.random,
                lasts_ns=self.lasts_ns,
                interval_ns=self.interval_ns,
                greet_ns=SECOND,
            )
            self.world.restart(self.asks_from)
            self._record()
        self.world.told.clear()
        return solve(self.run(self.world.now + 20 * SECOND))

    def set_clock(self, host: int, by_ns: int) -> None:
        self.world.step_wall(where(host), by_ns)
        self.set_at[host] = self.world.now


def check(seed: int, lasts_s: int = DAY_S) -> Counter[str]:
    """A day of one seed: counts, and the worst there was, in us."""
    random = Random(f"mesh-day/{seed}")
    day = drawn(seed, random)
    liar = next(iter(day.lies))
    counts: Counter[str] = Counter(runs=1)
    told, later = Worst(), Worst()
    honest = [host for host in day.hosts if host != liar]
    next_set = random.randrange(SETS_EVERY_NS // 4)
    while day.world.now < lasts_s * SECOND:
        begun = day.world.now
        if begun >= next_set:
            next_set = begun + random.randrange(SETS_EVERY_NS)
            a_clock_is_set(day, random.choice(honest), random)
            counts["clocks set"] += 1
        result = day.measured()
        told_at = day.world.now
        counts["measurements"] += 1
        counts["looks at the instant that is told"] += check_bounds(day, result, frozenset([liar]))
        if max(day.set_at.values()) < begun:
            every_honest_pair_is_told(day, result, liar, told)
        while day.world.now < begun + MEASURE_EVERY_NS:
            it_is_inside_still(day, result, liar, told_at, counts, later)
            day.world.run_for(LOOK_EVERY_NS)
    # A look that was outside would have ended the run.
    counts["inside"] = counts["looks at the instant that is told"] + counts["looks later on"]
    for name, worst in (("at the instant", told), ("until the next", later)):
        # By seed: totals of several seeds are added up.
        counts[f"seed {seed}: worst error {name}, us"] = worst.error_ns // MICROSECOND
        counts[f"seed {seed}: worst bound {name}, us"] = worst.bound_ns // MICROSECOND
    return counts


@dataclass
class Worst:
    """The largest there was, ns."""

    error_ns: int = 0
    bound_ns: int = 0

    def note(self, error_ns: int, bound_ns: int) -> None:
        self.error_ns = max(self.error_ns, abs(error_ns))
        self.bound_ns = max(self.bound_ns, bound_ns)


def drawn(seed: int, random: Random) -> Day:
    liar = random.randint(2, HOSTS)  # host 1 is the reference: its clock is the axis of the truth
    day = Day(
        f"day {seed}",
        HOSTS,
        link=Link(delay=Pareto(FAST_NS, TAIL_NS, 1.5), loss=0.01),
        offsets={n: random.randint(-SECOND, SECOND) for n in range(1, HOSTS + 1)},
        rates={n: random.uniform(-50, 50) for n in range(1, HOSTS + 1)},
        lies={liar: random.choice((TwoFaced, Erratic))},
        lasts_ns=SECOND,
        interval_ns=50 * MILLISECOND,
    )
    for host in day.hosts:
        day.world.wander(where(host), 10 * SECOND, 0.1, 60)
    for a in day.hosts:
        for b in range(a + 1, HOSTS + 1):
            ways = [
                Link(delay=Pareto(least, TAIL_NS, 1.5), loss=0.01) for least in (FAST_NS, SLOW_NS)
            ]
            random.shuffle(ways)
            day.world.link_both(where(a), where(b), *ways)
    return day


def a_clock_is_set(day: Day, host: int, random: Random) -> None:
    """Now, or in the middle of the measurement that begins now."""
    sign = random.choice((-1, 1))
    if random.random() < 0.5:
        day.set_clock(host, sign * round(10 ** random.uniform(3, 12)))
        return
    by = sign * round(SEEN_NS * 10 ** random.uniform(0, 5))
    after = random.randrange(200 * MILLISECOND, day.lasts_ns)
    day.world.after(after, lambda: day.set_clock(host, by))


def every_honest_pair_is_told(day: Day, result: MeshResult, liar: int, worst: Worst) -> None:
    """Where no clock was set meanwhile: a bound that is not told cannot be wrong."""
    honest = [pair for pair in result.pairs if liar not in (pair.a, pair.b)]
    if len(honest) != (HOSTS - 1) * (HOSTS - 2) // 2:
        raise Violated(f"seed {day.seed}: pairs are missing: {result.doubts}, {result.troubles}")
    for pair in honest:
        truth = day.true_offset(pair.a, pair.b, result.as_of_ns, 1)
        worst.note(truth - pair.offset_ns, pair.error_bound_ns)


def it_is_inside_still(
    day: Day, result: MeshResult, liar: int, told_at: int, counts: Counter[str], worst: Worst
) -> None:
    """What was told, and what may have drifted since: but for a clock that was set meanwhile."""
    world = day.world
    shown = {host: world.node(where(host)).wall.read() for host in day.hosts}
    age = shown[1] - result.as_of_ns
    since = drift_allowance(age, MAX_DRIFT_PPM)
    for pair in result.pairs:
        if liar in (pair.a, pair.b):
            continue
        # Which instant was told is not known of a measurement during which clocks were set.
        if max(day.set_at[n] for n in (1, pair.a, pair.b)) >= told_at - 2 * SECOND:
            counts["not looked at: a clock was set meanwhile"] += 1
            continue
        truth = shown[pair.b] - shown[pair.a]
        counts["looks later on"] += 1
        expected = pair.offset_ns + round((pair.skew_ppm or 0.0) * age / 1e6)
        worst.note(truth - expected, pair.error_bound_ns + since)
        if truth not in pair.interval.widened(since):
            raise Violated(
                f"seed {day.seed}, at {world.now / SECOND:.1f} s: {pair.a}-{pair.b} is {truth},"
                f" outside {pair.interval} widened by {since} ns"
            )
