"""What ERFA (the IAU's SOFA, which nobody here wrote) says of UTC and TAI, as text.

ERFA's quasi-Julian dates are pairs of doubles: within a day they resolve some 10 ps, so their
nanoseconds are right.
"""

from collections.abc import Sequence

import erfa
import numpy as np

from clocksync.runtime.units import SECOND
from clocksync.scales import UtcTime
from clocksync.scales.civil import DAY, day_text, parse_plain

JD_OF_EPOCH = 2_440_587.5


def tai_of_utc(times: Sequence[UtcTime]) -> list[int]:
    """TAI of UTC times, ns since 1970-01-01T00:00:00 TAI, by ERFA."""
    fields = []
    for utc in times:
        year, month, day = map(int, day_text(utc.day).split("-"))
        minute = min(utc.ns // (60 * SECOND), 1439)
        fields.append((year, month, day, minute // 60, minute % 60, utc.ns - minute * 60 * SECOND))
    year, month, day, hour, minute_, ns = (np.array(column) for column in zip(*fields, strict=True))
    one, two = erfa.dtf2d("UTC", year, month, day, hour, minute_, ns / 1e9)
    return [parse_plain(text) for text in _texts("TAI", *erfa.utctai(one, two))]


def utc_of_tai(instants: Sequence[int]) -> list[str]:
    """UTC of TAI ns, as text with nine digits and a 61st second, by ERFA."""
    days = np.array([JD_OF_EPOCH + tai_ns // DAY for tai_ns in instants])
    rest = np.array([tai_ns % DAY / DAY for tai_ns in instants])
    return [f"{text}Z" for text in _texts("UTC", *erfa.taiutc(days, rest))]


def _texts(scale: str, one: np.ndarray, two: np.ndarray) -> list[str]:
    years, months, days, clock = erfa.d2dtf(scale, 9, one, two)
    return [
        f"{y:04d}-{m:02d}-{d:02d}T{c['h']:02d}:{c['m']:02d}:{c['s']:02d}.{c['f']:09d}"
        for y, m, d, c in zip(years, months, days, clock, strict=True)
    ]
