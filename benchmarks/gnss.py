"""What others find in the same GNSS files: gnss_lib_py and georinex beside ours, in one run.

Satellite positions by the broadcast ephemerides and weighted least squares against gnss_lib_py; how
long georinex takes to read what we read; our positions against those in the headers; and, given
``--nav`` and ``--sp3`` of one day, broadcast orbits and clocks against precise ones. It prints and
asserts nothing. ``pip install 'clocksync[bench]'``; ``python -m benchmarks.gnss --help``.
"""

import argparse
import math
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from unittest.mock import patch

import numpy as np

from benchmarks.results import record
from clocksync.gnss import (
    Ephemerides,
    Ephemeris,
    Klobuchar,
    Message,
    Navigation,
    Positioning,
    ReceiverSettings,
    Summary,
    read_navigation,
    read_observations,
    solve,
)
from clocksync.gnss.atmosphere import SPEED_OF_LIGHT
from clocksync.gnss.files import open_lines
from clocksync.gnss.instants import from_calendar
from clocksync.gnss.sightings import Observatory
from clocksync.runtime.units import SECOND

DATA = Path(__file__).parent.parent / "tests" / "data" / "gnss"
AUSTRALIA = DATA / "14601736.18o", DATA / "14601736.18n"
UTAH = DATA / "CEDA00USA_2018210_part_MO.rnx.gz", DATA / "ELKO00USA_2018210_part_MN.rnx.gz"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--nav", type=Path, help="broadcast ephemerides, RINEX")
    parser.add_argument("--sp3", type=Path, help="precise orbits of the same day, SP3")
    options = record.parse(parser)
    warnings.simplefilter("ignore")  # the peers' own
    reading()
    against_headers()
    budget()
    against_gnss_lib_py()
    if options.nav and options.sp3:
        against_precise(options.nav, options.sp3)


def reading() -> None:
    """Time to read each file, and what could not be read."""
    print("\nReading, ms (median of 3):        georinex      ours")
    sheet = record.sheet("Reading, ms, median of 3", ("file", "georinex", "ours"))
    for path in (*AUSTRALIA, *UTAH):
        theirs = timed(lambda path=path: _georinex(path), 3)
        ours = timed(lambda path=path: read(path), 3)
        print(f"  {path.name:<32}{theirs:>10}{ours:>10}")
        sheet.add(path.name, theirs, ours)
        # What could not be read has a name of an error there.
        mine, peer = (float(text) if text[0].isdigit() else None for text in (ours, theirs))
        record.headline(f"Time to read {path.name}", mine, "ms", peer=peer, peer_name="georinex")


def timed(run: Callable[[], object], times: int) -> str:
    found = []
    for _ in range(times):
        begin = time.perf_counter_ns()
        try:
            run()
        except Exception as error:
            return type(error).__name__[:9]
        found.append(time.perf_counter_ns() - begin)
    return f"{median(found) / 1e6:.1f}"


def _georinex(path: Path) -> object:
    import georinex

    return georinex.load(path)


def read(path: Path) -> object:
    with open_lines(path) as lines:
        if "N" in path.name.split("_")[-1] or path.suffix.endswith("n"):
            return read_navigation(lines)
        return list(read_observations(lines).epochs())


def against_headers() -> None:
    """Our positions against those in the observation files' headers, by way of correcting."""
    print(
        "\nFrom the header's position, m:    ionosphere  epochs  median  95 %   most  outside bound"
    )
    sheet = record.sheet(
        "From the header's position, m",
        ("file", "epochs taken", "ionosphere", "epochs", "median", "95 %", "most", "outside bound"),
        words=3,
    )
    for files in (AUSTRALIA, UTAH):
        for ionosphere in ("model", "pair", "none"):
            for least, label in ((5, "five and more"), (4, "all solved")):
                summary = Summary()
                for fix in Positioning.of(files, ReceiverSettings(ionosphere=ionosphere)).fixes():
                    if len(fix.used) >= least:
                        summary.add(fix)
                spread = summary.horizontal
                if spread:
                    print(
                        f"  {files[0].name[:16]:<17}{label:<15}{ionosphere:<12}{summary.epochs:>6}"
                        f"{spread.median_m:>8.2f}{spread.p95_m:>6.1f}{spread.max_m:>7.1f}"
                        f"{summary.outside:>9}"
                    )
                    distances = (spread.median_m, spread.p95_m, spread.max_m)
                    sheet.add(
                        *(files[0].name[:16], label, ionosphere, summary.epochs),
                        *(f"{metres:.2f}" for metres in distances),
                        summary.outside,
                    )


