"""The agent of a mesh: on each host, answers probes, and probes whom a coordinator names.

What a coordinator can make it do is bounded, whoever that is:

- An order lapses when its coordinator has been silent for `LEASE_NS`: all of it is forgotten.
- At most `ORDERS_MAX` coordinators at a time, one order each; others are told that it is busy.
- No more than two probes each `TICK_NS_MIN`, all neighbours of an order together; no more than
  `SAMPLES_MAX` samples of an order are kept.
- **Never an amplifier.** Each order draws one answer, no longer than itself. A neighbour that has
  not answered yet is probed only with bytes that came in orders: who names a stranger's address
  makes us send there no more than he sent us.

It answers plain probes of every host that has the key, coordinated or not.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field
from random import Random

from clocksync.meshing import frames
from clocksync.meshing.frames import Action, Batch, Order, Row, State, Status
from clocksync.peers.frames import Echo, Probe
from clocksync.peers.twoway import Answerer, Asker, EchoLeft, ProbeLeft
from clocksync.runtime.core import (
    Arrival,
    CancelTimer,
    Effects,
    Notify,
    Send,
    SetTimer,
    SilentCore,
    Stamp,
)
from clocksync.runtime.errors import MalformedFrame
from clocksync.runtime.mmsg import Address
from clocksync.runtime.units import MILLISECOND, SECOND
from clocksync.security.datagram import ANYBODY

FRAMES = (Probe, Echo, *frames.FRAMES)
ORDERS_MAX = 4
LEASE_NS = 5 * SECOND
TICK_NS_MIN = 500_000
SAMPLES_MAX = 20_000
LASTS_MS_MAX = 3_600_000
TOGETHER = 2
"""Probes that leave together: the second finds every cache on the way warm, so that more of them
come near the least delay. See docs/mesh.md for what that is worth."""
STRANGER_BYTES = 128
"""What a probe of a stranger is taken to cost: itself, a seal, and the hail that may go along."""
CREDIT_MAX = 1 << 16


@dataclass(frozen=True, slots=True)
class Asked:
    """A host read our clock for the first time."""

    by: Hashable


@dataclass(frozen=True, slots=True)
class Ordered:
    """A coordinator had us probe others."""

    by: Hashable
    neighbours: int


@dataclass(frozen=True, slots=True)
class Lapsed:
    """An order is over: its coordinator ended it, or has been silent for too long."""

    by: Hashable
    was_ended: bool


@dataclass(slots=True)
class Neighbour:
    """Somebody we probe: where he is, and what came of it."""

    address: Address
    asker: Asker
    has_answered: bool = False


@dataclass(slots=True)
class Errand:
    """An order that is carried out."""

    token: int
    tick_ns: int
    ends_at: int
    lapses_at: int
    neighbours: dict[int, Neighbour]
    credit: int
    turn: int = 0
    rows: dict[int, list[Row]] = field(default_factory=dict)
    """Of each neighbour whose samples were asked for: what is told of them."""

    def next_neighbour(self) -> Neighbour:
        """Whose turn it is."""
        places = list(self.neighbours)
        self.turn = (self.turn + 1) % len(places)
        return self.neighbours[places[self.turn]]


class Agent(SilentCore):
    """The core.

    Args:
        me: this host's number.
        random: where the numbers of probes begin, and when each leaves.
        precision_ns: of the clock that stamps are told in.
    """

    def __init__(self, me: int, random: Random, *, precision_ns: int = 1) -> None:
        self.me, self.precision_ns = me, precision_ns
        self.answers = 0
        """Probes answered."""
        self.refused = 0
        """Orders that were not carried out."""
        self._random = random
        self._next_number = random.randrange(1, 1 << 62)
        self._answerer = Answerer()
        self._known: set[Hashable] = set()
        self._errands: dict[Hashable, Errand] = {}

    @property
    def coordinators(self) -> list[Hashable]:
        """Whose orders are carried out."""
        return list(self._errands)

    # Inputs

    def on_frame(self, arrival: Arrival, now: int) -> Effects:
        match arrival.frame:
            case Probe():
                return self._answer(arrival, arrival.frame)
            case Echo():
                self._take(arrival, arrival.frame)
                return []
            case Order():
                return self._obey(arrival.sender, arrival.frame, now)
            case _:
                return []

    def on_sent(self, tag: Hashable, stamp: Stamp, now: int) -> Effects:
        if isinstance(tag, EchoLeft):
            self._answerer.on_sent(tag, stamp)
        elif isinstance(tag, ProbeLeft):
            for errand in self._errands.values():
                neighbour = errand.neighbours.get(tag.peer) if isinstance(tag.peer, int) else None
                if neighbour is not None:
                    neighbour.asker.on_sent(tag, stamp)
        return []

    def on_timer(self, timer: Hashable, now: int) -> Effects:
        errand = self._errands.get(timer)
        if errand is None:
            return []
        if now >= errand.lapses_at:
            del self._errands[timer]
            return [Notify(Lapsed(timer, was_ended=False))]
        if now >= errand.ends_at:
            return [SetTimer(timer, max(1, errand.lapses_at - now))]
        wait = round(errand.tick_ns * self._random.uniform(0.75, 1.25))
        return [*self._probe(errand), SetTimer(timer, wait)]

    # Probes

    def _answer(self, arrival: Arrival, probe: Probe) -> Effects:
        self.answers += 1
        answer = self._answerer.on_probe(arrival.sender, probe, arrival.stamp)
        if arrival.sender in self._known:
            return [answer]
        self._known.add(arrival.sender)
        return [answer, Notify(Asked(arrival.sender))]

    def _probe(self, errand: Errand) -> Effects:
        neighbour = errand.next_neighbour()
        if neighbour.has_answered:
            sends = [neighbour.asker.ask() for _ in range(TOGETHER)]
        elif errand.credit >= STRANGER_BYTES:
            errand.credit -= STRANGER_BYTES
            sends = [neighbour.asker.ask()]
        else:
            return []
        return [Send(neighbour.address, send.frame, send.tag) for send in sends]

    def _take(self, arrival: Arrival, echo: Echo) -> None:
        if not isinstance(arrival.sender, int):
            return
        for errand in self._errands.values():
            neighbour = errand.neighbours.get(arrival.sender)
            if neighbour is not None and neighbour.asker.on_echo(echo, arrival.stamp):
                neighbour.has_answered = True

    # Orders

    def _obey(self, sender: Hashable, order: Order, now: int) -> Effects:
        errand = self._errands.get(sender)
        is_known = errand is not None and errand.token == order.token
        if errand is not None and is_known:
            errand.lapses_at = now + LEASE_NS
            errand.credit = min(CREDIT_MAX, errand.credit + _size(order))
        match order.action:
            case Action.GREET:
                return self._reply(sender, order, self._status(order.token, errand))
            case Action.PROBE if is_known:
                return self._reply(sender, order, self._status(order.token, errand))
            case Action.PROBE:
                return self._begin(sender, order, now)
            case Action.FETCH if errand is not None and is_known:
                return self._reply(sender, order, self._batch(errand, order))
            case Action.END if is_known:
                del self._errands[sender]
                return [CancelTimer(sender), Notify(Lapsed(sender, was_ended=True))]
            case _:
                self.refused += 1
                return []

    def _begin(self, sender: Hashable, order: Order, now: int) -> Effects:
        """Carry out a new order, in place of an earlier one of the same coordinator."""
        neighbours = self._neighbours_in(order)
        if neighbours is None:
            self.refused += 1
            return []
        if sender not in self._errands and len(self._errands) >= ORDERS_MAX:
            self.refused += 1
            status = Status(order.token, State.BUSY, self.precision_ns, ())
            return self._reply(sender, order, status)
        lasts = min(order.lasts_ms, LASTS_MS_MAX) * MILLISECOND
        tick = max(TICK_NS_MIN, order.interval_us * 1_000 // len(neighbours))
        errand = Errand(
            order.token, tick, now + lasts, now + LEASE_NS, neighbours, credit=_size(order)
        )
        errand.turn = self._random.randrange(len(neighbours))
        self._errands[sender] = errand
        return [
            *self._reply(sender, order, self._status(order.token, errand)),
            Notify(Ordered(sender, len(neighbours))),
            SetTimer(sender, round(tick * self._random.random())),
        ]

    def _neighbours_in(self, order: Order) -> dict[int, Neighbour] | None:
        """Those to probe; None where the order makes no sense."""
        try:
            listed = frames.unpack_neighbours(order.neighbours)
        except MalformedFrame:
            return None
        found: dict[int, Neighbour] = {}
        kept = SAMPLES_MAX // max(1, len(listed))
        for number, address in listed:
            if number in (0, self.me, ANYBODY) or number in found or not address[1]:
                return None
            asker = Asker(number, self._next_number, 2 * self.precision_ns, kept=kept)
            self._next_number = (self._next_number + (1 << 32)) % (1 << 63)
            found[number] = Neighbour(address, asker)
        return found or None

    def _status(self, token: int, errand: Errand | None) -> Status:
        if errand is None or errand.token != token:
            return Status(token, State.IDLE, self.precision_ns, ())
        answered = [n for n, neighbour in errand.neighbours.items() if neighbour.has_answered]
        return Status(token, State.PROBING, self.precision_ns, tuple(answered))

    def _batch(self, errand: Errand, order: Order) -> Batch:
        """The samples asked for. What is told of a neighbour is settled at the first request."""
        neighbour = errand.neighbours.get(order.peer)
        if neighbour is None:
            return Batch(order.token, order.peer, order.first, 0, b"")
        rows = errand.rows.get(order.peer)
        if rows is None:
            rows = errand.rows[order.peer] = [
                Row(s.t1, s.t2, s.t3, s.t4, s.interleaved) for s in neighbour.asker.samples
            ][:0xFFFF]
        some = rows[order.first : order.first + frames.ROWS_MAX]
        return Batch(order.token, order.peer, order.first, len(rows), frames.pack_rows(some))

    def _reply(self, sender: Hashable, order: Order, answer: Status | Batch) -> Effects:
        if len(answer.encode()) > _size(order):
            self.refused += 1
            return []
        return [Send(sender, answer)]


def _size(order: Order) -> int:
    return len(order.encode())
