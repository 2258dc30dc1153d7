"""The coordinator of a mesh: greets the agents, has them probe each other, collects the samples.

Greeting ends when every host has said its number, or after a while with those that have. Then each
agent is told whom to probe; that order is repeated all the time, which keeps it alive (see
:mod:`clocksync.meshing.agent`) and gives it to an agent that comes back in the middle. At the end
the samples are fetched, a frame at a time and agent, asking again for what does not come. A host
that dies only takes its own samples along.

It knows no clock but its own ``now``: it can run anywhere, on one of the hosts or none.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from random import Random

from clocksync.meshing import frames, plan
from clocksync.meshing.frames import Action, Batch, Order, Row, State, Status
from clocksync.runtime.core import Arrival, Effects, Notify, Send, SetTimer, SilentCore
from clocksync.runtime.errors import MalformedFrame
from clocksync.runtime.mmsg import Address
from clocksync.runtime.units import MILLISECOND, SECOND

GREET_EVERY_NS = 100 * MILLISECOND
RENEW_EVERY_NS = 250 * MILLISECOND
FETCH_EVERY_NS = 100 * MILLISECOND
FETCHES_AT_ONCE = 64
"""Agents whose samples are fetched at the same time."""
TRIES_MAX = 12
"""Requests without an answer after which an agent's samples are given up."""
SETTLE_NS = 100 * MILLISECOND
"""Between the last probe and the first fetch: for answers that are under way."""
STAMP_MAX = 1 << 62
"""No clock is after 2116, nor before 1970: stamps that are make arithmetic overflow."""


class Trouble(Enum):
    """What is wrong with a host, in words that follow its name."""

    SILENT = "does not answer: is `clocksync agent` running there, with this key?"
    TWIN = "has the number of another host: give each agent its own --id"
    BUSY = "serves as many coordinators as it can: try again later"
    LOST = "answered at first, and not when its samples were to be fetched"
    EXTREME = "sent stamps that no clock shows: they were left out"


@dataclass(slots=True)
class Host:
    """A host that was named: where it is, and what became of it."""

    address: Address
    token: int
    number: int | None = None
    precision_ns: int = 1
    troubles: list[Trouble] = field(default_factory=list)
    refusal: str = ""
    """What the network last said of it."""

    @property
    def takes_part(self) -> bool:
        return self.number is not None and Trouble.TWIN not in self.troubles

    def note(self, trouble: Trouble) -> None:
        """Add it once."""
        if trouble not in self.troubles:
            self.troubles.append(trouble)


@dataclass(frozen=True, slots=True)
class Probing:
    """The greeting is over: so many hosts probe each other over so many pairs."""

    hosts: int
    pairs: int
    lasts_ns: int


@dataclass(frozen=True, slots=True)
class Collected:
    """The end: all hosts, and the samples by (asker, asked)."""

    hosts: tuple[Host, ...]
    rows: Mapping[tuple[int, int], Sequence[Row]]


class Phase(Enum):
    """What it is doing."""

    GREETING = "greeting"
    PROBING = "probing"
    FETCHING = "fetching"
    OVER = "over"


@dataclass(slots=True)
class _Fetch:
    """One agent's samples on their way."""

    host: Host
    peers: list[int]
    rows: dict[int, list[Row]] = field(default_factory=dict)
    tries: int = 0