WITHOUT = {
    "all corrections": [],
    "without the earth's rotation": [patch("clocksync.gnss.least_squares.EARTH_RATE", 0.0)],
    "without relativity": [
        patch.object(Ephemeris, "_clock_error", lambda each, at, _: polynomial(each, at))
    ],
    "without group delays": [patch.object(Ephemeris, "group_delay_s", 0.0)],
    "without the troposphere": [patch("clocksync.gnss.air.troposphere_m", lambda *_: 0.0)],
    "without the ionosphere": [patch.object(Klobuchar, "delay_m", lambda *_: 0.0)],
    "without satellite clocks": [
        patch.object(Ephemeris, "_clock_error", lambda *_: 0.0),
    ],
}


def polynomial(ephemeris: Ephemeris, at: int) -> float:
    """The broadcast clock without relativity."""
    bias, drift, change = ephemeris.clock
    since = (at - ephemeris.toc) / SECOND
    return bias + since * (drift + since * change)


def budget() -> None:
    """What each correction is worth: the same files without it."""
    print(
        "\nMedian errors without a correction, m:         horizontal  vertical   clock, ns   solved"
    )
    columns = ("file", "corrections", "horizontal", "vertical", "clock, ns", "solved")
    sheet = record.sheet("Median errors without a correction, m", columns, words=2)
    for files, fewest in ((AUSTRALIA, 5), (UTAH, 5)):
        clock = None
        for words, patches in WITHOUT.items():
            summary = Summary()
            with ExitStack() as stack:
                for each in patches:
                    stack.enter_context(each)
                run = Positioning.of(files)
                for fix in run.fixes():
                    if len(fix.used) >= fewest:
                        summary.add(fix)
            horizontal, vertical = summary.horizontal, summary.vertical
            middle = float(np.median(summary.clocks_ns)) if summary.clocks_ns else math.nan
            clock = middle if clock is None else clock
            told = f"{horizontal.median_m:.2f}" if horizontal else "–"
            height = f"{vertical.median_m:.2f}" if vertical else "–"
            # Of a clock that a survey put right, the milliseconds are not told by the codes.
            moved = f"{middle - clock:+.0f}" if summary.times and not run.receiver.slow_ns else "–"
            print(
                f"  {files[0].name[:8]}  {words:<32}{told:>14}{height:>10}{moved:>12}"
                f"{summary.epochs:>9}"
            )
            sheet.add(files[0].name[:8], words, told, height, moved, summary.epochs)


def against_gnss_lib_py() -> None:
    """The same ephemerides and the same pseudoranges, given to the peer."""
    try:
        import gnss_lib_py as peer
        from gnss_lib_py.utils.sv_models import find_sv_states
    except ImportError:
        print("\ngnss_lib_py is not installed: pip install 'clocksync[bench]'")
        record.note("gnss_lib_py is not installed: not compared")
        return
    navigation = read_all(AUSTRALIA[1])
    theirs_navigation = peer.RinexNav(str(AUSTRALIA[1]))
    book = Ephemerides.of(navigation.ephemerides)
    apart = []
    for minutes in range(-90, 91, 15):
        at = navigation.ephemerides[0].toe + minutes * 60 * SECOND
        states = find_sv_states(at / 1e6, theirs_navigation)
        for index in range(len(states)):
            name = f"G{int(states['sv_id', index]):02d}"
            theirs = [float(states[f"{axis}_sv_m", index]) for axis in "xyz"]
            ephemeris = book.nearest(name, Message.LNAV, at)
            if ephemeris is not None:
                apart.append(math.dist(ephemeris.state(at)[0], theirs))
    told = (
        f"Satellite positions against gnss_lib_py: {len(apart)} positions, "
        f"median {1000 * median(apart):.2f} mm apart, most {1000 * max(apart):.2f} mm"
    )
    print(f"\n{told}")
    record.note(told)
    _least_squares(peer, book)


