"""Conversions between time scales per second, beside astropy, and how far the two are apart.

Both convert the same instants: at random since 1972, and around every leap second. astropy is
measured with one time a call, as ours is, and with an array of all, which is what it is built for.
"apart" is the largest difference over all instants, in nanoseconds: exact means 0. Where astropy
gives no nanoseconds (its POSIX time is a float of seconds) its own rounding is what is seen.

Then what the leap seconds are for: how UT1 - UTC went, by the IERS's table that astropy brings.
Prints; asserts nothing::

    python -m benchmarks.scales [--times 100000]
"""

import argparse
import random
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from benchmarks.results import record
from clocksync.runtime.units import SECOND
from clocksync.scales import BUILT_IN, GpsTime, Instant, NtpTime, UtcTime, from_smeared, to_smeared
from clocksync.scales.civil import DAY, day_of, day_text, parse_plain
from clocksync.scales.gps import EPOCH
from clocksync.scales.leaps import FIRST_DAY

Convert = Callable[[Any], Any]
ROUNDS = 5
MJD_OF_EPOCH = 40_587


def instants(count: int) -> list[Instant]:
    """Every leap second and 2 s on either side in eighths, and random instants up to 2026."""
    chance = random.Random(1972)
    near = [
        BUILT_IN.from_utc(UtcTime(leap.day, DAY)) + step * SECOND // 8
        for leap in BUILT_IN.leaps
        for step in range(-16, 25)
    ]
    first = BUILT_IN.from_utc(UtcTime(FIRST_DAY, 0)).tai_ns
    last = BUILT_IN.from_utc(UtcTime(day_of(2026, 1, 1), 0)).tai_ns
    return near + [Instant(chance.randrange(first, last)) for _ in range(count - len(near))]


def per_second(call: Callable[[], object], count: int) -> float:
    """The best rate of several rounds, conversions/s."""
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - began)
    return count / best


def over(convert: Convert, values: Sequence[object]) -> Callable[[], object]:
    """A call that converts all of `values`, one by one."""

    def run() -> None:
        for value in values:
            convert(value)

    return run


def ours(times: list[Instant]) -> None:
    """What each conversion of ours costs."""
    utc = [BUILT_IN.to_utc(each) for each in times]
    posix = [each.posix_ns for each in utc]
    smeared = [to_smeared(BUILT_IN, each) for each in times]
    text = [str(each) for each in utc]
    cases: list[tuple[str, Convert, Sequence[object]]] = [
        ("TAI to UTC", BUILT_IN.to_utc, times),
        ("UTC to TAI", BUILT_IN.from_utc, utc),
        ("TAI to POSIX", BUILT_IN.to_posix, times),
        ("POSIX to TAI, all candidates", BUILT_IN.from_posix, posix),
        ("TAI to GPS week and ns", GpsTime.at, [each for each in times if each >= EPOCH]),
        ("POSIX to NTP era and timestamp", NtpTime.of_posix, posix),
        ("TAI to smeared", lambda each: to_smeared(BUILT_IN, each), times),
        ("smeared to TAI", lambda each: from_smeared(BUILT_IN, each), smeared),
        ("UTC to text", str, utc),
        ("text to UTC", UtcTime.parse, text),
    ]
    print(f"{'clocksync, one time a call':34} {'per s':>12}")
    sheet = record.sheet("clocksync, one time a call", ("conversion", "per s"))
    for name, convert, values in cases:
        rate = f"{per_second(over(convert, values), len(values)):,.0f}"
        print(f"{name:34} {rate:>12}")
        sheet.add(name, rate)


@dataclass(frozen=True)
class Row:
    """One conversion by both, and the largest difference of what they say, ns."""

    name: str
    ours: Convert
    values: Sequence[object]
    single: Convert
    array: Callable[[], object]
    apart: int


