"""What the group's timestamps are worth when clocks step and groups divide, held against the truth.

Five members, clocks within 200 us of the truth that drift by up to 20 ppm and know their bound; a
partition 3|2 and a merge; one clock, or two, that step by 0.3 ms to 1 s, know nothing of it, and
step back; a restart with or without its disk; timestamps of elsewhere to follow. The judge is a
separate one: it notes when each message was really ordered, whose clock was wrong then, and who was
on the ring.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from random import Random

from clocksync.runtime.simulation import Link, Uniform
from clocksync.runtime.units import MICROSECOND, MILLISECOND, SECOND
from vsync.check import judge
from vsync.config import RingConfig
from vsync.engine import Engine
from vsync.events import Configuration, Effect, Kind, Messages, Ordered
from vsync.simulation.group import OBSERVED_NS, Group, Load
from vsync.simulation.node import Make, RingNode

MEMBERS = 5
DURATION_NS = 1000 * MILLISECOND
NOTICED_NS = 5 * MILLISECOND
"""A step that a majority of clocks must notice."""
RECOVERS_NS = 100 * MILLISECOND
"""How long what a wrong majority said may count after it became right."""
SHIFT_NS = 500 * MICROSECOND
"""No noticed step shifts a stamp by more, in a component with a majority of good clocks."""
YOUNG_NS, YOUNG_SHIFT_NS = 50 * MILLISECOND, 1500 * MICROSECOND
"""But so long after a ring was formed by up to a rotation: until then nobody knows how old the
others' readings are."""


@dataclass(slots=True)
class Truth:
    """What was so when a message was ordered."""

    at_ns: int
    """True time, ns since the Unix epoch."""
    origin: int
    members: tuple[int, ...]
    wrong: dict[int, int]
    """Clocks that were off without knowing it, and by how much."""
    lately: tuple[dict[int, int], ...] = ()
    """The same for all that was so in the `RECOVERS_NS` before."""
    ring_age_ns: int = YOUNG_NS
    """For how long its sender had been on that ring."""

    @property
    def shift_ns(self) -> int:
        """By how much a noticed step may shift the stamp, if it is protected."""
        return YOUNG_SHIFT_NS if self.ring_age_ns < YOUNG_NS else SHIFT_NS

    @property
    def is_protected(self) -> bool:
        """Whether the ring had three clocks or more, most of them good, the others far off, and for
        a while."""
        return len(self.members) >= 3 and all(map(self._is_most, (self.wrong, *self.lately)))

    def _is_most(self, wrong: dict[int, int]) -> bool:
        far = [wrong[me] for me in self.members if me in wrong]
        return 2 * len(far) < len(self.members) and all(abs(by) >= NOTICED_NS for by in far)


