"""Which ephemeris to use: of the right message, the nearest in time, and not too old."""

from bisect import bisect_left, insort
from collections.abc import Iterable
from dataclasses import dataclass, field

from clocksync.gnss.ephemeris import Ephemeris, Message


@dataclass(slots=True)
class Ephemerides:
    """Ephemerides of many satellites, found by satellite, message and time."""

    age_max_ns: int | None = None
    """Instead of what the messages themselves say they may be used for."""
    _lists: dict[tuple[str, Message], list[Ephemeris]] = field(default_factory=dict)

    @classmethod
    def of(cls, found: Iterable[Ephemeris], age_max_ns: int | None = None) -> "Ephemerides":
        """A book of these ephemerides; of two with one reference time, the one sent later."""
        book = cls(age_max_ns)
        for ephemeris in found:
            book.add(ephemeris)
        return book

    def add(self, ephemeris: Ephemeris) -> None:
        """Enter one more."""
        key = ephemeris.satellite, ephemeris.message
        insort(self._lists.setdefault(key, []), ephemeris, key=lambda each: (each.toe, each.sent))

    @property
    def satellites(self) -> frozenset[str]:
        """Those of whom there is any ephemeris, however old."""
        return frozenset(satellite for satellite, _ in self._lists)

    def nearest(self, satellite: str, message: Message, time: int) -> Ephemeris | None:
        """The ephemeris whose reference time is nearest, whatever its age; None without any."""
        entries = self._lists.get((satellite, message))
        if not entries:
            return None
        after = bisect_left(entries, time, key=lambda each: each.toe)
        around = [entries[at] for at in (after - 1, after) if 0 <= at < len(entries)]
        best = min(around, key=lambda each: abs(each.toe - time))
        # Of several with this reference time the last in the list was sent last.
        last = bisect_left(entries, best.toe + 1, key=lambda each: each.toe) - 1
        return entries[last]

    def is_current(self, ephemeris: Ephemeris, time: int) -> bool:
        """Whether it may be used at `time`."""
        limit = ephemeris.valid_ns if self.age_max_ns is None else self.age_max_ns
        return abs(time - ephemeris.toe) <= limit

    def limit_ns(self, ephemeris: Ephemeris) -> int:
        """How far from its reference time it may be used."""
        return ephemeris.valid_ns if self.age_max_ns is None else self.age_max_ns