class Coordinator(SilentCore):
    """The core of one measurement.

    Args:
        addresses: of the agents, each once.
        lasts_ns: how long they probe.
        interval_ns: between two probes of one pair, each way.
        greet_ns: how long to wait for hosts that do not answer.
    """

    def __init__(
        self,
        addresses: Sequence[Address],
        random: Random,
        *,
        lasts_ns: int = SECOND,
        interval_ns: int = 10 * MILLISECOND,
        greet_ns: int = 3 * SECOND,
    ) -> None:
        base = random.randrange(1, 1 << 62)
        self.hosts = [Host(address, base + i) for i, address in enumerate(addresses)]
        self.phase = Phase.GREETING
        self.pairs: list[tuple[int, int]] = []
        self._random = random
        self._lasts_ns, self._interval_ns, self._greet_ns = lasts_ns, interval_ns, greet_ns
        # An agent counts its own time, and can be late: twice what it ought to have.
        self._rows_max = 2 * lasts_ns // max(1, interval_ns) + frames.ROWS_MAX
        self._by_token = {host.token: host for host in self.hosts}
        self._by_number: dict[int, Host] = {}
        self._orders: dict[int, list[tuple[int, Address]]] = {}
        self._ends_at = self._renew_at = 0
        self._waiting: list[_Fetch] = []
        self._fetching: dict[int, _Fetch] = {}
        self._fetched: list[_Fetch] = []

    # Inputs

    def start(self, now: int) -> Effects:
        self._ends_at = now + self._greet_ns
        return self._greet(now)

    def on_timer(self, timer: Hashable, now: int) -> Effects:
        match self.phase:
            case Phase.GREETING:
                return self._greet(now)
            case Phase.PROBING:
                return self._renew(now)
            case Phase.FETCHING:
                return self._fetch_again(now)
            case _:
                return []

    def on_frame(self, arrival: Arrival, now: int) -> Effects:
        frame = arrival.frame
        if not isinstance(frame, Status | Batch) or not isinstance(arrival.sender, int):
            return []
        host = self._by_token.get(frame.token)
        if host is None:
            return []
        if isinstance(frame, Status):
            return self._on_status(host, arrival.sender, frame, now)
        return self._on_batch(host, arrival.sender, frame, now)

    def on_refused(self, to: Hashable, tag: Hashable, reason: str, now: int) -> Effects:
        for host in self.hosts:
            if to in (host.address, host.number):
                host.refusal = reason
        return []

    def stop(self, now: int) -> Effects:
        """End the probing now, and go on with the samples there are."""
        if self.phase is Phase.PROBING:
            return self._begin_fetching(now)
        return []

    def give_up(self, now: int) -> Effects:
        """End it all: agents need not wait for us to be missed."""
        return self._finish() if self.phase is not Phase.OVER else []

    # Greeting

    def _greet(self, now: int) -> Effects:
        unknown = [host for host in self.hosts if host.number is None]
        if not unknown or now >= self._ends_at:
            return self._begin_probing(now)
        return [
            *(Send(host.address, _order(host, Action.GREET)) for host in unknown),
            SetTimer("tick", GREET_EVERY_NS),
        ]

    def _on_status(self, host: Host, sender: int, status: Status, now: int) -> Effects:
        if host.number is None and self.phase is Phase.GREETING:
            host.number, host.precision_ns = sender, status.precision_ns
            twin = self._by_number.setdefault(sender, host)
            if twin is not host:
                twin.note(Trouble.TWIN)
                host.note(Trouble.TWIN)
            if all(other.number is not None for other in self.hosts):
                return self._begin_probing(now)
        elif sender == host.number and status.state == State.BUSY:
            host.note(Trouble.BUSY)
        return []

    # Probing

    def _begin_probing(self, now: int) -> Effects:
        for host in self.hosts:
            if host.number is None:
                host.note(Trouble.SILENT)
        part = {number: host for number, host in self._by_number.items() if host.takes_part}
        if len(part) < 2:
            return self._finish()
        self._by_number = part
        self.pairs = plan.edges(list(part), self._random)
        self._orders = {
            number: [(other, part[other].address) for other in others]
            for number, others in plan.neighbours(self.pairs).items()
        }
        self.phase, self._ends_at = Phase.PROBING, now + self._lasts_ns
        return [Notify(Probing(len(part), len(self.pairs), self._lasts_ns)), *self._renew(now)]

    def _renew(self, now: int) -> Effects:
        left = self._ends_at - now
        if left <= 0:
            return self._begin_fetching(now)
        effects: Effects = []
        for number, neighbours in self._orders.items():
            host = self._by_number[number]
            order = _order(
                host,
                Action.PROBE,
                interval_us=min(max(1, self._interval_ns // 1000), 0xFFFF_FFFF),
                lasts_ms=min(max(1, left // MILLISECOND), 0xFFFF_FFFF),
                neighbours=frames.pack_neighbours(neighbours),
            )
            effects.append(Send(host.address, order))
        return [*effects, SetTimer("tick", max(1, min(RENEW_EVERY_NS, left)))]

    # Fetching

    def _begin_fetching(self, now: int) -> Effects:
        self.phase = Phase.FETCHING
        self._waiting = [
            _Fetch(self._by_number[number], [other for other, _ in neighbours])
            for number, neighbours in self._orders.items()
        ]
        return [SetTimer("tick", SETTLE_NS)]

    def _fetch_again(self, now: int) -> Effects:
        """Ask again those that have not answered, and further ones."""
        effects: Effects = []
        for token, fetch in list(self._fetching.items()):
            fetch.tries += 1
            if fetch.tries > TRIES_MAX:
                fetch.host.note(Trouble.LOST)
                self._fetched.append(self._fetching.pop(token))
            else:
                effects.append(self._request(fetch))
        effects += self._fetch_more()
        if not self._fetching:
            return self._finish()
        if now >= self._renew_at:  # those whose turn has not come must not lapse meanwhile
            self._renew_at = now + SECOND
            waiting = (fetch.host for fetch in self._waiting)
            effects += [Send(host.address, _order(host, Action.GREET)) for host in waiting]
        return [*effects, SetTimer("tick", FETCH_EVERY_NS)]

    def _fetch_more(self) -> Effects:
        effects: Effects = []
        while self._waiting and len(self._fetching) < FETCHES_AT_ONCE:
            fetch = self._waiting.pop(0)
            self._fetching[fetch.host.token] = fetch
            effects.append(self._request(fetch))
        return effects

    def _request(self, fetch: _Fetch) -> Send:
        peer = fetch.peers[0]
        first = len(fetch.rows.get(peer, ()))
        return Send(fetch.host.address, _order(fetch.host, Action.FETCH, peer=peer, first=first))

    def _on_batch(self, host: Host, sender: int, batch: Batch, now: int) -> Effects:
        fetch = self._fetching.get(host.token)
        if fetch is None or sender != host.number or batch.peer != fetch.peers[0]:
            return []
        rows = fetch.rows.setdefault(batch.peer, [])
        if batch.first != len(rows):
            return []  # an answer to an earlier request that came late, or twice
        try:
            told = frames.unpack_rows(batch.rows)
        except MalformedFrame:
            told = []
        rows += told
        fetch.tries = 0
        if told and len(rows) < min(batch.total, self._rows_max):
            return [self._request(fetch)]
        fetch.peers.pop(0)
        if fetch.peers:
            return [self._request(fetch)]
        self._fetched.append(self._fetching.pop(host.token))
        effects = self._fetch_more()
        return effects if self._fetching else self._finish()

    def _finish(self) -> Effects:
        self.phase = Phase.OVER
        rows: dict[tuple[int, int], list[Row]] = {}
        for fetch in [*self._fetched, *self._fetching.values()]:
            assert fetch.host.number is not None
            for peer, told in fetch.rows.items():
                sane = [row for row in told if _is_sane(row)]
                if len(sane) < len(told):
                    fetch.host.note(Trouble.EXTREME)
                rows[fetch.host.number, peer] = sane
        ends: Effects = [
            Send(host.address, _order(host, Action.END))
            for host in self.hosts
            if host.number is not None
        ]
        return [*ends, Notify(Collected(tuple(self.hosts), rows))]


def _order(
    host: Host,
    action: Action,
    *,
    interval_us: int = 0,
    lasts_ms: int = 0,
    peer: int = 0,
    first: int = 0,
    neighbours: bytes = b"",
) -> Order:
    order = Order(host.token, action, interval_us, lasts_ms, peer, first, neighbours, room=b"")
    return frames.padded(order)


def _is_sane(row: Row) -> bool:
    return all(0 <= stamp <= STAMP_MAX for stamp in row[:4])
