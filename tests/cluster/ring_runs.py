"""Many short runs of a ring under faults, judged by a checker that does not know the engine.

A *swarm*: each seed has its own random part of the fault kinds, so that combinations meet that an
even mixture would hide (Groce et al., "Swarm Testing", ISSTA 2012). A run that breaks a promise is
shrunk to the faults it needs and saved as a literal, which ``tests/vsync/test_regressions.py``
replays for ever.
"""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random

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
    load = replace(scenario.load, every_ns=random.choice((10, 25, 60)) * MILLISECOND)
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


def save(scenario: Scenario, folder: Path = REGRESSIONS) -> Path:
    """Keep a scenario as a literal."""
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

CORE_MS = 2_000
"""How long a healed core is given, in virtual time."""


def check_liveness(seed: int, make: Make = Engine) -> Counter[str]:
    """After the faults a core is healed for good; others stay cut off, some of them one way only.

    The core must come together and go on ordering messages, whatever it hears from outside.

    Raises:
        Violated: it did not.
    """
    random = Random(f"{seed}/liveness")
    scenario = replace(scenario_of(seed), quiet_end=False)
    nodes = max(3, scenario.nodes)
    scenario = replace(scenario, nodes=nodes)
    core = tuple(sorted(random.sample(range(1, nodes + 1), random.randint(2, nodes))))
    played = play(scenario, make)
    group = played.group
    group.heal()
    for outsider in sorted(set(group.members) - set(core)):
        for member in core:
            which = random.choice(("both", "to", "from"))
            if which != "from":
                group.world.cut(outsider, member)
            if which != "to":
                group.world.cut(member, outsider)
    group.world.run_for(CORE_MS * MILLISECOND // 2)
    before = len(group.history)
    for member in core:
        group.submit(member, f"from {member}".encode())
    group.world.run_for(CORE_MS * MILLISECOND // 2)
    found = list(_stuck(group.history[before:], core))
    found += [f"{v.rule} {v.text}" for v in judge(group.history).violations]
    if found:
        raise Violated(found, scenario, list(group.world.transcript.lines()))
    return counted(played) + Counter({"healed cores": 1})


def _stuck(events: list[dict[str, object]], core: tuple[int, ...]) -> list[str]:
    """Messages submitted by the core that not all of it delivered."""
    sent = {e["message"] for e in events if e["event"] == "send" and e["node"] in core}
    found = (
        [] if len(sent) >= len(core) else [f"P1 of {len(core)} submissions {len(sent)} were sent"]
    )
    for member in core:
        got = {e["message"] for e in events if e["event"] == "deliver" and e["node"] == member}
        if sent - got:
            found.append(f"P1 node {member} did not deliver {sorted(map(str, sent - got))}")
    return found
