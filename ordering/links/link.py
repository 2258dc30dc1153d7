"""One end of a reliable FIFO link to one peer, over datagrams that may do anything.

**Promises.** The pieces pushed at one end come out at the other, each once, in order, as long as
both processes live and the network lets a datagram through now and then. Nothing of another
incarnation of the peer is taken for the peer's.

**How.** Pieces are numbered from 1. The receiver answers with the number up to which it has all,
and a bitmap of what it has beyond (RFC 2018's idea, by number instead of by range).

- *Incarnations* are the handshake. Each process draws one when it starts and repeats the one it
  heard from the peer; an end believes only datagrams that carry its own back. So the peer is who
  receives what we send to its address: a restarted peer, a second process with its number, and
  who only guesses are told apart from it. The first incarnation confirmed is the last: a peer that
  restarts has lost what it promised, and a link does not hide that.
- *Loss* is noticed when a piece three numbers later was confirmed (RFC 5681's three), or when
  nothing came within the retransmission time-out (RFC 6298, with a smaller least), which doubles.
- *How much* is under way is bounded twice. By the receiver's window, which it keeps shut while
  its application does not take what was delivered; what was granted once stays granted. And by
  additive increase, multiplicative decrease (RFC 5681), because three members that fill one
  socket buffer lose most of what they send.

**Not here.** Who is dead: a link never gives up, it says since when it has heard nothing.
"""

from collections import deque
from dataclasses import dataclass

from clocksync.runtime.errors import BadConfig
from clocksync.runtime.units import MILLISECOND, SECOND
from ordering.links.segment import SELECTIVE_BITS, Segment

LATER_ONES_THAT_PROVE_LOSS = 3
FEWEST_UNDER_WAY = 4
_SELECTIVE_MASK = (1 << SELECTIVE_BITS) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSettings:
    """How a link behaves. The defaults suit one machine to one continent.

    Raises:
        BadConfig: they contradict each other.
    """

    window: int = 256
    """Pieces a receiver takes beyond the ones it has in order. (1 to 65,535)"""

    under_way_at_first: int = 32
    """Pieces sent before the first answer. (1 to `window`)"""

    timeout_ns_min: int = 30 * MILLISECOND
    """Least retransmission time-out: above what a busy machine takes to answer."""

    timeout_ns_max: int = SECOND
    """Greatest: what doubling ends at, so how late a healed network is noticed."""

    timeout_ns_first: int = 200 * MILLISECOND
    """The time-out until a round trip was measured."""

    def __post_init__(self) -> None:
        if not 1 <= self.under_way_at_first <= self.window <= 65_535:
            raise BadConfig(
                f"under_way_at_first = {self.under_way_at_first} and window = {self.window} must "
                "satisfy 1 <= under_way_at_first <= window <= 65535"
            )
        if not 0 < self.timeout_ns_min <= self.timeout_ns_first <= self.timeout_ns_max:
            raise BadConfig(
                f"timeout_ns_min = {self.timeout_ns_min}, timeout_ns_first = "
                f"{self.timeout_ns_first} and timeout_ns_max = {self.timeout_ns_max} must ascend"
            )


@dataclass(slots=True)
class LinkCounters:
    """What happened on one link."""

    sent: int = 0
    """Pieces sent for the first time."""
    resent: int = 0
    received: int = 0
    """Pieces taken, each counted once."""
    duplicates: int = 0
    outside_the_window: int = 0
    stale: int = 0
    """Datagrams meant for an earlier incarnation of this process, or guessed."""
    other_incarnation: int = 0
    """Datagrams of a process that says it is the peer and is not the one we know."""
    nonsense: int = 0
    """Confirmations of what was never sent."""


class _Flight:
    """A piece that is under way: not yet confirmed."""

    __slots__ = ("arrived", "payload", "sent_at", "tries")

    def __init__(self, payload: bytes, sent_at: int) -> None:
        self.payload, self.sent_at = payload, sent_at
        self.tries = 1
        self.arrived = False


