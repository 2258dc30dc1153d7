"""A mesh in the simulator, with a checker that knows every clock at every instant.

The cores are those that run on sockets, inside their seals (the plain ones, but where a key is the
point). The truth is recorded apart from them: what each wall clock shows at every instant of a
grid.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from random import Random

from clocksync.meshing import frames
from clocksync.meshing.agent import FRAMES, Agent
from clocksync.meshing.coordinator import Collected, Coordinator, Phase
from clocksync.meshing.frames import Row
from clocksync.meshing.result import MeshResult, Pair
from clocksync.meshing.solve import solve
from clocksync.peers.datagram import Datagrams
from clocksync.peers.sealed import Sealed
from clocksync.runtime.simulation import Link, Pareto, World
from clocksync.runtime.units import MICROSECOND, MILLISECOND, SECOND
from clocksync.security.plain import PlainSealer

CLUSTER = 7
COORDINATOR = 60_000
MILLISECOND_PATH = Link(delay=Pareto(400 * MICROSECOND, 100 * MICROSECOND, 1.5))
GRID_NS = 2 * MILLISECOND


class Violated(AssertionError):
    """A property does not hold; the message says which, where, and how to see it again."""


def where(number: int) -> tuple[str, int]:
    """A host's address."""
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}", 3190


def sealed(core, number):
    return Sealed(core, PlainSealer(CLUSTER, number), FRAMES)


@dataclass
class Lab:
    """Hosts 1 to `count` with an agent each, a coordinator, and the truth."""

    seed: object
    count: int
    link: Link = field(default_factory=lambda: MILLISECOND_PATH)
    lasts_ns: int = SECOND
    interval_ns: int = 20 * MILLISECOND
    offsets: dict[int, int] = field(default_factory=dict)
    rates: dict[int, float] = field(default_factory=dict)
    numbers: dict[int, int] = field(default_factory=dict)
    """What a host says its number is, where that is not its own."""
    lies: dict[int, type[Agent]] = field(default_factory=dict)
    grid_ns: int = GRID_NS

    def __post_init__(self):
        self.random = Random(f"{self.seed}/lab")
        self.world = World(self.seed, codec=Datagrams(), link=self.link, keep=30)
        self.hosts = range(1, self.count + 1)
        self.agents = {}
        self.truth: list[tuple[int, dict[int, int]]] = []
        self._found: dict[tuple[int, int], tuple[dict[int, int], dict[int, int], float]] = {}
        for number in self.hosts:
            self.world.add(
                where(number),
                self._boots(number),
                offset_ns=self.offsets.get(number, 0),
                rate_ppm=self.rates.get(number, 0.0),
            )
        self.coordinator = Coordinator(
            [where(number) for number in self.hosts],
            Random(f"{self.seed}/coordinator"),
            lasts_ns=self.lasts_ns,
            interval_ns=self.interval_ns,
            greet_ns=SECOND,
        )
        self.asks_from = where(COORDINATOR)
        self.world.add(self.asks_from, lambda boot: sealed(self.coordinator, COORDINATOR))
        self.bytes_sent: Counter[tuple[object, object]] = Counter()
        self.world.intercept(self._count)
        self._record()

    def _count(self, sender, to, data):
        self.bytes_sent[sender, to] += len(data)
        return False

    def _boots(self, number):
        def boot(given):
            kind = self.lies.get(number, Agent)
            agent = self.agents[number] = kind(self.numbers.get(number, number), given.random)
            return sealed(agent, self.numbers.get(number, number))

        return boot

    def _record(self):
        self.truth.append(
            (self.world.now, {n: self.world.node(where(n)).wall.read() for n in self.hosts})
        )
        if self.coordinator.phase is not Phase.OVER:
            self.world.after(self.grid_ns, self._record)

    @property
    def collected(self) -> Collected | None:
        return next(
            (e for e in self.world.events(self.asks_from) if isinstance(e, Collected)), None
        )

    def run(self, limit_ns: int = 20 * SECOND) -> Collected:
        """Until the samples are there."""
        if not self.world.run_until(lambda: self.collected is not None, limit_ns):
            raise Violated(f"seed {self.seed}: nothing was collected within {limit_ns} ns")
        return self.collected

    def result(self, **options) -> MeshResult:
        return solve(self.run(), **options)

    def true_offset(self, a: int, b: int, as_of: int, reference: int) -> int:
        """Clock b minus clock a when the reference's clock showed `as_of`, ns."""
        before, after, share = self._around(as_of, reference)
        first, last = before[b] - before[a], after[b] - after[a]
        return first + round((last - first) * share)

    def _around(self, as_of: int, reference: int) -> tuple[dict[int, int], dict[int, int], float]:
        """The readings of the grid before and after, and where in between."""
        if (as_of, reference) not in self._found:
            # From the end: a clock that was set may have shown it twice.
            for (_, before), (_, after) in zip(self.truth[-2::-1], self.truth[:0:-1], strict=False):
                if before[reference] <= as_of <= after[reference]:
                    width = after[reference] - before[reference]
                    share = (as_of - before[reference]) / width if width else 0.0
                    self._found[as_of, reference] = before, after, share
                    break
            else:
                raise Violated(f"seed {self.seed}: {as_of} is no instant of the run")
        return self._found[as_of, reference]


