"""Time on the ring: every message is stamped when it gets its place in the order.

The token is the only place where an order exists, so the token carries time. The holder stamps with
its own interval clock, forced above the last stamp given out. So a stamp is the same everywhere (it
is in the frame), strictly increasing in the order, and later than that of any cause; it costs no
message and no delay.

The token also carries a table of the members' clocks. From it the holder works out an interval that
contains true time if a majority of clocks is right (Marzullo 1984), and a holder whose own clock
lies outside does not use it. With fewer than three clocks nobody can tell who is wrong, and stamps
say so: *unverified*.

What may go wrong: an error bound is only as good as the clocks' own. A stamp that was forced above
others carries the distance in its bound.
"""

from dataclasses import dataclass

from clocksync.runtime.interval import Interval
from clocksync.runtime.units import scale_by_ppm
from vsync.frames import LARGEST, SUSPECT, UNVERIFIED

FLAG_NAMES = ((SUSPECT, "suspect"), (UNVERIFIED, "unverified"))


def flag_names(flags: int) -> tuple[str, ...]:
    """The flags of a stamp, by name."""
    if not flags & (SUSPECT | UNVERIFIED):
        return ()
    return tuple(name for bit, name in FLAG_NAMES if flags & bit)


def majority(clocks: list[Interval]) -> Interval | None:
    """Where true time is if fewer than half of the clocks are wrong: the hull of all points that
    lie in all but floor((n - 1) / 2) of the intervals. None for fewer than three, or for no point.

    >>> majority([Interval(0, 10), Interval(2, 12), Interval(90, 99)])
    Interval(earliest=2, latest=10)
    """
    if len(clocks) < 3:
        return None
    enough = len(clocks) - (len(clocks) - 1) // 2
    # At one point an interval begins before another ends: they are closed.
    edges = sorted([(c.earliest, 0) for c in clocks] + [(c.latest, 1) for c in clocks])
    earliest = latest = None
    depth = 0
    for at, is_end in edges:
        if is_end:
            if depth >= enough:
                latest = at
            depth -= 1
        else:
            depth += 1
            if depth >= enough and earliest is None:
                earliest = at
    return None if earliest is None or latest is None else Interval(earliest, latest)


def aged(clock: Interval, age_ns: int, drift_ppm: float) -> Interval:
    """A reading taken at an unknown moment in the last `age_ns`: true time is up to that later."""
    return Interval(clock.earliest, clock.latest + age_ns + scale_by_ppm(age_ns, drift_ppm))


def within(clock: Interval) -> Interval:
    """A clock's interval cut to what travels in a frame."""
    if clock.earliest >= 0 and clock.latest <= LARGEST:
        return clock
    return Interval(max(0, min(clock.earliest, LARGEST)), max(0, min(clock.latest, LARGEST)))


@dataclass(frozen=True, slots=True)
class Reading:
    """What the holder of the token takes for the time."""

    wanted: int
    base: Interval
    """Contains true time, if those clocks are right that it comes from."""
    flags: int

    def stamp(self, last: int) -> int:
        """The next timestamp after `last`."""
        return max(last + 1, self.wanted)

    def error(self, first: int, final: int) -> int:
        """A bound on the distance from true time for all timestamps from `first` to `final`."""
        return min(max(final - self.base.earliest, self.base.latest - first, 0), LARGEST)


class Stamper:
    """Gives out timestamps. One for a process's life: `highest` outlives rings."""

    __slots__ = ("drift_ppm", "highest")

    def __init__(self, highest: int, drift_ppm: float) -> None:
        self.highest = highest
        """The largest timestamp seen in any token or message, delivered or not (the papers have no
        name for it: ts_high in our notes)."""
        self.drift_ppm = drift_ppm

    def saw(self, timestamp: int) -> None:
        if timestamp > self.highest:
            self.highest = timestamp

    def group_interval(
        self, mine: Interval, table: tuple[int, ...], place: int, age_ns: int
    ) -> Interval | None:
        """What the members' clocks say together, from the token's table as it came in.

        Args:
            place: our own place in the table; our entry is the present reading.
            age_ns: our monotonic time since our last visit: no other entry is older.
        """
        clocks = [mine]
        for member in range(len(table) // 2):
            if member == place:
                continue
            earliest, latest = table[2 * member], table[2 * member + 1]
            if (earliest, latest) == (0, 0):
                return None
            clocks.append(aged(Interval(earliest, latest), age_ns, self.drift_ppm))
        return majority(clocks)

    def read(self, mine: Interval, group: Interval | None) -> Reading:
        """The time by our own clock, unless a majority of clocks contradicts it."""
        if group is None:
            return Reading(mine.middle, mine, UNVERIFIED)
        if (mine & group) is None:
            # The value is the majority's. The bound covers both: should the majority be wrong, a
            # good clock's stamps are still within theirs.
            return Reading(group.middle, Interval.hull([mine, group]), SUSPECT)
        return Reading(min(mine.middle, group.latest), mine, 0)
