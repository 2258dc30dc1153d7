"""Time on the ring: every message is stamped when it gets its place in the order.

The token is the only place where an order exists, so the token carries time. The holder stamps with
its own interval clock, forced above the last stamp given out. So a stamp is the same everywhere (it
is in the frame), strictly increasing in the order, and later than that of any cause; it costs no
message and no delay.

The token also carries a table of the members' clocks. From it the holder works out an interval that
contains true time if a majority of clocks is right (Marzullo 1984), and a holder whose own clock
lies outside does not use it. With fewer than three clocks nobody can tell who is wrong, and stamps
say so: *unverified*.

A member whose own clock knows next to nothing (no time source: the kernel says 16 s) takes the time
that the majority knows.

What may go wrong: an error bound is only as good as the clocks' own. A stamp that was forced above
others carries the distance in its bound.
"""

from dataclasses import dataclass
from typing import NamedTuple

from clocksync.runtime.interval import Interval
from clocksync.runtime.records import maker
from clocksync.runtime.units import MICROSECOND, MILLISECOND, SECOND, scale_by_ppm
from vsync.frames import LARGEST, SUSPECT, UNVERIFIED

CLUELESS_NS = SECOND
"""A clock whose interval is wider than this knows less than any majority."""

STEADY_FOR_NS = 20 * MILLISECOND
"""So long a good reading of the majority's clocks is not looked for again: it costs."""

STEADY_AT_MOST_NS = 2 * STEADY_FOR_NS
"""So long a reading is kept for want of one as narrow; then a wider one takes its place, because
the majority it came from may have been wrong."""

FORCED_NS = 50 * MICROSECOND
"""So far above the time the order alone may force a stamp that still counts as the majority's: a
visit of very many messages takes a nanosecond for each."""

_make_interval = maker(Interval)

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


class Told(NamedTuple):
    """What the token told at our last visit."""

    clocks: tuple[int, ...]
    """Its table, with our own entry of then."""
    place: int
    at_ns: int
    """Of that visit, by our monotonic clock."""
    before_ns: int
    """Of the visit before: no entry is older."""


class Steady(NamedTuple):
    """What the majority's clocks said at a visit that came soon after the one before."""

    interval: Interval
    """Contained true time at `at_ns`, if that majority was right."""
    at_ns: int
    rotation_ns: int


class GroupTime(NamedTuple):
    """The time now, as far as this member can tell: an estimate, not the same at all members."""

    interval: Interval
    """Contains true time, if our own clock keeps its bound; with the flag `suspect`, if that or the
    majority does. Where our clock knows nothing of its own, it is what the majority knows."""
    flags: int


@dataclass(frozen=True, slots=True)
class Reading:
    """What the holder of the token takes for the time."""

    wanted: int
    base: Interval
    """Contains true time, if those clocks are right that it comes from."""
    flags: int
    latest: int | None = None
    """No later is it, as the majority's clocks say; None: they say nothing."""

    def flags_of(self, first: int) -> int:
        """The flags of what is stamped `first`. A stamp that was forced beyond what a majority
        confirms (after a merge with a side whose clocks were ahead) is as unverified as theirs."""
        if self.latest is not None and first > self.latest + FORCED_NS:
            return self.flags | UNVERIFIED
        return self.flags

    def stamp(self, last: int) -> int:
        """The next timestamp after `last`."""
        return max(last + 1, self.wanted)

    def error(self, first: int, final: int) -> int:
        """A bound on the distance from true time for all timestamps from `first` to `final`."""
        return min(max(final - self.base.earliest, self.base.latest - first, 0), LARGEST)


