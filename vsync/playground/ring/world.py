"""Five members in a world that is slow enough to watch: what is done to it, and what happened.

A hop takes 10 ms, whatever it carries, so a frame's arrival is known when it is sent, and can be
drawn on its way. The timeouts are as short as that allows: a member that dies is left out after
about four tenths of a second. The members are those that run on sockets
(:class:`vsync.engine.Engine`); only the network between them is made up.
"""

from collections import defaultdict, deque
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from random import Random

from clocksync.runtime.envelope import Envelope
from clocksync.runtime.errors import MalformedFrame
from clocksync.runtime.simulation import Constant, Link
from clocksync.runtime.simulation.nodes import Condition
from clocksync.runtime.simulation.transcript import DROPPED, RECEIVED, SENT
from clocksync.runtime.units import MICROSECOND, MILLISECOND, SECOND
from vsync.config import RingConfig
from vsync.engine import Engine
from vsync.events import Effect, Moved
from vsync.frames import FRAMES, Commit, Data, HoldCancel, Join, Merge, Recovered, Token
from vsync.identity import Service, message_name
from vsync.playground.stage import Message, NotPossible
from vsync.simulation.group import Group
from vsync.simulation.node import EVERYBODY, RingNode, Sealed
from vsync.states import State

COUNT = 5
HOP_NS, HOP_SPREAD_NS = 10 * MILLISECOND, 800 * MICROSECOND
FORMS_WITHIN_NS = 3 * SECOND
TRICKLE_NS = 34 * MILLISECOND
HISTORY_MAX = 40_000
"""Events that are kept for the judge."""

CONFIG = RingConfig.simulated(
    token_loss_ns=120 * MILLISECOND,
    token_retransmit_ns=75 * MILLISECOND,
    token_hold_ns=5 * MILLISECOND,
    join_ns=25 * MILLISECOND,
    join_spread_ns=4 * MILLISECOND,
    consensus_ns=60 * MILLISECOND,
    settle_ns=45 * MILLISECOND,
    merge_ns=120 * MILLISECOND,
    backoff_ns=(60 * MILLISECOND, 400 * MILLISECOND),
    leave_ns=500 * MILLISECOND,
    deaf_visits=8,
    datagram_bytes=300,
)

WHAT = {Join: "join", Commit: "commit", Merge: "merge", HoldCancel: "wake", Token: "token"}
_LOOK = Envelope(FRAMES, 0, 0)


@dataclass(slots=True)
class Flight:
    """A datagram under way to one member."""

    id: int
    sent_ns: int
    message: Message
    names: tuple[str, ...]


