"""Worlds in which hosts keep their clocks together, and a checker that knows the true time.

The checker reads each host's steered clock and its claim, and holds them against the truth: the
settled clock of the daemon whose term the host obeys. It knows nothing of rounds and orders.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from random import Random

from clocksync.berkeley import BerkeleyHost, BerkeleySettings, Role, RoundDone
from clocksync.berkeley.frames import Answer, Join, Order, Poll
from clocksync.runtime.core import Send
from clocksync.runtime.simulation import (
    Disturbance,
    Link,
    NodeOptions,
    Pareto,
    Uniform,
    World,
)
from clocksync.runtime.units import MILLISECOND, SECOND

DRIFT_PPM = 50.0
CLAIMED_DRIFT_PPM = 200.0
I64 = (1 << 63) - 1
LIES = ("huge", "subtle", "changing", "extreme", "late", "orders", "polls", "held")
STEPS_S = (0.05, 1, 40, -0.001, -0.05, -0.3, -0.95, -1.5, -40)
KINDS = ("calm", "steps", "takeover", "returns", "partition", "restart", "lossy", "leaving")


@dataclass(frozen=True)
class Scenario:
    """One run: who takes part, what goes wrong."""

    seed: int
    kind: str
    hosts: int = 5
    liars: tuple[tuple[int, str], ...] = ()
    interval_ns: int = SECOND
    duration_ns: int = 90 * SECOND
    spread_ns: int = 2 * SECOND
    look_ns: int = 97 * MILLISECOND


def draw(seed: int) -> Scenario:
    """The scenario of a seed."""
    random = Random(f"berkeley/{seed}")
    hosts = random.choice([3, 4, 5, 5, 5, 7])
    # Where the daemon may die, what is left must still outvote the liars.
    most = (hosts - 2) // 2
    who = random.sample(range(2, hosts + 1), random.randint(0, most))
    kind = random.choice(KINDS)
    return Scenario(
        seed,
        kind,
        hosts,
        tuple((number, random.choice(LIES)) for number in who),
        random.choice([SECOND // 4, SECOND, 2 * SECOND]),
        random.choice([40, 60, 90]) * SECOND,
        random.choice([0, MILLISECOND, SECOND, 3 * SECOND]),
    )


class Liar(BerkeleyHost):
    """Has the key, and does one kind of harm."""

    lie = "huge"

    def __init__(self, settings, boot, rng):
        super().__init__(settings, boot)
        self.rng, self.held, self.orders_seen = rng, [], 0

    def on_frame(self, arrival, now):
        if self.lie == "subtle" and isinstance(arrival.frame, Order) and not arrival.frame.over:
            return []  # it stays where it is, a little ahead, and pulls
        effects = super().on_frame(arrival, now)
        told = [self._twisted(e) if isinstance(e, Send) else e for e in effects]
        if self.lie == "late":
            now_due, self.held = self.held, [e for e in told if isinstance(e, Send)]
            told = now_due + [e for e in told if not isinstance(e, Send)]
        if self.lie in ("orders", "polls") and isinstance(arrival.frame, Poll):
            told += self._forged(arrival.frame, arrival.sender)
        return told

    def _twisted(self, send):
        if not isinstance(send.frame, Answer):
            return send
        frame, rng = send.frame, self.rng
        match self.lie:
            case "huge":
                frame = replace(frame, difference=frame.difference + 3600 * SECOND)
            case "subtle":
                frame = replace(frame, difference=frame.difference + 4 * MILLISECOND)
            case "changing":
                by = rng.randint(-(10 ** rng.randint(4, 11)), 10**9)
                frame = replace(frame, difference=frame.difference + by, total=by)
            case "extreme":
                worst = rng.choice([I64, -I64 - 1])
                frame = replace(
                    frame, difference=worst, earlier_held=I64, total=worst, pending=worst,
                    bound=rng.choice([0, (1 << 64) - 1]),
                )  # fmt: skip
            case "held":
                frame = replace(frame, earlier_held=rng.randint(0, 2 * MILLISECOND), bound=0)
        return replace(send, frame=frame)

    def _forged(self, poll, daemon):
        others = sorted(n for n in self.me.roster if n != self.me.id)
        if not others:
            return []
        to = self.rng.choice(others)
        if self.lie == "polls":
            stale = replace(poll, boot=poll.boot ^ 1, time=self.rng.choice([I64, -I64 - 1, 0]))
            return [Send(to, stale), Send(to, replace(poll, term=0, number=poll.number ^ 7))]
        order = Order(
            poll.term, poll.round, self.rng.getrandbits(32), self.rng.getrandbits(1), 0,
            self.rng.choice([I64, -I64, SECOND]), 2**31 - 1, 0, 0, self.rng.getrandbits(64),
        )  # fmt: skip
        join = Join(self.rng.choice([*others, 0, 65_535]), 1, 1, 0, 0, b"nowhere:x")
        return [
            Send(to, order),
            Send(daemon, join) if join.member in (0, 65_535) else Send(to, order),
        ]


@dataclass
class Seen:
    """What the checker remembers of one host."""

    shown: int | None = None
    broken_since: int | None = None
    orders: int = -1
    worst_share: float = 0.0


@dataclass
class Played:
    """A run that is over."""

    scenario: Scenario
    world: World
    counts: Counter = field(default_factory=Counter)
    worst_error_ns: int = 0
    """Of the clocks that had nothing to slew, from their group's time."""
    worst_bound_ns: int = 0


