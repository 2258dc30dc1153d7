"""Ordering on one ring: what a member does when it holds the token.

The token gives out sequence numbers, so there is one order. It also carries `all_received_up_to`
(aru): a member that lacks a message lowers it, and only that member raises it again. Why a message
is safe only after *two* visits: a holder may raise the number to what it just sent itself,
optimistically; only a whole rotation in which nobody lowered it proves that everybody has it.

After Amir et al., "The Totem Single-Ring Ordering and Membership Protocol", TOCS 13(4), 1995,
section 4. Differences: numbers that are missing are asked for in ranges, after they were missed
`misses` times and then at growing distances; flow control is Agarwal's simpler rule (thesis,
section 3.3); with `accelerated` some datagrams follow the token (Babay and Amir's accelerated
ring), and then a member asks only for what was given out a rotation ago.

This module decides and keeps count. It sends nothing: :class:`Visit` says what is to be sent.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from clocksync.runtime.interval import Interval
from vsync.config import RingConfig
from vsync.frames import NOBODY, REQUESTS_MAX, SAFE, Data, Token, make_token
from vsync.identity import RingId
from vsync.ringtime import Told, within
from vsync.store import Entry, Log, in_ranges, to_ranges

_U32_MAX = (1 << 32) - 1

ASKED_AGAIN_AFTER = 4
"""Rotations between two requests for one message, once it was asked for that often."""

Supply = Callable[[int, Token], list[Entry]]
"""Makes up to so many new frames, numbered and stamped after those the token knows."""


@dataclass(slots=True)
class Visit:
    """What came of one token."""

    token: Token
    """To pass on."""
    resent: list[Entry] = field(default_factory=list)
    sent: list[Entry] = field(default_factory=list)
    deaf: int = NOBODY
    """A member that held all others up for too long."""
    is_idle: bool = False
    """Nothing was sent, is missing, or waits to become safe."""


@dataclass(slots=True)
class _Miss:
    times: int = 0
    asked: int = 0
    next_visit: int = 0


class Ring:
    """One member's part in one ring. `members` are in ring order, the representative first."""

    def __init__(
        self, id: RingId, members: tuple[int, ...], me: int, config: RingConfig, now: int
    ) -> None:
        self.id = id
        self.members = members
        self.me = me
        self.place = members.index(me)
        self.successor = members[(self.place + 1) % len(members)]
        self.predecessor = members[self.place - 1]
        self.is_alone = len(members) == 1
        self.config = config
        self.log = Log()
        self.delivered = 0
        """Up to where messages were handed to the application (high_delivered)."""
        self.delivered_time = 0
        """The largest timestamp among them, or that of the regular configuration."""
        self.time_error = 0
        """The error bound that goes with it."""
        self.safe = 0
        """Everybody has all messages up to here."""
        self.timestamp = 0
        """The last one given out, as far as we know."""
        self.token_sequence = 0
        self.round = 0
        self.last_token: Token | None = None
        self.last_visit_ns = now
        self.told: Told | None = None
        self.idle_visits = 0
        self.lingerer = NOBODY
        """Who keeps the token at present, as its last message said."""
        self._received_by_all = 0
        self._visits = 0
        self._seen = 0
        self._asked_up_to = 0
        self._misses: dict[int, _Miss] = {}
        self._answered: dict[int, int] = {}
        self._sent_before = 0
        self._backlog_before = 0
        self._stuck_visits = 0
        self._stuck_since_ns = now

    # Messages

    def takes(self, frame: Entry) -> bool:
        """Whether a number can have been given out: no sender runs further ahead of the slowest
        member than flow control allows, and that member may be we."""
        furthest = self.config.gap_max + self.config.window + self.config.visit_max
        return frame.sequence <= self.log.contiguous + furthest

    def next_deliverable(self) -> Entry | None:
        """The next frame in the order if it may be delivered in the regular configuration."""
        frame = self.log.frames.get(self.delivered + 1)
        if isinstance(frame, Data) and frame.flags & SAFE and frame.sequence > self.safe:
            return None
        return frame

    def release(self) -> None:
        """Forget what everybody has and we delivered."""
        self.log.release(min(self.safe, self.delivered))
        if self._answered:
            self._answered = {n: c for n, c in self._answered.items() if n > self.log.released}

    # The token

    def is_sent_by_us_alone(self, token: Token) -> bool:
        """Whether nobody else has sent anything since our last visit, or waits to."""
        return token.sequence == self._seen and token.backlog == self._backlog_before

    def is_fresh(self, token: Token) -> bool:
        """Whether this token was not here before."""
        return token.token_sequence > self.token_sequence

    def is_possible(self, token: Token) -> bool:
        """Whether a fresh token can be true: numbers that we know were given out do not vanish."""
        furthest = self.config.gap_max + self.config.window + self.config.visit_max
        return (
            self.log.highest <= token.sequence <= self.log.contiguous + furthest
            and len(token.clocks) == 2 * len(self.members)
            and (token.lowered_by == NOBODY or token.lowered_by in self.members)
        )

    def first_token(self, timestamp: int, clocks: tuple[int, ...]) -> Token:
        """The token with which the representative starts the ring."""
        return Token(*self.id, 1, 0, 0, NOBODY, 0, 0, 0, 0, timestamp, (), clocks)

    def visit(
        self, token: Token, now: int, clock: Interval, supply: Supply, backlog: Callable[[], int]
    ) -> Visit:
        """Take a fresh, possible token: answer requests, send, ask, and make the token to pass on.

        `supply` is called once; what it makes is in the log before this returns. `backlog` tells
        how many datagrams still wait afterwards.
        """
        self._visits += 1
        self.timestamp = max(self.timestamp, token.timestamp)
        resent, missing = self._answer(token.missing)
        again = self._datagrams(resent)
        allowance = self._allowance(token, backlog()) - again
        sent = self._send(supply, allowance, token)
        sequence = token.sequence + len(sent)
        asked = self._ask(missing, token.sequence)
        received, lowered_by = self._lower_or_raise(token, sequence)
        deaf = self._stuck(received, lowered_by, now)
        self._advance_safe(received)
        waiting = backlog()
        used = self._datagrams(sent) + again
        clocks, reading = list(token.clocks), within(clock)
        clocks[2 * self.place : 2 * self.place + 2] = reading.earliest, reading.latest
        is_first = self.place == 0
        self.round = token.round + is_first & _U32_MAX
        passed = make_token(
            *self.id,
            token.token_sequence + 1,
            sequence,
            received,
            lowered_by,
            _clamped(token.sent_last_rotation + used - self._sent_before),
            _clamped(token.backlog + waiting - self._backlog_before),
            token.recovering,
            self.round,
            self.timestamp,
            asked,
            tuple(clocks),
        )
        self._sent_before, self._backlog_before = used, waiting
        is_idle = sequence == self._seen == self.safe and not asked and not waiting
        self.idle_visits = self.idle_visits + 1 if is_idle else 0
        self._seen = sequence
        self.told = Told(passed.clocks, self.place, now, self.last_visit_ns)
        self.token_sequence = passed.token_sequence
        self.last_token, self.last_visit_ns = passed, now
        return Visit(passed, resent, sent, deaf, is_idle)

    def extend(
        self, kept: Token, supply: Supply, backlog: Callable[[], int]
    ) -> tuple[Token, list[Entry]]:
        """Send more in the last visit, whose token was not passed on yet, and which nobody asked
        for anything: the token to pass on instead, and what is to be sent before it."""
        room = min(self.config.visit_max - self._sent_before, self._room(kept))
        sent = self._send(supply, room, kept)
        sequence = self._seen = kept.sequence + len(sent)
        # In the visit in which it sends a holder that lacks nothing may raise this.
        received, lowered_by = self._lower_or_raise(kept, sequence)
        self._received_by_all = received
        waiting, used = backlog(), self._datagrams(sent)
        token = self.last_token = make_token(
            *self.id,
            kept.token_sequence,
            sequence,
            received,
            lowered_by,
            _clamped(kept.sent_last_rotation + used),
            _clamped(kept.backlog + waiting - self._backlog_before),
            kept.recovering,
            kept.round,
            self.timestamp,
            kept.missing,
            kept.clocks,
        )
        self._sent_before, self._backlog_before = self._sent_before + used, waiting
        return token, sent

    def _send(self, supply: Supply, room: int, token: Token) -> list[Entry]:
        """New frames, which are in the log from now on."""
        sent = supply(room, token) if room > 0 else []
        for frame in sent:
            self.log.add(frame)
            if isinstance(frame, Data):
                self.timestamp = frame.last_timestamp
        return sent

    def _answer(self, requests: tuple[int, ...]) -> tuple[list[Entry], list[int]]:
        """Frames that others asked for and we have; and the numbers that are still asked for."""
        if not requests:
            return [], []
        resent: list[Entry] = []
        left: list[int] = []
        room = self.config.visit_max
        for sequence in in_ranges(requests, above=self.log.released):
            frame = self.log.get(sequence)
            if frame is not None and room > 0:
                # Who asks again may not hear us, and hear another: leave it every second time.
                times = self._answered[sequence] = self._answered.get(sequence, 0) + 1
                if times % 2:
                    resent.append(frame)
                    room -= self.config.datagrams(frame.size)
                else:
                    left.append(sequence)
            else:
                left.append(sequence)
            if len(left) > self.config.gap_max:
                break
        return resent, left

    def _datagrams(self, frames: list[Entry]) -> int:
        if not frames:
            return 0
        datagrams = self.config.datagrams
        return sum([datagrams(frame.size) for frame in frames])

    def _room(self, token: Token) -> int:
        """How many datagrams the window leaves."""
        return self.config.window + self.config.visit_max - token.sent_last_rotation

    def _allowance(self, token: Token, backlog: int) -> int:
        config = self.config
        if token.sequence - self.safe > config.gap_max:
            return 0
        room = self._room(token)
        if config.fair_share:
            total = token.backlog + backlog - self._backlog_before
            if total > 0:
                room = min(room, -(-config.window * backlog // total))
        return max(0, min(config.visit_max, room))

    def _ask(self, others: list[int], given_out: int) -> tuple[int, ...]:
        """What the token asks for from here on: what others miss, and what we have missed long
        enough. `given_out` is the highest number before this visit."""
        accelerated = self.config.accelerated > 0
        up_to, self._asked_up_to = (self._asked_up_to if accelerated else given_out), given_out
        if not others and not self._misses and min(up_to, given_out) <= self.log.contiguous:
            return ()
        patience = 0 if accelerated else self.config.misses - 1
        misses: dict[int, _Miss] = {}
        wanted = set(others)
        for sequence in self.log.missing(min(up_to, given_out)):
            miss = misses[sequence] = self._misses.get(sequence) or _Miss()
            miss.times += 1
            if miss.times > patience and self._visits >= miss.next_visit:
                miss.asked += 1
                miss.next_visit = self._visits + min(miss.asked, ASKED_AGAIN_AFTER)
                wanted.add(sequence)
        self._misses = misses
        return to_ranges(sorted(wanted), REQUESTS_MAX)

    def _lower_or_raise(self, token: Token, sequence: int) -> tuple[int, int]:
        """The paper's rule for aru and aru_id. Nobody lowered it exactly when it is `sequence`."""
        mine, received, by = self.log.contiguous, token.all_received_up_to, token.lowered_by
        if mine < received:
            return mine, self.me
        if by in (self.me, NOBODY):
            return mine, NOBODY if mine == sequence else self.me
        return received, by

    def _advance_safe(self, received: int) -> None:
        """Safe is what two visits in a row found received by all."""
        self.safe = max(self.safe, min(self._received_by_all, received))
        self._received_by_all = received

    def _stuck(self, received: int, lowered_by: int, now: int) -> int:
        """The member because of which nothing moves, if that has lasted too long.

        Visits alone would not do, since rotations take from microseconds to seconds (corosync
        f135b680)."""
        if received != self._received_by_all or lowered_by in (NOBODY, self.me):
            self._stuck_visits, self._stuck_since_ns = 0, now
            return NOBODY
        self._stuck_visits += 1
        patient = (
            self._stuck_visits <= self.config.deaf_visits
            or now - self._stuck_since_ns <= 2 * self.config.token_loss_ns
        )
        return NOBODY if patient else lowered_by


def _clamped(count: int) -> int:
    """Others keep this count too: where theirs differs it must not wrap (corosync 8f281418)."""
    return max(0, min(count, _U32_MAX))
