"""What receivers heard: the stamps of each beacon's broadcasts, their own and those of others.

Memory is bounded whatever is sent: so many beacons for each receiver, so many stamps for each
beacon, the oldest forgotten. Reports carry many stamps each, and each stamp in several reports, so
that one that is lost costs nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from clocksync.rbs.fit import Points
from clocksync.rbs.frames import HEARD_MAX, NUMBER_BITS, STAMP_BITS, Report

STAMPS_MAX = 512
BEACONS_MAX = 8
TOLD_TIMES = 3
"""How often a stamp is told, each time in another report."""
READING_MAX = 1 << 62
"""No clock reads more, 146 years from the epoch: so that differences fit the wire."""


class BeaconName(NamedTuple):
    """One life of a beacon: two of the same number, or one that restarted, have other series."""

    beacon: int
    series: int


@dataclass(slots=True)
class Heard:
    """The stamps of one receiver."""

    stamps: dict[BeaconName, dict[int, int]] = field(default_factory=dict)
    """For each beacon: the reading at which each number came, in the order they came in."""

    def add(self, name: BeaconName, number: int, stamp: int) -> bool:
        """Note an arrival; False for a number that came before, whose first arrival counts."""
        if not -READING_MAX <= stamp <= READING_MAX:
            return False
        numbers = self.stamps.setdefault(name, {})
        if number in numbers:
            return False
        numbers[number] = stamp
        if len(numbers) > STAMPS_MAX:
            del numbers[next(iter(numbers))]
        if len(self.stamps) > BEACONS_MAX:
            least = min(self.stamps, key=lambda each: max(self.stamps[each].values(), default=0))
            del self.stamps[least if least != name else next(iter(self.stamps))]
        return True

    def matched(self, theirs: "Heard", since: int | None = None) -> list[tuple[int, int]]:
        """Our reading and theirs minus ours, for what both heard of the beacon of which that is
        most; in the order in which it came to us, from our reading `since` on, and since our clock
        was last set back."""
        best: list[tuple[int, int]] = []
        for name in sorted(self.stamps.keys() & theirs.stamps.keys()):
            other = theirs.stamps[name]
            points: list[tuple[int, int]] = []
            last = -READING_MAX
            for number, stamp in self.stamps[name].items():
                if stamp < last:
                    points = []
                last = stamp
                if number in other and (since is None or stamp >= since):
                    points.append((stamp, other[number] - stamp))
            if len(points) > len(best):
                best = points
        return best


@dataclass(slots=True)
class Untold:
    """What a receiver has heard and still has to tell."""

    recent: dict[BeaconName, list[tuple[int, int]]] = field(default_factory=dict)
    _told: dict[BeaconName, list[int]] = field(default_factory=dict)
    _fresh: int = 0

    @property
    def fresh(self) -> int:
        """Stamps that nobody has been told yet."""
        return self._fresh

    def add(self, name: BeaconName, number: int, stamp: int) -> None:
        """An arrival to tell."""
        entries, told = self.recent.setdefault(name, []), self._told.setdefault(name, [])
        entries.append((number, stamp))
        told.append(0)
        del entries[:-HEARD_MAX], told[:-HEARD_MAX]
        self._fresh += 1
        while len(self.recent) > BEACONS_MAX:
            oldest = next(iter(self.recent))
            del self.recent[oldest], self._told[oldest]

    def reports(self, epoch: int, whole: bool = False) -> list[Report]:
        """What is to be told now, and counts as told then; `whole` tells all that is remembered.
        A report without stamps, where there is nothing, says that we are there."""
        self._fresh = 0
        reports = []
        for name, entries in self.recent.items():
            told = self._told[name]
            chosen = [i for i, times in enumerate(told) if whole or times < TOLD_TIMES]
            if chosen:
                reports.append(_packed(epoch, name, [entries[i] for i in chosen]))
            for i in chosen:
                told[i] += 1
        return reports or [Report(epoch, 0, 0, 0, 0, ())]


def _packed(epoch: int, name: BeaconName, entries: list[tuple[int, int]]) -> Report:
    first = min(number for number, _ in entries)
    base = min(stamp for _, stamp in entries)
    heard = tuple(
        number - first << STAMP_BITS | stamp - base
        for number, stamp in entries
        # A beacon that jumps, or a clock that was set: what does not fit is left out.
        if number - first < 1 << NUMBER_BITS and stamp - base < 1 << STAMP_BITS
    )
    return Report(epoch, name.beacon, name.series, first, base, heard)


def unpacked(report: Report) -> Iterator[tuple[int, int]]:
    """Number and stamp of all that a report tells."""
    mask = (1 << STAMP_BITS) - 1
    for entry in report.heard:
        yield report.first + (entry >> STAMP_BITS), report.base + (entry & mask)


def span_of(points: Points) -> tuple[int, int]:
    """The earliest and the latest reading among points (at least one)."""
    readings = [at for at, _ in points]
    return min(readings), max(readings)
