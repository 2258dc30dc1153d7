"""A group of ring members in a simulated world, its faults and its workload: one seed, one run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import cast

from clocksync.runtime.history import Event
from clocksync.runtime.interval import Interval
from clocksync.runtime.simulation import (
    Boot,
    Fault,
    Link,
    Uniform,
    World,
    inflict,
    random_faults,
)
from clocksync.runtime.simulation.faults import Kind
from clocksync.runtime.simulation.nodes import Condition
from clocksync.runtime.units import MICROSECOND, MILLISECOND
from vsync.config import RingConfig
from vsync.engine import Engine
from vsync.events import Effect, Messages
from vsync.identity import Service
from vsync.simulation.node import EVERYBODY, Line, Make, Plain, RingNode

FAULTS = (
    "loss",
    "duplicate",
    "reorder",
    "delay",
    "partition",
    "asymmetric",
    "crash",
    "restart",
    "lost-disk",
    "pause",
    "clock",
)
"""What can be asked for by name."""

CLOCK_ERROR_NS = 300 * MICROSECOND
CLOCK_OFFSET_NS = 200 * MICROSECOND
DRIFT_PPM = 20.0
OBSERVED_NS = 2 * MILLISECOND
"""Timestamps of elsewhere lie within this of the time."""

FOLLOWED, FOLLOWED_AFTER_NS = 0.95, 2500 * MICROSECOND
"""How often a chatty member has more to say, and by when."""

PATIENCE = 20
"""So many quarters of the settling time a backlog may take to be sent; more is no progress."""

MAKE: Make = Engine


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What the applications do."""

    every_ns: int = 20 * MILLISECOND
    """Between two submissions of one member, on average."""
    burst: int = 4
    """At most so many at once."""
    safe: float = 0.4
    """The part of messages that is safe."""
    large: float = 0.03
    """The part that does not fit into one datagram."""
    observed: float = 0.0
    """How often one comes with a timestamp of elsewhere to follow."""
    chatty: int = 0
    """The member whose messages mostly come one at a time, each soon after the last was delivered
    to it; 0: none."""


