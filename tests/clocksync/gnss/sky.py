"""A sky whose truth is known, written as RINEX files: the other side of everything read and solved.

The way of a signal is worked out in a frame that does not turn (the receiver turns under it), which
is not how the solver does it.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from clocksync.gnss.atmosphere import L1_HZ, SPEED_OF_LIGHT, Klobuchar, troposphere_m
from clocksync.gnss.ephemeris import EARTH_RATE, Ephemeris, Message
from clocksync.gnss.geodesy import Ecef, Geodetic, LocalFrame, to_ecef
from clocksync.gnss.instants import second_of_day
from clocksync.gnss.simulation import IONOSPHERE, WHEN, constellation
from clocksync.runtime.units import SECOND

PLACE = Geodetic(48.1, 11.6, 560.0)
SITE = to_ecef(PLACE)


def gps() -> list[Ephemeris]:
    """Thirty satellites of GPS."""
    return constellation()


def galileo(message: Message = Message.INAV) -> list[Ephemeris]:
    """Thirty of Galileo, higher, in between, with group delays that matter."""
    return [
        replace(
            each,
            satellite=f"E{each.satellite[1:]}",
            message=message,
            root_a=5_440.6,
            inclination=math.radians(56.0),
            mean_anomaly=each.mean_anomaly + 0.5,
            node=each.node + 0.4,
            group_delays_s=(-9e-9, -11e-9),
            accuracy_m=3.12,
            valid_ns=4 * 3600 * SECOND,
        )
        for each in constellation()
    ]


@dataclass
class Site:
    """A receiver at a known place, with a clock that is known to be wrong."""

    sky: list[Ephemeris]
    place: Ecef = SITE
    clock_error_ns: float = 0.0
    """Receiver minus GPS time at `WHEN`, and its rate."""
    drift_ppb: float = 0.0
    galileo_longer_m: float = 0.0
    """What this receiver adds to Galileo's pseudoranges."""
    slow_ns: int = 0
    """The reading is wrong by so much more, and the pseudoranges do not show it."""
    lies_m: dict[str, float] = field(default_factory=dict)
    mask_deg: float = 5.0
    air: bool = True

    def visible(self, time: int = WHEN) -> list[Ephemeris]:
        """Those above the mask, by name."""
        frame = LocalFrame.at(self.place)
        found = [
            each
            for each in self.sky
            if math.degrees(frame.direction(each.state(time)[0])[1]) > self.mask_deg
        ]
        return sorted(found, key=lambda each: each.satellite)

    def clock_ns(self, time: int) -> float:
        """The clock's error at a true time, as far as pseudoranges show it."""
        return self.clock_error_ns + self.drift_ppb * (time - WHEN) / SECOND

    def reading(self, time: int) -> int:
        """What the receiver writes as the time of its epoch."""
        return time + round(self.clock_ns(time)) - self.slow_ns

    def pseudorange(self, ephemeris: Ephemeris, time: int, hertz: float = L1_HZ) -> float:
        """What is measured of a satellite at a true time, without noise."""
        geometry, clock_s, position = travel(ephemeris, self.place, time)
        metres = geometry + self.clock_ns(time) / SECOND * SPEED_OF_LIGHT
        # The broadcast clock is the pair's: one code alone is later by its group delay.
        delay_s = ephemeris.group_delay_s * (L1_HZ / hertz) ** 2
        metres -= (clock_s - delay_s) * SPEED_OF_LIGHT
        if self.air:
            frame = LocalFrame.at(self.place)
            azimuth, elevation = frame.direction(position)
            metres += troposphere_m(PLACE, elevation)
            metres += IONOSPHERE.delay_m(PLACE, azimuth, elevation, second_of_day(time), hertz)
        if ephemeris.satellite[0] == "E":
            metres += self.galileo_longer_m
        return metres + self.lies_m.get(ephemeris.satellite, 0.0)


def travel(ephemeris: Ephemeris, place: Ecef, time: int) -> tuple[float, float, Ecef]:
    """Length of the signal's way (m), the satellite's clock error when it left, and from where."""
    seconds = 0.075
    for _ in range(8):
        (x, y, z), clock_s = ephemeris.state(time - round(seconds * SECOND))
        # In a frame that stands still and agrees with the earth's at emission, the receiver has
        # turned on by the time of arrival.
        angle = EARTH_RATE * seconds
        there = (
            place[0] * math.cos(angle) - place[1] * math.sin(angle),
            place[0] * math.sin(angle) + place[1] * math.cos(angle),
            place[2],
        )
        seconds = math.dist((x, y, z), there) / SPEED_OF_LIGHT
    return seconds * SPEED_OF_LIGHT, clock_s, (x, y, z)


