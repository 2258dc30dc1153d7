"""What a daemon knows of one member: its answers in the round, and how it has done so far."""

from dataclasses import dataclass, field

from clocksync.berkeley.frames import NO_BOUND, Answer
from clocksync.berkeley.reign import Claim
from clocksync.ntp.estimate import Contradiction, Estimate, estimate
from clocksync.ntp.sample import Sample
from clocksync.runtime.clocks import drift_allowance
from clocksync.runtime.core import Stamp

RATE_ROUNDS_MIN = 2
RATE_GAIN = 0.9
RATE_PPB_MAX = 2_000_000


@dataclass(slots=True)
class Exchange:
    """One poll, and what came of it; stamps in our settled clock."""

    time: int
    """What the poll said."""
    left: Stamp | None = None
    arrived: int = 0
    """By the member's settled clock."""
    held: int = 0
    back: Stamp | None = None
    is_exact: bool = False

    def sample(self, precision_ns: int) -> Sample | None:
        """What it proves; None while it is under way."""
        if self.left is None or self.back is None:
            return None
        source = self.left.source.weaker(self.back.source)
        there = self.arrived
        return Sample(
            self.left.time,
            there,
            there + self.held,
            self.back.time,
            0,
            0,
            precision_ns,
            source,
            self.is_exact,
        )

    def can_hold(self, held: int, precision_ns: int) -> bool:
        """Whether the member can have held it so long."""
        if self.left is None or self.back is None:
            return False
        return -precision_ns <= held <= self.back.time - self.left.time + precision_ns


@dataclass(slots=True)
class RateBook:
    """What a clock had to be adjusted by since its rate was last corrected.

    Every round takes back what the round before got wrong, so that in the sum over a window only
    the errors of its two ends are left, and what remains is drift. It is corrected where it is more
    than those errors can be. What no drift can have done (a step, an order that was lost or not
    followed to its end) begins a new window.
    """

    since: int | None = None
    total: int = 0
    rounds: int = 0
    _last: int = 0

    def note(self, adjustment: int, bound: int, at: int, is_sound: bool, drift_ppm: float) -> int:
        """An adjustment at our reading `at`; the change of rate to go with it, parts per 10^9."""
        drifted = drift_allowance(at - self._last, drift_ppm) + 2 * bound
        self._last = at
        if self.since is None or not is_sound or abs(adjustment) > drifted:
            self.since, self.total, self.rounds = at, 0, 0
            return 0
        self.total += adjustment
        self.rounds += 1
        elapsed = at - self.since
        if self.rounds < RATE_ROUNDS_MIN or abs(self.total) <= bound or elapsed <= 0:
            return 0
        rate = round(self.total * 1_000_000_000 / elapsed * RATE_GAIN)
        self.since, self.total, self.rounds = at, 0, 0
        return max(-RATE_PPB_MAX, min(RATE_PPB_MAX, rate))


@dataclass(slots=True)
class Peer:
    """One member, as its daemon sees it."""

    number: int
    boot: int | None = None
    """Of its program, as it last said; None: never heard of it."""
    missed: int = 0
    """Rounds in a row without an answer."""
    is_absent: bool = False
    """Whether it has missed so many that nobody waits for it."""
    told: int = 0
    """All adjustments it was told, as far as it followed them."""
    total: int = 0
    """All that it says it has accepted."""
    ordered: tuple[int, int] | None = None
    """Our latest order, and `total` before it; None: what came of it is known."""
    excluded_rounds: int = 0
    bound: int | None = None
    """How far it says that it may have drifted."""
    claim: Claim | None = None
    """How far it was from the group's time after its latest order, by our settled clock."""
    pending: int = 0
    is_acknowledged: bool = True
    """Whether it has said that our latest order came."""
    impossible: int = 0
    """Answers that no clock can have given."""
    late: int = 0
    rates: RateBook = field(default_factory=RateBook)
    _exchanges: dict[int, Exchange] = field(default_factory=dict)

    def drifted(self, at: int, drift_ppm: float) -> int | None:
        """How far from the group's time it may be by now; None: nobody knows."""
        if self.claim is None:
            return None
        return self.claim.bound + drift_allowance(at - self.claim.as_of, 2 * drift_ppm)

    def order(self, adjustment: int) -> None:
        """It is told to adjust. Until it says otherwise we take it that it does."""
        self.ordered = adjustment, self.total
        self.told += adjustment

    def says_total(self, total: int) -> None:
        """It tells all it has accepted: an order may be lost, or followed only in part."""
        self.total = total
        if self.ordered is not None:
            adjustment, before = self.ordered
            least, most = min(0, adjustment), max(0, adjustment)
            self.told += max(least, min(most, total - before)) - adjustment
            self.ordered = None

    def begin_round(self) -> None:
        """Nothing of the former round counts any more: clocks have been adjusted."""
        self._exchanges.clear()

    def asked(self, number: int, time: int) -> None:
        """A poll is sent."""
        self._exchanges[number] = Exchange(time)

    def on_sent(self, number: int, stamp: Stamp) -> None:
        """A poll left, by our settled clock."""
        exchange = self._exchanges.get(number)
        if exchange is not None and exchange.back is None:
            exchange.left = stamp

    def on_answer(self, answer: Answer, back: Stamp, precision_ns: int) -> bool:
        """An answer to a poll of this round, come at `back` by our settled clock; whether it is."""
        exchange = self._exchanges.get(answer.number)
        if exchange is None:
            self.late += 1
            return False
        if exchange.left is None or exchange.back is not None:
            return False
        if self.boot != answer.boot:
            self._exchanges = {answer.number: exchange}  # the others were of another clock
        if self.boot != answer.boot:
            self.ordered = None
        self.boot, self.pending = answer.boot, answer.pending
        self.says_total(answer.total)
        self.bound = None if answer.bound == NO_BOUND else answer.bound
        exchange.arrived, exchange.back = exchange.time + answer.difference, back
        earlier = self._exchanges.get(answer.earlier)
        if earlier is not None and not earlier.is_exact:
            if earlier.can_hold(answer.earlier_held, precision_ns):
                earlier.held, earlier.is_exact = answer.earlier_held, True
            elif earlier.back is not None:
                self.impossible += 1
        return True

    @property
    def answered(self) -> int:
        """Polls of this round that it has answered."""
        return sum(exchange.back is not None for exchange in self._exchanges.values())

    def samples(self, precision_ns: int) -> list[Sample]:
        """What its answers prove."""
        found = (exchange.sample(precision_ns) for exchange in self._exchanges.values())
        return [sample for sample in found if sample is not None and sample.raw_delay_ns >= 0]

    def measured(
        self, at: int, precision_ns: int, drift_ppm: float
    ) -> Estimate | Contradiction | None:
        """Its settled clock minus ours at our reading `at`; None: it has not answered."""
        samples = self.samples(precision_ns)
        return estimate(samples, at, drift_ppm) if samples else None
