"""Many short runs of a ring under faults, judged by a checker that does not know the engine.

A *swarm*: each seed has its own random part of the fault kinds, so that combinations meet that an
even mixture would hide (Groce et al., "Swarm Testing", ISSTA 2012). A run that breaks a promise is
shrunk to the faults it needs and saved as a literal, which ``tests/vsync/test_regressions.py``
replays for ever.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

from clocksync.runtime.history import Event
from clocksync.runtime.simulation import Fault, Link, SimulationFailure, Uniform, shrink
from clocksync.runtime.units import MILLISECOND
from vsync.check import judge
from vsync.config import RingConfig
from vsync.engine import Engine
from vsync.simulation.group import FAULTS, Load
from vsync.simulation.node import Make
from vsync.simulation.run import Played, Scenario, draw, play

REGRESSIONS = Path(__file__).parents[1] / "vsync" / "regressions"

FAULTS_FEWEST, FAULTS_MOST = 5, 20


class Violated(AssertionError):
    """A promise was broken; `rules` says which."""

    def __init__(self, offences: list[str], scenario: Scenario, lines: list[str]) -> None:
        text = "\n".join(f"    {line}" for line in lines)
        super().__init__("\n".join([*offences[:10], repr(scenario), text]))
        self.rules = {offence.split()[0] for offence in offences}


def scenario_of(seed: int | str) -> Scenario:
    """The schedule of a seed: 1,000 to 3,000 engine steps."""
    random = Random(f"{seed}/swarm")
    kinds = tuple(kind for kind in FAULTS if random.random() < 0.5) or (random.choice(FAULTS),)
    scenario = draw(
        seed,
        random.choice((2, 3, 3, 3, 4, 5)),
        random.randint(300, 700) * MILLISECOND,
        kinds,
        random.randint(FAULTS_FEWEST, FAULTS_MOST),
        quiet_end=random.random() < 0.5,
    )
    # Idle rotations find nothing: let the token rest longer, and peers be asked again sooner.
    config = replace(
        scenario.config,
        backoff_ns=(20 * MILLISECOND, 60 * MILLISECOND),
        token_retransmit_ns=16 * MILLISECOND,
        token_hold_ns=12 * MILLISECOND,
        idle_visits=2,
    )
    load = replace(
        scenario.load,
        every_ns=random.choice((10, 25, 60)) * MILLISECOND,
        chatty=Random(f"{seed}/chatty").choice((0, 0, 1, scenario.nodes)),
    )
    return replace(scenario, config=config, load=load)


def offences(scenario: Scenario, make: Make = Engine) -> tuple[list[str], Played | None]:
    """What is wrong with a run, each beginning with the name of the rule."""
    try:
        played = play(scenario, make)
    except SimulationFailure as failure:
        return [f"engine {failure.what}"], None
    found = [f"{v.rule} {v.text}" for v in judge(played.events).violations]
    return found + [f"{rule} {text}" for rule, text in played.violations], played


def check(seed: int, make: Make = Engine) -> Counter[str]:
    """One schedule: what happened, counted.

    Raises:
        Violated: a promise was broken. The schedule is shrunk and saved first.
    """
    scenario = scenario_of(seed)
    found, played = offences(scenario, make)
    if found or played is None:
        scenario = shrunk(scenario, make)
        save(scenario)
        again, played = offences(scenario, make)
        lines = list(played.group.world.transcript.lines()) if played is not None else []
        raise Violated(again or found, scenario, lines)
    return counted(played)


def counted(played: Played) -> Counter[str]:
    """What a run was like."""
    totals = Counter({"schedules": 1, "engine steps": played.group.steps})
    totals["faults"] = len(played.scenario.faults)
    for event in played.events:
        match event["event"]:
            case "deliver":
                totals["deliveries"] += 1
            case "configuration":
                totals[f"{event['kind']} configurations"] += 1
            case "recovered":
                totals["promises"] += 1
            case "quiet":
                totals["judged for liveness"] += 1
    return totals


def shrunk(scenario: Scenario, make: Make = Engine) -> Scenario:
    """The same scenario with only the faults that its violation needs."""

    def fails(faults: list[Fault]) -> bool:
        return bool(offences(replace(scenario, faults=tuple(faults)), make)[0])

    return replace(scenario, faults=tuple(shrink(scenario.faults, fails)))


def save(scenario: Scenario, folder: Path | None = None) -> Path:
    """Keep a scenario as a literal, by default among the regressions."""
    folder = folder or REGRESSIONS
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"seed-{scenario.seed}.txt"
    path.write_text(repr(scenario) + "\n", encoding="utf-8")
    return path


def load(path: Path) -> Scenario:
    """A scenario out of its literal."""
    names = {cls.__name__: cls for cls in (Scenario, Fault, RingConfig, Load, Link, Uniform)}
    scenario = eval(path.read_text(encoding="utf-8"), {"__builtins__": {}}, names)
    assert isinstance(scenario, Scenario), f"{path} holds no scenario"
    return scenario


# Liveness: some are healed for good, the rest stays broken

SETTLING_MS, WATCHED_MS = 5_000, 3_000
"""How long a healed core is left alone, and then watched, in virtual time."""

RINGS_MOST = 12
"""New rings of one member while it is watched: whoever hears it, or is heard by it, one way only
asks for one now and then, ever more seldom."""


def check_liveness(seed: int, make: Make = Engine) -> Counter[str]:
    """After the faults a core is healed for good; others stay cut off, some of them one way only.

    The core must come together and go on ordering messages, whatever it hears from outside. Where
    an outsider is heard one way there is not always one largest set of members who all hear each
    other, and a ring lives wherever its token goes round: such a run is counted, for how seldom it
    comes to that.

    Raises:
        Violated: it did not.
    """
    random = Random(f"{seed}/liveness")
    scenario = scenario_of(seed)
    nodes = max(3, scenario.nodes)
    config = replace(scenario.config, backoff_ns=(60 * MILLISECOND, 2000 * MILLISECOND))
    scenario = replace(scenario, nodes=nodes, quiet_end=False, config=config)
    core = tuple(sorted(random.sample(range(1, nodes + 1), random.randint(2, nodes))))
    played = play(scenario, make)
    group = played.group
    group.heal()
    one_way = False
    for outsider in sorted(set(group.members) - set(core)):
        for member in core:
            which = random.choice(("both", "to", "from"))
            one_way |= which != "both"
            if which != "from":
                group.world.cut(outsider, member)
            if which != "to":
                group.world.cut(member, outsider)
    group.world.run_for(SETTLING_MS * MILLISECOND)
    before = len(group.history)
    for _ in range(WATCHED_MS // 100):
        for member in core:
            group.submit(member, f"from {member}".encode())
        group.world.run_for(100 * MILLISECOND)
    totals = counted(played) + Counter({"healed cores": 1})
    found = list(_stuck(group.history[before:], core))
    if found and one_way:
        totals["cores disturbed by an outsider heard one way"] += 1
        found = []
    found += [f"{v.rule} {v.text}" for v in judge(group.history).violations]
    if found:
        raise Violated(found, scenario, list(group.world.transcript.lines()))
    return totals


def _stuck(events: list[Event], core: tuple[int, ...]) -> Iterator[str]:
    """Too few messages that all of the core delivered; too many changes."""
    sent = {e["message"] for e in events if e["event"] == "send" and e["node"] in core}
    asked = len(core) * WATCHED_MS // 100
    shared = set(sent)
    for member in core:
        mine = [e for e in events if e.get("node") == member]
        shared &= {e["message"] for e in mine if e["event"] == "deliver"}
        rings = sum(e["event"] == "configuration" and e["kind"] == "regular" for e in mine)
        if rings > RINGS_MOST:
            yield f"P3 node {member} went through {rings} rings"
    if len(shared) < asked // 2:
        yield f"P1 of {asked} messages of the core {core} {len(shared)} reached all of it"
