"""Receivers of reference broadcasts in a simulated world, and a record of what clocks really did.

One seed draws a scenario (:func:`draw`): how many receivers, in one domain or two that share
hosts, how wrong their clocks are and how they wander, what the network does, and what goes wrong.
:func:`play` runs it and calls back at every look. The truth comes from samples of the simulated
clocks alone; nothing here knows how a receiver estimates.
"""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random

from clocksync.peers.frames import Echo
from clocksync.peers.sealed import EVERYBODY
from clocksync.rbs.beacon import Beacon
from clocksync.rbs.frames import Relations, Report, unsigned
from clocksync.rbs.receiver import Receiver, ReceiverSettings
from clocksync.runtime.core import Send, SilentCore
from clocksync.runtime.simulation import (
    Constant,
    Exponential,
    Link,
    LogNormal,
    NodeOptions,
    Pareto,
    World,
)
from clocksync.runtime.units import MICROSECOND, MILLISECOND, SECOND

SAMPLED_NS = 2 * MILLISECOND
WANDER_NS = 50 * MILLISECOND
"""Rates change at these instants only, which are sampled: in between a clock is a straight line."""
LOOK_NS = 60 * MILLISECOND
RUN_NS = 4 * SECOND
EAST, WEST = 101, 102
"""The beacons of the two domains."""
LIES = ("stamps", "extremes", "relations", "huge relations", "echoes", "epochs")
FAULTS = ("none", "none", "restart", "beacon dies", "receiver dies", "twin beacon", "garbage")


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """What is played."""

    seed: int
    east: tuple[int, ...]
    west: tuple[int, ...] = ()
    """Who hears which beacon; hosts in both join the domains."""
    offsets: dict[int, int]
    rates: dict[int, float]
    wander_ppm: float = 0.0
    link: Link = field(default_factory=Link)
    lateness: dict[int, int] = field(default_factory=dict)
    """By how much a host's port is late for multicasts of beacons, ns."""
    beacon_loss: float = 0.0
    """Of broadcasts, more than of all else."""
    liar: int = 0
    lie: str = ""
    fault: str = "none"
    step_ns: int | None = None
    """By how much a clock is set while its host restarts; None: drawn."""
    late: int = 0
    """A host that starts later."""
    broadcasts: int = 60
    settings: ReceiverSettings = field(default_factory=ReceiverSettings)

    @property
    def hosts(self) -> tuple[int, ...]:
        return tuple(sorted({*self.east, *self.west}))

    def is_direct(self, a: int, b: int) -> bool:
        """Whether two hear each other."""
        return any(a in part and b in part for part in (self.east, self.west))

    def __str__(self) -> str:
        lie = f", {self.liar} lies in its {self.lie}" if self.liar else ""
        late = f", {self.late} is late" if self.late else ""
        return f"seed {self.seed}: {self.east} {self.west}, fault {self.fault}{lie}{late}"


def draw(seed: int) -> Scenario:
    """The scenario of a seed."""
    random = Random(f"rbs {seed}")
    count = random.choice((2, 3, 3, 4, 5))
    hosts = list(range(1, count + 1))
    east, west = tuple(hosts), ()
    if count >= 3 and random.random() < 0.4:
        cut = random.randrange(1, count - 1)
        shared = random.choice((1, 1, 2))
        east, west = tuple(hosts[: cut + shared]), tuple(hosts[cut:])
    delay = random.choice(
        (
            LogNormal(20 * MICROSECOND, 3 * MICROSECOND),
            Pareto(30 * MICROSECOND, 10 * MICROSECOND, 1.5),
            Exponential(200 * MICROSECOND, 100 * MICROSECOND),
            Constant(15 * MICROSECOND),
        )
    )
    link = Link(
        delay=delay,
        loss=random.choice((0.0, 0.0, 0.1, 0.3)),
        duplicate=random.choice((0.0, 0.0, 0.1)),
        in_order=random.random() < 0.5,
    )
    liar = random.choice(hosts) if count >= 3 and random.random() < 0.3 else 0
    return Scenario(
        seed=seed,
        east=east,
        west=west,
        offsets={n: random.choice((0, random.randint(-5 * SECOND, 5 * SECOND))) for n in hosts},
        rates={n: random.uniform(-100, 100) for n in hosts},
        wander_ppm=random.choice((0.0, 0.2, 2.0)),
        link=link,
        lateness={n: random.randint(0, 20 * MICROSECOND) for n in hosts},
        liar=liar,
        lie=random.choice(LIES) if liar else "",
        fault=random.choice(FAULTS),
        late=random.choice(hosts) if random.random() < 0.2 else 0,
        broadcasts=random.choice((10, 30, 60)),
    )


