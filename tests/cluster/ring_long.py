"""Hours and days of a ring, with changes all the time: does it hold on to what it need not?"""

from collections import Counter
from dataclasses import replace

from clocksync.runtime.simulation import Link, Uniform
from clocksync.runtime.units import MICROSECOND, MILLISECOND, SECOND
from vsync.check import judge
from vsync.config import RingConfig
from vsync.simulation.group import Group, Load

EVERY = 5
"""Minutes between two counts."""


def unhurried() -> RingConfig:
    """Idle rotations are most of a long time: let the token rest."""
    return RingConfig.simulated(
        token_loss_ns=2 * SECOND,
        token_retransmit_ns=400 * MILLISECOND,
        token_hold_ns=1400 * MILLISECOND,
        consensus_ns=500 * MILLISECOND,
        merge_ns=3 * SECOND,
    )


def long_run(seed: int | str, minutes: int) -> list[int]:
    """What the engine that holds most holds, counted again and again; every stretch of the history
    is judged.

    Raises:
        AssertionError: a promise was broken.
    """
    group = Group(
        seed=seed,
        count=3,
        load=Load(every_ns=4 * SECOND, large=0.1, chatty=2),
        config=unhurried(),
        link=Link(delay=Uniform(500 * MICROSECOND, 1500 * MICROSECOND)),
        drift_ppm=0.0,
    )
    until = minutes * 60 * SECOND
    kinds = ("loss", "partition", "pause", "restart")
    group.work(until)
    for hour in range(0, minutes, 60):
        drawn = group.draw_faults(kinds, 3500 * SECOND, 60)
        start = hour * 60 * SECOND
        group.inflict([replace(fault, at_ns=fault.at_ns + start) for fault in drawn])
    held = []
    for minute in range(0, minutes, EVERY):
        group.world.run((minute + EVERY) * 60 * SECOND)
        group.world.told.clear()
        held.append(max((_held(group, me) for me in group.members if group.runs(me)), default=0))
    violations = judge(group.history).violations
    assert not violations, violations[:5]
    return held


def check_day(seed: int) -> Counter[str]:
    """A simulated day: flat memory, and every promise kept.

    Raises:
        AssertionError: it was not so.
    """
    held = long_run(seed, minutes=24 * 60)
    assert max(held) < 2000, held
    early, late = held[: len(held) // 4], held[len(held) // 4 :]
    assert max(late) <= 2 * max(early) + 200, held
    return Counter({"simulated days": 1})


def _held(group: Group, me: int) -> int:
    """How many objects an engine, and what writes its history, hold on to."""
    node = group.node(me)
    engine = node.engine
    return (
        len(engine.ring.log.frames)
        + len(engine.ring._misses)
        + len(engine.ring._answered)
        + len(engine.outbox)
        + len(engine.asked_tickets)
        + len(engine.membership.joins)
        + len(engine.membership.processes)
        + len(engine.incarnations)
        + (len(engine.recovery.ring.log.frames) if engine.recovery is not None else 0)
        + len(node._chronicler._submitted)
    )
