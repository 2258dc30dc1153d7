"""TAI and UTC, by a table of leap seconds; and POSIX time, which hides them.

TAI counts SI seconds and never leaps. UTC ticks with it and is kept within 0.9 s of the Earth's
rotation (UT1) by leap seconds: a day, mostly at the end of June or December, has 86,401 seconds, or
86,399 (which has not happened). So TAI - UTC is a whole number: 10 s from 1972-01-01, 37 s from
2017-01-01. A table says when it changed (ITU-R TF.460-6 section 2; IERS Bulletin C).

What it assumes: a table knows the future only up to :attr:`LeapTable.known_until_ns`; conversions
between TAI and UTC later than that take it that no leap second comes, and :meth:`LeapTable.covers`
says so. Before 1972 UTC's second was not TAI's and the steps were fractions of a second:
:class:`NoSuchTime` is raised rather than a wrong answer given.

All arithmetic is on integers of nanoseconds and exact.
"""

from bisect import bisect_right
from dataclasses import dataclass, field

from clocksync.runtime.units import SECOND
from clocksync.scales.civil import DAY, NoSuchTime, UtcTime, day_of, day_text

FIRST_DAY = day_of(1972, 1, 1)
FIRST_OFFSET = 10
"""TAI - UTC, s, from 1972-01-01, when UTC's second became TAI's."""

BEFORE_1972 = "before 1972 TAI - UTC was no whole number of seconds"


@dataclass(frozen=True, slots=True, order=True)
class Instant:
    """A point in time: nanoseconds since 1970-01-01T00:00:00 TAI, as Linux's CLOCK_TAI and PTP
    count (IEEE Std 1588-2019 section 7.2.2).

    ``instant + ns`` is an instant, ``instant - instant`` the true duration between them in ns,
    leap seconds included.

    >>> Instant(5) + 7
    Instant(tai_ns=12)
    >>> Instant(12) - Instant(5)
    7
    """

    tai_ns: int

    def __add__(self, ns: int) -> "Instant":
        return Instant(self.tai_ns + ns)

    def __sub__(self, other: "Instant") -> int:
        return self.tai_ns - other.tai_ns


@dataclass(frozen=True, slots=True, order=True)
class Leap:
    """A leap second at the end of UTC day `day` (days since 1970-01-01): `change` is +1 where
    23:59:60 is inserted, -1 where 23:59:59 is left out.

    >>> str(Leap(17166, 1))
    '2016-12-31T23:59:60Z inserted'
    """

    day: int
    change: int

    @property
    def midnight_ns(self) -> int:
        """POSIX time of the midnight after it, ns: TAI - UTC is another one from there on."""
        return (self.day + 1) * DAY

    @property
    def date(self) -> str:
        """The day that it ends, ``2016-12-31``."""
        return day_text(self.day)

    def __str__(self) -> str:
        if self.change > 0:
            return f"{self.date}T23:59:60Z inserted"
        return f"{self.date}T23:59:59Z left out"


