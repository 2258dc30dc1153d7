"""Simulated worlds for the watch: drawn from a seed, run, and noted down with the truth.

:func:`draw` makes a :class:`Scenario`, plain data; :func:`play` runs it and keeps, for every report
and for looks at odd instants between them, what was said and what was so. What must hold of that is
the business of :mod:`tests.cluster.watch_properties`.

An honest server's clock is within its root distance of true time during the whole run; a liar's is
not. Paths lose, delay with heavy tails, and take longer one way. Clocks wander, those of servers
and our own are stepped, servers fall silent for a while.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from clocksync.measuring.settings import HostSpec
from clocksync.ntp.codec import NtpCodec
from clocksync.ntp.responder import Reference, Responder
from clocksync.runtime.mmsg import Address
from clocksync.runtime.simulation import (
    Constant,
    Exponential,
    Link,
    NodeOptions,
    Pareto,
    Uniform,
    World,
)
from clocksync.runtime.units import MICROSECOND, MILLISECOND, SECOND, scale_by_ppm
from clocksync.watching.core import Lost, Report, Watch
from clocksync.watching.rows import Target
from clocksync.watching.settings import Limits, WatchSettings
from clocksync.watching.ties import Tie

CLIENT: Address = ("10.0.0.1", 40_000)
DAY_S = 86_400
STYLES = ("lan", "asymmetric", "heavy", "one way")
LOUD_NS = 20 * SECOND


@dataclass(frozen=True, slots=True)
class ServerPlan:
    """One server: its clock, its claim, and the two ways of its path."""

    offset_ns: int
    rate_ppm: float
    wander_ppm: float
    dispersion_ns: int
    """What it claims: its root dispersion, a multiple of 2^-16 s."""
    there: Link
    back: Link
    honest: bool = True
    interleaved: bool = True


@dataclass(frozen=True, slots=True)
class Step:
    """A clock jumps: that of the server at `place`, or our own where it is None."""

    at_ns: int
    by_ns: int
    place: int | None


@dataclass(frozen=True, slots=True)
class Silence:
    """Nothing reaches the server at `place` between two instants."""

    from_ns: int
    to_ns: int
    place: int


@dataclass(frozen=True, slots=True)
class Scenario:
    """Everything about one run."""

    seed: int
    duration_ns: int
    interval_ns: int
    max_drift_ppm: float
    client_offset_ns: int
    client_rate_ppm: float
    client_wander_ppm: float
    servers: tuple[ServerPlan, ...]
    steps: tuple[Step, ...] = ()
    silences: tuple[Silence, ...] = ()
    latency: bool = False


@dataclass(slots=True)
class Noted:
    """What was said at one instant, and what was so. Offsets in ns, theirs minus ours."""

    now: int
    report: Report
    true_ns: int
    """True time minus our clock."""
    servers_ns: tuple[int, ...]
    """Each server's clock minus ours."""
    at_is_right: bool
    """Whether the report is as of the instant it was made."""
    is_report: bool


@dataclass(slots=True)
class Played:
    """A run that is over."""

    scenario: Scenario
    watch: Watch = field(init=False)
    noted: list[Noted] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)

    @property
    def reports(self) -> list[Noted]:
        return [noted for noted in self.noted if noted.is_report]


def address_of(place: int) -> Address:
    """Where the server at `place` lives."""
    return f"10.1.0.{place + 1}", 123


