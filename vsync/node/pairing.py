"""How far the members' clocks are from one another: two-way probes on the ring's own socket.

Each member asks every other a few times a second, or once while nobody reads the clocks; kernels
stamp all four ends (transmit stamps come with the next answer, :mod:`clocksync.peers.twoway`), so
that the difference of two clocks is known to a microsecond although each clock is known to be right
within a millisecond only. From that:

- **The group's clock** is the mean of the members' clocks that a majority does not contradict.
  Every member works it out for itself, from its own differences to the others: no message, and the
  same reading everywhere but for the error of the differences.
- **A tighter bound**: each other member's interval, led into our clock by the difference, counts as
  if it were read here and now; no rotation of the token widens it.

The arithmetic is pure; the ring's thread feeds :class:`Pairs`, the application's side reads
:class:`Comparison` values that are replaced whole.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from clocksync.ntp.estimate import Contradiction, estimate
from clocksync.ntp.sample import Sample
from clocksync.peers.frames import Echo, Probe
from clocksync.peers.twoway import Answerer, Asker, EchoLeft, ProbeLeft
from clocksync.runtime.core import Send, Stamp
from clocksync.runtime.interval import Interval
from clocksync.runtime.units import MILLISECOND
from vsync.ringtime import CLUELESS_NS, majority

ASK_EVERY_NS = 250 * MILLISECOND
"""Between two probes of one peer; longer where peers are many, so that they stay a trickle."""
ASK_SELDOM_NS = 1_000 * MILLISECOND
"""The same while nobody reads: probes are most of what an idle ring would do."""
READ_LATELY_NS = 5_000 * MILLISECOND
SAMPLES_ENOUGH = 8
"""So many are taken at the quicker pace first, of each peer."""
ASK_APART_NS = 10 * MILLISECOND
LASTS_NS = 4 * ASK_EVERY_NS + 5_000 * MILLISECOND
"""A peer that was not read for so long is not compared with."""
SAMPLES_KEPT = 32

KINDS = frozenset({Probe.KIND, Echo.KIND})


@dataclass(frozen=True, slots=True)
class Comparison:
    """One peer's clock against ours."""

    samples: tuple[Sample, ...]
    """Offsets are theirs minus ours, in readings of the members' clocks."""

    @property
    def at_ns(self) -> int:
        """When it was read last, by our clock."""
        return self.samples[-1].t4


class Difference(NamedTuple):
    """A peer's clock minus ours, as of one instant of our clock."""

    offset_ns: int
    error_ns: int
    at_ns: int
    skew_ppm: float

    def offset_at(self, at_ns: int) -> int:
        """The same, followed to another instant."""
        return self.offset_ns + round((at_ns - self.at_ns) * self.skew_ppm / 1e6)


def difference(comparison: Comparison) -> Difference | None:
    """What the samples say; None where they contradict each other: a clock was set."""
    at = comparison.at_ns
    found = estimate(comparison.samples, at)
    if isinstance(found, Contradiction):
        return None
    return Difference(found.offset_ns, found.error_bound_ns, at, found.skew_ppm or 0.0)


class Agreed(NamedTuple):
    """What the members' clocks come to together, as this member works it out."""

    offset_ns: int
    """The group's clock minus ours."""
    interval: Interval | None
    """True time minus our clock, as the majority says; None for fewer than three."""
    members: tuple[int, ...]
    """Whose clocks are averaged."""


def agree(clocks: Sequence[tuple[int, int, int, int]]) -> Agreed:
    """The group's clock from the members' clocks.

    Args:
        clocks: for each member its number, its clock minus ours, how far that may be off, and its
            own bound; ours among them, as (number, 0, 0, bound).
    """
    intervals = [Interval.around(offset, error + bound) for _, offset, error, bound in clocks]
    group = majority(intervals)
    good = [
        clock
        for clock, interval in zip(clocks, intervals, strict=True)
        if group is None or interval & group is not None
    ]
    knowing = [clock for clock in good if clock[3] <= CLUELESS_NS] or good
    mean = round(sum(offset for _, offset, _, _ in knowing) / len(knowing))
    return Agreed(mean, group, tuple(number for number, *_ in knowing))


class Pairs:
    """The probes of one member: what is asked, answered, and known of whom.

    Args:
        told: from a stamp of the system's clock to this member's clock.
        first_number: of its probes; drawn anew for each incarnation.
    """

    def __init__(self, told: Callable[[int], int], first_number: int) -> None:
        self.known: dict[int, Comparison] = {}
        """By peer; replaced whole, so that another thread may read it."""
        self._told, self._first_number = told, first_number
        self._answerer = Answerer(told)
        self._askers: dict[int, Asker] = {}
        self._next_ns = 0
        self.read_ns = 0
        """When somebody last read what is known; set from any thread."""

    def due_ns(self) -> int:
        """When to ask next."""
        return self._next_ns

    def ask(self, now: int, peers: Iterable[int]) -> list[Send]:
        """It is time to ask: the probes, each for the peer it names."""
        peers = tuple(peers)
        seldom = now - self.read_ns > READ_LATELY_NS and all(map(self._is_known, peers))
        pace = ASK_SELDOM_NS if seldom else ASK_EVERY_NS
        self._next_ns = now + max(pace, ASK_APART_NS * len(peers))
        for gone in self._askers.keys() - set(peers):
            del self._askers[gone]
            self.known.pop(gone, None)
        return [self._asker(peer).ask() for peer in peers]

    def on_probe(self, sender: int, probe: Probe, arrived: Stamp) -> Send:
        """The answer to a peer's probe."""
        return self._answerer.on_probe(sender, probe, arrived)

    def on_echo(self, sender: int, echo: Echo, arrived: Stamp) -> None:
        """A peer's answer."""
        asker = self._askers.get(sender)
        if asker is None or not asker.on_echo(echo, arrived):
            return
        samples = tuple(asker.samples[-SAMPLES_KEPT:])
        if samples:
            self.known[sender] = Comparison(samples)

    def on_sent(self, tag: object, stamp: Stamp) -> None:
        """A probe or an answer left."""
        if isinstance(tag, ProbeLeft):
            asker = self._askers.get(tag.peer)  # type: ignore[call-overload]
            if asker is not None:
                asker.on_sent(tag, stamp)
        elif isinstance(tag, EchoLeft):
            self._answerer.on_sent(tag, stamp)

    def forget(self, peer: int) -> None:
        """A clock was set: begin anew with a peer."""
        asker = self._askers.get(peer)
        if asker is not None:
            asker.forget()
        self.known.pop(peer, None)

    def _is_known(self, peer: int) -> bool:
        comparison = self.known.get(peer)
        return comparison is not None and len(comparison.samples) >= SAMPLES_ENOUGH

    def _asker(self, peer: int) -> Asker:
        asker = self._askers.get(peer)
        if asker is None:
            asker = self._askers[peer] = Asker(peer, self._first_number, told=self._told)
        return asker