@dataclass(frozen=True, slots=True)
class LeapTable:
    """Which days ended with a leap second since 1972, in order.

    `known_until_ns` is the POSIX time up to which nothing is missing (a list's expiry), `source`
    who says so, `updated_ns` when, if that is told.

    Raises:
        NoSuchTime: the leaps are out of order, less than two days apart, before 1972, or not by
            one second.

    >>> table = LeapTable((Leap(17166, 1),), known_until_ns=0, source="an example")
    >>> str(table.to_utc(table.from_utc(UtcTime(17166, 86_400_000_000_000))))
    '2016-12-31T23:59:60.000000000Z'
    """

    leaps: tuple[Leap, ...]
    known_until_ns: int
    source: str
    updated_ns: int | None = None
    # Of every stretch with one TAI - UTC: its first day, when it begins (TAI), and TAI - UTC, s.
    _days: tuple[int, ...] = field(init=False, repr=False, compare=False)
    _begins: tuple[int, ...] = field(init=False, repr=False, compare=False)
    _offsets: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        days, offsets = [FIRST_DAY], [FIRST_OFFSET]
        for leap in self.leaps:
            if abs(leap.change) != 1:
                raise NoSuchTime(f"{leap.date}: UTC leaps by one second, not by {leap.change}")
            if leap.day < days[-1] + 1:
                raise NoSuchTime(f"{leap.date}: leap seconds are out of order or too close")
            days.append(leap.day + 1)
            offsets.append(offsets[-1] + leap.change)
        begins = [d * DAY + o * SECOND for d, o in zip(days, offsets, strict=True)]
        object.__setattr__(self, "_days", tuple(days))
        object.__setattr__(self, "_offsets", tuple(offsets))
        object.__setattr__(self, "_begins", tuple(begins))

    def covers(self, instant: Instant) -> bool:
        """Whether everything about UTC at `instant` is known: it is not later than the list."""
        return instant.tai_ns < self.known_until_ns + self._offsets[-1] * SECOND

    def leap_after(self, day: int) -> Leap | None:
        """The leap second that ends UTC day `day`, if it ends with one."""
        at = bisect_right(self._days, day)
        if 0 < at < len(self._days) and self._days[at] == day + 1:
            return self.leaps[at - 1]
        return None

    def day_length_ns(self, day: int) -> int:
        """How long UTC day `day` is: 86,400 s, or with a leap second 86,401 or 86,399."""
        leap = self.leap_after(day)
        return DAY + (leap.change * SECOND if leap else 0)

    def tai_minus_utc(self, instant: Instant) -> int:
        """TAI - UTC at `instant`, s; within an inserted second still the old value.

        Raises:
            NoSuchTime: before 1972.
        """
        at = bisect_right(self._begins, instant.tai_ns) - 1
        if at < 0:
            raise NoSuchTime(BEFORE_1972)
        return self._offsets[at]

    def to_utc(self, instant: Instant) -> UtcTime:
        """What UTC reads at `instant`.

        Raises:
            NoSuchTime: before 1972, or after 9999.
        """
        tai_ns = instant.tai_ns
        at = bisect_right(self._begins, tai_ns)
        if not at:
            raise NoSuchTime(BEFORE_1972)
        day, ns = divmod(tai_ns - self._offsets[at - 1] * SECOND, DAY)
        if at < len(self._days) and day == self._days[at]:
            day, ns = day - 1, ns + DAY  # the stretch goes on past midnight: the inserted second
        return UtcTime(day, ns)

    def from_utc(self, utc: UtcTime) -> Instant:
        """The instant at which UTC reads `utc`.

        Raises:
            NoSuchTime: it never does (23:59:60 on a day without a leap second, 23:59:59 on one
                that leaves it out); before 1972.
        """
        at = bisect_right(self._days, utc.day)
        if not at:
            raise NoSuchTime(BEFORE_1972)
        if utc.ns >= DAY - SECOND:  # the table matters for a day's last second only
            self.check(utc)
        return Instant(utc.day * DAY + utc.ns + self._offsets[at - 1] * SECOND)

    def check(self, utc: UtcTime) -> None:
        """Raise :class:`NoSuchTime` if UTC never reads `utc`."""
        if utc.ns < self.day_length_ns(utc.day):
            return
        if utc.ns < DAY:
            raise NoSuchTime(f"a negative leap second left 23:59:59 out on {day_text(utc.day)}")
        reason = f"{day_text(utc.day)} has no leap second"
        if utc.posix_ns >= self.known_until_ns:
            reason += f" known to {self.source}"
        raise NoSuchTime(reason)

    def to_posix(self, instant: Instant) -> int:
        """POSIX time at `instant`, ns. An inserted second has the same numbers as the second after
        it (IEEE Std 1003.1-2017 section 4.16).

        Raises:
            NoSuchTime: before 1972, or after 9999.
        """
        return self.to_utc(instant).posix_ns

    def utc_of_posix(self, posix_ns: int) -> tuple[UtcTime, ...]:
        """Every UTC time with this POSIX time, in order: one, two around an inserted second.

        Raises:
            NoSuchTime: no UTC time has it: it lies in a second that was left out.
        """
        day, ns = divmod(posix_ns, DAY)
        utc = UtcTime(day, ns)
        if ns < SECOND:
            leap = self.leap_after(day - 1)
            if leap and leap.change > 0:
                return UtcTime(day - 1, DAY + ns), utc
        elif ns >= DAY - SECOND:
            self.check(utc)
        return (utc,)

    def from_posix(self, posix_ns: int) -> tuple[Instant, ...]:
        """Every instant with this POSIX time, in order: one, two around an inserted second.

        Raises:
            NoSuchTime: none has it; before 1972.
        """
        return tuple(self.from_utc(utc) for utc in self.utc_of_posix(posix_ns))

    def next_leap(self, posix_ns: int) -> Leap | None:
        """The first leap second whose midnight is later than this POSIX time, if one is known."""
        return next((leap for leap in self.leaps if leap.midnight_ns > posix_ns), None)
