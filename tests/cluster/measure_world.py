"""Simulated worlds for the measuring client: drawn from a seed, run, and recorded with the truth.

:func:`draw` makes a :class:`Scenario`, plain data whose ``repr`` says all there is to know of it;
:func:`play` runs it. What must be true of the outcome is the business of
:mod:`tests.cluster.measure_properties`: checkers stay apart from faults.

The client runs a :class:`~clocksync.measuring.survey.Survey`, each server a
:class:`~clocksync.ntp.responder.Responder` over its own wall clock. Worlds are adversarial on
purpose: paths that take their whole delay one way, servers whose clocks are wrong by *exactly*
what they claim, clocks that tick coarsely. There the truth lies on the very edge of the bound, so a
bound that is too small by a microsecond is found within a few seeds.

Honest means that a server's clock is within its root distance of true time during the whole run; a
liar's is not. :data:`KINDS` tells what kinds of worlds there are.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from random import Random

from clocksync.measuring.result import Asked, Measurement, conclude
from clocksync.measuring.settings import MeasureSettings
from clocksync.measuring.survey import HostSettled, Survey
from clocksync.ntp.codec import NtpCodec
from clocksync.ntp.packet import NtpPacket
from clocksync.ntp.responder import KISS_DENY, Reference, Responder
from clocksync.ntp.timestamps import from_precision, from_unix_ns
from clocksync.runtime.core import Arrival, Effects, StampSource
from clocksync.runtime.mmsg import Address
from clocksync.runtime.simulation import (
    EPOCH_NS,
    Constant,
    Delay,
    Exponential,
    Link,
    LogNormal,
    NodeOptions,
    Pareto,
    Uniform,
    World,
)
from clocksync.runtime.units import MICROSECOND, MILLISECOND, SECOND

KINDS = {
    "minority": "fewer than half of the servers lie; the usual case",
    "discord": "most servers lie, each in its own way: no majority",
    "collusion": "most servers tell the same lie: nobody can see it",
    "server step": "a server's clock is stepped meanwhile, from a lie to the truth",
    "local step": "our own clock is stepped meanwhile",
}
_WEIGHTS = (16, 2, 1, 1, 1)

CLIENT: Address = ("10.0.0.1", 40_000)
WRAP_NS = 2_085_978_496 * SECOND
"""When NTP's era 0 ends: 2036-02-07 06:28:16 UTC (RFC 5905 figure 4)."""
EPOCHS_NS = (EPOCH_NS, WRAP_NS - 2 * SECOND, WRAP_NS + 86_400 * SECOND, 2 * WRAP_NS)
RATE_PPM_MAX = 200.0
"""Of either clock against true time, so 400 between two: less than the 500 that bounds allow."""
LOUD_NS = 100 * SECOND
"""Loud lies are this far apart: more than any bound is wide."""
STALE_PPM = 15
DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class ClockPlan:
    """A clock: wrong by `offset_ns` at the beginning, running `rate_ppm` fast."""

    offset_ns: int
    rate_ppm: float = 0.0
    wander_ppm: float = 0.0
    """If above 0, its rate walks at random within ± this."""
    tick_ns: int = 1
    """Readings are whole multiples of this."""
    options: NodeOptions = field(default_factory=NodeOptions)


@dataclass(frozen=True, slots=True)
class ServerPlan:
    """One server and the two ways of its path. What it claims is in 2^-16 s, as on the wire."""

    clock: ClockPlan
    there: Link
    back: Link
    honest: bool = True
    loud: bool = False
    """A lie so large that it contradicts every honest claim and every other loud lie."""
    root_delay: int = 0
    root_dispersion: int = 0
    precision: int = -29
    age_s: int = 0
    """How long ago its clock was set; 0: just now."""
    interleaved: bool = True
    eager: bool = True

    @property
    def claim_ns(self) -> int:
        """By how much its clock may be wrong and the server still be honest."""
        claimed = _short_ns(self.root_delay) // 2 + _short_ns(self.root_dispersion)
        if self.age_s > DAY_S:
            # By its own clock, which is wrong, it may have been set up to 16 s later than it was.
            claimed += (self.age_s - 17) * STALE_PPM * MICROSECOND
        return claimed


