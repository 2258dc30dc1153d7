"""Measures every algorithm in simulation, beside what the textbook predicts.

A network on which every message takes one millisecond and none is lost: so a delay is a number of
message times. Three measurements of each algorithm, without epochs:

- *alone*: members ask one after the other, with long pauses between. Coordinators and the first
  token's owner do not ask, as in the textbook.
- *contended*: all of them ask at once, and again as soon as they have left.
- *crash*: an idle member, the first member, or the holder dies; do the others still get in? And
  with epochs, how long after the holder's death?

Voting has n coordinators that vote, and as many clients that ask: the textbook's picture.
"""

from collections.abc import Callable, Hashable
from dataclasses import asdict, dataclass
from functools import partial
from itertools import pairwise
from random import Random
from statistics import fmean
from typing import Any

from clocksync.runtime.errors import BadConfig
from clocksync.runtime.simulation import Boot, Constant, Link, World
from clocksync.runtime.units import MILLISECOND, SECOND, NodeId, to_seconds
from ordering.mutex.algorithms import ALGORITHMS
from ordering.mutex.contract import Granted, MutexCore, State
from ordering.mutex.epochs import EpochMutex
from ordering.mutex.frames import MutexCodec
from ordering.mutex.leases import EpochConfig
from ordering.mutex.prediction import PREDICTIONS, Prediction, agrees
from ordering.mutex.token_ring import TokenRingMutex
from ordering.mutex.voting import VotingMutex

SCHEMA = "ordering.mutex/1"
MESSAGE_NS = MILLISECOND
ENTRIES = 40
ROUNDS_MAX = 8
MEMBERS_MAX = 64
_PATIENCE_NS = 20 * SECOND


@dataclass(frozen=True, slots=True)
class Measured:
    """What one algorithm cost in simulation."""

    messages: float
    messages_before: float
    delay: float
    delay_max: float
    attempts: float
    """k of the voting algorithm; 1 for the others."""
    contended_messages: float
    contended_delay: float
    """Message times from one entry to the next, where everybody always wants in."""


@dataclass(frozen=True, slots=True)
class Crashes:
    """Whether the others still get in when somebody dies, without epochs; and how soon with."""

    idle_member: bool | None
    first_member: bool | None
    holder: bool | None
    """None: there is nobody else to ask."""
    recovery_ns: int | None
    """From the holder's death to the next entry, with epochs; None: never, as with n = 2."""


@dataclass(frozen=True, slots=True)
class Row:
    """One algorithm: prediction and measurement."""

    algorithm: str
    predicted: Prediction
    measured: Measured
    crashes: Crashes

    @property
    def as_predicted(self) -> bool:
        """Whether everything measured lies where the textbook says."""
        predicted, measured = self.predicted, self.measured
        return (
            agrees(measured.messages, predicted.messages)
            and agrees(measured.messages_before, predicted.messages_before)
            and agrees(measured.delay, predicted.delay, within=0.01)
            and agrees(measured.contended_messages, predicted.contended)
        )


@dataclass(slots=True)
class _Entry:
    asked_ns: int
    sent_before: int
    entered_ns: int = 0
    sent_at_entry: int = 0


class _Bench:
    """A group whose members ask when they are told to."""

    def __init__(
        self, algorithm: str, n: int, seed: int, epochs: EpochConfig | None = None
    ) -> None:
        self.world = World(
            seed, codec=MutexCodec(), link=Link(delay=Constant(MESSAGE_NS), in_order=True)
        )
        # Voting: coordinators 1 to n, and as many clients above them.
        is_voting = algorithm == "voting" and epochs is None
        members = [NodeId(number) for number in range(1, (2 * n if is_voting else n) + 1)]
        self.users = members[n:] if is_voting else members[1:] or members
        self.entries: list[_Entry] = []
        self.again: Callable[[Hashable], None] = lambda member: None
        self.hold_ns = 0
        self._asking: dict[Hashable, _Entry] = {}
        for me in members:
            self.world.add(
                me,
                partial(_program, algorithm, n, members, epochs),
                application=self._hear,
                rate_ppm=0.0,
            )
        self.world.run_for(MESSAGE_NS * 3)

    def ask(self, member: Hashable) -> None:
        self._asking[member] = _Entry(self.world.now, self.world.counts.sent)
        self.world.call(member, lambda core, now: core.acquire(now), "acquire")

    def _hear(self, member: Hashable, event: object) -> None:
        if isinstance(event, Granted):
            entry = self._asking[member]
            entry.entered_ns, entry.sent_at_entry = self.world.now, self.world.counts.sent
            self.entries.append(entry)
            if self.hold_ns >= 0:
                self.world.after(self.hold_ns, lambda: self.leave(member))

    def leave(self, member: Hashable) -> None:
        core: Any = self.world.node(member).core
        if core.state is State.HELD:
            self.world.call(member, lambda core, now: core.release(now), "release")
            self.again(member)

    def until(self, entries: int, patience_ns: int = _PATIENCE_NS) -> bool:
        limit_ns = self.world.now + patience_ns
        return self.world.run_until(lambda: len(self.entries) >= entries, limit_ns)


def _program(
    algorithm: str, n: int, members: list[NodeId], epochs: EpochConfig | None, boot: Boot
) -> MutexCore | EpochMutex:
    me, make = NodeId(int(str(boot.address))), ALGORITHMS[algorithm]
    if epochs is not None:
        return EpochMutex(me, members, make, random=boot.random, config=epochs)
    if algorithm == "voting":
        return VotingMutex(me, members, random=boot.random, coordinators=members[:n])
    if algorithm == "token-ring":
        return TokenRingMutex(me, members)  # as taught: passed on immediately
    return make(me, members, generation=0, random=boot.random)


