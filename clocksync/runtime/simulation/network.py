"""The simulated network: what may happen to a datagram between two nodes.

A :class:`Link` describes one direction between two nodes; the two directions are independent, so
asymmetry is giving them different links. On top of the links lie *disturbances*, which come and
go: a partition, a lossy hour, a slow path. A :class:`Path` is what results for one ordered pair at
the moment, worked out when something changes and not per datagram.

Delays are drawn from distributions that say what real networks do: a floor that light and
switches set, and a tail that queues add (Cristian, "Probabilistic Clock Synchronization", 1989,
section 3: "a minimum, and no maximum").
"""

import math
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from clocksync.runtime.errors import BadConfig
from clocksync.runtime.units import MICROSECOND, SECOND

LONGEST_DELAY_NS = 3600 * SECOND
"""No drawn delay exceeds an hour: a heavy tail has no mean, but a run has an end."""

Pair = tuple[Hashable, Hashable]


class Delay(Protocol):
    """A distribution of durations."""

    def draw(self, random: Random) -> int:
        """One duration, ns, never negative."""


def _require(holds: bool, distribution: object) -> None:
    if not holds:
        raise BadConfig(f"{distribution} is no distribution of delays: parameters out of range")


@dataclass(frozen=True, slots=True)
class Constant:
    """Always `delay_ns`."""

    delay_ns: int

    def __post_init__(self) -> None:
        _require(self.delay_ns >= 0, self)

    def draw(self, random: Random) -> int:
        return self.delay_ns


@dataclass(frozen=True, slots=True)
class Uniform:
    """Anything from `lowest_ns` to `highest_ns`, equally likely."""

    lowest_ns: int
    highest_ns: int

    def __post_init__(self) -> None:
        _require(0 <= self.lowest_ns <= self.highest_ns, self)

    def draw(self, random: Random) -> int:
        # One float instead of randint, which costs eight times as much; 2^53 steps suffice.
        return self.lowest_ns + int(random.random() * (self.highest_ns - self.lowest_ns + 1))


@dataclass(frozen=True, slots=True)
class Exponential:
    """`minimum_ns` and an exponential tail with a mean of `tail_ns`: one queue on the way."""

    minimum_ns: int
    tail_ns: int

    def __post_init__(self) -> None:
        _require(self.minimum_ns >= 0 and self.tail_ns >= 0, self)

    def draw(self, random: Random) -> int:
        tail = -math.log(1.0 - random.random()) * self.tail_ns
        return min(self.minimum_ns + int(tail), LONGEST_DELAY_NS)


@dataclass(frozen=True, slots=True)
class Pareto:
    """`minimum_ns` and a heavy tail: P(tail > x) = (1 + x / `scale_ns`) ** -`shape`.

    With a `shape` of 2 or less the variance is infinite, with 1 or less the mean is: averages of
    such delays do not settle, minima do.
    """

    minimum_ns: int
    scale_ns: int
    shape: float = 1.5

    def __post_init__(self) -> None:
        _require(self.minimum_ns >= 0 and self.scale_ns >= 0 and self.shape > 0, self)

    def draw(self, random: Random) -> int:
        # The bound comes before int(): a tiny shape would overflow a float.
        exponent = -math.log(1.0 - random.random()) / self.shape
        tail = self.scale_ns * math.expm1(min(exponent, 200.0))
        return min(self.minimum_ns + int(min(tail, LONGEST_DELAY_NS)), LONGEST_DELAY_NS)


