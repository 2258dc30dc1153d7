"""Faults as data: a schedule of what goes wrong, made by hand or drawn from a seed.

A run that found a bug prints its faults; each is a value whose ``repr`` can be pasted into a test.
:func:`shrink` leaves out what the bug does not need. The kinds:

=============  ==========================================  =======================================
kind           `nodes`                                     `amount`
=============  ==========================================  =======================================
loss           paths to and from these                     probability added
duplicate      likewise                                    probability added
reorder        likewise                                    probability added (by up to 5 ms)
corrupt        likewise                                    probability added
delay          likewise                                    mean of an exponential extra delay, ns
partition      these on one side, the others on the other
asymmetric     these are not heard by the others, but hear
crash          each dies, and boots when the fault ends    1: its storage is lost
restart        each dies and boots at once                 1: its storage is lost
pause          each stands still until the fault ends
clock          each wall clock steps; it stays so          by these ns
rate           each oscillator runs at another rate        of these ppm
=============  ==========================================  =======================================

A fault that lasts 0 never ends by itself; ``World.heal`` ends those of the network.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Literal, TypeAlias, get_args

from clocksync.runtime.errors import BadConfig
from clocksync.runtime.simulation.network import Disturbance, Exponential, Pair, Uniform, between
from clocksync.runtime.simulation.world import World
from clocksync.runtime.units import MILLISECOND, SECOND

Kind: TypeAlias = Literal[
    "loss",
    "duplicate",
    "reorder",
    "corrupt",
    "delay",
    "partition",
    "asymmetric",
    "crash",
    "restart",
    "pause",
    "clock",
    "rate",
]

KINDS: tuple[Kind, ...] = get_args(Kind)

HELD_BACK_NS_MAX = 5 * MILLISECOND


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing going wrong, from `at_ns` (true time) for `lasts_ns`.

    Raises:
        BadConfig: the kind is unknown, or a number is out of range.
    """

    at_ns: int
    kind: Kind
    nodes: tuple[Hashable, ...]
    lasts_ns: int = 0
    amount: float = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise BadConfig(f"{self.kind!r} is no kind of fault: {', '.join(KINDS)}")
        if self.at_ns < 0 or self.lasts_ns < 0:
            raise BadConfig(f"{self!r} begins or lasts a negative time")
        is_probability = self.kind in ("loss", "duplicate", "reorder", "corrupt")
        if is_probability and not 0 <= self.amount <= 1:
            raise BadConfig(f"{self!r}: the amount is a probability, 0 to 1")

    @property
    def ends_ns(self) -> int:
        return self.at_ns + self.lasts_ns

    def __str__(self) -> str:
        span = f" for {self.lasts_ns / SECOND:.6f} s" if self.lasts_ns else ""
        amount = f" {self.amount:g}" if self.amount else ""
        whom = " ".join(map(str, self.nodes))
        return f"{self.at_ns / SECOND:.6f} {self.kind}{amount} {whom}{span}"


def inflict(world: World, faults: Iterable[Fault]) -> None:
    """Let `faults` happen in `world`, each at its time. Times in the past happen at once."""
    for fault in faults:
        world.at(max(fault.at_ns, world.now), partial(_begin, world, fault))


def _begin(world: World, fault: Fault) -> None:
    match fault.kind:
        case "crash" | "restart":
            for address in fault.nodes:
                world.crash(address, keep_storage=fault.amount != 1)
                if fault.kind == "restart":
                    world.restart(address)
                elif fault.lasts_ns:
                    world.after(fault.lasts_ns, partial(world.restart, address))
        case "pause":
            for address in fault.nodes:
                world.pause(address)
                if fault.lasts_ns:
                    world.after(fault.lasts_ns, partial(world.resume, address))
        case "clock":
            for address in fault.nodes:
                world.step_wall(address, round(fault.amount))
        case "rate":
            for address in fault.nodes:
                usual = world.node(address).usual_rate_ppm
                world.set_rate(address, fault.amount)
                if fault.lasts_ns:
                    world.after(fault.lasts_ns, partial(world.set_rate, address, usual))
        case _:
            token = world.disturb(_pairs(world, fault), _disturbance(fault), str(fault))
            if fault.lasts_ns:
                world.after(fault.lasts_ns, partial(world.calm, token))


