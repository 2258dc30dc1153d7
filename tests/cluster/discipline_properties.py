"""What must hold of a disciplined clock in every simulated world, judged by who knows the truth.

:func:`check` draws the world of a seed, plays it, and watches at every step of every node and every
few seconds between. Nothing here imports what it judges: the core is asked for its reading and its
bound, as an application asks it.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from random import Random

from clocksync.runtime.units import MICROSECOND, MILLISECOND, SECOND
from clocksync.steering.settings import DisciplineSettings
from clocksync.steering.states import Cause, ClockStepped, HostJudged, State, StateChanged
from tests.cluster.discipline_world import HOUR, MINUTE, Happening, Plan, Run, typical

LOOK_EVERY_NS = 5 * SECOND
CALM_NS = 20 * MINUTE
"""After whatever happened, the clock has so long to be good again."""
BOUND_MAX_NS = 6 * MILLISECOND
"""What a bound may be while nothing is wrong: paths of a millisecond, and 500 s of drift."""
ROUNDING_NS = 4

KINDS = {
    "calm": "five hosts, or three, or one; nothing happens",
    "liar": "one of five lies, a little or much",
    "minority": "most honest hosts fall silent, and a liar is among those that are left",
    "holdover": "no host is heard for up to an hour",
    "churn": "hosts come and go one after the other",
    "server step": "the clock of one of five is set wrong",
    "local step": "our own wall clock is set, forward and back",
    "sleep": "the machine is suspended for a while",
}


class Violated(AssertionError):
    """A property did not hold."""

    def __init__(self, by: str, seed: int, what: str) -> None:
        super().__init__(f"{by} (seed {seed}): {what}")
        self.by = by


def draw(seed: int, servo: str | None = None) -> Plan:
    """The plan of a seed."""
    random = Random(f"discipline/{seed}")
    kind = list(KINDS)[seed % len(KINDS)]
    count = random.choice([1, 3, 5]) if kind in ("calm", "local step", "sleep") else 5
    sharp = random.random() < 0.25
    hosts = typical(random, count, liars=int(kind in ("liar", "minority")), sharp=sharp)
    settings = DisciplineSettings(
        servo=servo or random.choice(["kalman", "kalman", "pi"]),
        poll_min=random.choice([3, 4, 4, 5]),
        poll_max=random.choice([6, 8, 10]),
        precision_ns=4,
    )
    offset = random.choice([-1, 1]) * round(10 ** random.uniform(2, 10.5))
    happenings, over = _happenings(random, kind)
    return Plan(
        seed,
        over + (1 if settings.servo == "kalman" else 2) * CALM_NS + 20 * MINUTE,
        hosts,
        settings,
        offset_ns=offset if kind != "sleep" else 0,
        rate_ppm=random.uniform(-50, 50),
        wander=random.choice(["walk", "ramp"]) if kind != "sleep" else "none",
        happenings=happenings,
        over_ns=over,
    )


def _happenings(random: Random, kind: str) -> tuple[tuple[Happening, ...], int]:
    """What happens, and when all of it is over."""
    at = random.randrange(20, 40) * MINUTE
    if kind == "holdover":
        until = at + random.randrange(2 * MINUTE, HOUR)
        return (Happening(at, "lose"), Happening(until, "find")), until
    if kind == "minority":
        until = at + random.randrange(5 * MINUTE, 30 * MINUTE)
        return (Happening(at, "lose", (1, 2, 3)), Happening(until, "find")), until
    if kind == "churn":
        times = [at + n * 5 * MINUTE for n in range(8)]
        found: list[Happening] = []
        for number, when in enumerate(times):
            found.append(Happening(when, "find"))
            found.append(Happening(when, "lose", (number % 5, (number + 1) % 5)))
        return (*found, Happening(times[-1] + MINUTE, "find")), times[-1] + MINUTE
    if kind == "server step":
        by = random.choice([-1, 1]) * round(10 ** random.uniform(5, 12))
        return (Happening(at, "step_server", (random.randrange(5), by)),), at
    if kind == "local step":
        by = random.choice([-1, 1]) * round(10 ** random.uniform(5, 12))
        steps = (
            Happening(at, "step_ours", (by,)),
            Happening(at + MINUTE, "step_ours", (-by // 2,)),
        )
        return steps, at + MINUTE
    if kind == "sleep":
        asleep = random.randrange(MINUTE, HOUR)
        error = random.randrange(-SECOND, SECOND)
        return (Happening(at, "sleep", (asleep, error)),), at + asleep
    return (), 0


@dataclass
class Watcher:
    """Looks at a run, and remembers what it needs to judge the next look."""

    run: Run
    counts: Counter[str] = field(default_factory=Counter)
    last_reading: int | None = None
    last_width: int | None = None
    held_rate: float | None = None
    worst_ns: int = 0
    errors_ns: list[int] = field(default_factory=list)
    followed_at: int | None = None

    def fail(self, by: str, what: str) -> None:
        at = self.run.world.now / SECOND
        raise Violated(by, self.run.plan.seed, f"after {at:.1f} s: {what}")

    def look(self) -> None:
        run = self.run
        if not run.is_booted or run.is_asleep:
            return
        core, now, true = run.core, run.now, run.world.true_wall_time
        reading = core.read(now)
        if self.last_reading is not None and reading < self.last_reading:
            self.fail("the clock never goes back", f"by {self.last_reading - reading} ns")
        self.last_reading = reading
        bound = core.bound_at(now)
        self._look_at_bound(core, bound, true)
        self._look_at_following(core, now)
        self._look_at_holdover(core, bound)
        self._look_at_error(core, bound, reading - true)

    def _look_at_bound(self, core, bound, true: int) -> None:
        if bound is None:
            if core.state is not State.UNLOCKED:
                self.fail("a clock that is not unlocked has a bound", str(core.state))
            return
        self.counts["bounds looked at"] += 1
        if true not in bound:
            away = max(bound.earliest - true, true - bound.latest)
            self.fail("true time is in the bound", f"it is off by {away} ns, {core.state.value}")

    def _look_at_following(self, core, now: int) -> None:
        if core.state is not State.LOCKED:
            return
        ago = now + core.epoch_ns - core.followed_at
        if ago > 8 * core.poll.interval_ns + MINUTE:
            self.fail("a locked clock hears its hosts", f"none for {ago / SECOND:.0f} s")

    def _look_at_holdover(self, core, bound) -> None:
        """While nobody is heard, the bound grows and the frequency stays."""
        heard = core.followed_at != self.followed_at
        self.followed_at = core.followed_at
        if core.state is not State.HOLDOVER or bound is None or heard:
            self.last_width = self.held_rate = None
            return
        if self.last_width is not None and bound.width < self.last_width - ROUNDING_NS:
            self.fail("a bound in holdover only grows", f"from {self.last_width} to {bound.width}")
        rate = core.steering.rate_ppm
        if self.held_rate is not None and rate != self.held_rate:
            self.fail("a frequency in holdover is kept", f"from {self.held_rate} to {rate} ppm")
        if core.settings.wander_ppm_per_hour:
            self.last_width, self.held_rate = bound.width, rate
        self.counts["looks in holdover"] += 1

    def _look_at_error(self, core, bound, error: int) -> None:
        """Once it had time to settle, it is locked, its bound useful and its error small."""
        plan, now = self.run.plan, self.run.world.now
        since = now - (plan.over_ns if now > plan.first_ns else 0)
        if since < calm_ns(plan) or plan.first_ns < now < plan.over_ns:
            return
        if core.cause is Cause.DISAGREED and core.state is State.HOLDOVER and plan.has_liar:
            return  # a lie at the edge of honest claims: undecided until the next answer
        lossy = max(host.loss for host in plan.hosts) > 0.1
        if core.cause is Cause.SOURCES_LOST and core.state is State.HOLDOVER and lossy:
            ago = self.run.now + core.epoch_ns - core.followed_at
            if ago < 5 * MINUTE:
                return  # so many answers in a row are lost now and then
        if core.state is not State.LOCKED:
            self.fail("a clock with honest hosts is locked", f"it is {core.state.value}")
        assert bound is not None
        if bound.width > 2 * BOUND_MAX_NS:
            self.fail("a bound is of use", f"it is {bound.width} ns wide")
        self.worst_ns = max(self.worst_ns, abs(error))
        self.errors_ns.append(error)
        if abs(error) > allowed_ns(plan):
            self.fail("a locked clock is near true time", f"it is off by {error} ns")
        self.counts["errors looked at"] += 1


def calm_ns(plan: Plan) -> int:
    """How long a clock has to be good again: a controller swings for longer."""
    return CALM_NS if plan.settings.servo == "kalman" else 2 * CALM_NS


def allowed_ns(plan: Plan) -> int:
    """How far a locked clock may be off: what asymmetry hides, and a few times the noise. A lie so
    small that no honest claim excludes it is one of five opinions."""
    hidden = max(host.delay_ns * abs(host.asymmetry) / 2 for host in plan.hosts)
    lies = [abs(host.offset_ns) for host in plan.hosts if not host.honest]
    hidden += min(max(lies, default=0), 2 * BOUND_MAX_NS) / 4
    noise = max(host.tail_ns for host in plan.hosts)
    allowed = round(hidden + 2 * noise) + 250 * MICROSECOND
    if plan.wander == "ramp":  # as steep as can be, all the time: every filter lags
        allowed *= 2
    return allowed if plan.settings.servo == "kalman" else 3 * allowed


def play(plan: Plan) -> Watcher:
    """Play a plan to its end under a watcher's eyes."""
    run = Run(plan)
    watcher = Watcher(run)
    run.world.invariant(watcher.look)

    def tick() -> None:
        watcher.look()
        run.world.after(LOOK_EVERY_NS, tick)

    run.world.after(0, tick)
    run.world.run(plan.duration_ns)
    for told in run.world.told:
        _judge_event(watcher, told.event)
    liars = [place for place, host in enumerate(plan.hosts) if abs(host.offset_ns) > SECOND]
    for place in liars:
        standing = run.core.sources[place].standing.value
        if standing != "falseticker":
            watcher.fail("a loud liar is named", f"it is called {standing}")
        watcher.counts["loud liars named"] += 1
    return watcher


def _judge_event(watcher: Watcher, event: object) -> None:
    match event:
        case ClockStepped(by_ns):
            if by_ns < 0:
                watcher.fail("steps go forward", f"{by_ns} ns")
            watcher.counts["steps"] += 1
        case StateChanged():
            watcher.counts[f"states {event.after.value}"] += 1
        case HostJudged():
            watcher.counts[f"hosts {event.standing}"] += 1


def check(seed: int) -> Counter[str]:
    """Play a seed's world; what was looked at.

    Raises:
        Violated: a property did not hold.
    """
    watcher = play(draw(seed))
    kind = list(KINDS)[seed % len(KINDS)]
    return watcher.counts + Counter({f"worlds of {kind}": 1})


def steady(plan: Plan, **changes) -> Plan:
    """A plan with other settings."""
    return replace(plan, settings=replace(plan.settings, **changes))
