"""Which servo steers best: a simulated day of each, in the same worlds.  [I/O]

``python -m benchmarks.servo --help``. The oscillator is off by 50 ppm and walks at random; five
hosts are a millisecond away over paths with a heavy tail and up to 20 % asymmetry, and one of them
lies. At 6 h a host's clock is set wrong, at 9 h our own wall clock; from 18 h to 19 h nobody
answers. Each servo gets the same worlds, and the truth is known at all times.

Below the table stands why one servo can be better: the Allan deviation (overlapping, of the time
error) of what the servos are given and of what they make of it. White noise of readings falls with
1/tau, a frequency that walks at random rises with sqrt(tau); nothing can be better than both, and
their crossing is how long a servo should remember.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from benchmarks.harness import tell
from benchmarks.results import record
from clocksync.runtime.units import MILLISECOND, SECOND
from clocksync.steering.settings import SERVOS, DisciplineSettings
from tests.cluster.discipline_world import CLIENT, HOUR, Happening, Plan, Run, typical

LOOK_NS = 16 * SECOND
NEAR_NS = MILLISECOND // 4
STAYS = 40
"""A clock has arrived when it stays near for so many looks."""
LOST, FOUND = 18 * HOUR, 19 * HOUR
TAUS = tuple(16 * 4**n for n in range(6))


@dataclass
class Day:
    """One servo's day: what was looked at every 16 s."""

    servo: str
    seed: int
    hours: list[float] = field(default_factory=list)
    errors_ns: list[int] = field(default_factory=list)
    bounds_ns: list[int] = field(default_factory=list)
    states: list[str] = field(default_factory=list)
    readings_ns: list[int] = field(default_factory=list)
    rates_ppm: list[float] = field(default_factory=list)
    outside: int = 0

    def usual(self) -> list[int]:
        """|error| while nothing is wrong, the first hour and the hour after holdover left out."""
        kept = [
            abs(error)
            for hour, error in zip(self.hours, self.errors_ns, strict=True)
            if hour > 1 and not 18 <= hour <= 20
        ]
        return sorted(kept)

    def arrived_s(self) -> float:
        """When it came near the time and stayed there."""
        near = [abs(error) < NEAR_NS for error in self.errors_ns]
        for place in range(len(near)):
            if all(near[place : place + STAYS]):
                return self.hours[place] * 3600
        return float("nan")

    def at_end_of_holdover(self) -> tuple[int, int]:
        """|error| and bound when nobody had answered for an hour."""
        place = max(n for n, hour in enumerate(self.hours) if hour < FOUND / HOUR)
        return abs(self.errors_ns[place]), self.bounds_ns[place]


def a_day(servo: str, seed: int) -> Day:
    """Play a day."""
    random = Random(f"servo/{seed}")
    hosts = typical(random, 5, liars=1)
    happenings = (
        Happening(6 * HOUR, "step_server", (2, 30 * SECOND)),
        Happening(7 * HOUR, "step_server", (2, -30 * SECOND)),
        Happening(9 * HOUR, "step_ours", (-100 * SECOND,)),
        Happening(LOST, "lose"),
        Happening(FOUND, "find"),
    )
    settings = DisciplineSettings(servo=servo, precision_ns=4)
    plan = Plan(seed, 24 * HOUR, hosts, settings, offset_ns=-SECOND, happenings=happenings)
    run, day = Run(plan), Day(servo, seed)

    def look() -> None:
        core, now, true = run.core, run.now, run.world.true_wall_time
        bound = core.bound_at(now)
        day.outside += bound is not None and true not in bound
        day.hours.append(run.world.now / HOUR)
        day.errors_ns.append(core.read(now) - true)
        day.bounds_ns.append(core.error_bound_ns(now) or 0)
        day.states.append(core.state.value)
        day.rates_ppm.append(run.world.node(CLIENT).monotonic.rate_ppm)
        run.world.after(LOOK_NS, look)

    def listen() -> None:
        """What one host's answers say, at the instant they come."""
        sample = run.core.sources[3].sample if run.is_booted and run.core.sources else None
        if sample is not None and sample.t4 == run.now + run.core.epoch_ns:
            day.readings_ns.append(sample.offset_ns - (run.world.true_wall_time - sample.t4))

    run.world.invariant(listen)
    run.world.after(SECOND, look)
    run.world.run(plan.duration_ns)
    return day


def allan_deviation(times_ns: Sequence[float], spacing_s: int, tau_s: int) -> float:
    """Overlapping Allan deviation of a series of time errors (IEEE 1139, annex B)."""
    x: NDArray[np.float64] = np.asarray(times_ns, np.float64) / 1e9
    n = tau_s // spacing_s
    if n < 1 or len(x) < 2 * n + 2:
        return float("nan")
    second = x[2 * n :] - 2 * x[n:-n] + x[: -2 * n]
    return float(np.sqrt(np.mean(second**2) / (2 * tau_s**2)))


