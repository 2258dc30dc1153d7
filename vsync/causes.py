"""Causes outside the ring: what we send after we were shown a timestamp is stamped later.

A message's timestamp is above those of all messages before it on the ring, so causes there need
nothing. Of others (a message of another group, a database's commit time) the application tells us,
and stamps of ours are forced above them; once given out, they carry everybody along. So a timestamp
far ahead of the time must not be believed: the group's own would have to follow it for good.

An observation holds over a crash of ours: it is confirmed when times up to it are reserved on disk,
because a restarted member stamps above its reservation. :data:`LATEST` is how commit-wait begins:
what is stamped no earlier than true time can be *now*, and not told to anybody before true time is
certainly past that, lies between the two in real time (Corbett et al., "Spanner", OSDI 2012,
section 4.1.2).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vsync.events import ObservationRefused, Observe, Observed
from vsync.frames import LARGEST
from vsync.ringtime import GroupTime

if TYPE_CHECKING:
    from vsync.engine import Engine

LATEST = None
"""In place of a timestamp: the latest that true time can be now."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """An observation that is not durable yet."""

    handle: int
    timestamp: int


def now(engine: "Engine") -> GroupTime:
    """What this member takes for the time."""
    return engine.stamper.now(engine.clock, engine.now, engine.ring.told)


def observe(engine: "Engine", event: Observe) -> None:
    """Stamp above that from now on, unless it is absurd."""
    latest = now(engine).interval.latest
    timestamp = latest if event.timestamp is LATEST else event.timestamp
    # Half of what a majority lets a joining member be ahead: a member that observed the most is
    # still admitted elsewhere.
    ahead = timestamp - latest
    if ahead > engine.config.ahead_max_ns // 2 or timestamp > LARGEST:
        engine.emit(ObservationRefused(event.handle, ahead))
        return
    stamper = engine.stamper
    stamper.observed = max(stamper.observed, timestamp)
    stamper.saw(timestamp)
    engine.observations.append(Waiting(event.handle, timestamp))
    confirm(engine)


def confirm(engine: "Engine") -> None:
    """Confirm what has become durable."""
    waiting, engine.observations = engine.observations, []
    for observation in waiting:
        if engine.is_reserved(observation.timestamp):
            engine.emit(Observed(observation.handle, observation.timestamp))
        else:
            engine.observations.append(observation)
