"""Simulated worlds in which a clock is disciplined, and what is known of them.

:func:`draw` makes a :class:`Plan` of a seed; :class:`Run` builds its world and plays it. The client
is the core itself, with stamps mapped to its base as on a machine (:class:`OnBase`); the servers
are :class:`~clocksync.ntp.responder.Responder` over wall clocks of their own. What must hold is the
business of :mod:`tests.cluster.discipline_properties`.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from random import Random

from clocksync.ntp.codec import NtpCodec
from clocksync.ntp.responder import Reference, Responder
from clocksync.runtime.core import Arrival, Effects, SilentCore, Stamp
from clocksync.runtime.mmsg import Address
from clocksync.runtime.simulation import Constant, Link, Pareto, World
from clocksync.runtime.simulation.nodes import Boot
from clocksync.runtime.units import MICROSECOND, MILLISECOND, SECOND
from clocksync.steering.base import BaseClock
from clocksync.steering.discipline import Discipline
from clocksync.steering.settings import DisciplineSettings

CLIENT: Address = ("10.0.0.1", 40_000)
HOUR = 3600 * SECOND
MINUTE = 60 * SECOND
WANDER_STEP_PPM, WANDER_EVERY_NS = 0.01, 10 * SECOND
"""The worst case is 3.6 ppm an hour, within the 4 that bounds allow for."""
DRIFT_PPM = 50.0


class OnBase(SilentCore):
    """A discipline on a simulated host: stamps of the wall clock are told in the base."""

    def __init__(self, boot: Boot, settings: DisciplineSettings, hosts: list[Address]) -> None:
        self.base = BaseClock(boot.monotonic, boot.wall)
        self.inner = Discipline(
            settings,
            len(hosts),
            boot.random,
            epoch_ns=self.base.epoch_ns,
            now=boot.monotonic.read(),
        )
        self._hosts = hosts
        self._monotonic = boot.monotonic
        self.base.on_jump = lambda by: self._void()

    def _void(self) -> None:
        self.inner.void(self._monotonic.read())

    def _mapped(self, stamp: Stamp) -> Stamp:
        return replace(stamp, time=self.base.at(stamp.time))

    def start(self, now: int) -> Effects:
        effects = self.inner.start(now)
        for host, address in enumerate(self._hosts):
            effects += self.inner.add(host, [address], now)
        return effects

    def on_frame(self, arrival: Arrival, now: int) -> Effects:
        return self.inner.on_frame(replace(arrival, stamp=self._mapped(arrival.stamp)), now)

    def on_sent(self, tag: Hashable, stamp: Stamp, now: int) -> Effects:
        return self.inner.on_sent(tag, self._mapped(stamp), now)

    def on_timer(self, timer: Hashable, now: int) -> Effects:
        return self.inner.on_timer(timer, now)

    def on_refused(self, to: Hashable, tag: Hashable, reason: str, now: int) -> Effects:
        return self.inner.on_refused(to, tag, reason, now)


@dataclass(frozen=True)
class Happening:
    """Something goes wrong: `kind` names a method of :class:`Run`."""

    at_ns: int
    kind: str
    given: tuple[int, ...] = ()


@dataclass(frozen=True)
class HostPlan:
    """One server: its clock's offset, its path, and whether it is honest."""

    delay_ns: int = MILLISECOND
    """The least round trip."""
    asymmetry: float = 0.0
    """How much of it goes one way beyond half: 0.2 is 60 to 40."""
    tail_ns: int = 50 * MICROSECOND
    loss: float = 0.0
    offset_ns: int = 0
    rate_ppm: float = 0.0
    honest: bool = True

    @property
    def links(self) -> tuple[Link, Link]:
        there = round(self.delay_ns * (1 + self.asymmetry) / 2)
        back = self.delay_ns - there
        tail = self.tail_ns
        ways = [Pareto(way, tail, 1.5) if tail else Constant(way) for way in (there, back)]
        return Link(delay=ways[0], loss=self.loss), Link(delay=ways[1], loss=self.loss)


@dataclass(frozen=True)
class Plan:
    """All there is to know of a run."""

    seed: int
    duration_ns: int
    hosts: tuple[HostPlan, ...]
    settings: DisciplineSettings
    offset_ns: int = 0
    rate_ppm: float = DRIFT_PPM
    wander: str = "walk"
    """How the oscillator's rate changes: a random walk, a ramp as steep as bounds allow for that
    turns now and then, or not at all."""
    happenings: tuple[Happening, ...] = field(default=())
    over_ns: int = 0
    """When all that happens is over."""

    @property
    def has_liar(self) -> bool:
        """Whether some host's clock is wrong, or is set wrong."""
        stepped = any(it.kind == "step_server" for it in self.happenings)
        return stepped or not all(host.honest for host in self.hosts)

    @property
    def first_ns(self) -> int:
        """When the first thing happens."""
        return min((it.at_ns for it in self.happenings), default=0)


