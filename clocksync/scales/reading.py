"""Times as people and programs write them, in any scale; and the moments they name.

    now                         2016-12-31T23:59:60.5Z      2017-01-01T05:29:60+05:30
    1483228800.5                @1483228800                 posix:1483228800500ms
    tai:2017-01-01T00:00:36.5   tai:1483228836.5            "2017-01-01T00:00:36.5 TAI"
    gps:1930:17.5               gps:1167264017.5            gps:2017-01-01T00:00:17.5
    ntp:0xdc12c50080000000      ntp:dc12c500.80000000       ntp:1:0    (era:seconds)
    smeared:1483228799.75       smeared:2016-12-31T23:59:59.75Z

Text without a scale is UTC, a bare number is POSIX seconds.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from clocksync.runtime.units import SECOND
from clocksync.scales.civil import DAY, NoSuchTime, UtcTime, parse_decimal, parse_plain
from clocksync.scales.eras import NtpTime, parse_timestamp
from clocksync.scales.gps import BEFORE_GPS, EPOCH, TAI_MINUS_GPS, GpsTime
from clocksync.scales.leaps import BEFORE_1972, FIRST_DAY, Instant, LeapTable
from clocksync.scales.smear import from_smeared


class Scale(StrEnum):
    """A time scale, by the name that commands and JSON use."""

    UTC = "utc"
    TAI = "tai"
    GPS = "gps"
    POSIX = "posix"
    NTP = "ntp"
    SMEARED = "smeared"


CIVIL = frozenset({Scale.UTC, Scale.POSIX, Scale.NTP})
"""Scales that follow UTC's calendar: from one to another no leap second table is needed."""
UNIFORM = frozenset({Scale.TAI, Scale.GPS})
"""Scales that never leap."""

_ALIASES = {"unix": Scale.POSIX, "smear": Scale.SMEARED, "ptp": Scale.TAI, "z": Scale.UTC}
_LENGTH_MAX = 100
_DATED = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NUMBER = re.compile(r"[+-]?[0-9.]+(ns|us|ms|s)?")