class Group:
    """The hosts of a scenario in a world, and the checker beside them."""

    def __init__(self, scenario: Scenario, host_class=BerkeleyHost, **settings) -> None:
        self.scenario, self.host_class, self.settings = scenario, host_class, settings
        self.random = Random(f"berkeley run/{scenario.seed}")
        there, back = Pareto(MILLISECOND, 100_000, 1.5), Pareto(1_200_000, 100_000, 1.5)
        if scenario.interval_ns < SECOND:  # a network near enough for such a pace
            there, back = Pareto(50_000, 10_000, 1.5), Pareto(60_000, 10_000, 1.5)
        self.world = World(seed=scenario.seed, keep=200)
        self.liars = dict(scenario.liars)
        self.honest = [n for n in self.numbers if n not in self.liars]
        self.seen = {n: Seen() for n in self.numbers}
        self.reigns = {}
        self.paces = {}
        self.played = Played(scenario, self.world)
        for number in self.numbers:
            self._add(number)
        for one in self.numbers:
            for other in range(one + 1, scenario.hosts + 1):
                self.world.link_both(one, other, Link(delay=there), Link(delay=back))
        if scenario.kind == "lossy":
            pairs = [(a, b) for a in self.numbers for b in self.numbers if a != b]
            trouble = Disturbance(
                loss=0.2, duplicate=0.1, reorder=0.2, reorder_by=Uniform(0, 300 * MILLISECOND)
            )
            self.world.disturb(pairs, trouble)
        self._look_again()

    @property
    def numbers(self):
        return list(range(1, self.scenario.hosts + 1))

    def _add(self, number: int) -> None:
        scenario, random = self.scenario, self.random
        settings = BerkeleySettings(
            id=number,
            contact=None if number == 1 else 1,
            interval_ns=scenario.interval_ns,
            max_drift_ppm=CLAIMED_DRIFT_PPM,
            gather_ns=SECOND,
            **self.settings,
        )

        def boot(given):
            start = given.random.getrandbits(32) | 1
            if number in self.liars:
                liar = Liar(settings, start, given.random)
                liar.lie = self.liars[number]
                return liar
            return self.host_class(settings, start)

        self.world.add(
            number,
            boot,
            offset_ns=random.randint(-scenario.spread_ns, scenario.spread_ns),
            rate_ppm=random.uniform(-DRIFT_PPM, DRIFT_PPM),
            options=NodeOptions(stamp_twice=random.random() < 0.5, stamp_loss=0.02),
        )
        self.world.wander(number, 7 * SECOND, 5.0, DRIFT_PPM)

    # The checker

    def _look_again(self) -> None:
        self._look()
        self.world.after(self.scenario.look_ns, self._look_again)

    def core(self, number):
        node = self.world.node(number)
        return node.core if node.started else None

    def _look(self) -> None:
        shown = {}
        for number in self.numbers:
            core = self.core(number)
            if core is None:
                continue
            reign = core.me.reign
            if core.role is Role.DAEMON:
                self.reigns[reign] = core, self.world.node(number)
                self._judge_pace(number, core, reign)
        for number in self.honest:
            core, node, seen = self.core(number), self.world.node(number), self.seen[number]
            if core is None or node.condition.name == "DOWN":
                seen.shown = None
                continue
            own = node.wall.read()
            reading, status = core.read(own), core.status(own)
            if self._is_broken(number, core):
                seen.shown = None
                continue
            if seen.shown is not None:
                assert reading >= seen.shown, f"the clock of host {number} went back"
            seen.shown = reading
            if status.bound is None:
                self.played.counts["looks without a claim"] += 1
                continue
            self._judge(number, reading, status, status.group)
            shown[number] = reading, status.bound, status.group
        self._judge_pairs(shown)

    def _judge(self, number, reading, status, reign) -> None:
        daemon = self.reigns.get(reign)
        if daemon is None or self._is_broken(reign.daemon, daemon[0]) or reign.daemon in self.liars:
            return
        core, node = daemon
        if core.me.reign != reign:  # it went on to other things: that group's time is no more
            return
        error = abs(reading - core.me.clock.settled(node.wall.read()))
        assert error <= status.bound, (
            f"host {number} is {error} ns from its group's time and says {status.bound}"
            f" (term {status.term}, daemon {status.daemon}, round {status.round})"
        )
        self.played.counts["looks inside the bound"] += 1
        if not status.pending:
            self.played.worst_error_ns = max(error, self.played.worst_error_ns)
            self.played.worst_bound_ns = max(status.bound, self.played.worst_bound_ns)

    def _judge_pace(self, number, core, reign) -> None:
        """Whatever is answered, the group's time moves by no more than clocks can drift."""
        settled = core.me.clock.settled(self.world.node(number).wall.read())
        now, (then, before) = self.world.now, self.paces.get(reign, (None, None))
        is_steady = core.daemon.round > 2 and not self._is_broken(number, core)
        self.paces[reign] = (now, settled) if is_steady else (None, None)
        if then is None or not is_steady or number in self.liars:
            return
        if self.scenario.kind != "steps":
            ahead = settled - self.world.true_wall_time
            assert abs(ahead) < 12 * SECOND, f"the group of host {number} is {ahead} ns off"
        moved = abs((settled - before) - (now - then))
        most = (now - then + 2 * self.scenario.interval_ns) * (DRIFT_PPM + CLAIMED_DRIFT_PPM) / 1e6
        assert moved <= most, f"the time of the group of host {number} moved by {moved} ns"

    def _judge_pairs(self, shown) -> None:
        for one, (reading, bound, reign) in shown.items():
            for other, (theirs, their_bound, their_reign) in shown.items():
                if one < other and reign == their_reign and reign.daemon not in self.liars:
                    apart = abs(reading - theirs)
                    assert apart <= bound + their_bound, (
                        f"hosts {one} and {other} are {apart} ns apart and say"
                        f" {bound} + {their_bound}"
                    )

    def _is_broken(self, number, core) -> bool:
        """A clock that was set is a broken one until it has been told to adjust since."""
        seen = self.seen.get(number)
        if seen is None or seen.broken_since is None:
            return False
        done = self._rounds_of(core)
        if seen.orders < 0:
            seen.orders = done
        if done > seen.orders + 1:
            seen.broken_since, seen.orders, seen.shown = None, -1, None
            return False
        return True

    def _rounds_of(self, core) -> int:
        return core.member.orders + (core.daemon.round if core.daemon is not None else 0)

    # What goes wrong

    def step(self, number: int, by_ns: int) -> None:
        self.seen[number].broken_since, self.seen[number].orders = self.world.now, -1
        self._is_broken(number, self.core(number))
        self.world.step_wall(number, by_ns)
        self.played.counts["steps"] += 1

    def crash(self, number: int) -> None:
        self._forget_step(number)
        self.world.crash(number)

    def restart(self, number: int) -> None:
        self._forget_step(number)
        self.world.restart(number)

    def _forget_step(self, number: int) -> None:
        self.seen[number] = Seen()

    def alive(self):
        return [n for n in self.numbers if self.world.node(n).condition.name == "UP"]

    def takeover_ns(self, dead: int) -> int:
        """What is stated: three intervals of silence, half a one for each dead host below the
        successor, a round; timers run on clocks that are fast or slow."""
        interval = self.scenario.interval_ns
        waits = 3 * interval + dead * max(interval // 2, 200 * MILLISECOND)
        return round((waits + interval) * 1.001) + SECOND

    def reigning(self):
        """The daemons among hosts that are up and honest."""
        return [n for n in self.alive() if n in self.honest and self.core(n).role is Role.DAEMON]

    def assert_follows(self, number: int) -> None:
        """All honest hosts that are up obey that one."""
        assert self.reigning() == [number], f"daemons: {self.reigning()}, not {number}"
        obeyed = {n: self.core(n).me.reign.daemon for n in self.alive() if n in self.honest}
        assert set(obeyed.values()) == {number}, f"who obeys whom: {obeyed}"


def play(scenario: Scenario, host_class=BerkeleyHost, **settings) -> Played:
    """Run a scenario under the checker.

    Raises:
        AssertionError: a promise was broken; it names the seed.
    """
    group = Group(scenario, host_class, **settings)
    try:
        _inflict(group)
        _final(group)
    except AssertionError as error:
        lines = "\n".join(list(group.world.transcript.lines())[-40:])
        raise AssertionError(f"seed {scenario.seed} ({scenario.kind}): {error}\n{lines}") from error
    group.played.counts[scenario.kind] += 1
    group.played.counts["rounds"] += sum(
        isinstance(told.event, RoundDone) for told in group.world.told
    )
    return group.played


def _inflict(group: Group) -> None:
    scenario, world, random = group.scenario, group.world, group.random
    third = scenario.duration_ns // 3
    world.run(third)
    match scenario.kind:
        case "steps":
            for _ in range(3):
                by = round(random.choice(STEPS_S) * SECOND)
                group.step(random.choice(group.honest), by)
                world.run_for(10 * scenario.interval_ns)
        case "takeover" | "returns":
            group.crash(1)
            lowest = min(group.alive())
            if lowest in group.honest:
                world.run_for(group.takeover_ns(0))
                group.assert_follows(lowest)
                group.played.counts["takeovers"] += 1
            if scenario.kind == "returns":
                world.run_for(third)
                group.restart(1)
                world.run_for(6 * scenario.interval_ns + SECOND)
                if lowest in group.honest:
                    group.assert_follows(1)
                    group.played.counts["returns"] += 1
        case "partition":
            world.partition([1], [n for n in group.numbers if n != 1])
            world.run_for(group.takeover_ns(0) + 3 * scenario.interval_ns)
            world.heal()
            world.run_for(8 * scenario.interval_ns + SECOND)
        case "restart":
            number = random.choice([n for n in group.honest if n != 1] or [1])
            group.crash(number)
            world.run_for(random.randint(0, 5) * scenario.interval_ns)
            world.step_wall(number, random.choice([-1, 1]) * SECOND)
            group.restart(number)
        case "leaving":
            world.call(max(group.honest), BerkeleyHost.leave, "leave")
    world.run(max(world.now, scenario.duration_ns))


def _final(group: Group) -> None:
    """At the end the honest hosts have one daemon and stand close together."""
    group.world.run_for(6 * group.scenario.interval_ns)
    members = [
        n for n in group.alive() if n in group.honest and group.core(n).role is not Role.LEFT
    ]
    if group.scenario.kind == "lossy" or min(group.alive()) not in group.honest:
        return
    reigns = {group.core(n).me.reign for n in members}
    assert len(reigns) == 1, f"at the end there are {reigns}"
    settled = {}
    fresh = 3 * group.scenario.interval_ns * 2 * CLAIMED_DRIFT_PPM / 1e6 + 4 * MILLISECOND
    for number in members:
        core, wall = group.core(number), group.world.node(number).wall.read()
        drifted = core.status(wall).drifted
        assert drifted is not None, f"host {number} knows nothing of its group's time"
        assert drifted < fresh, f"host {number} may have drifted by {drifted} ns"
        settled[number] = core.me.clock.settled(wall)
    spread = max(settled.values()) - min(settled.values())
    assert spread < 8 * MILLISECOND, f"at the end they are {spread} ns apart: {settled}"


def check(seed: int) -> Counter:
    """One seed, for campaigns."""
    return play(draw(seed)).counts


def day(seed: int, interval_ns: int = 64 * SECOND) -> Played:
    """A day: drift, heavy tails, asymmetry, steps, one liar of five."""
    scenario = Scenario(
        seed, "calm", 5, ((Random(seed).randint(2, 5), Random(seed).choice(LIES[:4])),),
        interval_ns, 86_400 * SECOND, SECOND, 5 * SECOND,
    )  # fmt: skip
    group = Group(scenario)
    for at_s in (20_000, 45_000, 70_000):
        who = group.random.choice(group.honest)
        by = group.random.randint(MILLISECOND, 5 * SECOND)
        group.world.at(at_s * SECOND, lambda who=who, by=by: group.step(who, by))
    try:
        group.world.run(86_400 * SECOND)
        _final(group)
    except AssertionError as error:
        raise AssertionError(f"day {seed}: {error}") from error
    return group.played