def _pairs(world: World, fault: Fault) -> list[Pair]:
    theirs = dict.fromkeys(fault.nodes)
    others = [address for address in world.addresses if address not in theirs]
    if fault.kind == "asymmetric":
        return [(one, other) for one in theirs for other in others]
    if fault.kind == "partition":
        return between([theirs, others])
    everybody = world.addresses
    return [
        (one, other)
        for one in everybody
        for other in everybody
        if one != other and (one in theirs or other in theirs)
    ]


def _disturbance(fault: Fault) -> Disturbance:
    match fault.kind:
        case "loss":
            return Disturbance(loss=fault.amount)
        case "duplicate":
            return Disturbance(duplicate=fault.amount)
        case "reorder":
            return Disturbance(reorder=fault.amount, reorder_by=Uniform(0, HELD_BACK_NS_MAX))
        case "corrupt":
            return Disturbance(corrupt=fault.amount)
        case "delay":
            return Disturbance(extra=Exponential(0, round(fault.amount)))
        case _:
            return Disturbance(cut=True)


def random_faults(
    random: Random,
    nodes: Sequence[Hashable],
    until_ns: int,
    kinds: Sequence[Kind] = KINDS,
    count: int = 10,
) -> list[Fault]:
    """Draw `count` faults in the order they begin; all that can end do so by `until_ns`.

    Lengths are drawn evenly over their orders of magnitude, as a pause of 1 ms and one of 1 s find
    different bugs.
    """
    if until_ns < 1000:
        raise BadConfig(f"no faults fit into {until_ns} ns: at least 1000")
    faults = [_draw(random, nodes, until_ns, random.choice(kinds)) for _ in range(count)]
    return sorted(faults, key=lambda fault: fault.at_ns)


def _draw(random: Random, nodes: Sequence[Hashable], until_ns: int, kind: Kind) -> Fault:
    at = random.randrange(until_ns - 1)
    lasts = max(1, round((until_ns - at) * 1000 ** -random.random()))
    some = tuple(random.sample(nodes, random.randint(1, max(1, len(nodes) // 2))))
    one = (random.choice(nodes),)
    match kind:
        case "partition" | "asymmetric":
            return Fault(at, kind, some, lasts)
        case "loss" | "duplicate" | "reorder" | "corrupt":
            return Fault(at, kind, some, lasts, round(random.random(), 3))
        case "delay":
            return Fault(at, kind, some, lasts, round(MILLISECOND * 1000 ** random.random() / 10))
        case "clock":
            return Fault(at, kind, one, 0, random.randint(-SECOND, SECOND))
        case "rate":
            return Fault(at, kind, one, lasts, round(random.uniform(-500, 500), 3))
        case "restart":
            return Fault(at, kind, one, 0)
        case "crash" | "pause":
            return Fault(at, kind, one, lasts)


def shrink(faults: Sequence[Fault], fails: Callable[[list[Fault]], bool]) -> list[Fault]:
    """The smallest part of `faults` found for which `fails` still holds.

    Leaves out halves, then quarters, down to single ones (Zeller and Hildebrandt, "Simplifying and
    Isolating Failure-Inducing Input", 2002, section 3, without the complements' restart).

    Raises:
        ValueError: it does not fail with all of them.
    """
    left = list(faults)
    if not fails(left):
        raise ValueError("the run does not fail with all its faults: there is nothing to shrink")
    size = max(1, len(left) // 2)
    while left:
        at, removed = 0, False
        while at < len(left):
            without = left[:at] + left[at + size :]
            if fails(without):
                left, removed = without, True
            else:
                at += size
        if size == 1 and not removed:
            break
        size = max(1, size // 2)
    return left
