"""A moment in each scale: as data (schema ``clocksync.convert/1``), and as lines for people.

Every value is exact but two: smeared UTC is rounded to the nearest nanosecond, NTP's fraction to
its nearest 2^-32 s. A value that rests on leap seconds nobody can know yet is told as not certain.
"""

from dataclasses import dataclass
from typing import Any

from clocksync.runtime.units import SECOND, format_duration
from clocksync.scales.civil import (
    DAY,
    NoSuchTime,
    UtcTime,
    day_text,
    format_decimal,
    format_plain,
)
from clocksync.scales.eras import NtpTime
from clocksync.scales.gps import BEFORE_GPS, TAI_MINUS_GPS, GpsTime
from clocksync.scales.leaps import BEFORE_1972, Instant, LeapTable
from clocksync.scales.reading import CIVIL, UNIFORM, Moment, Reading, Scale
from clocksync.scales.smear import to_smeared, window_at

SCHEMA = "clocksync.convert/1"


@dataclass(frozen=True, slots=True)
class Value:
    """A moment in one scale: the text that scale reads, more as `data`, a remark for people, and
    whether it is `certain`: no leap second that is not known yet can change it."""

    scale: Scale
    text: str
    data: dict[str, Any]
    remark: str = ""
    certain: bool = True


def express(table: LeapTable, moment: Moment, scale: Scale, source: Scale) -> Value:
    """What `scale` reads at a moment that was read from scale `source`.

    Raises:
        NoSuchTime: the scale has no such time: before it began, or before 1972.
    """
    if scale in CIVIL:
        value = _civil(table, _utc(moment), scale)
    elif scale is Scale.SMEARED:
        value = _smeared(table, moment)
    else:
        if moment.instant is None:
            raise NoSuchTime(BEFORE_GPS if scale is Scale.GPS else BEFORE_1972)
        value = _tai(table, moment) if scale is Scale.TAI else _gps(moment.instant)
    if _is_certain(table, moment, scale, source):
        return value
    unless = "if no leap second comes before"
    remark = f"{value.remark}, {unless}" if value.remark else unless
    return Value(scale, value.text, value.data, remark, certain=False)


def _is_certain(table: LeapTable, moment: Moment, scale: Scale, source: Scale) -> bool:
    if moment.instant is None or scale is source:
        return True
    if any(scale in family and source in family for family in (CIVIL, UNIFORM)):
        return True
    margin = DAY // 2 if Scale.SMEARED in (scale, source) else 0
    return table.covers(moment.instant + margin)


def _utc(moment: Moment) -> UtcTime:
    if moment.utc is None:
        raise NoSuchTime(BEFORE_1972)
    return moment.utc


def _civil(table: LeapTable, utc: UtcTime, scale: Scale) -> Value:
    posix_ns = utc.posix_ns
    shared = len(table.utc_of_posix(posix_ns)) > 1
    if scale is Scale.UTC:
        length = table.day_length_ns(utc.day) // SECOND
        data = {"time": str(utc), "leap_second": utc.is_leap_second, "day_length_s": length}
        remark = "a leap second" if utc.is_leap_second else ""
        if length != DAY // SECOND and not remark:
            remark = f"this day has {length:,} seconds"
        return Value(scale, str(utc), data, remark)
    remark = "the leap second and the one after it have this number" if shared else ""
    text = format_decimal(posix_ns)
    if scale is Scale.POSIX:
        return Value(scale, text, {"time": text, "ns": posix_ns, "ambiguous": shared}, remark)
    ntp = NtpTime.of_posix(posix_ns)
    stamp = f"{ntp.timestamp:#018x}"
    data = {
        "time": f"{ntp.era}:{stamp}",
        "timestamp": stamp,
        "era": ntp.era,
        "seconds": ntp.seconds,
        "fraction": ntp.fraction,
        "ambiguous": shared,
    }
    return Value(scale, stamp, data, f"era {ntp.era}, second {ntp.seconds}")


