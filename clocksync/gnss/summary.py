"""What many epochs say together: errors against the header's position, and the clock's course."""

import math
import re
from array import array
from collections import Counter
from dataclasses import dataclass, field
from statistics import median

import numpy as np

from clocksync.gnss.fix import Cause, Fix, Status
from clocksync.gnss.geodesy import LocalFrame
from clocksync.runtime.units import SECOND

_JUMP_NS = 100_000.0
"""Receivers put their clock right in steps of a millisecond; noise is a thousandth of that."""


@dataclass(frozen=True, slots=True)
class Drift:
    """The clock's rate against GPS time, steps taken out."""

    ppb: float
    std_ppb: float
    jumps: int
    largest_jump_ns: float


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, 95th percentile and largest of absolute errors, metres."""

    median_m: float
    p95_m: float
    max_m: float

    @classmethod
    def of(cls, values: "array[float]") -> "Spread | None":
        """None without any."""
        if not values:
            return None
        sizes = np.abs(np.array(values))
        return cls(float(np.median(sizes)), float(np.percentile(sizes, 95)), float(sizes.max()))


@dataclass(slots=True)
class Told:
    """A reason as first given, and how often one like it was given of each satellite."""

    example: str
    count: Counter[str] = field(default_factory=Counter)


def pattern(words: str) -> str:
    """A reason without its numbers and satellites.

    >>> pattern("E02, E05 contradict: 12.5 > 3") == pattern("G01 contradict: 7 > 3")
    True
    """
    return re.sub(r"(?:[A-Z]\d\d, )*[A-Z]\d\d|\d+(?:\.\d+)?", "#", words)


@dataclass(slots=True)
class Summary:
    """Grows epoch by epoch: :meth:`add`, then read the rest."""

    statuses: Counter[Status] = field(default_factory=Counter)
    reasons: dict[str, "Told"] = field(default_factory=dict)
    """Why epochs have no position: alike reasons together, by what they have in common."""
    used: Counter[str] = field(default_factory=Counter)
    left_out: dict[tuple[Cause, str], "Told"] = field(default_factory=dict)
    """Why satellites were not used, by cause and by what alike reasons have in common."""
    times: "array[int]" = field(default_factory=lambda: array("q"))
    clocks_ns: "array[float]" = field(default_factory=lambda: array("d"))
    clock_stds_ns: "array[float]" = field(default_factory=lambda: array("d"))
    satellites: "array[int]" = field(default_factory=lambda: array("h"))
    """These four: one each for every epoch that was solved."""
    easts: "array[float]" = field(default_factory=lambda: array("d"))
    norths: "array[float]" = field(default_factory=lambda: array("d"))
    ups: "array[float]" = field(default_factory=lambda: array("d"))
    horizontal_bounds_m: "array[float]" = field(default_factory=lambda: array("d"))
    """These four only where the header tells a position, which is the origin."""
    outside: int = 0
    """Solved epochs whose header position is not within the bound."""

    def add(self, fix: Fix) -> None:
        """Take one more epoch into account."""
        self.statuses[fix.status] += 1
        for each in fix.excluded:
            key = each.cause, pattern(each.reason)
            self.left_out.setdefault(key, Told(each.reason)).count[each.satellite] += 1
        if fix.position is None or fix.clock_error_ns is None:
            words = fix.reason or "no position"
            self.reasons.setdefault(pattern(words), Told(words)).count[""] += 1
            return
        self.used.update(fix.satellites)
        self.times.append(fix.time)
        self.clocks_ns.append(fix.clock_error_ns)
        self.clock_stds_ns.append(fix.clock_error_std_ns or math.nan)
        self.satellites.append(len(fix.used))
        if fix.header_position is not None:
            east, north, up = LocalFrame.at(fix.header_position).enu(fix.position)
            self.easts.append(east)
            self.norths.append(north)
            self.ups.append(up)
            bound = fix.horizontal_bound_m or math.inf
            self.horizontal_bounds_m.append(bound)
            self.outside += math.hypot(east, north) > bound

    @property
    def epochs(self) -> int:
        """How many there were."""
        return self.statuses.total()

    @property
    def all_solved(self) -> bool:
        """Whether each epoch has a position."""
        return all(status.is_solved for status in self.statuses)

    @property
    def horizontal(self) -> Spread | None:
        """Distance from the header's position over ground."""
        return Spread.of(array("d", map(math.hypot, self.easts, self.norths)))

    @property
    def vertical(self) -> Spread | None:
        """Difference in height from the header's position."""
        return Spread.of(self.ups)

    def steady_clock(self) -> tuple[list[float], list[float]]:
        """Clock errors with the jumps taken out (ns), and the jumps."""
        if len(self.times) < 2:
            return list(self.clocks_ns), []
        times, clocks = np.array(self.times, float), np.array(self.clocks_ns)
        steps, gaps = np.diff(clocks), np.maximum(np.diff(times), 1.0)
        # Of epochs close together: across a gap the rate itself may have changed.
        rate = median(steps / gaps)
        unexpected = steps - rate * gaps
        jumped = np.abs(unexpected) > _JUMP_NS + 0.2 * np.abs(rate) * gaps
        jumps = np.where(jumped, unexpected, 0.0)
        steady = clocks - np.concatenate(([0.0], np.cumsum(jumps)))
        return [float(each) for each in steady], [float(each) for each in jumps[jumped]]

    @property
    def drift(self) -> Drift | None:
        """The rate of the clock by a straight line through it; None from less than three epochs."""
        if len(self.times) < 3 or self.times[-1] == self.times[0]:
            return None
        steady, jumps = self.steady_clock()
        seconds = (np.array(self.times) - self.times[0]) / SECOND
        apart = seconds - seconds.mean()
        slope = float(apart @ np.array(steady) / (apart @ apart))
        left = np.array(steady) - np.mean(steady) - slope * apart
        variance = float(left @ left) / (len(left) - 2) / float(apart @ apart)
        largest = max(jumps, key=abs, default=0.0)
        return Drift(slope, math.sqrt(variance), len(jumps), largest)