class Record:
    """What every clock of every host showed, as straight lines between samples."""

    def __init__(self, world: World, hosts: tuple[int, ...], every_ns: int = SAMPLED_NS) -> None:
        self._world, self._every_ns = world, every_ns
        self._times: list[int] = []
        self._readings: dict[int, list[int]] = {host: [] for host in hosts}
        self.steps: dict[int, int] = dict.fromkeys(hosts, 0)
        """By how much each host's clock has been set, in all."""
        self.epochs: dict[tuple[int, int], int] = {}
        """Of each clock of a host: by how much it had been set."""

    def sample(self) -> None:
        self._times.append(self._world.now)
        for host, readings in self._readings.items():
            readings.append(self._world.node(host).wall.read() - self.steps[host])
        self._world.after(self._every_ns, self.sample)

    def offset(self, a: tuple[int, int], b: tuple[int, int], reading: int) -> int | None:
        """Clock b minus clock a, each a host and its epoch, when a read that; None where one of
        them never was, or the instant lies outside the record."""
        if a not in self.epochs or b not in self.epochs:
            return None
        own = self._readings[a[0]]
        wanted = reading - self.epochs[a]
        place = bisect_right(own, wanted) - 1
        if not 0 <= place < len(own) - 1:
            return None
        begin, end = own[place], own[place + 1]
        there = self._readings[b[0]]
        since = (there[place + 1] - there[place]) * (wanted - begin) // (end - begin)
        return there[place] + since + self.epochs[b] - reading


class Liar(SilentCore):
    """A receiver that does as it should, but for what it says."""

    def __init__(self, honest: Receiver, lie: str, random: Random) -> None:
        self.honest, self.lie, self.random = honest, lie, random

    def start(self, now):
        return self._lying(self.honest.start(now))

    def on_frame(self, arrival, now):
        return self._lying(self.honest.on_frame(arrival, now))

    def on_timer(self, timer, now):
        return self._lying(self.honest.on_timer(timer, now))

    def on_sent(self, tag, stamp, now):
        return self._lying(self.honest.on_sent(tag, stamp, now))

    def _lying(self, effects):
        return [
            replace(effect, frame=self._lied(effect.frame)) if isinstance(effect, Send) else effect
            for effect in effects
        ]

    def _lied(self, frame):
        random = self.random
        match frame, self.lie:
            case Report(), "stamps":
                return replace(frame, base=frame.base + random.randint(-(10**7), 10**7))
            case Report(), "extremes":
                base = random.choice((-(2**63), 2**63 - 1, 0))
                first = random.choice((0, 2**64 - 1))
                return replace(
                    frame, base=base, first=first, heard=(2**64 - 1, 0, *frame.heard[:100])
                )
            case Report(), "epochs":
                return replace(frame, epoch=random.choice((1, 2, frame.epoch)))
            case Relations(), "relations" | "huge relations" if frame.others:
                huge = self.lie == "huge relations"
                shift = random.choice((-1, 1)) * random.randint(200, 1000) * MICROSECOND
                if huge:
                    shift = random.choice((-(2**63), 2**62))
                narrow = tuple(1 for _ in frame.others)
                return replace(
                    frame,
                    told_at=random.choice((2**63 - 1, frame.told_at)) if huge else frame.told_at,
                    offsets=tuple(unsigned(offset + shift) for offset in frame.offsets),
                    below=narrow,
                    above=tuple(random.choice((1, 2**64 - 1)) for _ in narrow) if huge else narrow,
                )
            case Echo(), "echoes":
                shift = random.randint(-50 * MICROSECOND, 50 * MICROSECOND)
                return replace(frame, arrived=frame.arrived + shift, left=frame.left + shift)
            case Echo(), "extremes":
                return replace(frame, arrived=2**63 - 1, left=2**63 - 1, earlier_left=-(2**63))
        return frame


Look = Callable[["Played"], None]


@dataclass
class Played:
    """A run: the world, the record of its clocks, and the receivers by host."""

    scenario: Scenario
    world: World
    record: Record
    restarted: int = 0

    def receiver(self, host: int) -> Receiver:
        core = self.world.node(host).core
        return core.honest if isinstance(core, Liar) else core

    @property
    def is_over(self) -> bool:
        """Whether this is the last look."""
        return self.world.now >= RUN_NS

    @property
    def running(self) -> list[int]:
        """Who is up and has begun."""
        nodes = ((host, self.world.node(host)) for host in self.scenario.hosts)
        return [n for n, node in nodes if node.started and node.condition.name == "UP"]


