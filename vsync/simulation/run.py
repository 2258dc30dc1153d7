"""One seeded run of a group, with faults, judged by those who see into it."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random

from clocksync.runtime.history import Event
from clocksync.runtime.simulation import Fault, Link, Uniform
from clocksync.runtime.units import MICROSECOND, MILLISECOND, SECOND
from vsync.config import RingConfig
from vsync.engine import Engine
from vsync.simulation.group import FAULTS, Group, Load
from vsync.simulation.node import Make
from vsync.simulation.watch import Watch


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """All that decides a run. The same scenario gives the same run, to the nanosecond."""

    seed: int | str = 0
    nodes: int = 3
    duration_ns: int = 10 * SECOND
    faults: tuple[Fault, ...] = ()
    quiet_end: bool = False
    config: RingConfig = field(default_factory=RingConfig.simulated)
    load: Load = field(default_factory=Load)
    link: Link = field(
        default_factory=lambda: Link(delay=Uniform(200 * MICROSECOND, 1200 * MICROSECOND))
    )


@dataclass(slots=True)
class Played:
    """A run that is over."""

    scenario: Scenario
    group: Group
    violations: list[tuple[str, str]]
    """Rule and text, of the white-box rules only."""

    @property
    def events(self) -> list[Event]:
        return self.group.history


def draw(
    seed: int | str,
    nodes: int,
    duration_ns: int,
    kinds: tuple[str, ...] = FAULTS,
    count: int | None = None,
    quiet_end: bool = False,
) -> Scenario:
    """The scenario of a seed: its faults, its load, its links and the ring's settings."""
    random = Random(f"{seed}/scenario")
    config = RingConfig.simulated(
        accelerated=random.choice((0, 0, 3)),
        misses=random.choice((1, 2)),
        window=random.choice((6, 20)),
        visit_max=random.choice((3, 8)),
        frame_datagrams=Random(f"{seed}/frames").choice((1, 1, 3)),
    )
    load = Load(
        every_ns=random.choice((8, 20, 60)) * MILLISECOND,
        safe=random.choice((0.1, 0.4, 1.0)),
        large=random.choice((0.0, 0.03, 0.2)),
    )
    fastest = random.choice((100, 200, 500)) * MICROSECOND
    slowest = fastest + random.choice((200, 1000, 2000)) * MICROSECOND
    scenario = Scenario(
        seed=seed,
        nodes=nodes,
        duration_ns=duration_ns,
        quiet_end=quiet_end,
        config=config,
        load=load,
        link=Link(delay=Uniform(fastest, slowest)),
    )
    if not kinds:
        return scenario
    # About one fault in a fifth of a second: enough to meet, seldom enough for rings between.
    often = count if count is not None else max(1, duration_ns // (200 * MILLISECOND))
    group = Group(seed=seed, count=nodes)
    return replace(scenario, faults=tuple(group.draw_faults(kinds, duration_ns, often)))


def play(
    scenario: Scenario,
    make: Make = Engine,
    keep: int | None = 50,
    prepare: Callable[[Group], object] = lambda group: None,
    tells_tokens: bool = False,
) -> Played:
    """Let a scenario happen.

    Args:
        make: the engine's constructor; another one is another engine.
        keep: how many entries of the transcript are kept.
        prepare: called with the group before it runs.
        tells_tokens: whether the history has an event for each passing of a token.

    Raises:
        SimulationFailure: an engine raised, or did what no engine may do.
    """
    watch = Watch()
    group = Group(
        seed=scenario.seed,
        count=scenario.nodes,
        config=scenario.config,
        make=make,
        load=scenario.load,
        link=scenario.link,
        keep=keep,
        watch=watch.see,
        tells_tokens=tells_tokens,
    )
    watch.group = group
    prepare(group)
    group.work(scenario.duration_ns)
    group.inflict(list(scenario.faults))
    group.world.run(scenario.duration_ns)
    if scenario.quiet_end:
        group.settle()
        watch.finish_quiet()
    watch.finish()
    return Played(scenario, group, watch.violations)
