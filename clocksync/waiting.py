"""Whether the local clock is certainly within a bound yet: what ``waitsync`` waits for. Pure.

What is asked in turn: an interval of true time minus the local clock, or a reason why there is
none. The clock is *within* when every point of the interval is; nothing is said of the middle.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Any

from clocksync.measuring.report import rfc3339
from clocksync.runtime.interval import Interval
from clocksync.runtime.units import format_duration, to_seconds

SCHEMA = "clocksync.waitsync/1"


class Outcome(Enum):
    """How the waiting ended; the exit code is its place."""

    SYNCHRONISED = "synchronised"
    NOT_WITHIN = "not-within"
    NOTHING_KNOWN = "nothing-known"

    @property
    def exit_code(self) -> int:
        """0 the clock is within the bound, 1 it is not, 2 nobody could tell."""
        return list(Outcome).index(self)


@dataclass(frozen=True, slots=True)
class Reading:
    """One attempt: what is known of the clock, or why nothing is."""

    interval: Interval | None
    """True time minus the local clock."""
    source: str
    reason: str = ""
    is_known_bad: bool = False
    """Without an interval: whether somebody answered, and said that it is not synchronised."""

    @property
    def reached_ns(self) -> int | None:
        """The farthest that the clock can be off; None: unknown."""
        if self.interval is None:
            return None
        return max(abs(self.interval.earliest), abs(self.interval.latest))

    @property
    def words(self) -> str:
        """For people."""
        if self.reached_ns is None:
            return self.reason
        return f"off by at most {format_duration(self.reached_ns)}, by {self.source}"


def is_within(reading: Reading, max_error_ns: int) -> bool:
    """Whether the clock is certainly within the bound."""
    return reading.reached_ns is not None and reading.reached_ns <= max_error_ns


def outcome(readings: list[Reading], max_error_ns: int) -> Outcome:
    """How it ended, by all attempts (at least one)."""
    if is_within(readings[-1], max_error_ns):
        return Outcome.SYNCHRONISED
    known = any(reading.interval is not None or reading.is_known_bad for reading in readings)
    return Outcome.NOT_WITHIN if known else Outcome.NOTHING_KNOWN


def to_document(
    reading: Reading, ended: Outcome, max_error_ns: int, waited_ns: int, attempts: int, at_ns: int
) -> dict[str, Any]:
    """As plain data, keys as the schema has them."""
    interval = reading.interval
    return {
        "schema": SCHEMA,
        "at": rfc3339(at_ns),
        "outcome": ended.value,
        "max_error_s": to_seconds(max_error_ns),
        "offset_s": None if interval is None else to_seconds(interval.middle),
        "error_bound_s": None if interval is None else to_seconds(interval.error),
        "source": reading.source,
        "reason": reading.reason or None,
        "waited_s": to_seconds(waited_ns),
        "attempts": attempts,
    }
