"""Is a leap second pending, which, and when: by a table, and by what an NTP server announces.

NTP's leap indicator warns of a leap second in the last minute of the current month: 1 inserts a
second, 2 leaves one out, 3 says that the server is not synchronised (RFC 5905 section 7.3). Many
servers set it only on the last day, so silence before that contradicts nothing.
"""

from dataclasses import dataclass
from datetime import date

from clocksync.scales.civil import DAY, day_of, day_text
from clocksync.scales.leaps import Leap, LeapTable

INSERT, DELETE, UNSYNCHRONISED = 1, 2, 3


@dataclass(frozen=True, slots=True)
class LeapOutlook:
    """What is known of the next leap second at one POSIX time.

    `pending` is the next one that the table knows, `announced` what the leap indicator says,
    `expired` whether the table can no longer know of all. `problem` is one sentence on what is not
    well (the two contradict, the table has expired), or None.
    """

    at_posix_ns: int
    pending: Leap | None
    announced: Leap | None
    expired: bool
    known_until_ns: int
    source: str
    problem: str | None

    @property
    def leap(self) -> Leap | None:
        """The leap second to expect: the table's, or else the one announced."""
        return self.pending or self.announced

    @property
    def until_ns(self) -> int | None:
        """How long until the midnight of :attr:`leap` by POSIX time, ns; None without one."""
        return self.leap.midnight_ns - self.at_posix_ns if self.leap else None

    def __str__(self) -> str:
        until = day_text(self.known_until_ns // DAY)
        if self.pending:
            return f"leap second pending: {self.pending} (by {self.source})"
        if self.announced:
            return f"leap second pending: {self.announced} (by the leap indicator)"
        if self.expired:
            return f"no leap second known, but {self.source} expired on {until}"
        return f"no leap second until {until} (by {self.source})"


def announced_leap(indicator: int, posix_ns: int) -> Leap | None:
    """The leap second that an NTP leap indicator announces at a POSIX time: at the end of that
    UTC month. None for 0 and 3.

    Raises:
        ValueError: `indicator` is not 0 to 3.

    >>> str(announced_leap(1, 1_483_142_400_000_000_000))
    '2016-12-31T23:59:60Z inserted'
    """
    if not 0 <= indicator <= 3:
        raise ValueError(f"a leap indicator is 0 to 3, not {indicator}")
    if indicator in (0, UNSYNCHRONISED):
        return None
    today = date.fromisoformat(day_text(posix_ns // DAY))
    first = today.month + 12 * today.year  # months since year 0, of the next month
    last_day = day_of(first // 12, first % 12 + 1, 1) - 1
    return Leap(last_day, 1 if indicator == INSERT else -1)


def leap_outlook(table: LeapTable, posix_ns: int, indicator: int | None = None) -> LeapOutlook:
    """What to expect at a POSIX time, by `table` and, if given, a server's leap indicator.

    Raises:
        ValueError: `indicator` is not 0 to 3.
    """
    pending = table.next_leap(posix_ns)
    announced = None if indicator is None else announced_leap(indicator, posix_ns)
    expired = posix_ns >= table.known_until_ns
    problem = _contradiction(table, posix_ns, indicator, announced)
    if problem is None and expired:
        problem = f"{table.source} expired on {day_text(table.known_until_ns // DAY)}"
    return LeapOutlook(
        posix_ns, pending, announced, expired, table.known_until_ns, table.source, problem
    )


def _contradiction(
    table: LeapTable, posix_ns: int, indicator: int | None, announced: Leap | None
) -> str | None:
    if announced:
        known = table.leap_after(announced.day)
        if known == announced or (known is None and announced.midnight_ns > table.known_until_ns):
            return None
        says = str(known) if known else f"none on {announced.date}"
        return f"the leap indicator says {announced}, {table.source} says {says}"
    today = table.leap_after(posix_ns // DAY)
    if today and indicator == 0:
        return f"{table.source} says {today}, the leap indicator announces none"
    return None