class Link:
    """This process's end of the link to one peer. Times are the node's monotonic ns."""

    def __init__(self, incarnation: int, settings: LinkSettings, now: int = 0) -> None:
        self.ours, self.theirs = incarnation, 0
        self.settings, self.counters = settings, LinkCounters()
        self.confirmed = False
        self.heard_at: int | None = None
        """When the peer was last heard, None before the first time."""
        self.inbox: list[bytes] = []
        """Pieces received in order, for the owner to take away."""
        self.backlog: deque[bytes] = deque()
        """Pieces not sent yet."""
        self.owes_answer = True
        self._greets = True
        self.keeps_shut = False
        """Grant nothing more: the application is behind."""
        # Sending.
        self._next = 1
        self._confirmed_up_to = 0
        self._granted_to_us = 0
        self._flights: dict[int, _Flight] = {}  # in order of their numbers
        self._lost: deque[int] = deque()
        self._arrived_early = 0
        self._under_way_max = float(settings.under_way_at_first)
        self._recovering_until = 0
        self._highest_arrived = 0
        # Round trips, RFC 6298.
        self._round_trip = 0
        self._variation = 0
        self._timeout = settings.timeout_ns_first
        self.quiet_since = now
        # Receiving.
        self._received_up_to = 0
        self._early: dict[int, bytes] = {}
        self._granted = 0

    # For the owner to ask.

    @property
    def is_flushed(self) -> bool:
        """Whether the peer has confirmed all that was pushed."""
        return not self.backlog and not self._flights

    @property
    def under_way(self) -> int:
        """How many pieces are on the way: sent, known neither to have arrived nor to be lost."""
        return len(self._flights) - self._arrived_early - len(self._lost)

    @property
    def round_trip_ns(self) -> int:
        """The smoothed round trip, ns; 0 before the first."""
        return self._round_trip

    def due(self) -> int | None:
        """When :meth:`run_out` must be called; None: nothing is waited for."""
        if not self.confirmed:
            return self.quiet_since + self._timeout
        if self._flights:
            return max(self._oldest().sent_at, self.quiet_since) + self._timeout
        return self.quiet_since + self._timeout if self.backlog else None

    # Receiving.

    def hear(self, segment: Segment, now: int) -> bool:
        """Take a datagram that says it comes from the peer; False if another process sent it."""
        if segment.to_incarnation != self.ours:
            return self._hear_stranger(segment)
        if not self.confirmed:
            self.theirs, self.confirmed = segment.incarnation, True
            self._timeout, self.quiet_since = self.settings.timeout_ns_first, now
            self.owes_answer = True
        elif segment.incarnation != self.theirs:
            self.counters.other_incarnation += 1
            return False
        self.heard_at = now
        self._confirm(segment, now)
        if segment.sequence:
            self._take_in(segment.sequence, segment.payload)
        return True

    def _hear_stranger(self, segment: Segment) -> bool:
        """A datagram from a process that does not know us: a hello, or one not meant for us."""
        if segment.to_incarnation:
            self.counters.stale += 1
        elif self.confirmed and segment.incarnation != self.theirs:
            self.counters.other_incarnation += 1
            return False
        else:
            self.theirs = segment.incarnation
            self.owes_answer, self._greets = True, False
        return True

    def _take_in(self, sequence: int, payload: bytes) -> None:
        self.owes_answer = True  # to a duplicate as well: our last answer may be lost
        up_to = self._received_up_to
        if sequence <= up_to or sequence in self._early:
            self.counters.duplicates += 1
        elif sequence > self._granted:
            self.counters.outside_the_window += 1
        elif sequence == up_to + 1:
            self.counters.received += 1
            self.inbox.append(payload)
            up_to += 1
            early = self._early
            while early and up_to + 1 in early:
                up_to += 1
                self.inbox.append(early.pop(up_to))
            self._received_up_to = up_to
        else:
            self.counters.received += 1
            self._early[sequence] = payload

    # Sending.

    def _confirm(self, segment: Segment, now: int) -> None:
        """Take note of what the peer says it has received."""
        up_to = segment.received_up_to
        if up_to >= self._next:
            self.counters.nonsense += 1
            return
        if up_to + segment.window > self._granted_to_us:
            self._granted_to_us = up_to + segment.window
        if up_to > self._confirmed_up_to:
            self._advance(up_to, now)
        if segment.received_beyond and self._flights:
            self._mark_early(up_to + 2, segment.received_beyond, now)

    def _advance(self, up_to: int, now: int) -> None:
        flights, fresh = self._flights, 0
        for sequence in range(self._confirmed_up_to + 1, up_to + 1):
            flight = flights.pop(sequence)
            if flight.arrived:
                self._arrived_early -= 1
            elif flight.tries == 1:  # Karn: the answer to a repeated piece may be to either
                fresh = flight.sent_at
        self._confirmed_up_to = up_to
        self.quiet_since = now
        if self._lost:
            self._lost = deque(n for n in self._lost if n in flights)
        if fresh:
            self._measure(now - fresh)
        self._timeout = min(self._usual_timeout(), self.settings.timeout_ns_max)
        if up_to >= self._recovering_until and self._under_way_max < self.settings.window:
            self._under_way_max += 1.0

    def _measure(self, round_trip: int) -> None:
        """RFC 6298, section 2."""
        if not self._round_trip:
            self._round_trip, self._variation = max(1, round_trip), round_trip // 2
            return
        deviation = abs(self._round_trip - round_trip)
        self._variation += (deviation - self._variation) // 4
        self._round_trip = max(1, self._round_trip + (round_trip - self._round_trip) // 8)

    def _usual_timeout(self) -> int:
        if not self._round_trip:
            return self.settings.timeout_ns_first
        return max(self.settings.timeout_ns_min, self._round_trip + 4 * self._variation)

    def _mark_early(self, first: int, bitmap: int, now: int) -> None:
        """Note what arrived beyond a gap, and what that proves to be lost."""
        flights, highest = self._flights, self._highest_arrived
        for sequence in range(first, first + bitmap.bit_length()):
            if bitmap >> sequence - first & 1:
                flight = flights.get(sequence)
                if flight is not None and not flight.arrived:
                    flight.arrived = True
                    self._arrived_early += 1
                    highest = max(highest, sequence)
        self._highest_arrived = highest
        if self._lost:
            self._lost = deque(n for n in self._lost if not flights[n].arrived)
        proven = highest - LATER_ONES_THAT_PROVE_LOSS
        for sequence, flight in flights.items():
            if sequence > proven:
                break
            if (
                not flight.arrived
                and sequence not in self._lost
                and self._is_answerable(flight, now)
            ):
                self._lost.append(sequence)
                self._slow_down(sequence, 0.7)

    def _is_answerable(self, flight: _Flight, now: int) -> bool:
        """Whether an answer to the last try would be here. One repeated already is given twice the
        time each try, or a path that became slow would be flooded with repetitions."""
        if flight.tries == 1:
            return True
        patience = self._round_trip + 4 * self._variation or self._timeout
        return now - flight.sent_at >= patience << min(flight.tries - 2, 16)

    def _slow_down(self, sequence: int, factor: float) -> None:
        """Once for each round of losses: what was under way then says nothing new."""
        if sequence >= self._recovering_until:
            self._recovering_until = self._next
            fewest = min(FEWEST_UNDER_WAY, self.settings.window)
            self._under_way_max = max(float(fewest), self._under_way_max * factor)

    def run_out(self, now: int) -> None:
        """The time-out has passed: say hello again, repeat the oldest piece, or probe."""
        due = self.due()
        if due is None or now < due:
            return
        self.quiet_since = now
        self._timeout = min(2 * self._timeout, self.settings.timeout_ns_max)
        self.owes_answer = True
        if not self.confirmed:
            # What we have heard may be all there will be: the peer may believe that we know it.
            self._greets = True
            return
        if self._flights:
            # All that is under way is doubtful now. It is repeated as fast as answers come.
            self._lost = deque(n for n, flight in self._flights.items() if not flight.arrived)
            self._slow_down(next(iter(self._flights)), 0.5)
        else:
            # The window is shut, and the datagram that opened it may be lost.
            self._granted_to_us = max(self._granted_to_us, self._next)

    def take(self, now: int) -> list[Segment]:
        """The datagrams that may and should leave now."""
        if self.confirmed:
            pieces = [*self._repeated(now), *self._fresh(now)] if self._has_pieces() else []
            if pieces:
                self.owes_answer = False
                ours, theirs, received = self.ours, self.theirs, self._received()
                return [Segment(ours, theirs, number, *received, p) for number, p in pieces]
        if not self.owes_answer:
            return []
        self.owes_answer = False
        to = 0 if self._greets and not self.confirmed else self.theirs
        return [Segment(self.ours, to, 0, *self._received(), b"")]

    def _has_pieces(self) -> bool:
        return bool(self.backlog or self._lost)

    def _received(self) -> tuple[int, int, int]:
        up_to, beyond = self._received_up_to, 0
        for sequence in self._early:
            beyond |= 1 << sequence - up_to - 2
        if not self.keeps_shut:
            self._granted = up_to + self.settings.window
        return up_to, beyond & _SELECTIVE_MASK, max(0, self._granted - up_to)

    def _repeated(self, now: int) -> list[tuple[int, bytes]]:
        pieces = []
        for _ in range(min(len(self._lost), int(self._under_way_max) - self.under_way)):
            sequence = self._lost.popleft()
            flight = self._flights[sequence]
            flight.sent_at = now
            flight.tries += 1
            self.counters.resent += 1
            pieces.append((sequence, flight.payload))
        return pieces

    def _fresh(self, now: int) -> list[tuple[int, bytes]]:
        room = min(int(self._under_way_max) - self.under_way, self._granted_to_us - self._next + 1)
        pieces = []
        backlog, flights = self.backlog, self._flights
        for _ in range(min(room, len(backlog))):
            payload = backlog.popleft()
            flights[self._next] = _Flight(payload, now)
            pieces.append((self._next, payload))
            self._next += 1
        if pieces:
            if len(flights) == len(pieces):
                self.quiet_since = now
            self.counters.sent += len(pieces)
        return pieces

    def _oldest(self) -> _Flight:
        return next(iter(self._flights.values()))