@dataclass(slots=True)
class Group:
    """Members 1 to `count` in a world of their own."""

    seed: int | str
    count: int
    config: RingConfig = field(default_factory=RingConfig.simulated)
    make: Make = MAKE
    load: Load = field(default_factory=Load)
    link: Link = field(
        default_factory=lambda: Link(delay=Uniform(200 * MICROSECOND, 1200 * MICROSECOND))
    )
    keep: int | None = 50
    drift_ppm: float = DRIFT_PPM
    start_spread_ns: int = 30 * MILLISECOND
    tells_tokens: bool = False
    """Whether each passing of a token becomes an event of the history, ``token``, for pictures."""
    watch: Callable[[RingNode, Effect], None] | None = None
    history: list[Event] = field(default_factory=list)

    world: World = field(init=False)
    random: Random = field(init=False)
    clock_steps: dict[int, int] = field(default_factory=dict)
    """By how much a member's clock is wrong without knowing it."""
    _steps_before: int = 0
    _chat: Random = field(init=False)
    _chats_until: int = 0

    def __post_init__(self) -> None:
        self.random = Random(f"{self.seed}/group")
        self._chat = Random(f"{self.seed}/chat")
        self.world = World(self.seed, codec=Plain(), link=self.link, keep=self.keep)
        self.world.write_history(_Kept(self.history), _keys)
        for me in self.members:
            offset = self.random.randint(-CLOCK_OFFSET_NS, CLOCK_OFFSET_NS)
            self.world.add(
                me,
                partial(self._boot, offset),
                rate_ppm=self.random.uniform(-self.drift_ppm, self.drift_ppm),
                start_after_ns=self.random.randrange(self.start_spread_ns + 1),
            )
        self.world.group(EVERYBODY, self.members)

    @property
    def members(self) -> tuple[int, ...]:
        return tuple(range(1, self.count + 1))

    def node(self, me: int) -> RingNode:
        """The incarnation of a member that runs, or ran last."""
        core = self.world.node(me).core
        assert isinstance(core, RingNode), "all nodes of this world are ring members"
        return core

    def runs(self, me: int) -> bool:
        """Whether a member runs and has not left."""
        node = self.world.node(me)
        return node.started and node.condition is Condition.UP

    @property
    def steps(self) -> int:
        """Engine steps of all incarnations."""
        started = [me for me in self.members if self.world.node(me).started]
        return self._steps_before + sum(self.node(me).steps for me in started)

    def _boot(self, offset: int, boot: Boot) -> RingNode:
        me = boot.address
        assert isinstance(me, int), "members are numbers"
        if boot.incarnation > 1:
            self._steps_before += self.node(me).steps
        node = RingNode(
            boot,
            self.config,
            self.make,
            f"{self.seed}/{me}",
            partial(self.clock, me, offset),
            partial(self._true_time, me),
            self._watch_and_chat if me == self.load.chatty else self.watch,
        )
        node.tells_tokens = self.tells_tokens
        return node

    def clock(self, me: int, offset: int) -> Interval:
        """Bounds of true time as a member knows them: wrong if a fault made its clock wrong."""
        since = self.world.now
        error = CLOCK_ERROR_NS + round(since * self.drift_ppm / 1_000_000)
        wrong = self.clock_steps.get(me, 0)
        return Interval.around(self.world.true_wall_time + offset + wrong, error)

    def _true_time(self, me: int) -> int | None:
        return None if me in self.clock_steps else self.world.true_wall_time

    # What the applications do

    def submit(self, me: int, payload: bytes, service: Service = Service.AGREED) -> bool:
        """One message; False if the member does not run."""
        return self.world.call(me, lambda core, now: core.submit(payload, service, now), "submit")

    def observe(self, me: int, timestamp: int | None) -> bool:
        """A member is shown a timestamp of elsewhere."""
        return self.world.call(me, lambda core, now: core.observe(timestamp, now), "observe")

    def leave(self, me: int) -> bool:
        return self.world.call(me, lambda core, now: core.leave(now), "leave")

    def work(self, until_ns: int) -> None:
        """Let every member submit now and then until that time."""
        self._chats_until = until_ns
        for me in self.members:
            self._submit_later(me, until_ns)

    def _submit_later(self, me: int, until_ns: int) -> None:
        wait = 1 + round(self.random.expovariate(1 / self.load.every_ns))
        if self.world.now + wait < until_ns:
            self.world.after(wait, partial(self._submit_some, me, until_ns))

    def _submit_some(self, me: int, until_ns: int) -> None:
        random, load = self.random, self.load
        for _ in range(random.randint(1, load.burst)):
            is_large = random.random() < load.large
            size = random.randint(300, 2000) if is_large else random.randint(0, 60)
            service = Service.SAFE if random.random() < load.safe else Service.AGREED
            self.submit(me, random.randbytes(size), service)
        if load.observed and random.random() < load.observed:
            ahead = random.randint(-OBSERVED_NS, OBSERVED_NS)
            self.observe(me, random.choice((None, self.world.true_wall_time + ahead)))
        self._submit_later(me, until_ns)

    def _watch_and_chat(self, node: RingNode, effect: Effect) -> None:
        if self.watch is not None:
            self.watch(node, effect)
        if not isinstance(effect, Messages) or effect.origin != node.me:
            return
        chat = self._chat
        if self.world.now < self._chats_until and chat.random() < FOLLOWED:
            service = Service.SAFE if chat.random() < self.load.safe / 4 else Service.AGREED
            say = partial(self.submit, node.me, chat.randbytes(chat.randint(0, 60)), service)
            self.world.after(chat.randrange(FOLLOWED_AFTER_NS), say)

    # What goes wrong

    def draw_faults(self, kinds: tuple[str, ...], until_ns: int, count: int) -> list[Fault]:
        """So many faults of these kinds (names of :data:`FAULTS`), over by `until_ns`."""
        known = cast(list[Kind], ["restart" if name == "lost-disk" else name for name in kinds])
        faults = random_faults(self.random, self.members, until_ns, known, count)
        only_lost = "lost-disk" in kinds and "restart" not in kinds and "crash" not in kinds
        return [self._with_disk(fault, kinds, only_lost) for fault in faults]

    def _with_disk(self, fault: Fault, kinds: tuple[str, ...], only_lost: bool) -> Fault:
        if fault.kind not in ("crash", "restart") or "lost-disk" not in kinds:
            return fault
        loses = only_lost or self.random.random() < 0.3
        return Fault(fault.at_ns, fault.kind, fault.nodes, fault.lasts_ns, int(loses))

    def inflict(self, faults: list[Fault]) -> None:
        """Let them happen. Clocks are made wrong here, as a clock that knows its error is not."""
        inflict(self.world, [fault for fault in faults if fault.kind != "clock"])
        for fault in faults:
            if fault.kind == "clock":
                for me in fault.nodes:
                    self.world.at(fault.at_ns, partial(self.step_clock, me, round(fault.amount)))

    def step_clock(self, me: object, by_ns: int) -> None:
        """A member's clock jumps, and does not know."""
        assert isinstance(me, int), "members are numbers"
        self.clock_steps[me] = self.clock_steps.get(me, 0) + by_ns

    def heal(self) -> None:
        """End everything that is wrong. Clocks are right again; those that were wrong stay
        unmentioned in the history, since their old stamps may still be ahead."""
        self.world.heal()
        for me in self.members:
            node = self.world.node(me)
            if node.started:
                self.world.resume(me)
                self.world.restart(me)
        for me in self.clock_steps:
            self.clock_steps[me] = 0
        self.world.mark("healed")

    def settle(self, for_ns: int = 0) -> None:
        """Heal, let some more be submitted, wait, and end the history with ``quiet``."""
        self.heal()
        wait = for_ns or self.settling_ns()
        self.work(self.world.now + wait // 4)
        self.world.run_for(wait)
        # A load beyond what the ring can carry leaves a backlog: that is no quiet yet.
        for _ in range(PATIENCE):
            if not any(self.runs(me) and self._is_busy(me, wait // 8) for me in self.members):
                break
            self.world.run_for(wait // 4)
        self.world.mark("quiet")

    def _is_busy(self, me: int, lately_ns: int) -> bool:
        node = self.node(me)
        return node.owed > 0 or node.delivered_at > self.world.now - lately_ns

    def settling_ns(self) -> int:
        """How long after healing until nothing changes any more, generously: half of it must be
        enough for the longest back-off, twice, and the rings that follow."""
        config = self.config
        ring = 2 * config.token_loss_ns + 2 * config.consensus_ns + 50 * MILLISECOND
        return 2 * (2 * config.backoff_ns[1] + 4 * ring)


class _Kept:
    """A sink that keeps events as they are: they are made here, and a campaign makes many."""

    def __init__(self, events: list[Event]) -> None:
        self._events = events

    def write(self, event: Mapping[str, object]) -> None:
        self._events.append(dict(event))


def _keys(event: object) -> Mapping[str, object] | None:
    return event.keys if isinstance(event, Line) else None