@dataclass(frozen=True, slots=True)
class Step:
    """A clock jumps: that of the server at `place`, or our own where it is None."""

    at_ns: int
    by_ns: int
    place: int | None


@dataclass(frozen=True, slots=True)
class Scenario:
    """Everything about one run."""

    seed: int
    kind: str
    epoch_ns: int
    client: ClockPlan
    settings: MeasureSettings
    servers: tuple[ServerPlan, ...]
    steps: tuple[Step, ...] = ()
    forgeries: int = 0
    """How often somebody off the path sends each kind of forged answer."""
    replays: bool = False
    """Whether somebody on the path sends old answers again."""

    @property
    def is_steady(self) -> bool:
        """Whether all clocks run at constant rates: then the skew's own bound is exact."""
        clocks = [self.client, *(server.clock for server in self.servers)]
        return not self.steps and not any(clock.wander_ppm for clock in clocks)


@dataclass(frozen=True, slots=True)
class Truth:
    """What was so when an answer arrived; ns, theirs minus ours."""

    offset_ns: int
    """True time minus our clock."""
    server_ns: int
    """The server's clock minus ours."""
    error_ns: int
    """The server's clock minus true time."""


@dataclass(slots=True)
class Played:
    """A run that is over: what was measured, and what was true."""

    scenario: Scenario
    survey: Survey
    responders: list[Responder]
    measurement: Measurement
    truths: dict[tuple[Address, int], Truth]
    """By the server's address and our stamp of the arrival."""
    truth_ns: int | None
    """True time minus our clock at `measured_at`; None where nobody answered."""
    settled: bool

    def digest(self) -> str:
        """SHA-256 over all that was measured: equal for equal runs."""
        samples = [prober.association.samples for prober in self.survey.probers.values()]
        return hashlib.sha256(f"{self.measurement} {samples}".encode()).hexdigest()


class WatchedSurvey(Survey):
    """A survey beside which somebody with a view of all clocks takes notes."""

    world: World
    truths: dict[tuple[Address, int], Truth]

    def watch(self, world: World) -> None:
        self.world, self.truths = world, {}

    def on_frame(self, arrival: Arrival, now: int) -> Effects:
        if arrival.sender in self.world.addresses:
            client = self.world.node(CLIENT)
            # The kernel's stamp is of a moment ago: so is the truth to hold it against.
            ago_ns = client.wall.read() - arrival.stamp.time
            then = self.world.now - round(ago_ns / (1 + client.monotonic.rate_ppm / 1e6))
            ours = client.wall.at(then)
            theirs = _ideal(self.world.node(arrival.sender).wall).at(then)
            true = self.world.epoch_ns + then
            key = (arrival.sender, arrival.stamp.time)
            self.truths[key] = Truth(true - ours, theirs - ours, theirs - true)
        return Survey.on_frame(self, arrival, now)


class CoarseClock:
    """A wall clock that shows whole ticks only, and passes everything else on."""

    def __init__(self, ideal, tick_ns: int) -> None:
        self.ideal, self.tick_ns = ideal, tick_ns

    def read(self) -> int:
        return self.ideal.read() // self.tick_ns * self.tick_ns

    def step(self, by_ns: int) -> None:
        self.ideal.step(by_ns)


def _ideal(wall):
    return wall.ideal if isinstance(wall, CoarseClock) else wall


def address_of(place: int) -> Address:
    """Where the server at `place` of a scenario lives."""
    return f"10.1.{place // 250}.{place % 250 + 1}", 123


def _short_ns(value: int) -> int:
    return value * SECOND >> 16  # downwards: a claim is never taken for more than it says