class Astropy:
    """The same instants as astropy has them, and the conversions by it."""

    def __init__(self, times: list[Instant]) -> None:
        import numpy as np
        from astropy.time import Time

        self.times, self.Time = times, Time
        self.utc = [BUILT_IN.to_utc(each) for each in times]
        days = np.array([each.tai_ns // DAY + MJD_OF_EPOCH for each in times], dtype=float)
        rest = np.array([each.tai_ns % DAY / DAY for each in times])
        self.tai = Time(days, rest, format="mjd", scale="tai", precision=9)
        self.as_utc = self.tai.utc
        few = range(0, len(times), max(1, len(times) // 300))
        self.singles = [(float(days[at]), float(rest[at])) for at in few]

    def again(self, scale: str) -> Any:
        """All instants as a fresh Time, which has nothing cached."""
        known = self.tai if scale == "tai" else self.as_utc
        return self.Time(known.jd1, known.jd2, format="jd", scale=scale, precision=9)

    def one(self, pair: tuple[float, float], scale: str) -> Any:
        """One instant as a Time."""
        return self.Time(*pair, format="mjd", scale=scale)

    def rows(self) -> Iterator[Row]:
        """Each conversion that both have."""
        tai_ns = [each.tai_ns for each in self.times]
        yield Row(
            "TAI to UTC",
            BUILT_IN.to_utc,
            self.times,
            lambda pair: self.one(pair, "tai").utc,
            lambda: self.again("tai").utc,
            apart(
                [(each.day, each.ns) for each in self.utc],
                [(each.day, each.ns) for each in map(UtcTime.parse, self.as_utc.isot)],
            ),
        )
        yield Row(
            "UTC to TAI",
            BUILT_IN.from_utc,
            self.utc,
            lambda pair: self.one(pair, "utc").tai,
            lambda: self.again("utc").tai,
            apart(in_day(tai_ns), in_day(map(parse_plain, self.again("utc").tai.isot))),
        )
        since_1980 = [at for at, each in enumerate(self.times) if each >= EPOCH]
        yield Row(
            "TAI to GPS",
            GpsTime.at,
            [self.times[at] for at in since_1980],
            lambda pair: self.one(pair, "tai").gps,
            lambda: self.again("tai").gps,
            apart(
                in_day(self.times[at] - EPOCH for at in since_1980),
                in_day(map(ns_of, self.tai[since_1980].to_value("gps", subfmt="decimal"))),
            ),
        )
        plain = [at for at, utc in enumerate(self.utc) if not BUILT_IN.leap_after(utc.day)]
        yield Row(
            "TAI to POSIX",
            BUILT_IN.to_posix,
            self.times,
            lambda pair: self.one(pair, "tai").unix,
            lambda: self.again("tai").unix,
            apart(
                in_day(self.utc[at].posix_ns for at in plain),
                in_day(map(ns_of, self.tai[plain].to_value("unix", subfmt="decimal"))),
            ),
        )


def beside_astropy(times: list[Instant]) -> None:
    """The same conversions by astropy, one a call and all in an array, and the difference."""
    try:
        astropy = Astropy(times)
    except ImportError:
        absent = "astropy is not installed: not compared (pip install 'clocksync[bench]')"
        print(f"\n{absent}")
        record.note(absent)
        return
    beside_arrays(times, astropy)
    print(f"\n{'one time a call; astropy: an array':34} {'ours/s':>12} {'astropy/s':>12}", end=" ")
    print(f"{'array/s':>12} {'apart, ns':>10}")
    columns = ("conversion", "ours/s", "astropy/s", "array/s", "apart, ns")
    sheet = record.sheet("One time a call; astropy: an array", columns)
    rates: dict[str, dict[str, float | None]] = {}
    for row in astropy.rows():
        mine = per_second(over(row.ours, row.values), len(row.values))
        theirs = per_second(over(row.single, astropy.singles), len(astropy.singles))
        array = per_second(row.array, len(times))
        print(f"{row.name:34} {mine:12,.0f} {theirs:12,.0f} {array:12,.0f} {row.apart:10,}")
        sheet.add(row.name, *(f"{rate:,.0f}" for rate in (mine, theirs, array)), f"{row.apart:,}")
        rates[row.name] = {"ours": mine, "astropy": theirs, "astropy, an array": array}
        claim = f"{row.name}, one time a call"
        record.headline(
            claim, mine, "conversions/s", better="more", peer=theirs, peer_name="astropy"
        )
    record.bars("Conversions of one time", "conversions/s", rates, peers=["astropy"])
    print(f"over {len(times):,} instants; POSIX without days that have a leap second, on which")
    print("astropy's unix spreads the day's 86,401 s over its 86,400 numbers")


def beside_arrays(times: list[Instant], astropy: Astropy) -> None:
    """Arrays of ours beside arrays of astropy."""
    import numpy as np

    from clocksync.scales.arrays import posix_to_tai, tai_to_posix

    tai_ns = np.array([each.tai_ns for each in times])
    posix_ns = tai_to_posix(BUILT_IN, tai_ns)
    unix = astropy.tai.unix
    print(f"\n{'arrays of int64 ns, of Time':34} {'ours/s':>12} {'astropy/s':>12}")
    sheet = record.sheet("Arrays of int64 ns, of Time", ("conversion", "ours/s", "astropy/s"))
    cases = [
        (
            "TAI to POSIX",
            lambda: tai_to_posix(BUILT_IN, tai_ns),
            lambda: astropy.again("tai").unix,
        ),
        (
            "POSIX to TAI",
            lambda: posix_to_tai(BUILT_IN, posix_ns),
            lambda: astropy.Time(unix, format="unix").tai,
        ),
    ]
    for name, mine, theirs in cases:
        rates = per_second(mine, len(times)), per_second(theirs, len(times))
        print(f"{name:34} {rates[0]:12,.0f} {rates[1]:12,.0f}")
        sheet.add(name, *(f"{rate:,.0f}" for rate in rates))
        record.headline(
            f"{name}, an array",
            rates[0],
            "conversions/s",
            better="more",
            peer=rates[1],
            peer_name="astropy",
        )


def in_day(times: Iterable[int]) -> list[tuple[int, int]]:
    """ns as days and ns of the day."""
    return [divmod(each, DAY) for each in times]


def ns_of(seconds: object) -> int:
    """A decimal of seconds as ns."""
    return int(Decimal(str(seconds)).scaleb(9).to_integral_value())


def apart(mine: list[tuple[int, int]], theirs: list[tuple[int, int]]) -> int:
    """The largest difference, ns. A day apart is a day, also where one reads 23:59:60."""
    pairs = zip(mine, theirs, strict=True)
    return max(
        abs(day - other_day) * DAY + abs(ns - other) for (day, ns), (other_day, other) in pairs
    )


def earth() -> None:
    """How far the Earth's rotation was from UTC, and how long its day was, by the IERS."""
    try:
        import astropy_iers_data
        import numpy as np
        from astropy.utils import iers
    except ImportError:
        return
    table = iers.IERS_B.open(astropy_iers_data.IERS_B_FILE)
    mjd, ut1_utc = (np.asarray(table[name].value) for name in ("MJD", "UT1_UTC"))
    mjd, ut1_utc = mjd[mjd >= FIRST_DAY + MJD_OF_EPOCH], ut1_utc[mjd >= FIRST_DAY + MJD_OF_EPOCH]
    date = [day_text(int(day) - MJD_OF_EPOCH) for day in mjd]
    print(f"\nUT1 - UTC from {date[0]} to {date[-1]} (IERS EOP C04)")
    for name, at in (("largest", ut1_utc.argmax()), ("smallest", ut1_utc.argmin())):
        print(f"{name:10} {ut1_utc[at]:+.3f} s on {date[at]}")
    print(f"beyond 0.8 s on {int((abs(ut1_utc) > 0.8).sum())} days, beyond 0.9 s on", end=" ")
    print(int((abs(ut1_utc) > 0.9).sum()))
    steps = [
        int((mjd > leap.day + MJD_OF_EPOCH).argmax()) for leap in BUILT_IN.leaps
    ]  # the first day after each
    ut1_tai = ut1_utc.copy()
    for step, leap in zip(steps, BUILT_IN.leaps, strict=True):
        ut1_tai[step:] -= leap.change
    print("the solar day beyond 86,400 s, mean:")
    for begin, end in ((1972, 1980), (1980, 1990), (1990, 2000), (2000, 2010), (2010, 2020)):
        _show_day(mjd, ut1_tai, begin, day_of(end, 1, 1) + MJD_OF_EPOCH)
    _show_day(mjd, ut1_tai, 2020, int(mjd[-1]))


def _show_day(mjd: Any, ut1_tai: Any, begin: int, end: int) -> None:
    first = int((mjd >= day_of(begin, 1, 1) + MJD_OF_EPOCH).argmax())
    last = int((mjd >= end).argmax())
    excess = -(ut1_tai[last] - ut1_tai[first]) / (mjd[last] - mjd[first])
    print(f"{begin} to {day_text(int(mjd[last]) - MJD_OF_EPOCH)}  {excess * 1e3:+.2f} ms")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--times", type=int, default=100_000, help="how many instants")
    count = max(2_000, record.parse(parser).times)
    warnings.simplefilter("ignore")  # ERFA finds years after its own release dubious
    times = instants(count)
    ours(times)
    beside_astropy(times)
    earth()
    return 0


if __name__ == "__main__":
    sys.exit(record.run(main))
