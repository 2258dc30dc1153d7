"""Time scales: UTC, TAI, GPS, POSIX, NTP's eras and smeared UTC, in exact integer nanoseconds.

>>> from clocksync.scales import BUILT_IN, GpsTime, UtcTime
>>> instant = BUILT_IN.from_utc(UtcTime.parse("2016-12-31T23:59:60.5Z"))
>>> instant.tai_ns, str(GpsTime.at(instant)), BUILT_IN.to_posix(instant)
(1483228836500000000, '1930:17.500000000', 1483228800500000000)
>>> [str(BUILT_IN.to_utc(each)) for each in BUILT_IN.from_posix(1_483_228_800_500_000_000)]
['2016-12-31T23:59:60.500000000Z', '2017-01-01T00:00:00.500000000Z']

:func:`find_leaps` brings the newest leap second table of this machine.
"""

from clocksync.scales.builtin import BUILT_IN
from clocksync.scales.civil import NoSuchTime, UtcTime
from clocksync.scales.eras import NtpTime
from clocksync.scales.gps import GpsTime
from clocksync.scales.leapfiles import BadLeapFile, format_list, parse_leap_file
from clocksync.scales.leaps import Instant, Leap, LeapTable
from clocksync.scales.outlook import LeapOutlook, announced_leap, leap_outlook
from clocksync.scales.reading import Moment, Reader, Reading, Scale
from clocksync.scales.smear import from_smeared, smeared_exactly, to_smeared
from clocksync.scales.sources import Leaps, find_leaps, read_leap_file

__all__ = [
    "BUILT_IN",
    "BadLeapFile",
    "GpsTime",
    "Instant",
    "Leap",
    "LeapOutlook",
    "LeapTable",
    "Leaps",
    "Moment",
    "NoSuchTime",
    "NtpTime",
    "Reader",
    "Reading",
    "Scale",
    "UtcTime",
    "announced_leap",
    "find_leaps",
    "format_list",
    "from_smeared",
    "leap_outlook",
    "parse_leap_file",
    "read_leap_file",
    "smeared_exactly",
    "to_smeared",
]