# Drawing


def draw(seed: int) -> Scenario:
    """The scenario of a seed."""
    random = Random(f"measure/{seed}")
    kind = random.choices(list(KINDS), _WEIGHTS)[0]
    settings = _settings(random)
    duration_ns = settings.limit_ns + 2 * SECOND
    client = _client(random)
    count = random.choice([1, 1, 2, 3, 3, 4, 5, 7]) if kind == "minority" else random.randint(3, 7)
    liars = _liars(random, kind, count)
    servers = [_honest(random, duration_ns) for _ in range(count)]
    for place in range(liars):
        servers[place] = _liar(random, kind, place, servers[place])
    steps: list[Step] = []
    if kind.endswith("step"):
        client = replace(client, options=NodeOptions())  # no step between a stamp and its answer
        at_ns = random.randrange(duration_ns // 2)
        by_ns = random.choice([-1, 1]) * round(10 ** random.uniform(4, 10))
        steps = [Step(at_ns, by_ns, 0 if kind == "server step" else None)]
        if kind == "server step":  # right afterwards, so a liar before
            first = servers[0].clock
            before = replace(first, offset_ns=first.offset_ns - by_ns)
            servers[0] = replace(servers[0], clock=before, honest=False)
    else:
        random.shuffle(servers)
    return Scenario(
        seed=seed,
        kind=kind,
        epoch_ns=random.choices(EPOCHS_NS, [6, 1, 1, 1])[0],
        client=client,
        settings=settings,
        servers=tuple(servers),
        steps=tuple(steps),
        forgeries=random.choice([0, 0, 1, 3]),
        replays=random.random() < 0.2,
    )


def _liars(random: Random, kind: str, count: int) -> int:
    match kind:
        case "minority":
            return random.randint(0, (count - 1) // 2)
        case "discord" | "collusion":
            return random.randint(count // 2 + 1, count)
        case _:
            return 0


def _settings(random: Random) -> MeasureSettings:
    return MeasureSettings(
        samples=random.choice([1, 2, 3, 5, 8, 8, 8, 16]),
        interval_ns=random.choice([0, 0, MILLISECOND, 50 * MILLISECOND, SECOND, 2 * SECOND]),
        timeout_ns=random.choice([50 * MILLISECOND, 500 * MILLISECOND, SECOND]),
        version=random.choice([3, 4, 4, 4]),
        precision_ns=4,
        interleaved=random.random() < 0.7,
    )


def _client(random: Random) -> ClockPlan:
    magnitude = random.choices([10 ** random.uniform(0, 12.5), 20 * 365 * DAY_S * 1e9], [9, 1])[0]
    return _wandering(
        random,
        ClockPlan(
            offset_ns=random.choice([-1, 1]) * round(magnitude),
            rate_ppm=_rate(random),
            options=_options(random),
        ),
    )


def _rate(random: Random) -> float:
    return random.choice([0.0, RATE_PPM_MAX, -RATE_PPM_MAX, random.uniform(-1, 1) * RATE_PPM_MAX])


def _wandering(random: Random, plan: ClockPlan) -> ClockPlan:
    return replace(plan, wander_ppm=abs(plan.rate_ppm) if random.random() < 0.3 else 0.0)


def _options(random: Random) -> NodeOptions:
    if random.random() < 0.3:
        return NodeOptions(stamps=StampSource.USER)
    latency = Uniform(0, 20 * MICROSECOND) if random.random() < 0.3 else None
    # Not every transmit stamp comes from the kernel, but a driver always has its own reading.
    return NodeOptions(latency=latency, stamp_twice=random.random() < 0.5)


def _honest(random: Random, duration_ns: int) -> ServerPlan:
    """A server that is wrong by no more than it says, and often by exactly that much."""
    clock = _wandering(random, ClockPlan(0, random.choice([0.0, _rate(random)])))
    tick_ns, precision = random.choice([(1, -29), (1, -20), (MILLISECOND, -9), (2 << 15, -13)])
    root_delay, root_dispersion = (
        random.choice([0, round(10 ** random.uniform(0, 3.5))]) for _ in range(2)
    )
    age_s = random.randint(2 * DAY_S, 10 * DAY_S) if random.random() < 0.05 else 0
    fastest = max(abs(clock.rate_ppm), clock.wander_ppm)
    drift_ns = round(duration_ns * fastest / 1e6) + 2 if fastest else 0
    root_dispersion += -(-(drift_ns << 16) // SECOND)
    there, back = _paths(random)
    plan = ServerPlan(
        clock,
        there,
        back,
        root_delay=root_delay,
        root_dispersion=root_dispersion,
        precision=precision,
        age_s=age_s,
        interleaved=random.random() < 0.7,
        eager=random.random() < 0.7,
    )
    room_ns = plan.claim_ns - drift_ns
    lowest, highest = -room_ns, room_ns
    if not clock.wander_ppm and clock.rate_ppm:  # it moves one way only
        lowest -= drift_ns if clock.rate_ppm > 0 else 0
        highest += drift_ns if clock.rate_ppm < 0 else 0
    offset_ns = random.choice([lowest, highest, random.randint(lowest, highest)])
    placed = replace(clock, offset_ns=offset_ns, tick_ns=tick_ns, options=_options(random))
    return replace(plan, clock=placed)


def _liar(random: Random, kind: str, place: int, plan: ServerPlan) -> ServerPlan:
    """That server with a clock that is off by more than it says."""
    sign = random.choice([-1, 1])
    by_ns = sign * round(plan.claim_ns * 2 + 10 ** random.uniform(4, 10))
    loud = kind != "minority" or random.random() < 0.5
    if loud:
        by_ns = LOUD_NS * (3 if kind == "collusion" else sign * (place + 1))
    clock = replace(plan.clock, offset_ns=plan.clock.offset_ns + by_ns)
    return replace(plan, clock=clock, honest=False, loud=loud)


def _paths(random: Random) -> tuple[Link, Link]:
    style = random.choice(["lan", "wan", "one way", "other way", "tail", "cable"])
    delay_ns = round(10 ** random.uniform(3, 7.3))
    delays: dict[str, tuple[Delay, Delay]] = {
        "lan": (Exponential(20_000, 30_000), Exponential(20_000, 30_000)),
        "wan": (LogNormal(8_000_000, 2_000_000), LogNormal(3_000_000, 4_000_000)),
        "one way": (Constant(delay_ns), Constant(0)),
        "other way": (Constant(0), Constant(delay_ns)),
        "tail": (Pareto(500_000, 500_000, 1.1), Pareto(200_000, 900_000, 1.1)),
        "cable": (Constant(delay_ns), Constant(delay_ns)),
    }
    there, back = delays[style]
    if random.random() < 0.4:
        return Link(delay=there), Link(delay=back)
    return _bad(random, there), _bad(random, back)


def _bad(random: Random, delay: Delay) -> Link:
    return Link(
        delay=delay,
        loss=random.choice([0.0, random.uniform(0, 0.4)]),
        duplicate=random.choice([0.0, random.uniform(0, 0.3)]),
        reorder=random.choice([0.0, random.uniform(0, 0.3)]),
        reorder_by=Uniform(0, 300 * MILLISECOND),
    )


# Running


def play(scenario: Scenario) -> Played:
    """Run a scenario to its end, and conclude as the real driver does."""
    world = World(scenario.seed, codec=NtpCodec(), epoch_ns=scenario.epoch_ns, keep=60)
    survey = WatchedSurvey(scenario.settings, Random(f"cookies/{scenario.seed}"))
    survey.watch(world)
    _place(world, CLIENT, survey, scenario.client)
    responders = [_serve(world, place, plan) for place, plan in enumerate(scenario.servers)]
    _interfere(world, scenario)
    for place in range(len(scenario.servers)):
        world.call(
            CLIENT,
            lambda core, now, place=place: core.add(
                place, [address_of(place)], place * 50_000, now
            ),
            f"add {place}",
        )
    settled = world.run_until(
        lambda: len(world.told) == len(scenario.servers), scenario.settings.limit_ns + SECOND
    )
    assert all(isinstance(told.event, HostSettled) for told in world.told)
    world.call(CLIENT, lambda core, now: core.close(), "close")
    last = survey.last_answer
    measured_at_ns = last.time if last is not None else world.node(CLIENT).wall.read()
    asked = [
        Asked(address_of(place)[0], 123, survey.prober_of(place))
        for place in range(len(scenario.servers))
    ]
    measurement = conclude(asked, measured_at_ns, scenario.settings)
    truth_ns = None
    if last is not None:
        known = [truth for (_, time), truth in survey.truths.items() if time == measured_at_ns]
        truth_ns = known[-1].offset_ns
    return Played(scenario, survey, responders, measurement, survey.truths, truth_ns, settled)


def _serve(world: World, place: int, plan: ServerPlan) -> Responder:
    reference_time = world.epoch_ns - plan.age_s * SECOND if plan.age_s else None
    responder = Responder(
        Reference(
            stratum=2,
            precision=plan.precision,
            root_delay_ns=_short_ns(plan.root_delay),
            root_dispersion_ns=_short_ns(plan.root_dispersion),
            reference_time=reference_time,
        ),
        interleaved=plan.interleaved,
        eager=plan.eager,
    )
    assert plan.clock.tick_ns <= from_precision(plan.precision), "a tick beyond the precision"
    _place(world, address_of(place), responder, plan.clock)
    path = address_of(place)
    world.link_both(CLIENT, path, plan.there, plan.back)
    return responder


def _place(world: World, address: Address, core, plan: ClockPlan) -> None:
    node = world.add(
        address, core, offset_ns=plan.offset_ns, rate_ppm=plan.rate_ppm, options=plan.options
    )
    if plan.tick_ns > 1:
        node.wall = CoarseClock(node.wall, plan.tick_ns)
    if plan.wander_ppm:
        world.wander(address, 100 * MILLISECOND, plan.wander_ppm / 4, plan.wander_ppm)


def _interfere(world: World, scenario: Scenario) -> None:
    for step in scenario.steps:
        address = CLIENT if step.place is None else address_of(step.place)
        world.at(step.at_ns, lambda a=address, by=step.by_ns: world.step_wall(a, by))
    random = Random(f"forger/{scenario.seed}")
    for place in range(len(scenario.servers)):
        for _ in range(scenario.forgeries):
            at_ns = random.randrange(scenario.settings.limit_ns)
            for packet in forged(random, scenario.epoch_ns + at_ns):
                world.inject(CLIENT, address_of(place), packet.encode(), at_ns)
            world.inject(CLIENT, address_of(place), random.randbytes(random.randrange(90)), at_ns)
    if scenario.replays:
        _replay(world, random)


def forged(random: Random, time_ns: int) -> Iterable[NtpPacket]:
    """Answers by somebody who does not see the requests: with a wrong time, and kisses of death."""
    lie = from_unix_ns(time_ns + random.randint(-SECOND, SECOND))
    for origin in (0, random.getrandbits(64)):
        yield NtpPacket(
            mode=4,
            stratum=1,
            origin_timestamp=origin,
            receive_timestamp=lie,
            transmit_timestamp=lie,
        )
        yield NtpPacket(leap=3, mode=4, reference_id=KISS_DENY, origin_timestamp=origin)


def _replay(world: World, random: Random) -> None:
    def look(sender: object, to: object, data: bytes) -> bool:
        if to == CLIENT:
            world.inject(CLIENT, sender, data, random.randrange(3 * SECOND))
        return False

    world.intercept(look)