@dataclass(slots=True)
class RingWorld:
    """A world, its links, and what happened since it was last asked.

    Attributes:
        lost: why a member did not receive a message: by name and member.
        moves: members' changes of state since they were last taken: when, who, which.
    """

    seed: int | str
    group: Group = field(init=False)
    lost: dict[tuple[str, int], str] = field(default_factory=dict)
    moves: list[tuple[int, int, Moved]] = field(default_factory=list)
    trickles: bool = False
    _cuts: dict[tuple[int, int], int] = field(default_factory=dict)
    _flights: defaultdict[tuple[Hashable, Hashable, bytes], deque[Flight]] = field(
        default_factory=lambda: defaultdict(deque)
    )
    _delays: dict[tuple[int, int], int] = field(default_factory=dict)
    _next_flight: int = 1
    _submitted: int = 0
    _random: Random = field(init=False)

    def __post_init__(self) -> None:
        self._random = Random(f"{self.seed}/playground")
        self.group = Group(
            seed=self.seed,
            count=COUNT,
            config=CONFIG,
            link=Link(delay=Constant(HOP_NS)),
            keep=None,
            start_spread_ns=15 * MILLISECOND,
            watch=self._see,
        )
        for one in self.members:
            for other in self.members:
                if one != other:
                    delay = HOP_NS + self._random.randint(-HOP_SPREAD_NS, HOP_SPREAD_NS)
                    self._delays[one, other] = delay
                    self.group.world.link(one, other, Link(delay=Constant(delay)))

    # What there is to see

    @property
    def members(self) -> tuple[int, ...]:
        return self.group.members

    @property
    def now(self) -> int:
        """ns since the world began."""
        return self.group.world.now

    def engine(self, me: int) -> Engine:
        """That of the incarnation that runs, or ran last."""
        return self.group.node(me).engine

    def condition(self, me: int) -> str:
        """up, paused, left or down."""
        node = self.group.world.node(me)
        if not node.started or node.condition is Condition.DOWN:
            return "down"
        if node.condition is Condition.PAUSED:
            return "paused"
        engine = self.engine(me)
        return "left" if engine.state is State.IDLE and engine.leaving.name == "ALONE" else "up"

    def incarnation(self, me: int) -> int:
        """How often it was started."""
        return self.group.world.node(me).incarnation

    def is_cut(self, one: int, other: int) -> bool:
        """Whether the way from `one` to `other` is cut."""
        return (one, other) in self._cuts

    def is_one_ring(self) -> bool:
        """Whether all are on one ring, at work."""
        engines = [self.engine(me) for me in self.members if self.condition(me) == "up"]
        return (
            len(engines) == COUNT
            and len({engine.ring.id for engine in engines}) == 1
            and all(engine.state is State.OPERATIONAL for engine in engines)
        )

    def _see(self, node: RingNode, effect: Effect) -> None:
        if isinstance(effect, Moved):
            self.moves.append((self.now, node.me, effect))

    # What is done to it

    def submit(self, me: int, service: Service) -> bool:
        """A message; False if the member cannot send now."""
        if self.condition(me) != "up" or self.engine(me).leaving.name != "NOT":
            return False
        self._submitted += 1
        return self.group.submit(me, f"message {self._submitted}".encode(), service)

    def trickle(self, wanted: bool) -> None:
        """Let somebody send something now and then, or no more."""
        begins = wanted and not self.trickles
        self.trickles = wanted
        if begins:
            self._trickle()

    def _trickle(self) -> None:
        if not self.trickles:
            return
        able = [me for me in self.members if self.condition(me) == "up"]
        if able:
            service = Service.SAFE if self._random.random() < 0.35 else Service.AGREED
            self.submit(self._random.choice(able), service)
        wait = round(TRICKLE_NS * self._random.uniform(0.6, 1.4))
        self.group.world.after(wait, self._trickle)

    def cut(self, pairs: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
        """Cut ways; those that were whole are returned."""
        fresh = [pair for pair in pairs if pair not in self._cuts]
        for pair in fresh:
            self._cuts[pair] = self.group.world.cut(*pair)
        return fresh

    def mend(self, pairs: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
        """Mend ways; those that were cut are returned."""
        mended = [pair for pair in pairs if pair in self._cuts]
        for pair in mended:
            self.group.world.calm(self._cuts.pop(pair))
        return mended

    def cuts(self) -> list[tuple[int, int]]:
        """All ways that are cut."""
        return list(self._cuts)

    def kill(self, me: int) -> None:
        self.group.world.crash(me)

    def restart(self, me: int, keeps_disk: bool) -> None:
        """Start a member's program again."""
        node = self.group.world.node(me)
        if self.condition(me) == "left":
            node.condition = Condition.DOWN  # its process has ended by itself
            node.timers.clear()
        node.storage_lost = not keeps_disk
        if not keeps_disk:
            node.storage.clear()
        self.group.world.restart(me)

    def pause(self, me: int) -> None:
        self.group.world.pause(me)

    def resume(self, me: int) -> None:
        self.group.world.resume(me)

    def leave(self, me: int) -> None:
        if not self.group.leave(me):
            raise NotPossible(f"{me} cannot leave now")

    # What happened

    def run(self, until_ns: int) -> None:
        """Let time pass."""
        self.group.world.run(until_ns)
        self.group.world.told.clear()  # the history has it

    def flights(self, origin_ns: int) -> Iterator[Message]:
        """What was sent since the last time, each datagram on each of its ways; and what, of those
        told before, was lost."""
        entries = self.group.world.transcript.entries
        fresh: list[Flight] = []
        late: list[Message] = []
        for at, sign, node, other, what, why in entries:
            if sign == SENT:
                assert isinstance(node, int), "members are numbers"
                assert isinstance(what, Sealed), "and send datagrams"
                fresh += self._launched(at, node, other, what.data, origin_ns)
            elif sign in (RECEIVED, DROPPED):
                data = what.data if isinstance(what, Sealed) else what
                assert isinstance(data, bytes), "datagrams are bytes"
                flight = self._landed(node, other, data)
                if flight is not None and sign == DROPPED:
                    late += self._failed(flight, at, str(why), origin_ns)
        entries.clear()
        yield from (flight.message for flight in fresh)
        yield from late

    def _launched(
        self, at: int, sender: int, to: Hashable, data: bytes, origin_ns: int
    ) -> Iterator[Flight]:
        try:
            _, frame = _LOOK.open(data)
        except MalformedFrame:
            return
        ring, names = "", tuple[str, ...]()
        what = WHAT.get(type(frame), "message")
        if isinstance(frame, Recovered):
            what, frame = "again", Data.decode(frame.payload)
        if isinstance(frame, Data):
            ring, names = str(frame.ring), _names(frame)
            if what == "message" and frame.origin != sender:
                what = "again"
        elif isinstance(frame, Token | Commit):
            ring = str(frame.ring)
        for peer in self.members if to == EVERYBODY else (to,):
            if peer == sender:
                continue
            assert isinstance(peer, int), "members are numbers"
            told = {
                "kind": "frame",
                "at_s": (at - origin_ns) / SECOND,
                "got_s": (at + self._delays[sender, peer] - origin_ns) / SECOND,
                "id": self._next_flight,
                "from": sender,
                "to": peer,
                "what": what,
                "ring": ring,
                "messages": list(names),
                "lost": "",
            }
            flight = Flight(self._next_flight, at, told, names)
            self._next_flight += 1
            self._flights[peer, sender, data].append(flight)
            yield flight

    def _landed(self, to: Hashable, sender: Hashable, data: bytes) -> Flight | None:
        key = to, sender, data
        waiting = self._flights.get(key)
        if not waiting:
            return None
        flight = waiting.popleft()
        if not waiting:
            del self._flights[key]
        return flight

    def _failed(self, flight: Flight, at: int, why: str, origin_ns: int) -> Iterator[Message]:
        told = flight.message
        words = f"the link {told['from']} → {told['to']} is cut"
        if why != "cut":
            words = f"{told['to']} did not run when it came"
        for name in flight.names:
            self.lost[name, told["to"]] = words
        if len(self.lost) > 2_000:
            for key in list(self.lost)[:1_000]:
                del self.lost[key]
        if at == flight.sent_ns:
            told["lost"] = words
            return
        yield {"kind": "lost", "at_s": (at - origin_ns) / SECOND, "id": flight.id, "why": words}


def _names(frame: Data) -> tuple[str, ...]:
    if not frame.lengths:
        return (message_name(frame.ring, frame.sequence, None),)
    return tuple(
        message_name(frame.ring, frame.sequence, index) for index in range(len(frame.lengths))
    )