def _least_squares(peer: object, book: Ephemerides) -> None:
    apart, ours_ms, theirs_ms = [], [], []
    with open_lines(AUSTRALIA[0]) as lines:
        epochs = list(read_observations(lines).epochs())
    observatory = Observatory(book, ReceiverSettings())
    for epoch in epochs * 5:
        usable = observatory.sight(epoch).usable
        measurements = observatory.measurements(usable, np.ones(len(usable)))
        table = peer.NavData()  # type: ignore[attr-defined]
        table["gps_millis"] = np.full(len(usable), epoch.time / 1e6)
        table["x_sv_m"], table["y_sv_m"], table["z_sv_m"] = measurements.positions.T
        table["corr_pr_m"] = measurements.ranges
        table["gnss_id"] = np.array(["gps"] * len(usable))
        table["sv_id"] = np.array([int(each.satellite[1:]) for each in usable])
        begin = time.perf_counter_ns()
        theirs = peer.solve_wls(table)  # type: ignore[attr-defined]
        middle = time.perf_counter_ns()
        ours = solve(measurements)
        ours_ms.append((time.perf_counter_ns() - middle) / 1e6)
        theirs_ms.append((middle - begin) / 1e6)
        if ours is not None:
            point = [float(theirs[f"{axis}_rx_wls_m"]) for axis in "xyz"]
            clock = ours.clock_m - float(theirs["b_rx_wls_m"])
            apart.append(max(math.dist(ours.position, point), abs(clock)))
    told = (
        f"Least squares against gnss_lib_py: at most {1000 * max(apart):.2f} mm apart; "
        f"{median(theirs_ms):.2f} ms theirs, {median(ours_ms):.2f} ms ours"
    )
    print(told)
    record.note(told)
    ours, theirs = median(ours_ms), median(theirs_ms)
    record.headline("A position by least squares", ours, "ms", peer=theirs, peer_name="gnss_lib_py")


def read_all(path: Path) -> Navigation:
    with open_lines(path) as lines:
        return read_navigation(lines)


def against_precise(navigation: Path, orbits: Path) -> None:
    """Broadcast orbits and clocks against precise ones. What is common to all clocks at an instant
    is a matter of definition and taken out; relativity is not in SP3 clocks."""
    book = Ephemerides.of(read_all(navigation).ephemerides)
    print(f"\n{navigation.name} against {orbits.name}:")
    rows = list(sp3(orbits))
    for message in Message:
        apart: list[float] = []
        clocks: dict[int, list[float]] = {}
        for at, satellite, position, clock_s in rows:
            ephemeris = book.nearest(satellite, message, at)
            if ephemeris is None or not book.is_current(ephemeris, at) or ephemeris.health:
                continue
            there, _ = ephemeris.state(at)
            apart.append(math.dist(there, position))
            if clock_s is not None:
                wrong = (polynomial(ephemeris, at) - clock_s) * SPEED_OF_LIGHT
                clocks.setdefault(at, []).append(wrong)
        errors = [
            abs(each - median(found))
            for found in clocks.values()
            for each in found
            if len(found) > 3
        ]
        if apart:
            text = (
                f"  {message.value}: {len(apart)} positions, {median(apart):.2f} m apart (median)"
            )
            text += f", {float(np.percentile(apart, 95)):.2f} m (95 %)"
            text += f"; clocks {median(errors):.2f} m" if errors else ""
            print(text)
            record.note(f"{navigation.name} against {orbits.name}: {text}")


def sp3(path: Path) -> Iterator[tuple[int, str, tuple[float, ...], float | None]]:
    """Instant, satellite, position (m) and clock (s) of each line; unknown positions left out."""
    at = 0
    for line in path.read_text(encoding="latin-1").splitlines():
        if line.startswith("* "):
            year, month, day, hour, minute, seconds = line[2:].split()
            at = from_calendar(int(year), int(month), int(day), int(hour), int(minute), seconds)
        elif line.startswith("P") and at:
            position = tuple(1000 * float(line[4 + 14 * n : 18 + 14 * n]) for n in range(3))
            clock = float(line[46:60])
            if any(position):
                yield (
                    at,
                    line[1:4].replace(" ", "0"),
                    position,
                    (clock * 1e-6 if abs(clock) < 999_999 else None),
                )


if __name__ == "__main__":
    sys.exit(record.run(main))
