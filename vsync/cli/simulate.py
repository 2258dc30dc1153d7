"""``vsync simulate``: one seeded run of a group, judged.  [I/O]"""

import sys
import time
from collections import Counter
from enum import Enum
from importlib import import_module
from pathlib import Path
from typing import Annotated, cast

import typer

from clocksync.runtime.errors import BadConfig
from clocksync.runtime.history import FileHistory
from clocksync.runtime.simulation import SimulationFailure
from clocksync.runtime.simulation.transcript import INTERFERENCE, TOLD, describe
from clocksync.runtime.units import SECOND
from vsync.check import Verdict, judge, render
from vsync.events import Moved, TimeRefused
from vsync.simulation.group import FAULTS
from vsync.simulation.node import Line, Make, Plain
from vsync.simulation.run import Played, draw, play


class Shown(Enum):
    """How much of a run is printed."""

    NOTHING = "nothing"
    CHANGES = "changes"
    MESSAGES = "messages"
    FRAMES = "frames"


def simulate(
    nodes: Annotated[int, typer.Option(help="Members, 1 to 64.")] = 3,
    seed: Annotated[int, typer.Option(help="Decides everything that is drawn.")] = 0,
    seconds: Annotated[float, typer.Option(help="How long, in virtual time.")] = 10.0,
    faults: Annotated[
        str, typer.Option(help=f"all, none, or a list out of {','.join(FAULTS)}.")
    ] = "all",
    quiet_end: Annotated[
        bool, typer.Option(help="Heal everything at the end, wait, and judge liveness too.")
    ] = False,
    history: Annotated[
        Path | None, typer.Option(help="Write the history to this file (JSON Lines).")
    ] = None,
    explain: Annotated[
        bool, typer.Option(help="Draw the run: beside the history, or simulate-SEED.svg.")
    ] = False,
    engine: Annotated[
        str, typer.Option(metavar="MODULE:CLASS", help="Another engine of the same interface.")
    ] = "vsync.engine:Engine",
    tokens: Annotated[
        bool, typer.Option(help="Record each passing of a token in the history, for pictures.")
    ] = False,
    show: Annotated[
        Shown, typer.Option(help="How much is printed of what happens.")
    ] = Shown.CHANGES,
) -> None:
    """Run a group of members in virtual time, with faults, and judge what they delivered.

    The same seed gives the same run. Exit 0: every promise was kept; 1: one was not; 2: usage.
    """
    if not 1 <= nodes <= 64:
        raise BadConfig(f"--nodes {nodes} is not in 1 to 64")
    if not 0 < seconds <= 10_000_000:
        raise BadConfig(f"--seconds {seconds} is not in 0 to 10,000,000")
    kinds, make = _kinds(faults), _engine(engine)
    scenario = draw(seed, nodes, round(seconds * SECOND), kinds, quiet_end=quiet_end)
    began = time.perf_counter()
    try:
        keep = None if show is not Shown.NOTHING else 50
        played = play(scenario, make, keep=keep, tells_tokens=tokens)
    except SimulationFailure as failure:
        typer.echo(str(failure))
        typer.echo(f"vsync: the engine failed: {failure.what}", err=True)
        raise typer.Exit(1) from None
    took = time.perf_counter() - began
    _show(played, show)
    if history is not None:
        history.unlink(missing_ok=True)
        with FileHistory(history) as file:
            for event in played.events:
                file.write(event)
    verdict = judge(played.events, str(history) if history is not None else f"seed {seed}")
    if explain:
        _draw(played, verdict, seed, history)
    typer.echo(_summary(played, took))
    if verdict.violations:
        typer.echo(render(verdict))
    for rule, text in played.violations:
        typer.echo(f"{rule} {text}")
    bad = len(verdict.violations) + len(played.violations)
    typer.echo(f"{bad} violations" if bad else "every promise was kept")
    raise typer.Exit(1 if bad else 0)


def _kinds(text: str) -> tuple[str, ...]:
    if text == "all":
        return FAULTS
    names = () if text == "none" else tuple(name.strip() for name in text.split(","))
    for name in names:
        if name not in FAULTS:
            raise BadConfig(f"{name!r} is no fault: all, none, or a list of {', '.join(FAULTS)}")
    return names


def _engine(text: str) -> Make:
    module, _, name = text.partition(":")
    if not module or not name:
        raise BadConfig(f"--engine {text!r}: write it as MODULE:CLASS")
    sys.path.insert(0, "")  # a module beside the user, as python -m would find it
    try:
        return cast(Make, getattr(import_module(module), name))
    except (ImportError, AttributeError) as error:
        raise BadConfig(f"--engine {text}: {error}") from None
    finally:
        sys.path.remove("")


def _show(played: Played, show: Shown) -> None:
    if show is Shown.NOTHING:
        return
    codec = Plain()
    for entry in played.group.world.transcript.entries:
        if show is Shown.FRAMES or _is_shown(entry[1], entry[4], show):
            typer.echo(f"{entry[0] / SECOND:12.6f} {describe(entry, codec)}")


def _is_shown(sign: str, what: object, show: Shown) -> bool:
    if sign == INTERFERENCE or isinstance(what, Moved | TimeRefused):
        return True
    if sign != TOLD or not isinstance(what, Line):
        return False
    return show is Shown.MESSAGES or what.keys["event"] in ("configuration", "recovered", "leave")


def _summary(played: Played, took: float) -> str:
    kinds = Counter(event["event"] for event in played.events)
    steps = played.group.steps
    return (
        f"seed {played.scenario.seed}, {played.scenario.nodes} nodes,"
        f" {len(played.scenario.faults)} faults: {kinds['configuration']:,} configuration events,"
        f" {kinds['send']:,} messages sent, {kinds['deliver']:,} deliveries;"
        f" {steps:,} engine steps, {steps / took:,.0f} a second"
    )


def _draw(played: Played, verdict: Verdict, seed: int, history: Path | None) -> None:
    from vsync.explain import explain as draw_events

    path = history.with_suffix(".svg") if history is not None else Path(f"simulate-{seed}.svg")
    title = f"vsync simulate --seed {seed} --nodes {played.scenario.nodes}"
    path.write_text(
        draw_events(played.events, title=title, violations=verdict.violations), encoding="utf-8"
    )
    typer.echo(f"drawn to {path}")