def calendar(time: int) -> datetime:
    return datetime(1980, 1, 6) + timedelta(microseconds=time // 1000)  # noqa: DTZ001  GPS time


def header(*lines: tuple[str, str]) -> str:
    """Header lines of content and label, ended."""
    return "".join(f"{content:<60}{label}\n" for content, label in (*lines, ("", "END OF HEADER")))


def _d(value: float) -> str:
    return f"{value:19.12E}".replace("E", "D")


def navigation(
    ephemerides: Iterable[Ephemeris],
    version: float = 3.03,
    klobuchar: Klobuchar | None = IONOSPHERE,
    extra: Sequence[tuple[str, str]] = (),
) -> str:
    """A navigation file; in version 2, of GPS only."""
    letter = "G" if version < 3 else "M"
    kind = f"{version:9.2f}           {'N' if version >= 3 else 'N: GPS NAV DATA':<20}{letter}"
    lines = [(kind, "RINEX VERSION / TYPE")]
    if klobuchar:
        alpha = "".join(f"{value:12.4E}" for value in klobuchar.alpha)
        beta = "".join(f"{value:12.4E}" for value in klobuchar.beta)
        if version < 3:
            lines += [(f"  {alpha}", "ION ALPHA"), (f"  {beta}", "ION BETA")]
        else:
            lines += [(f"GPSA {alpha}", "IONOSPHERIC CORR"), (f"GPSB {beta}", "IONOSPHERIC CORR")]
    lines += [*extra, ("    18", "LEAP SECONDS")]
    return header(*lines) + "".join(record(each, version) for each in ephemerides)


def record(each: Ephemeris, version: float = 3.03) -> str:
    """One ephemeris as eight lines."""
    toc, indent = calendar(each.toc), " " * (3 if version < 3 else 4)
    if version < 3:
        seconds = f"{toc.second:5.1f}"
        opening = f"{int(each.satellite[1:]):2d} {toc:%y %m %d %H %M}{seconds}"
    else:
        opening = f"{each.satellite} {toc:%Y %m %d %H %M %S}"
    week, second = divmod(each.toe, 604_800 * SECOND)
    source = {Message.LNAV: 1, Message.INAV: 517, Message.FNAV: 258}[each.message]
    rows = [
        [each.issue, each.crs, each.mean_motion_difference, each.mean_anomaly],
        [each.cuc, each.eccentricity, each.cus, each.root_a],
        [second / SECOND, each.cic, each.node, each.cis],
        [each.inclination, each.crc, each.perigee, each.node_rate],
        [each.inclination_rate, source, week, 0.0],
        [each.accuracy_m, each.health, *each.group_delays_s],
        [second / SECOND - 600, 4.0 if each.satellite[0] == "G" else 0.0],
    ]
    text = opening + "".join(map(_d, each.clock)) + "\n"
    return text + "".join(indent + "".join(map(_d, row)) + "\n" for row in rows)


def values(found: Sequence[float | None], per_line: int = 5) -> str:
    """Observations of one satellite in version 2's lines."""
    cells = [" " * 16 if value is None else f"{value:14.3f}  " for value in found]
    rows = [cells[start : start + per_line] for start in range(0, len(cells), per_line)]
    return "".join("".join(row).rstrip() + "\n" for row in rows)


def observations_2(
    site: Site, times: Sequence[int], kinds: str = "C1", others: str = "", position: bool = True
) -> str:
    """A file of version 2. `others` are names of more satellites, to be ignored."""
    names = kinds.split()
    lines = [("     2.11           OBSERVATION DATA    M", "RINEX VERSION / TYPE")]
    if position:
        lines.append(("".join(f"{value:14.4f}" for value in site.place), "APPROX POSITION XYZ"))
    for start in range(0, len(names), 9):
        count = f"{len(names):6d}" if not start else " " * 6
        row = "".join(f"{name:>6}" for name in names[start : start + 9])
        lines.append((count + row, "# / TYPES OF OBSERV"))
    first = calendar(times[0])
    lines.append(
        (f"{first:  %Y    %m    %d    %H    %M   %S}.0000000     GPS", "TIME OF FIRST OBS")
    )
    return header(*lines) + "".join(epoch_2(site, time, names, others.split()) for time in times)


def epoch_2(site: Site, time: int, names: list[str], others: Sequence[str] = ()) -> str:
    """One epoch of version 2."""
    seen = site.visible(time)
    satellites = [each.satellite for each in seen] + list(others)
    text = stamp_2(site.reading(time)) + f"  0{len(satellites):3d}"
    for start in range(0, len(satellites), 12):
        text += (" " * 32 if start else "") + "".join(satellites[start : start + 12]) + "\n"
    for each in seen:
        metres = site.pseudorange(each, time)
        text += values([metres if name in ("C1", "P1") else None for name in names])
    return text + "".join(values([22e6 + 1 for _ in names]) for _ in others)


def stamp_2(reading: int) -> str:
    moment = calendar(reading)
    fraction = reading % SECOND // 100
    return f"{moment: %y %m %d %H %M} {moment.second:2d}.{fraction:07d}"


def observations_3(
    site: Site,
    times: Sequence[int],
    others: str = "",
    pairs: bool = False,
    extra: Sequence[tuple[str, str]] = (),
) -> str:
    """A file of version 3; with `pairs` GPS has L1 and L2, Galileo E1 and E5a."""
    kinds = {"G": ["C1C", "S1C", "C2W"], "E": ["C1C", "S1C", "C5Q"], "R": ["C1C"]}
    lines = [
        ("     3.03           OBSERVATION DATA    M", "RINEX VERSION / TYPE"),
        ("".join(f"{value:14.4f}" for value in site.place), "APPROX POSITION XYZ"),
        *(
            (f"{system}  {len(names):3d} {' '.join(names)}", "SYS / # / OBS TYPES")
            for system, names in kinds.items()
        ),
        *extra,
    ]
    return header(*lines) + "".join(epoch_3(site, time, others.split(), pairs) for time in times)


def epoch_3(site: Site, time: int, others: Sequence[str] = (), pairs: bool = False) -> str:
    """One epoch of version 3."""
    seen, moment = site.visible(time), calendar(site.reading(time))
    fraction = site.reading(time) % SECOND // 100
    count = len(seen) + len(others)
    text = f"> {moment:%Y %m %d %H %M} {moment.second:2d}.{fraction:07d}  0{count:3d}\n"
    for each in seen:
        first = site.pseudorange(each, time)
        second = 1_227.60e6 if each.satellite[0] == "G" else 1_176.45e6
        text += f"{each.satellite}{first:14.3f}  {48.0:14.3f}"
        text += f"  {site.pseudorange(each, time, second):14.3f}\n" if pairs else "\n"
    return text + "".join(f"{name}{22e6:14.3f}\n" for name in others)