@dataclass(slots=True)
class Run:
    """A run, and what somebody saw who knows all."""

    seed: int
    make: Make = Engine
    group: Group = field(init=False)
    truths: dict[tuple[str, int], Truth] = field(default_factory=dict)
    """By ring and number."""
    stamps: dict[tuple[str, int], Messages] = field(default_factory=dict)
    events: Counter[str] = field(default_factory=Counter)
    _wrong: list[tuple[int, dict[int, int]]] = field(default_factory=lambda: [(0, {})])
    """Which clocks were wrong, from when on."""
    _installed: dict[tuple[int, str], int] = field(default_factory=dict)

    @property
    def observed(self) -> float:
        """How often timestamps of elsewhere come: in every second run, because a stamp that follows
        one is later than the time."""
        return 0.2 if self.seed % 2 else 0.0

    def __post_init__(self) -> None:
        self.group = Group(
            seed=self.seed,
            count=MEMBERS,
            make=self.make,
            config=RingConfig.simulated(token_hold_ns=12 * MILLISECOND, idle_visits=2),
            link=Link(delay=Uniform(50 * MICROSECOND, 400 * MICROSECOND)),
            load=Load(
                every_ns=self.seed % 3 * 20 * MILLISECOND + 15 * MILLISECOND,
                observed=self.observed,
                chatty=self.seed % (MEMBERS + 1),
            ),
            watch=self._watch,
        )

    def _watch(self, node: RingNode, effect: Effect) -> None:
        world = self.group.world
        match effect:
            case Ordered(ring, sequence):
                lately = [w for at, w in self._wrong if at > world.now - RECOVERS_NS]
                before = [w for at, w in self._wrong if at <= world.now - RECOVERS_NS][-1:]
                self.truths[str(ring), sequence] = Truth(
                    world.true_wall_time,
                    node.me,
                    node.engine.ring.members,
                    self._wrong[-1][1],
                    (*before, *lately),
                    world.now - self._installed.get((node.me, str(ring)), 0),
                )
            case Configuration(kind=Kind.REGULAR, ring=ring):
                self._installed[node.me, str(ring)] = world.now
            case Messages(ring, sequence):
                self.stamps.setdefault((str(ring), sequence), effect)

    def play(self) -> None:
        """Let it happen."""
        random, world = Random(f"{self.seed}/time"), self.group.world
        self.group.work(DURATION_NS)
        start = random.randrange(150, 400) * MILLISECOND
        apart = random.sample(self.group.members, 2)
        rest = [me for me in self.group.members if me not in apart]
        if random.random() < 0.8:
            world.at(start, partial(world.partition, rest, apart))
            world.at(start + random.randrange(150, 500) * MILLISECOND, world.heal)
        for victim in random.sample(self.group.members, random.choice((1, 1, 2))):
            self._step(random, victim)
        if random.random() < 0.5:
            self._restart(random)
        world.run(DURATION_NS)

    def _step(self, random: Random, victim: int) -> None:
        by = round(random.choice((-1, 1)) * 0.3e6 * (SECOND / 0.3e6) ** random.random())
        at = random.randrange(100, 600) * MILLISECOND
        back = at + random.randrange(50, 500) * MILLISECOND
        self.group.world.at(at, partial(self._step_clock, victim, by))
        self.group.world.at(back, partial(self._step_clock, victim, -by))
        self.events["steps noticed" if abs(by) >= NOTICED_NS else "steps"] += 1

    def _step_clock(self, victim: int, by: int) -> None:
        self.group.step_clock(victim, by)
        wrong = {me: off for me, off in self.group.clock_steps.items() if off}
        self._wrong.append((self.group.world.now, wrong))

    def _restart(self, random: Random) -> None:
        world, victim = self.group.world, random.choice(self.group.members)
        at = random.randrange(200, 700) * MILLISECOND
        loses = random.random() < 0.5
        world.at(at, partial(world.crash, victim, keep_storage=not loses))
        world.at(at + random.randrange(20, 300) * MILLISECOND, partial(world.restart, victim))
        self.events["restarts without disk" if loses else "restarts"] += 1


def offences(run: Run) -> Iterator[str]:
    """What is wrong with a run that was played."""
    for violation in judge(run.group.history).violations:
        yield f"{violation.rule} {violation.text}"
    for key, messages in run.stamps.items():
        truth = run.truths.get(key)
        if truth is None:  # it came from a history before: not of this run
            continue
        last = messages.timestamp + len(messages.payloads) - 1
        off = max(abs(messages.timestamp - truth.at_ns), abs(last - truth.at_ns))
        name = f"{key[0]}/{key[1]} of {truth.origin} on {truth.members}, wrong {truth.wrong}"
        if truth.origin not in truth.wrong and off > messages.error:
            yield f"bound {name}: off by {off}, bound {messages.error}, {messages.flags}"
        run.events["stamps"] += len(messages.payloads)
        if "unverified" in messages.flags:
            run.events["unverified"] += len(messages.payloads)
        elif truth.is_protected:
            run.events["protected"] += len(messages.payloads)
            if off > truth.shift_ns and not _has_a_reason(run, messages, truth):
                yield f"shift {name}: off by {off}, {messages.flags}"
        elif len(truth.members) < 3:
            yield f"flag {name}: no majority, and not said so"


def _has_a_reason(run: Run, messages: Messages, truth: Truth) -> bool:
    """Whether the stamp had to be later than the time, and the bound says so: the application
    showed a timestamp of elsewhere, or it is the last of those that a side with wrong clocks has
    pushed ahead, which the majority's clocks can no longer tell from the time."""
    ahead = messages.timestamp - truth.at_ns
    if not 0 < ahead <= messages.error:
        return False
    was_asked_for = bool(run.observed) and ahead <= OBSERVED_NS + MILLISECOND
    return was_asked_for or (truth.origin not in truth.wrong and ahead <= 2 * SHIFT_NS)


def check(seed: int, make: Make = Engine) -> Counter[str]:
    """One run: what happened, counted.

    Raises:
        AssertionError: a stamp was not what is promised.
    """
    run = Run(seed, make)
    run.play()
    found = list(offences(run))
    assert not found, "\n".join([f"{len(found)} offences, seed {seed}", *found[:5]])
    return run.events + Counter({"runs": 1})
