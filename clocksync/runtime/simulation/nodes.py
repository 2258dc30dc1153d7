"""A simulated node: its clocks, its core, and whether it runs.

Every node has one oscillator. Its *monotonic* clock counts that oscillator: it starts anywhere,
runs at a rate of its own, and never steps. Its *wall* clock counts the monotonic one and is wrong
by an offset; it can be stepped and slewed. All arithmetic is exact in integers, with rates in
units of 10^-12, the resolution of :class:`clocksync.runtime.clocks.SoftwareClock`.
"""

from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from enum import Enum
from random import Random
from typing import Protocol

from clocksync.runtime.clocks import Clock
from clocksync.runtime.core import Core, StampSource
from clocksync.runtime.simulation.network import Constant, Delay, Uniform

_UNIT = 10**12
USER_LATENCY = Uniform(5_000, 60_000)


class TrueTime(Protocol):
    """Who knows the true time: the world."""

    now: int


class Oscillator:
    """A node's monotonic clock: ``reading = start + (1 + rate) * true time elapsed``.

    Raises:
        ValueError: a rate that would make it stand still or run backwards.
    """

    def __init__(self, world: TrueTime, start_ns: int, rate_ppm: float) -> None:
        self._world = world
        self._true = world.now
        self._reading = start_ns
        self._rate = _rate(rate_ppm)

    @property
    def rate_ppm(self) -> float:
        return self._rate / 1_000_000

    def read(self) -> int:
        """The reading now."""
        elapsed = self._world.now - self._true
        return self._reading + elapsed + elapsed * self._rate // _UNIT

    def at(self, true_time: int) -> int:
        """The reading at a true time, at the present rate."""
        elapsed = true_time - self._true
        return self._reading + elapsed + elapsed * self._rate // _UNIT

    def true_time_of(self, reading: int) -> int:
        """The first nanosecond of true time at which the clock shows `reading` or more."""
        # elapsed + floor(elapsed * rate / unit) = floor(elapsed * (unit + rate) / unit), so the
        # smallest `elapsed` that reaches the target is one exact ceiling division.
        wanted = (reading - self._reading) * _UNIT
        return self._true - -wanted // (_UNIT + self._rate)

    def retune(self, rate_ppm: float) -> None:
        """Run at another rate from now on. Pending timers do not notice: use
        ``World.set_rate``."""
        self._reading, self._true = self.read(), self._world.now
        self._rate = _rate(rate_ppm)


class WallClock:
    """A node's wall clock, ns since the Unix epoch: its oscillator, an offset, a slew."""

    def __init__(self, oscillator: Oscillator, reading: int) -> None:
        self._oscillator = oscillator
        self._ticks = oscillator.read()
        self._reading = reading
        self._slew = 0

    def read(self) -> int:
        """The reading now."""
        elapsed = self._oscillator.read() - self._ticks
        return self._reading + elapsed + elapsed * self._slew // _UNIT

    def at(self, true_time: int) -> int:
        """The reading at a true time, if nobody steps or slews the clock between."""
        elapsed = self._oscillator.at(true_time) - self._ticks
        return self._reading + elapsed + elapsed * self._slew // _UNIT

    def step(self, by_ns: int) -> None:
        """Jump by `by_ns` at once."""
        self._reading += by_ns

    def slew(self, rate_ppm: float) -> None:
        """Run this much faster than the oscillator from now on; 0 ends it. No jump."""
        reading, ticks = self.read(), self._oscillator.read()
        self._reading, self._ticks = reading, ticks
        self._slew = _rate(rate_ppm)


def _rate(ppm: float) -> int:
    rate = round(ppm * 1_000_000)
    if rate <= -_UNIT:
        raise ValueError(f"a clock at {ppm} ppm stands still or runs backwards: above -1000000")
    return rate


class Condition(Enum):
    """Whether a node runs."""

    UP = "up"
    PAUSED = "paused: datagrams and timers wait"
    DOWN = "down: it died, and what it knew is gone"


@dataclass(frozen=True, slots=True)
class Boot:
    """What a node's program finds when it starts.

    `storage` outlives crashes (unless the crash loses it); `random` is seeded by the world's seed,
    the node and the incarnation; the clocks are the node's own, for programs that read them.
    """

    address: Hashable
    incarnation: int
    storage: dict[str, object]
    random: Random
    monotonic: Clock
    wall: Clock


Program = Callable[[Boot], Core]
Application = Callable[[Hashable, object], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeOptions:
    """How a node tells time to its core.

    With kernel stamps, a stamp is the wall clock's reading when the datagram arrives at or leaves
    the node; with user stamps the program reads its clock itself, a draw of `latency` later (or,
    sending, earlier). With either, `latency` passes between the program and the wire.
    """

    stamps: StampSource = StampSource.KERNEL
    latency: Delay | None = None
    """By default none with kernel stamps, and 5 to 60 us with user stamps: what an event loop that
    is not busy takes to wake up."""

    stamp_loss: float = 0.0
    """Probability that a transmit stamp is never told."""

    stamp_twice: bool = False
    """Tell the program's own reading first, then the kernel's, as drivers may."""

    backlog: int = 4096
    """Datagrams that wait while the node is paused; more are dropped, as a socket does."""


Waiting = tuple[bool, Callable[..., None], tuple[object, ...]]
"""Whether it is a datagram, and the event that was due while the node was paused."""


class Node:
    """One node of a world. Made by ``World.add``; read freely, change through the world."""

    __slots__ = (
        "address",
        "application",
        "backlog",
        "condition",
        "core",
        "incarnation",
        "index",
        "latency",
        "monotonic",
        "options",
        "program",
        "prompt",
        "ready_at",
        "started",
        "starts_at",
        "storage",
        "storage_lost",
        "timers",
        "usual_rate_ppm",
        "wall",
    )

    def __init__(
        self,
        index: int,
        address: Hashable,
        program: Program,
        monotonic: Oscillator,
        wall: WallClock,
        options: NodeOptions,
        application: Application | None,
    ) -> None:
        self.index = index  # its place in the order of adding: names its generator
        self.address = address
        self.program = program
        self.monotonic = monotonic
        self.usual_rate_ppm = monotonic.rate_ppm  # what it goes back to when a fault ends
        self.wall = wall
        self.options = options
        self.application = application
        self.condition = Condition.DOWN
        self.incarnation = 0
        self.storage: dict[str, object] = {}
        self.storage_lost = False  # by the last crash
        self.core: Core
        self.timers: dict[Hashable, tuple[int, int]] = {}  # name: (its event, reading when due)
        self.started = False
        self.starts_at = 0
        is_user = options.stamps is StampSource.USER
        self.latency = options.latency or (USER_LATENCY if is_user else Constant(0))
        self.prompt = self.latency == Constant(0)
        self.backlog: deque[Waiting] = deque()
        self.ready_at = 0  # a socket hands over in order: no datagram before an earlier one

    def __repr__(self) -> str:
        return f"<Node {self.address} {self.condition.name}>"