def play(scenario: Scenario, look: Look) -> Played:
    """Run it; `look` is called every so often, and at the end."""
    world = World(f"rbs {scenario.seed}", link=scenario.link)
    record = Record(world, scenario.hosts)
    settings = replace(scenario.settings, broadcasts=scenario.broadcasts, silence_ns=SECOND // 2)
    for host in scenario.hosts:
        world.add(
            host,
            lambda boot, host=host: _boot(scenario, settings, record, boot, host),
            offset_ns=scenario.offsets[host],
            rate_ppm=scenario.rates[host],
            start_after_ns=200 * MILLISECOND if host == scenario.late else 0,
            options=NodeOptions(stamp_twice=scenario.seed % 2 == 0),
        )
        if scenario.wander_ppm:
            world.wander(host, WANDER_NS, scenario.wander_ppm, 200)
    for beacon in (EAST, WEST):
        world.add(beacon, Beacon(beacon))
    world.group(EVERYBODY, scenario.hosts)
    _wire(world, scenario)
    played = Played(scenario, world, record)
    _plan_fault(played)
    record.sample()

    def looked() -> None:
        look(played)
        world.after(LOOK_NS, looked)

    # Half a step off the samples, so that every reading looked at lies between two of them.
    world.at(LOOK_NS // 2 + SAMPLED_NS // 2, looked)
    world.run(RUN_NS)
    record.sample()
    look(played)
    return played


def _boot(scenario, settings, record, boot, host):
    epoch = boot.random.getrandbits(32)
    record.epochs[host, epoch] = record.steps[host]
    core = Receiver(host, epoch, settings)
    lies = host == scenario.liar
    return Liar(core, scenario.lie, boot.random) if lies else core


def _wire(world: World, scenario: Scenario) -> None:
    """Cut what does not hear each other, and make ports late for what beacons send."""
    for beacon, part in ((EAST, scenario.east), (WEST, scenario.west)):
        for host in scenario.hosts:
            if host not in part:
                world.cut(beacon, host)
            else:
                late = Constant(scenario.link.delay.draw(Random(0)) + scenario.lateness[host])
                delay = _Later(scenario.link.delay, late.delay_ns)
                loss = max(scenario.beacon_loss, scenario.link.loss)
                world.link(beacon, host, replace(scenario.link, delay=delay, loss=loss))
    for a in scenario.hosts:
        for b in scenario.hosts:
            if a != b and not scenario.is_direct(a, b):
                world.cut(a, b)


@dataclass(frozen=True)
class _Later:
    delay: object
    by_ns: int

    def draw(self, random):
        return self.delay.draw(random) + self.by_ns


def _plan_fault(played: Played) -> None:
    world, scenario, random = played.world, played.scenario, Random(f"fault {played.scenario.seed}")
    at = random.randint(100, 600) * MILLISECOND
    victim = random.choice(scenario.hosts)
    match scenario.fault:
        case "restart":

            def down() -> None:
                if world.node(victim).started:
                    world.crash(victim)

            def up() -> None:
                if not world.node(victim).started:
                    return
                step = random.choice((0, random.randint(-(10**9), 10**9), 30 * MICROSECOND))
                step = step if scenario.step_ns is None else scenario.step_ns
                world.step_wall(victim, step)
                played.record.steps[victim] += step
                world.restart(victim)
                played.restarted = victim

            world.at(at, down)
            world.at(at + random.choice((0, 5, 50)) * MILLISECOND + 1, up)
        case "receiver dies":
            world.at(at, lambda: world.node(victim).started and world.crash(victim))
        case "beacon dies":
            world.at(at, lambda: world.crash(EAST))
        case "twin beacon":
            world.add(103, Beacon(999, 7 * MILLISECOND))

            def renamed(sender, to, data):
                if sender == 103:
                    world.inject(to, EAST, data, random.randint(10_000, 90_000))
                return sender == 103

            world.intercept(renamed)
        case "garbage":
            for n in range(200):
                sender, size = random.choice((*scenario.hosts, EAST, 77)), random.randint(0, 200)
                world.at(
                    n * 5 * MILLISECOND + 1,
                    lambda sender=sender, size=size: world.inject(
                        victim, sender, random.randbytes(size)
                    ),
                )
