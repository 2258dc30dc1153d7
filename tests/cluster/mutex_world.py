"""Groups that compete for one resource, in simulation: scenarios drawn from a seed, and played.

What happened is kept from outside, by what cores told and what their applications did; the checks
(:mod:`tests.cluster.mutex_properties`) see only that.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random
from typing import Any

from clocksync.runtime.envelope import Envelope
from clocksync.runtime.simulation import (
    Constant,
    Exponential,
    Link,
    Pareto,
    Uniform,
    World,
    inflict,
    random_faults,
)
from clocksync.runtime.units import MILLISECOND, SECOND
from ordering.links import Segment
from ordering.mutex.algorithms import ALGORITHMS
from ordering.mutex.changes import Left
from ordering.mutex.contract import Granted, Lost, State
from ordering.mutex.epochs import EpochMutex
from ordering.mutex.frames import MutexCodec
from ordering.mutex.leases import EpochConfig
from ordering.mutex.linked import LinkedMutex

EPOCHS = EpochConfig(heartbeat_ns=10 * MILLISECOND, lease_ns=80 * MILLISECOND, drift_ppm=500)
HASTY = EpochConfig(heartbeat_ns=6 * MILLISECOND, lease_ns=30 * MILLISECOND, drift_ppm=500)
"""So short that epochs come and go in a storm."""
STORM_NS = 600 * MILLISECOND
BUSY_NS = 600 * MILLISECOND
LIMIT_NS = 60 * SECOND
DELAYS = (
    Constant(MILLISECOND),
    Uniform(10_000, 3 * MILLISECOND),
    Exponential(50_000, MILLISECOND),
    Pareto(100_000, 200_000, 1.5),
)


@dataclass(frozen=True)
class Trouble:
    """Something that befalls a member at a time, for a while."""

    kind: str
    at_ns: int
    member: int
    lasts_ns: int = 0


@dataclass(frozen=True)
class Scenario:
    """What one seed makes happen."""

    seed: int
    algorithm: str
    members: int
    epochs: bool
    rounds: int
    troubles: tuple[Trouble, ...] = ()
    cancels: float = 0.1
    hold_ns_max: int = 5 * MILLISECOND
    think_ns_max: int = 20 * MILLISECOND

    def __str__(self) -> str:
        mode = "with epochs" if self.epochs else "bare"
        return f"{self.algorithm} of {self.members}, {mode}, {self.troubles}"


@dataclass
class Entry:
    """One time somebody was inside. `until_ns` is None if the run ended first."""

    member: Hashable
    token: int
    from_ns: int
    until_ns: int | None = None
    how: str = ""


@dataclass
class Played:
    """A run from outside."""

    scenario: Scenario
    world: World
    entries: list[Entry] = field(default_factory=list)
    inside: dict[Hashable, Entry] = field(default_factory=dict)
    wanting: dict[Hashable, int] = field(default_factory=dict)
    """Who wants in, and since when."""
    done: dict[Hashable, int] = field(default_factory=dict)
    """How many rounds each member has finished."""
    gone: set[Hashable] = field(default_factory=set)
    """Who crashed or left: nothing is expected of them."""
    overlaps: list[str] = field(default_factory=list)
    bounded: bool = True
    """Whether every delay is far below a lease, but for those of cuts."""

    def enters(self, member: Hashable, token: int) -> None:
        entry = Entry(member, token, self.world.now)
        if self.inside:
            self.overlaps.append(f"{member} enters while {list(self.inside)} inside")
        self.entries.append(entry)
        self.inside[member] = entry
        self.wanting.pop(member, None)

    def is_out(self, member: Hashable, how: str) -> None:
        entry = self.inside.pop(member, None)
        if entry is not None:
            entry.until_ns, entry.how = self.world.now, how


class User:
    """The application of one member: thinks, asks, is inside, leaves; sometimes gives up."""

    def __init__(self, played: Played, member: Hashable) -> None:
        self.played, self.member = played, member
        self.world = played.world
        self.random = Random(f"{played.scenario.seed}/user {member}")
        self.left = played.scenario.rounds
        self.request = 0
        played.done[member] = 0

    def hear(self, address: Hashable, event: object) -> None:
        match event:
            case Granted(token):
                self.played.enters(address, token)
                hold_ns = self.random.randrange(self.played.scenario.hold_ns_max)
                self.world.after(hold_ns, partial(self.finish, self.request))
            case Lost():
                self.played.is_out(address, "lost")
                self.request += 1
                self.think()
            case Left():
                self.played.gone.add(address)

    def think(self) -> None:
        if self.left > 0:
            self.world.after(self.random.randrange(self.played.scenario.think_ns_max), self.ask)

    def call(self, verb: str) -> bool:
        return self.world.call(self.member, lambda core, now: getattr(core, verb)(now), verb)

    def ask(self) -> None:
        if self.member in self.played.gone:
            return
        core: Any = self.world.node(self.member).core
        if core.state is not State.IDLE:
            return
        self.request += 1
        self.played.wanting[self.member] = self.world.now
        if not self.call("acquire"):
            self.later(self.ask)
        elif self.random.random() < self.played.scenario.cancels:
            self.world.after(
                self.random.randrange(5 * MILLISECOND), partial(self.give_up, self.request)
            )

    def give_up(self, request: int) -> None:
        core: Any = self.world.node(self.member).core
        wanted = core.state is State.WANTED and request == self.request
        if wanted and self.member not in self.played.gone and self.call("cancel"):
            self.played.wanting.pop(self.member, None)
            self.think()

    def finish(self, request: int) -> None:
        if request != self.request or self.member in self.played.gone:
            return
        if not self.world.call(self.member, self.step_out, "release"):
            self.later(partial(self.finish, request))

    def step_out(self, core: Any, now: int) -> Any:
        if core.state is not State.HELD or self.member not in self.played.inside:
            return []
        self.played.is_out(self.member, "released")
        self.left -= 1
        self.played.done[self.member] += 1
        self.think()
        return core.release(now)

    def later(self, what: Callable[[], None]) -> None:
        """We are paused: as the process is, so is what it was about to do."""
        if self.member not in self.played.gone:
            self.world.after(MILLISECOND, what)


def draw(seed: int, algorithm: str = "", epochs: bool | None = None) -> Scenario:
    """The scenario of a seed. Bare algorithms get delays and pauses; with epochs members crash,
    are cut off, come and go, and nobody is paused: that would break the promise of the clocks."""
    random = Random(f"{seed}/mutex")
    algorithm = algorithm or sorted(ALGORITHMS)[seed % len(ALGORITHMS)]
    members = random.choice((1, 2, 3, 3, 4, 5, 5, 7))
    drawn = random.random() < 0.5
    epochs = drawn if epochs is None else epochs
    scenario = Scenario(
        seed,
        algorithm,
        members,
        epochs,
        rounds=random.randint(1, 4),
        think_ns_max=random.choice((1, 5, 40, 200)) * MILLISECOND,
        hold_ns_max=random.choice((1, 5, 5, 250)) * MILLISECOND,
    )
    kinds = ("crash", "cut", "leave", "join") if epochs else ("pause",)
    troubles = [
        _trouble(random, random.choice(kinds), members) for _ in range(random.randint(0, 3))
    ]
    return replace(scenario, troubles=_survivable(troubles, members))


def _trouble(random: Random, kind: str, members: int) -> Trouble:
    at_ns = random.randrange(BUSY_NS)
    lasts_ns = random.randrange(MILLISECOND, 50 * MILLISECOND)
    if (
        kind == "cut"
    ):  # long enough for the others to notice: frames of an epoch that goes on arrive
        lasts_ns = 2 * SECOND
    return Trouble(kind, at_ns, random.randint(1, members), lasts_ns)


def _survivable(troubles: list[Trouble], members: int) -> tuple[Trouble, ...]:
    """At most a minority of the first members is ever harmed, so that the rest can go on."""
    harmed: set[int] = set()
    kept = []
    for trouble in troubles:
        if trouble.kind in ("crash", "cut", "leave"):
            if trouble.member in harmed or 2 * (len(harmed) + 1) >= members:
                continue
            harmed.add(trouble.member)
        kept.append(trouble)
    return tuple(kept)


def play(scenario: Scenario, limit_ns: int = LIMIT_NS) -> Played:
    """Play a scenario to its end."""
    random = Random(f"{scenario.seed}/world")
    delays = [random.choice(DELAYS)]
    link = Link(delay=delays[0], in_order=True)
    world = World(scenario.seed, codec=MutexCodec(), link=link, keep=60)
    members = list(range(1, scenario.members + 1))
    for one in members:
        for other in members:
            if one != other and random.random() < 0.3:  # links differ, so news overtakes news
                delays.append(random.choice(DELAYS))
                world.link(one, other, Link(delay=delays[-1], in_order=True))
    played = Played(scenario, world)
    played.bounded = not any(isinstance(delay, Pareto) for delay in delays)
    users = {member: add(played, member, members) for member in members}
    for user in users.values():
        world.after(1, user.think)
    newcomers = 0
    for trouble in scenario.troubles:
        if trouble.kind == "join":
            newcomers += 1
            number = scenario.members + newcomers
            world.at(trouble.at_ns, partial(_join, played, number, members))
        else:
            world.at(trouble.at_ns, partial(_befall, played, trouble))
    world.run(BUSY_NS)
    world.run_until(lambda: _is_over(played), limit_ns)
    return played


def add(played: Played, member: int, members: list[int], joins: bool = False) -> User:
    """A member with its user."""
    scenario, user = played.scenario, User(played, member)
    algorithm = ALGORITHMS[scenario.algorithm]

    def program(boot: Any) -> Any:
        if scenario.epochs:
            return EpochMutex(
                member, members, algorithm, random=boot.random, config=EPOCHS, joins=joins
            )
        return algorithm(member, members, generation=0, random=boot.random)

    rate = Random(f"{scenario.seed}/rate {member}").uniform(-EPOCHS.drift_ppm, EPOCHS.drift_ppm)
    played.world.add(member, program, application=user.hear, rate_ppm=rate)
    return user


def _join(played: Played, number: int, members: list[int]) -> None:
    add(played, number, members, joins=True).think()


def _befall(played: Played, trouble: Trouble) -> None:
    world, member = played.world, trouble.member
    match trouble.kind:
        case "crash":
            world.crash(member)
            played.gone.add(member)
            played.wanting.pop(member, None)
            played.is_out(member, "died")
        case "pause":
            world.pause(member)
            world.after(trouble.lasts_ns, lambda: world.resume(member))
        case "cut":
            world.partition([member])
            world.after(trouble.lasts_ns, world.heal)
        case "leave":
            core: Any = world.node(member).core
            if core.state is State.IDLE and core.inner is not None:
                played.gone.add(member)  # it asks for nothing any more
                played.wanting.pop(member, None)
                world.call(member, lambda core, now: core.leave(now), "leave")
            elif not _is_over(played):
                world.after(MILLISECOND, partial(_befall, played, trouble))


def storm(seed: int) -> Played:
    """A group over links, with epochs, in any partitions, delays and crashes at once, whole and
    half ones, of whomever; nothing is promised but that no two are inside, and tokens grow."""
    random = Random(f"{seed}/storm")
    members = list(range(1, random.choice((2, 3, 3, 4, 5)) + 1))
    algorithm = sorted(ALGORITHMS)[seed % len(ALGORITHMS)]
    scenario = Scenario(
        seed,
        algorithm,
        len(members),
        epochs=True,
        rounds=1000,
        think_ns_max=60 * MILLISECOND,
        hold_ns_max=random.choice((5, 50, 300)) * MILLISECOND,
    )
    link = Link(delay=Uniform(50_000, 2 * MILLISECOND), loss=0.02, duplicate=0.02)
    world = World(seed, codec=Envelope((Segment,), 7, 0), link=link, keep=60)
    played = Played(scenario, world, bounded=False)

    def program(boot: Any) -> LinkedMutex:
        me, make = boot.address, ALGORITHMS[algorithm]
        core = EpochMutex(me, members, make, random=boot.random, config=HASTY)
        others = [member for member in members if member != me]
        return LinkedMutex(core, others, boot.random.getrandbits(60) | 1)

    for member in members:
        user = User(played, member)
        rate = random.uniform(-EPOCHS.drift_ppm, EPOCHS.drift_ppm)
        world.add(member, program, application=user.hear, rate_ppm=rate)
        world.after(1, user.think)
    kinds: list[Any] = ["partition", "asymmetric", "delay", "loss"]
    inflict(world, random_faults(random, members, STORM_NS, kinds, count=5))
    for _ in range(10):  # single paths, one way: so that members disagree about who is there
        one, other = random.sample(members, 2)
        lasts_ns = random.randrange(10, 200) * MILLISECOND
        world.at(random.randrange(STORM_NS), partial(_cut, world, one, other, lasts_ns))
    if random.random() < 0.4:
        victim = random.choice(members)
        crash = Trouble("crash", random.randrange(STORM_NS), victim)
        world.at(crash.at_ns, partial(_befall, played, crash))
    world.run(STORM_NS + 200 * MILLISECOND)
    return played


def _cut(world: World, one: int, other: int, lasts_ns: int) -> None:
    token = world.cut(one, other)
    world.after(lasts_ns, lambda: world.calm(token))


def _is_over(played: Played) -> bool:
    rounds = played.scenario.rounds
    over = all(count == rounds or member in played.gone for member, count in played.done.items())
    return over and not played.inside