def _tai(table: LeapTable, moment: Moment) -> Value:
    instant = moment.instant
    assert instant is not None
    text = format_plain(instant.tai_ns)
    minus_utc = None if moment.utc is None else table.tai_minus_utc(instant)
    data = {"time": text, "ns": instant.tai_ns, "tai_minus_utc_s": minus_utc}
    return Value(Scale.TAI, text, data, "" if minus_utc is None else f"TAI - UTC = {minus_utc} s")


def _gps(instant: Instant) -> Value:
    gps = GpsTime.at(instant)
    data = {
        "time": str(gps),
        "date": format_plain(instant.tai_ns - TAI_MINUS_GPS),
        "week": gps.week,
        "ns_of_week": gps.ns,
        "week_10_bits": gps.broadcast_week,
        "rollovers": gps.rollovers,
    }
    remark = f"10-bit week {gps.broadcast_week}"
    if gps.rollovers:
        remark += f" after {gps.rollovers} rollover{'s' if gps.rollovers > 1 else ''}"
    return Value(Scale.GPS, str(gps), data, remark)


def _smeared(table: LeapTable, moment: Moment) -> Value:
    if moment.instant is None or moment.utc is None:
        smeared_ns, smearing, behind_ns = _utc(moment).posix_ns, None, 0
    else:
        smeared_ns = to_smeared(table, moment.instant)
        smearing = window_at(table, moment.instant)
        behind_ns = moment.utc.posix_ns - smeared_ns
    text = f"{format_plain(smeared_ns)}Z"
    data = {
        "time": text,
        "ns": smeared_ns,
        "smearing": smearing is not None,
        "smeared_minus_posix_ns": -behind_ns,
    }
    remark = ""
    if smearing:
        side = "behind" if behind_ns >= 0 else "ahead of"
        remark = f"{format_duration(abs(behind_ns), 6)} {side} POSIX: a leap second is smeared"
    return Value(Scale.SMEARED, text, data, remark)


@dataclass(frozen=True, slots=True)
class Conversion:
    """A value that was read, in all scales asked for: of each moment it may mean the values, and
    why one is missing."""

    reading: Reading
    values: tuple[tuple[Value, ...], ...]
    missing: tuple[dict[Scale, str], ...]

    @classmethod
    def of(cls, table: LeapTable, reading: Reading, scales: tuple[Scale, ...]) -> "Conversion":
        """Convert a reading to `scales`."""
        every, missing = [], []
        for moment in reading.moments:
            values, reasons = [], {}
            for scale in scales:
                try:
                    values.append(express(table, moment, scale, reading.scale))
                except NoSuchTime as error:
                    reasons[scale] = str(error)
            every.append(tuple(values))
            missing.append(reasons)
        return cls(reading, tuple(every), tuple(missing))

    @property
    def is_certain(self) -> bool:
        return all(value.certain for values in self.values for value in values)

    @property
    def is_complete(self) -> bool:
        return not any(self.missing)

    def to_document(self) -> dict[str, Any]:
        """As plain data, keys as the schema has them."""
        instants = [
            {value.scale.value: {**value.data, "certain": value.certain} for value in values}
            | {scale.value: None for scale in reasons}
            | {"unavailable": {scale.value: reason for scale, reason in reasons.items()}}
            for values, reasons in zip(self.values, self.missing, strict=True)
        ]
        return {
            "input": self.reading.text,
            "from": self.reading.scale.value,
            "ambiguous": self.reading.is_ambiguous,
            "instants": instants,
            "error": None,
        }


def failed_document(text: str, error: str) -> dict[str, Any]:
    """A value that could not be read, as plain data."""
    return {"input": text, "from": None, "ambiguous": False, "instants": [], "error": error}


def leaps_document(table: LeapTable, now_ns: int) -> dict[str, Any]:
    """What the conversions rest on, as plain data."""
    pending = table.next_leap(now_ns)
    return {
        "source": table.source,
        "updated": None if table.updated_ns is None else day_text(table.updated_ns // DAY),
        "known_until": day_text(table.known_until_ns // DAY),
        "expired": now_ns >= table.known_until_ns,
        "pending": pending and {"date": pending.date, "change_s": pending.change},
    }