def free_running(day: Day) -> list[float]:
    """The time error of the oscillator itself, its mean rate taken out, ns."""
    mean = statistics.fmean(day.rates_ppm)
    total, series = 0.0, []
    for rate in day.rates_ppm:
        series.append(total)
        total += (rate - mean) * 1000 * LOOK_NS / SECOND
    return series


def noise_of_readings(day: Day) -> list[float]:
    """White noise as strong as that of one host's usual readings. Their variance does not settle,
    the tail is too heavy for that: 1.48 times the median distance from the median stands for it."""
    values = day.readings_ns or [0]
    middle = statistics.median(values)
    spread = 1.4826 * statistics.median(abs(value - middle) for value in values)
    random = Random(1)
    return [random.gauss(0.0, spread) for _ in day.hours]


def quiet(series: Sequence[float], day: Day) -> list[float]:
    """Of a series, what lies between the first hour and the holdover."""
    return [v for hour, v in zip(day.hours, series, strict=True) if 1 < hour < LOST / HOUR]


def print_days(days: Sequence[Day]) -> None:
    table = Table(title="a simulated day: |error| of the steered clock, us")
    for name in ("servo", "median", "p95", "worst"):
        table.add_column(name, justify="left" if name == "servo" else "right")
    for name in ("within 250 us\nafter, s", "after 1 h of\nholdover", "its bound", "truth outside"):
        table.add_column(name, justify="right")
    for servo in SERVOS:
        mine = [day for day in days if day.servo == servo]
        if not mine:
            continue
        errors = sorted(error for day in mine for error in day.usual())
        held = [day.at_end_of_holdover() for day in mine]
        row = [errors[len(errors) // 2], errors[len(errors) * 95 // 100], errors[-1]]
        table.add_row(
            servo,
            *(f"{value / 1000:.1f}" for value in row),
            f"{statistics.median(day.arrived_s() for day in mine):.0f}",
            f"{statistics.median(error for error, _ in held) / 1000:.0f}",
            f"{statistics.median(bound for _, bound in held) / 1000:.0f}",
            f"{sum(day.outside for day in mine)} of {sum(len(day.hours) for day in mine)}",
        )
    tell(table)
    for servo in SERVOS:
        if mine := [day for day in days if day.servo == servo]:
            errors = sorted(error for day in mine for error in day.usual())
            middle = errors[len(errors) // 2] / 1000
            record.headline(f"Error of a clock steered for a day, {servo}, median", middle, "us")
            outside = sum(day.outside for day in mine)
            claim = f"Looks at which the truth was outside of the bound, {servo}"
            record.headline(claim, outside, "looks", asked="0", limit=0)


def print_deviations(days: Sequence[Day]) -> None:
    table = Table(title="Allan deviation, 1e-9")
    table.add_column("tau, s", justify="right")
    day = days[0]
    columns: dict[str, Callable[[], list[float]]] = {
        "readings of one host": lambda: noise_of_readings(day),
        "oscillator, free": lambda: free_running(day),
    }
    series = {name: quiet(make(), day) for name, make in columns.items()}
    for one in days:
        if one.seed == day.seed:
            series[f"steered: {one.servo}"] = quiet(one.errors_ns, one)
    for name in series:
        table.add_column(name, justify="right")
    for tau in TAUS:
        cells = [
            allan_deviation(values, LOOK_NS // SECOND, tau) * 1e9 for values in series.values()
        ]
        table.add_row(str(tau), *(f"{cell:.2f}" for cell in cells))
    tell(table)
    lines: dict[str, list[tuple[float, float]]] = {name: [] for name in series}
    for name, values in series.items():
        for tau in TAUS:
            deviation = allan_deviation(values, LOOK_NS // SECOND, tau) * 1e9
            if deviation > 0:
                lines[name].append((tau, deviation))
    peers = ["readings", "oscillator"]
    record.lines("Allan deviation", "tau, s", "1e-9", lines, log="xy", peers=peers)
    looks = {
        f"{day.servo}, world {day.seed}": {
            "|error|": [abs(error) / 1000 for error in day.usual()],
        }
        for day in days
    }
    record.spread("|error| of the steered clock, usual hours", "us", looks)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.servo")
    parser.add_argument("--days", type=int, default=5, help="worlds for each servo")
    parser.add_argument("--seed", type=int, default=1, help="of the first world")
    parser.add_argument("--servo", action="append", choices=list(SERVOS), help="these only")
    parser.add_argument("--save", type=Path, help="write every look to this file as JSON lines")
    chosen = record.parse(parser, arguments)
    days = []
    for seed in range(chosen.seed, chosen.seed + chosen.days):
        for servo in chosen.servo or SERVOS:
            print(f"world {seed}: {servo}", file=sys.stderr)
            days.append(a_day(servo, seed))
    print_days(days)
    print_deviations(days)
    if chosen.save:
        with chosen.save.open("w", encoding="utf-8") as file:
            for day in days:
                looks = zip(day.hours, day.errors_ns, day.bounds_ns, day.states, strict=True)
                line = {"servo": day.servo, "seed": day.seed, "looks": list(looks)}
                file.write(json.dumps(line) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(record.run(main))