class Stamper:
    """Gives out timestamps. One for a process's life: `highest` outlives rings."""

    __slots__ = ("drift_ppm", "highest", "observed", "steady")

    def __init__(self, highest: int, drift_ppm: float) -> None:
        self.highest = highest
        """The largest timestamp seen in any token or message, delivered or not (the papers have no
        name for it: ts_high in our notes)."""
        self.observed = 0
        """The largest timestamp of elsewhere that what we send must follow."""
        self.steady: Steady | None = None
        """Of this ring: a new one begins without."""
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

    def follow(
        self, mine: Interval, table: tuple[int, ...], place: int, now_ns: int, before_ns: int
    ) -> None:
        """Keep what this visit's table tells, if it is as good as what we have.

        A reading in the table is as old as the rotation took, at the most, and so much wider is
        what it says of now. A rotation can take long (a lost token, an idle ring); our own
        oscillator leads from the last short one to here with a thousandth of that. So a wider
        reading takes its place only once it is old (`STEADY_AT_MOST_NS`).
        """
        rotation, steady = now_ns - before_ns, self.steady
        widest = None
        if steady is not None:
            if 2 * rotation > steady.rotation_ns and now_ns - steady.at_ns < STEADY_FOR_NS:
                return
            carried = self._carried(steady, now_ns)
            if rotation > carried.width:
                return
            if now_ns - steady.at_ns < STEADY_AT_MOST_NS:
                widest = carried.width
        group = self.group_interval(mine, table, place, rotation)
        if group is not None and (widest is None or group.width <= widest):
            # Not cut by what was kept before: a majority that was wrong for a while must not
            # outlast itself.
            self.steady = Steady(group, now_ns, rotation)

    def steadied(self, group: Interval | None, now_ns: int) -> Interval | None:
        """What the majority says now, cut by what it said before, where that does not contradict
        it."""
        steady = self.steady
        if group is None or steady is None:
            return group
        # As _carried and the intersection, in a third of the time: this is done at every visit.
        since = now_ns - steady.at_ns
        drift = scale_by_ppm(since, self.drift_ppm)
        earliest = steady.interval.earliest + since - drift
        latest = steady.interval.latest + since + drift
        if earliest < group.earliest:
            earliest = group.earliest
        if latest > group.latest:
            latest = group.latest
        return _make_interval(earliest, latest) if earliest <= latest else group

    def _carried(self, steady: Steady, now_ns: int) -> Interval:
        since = max(0, now_ns - steady.at_ns)
        return (steady.interval + since).widened(scale_by_ppm(since, self.drift_ppm))

    def read(self, mine: Interval, group: Interval | None) -> Reading:
        """The time by our own clock, unless a majority of clocks contradicts it."""
        if group is None:
            return Reading(mine.middle, mine, UNVERIFIED)
        shared = mine & group
        if shared is None:
            # The value is the majority's. The bound covers both: should the majority be wrong, a
            # good clock's stamps are still within theirs.
            hull = Interval.hull([mine, group])
            return Reading(group.middle, hull, SUSPECT, group.latest)
        if mine.width > CLUELESS_NS:
            return Reading(shared.middle, shared, 0, group.latest)
        return Reading(min(mine.middle, group.latest), mine, 0, group.latest)

    def now(self, mine: Interval, now_ns: int, told: Told | None) -> GroupTime:
        """The time now, between visits of the token.

        Args:
            mine: our own clock's present reading.
            now_ns: the monotonic time.
            told: at our last visit to this ring; None: there was none yet.
        """
        group = None if told is None else self._told_now(told, now_ns)
        group = self.steadied(group, now_ns)
        reading = self.read(mine, group)
        return GroupTime(reading.base, reading.flags)

    def _told_now(self, told: Told, now_ns: int) -> Interval | None:
        clocks, place = told.clocks, told.place
        if 2 * place + 1 >= len(clocks):
            return None
        then = Interval(clocks[2 * place], clocks[2 * place + 1])
        group = self.group_interval(then, clocks, place, told.at_ns - told.before_ns)
        if group is None:
            return None
        since = max(0, now_ns - told.at_ns)
        return (group + since).widened(scale_by_ppm(since, self.drift_ppm))