def compare(n: int, seed: int = 0) -> list[Row]:
    """Every algorithm with `n` members.

    Raises:
        BadConfig: fewer than 2 members, or too many to simulate.
    """
    if not 2 <= n <= MEMBERS_MAX:
        raise BadConfig(f"n = {n} members: 2 to {MEMBERS_MAX} can be compared")
    rows = []
    for algorithm in ALGORITHMS:
        measured = measure(algorithm, n, seed)
        predicted = PREDICTIONS[algorithm](n, measured.attempts)
        rows.append(Row(algorithm, predicted, measured, crashes(algorithm, n, seed)))
    return rows


def measure(algorithm: str, n: int, seed: int = 0) -> Measured:
    """What one algorithm costs, alone and contended."""
    alone = _Bench(algorithm, n, seed)
    random, attempts = Random(f"{seed}/pauses"), []
    sent_before = alone.world.counts.sent
    for count in range(_rounds(n) * len(alone.users)):
        user = alone.users[count % len(alone.users)]
        alone.world.run_for(random.randrange(10 * n * MESSAGE_NS, 20 * n * MESSAGE_NS))
        alone.ask(user)
        assert alone.until(count + 1), f"{algorithm}: nobody entered"
        core = alone.world.node(user).core
        attempts.append(core.attempts if isinstance(core, VotingMutex) else 1)
    alone.world.run_for(3 * n * MESSAGE_NS)
    sent = alone.world.counts.sent - sent_before
    delays = [(entry.entered_ns - entry.asked_ns) / MESSAGE_NS for entry in alone.entries]
    contended, contended_messages = _contended(algorithm, n, seed)
    return Measured(
        messages=sent / len(alone.entries),
        messages_before=fmean(e.sent_at_entry - e.sent_before for e in alone.entries),
        delay=fmean(delays),
        delay_max=max(delays),
        attempts=fmean(attempts),
        contended_messages=contended_messages,
        contended_delay=contended,
    )


def _rounds(n: int) -> int:
    """How often each member enters: more often in small groups, at least twice."""
    return max(2, min(ROUNDS_MAX, ENTRIES // n))


def _contended(algorithm: str, n: int, seed: int) -> tuple[float, float]:
    """Message times between entries, and messages of one, while everybody always wants in."""
    bench = _Bench(algorithm, n, seed)
    if algorithm == "token-ring":
        bench.users = [NodeId(number) for number in range(1, n + 1)]
    bench.again = bench.ask
    for user in bench.users:
        bench.ask(user)
    warm, count = 2 * len(bench.users), _rounds(n) * len(bench.users)
    assert bench.until(warm), f"{algorithm}: nobody entered"
    sent_before = bench.world.counts.sent
    assert bench.until(warm + count, 10 * _PATIENCE_NS), f"{algorithm}: nobody entered"
    sent = bench.world.counts.sent - sent_before
    steps = pairwise(bench.entries[warm - 1 : warm + count])
    between = [(after.entered_ns - before.entered_ns) / MESSAGE_NS for before, after in steps]
    return fmean(between), sent / count


def crashes(algorithm: str, n: int, seed: int = 0) -> Crashes:
    """What a crash does."""
    config = EpochConfig(heartbeat_ns=20 * MILLISECOND, lease_ns=100 * MILLISECOND)
    return Crashes(
        idle_member=_goes_on(algorithm, n, seed, lambda bench: n),
        first_member=_goes_on(algorithm, n, seed, lambda bench: 1),
        holder=_goes_on(algorithm, n, seed, _let_one_in),
        recovery_ns=_recovery_ns(algorithm, n, seed, config),
    )


def _let_one_in(bench: _Bench) -> int:
    """The last user enters and stays inside."""
    bench.hold_ns = -1
    holder = bench.users[-1]
    bench.ask(holder)
    assert bench.until(1), "nobody entered"
    bench.hold_ns = 0
    return holder


def _goes_on(algorithm: str, n: int, seed: int, victim: Callable[[_Bench], int]) -> bool | None:
    bench = _Bench(algorithm, n, seed)
    dead = victim(bench)
    asking = next((user for user in bench.users if user != dead), None)
    if asking is None:
        return None
    bench.world.crash(dead)
    entered = len(bench.entries)
    bench.again = bench.ask  # more than once: a token may still be on its way to us
    bench.ask(asking)
    return bench.until(entered + 3, 2 * SECOND)


def _recovery_ns(algorithm: str, n: int, seed: int, config: EpochConfig) -> int | None:
    bench = _Bench(algorithm, n, seed, config)
    bench.world.run_for(config.lease_ns)
    dead = _let_one_in(bench)
    bench.world.crash(dead)
    died_ns, alive = bench.world.now, [user for user in bench.users if user != dead]
    if not alive:
        return None
    bench.ask(alive[0])
    return bench.world.now - died_ns if bench.until(2, 5 * SECOND) else None


def to_document(rows: list[Row], n: int) -> dict[str, Any]:
    """The comparison as plain data; null is unbounded or never."""
    return {
        "schema": SCHEMA,
        "members": n,
        "algorithms": [
            {
                "algorithm": row.algorithm,
                "predicted": asdict(row.predicted),
                "measured": asdict(row.measured),
                "as_predicted": row.as_predicted,
                "crash": {
                    "others_enter_after_idle_member": row.crashes.idle_member,
                    "others_enter_after_first_member": row.crashes.first_member,
                    "others_enter_after_holder": row.crashes.holder,
                    "recovery_with_epochs_s": row.crashes.recovery_ns
                    and to_seconds(row.crashes.recovery_ns),
                },
            }
            for row in rows
        ],
    }
