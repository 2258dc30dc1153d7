"""The leap seconds known when this version was made: the last resort, and it says until when."""

from clocksync.scales.civil import DAY, day_of
from clocksync.scales.leaps import Leap, LeapTable

# IERS Bulletin C: the last days of these months had 86,401 seconds.
_JUNE = (1972, 1981, 1982, 1983, 1985, 1992, 1993, 1994, 1997, 2012, 2015)
_DECEMBER = (
    *(1972, 1973, 1974, 1975, 1976, 1977, 1978, 1979, 1987, 1989, 1990),
    *(1995, 1998, 2005, 2008, 2016),
)

BUILT_IN = LeapTable(
    leaps=tuple(
        Leap(day, 1)
        for day in sorted(
            [day_of(year, 6, 30) for year in _JUNE] + [day_of(year, 12, 31) for year in _DECEMBER]
        )
    ),
    known_until_ns=day_of(2027, 6, 28) * DAY,
    source="the built-in table",
    updated_ns=day_of(2026, 7, 6) * DAY,
)
"""Complete up to 2027-06-28 (IERS list of 2026-07-06)."""
