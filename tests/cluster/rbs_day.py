"""A simulated day of reference broadcasts: ``python -m tools.campaign rbs-day``.

Five receivers, one of which lies; rates of up to 50 ppm that wander; paths of a millisecond there
and back, 60 to 40 or 40 to 60, with heavy tails; and clocks that are set while their receivers run.
The beacon sends once in ten seconds. What a receiver tells of any two honest clocks must hold the
truth at every look: at the instant it is told of, and at present, widened by what clocks may drift.
"""

from collections import Counter
from random import Random

from clocksync.peers.sealed import EVERYBODY
from clocksync.rbs.beacon import Beacon
from clocksync.rbs.receiver import Receiver, ReceiverSettings
from clocksync.runtime.simulation import Link, Pareto, World
from clocksync.runtime.units import MICROSECOND, SECOND
from tests.cluster.mesh_day import Worst
from tests.cluster.rbs_properties import TOLERANCE_NS, Violated
from tests.cluster.rbs_world import LIES, Liar, Record

DAY_S = 86_400
HOSTS = (1, 2, 3, 4, 5)
BEACON = 101
BROADCAST_EVERY_NS = 10 * SECOND
LOOK_EVERY_NS = 60 * SECOND
SAMPLED_NS = 5 * SECOND
SETS_EVERY_NS = 3_600 * SECOND
FAST_NS, SLOW_NS, TAIL_NS = 400 * MICROSECOND, 600 * MICROSECOND, 50 * MICROSECOND
FOUND_OUT_NS = 600 * SECOND
"""After a clock was set: until each has asked it again and told the others, whatever got lost."""
SETTINGS = ReceiverSettings(
    broadcasts=None,
    silence_ns=600 * SECOND,
    report_ns=10 * SECOND,
    probe_ns=10 * SECOND,
    relate_ns=120 * SECOND,
)


class Day:
    """The receivers of a seed, and what their clocks really showed."""

    def __init__(self, seed: int) -> None:
        self.random = random = Random(f"rbs-day/{seed}")
        self.seed = seed
        self.liar = random.choice(HOSTS)
        self.lie = LIES[seed % len(LIES)]
        self.world = World(f"rbs-day {seed}")
        self.record = Record(self.world, HOSTS, SAMPLED_NS)
        self.set_at = dict.fromkeys(HOSTS, -FOUND_OUT_NS)
        self.receivers: dict[int, Receiver] = {}
        for host in HOSTS:
            self.world.add(
                host,
                lambda boot, host=host: self._boot(boot, host),
                offset_ns=random.randint(-SECOND, SECOND),
                rate_ppm=random.uniform(-50, 50),
            )
            # At instants that are sampled: in between a clock is a straight line.
            self.world.wander(host, 2 * SAMPLED_NS, 0.1, 60)
        self.world.add(BEACON, Beacon(BEACON, BROADCAST_EVERY_NS))
        self.world.group(EVERYBODY, HOSTS)
        self._wire()
        self.record.sample()

    def _boot(self, boot, host):
        epoch = boot.random.getrandbits(32)
        self.record.epochs[host, epoch] = 0
        receiver = self.receivers[host] = Receiver(host, epoch, SETTINGS)
        return Liar(receiver, self.lie, boot.random) if host == self.liar else receiver

    def _wire(self) -> None:
        for a in HOSTS:
            down = Pareto(FAST_NS + self.random.randrange(20 * MICROSECOND), TAIL_NS, 1.5)
            self.world.link(BEACON, a, Link(delay=down, loss=0.01))
            for b in range(a + 1, HOSTS[-1] + 1):
                least = [FAST_NS, SLOW_NS]
                self.random.shuffle(least)
                ways = [Link(delay=Pareto(each, TAIL_NS, 1.5), loss=0.01) for each in least]
                self.world.link_both(a, b, *ways)

    def set_a_clock(self) -> None:
        """One of them, by anything from a microsecond to an hour, forward or back."""
        host = self.random.choice(HOSTS)
        by = self.random.choice((-1, 1)) * round(10 ** self.random.uniform(3, 12.5))
        self.world.step_wall(host, by)
        self.record.steps[host] += by
        self.record.epochs[host, self.receivers[host].epoch] += by
        self.set_at[host] = self.world.now

    def was_set(self, *hosts: int) -> bool:
        """Whether one of their clocks was set so lately that it need not be known yet."""
        return self.world.now - max(self.set_at[host] for host in hosts) < FOUND_OUT_NS


def check(seed: int, lasts_s: int = DAY_S) -> Counter[str]:
    """A day of one seed: counts, and the worst there was, in us."""
    day = Day(seed)
    counts: Counter[str] = Counter(runs=1)
    own, others = Worst(), Worst()
    # Half a step off all that is sampled.
    day.world.run(SAMPLED_NS // 2)
    next_set = day.random.randrange(SETS_EVERY_NS // 4)
    turn = 0
    while day.world.now < lasts_s * SECOND:
        if day.world.now >= next_set:
            next_set = day.world.now + day.random.randrange(SETS_EVERY_NS)
            day.set_a_clock()
            counts["clocks set"] += 1
        day.world.run_for(LOOK_EVERY_NS)
        turn += 1
        host = HOSTS[turn % len(HOSTS)]
        if host != day.liar:
            every_pair_is_inside(day, host, counts, own, others)
    for host in HOSTS:
        if host != day.liar and day.receivers[host].ended is not None:
            raise Violated(f"seed {seed}: receiver {host} ended: {day.receivers[host].ended}")
    # A look that was outside would have ended the run.
    counts["inside"] = counts["looks at the instant that is told"] + counts["looks at present"]
    for name, worst in (("its own pairs", own), ("pairs of others", others)):
        # By seed: totals of several seeds are added up.
        counts[f"seed {seed}: worst error of {name}, us"] = worst.error_ns // MICROSECOND
        counts[f"seed {seed}: worst bound of {name}, us"] = worst.bound_ns // MICROSECOND
    return counts


def every_pair_is_inside(
    day: Day, host: int, counts: Counter[str], own: Worst, others: Worst
) -> None:
    receiver, world, ppm = day.receivers[host], day.world, SETTINGS.max_drift_ppm
    for relation in receiver.relations():
        a, b = relation.a, relation.b
        if day.liar in (a, b) or relation.hops > 1:
            continue
        if day.was_set(a, b, host):
            counts["not looked at: a clock was set"] += 1
            continue
        shown_a, shown_b = (world.node(each).wall.read() for each in (a, b))
        truth = shown_b - shown_a
        now = relation.at(shown_a, ppm)
        (own if host in (a, b) else others).note(truth - now.offset_ns, now.error_bound_ns)
        counts["looks at present"] += 1
        if truth not in now.interval.widened(TOLERANCE_NS):
            raise Violated(_said(day, host, f"{a}-{b} is {truth} at present, and not in {now}"))
        then = day.record.offset(
            (a, day.receivers[a].epoch), (b, day.receivers[b].epoch), relation.as_of
        )
        if then is None:
            counts["unjudged"] += 1
            continue
        counts["looks at the instant that is told"] += 1
        if then not in relation.interval.widened(TOLERANCE_NS):
            raise Violated(_said(day, host, f"{a}-{b} was {then}, and not in {relation}"))


def _said(day: Day, host: int, what: str) -> str:
    at = day.world.now / SECOND
    set_at = {each: round(at_ns / SECOND) for each, at_ns in day.set_at.items()}
    lie = f"{day.liar} lies in its {day.lie}"
    return f"seed {day.seed}, at {at:.1f} s, receiver {host}, {lie}, set at {set_at}: {what}"
