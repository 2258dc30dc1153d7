"""What is known of each pair of hosts, in bounded memory whoever sends what."""

from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from clocksync.capture.course import Course, Floor
from clocksync.capture.reader import INCOMING, OUTGOING
from clocksync.ntp.sample import Sample

PAIRS_MAX = 2_000
STRANGERS_MAX = 4_096
NOTES_MAX = 8


TAP_NS = 50_000
"""How much later a kernel may stamp the departure of a packet than it shows it to who captures on
the same host: the tap comes before the driver."""


def tap_allowance_ns(way: int, delay_ns: int) -> int:
    """What to widen a bound by that rests on a packet having left before it was captured: not so
    for one that the capturing host sent itself, and where nothing tells which way it went, not
    surely for delays as short as that."""
    if way == OUTGOING or (way != INCOMING and delay_ns < TAP_NS):
        return TAP_NS
    return 0


class Protocol(Enum):
    """What two hosts spoke."""

    NTP = "NTP"
    PTP = "PTP"
    TOOLKIT = "clocksync"


class Clock(Enum):
    """Which clock a sample is about, and against which."""

    SERVER = "server"
    """The server's (a PTP master's, an answerer's) minus the one that stamped the capture."""
    CLIENT = "client"
    """The client's minus the one that stamped the capture."""
    BETWEEN = "server-client"
    """The server's minus the client's, by their own four stamps: the capture's clock is not in
    it."""


Key: TypeAlias = tuple[Protocol, bytes, bytes]


@dataclass(slots=True)
class Pair:
    """A client and a server of one protocol, and all that was seen of them."""

    protocol: Protocol
    client: bytes
    server: bytes
    requests: int = 0
    replies: int = 0
    exchanges: int = 0
    impossible: int = 0
    """Replies whose stamps no honest clock can have given."""
    first_ns: int = 0
    last_ns: int = 0
    interleaved: int = 0
    client_number: int | None = None
    server_number: int | None = None
    stratum: int | None = None
    root_distance_ns: int | None = None
    outward: list[int] = field(default_factory=lambda: [0, 0])
    """Requests, and replies, that the capturing host sent itself."""
    inward: list[int] = field(default_factory=lambda: [0, 0])
    notes: Counter[str] = field(default_factory=Counter)
    courses: dict[Clock, Course] = field(default_factory=dict)
    client_floor: Floor = field(default_factory=Floor)
    server_floor: Floor = field(default_factory=Floor)

    def note(self, words: str) -> None:
        """Count something worth telling."""
        if words in self.notes or len(self.notes) < NOTES_MAX:
            self.notes[words] += 1

    def seen(self, when: int, way: int, is_reply: bool) -> None:
        """A packet of this pair passed."""
        if not self.first_ns:
            self.first_ns = when
        self.last_ns = when
        if is_reply:
            self.replies += 1
        else:
            self.requests += 1
        if way == OUTGOING:
            self.outward[is_reply] += 1
        elif way == INCOMING:
            self.inward[is_reply] += 1


OnSample: TypeAlias = Callable[[Pair, Clock, Sample], None]


class Book:
    """All pairs. Those without a complete exchange (strangers, spoofed addresses) are kept apart,
    so that no flood of them drives out one that measures; of either kind those not seen for the
    longest are forgotten first, and counted."""

    def __init__(self, pairs_max: int = PAIRS_MAX, on_sample: OnSample | None = None) -> None:
        self.forgotten = 0
        """Pairs with an exchange that had to make way."""
        self.strangers_forgotten = 0
        self._pairs_max = pairs_max
        self._on_sample = on_sample
        self._known: OrderedDict[Key, Pair] = OrderedDict()
        self._strangers: OrderedDict[Key, Pair] = OrderedDict()

    @property
    def pairs(self) -> list[Pair]:
        """Those that measure, most exchanges first, then the others."""
        known = sorted(self._known.values(), key=lambda pair: -pair.exchanges)
        return known + sorted(self._strangers.values(), key=lambda pair: -pair.requests)

    @property
    def measured(self) -> int:
        """How many pairs have an exchange."""
        return len(self._known)

    def find(self, protocol: Protocol, client: bytes, server: bytes) -> Pair | None:
        """The pair, where it is known."""
        key = protocol, client, server
        pair = self._known.get(key)
        if pair is not None:
            self._known.move_to_end(key)
            return pair
        return self._strangers.get(key)

    def pair(self, protocol: Protocol, client: bytes, server: bytes) -> Pair:
        """The pair, made where it is not known."""
        found = self.find(protocol, client, server)
        if found is None:
            found = self._strangers[protocol, client, server] = Pair(protocol, client, server)
            if len(self._strangers) > STRANGERS_MAX:
                self._strangers.popitem(last=False)
                self.strangers_forgotten += 1
        return found

    def exchanged(self, pair: Pair) -> None:
        """A reply was found to its request."""
        pair.exchanges += 1
        if pair.exchanges > 1:
            return
        key = pair.protocol, pair.client, pair.server
        self._strangers.pop(key, None)
        self._known[key] = pair
        if len(self._known) > self._pairs_max:
            self._known.popitem(last=False)
            self.forgotten += 1

    def add(self, pair: Pair, clock: Clock, sample: Sample) -> None:
        """A sample of a pair."""
        course = pair.courses.get(clock)
        if course is None:
            course = pair.courses[clock] = Course()
        course.add(sample)
        if self._on_sample is not None:
            self._on_sample(pair, clock, sample)
