"""NTP's date format: an era, the seconds of the era, and a fraction (RFC 5905 section 6).

NTP counts seconds since 1900-01-01 as POSIX does since 1970: every day has 86,400 of them, so it is
as ambiguous around a leap second. The 64-bit timestamp on the wire wraps every 2^32 s: era 0 began
in 1900, era 1 begins on 2036-02-07T06:28:16Z. A timestamp alone names an instant only up to a
multiple of that, so one needs the era, or a time nearby.

The fraction counts 2^-32 s, a quarter of a nanosecond, so that nanoseconds survive the round trip.
"""

import re
from dataclasses import dataclass
from typing import Self

from clocksync.ntp.timestamps import ERA_NS, UNIX_EPOCH_IN_NTP, from_unix_ns, to_unix_ns
from clocksync.runtime.units import SECOND
from clocksync.scales.civil import NoSuchTime, parse_decimal

EPOCH_NS = -UNIX_EPOCH_IN_NTP * SECOND
"""POSIX time of 1900-01-01, where era 0 begins, ns."""


@dataclass(frozen=True, slots=True, order=True)
class NtpTime:
    """An era and a 64-bit timestamp in it.

    Raises:
        NoSuchTime: the timestamp has more than 64 bits.

    >>> NtpTime.of_posix(0)
    NtpTime(era=0, timestamp=9487534653230284800)
    >>> str(NtpTime.of_posix(2_085_978_496_000_000_000))
    'era 1, 0x0000000000000000'
    """

    era: int
    timestamp: int

    def __post_init__(self) -> None:
        if not 0 <= self.timestamp < 1 << 64:
            raise NoSuchTime(f"{self.timestamp:#x} is no NTP timestamp of 64 bits")

    @classmethod
    def of_posix(cls, posix_ns: int) -> Self:
        """NTP's date at a POSIX time, rounded to its nearest 2^-32 s."""
        # Rounding never carries into the next second: the last ns of one is four units before it.
        return cls((posix_ns - EPOCH_NS) // ERA_NS, from_unix_ns(posix_ns))

    @classmethod
    def near(cls, timestamp: int, posix_ns: int) -> Self:
        """The date meant by a timestamp from the wire: in the era that brings it nearest to a
        POSIX time, such as now."""
        in_era_zero = cls(0, timestamp).posix_ns
        return cls((to_unix_ns(timestamp, posix_ns) - in_era_zero) // ERA_NS, timestamp)

    @property
    def posix_ns(self) -> int:
        """POSIX time, ns; rounded to the nearest."""
        return (self.timestamp * SECOND + (1 << 31) >> 32) + EPOCH_NS + self.era * ERA_NS

    @property
    def seconds(self) -> int:
        """Whole seconds of the era."""
        return self.timestamp >> 32

    @property
    def fraction(self) -> int:
        """The fraction of a second, in 2^-32 s."""
        return self.timestamp & (1 << 32) - 1

    def __str__(self) -> str:
        return f"era {self.era}, {self.timestamp:#018x}"


def parse_timestamp(text: str) -> int:
    """Read a 64-bit timestamp: ``0xdc12c50080000000``, ``dc12c500.80000000`` as ntpq prints it, or
    decimal seconds of the era.

    Raises:
        NoSuchTime: it is none.

    >>> hex(parse_timestamp("dc12c500.80000000")), hex(parse_timestamp("3692217600.5"))
    ('0xdc12c50080000000', '0xdc12c50080000000')
    """
    words = re.fullmatch(r"(?:0[xX])?([0-9a-fA-F]{8})\.?([0-9a-fA-F]{8})", text)
    if words and not text.isdecimal():
        if text.replace(".", "").isdecimal():
            raise NoSuchTime(f"{text} may be hexadecimal or decimal: write 0x, or nine decimals")
        return int(words[1] + words[2], 16)
    if text[:2].lower() == "0x":
        raise NoSuchTime(f"{text} is no NTP timestamp: it has 16 digits after 0x")
    seconds = parse_decimal(text)
    if not 0 <= seconds < ERA_NS:
        raise NoSuchTime(f"{text}: an era has 2^32 s: write ERA:SECONDS for another one")
    return from_unix_ns(seconds + EPOCH_NS)