def address_of(place: int) -> Address:
    return f"10.1.0.{place + 1}", 123


class Run:
    """A plan being played."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.world = World(plan.seed, codec=NtpCodec(), keep=40)
        addresses = [address_of(place) for place in range(len(plan.hosts))]
        self.world.add(
            CLIENT,
            lambda boot: OnBase(boot, plan.settings, addresses),
            offset_ns=plan.offset_ns,
            rate_ppm=plan.rate_ppm,
        )
        for place, host in enumerate(plan.hosts):
            reference = Reference(stratum=1, precision=-29, root_dispersion_ns=30 * MICROSECOND)
            self.world.add(
                addresses[place],
                Responder(reference),
                offset_ns=host.offset_ns,
                rate_ppm=host.rate_ppm,
            )
            self.world.link_both(CLIENT, addresses[place], *host.links)
        if plan.wander == "ramp":
            self._ramp(Random(f"ramp/{plan.seed}"), 1.0)
        if plan.wander == "walk":
            self.world.wander(CLIENT, WANDER_EVERY_NS, WANDER_STEP_PPM, plan.rate_ppm + 20)
        for happening in plan.happenings:
            self.world.at(happening.at_ns, lambda it=happening: getattr(self, it.kind)(*it.given))
        self.cuts: list[int] = []
        self.is_asleep = False

    @property
    def core(self) -> Discipline:
        return self.world.node(CLIENT).core.inner

    @property
    def now(self) -> int:
        """The client's monotonic reading."""
        return self.world.node(CLIENT).monotonic.read()

    @property
    def is_booted(self) -> bool:
        return self.world.node(CLIENT).started

    def _ramp(self, random: Random, slope: float) -> None:
        rate = self.world.node(CLIENT).monotonic.rate_ppm
        self.world.set_rate(CLIENT, rate + slope * WANDER_STEP_PPM)
        turned = -slope if random.random() < 0.005 else slope
        self.world.after(WANDER_EVERY_NS, lambda: self._ramp(random, turned))

    # Happenings

    def lose(self, *places: int) -> None:
        """These servers are cut off; all, where none is named."""
        for place in places or range(len(self.plan.hosts)):
            self.cuts.append(self.world.cut(address_of(place), CLIENT))

    def find(self) -> None:
        for token in self.cuts:
            self.world.calm(token)
        self.cuts.clear()

    def step_server(self, place: int, by_ns: int) -> None:
        self.world.step_wall(address_of(place), by_ns)

    def step_ours(self, by_ns: int) -> None:
        self.world.step_wall(CLIENT, by_ns)

    def retune(self, milli_ppm: int) -> None:
        node = self.world.node(CLIENT)
        self.world.set_rate(CLIENT, node.monotonic.rate_ppm + milli_ppm / 1000)

    def sleep(self, for_ns: int, error_ns: int) -> None:
        """The machine is suspended: its clocks stand still; then the wall clock is set by a clock
        that is off by `error_ns`."""
        node = self.world.node(CLIENT)
        rate = node.monotonic.rate_ppm
        self.is_asleep = True
        self.world.pause(CLIENT)
        self.world.set_rate(CLIENT, -999_999.0)

        def wake() -> None:
            self.world.set_rate(CLIENT, rate)
            self.world.step_wall(CLIENT, for_ns + error_ns)
            self.world.resume(CLIENT)
            self.world.call(CLIENT, lambda core, now: core.inner.slept(for_ns + error_ns, now))
            self.is_asleep = False

        self.world.after(for_ns, wake)


def typical(
    random: Random, count: int, liars: int = 0, *, sharp: bool = False
) -> tuple[HostPlan, ...]:
    """Servers a millisecond away with a heavy tail and asymmetry of up to 20 %; or `sharp` ones,
    whose constant delay all goes the same way: there the truth lies on the very edge of the bound.
    """
    one_way = random.choice([-1.0, 1.0])

    def asymmetry() -> float:
        return one_way if sharp else random.choice([0.2, -0.2, random.uniform(-0.2, 0.2)])

    hosts = [
        HostPlan(
            delay_ns=round(MILLISECOND * random.uniform(0.6, 1.6)),
            asymmetry=asymmetry(),
            tail_ns=0 if sharp else round(10 ** random.uniform(4, 5.3)),
            loss=random.choice([0.0, 0.0, random.uniform(0, 0.2)]),
        )
        for _ in range(count)
    ]
    for place in range(liars):
        sign = random.choice([-1, 1])
        lie = sign * round(10 ** random.uniform(5.5, 9.5))
        hosts[place] = replace(hosts[place], offset_ns=lie, honest=False)
    return tuple(hosts)
