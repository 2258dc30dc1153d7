"""What a history's timestamps are worth: order kept, sizes of bounds, distance from the truth.

Rules T1 to T4 (``docs/checking.md``) say whether something is wrong; the figures say how good it
is. Distances from true time are known in simulations only.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median

from clocksync.runtime.history import Event
from vsync.check.reading import History, Message
from vsync.check.stamps import judge_stamps
from vsync.check.verdict import Violation

SUSPECT, UNVERIFIED = "suspect", "unverified"
RULES = ("T1", "T2", "T3", "T4")


@dataclass(frozen=True, slots=True)
class Spread:
    """How a set of durations is spread, ns."""

    median_ns: int
    p95_ns: int
    largest_ns: int

    @classmethod
    def of(cls, values: Iterable[int]) -> "Spread | None":
        """Of at least one value; None for none."""
        ordered = sorted(values)
        if not ordered:
            return None
        p95 = ordered[min(len(ordered) - 1, len(ordered) * 95 // 100)]
        return cls(round(median(ordered)), p95, ordered[-1])


@dataclass(frozen=True, slots=True)
class Stamp:
    """One delivered message's timestamp."""

    timestamp: int
    error: int
    origin: int
    flags: tuple[str, ...]
    off_ns: int | None
    """Timestamp minus true time, where that is known."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The stamps that one member gave out."""

    node: int
    stamps: int
    bound: Spread
    suspicions: int
    """How often its clock came to contradict the majority's."""
    suspect: int
    unverified: int


@dataclass(slots=True)
class Times:
    """What a history's timestamps are worth."""

    stamps: list[Stamp] = field(default_factory=list)
    """In the order of their timestamps."""
    origins: list[Origin] = field(default_factory=list)
    violations: list[Violation] = field(default_factory=list)
    more: dict[str, int] = field(default_factory=dict)
    changes: list[tuple[int, tuple[int, ...]]] = field(default_factory=list)
    """The regular configurations: timestamp and members."""

    @property
    def bound(self) -> Spread | None:
        """The sizes of the bounds."""
        return Spread.of(stamp.error for stamp in self.stamps)

    @property
    def off(self) -> Spread | None:
        """The distances from true time, where that is known."""
        return Spread.of(abs(stamp.off_ns) for stamp in self.stamps if stamp.off_ns is not None)

    @property
    def with_truth(self) -> int:
        """Of how many stamps the truth is known."""
        return sum(stamp.off_ns is not None for stamp in self.stamps)


def survey(events: Iterable[Event], name: str = "history") -> Times:
    """Judge and measure the timestamps of one group's histories.

    Raises:
        MalformedHistory: something is no event of the format.
    """
    history = History(events, name)
    judge_stamps(history)
    times = Times(
        violations=[v for v in history.verdict.violations if v.rule in RULES],
        more={rule: n for rule, n in history.verdict.more.items() if rule in RULES},
    )
    delivered = [m for m in history.messages if m.timestamp is not None]
    times.stamps = sorted(map(_stamp, delivered), key=lambda stamp: stamp.timestamp)
    by_origin: dict[int, list[Stamp]] = {}
    for stamp in times.stamps:
        by_origin.setdefault(stamp.origin, []).append(stamp)
    times.origins = [_origin(node, by_origin[node]) for node in sorted(by_origin)]
    seen = {
        (span.timestamp, span.members)
        for life in history.lives
        for span in life.spans
        if span.is_regular
    }
    times.changes = sorted(seen)
    return times


def _stamp(message: Message) -> Stamp:
    assert message.timestamp is not None, "it was delivered"
    off = None if message.true_time is None else message.timestamp - message.true_time
    return Stamp(message.timestamp, message.error, message.origin or 0, message.flags, off)


def _origin(node: int, stamps: Sequence[Stamp]) -> Origin:
    suspicions, was_suspect = 0, False
    for stamp in stamps:
        is_suspect = SUSPECT in stamp.flags
        suspicions += is_suspect and not was_suspect
        was_suspect = is_suspect
    bound = Spread.of(stamp.error for stamp in stamps)
    assert bound is not None, "there is a stamp"
    return Origin(
        node,
        len(stamps),
        bound,
        suspicions,
        sum(SUSPECT in stamp.flags for stamp in stamps),
        sum(UNVERIFIED in stamp.flags for stamp in stamps),
    )