def short(ns: int) -> int:
    """The largest claim not above `ns` that the wire can carry."""
    return ((ns << 16) // SECOND * SECOND) >> 16


# Drawing


def draw(seed: int, duration_s: int | None = None) -> Scenario:
    """The scenario of a seed: minutes long, or as long as wanted."""
    random = Random(f"watch/{seed}")
    interval_ns = random.choice([SECOND // 4, SECOND, 2 * SECOND, 8 * SECOND])
    duration_ns = (duration_s or interval_ns * random.randint(40, 160) // SECOND + 1) * SECOND
    if duration_s:
        interval_ns = 64 * SECOND
    count = random.choice([1, 2, 3, 5, 5])
    edge = random.random() < 0.3
    # On the edge: clocks run apart by exactly what bounds allow for, claims are met exactly.
    max_drift = 100.0 if edge else random.choice([120.0, 200.0, 500.0])
    client_rate = random.choice([-50.0, 50.0]) if edge else random.uniform(-50, 50)
    servers = [_honest(random, duration_ns, edge, -client_rate) for _ in range(count)]
    liars = random.randint(0, (count - 1) // 2)
    for place in range(liars):
        servers[place] = _liar(random, servers[place])
    random.shuffle(servers)
    steps = []
    if random.random() < 0.4:
        at_ns = random.randrange(duration_ns // 4, duration_ns)
        steps.append(Step(at_ns, _size(random), None))
    for place, server in enumerate(servers):
        if not server.honest and random.random() < 0.5:
            at_ns = random.randrange(duration_ns // 4, duration_ns)
            steps.append(Step(at_ns, _size(random), place))
    silences = []
    if random.random() < 0.4:
        place = random.randrange(count)
        begin = random.randrange(duration_ns // 4, duration_ns)
        end = begin + interval_ns * random.randint(2, 30)
        silences.append(Silence(begin, end, place))
    return Scenario(
        seed=seed,
        duration_ns=duration_ns,
        interval_ns=interval_ns,
        max_drift_ppm=max_drift,
        client_offset_ns=random.choice([-1, 1]) * round(10 ** random.uniform(0, 11)),
        client_rate_ppm=client_rate,
        client_wander_ppm=0.0 if edge else random.choice([0.0, 50.0]),
        servers=tuple(servers),
        steps=tuple(steps),
        silences=tuple(silences),
        latency=random.random() < 0.3,
    )


def _size(random: Random) -> int:
    return random.choice([-1, 1]) * round(10 ** random.uniform(4, 10))


def _honest(random: Random, duration_ns: int, edge: bool, against_ppm: float) -> ServerPlan:
    rate = against_ppm if edge and random.random() < 0.5 else random.choice([0.0, 0.0, 1.0])
    wander = 0.0 if edge else random.choice([0.0, 2.0])
    fastest = max(abs(rate), wander)
    drift_ns = 2 * scale_by_ppm(duration_ns, fastest) + 1000 if fastest else 0
    dispersion_ns = short(drift_ns + random.choice([40_000, 100_000, 1_000_000]))
    room_ns = dispersion_ns - drift_ns
    there, back = _paths(random)
    return ServerPlan(
        offset_ns=random.choice([-room_ns, room_ns, random.randint(-room_ns, room_ns)]),
        rate_ppm=rate,
        wander_ppm=wander,
        dispersion_ns=dispersion_ns,
        there=there,
        back=back,
        interleaved=random.random() < 0.8,
    )


def _liar(random: Random, plan: ServerPlan) -> ServerPlan:
    by_ns = random.choice([-1, 1]) * random.choice(
        [LOUD_NS, round(2 * plan.dispersion_ns + 10 ** random.uniform(5, 9))]
    )
    return ServerPlan(
        plan.offset_ns + by_ns, plan.rate_ppm, plan.wander_ppm, plan.dispersion_ns,
        plan.there, plan.back, honest=False, interleaved=plan.interleaved,
    )  # fmt: skip


def _paths(random: Random) -> tuple[Link, Link]:
    match random.choice(STYLES):
        case "lan":
            delays = (Exponential(15_000, 5_000), Exponential(15_000, 5_000))
        case "asymmetric":  # 1 ms, 20 % longer one way than the other, tails
            delays = (Pareto(1_100_000, 60_000, 1.5), Pareto(900_000, 60_000, 1.5))
        case "heavy":
            delays = (Pareto(400_000, 400_000, 1.1), Pareto(300_000, 500_000, 1.1))
        case _:
            delays = (Constant(2 * MILLISECOND), Constant(0))
    loss = random.choice([0.0, 0.0, 0.1])
    there, back = (
        Link(
            delay=delay, loss=loss, duplicate=loss / 2, reorder=loss, reorder_by=Uniform(0, SECOND)
        )
        for delay in (delays if random.random() < 0.5 else delays[::-1])
    )
    return there, back


# By hand: worlds in which the truth lies on the very edge of what is said

EDGE_NS = 45_776  # 3 / 2^16 s, rounded down: a server that claims it may be wrong by this
AT_ONCE = Link(delay=Constant(0))


def edges() -> list[Scenario]:
    """Clocks that come apart by just what is allowed for (50 ppm against one that runs 50 ppm slow
    are 50.0025), servers wrong by exactly what they
    claim on paths without delay; a silence, a step of ours, one of theirs, a liar that dies."""
    claims = {"wander_ppm": 0.0, "dispersion_ns": EDGE_NS, "there": AT_ONCE, "back": AT_ONCE}
    lowest, highest = (ServerPlan(by, 0.0, **claims) for by in (-EDGE_NS, EDGE_NS))
    liar = ServerPlan(LOUD_NS, 0.0, honest=False, **claims)
    jumper = ServerPlan(0, 0.0, honest=False, **claims)
    common = {
        "seed": 1, "duration_ns": 40 * SECOND, "interval_ns": SECOND, "max_drift_ppm": 50.01,
        "client_offset_ns": 0, "client_wander_ppm": 0.0,
    }  # fmt: skip
    silences = tuple(Silence(10 * SECOND, 25 * SECOND, place) for place in range(3))
    pair = (lowest, highest)
    found = []
    for rate in (-50.0, 50.0):
        here = {**common, "client_rate_ppm": rate}
        found.append(Scenario(servers=(*pair, liar), silences=silences, **here))
        for by_ns in (-SECOND, 3 * MILLISECOND):
            ours = Step(20 * SECOND + 77, by_ns, None)
            found.append(Scenario(servers=pair, steps=(ours,), **here))
            theirs = Step(20 * SECOND + 77, by_ns, 0)
            found.append(Scenario(servers=(jumper, *pair), steps=(theirs,), **here))
    return found


# Running


def play(scenario: Scenario, limits: Limits | None = None) -> Played:
    """Run a scenario to its end."""
    world = World(scenario.seed, codec=NtpCodec(), keep=60)
    settings = WatchSettings(
        interval_ns=scenario.interval_ns,
        timeout_ns=min(SECOND, 4 * scenario.interval_ns),
        max_drift_ppm=scenario.max_drift_ppm,
        limits=limits or Limits(),
    )
    random = Random(f"cookies/{scenario.seed}")
    targets = [
        Target(f"s{place}", HostSpec(*(address_of(place)[0],) * 2, 123))
        for place in range(len(scenario.servers))
    ]
    watches: list[Watch] = []
    played = Played(scenario)

    def boot(given) -> Watch:
        watch = Watch(
            targets, settings, random, lambda: Tie(given.wall.read(), given.monotonic.read())
        )
        watches.append(watch)
        return watch

    for place, plan in enumerate(scenario.servers):
        _serve(world, place, plan)
    options = NodeOptions(latency=Uniform(0, 20 * MICROSECOND) if scenario.latency else None)
    world.add(
        CLIENT,
        boot,
        application=lambda _, event: _note(world, played, event),
        offset_ns=scenario.client_offset_ns,
        rate_ppm=scenario.client_rate_ppm,
        options=options,
    )
    if scenario.client_wander_ppm:
        world.wander(CLIENT, 10 * SECOND, 2.0, scenario.client_wander_ppm)
    for place, plan in enumerate(scenario.servers):
        world.link_both(CLIENT, address_of(place), plan.there, plan.back)
    _interfere(world, scenario)
    for place in range(len(scenario.servers)):
        world.call(CLIENT, _resolved(place), f"resolved {place}")
    (watch,) = watches
    played.watch = watch
    _look_between(world, played, scenario)
    world.run(scenario.duration_ns)
    return played


def _resolved(place: int) -> Callable[[Watch, int], list]:
    return lambda core, now: core.resolved(place, [address_of(place)], now)


def _serve(world: World, place: int, plan: ServerPlan) -> None:
    reference = Reference(stratum=2, precision=-29, root_dispersion_ns=plan.dispersion_ns)
    responder = Responder(reference, interleaved=plan.interleaved, eager=plan.interleaved)
    address = address_of(place)
    world.add(address, responder, offset_ns=plan.offset_ns, rate_ppm=plan.rate_ppm)
    if plan.wander_ppm:
        world.wander(address, 10 * SECOND, plan.wander_ppm / 4, plan.wander_ppm)


def _interfere(world: World, scenario: Scenario) -> None:
    for step in scenario.steps:
        address = CLIENT if step.place is None else address_of(step.place)
        world.at(step.at_ns, lambda a=address, by=step.by_ns: world.step_wall(a, by))
    for silence in scenario.silences:
        address = address_of(silence.place)

        def begin(address=address, silence=silence) -> None:
            token = world.cut(CLIENT, address)
            world.at(silence.to_ns, lambda: world.calm(token))

        world.at(silence.from_ns, begin)


def _look_between(world: World, played: Played, scenario: Scenario) -> None:
    """At odd instants, among them right after each step: what a live view or a scrape shows."""
    random = Random(f"looks/{scenario.seed}")
    instants = [random.randrange(scenario.duration_ns) for _ in range(60)]
    instants += [step.at_ns + 1 for step in scenario.steps]

    def look() -> None:
        _keep(world, played, played.watch.look(), is_report=False)

    for at_ns in instants:
        if at_ns < scenario.duration_ns:
            world.at(at_ns, look)


def _note(world: World, played: Played, event: object) -> None:
    if isinstance(event, Report):
        _keep(world, played, event, is_report=True)
    elif isinstance(event, Lost):
        played.lost.append(event.host)


def _keep(world: World, played: Played, report: Report, is_report: bool) -> None:
    ours = world.node(CLIENT).wall.read()
    servers = tuple(
        world.node(address_of(place)).wall.read() - ours
        for place in range(len(played.scenario.servers))
    )
    true_ns = world.true_wall_time - ours
    played.noted.append(Noted(world.now, report, true_ns, servers, report.at_ns == ours, is_report))