def parse_scale(text: str) -> Scale:
    """A scale by its name or alias (``unix``, ``smear``, ``ptp``).

    Raises:
        NoSuchTime: there is none of that name.
    """
    name = text.strip().lower()
    if name in _ALIASES:
        return _ALIASES[name]
    try:
        return Scale(name)
    except ValueError:
        raise NoSuchTime(f"{text!r} is no scale: {', '.join(Scale)}") from None


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time as far as it can be known: UTC, and the instant on TAI.

    Before 1972 there is only one of them, as nobody can lead from one to the other in whole
    seconds; `instant` or `utc` is None then.
    """

    utc: UtcTime | None
    instant: Instant | None

    @classmethod
    def of_utc(cls, table: LeapTable, utc: UtcTime) -> "Moment":
        """The moment at which UTC reads `utc`.

        Raises:
            NoSuchTime: it never does.
        """
        if utc.day < FIRST_DAY:
            table.check(utc)
            return cls(utc, None)
        return cls(utc, table.from_utc(utc))

    @classmethod
    def of_instant(cls, table: LeapTable, instant: Instant) -> "Moment":
        """The moment of an instant."""
        try:
            return cls(table.to_utc(instant), instant)
        except NoSuchTime as error:
            if str(error) != BEFORE_1972:
                raise
            return cls(None, instant)


@dataclass(frozen=True, slots=True)
class Reading:
    """A value that was read: its text, its scale, and the moments it may mean, in order: one, or
    two where the scale is ambiguous around a leap second."""

    text: str
    scale: Scale
    moments: tuple[Moment, ...]

    @property
    def is_ambiguous(self) -> bool:
        return len(self.moments) > 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Reads values by a leap second table.

    `now_ns` and `pivot_ns` are POSIX time: what ``now`` means, and what the era of an NTP timestamp
    and the rollovers of a cut GPS week are chosen nearest to. `era` chooses NTP's era outright.
    `week_bits` says that GPS weeks are cut to that many bits, as broadcast.
    """

    table: LeapTable
    now_ns: int
    pivot_ns: int | None = None
    scale: Scale | None = None
    era: int | None = None
    week_bits: int | None = None

    def read(self, text: str) -> Reading:
        """Read one value.

        Raises:
            NoSuchTime: it is none, or names a time that its scale does not have.
        """
        text = text.strip()
        if len(text) > _LENGTH_MAX or not text.isprintable():
            raise NoSuchTime(f"{text[:40]!r} is no time: it is too long, or not printable")
        try:
            scale, rest = self._split(text)
            if rest.lower() == "now":
                return Reading(text, Scale.UTC, self._of_posix(self.now_ns)[-1:])
            return Reading(text, scale, self._moments(scale, rest))
        except NoSuchTime as error:
            if str(error).startswith((text, repr(text))):
                raise
            raise NoSuchTime(f"{text}: {error}") from None

    def _split(self, text: str) -> tuple[Scale, str]:
        if not text:
            raise NoSuchTime("an empty text is no time")
        if text.startswith("@"):
            return Scale.POSIX, text[1:]
        if match := re.fullmatch(r"([A-Za-z]+):(.+)", text):
            return parse_scale(match[1]), match[2].strip()
        if match := re.fullmatch(r"(.+?)\s+([A-Za-z]+)", text):
            return parse_scale(match[2]), match[1]
        if self.scale:
            return self.scale, text
        if _DATED.match(text):
            return Scale.UTC, text
        if _NUMBER.fullmatch(text):
            return Scale.POSIX, text
        if text.lower() == "now":
            return Scale.UTC, text
        raise NoSuchTime(
            f"{text!r} is no time: write 2016-12-31T23:59:60.5Z, 1483228800 or gps:1930:17.5"
        )

    def _moments(self, scale: Scale, text: str) -> tuple[Moment, ...]:
        dated = _DATED.match(text) is not None
        match scale:
            case Scale.UTC:
                return (Moment.of_utc(self.table, UtcTime.parse(text)),)
            case Scale.POSIX:
                return self._of_posix(parse_decimal(text))
            case Scale.NTP:
                return self._of_posix(self._ntp(text).posix_ns)
            case Scale.TAI:
                tai_ns = parse_plain(text) if dated else parse_decimal(text)
                return (self._of_instant(Instant(tai_ns)),)
            case Scale.GPS:
                if dated:
                    return (self._of_instant(Instant(parse_plain(text) + TAI_MINUS_GPS)),)
                return (self._of_instant(self._gps(text)),)
            case Scale.SMEARED:
                smeared_ns = parse_plain(text.rstrip("Zz")) if dated else parse_decimal(text)
                return (self._of_smeared(smeared_ns),)

    def _of_posix(self, posix_ns: int) -> tuple[Moment, ...]:
        times = self.table.utc_of_posix(posix_ns)
        return tuple(Moment.of_utc(self.table, utc) for utc in times)

    def _of_instant(self, instant: Instant) -> Moment:
        return Moment.of_instant(self.table, instant)

    def _of_smeared(self, smeared_ns: int) -> Moment:
        if smeared_ns < FIRST_DAY * DAY:
            return self._of_posix(smeared_ns)[0]
        return self._of_instant(from_smeared(self.table, smeared_ns))

    def _ntp(self, text: str) -> NtpTime:
        era, colon, timestamp = text.rpartition(":")
        value = parse_timestamp(timestamp)
        if colon:
            if not re.fullmatch("[+-]?[0-9]{1,6}", era):
                raise NoSuchTime(f"ntp:{text}: {era!r} is no era: write ntp:1:0 for example")
            return NtpTime(int(era), value)
        if self.era is not None:
            return NtpTime(self.era, value)
        return NtpTime.near(value, self.now_ns if self.pivot_ns is None else self.pivot_ns)

    def _gps(self, text: str) -> Instant:
        week, colon, seconds = text.partition(":")
        if not colon:
            since = parse_decimal(text)
            if since < 0:
                raise NoSuchTime(BEFORE_GPS)
            return EPOCH + since
        if not re.fullmatch("[0-9]{1,6}", week):
            raise NoSuchTime(f"gps:{text}: {week!r} is no week: write gps:1930:17.5 for example")
        if self.week_bits is None:
            return GpsTime(int(week), parse_decimal(seconds)).instant
        near = self.now_ns if self.pivot_ns is None else self.pivot_ns
        # Which second of the pivot is meant does not matter: weeks do.
        pivot = Instant(near + TAI_MINUS_GPS + 18 * SECOND)
        return GpsTime.broadcast(int(week), parse_decimal(seconds), pivot, self.week_bits).instant