def check_bounds(lab: Lab, result: MeshResult, liars: frozenset[int] = frozenset()) -> int:
    """The truth is inside every bound of honest hosts; how many there were."""
    reference_of = {host.number: host.reference for host in result.hosts}
    checked = 0
    first = next((r for r in sorted({r for r in reference_of.values() if r})), None)
    for pair in result.pairs:
        if {pair.a, pair.b} & liars or reference_of[pair.a] != first or first in liars:
            continue
        try:
            truth = lab.true_offset(pair.a, pair.b, result.as_of_ns, first)
        except Violated:
            if any(len(step.hosts) > 1 for step in result.steps):
                continue  # whose clock was set is not told, so neither is the instant by one
            raise
        checked += 1
        if truth not in pair.interval:
            if _is_of_after(lab, result, pair):
                continue
            raise Violated(
                f"seed {lab.seed}: {pair.a}-{pair.b} is {truth}, outside {pair.interval}"
                f" by {max(pair.interval.earliest - truth, truth - pair.interval.latest)} ns;"
                f" steps {result.steps}, doubts {result.doubts}"
            )
        if pair.offset_ns not in pair.interval:
            raise Violated(f"seed {lab.seed}: an estimate outside its own interval: {pair}")
        if abs(truth - pair.offset_ns) > pair.error_bound_ns:
            raise Violated(f"seed {lab.seed}: the error bound is smaller than the interval: {pair}")
    return checked


def _is_of_after(lab: Lab, result: MeshResult, pair: Pair) -> bool:
    """Whether the pair is told as it was after a step that is named, and came at the very end."""
    stepped = {host for step in result.steps for host in step.hosts}
    last = lab.truth[-1][1]
    end = last[pair.b] - last[pair.a]
    return bool({pair.a, pair.b} & stepped) and end in pair.interval.widened(20 * MICROSECOND)


class TwoFaced(Agent):
    """Tells each host another time, and never contradicts itself: what it reports fits."""

    AMOUNT = 100 * MICROSECOND

    def _answer(self, arrival, probe):
        shift = self._lie_to(arrival.sender)
        return [
            _shifted(effect, shift) if hasattr(effect, "frame") else effect
            for effect in super()._answer(arrival, probe)
        ]

    def _batch(self, errand, order):
        shift = self._lie_to(order.peer)
        batch = super()._batch(errand, order)
        return _with_rows(batch, lambda row: row._replace(t1=row.t1 + shift, t4=row.t4 + shift))

    def _lie_to(self, peer):
        return (int(peer) * 2_654_435_761 >> 7) % 7 * self.AMOUNT


class Erratic(Agent):
    """Says anything at all, extremes too."""

    def _answer(self, arrival, probe):
        shift = self._random.choice((0, 10**6, -(10**9), 10**15, -(10**18)))
        return [
            _shifted(effect, shift) if hasattr(effect, "frame") else effect
            for effect in Agent._answer(self, arrival, probe)
        ]

    def _batch(self, errand, order):
        def anything(row):
            return Row(*(self._random.choice((0, -(2**63), 2**63 - 1, t)) for t in row[:4]), True)

        return _with_rows(Agent._batch(self, errand, order), anything)


def _shifted(send, shift):
    echo = send.frame
    return replace(
        send,
        frame=replace(
            echo,
            arrived=echo.arrived + shift,
            left=echo.left + shift,
            earlier_arrived=echo.earlier_arrived + (shift if echo.earlier else 0),
            earlier_left=echo.earlier_left + (shift if echo.earlier else 0),
        ),
    )


def _with_rows(batch, change):
    rows = [change(row) for row in frames.unpack_rows(batch.rows)]
    return replace(batch, rows=frames.pack_rows(rows))
