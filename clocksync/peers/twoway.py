"""Reading another host's clock by four stamps, each taken by a kernel.

A probe leaves at T1 and comes at T2, the answer leaves at T3 and comes at T4; T1 and T4 are read on
our clock, T2 and T3 on theirs. T3 can be told only after the answer has left: it comes with the
answer to a later probe, as in NTP's interleaved mode (RFC 9769). Until then the answerer's own
reading from just before stands for it: the bound holds all the same, it is only wider.

:class:`Asker` and :class:`Answerer` are parts of a core, not cores: they keep the books, and say
what is to be sent. What comes of it are :class:`~clocksync.ntp.sample.Sample`, so that bounds and
estimates are those of NTP (:mod:`clocksync.ntp.estimate`). Stamps may be told in any clock a host
keeps, one for all of them.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from clocksync.ntp.sample import Sample
from clocksync.peers.frames import Echo, Probe
from clocksync.runtime.core import Send, Stamp, StampSource

KEPT = 64
"""Exchanges that are remembered for each peer."""
UNTOLD = 4
"""Departures that wait for a later answer to each peer: of probes that came together."""
PEERS_MAX = 4096

Told = Callable[[int], int]
"""From a stamp of the host's own clock to the clock that is compared."""


@dataclass(frozen=True, slots=True)
class ProbeLeft:
    """The tag of a probe."""

    peer: Hashable
    number: int


@dataclass(frozen=True, slots=True)
class EchoLeft:
    """The tag of an answer. A probe that came twice is answered twice: the arrival tells which."""

    peer: Hashable
    number: int
    arrived: int


@dataclass(slots=True)
class Exchange:
    """One probe, and what is known of it so far; stamps in the clock that is compared."""

    number: int
    left: Stamp | None = None
    arrived_there: int = 0
    left_there: int = 0
    came_back: Stamp | None = None
    is_exact: bool = False
    """Whether the answer's departure is the kernel's."""

    def sample(self, precision_ns: int) -> Sample | None:
        """What it proves; None while it is under way."""
        if self.left is None or self.came_back is None:
            return None
        return Sample(
            self.left.time,
            self.arrived_there,
            self.left_there,
            self.came_back.time,
            0,
            0,
            precision_ns,
            self.left.source.weaker(self.came_back.source),
            self.is_exact,
        )


@dataclass(slots=True)
class Asker:
    """The exchanges with one peer.

    Args:
        precision_ns: both clocks' together.
        told: how stamps are told in the clock that is compared.
        kept: how many of the latest exchanges are remembered.
    """

    peer: Hashable
    first_number: int
    precision_ns: int = 1
    told: Told = int
    kept: int = KEPT
    impossible: int = 0
    """Answers that no honest clock can have given."""
    _number: int = 0
    _exchanges: dict[int, Exchange] = field(default_factory=dict)

    @property
    def samples(self) -> list[Sample]:
        """What the exchanges prove that are through, in the order they were begun in."""
        found = (exchange.sample(self.precision_ns) for exchange in self._exchanges.values())
        return [sample for sample in found if sample is not None]

    def ask(self) -> Send:
        """The next probe, on its way."""
        number = self.first_number + self._number
        self._number += 1
        self._exchanges[number] = Exchange(number)
        while len(self._exchanges) > self.kept:
            del self._exchanges[next(iter(self._exchanges))]
        return Send(self.peer, Probe(number), ProbeLeft(self.peer, number))

    def on_sent(self, tag: ProbeLeft, stamp: Stamp) -> None:
        """A probe left."""
        exchange = self._exchanges.get(tag.number)
        if exchange is not None and exchange.came_back is None:
            exchange.left = Stamp(self.told(stamp.time), stamp.source)

    def on_echo(self, echo: Echo, stamp: Stamp) -> bool:
        """An answer came; whether it is one, and possible."""
        exchange = self._exchanges.get(echo.number)
        if exchange is None or exchange.left is None or exchange.came_back is not None:
            return False
        came_back = Stamp(self.told(stamp.time), stamp.source)
        if not self._is_possible(exchange.left, echo.arrived, echo.left, came_back):
            self.impossible += 1
            return False
        exchange.arrived_there, exchange.left_there = echo.arrived, echo.left
        exchange.came_back = came_back
        earlier = self._exchanges.get(echo.earlier)
        if earlier is not None and earlier.arrived_there == echo.earlier_arrived:
            self._refine(earlier, echo.earlier_left)
        return True

    def _refine(self, exchange: Exchange, departure: int) -> None:
        """The kernel's departure of an answer came with a later one."""
        left, back = exchange.left, exchange.came_back
        if left is None or back is None or exchange.is_exact:
            return
        if self._is_possible(left, exchange.arrived_there, departure, back):
            exchange.left_there, exchange.is_exact = departure, True

    def forget(self, keep: int = 0) -> None:
        """Keep only the latest exchanges, or none: a clock was set."""
        for number in list(self._exchanges)[: max(0, len(self._exchanges) - keep)]:
            del self._exchanges[number]

    def _is_possible(self, left: Stamp, arrived: int, departed: int, back: Stamp) -> bool:
        held = departed - arrived
        return -self.precision_ns <= held <= back.time - left.time + self.precision_ns


@dataclass(slots=True)
class Answerer:
    """Answers probes of anybody who has the key.

    Args:
        told: how stamps are told in the clock that is compared.
    """

    told: Told = int
    _departures: dict[Hashable, dict[EchoLeft, int]] = field(default_factory=dict)

    def on_probe(self, peer: Hashable, probe: Probe, arrived: Stamp) -> Send:
        """The answer, on its way. It says of its own departure only that it is after the arrival;
        a driver's reading of the clock comes too late to be in it."""
        at = self.told(arrived.time)
        earlier, untold = (0, 0, 0), self._departures.get(peer)
        if untold:
            oldest = next(iter(untold))
            earlier = oldest.number, oldest.arrived, untold.pop(oldest)
        return Send(peer, Echo(at, at, *earlier, probe.number), EchoLeft(peer, probe.number, at))

    def on_sent(self, tag: EchoLeft, stamp: Stamp) -> None:
        """An answer left."""
        untold = self._departures.setdefault(tag.peer, {})
        if stamp.source is StampSource.USER and tag in untold:
            return  # the kernel's own came before
        untold[tag] = self.told(stamp.time)
        while len(untold) > UNTOLD:
            del untold[next(iter(untold))]
        while len(self._departures) > PEERS_MAX:
            del self._departures[next(iter(self._departures))]