@dataclass(frozen=True, slots=True)
class LogNormal:
    """`minimum_ns` and a log-normal tail with the given median: a path of many small queues."""

    minimum_ns: int
    median_ns: int
    sigma: float = 1.0

    def __post_init__(self) -> None:
        _require(self.minimum_ns >= 0 and self.median_ns >= 0 and self.sigma >= 0, self)

    def draw(self, random: Random) -> int:
        tail = self.median_ns * math.exp(min(random.gauss(0.0, self.sigma), 200.0))
        return min(self.minimum_ns + int(min(tail, LONGEST_DELAY_NS)), LONGEST_DELAY_NS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One direction between two nodes.

    Raises:
        BadConfig: a probability lies outside 0 to 1.
    """

    delay: Delay = Uniform(50 * MICROSECOND, 250 * MICROSECOND)
    """How long a datagram is under way. Datagrams overtake each other where draws differ."""

    loss: float = 0.0
    """Probability that a datagram vanishes."""

    duplicate: float = 0.0
    """Probability that it arrives twice, the second time with a delay of its own."""

    reorder: float = 0.0
    """Probability that it is held back by a draw from `reorder_by`, so that later ones pass it."""

    reorder_by: Delay = Uniform(0, 1000 * MICROSECOND)

    corrupt: float = 0.0
    """Probability that one of its bits arrives flipped."""

    in_order: bool = False
    """Whether datagrams keep their order, as over one cable. What is held back by `reorder` is
    exempt."""

    def __post_init__(self) -> None:
        for name in ("loss", "duplicate", "reorder", "corrupt"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise BadConfig(f"{name} = {getattr(self, name)} is no probability: 0 to 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Disturbance:
    """What is added to a link while something is wrong with it.

    Probabilities combine as independent causes do: 1 - (1 - a)(1 - b).
    """

    cut: bool = False
    loss: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    reorder_by: Delay | None = None
    corrupt: float = 0.0
    extra: Delay | None = None


@dataclass(slots=True)
class Path:
    """What holds for datagrams of one ordered pair of nodes at the moment."""

    link: Link
    cut: bool = False
    loss: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    reorder_by: Delay = field(default_factory=lambda: Constant(0))
    corrupt: float = 0.0
    extras: tuple[Delay, ...] = ()
    latest_arrival: int = 0
    untroubled: bool = False
    """Nothing but a delay happens here: the one branch most datagrams take."""

    def arrival(self, departure: int, random: Random) -> int:
        """When a datagram that leaves at `departure` will be there; true time, ns."""
        arrival = departure + self.link.delay.draw(random)
        for extra in self.extras:
            arrival += extra.draw(random)
        if self.link.in_order:
            arrival = self.latest_arrival = max(arrival, self.latest_arrival)
        if self.reorder and random.random() < self.reorder:
            arrival += self.reorder_by.draw(random)
        return arrival


class Network:
    """All links and what disturbs them."""

    def __init__(self, default: Link) -> None:
        self._default = default
        self._links: dict[Pair, Link] = {}
        self.paths: dict[Pair, Path] = {}
        self._disturbances: dict[int, tuple[dict[Pair, None], Disturbance]] = {}
        self._next_token = 1

    def path(self, pair: Pair) -> Path:
        """The path of an ordered pair (from, to)."""
        path = self.paths.get(pair)
        if path is None:
            path = self.paths[pair] = Path(self._default)
            self._settle(pair)
        return path

    def set_link(self, pair: Pair, link: Link) -> None:
        self._links[pair] = link
        self.path(pair)
        self._settle(pair)

    def disturb(self, pairs: Iterable[Pair], disturbance: Disturbance) -> int:
        """Disturb the paths of `pairs` until :meth:`calm` is called with the returned token."""
        token, self._next_token = self._next_token, self._next_token + 1
        chosen = dict.fromkeys(pairs)  # a dict keeps its order, a set would not
        self._disturbances[token] = (chosen, disturbance)
        for pair in chosen:
            self.path(pair)
            self._settle(pair)
        return token

    def calm(self, token: int) -> None:
        """End one disturbance; one that ended already is no error."""
        chosen, _ = self._disturbances.pop(token, ({}, None))
        for pair in chosen:
            self._settle(pair)

    def calm_all(self) -> None:
        """End every disturbance. The links themselves stay as they are."""
        for token in list(self._disturbances):
            self.calm(token)

    def _settle(self, pair: Pair) -> None:
        path = self.paths[pair]
        link = path.link = self._links.get(pair, self._default)
        path.cut, path.extras, path.reorder_by = False, (), link.reorder_by
        path.loss, path.duplicate = link.loss, link.duplicate
        path.reorder, path.corrupt = link.reorder, link.corrupt
        for chosen, added in self._disturbances.values():
            if pair not in chosen:
                continue
            path.cut = path.cut or added.cut
            path.loss = _either(path.loss, added.loss)
            path.duplicate = _either(path.duplicate, added.duplicate)
            path.reorder = _either(path.reorder, added.reorder)
            path.corrupt = _either(path.corrupt, added.corrupt)
            path.reorder_by = added.reorder_by or path.reorder_by
            if added.extra is not None:
                path.extras += (added.extra,)
        path.untroubled = not (path.cut or path.loss or path.duplicate or path.corrupt)


def between(groups: Iterable[Iterable[Hashable]]) -> list[Pair]:
    """Every ordered pair of nodes that lie in different groups: what a partition cuts."""
    members = [list(group) for group in groups]
    return [
        (one, other)
        for mine, group in enumerate(members)
        for theirs, others in enumerate(members)
        if mine != theirs
        for one in group
        for other in others
    ]


def _either(one: float, other: float) -> float:
    return 1.0 - (1.0 - one) * (1.0 - other) if one and other else one or other
