"""Draws how Cristian's algorithm and the Berkeley algorithm come to a time.  [I/O]

::

    python -m tools.time_pictures cristian docs/cristian.svg
    python -m tools.time_pictures berkeley docs/berkeley.svg

Both are runs in the simulator, where the true time is known, by a fixed seed: the same picture
every time.
"""

import sys
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from clocksync import drawing
from clocksync.berkeley import BerkeleyHost, RoundDone
from clocksync.cristian.reading import proven
from clocksync.ntp.estimate import Estimate
from clocksync.runtime.clocks import drift_allowance
from clocksync.runtime.simulation import Constant, Link, Pareto
from clocksync.runtime.units import MICROSECOND, MILLISECOND, SECOND
from tests.clocksync.cristian.test_reader import truth, world_of
from tests.cluster.berkeley_world import Group, Scenario
from tools.drawn import drawn

BLUE, ORANGE, GREEN, GREY, DARK = "#0072b2", "#d55e00", "#009e73", "#9a9a9a", "#333333"
COLOURS = (BLUE, GREEN, "#cc79a7", "#b8860b", ORANGE)
DRIFT_PPM = 110.0
READING_SEED = 3
"""Of a reading that takes some attempts, so that there is something to see."""
WITHIN_NS = 300 * MICROSECOND
READINGS = 80
BACK = Link(delay=Constant(MILLISECOND)), Link(delay=Pareto(MILLISECOND, 300 * MICROSECOND, 1.5))


def cristian() -> Any:
    """What each attempt proves, and how many attempts a bound takes."""
    figure = drawing.new_figure(figsize=(10, 4.4))
    left, right = figure.subplots(1, 2, width_ratios=(1.25, 1))
    _attempts(left)
    _costs(right)
    return figure


def _attempts(axes: Any) -> None:
    """One reading: intervals by which each answer holds the remote clock, and what they leave."""
    way = Link(delay=Pareto(200 * MICROSECOND, 250 * MICROSECOND, 1.2))
    world, core = world_of(  # clocks of right rate, so that there is one truth to draw
        READING_SEED, links=(way, way), within_ns=WITHIN_NS, max_drift_ppm=DRIFT_PPM, attempts=60
    )
    for number in (1, 2):
        world.set_rate(number, 0.0)
    world.run_until(lambda: core.reading is not None, 60 * SECOND)
    samples = sorted(core.source.samples, key=lambda sample: sample.t4)
    true = truth(world)
    earliest: list[float] = []
    latest: list[float] = []
    for number, sample in enumerate(samples, start=1):
        one = proven([sample], sample.t4, 0, DRIFT_PPM)
        assert isinstance(one, Estimate)
        low, high = ((end - true) / 1e6 for end in (one.interval.earliest, one.interval.latest))
        axes.plot([number, number], [low, high], color=GREY, lw=5, solid_capstyle="butt", zorder=2)
        axes.plot([number], [(low + high) / 2], "_", color="white", ms=8, zorder=3)
        if number > 1:
            # What was left before may have drifted since; this answer cuts it.
            drift = drift_allowance(sample.t4 - samples[number - 2].t4, DRIFT_PPM) / 1e6
            low, high = max(low, earliest[-1] - drift), min(high, latest[-1] + drift)
        earliest.append(low)
        latest.append(high)
    numbers = list(range(1, len(samples) + 1))
    axes.fill_between(
        [*numbers, numbers[-1] + 0.7],
        [*earliest, earliest[-1]],
        [*latest, latest[-1]],
        step="post",
        color=BLUE,
        alpha=0.3,
        lw=0,
        zorder=1,
        label="what all of them leave",
    )
    axes.plot([], [], color=GREY, lw=5, label="what one answer proves (white: its middle)")
    axes.axhline(0, color=ORANGE, lw=1.4, zorder=4, label="the truth")
    axes.set_xlabel("answer")
    axes.set_ylabel("remote clock minus ours, from the truth, ms")
    axes.set_title(f"one reading: asked until it is bounded to {WITHIN_NS / 1e6:g} ms", fontsize=10)
    axes.set_xticks(numbers[:: max(1, len(numbers) // 10)])
    axes.legend(
        frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=2, fontsize=8.5
    )
    axes.set_ylim(-1.2, 1.4)


def _costs(axes: Any) -> None:
    """A tighter bound takes more attempts, as the paper says: 1 / (1 - p)."""
    draws = Random(5)
    trips = sorted((MILLISECOND + BACK[1].delay.draw(draws)) / 2 for _ in range(20_000))
    bounds = [1_020, 1_040, 1_060, 1_100, 1_150, 1_200, 1_300, 1_500]
    measured, expected = [], []
    for bound in bounds:
        taken = []
        for seed in range(bound, bound + READINGS):
            world, core = world_of(
                seed,
                links=BACK,
                within_ns=bound * MICROSECOND,
                interval_ns=20 * SECOND,
                attempts=500,
            )
            world.run_until(_has_read(core), 20_000 * SECOND)
            assert core.reading is not None
            taken.append(core.reading.attempts)
        measured.append(sum(taken) / len(taken))
        met = sum(trip <= bound * MICROSECOND for trip in trips) / len(trips)
        expected.append(1 / met)
    shown = [bound / 1000 for bound in bounds]
    axes.plot(shown, expected, color=DARK, lw=1.2, label="1 / (1 - p), section 4 of the paper")
    axes.plot(shown, measured, "o", color=BLUE, label=f"mean of {READINGS} readings")
    axes.axvline(1, color=GREY, lw=1, ls=":")
    axes.annotate(
        "half of the fastest\nround trip: nothing\nis below",
        (1, 11),
        xytext=(6, 0),
        textcoords="offset points",
        fontsize=8.5,
        color="#555555",
    )
    axes.set_yscale("log")
    axes.set_yticks([1, 2, 5, 10, 20], ["1", "2", "5", "10", "20"])
    axes.minorticks_off()
    axes.set_xlabel("bound that is asked for, ms")
    axes.set_ylabel("attempts")
    axes.set_title("what it costs, where each attempt stands alone", fontsize=10)
    axes.legend(frameon=False, loc="upper right", fontsize=8.5)


def _has_read(core: Any) -> Callable[[], bool]:
    return lambda: core.reading is not None


def berkeley() -> Any:
    """Five clocks, of which one lies, brought together; and how far apart they are afterwards."""
    figure = drawing.new_figure(figsize=(10, 4.4))
    left, right = figure.subplots(1, 2)
    group = Group(
        Scenario(
            4, "calm", 5, ((4, "huge"),), 2 * SECOND, 90 * SECOND, 120 * MILLISECOND
        )
    )  # fmt: skip
    times, shown, apart, claimed = _watch(group, 60 * SECOND)
    rounds = [told.time / 1e9 for told in group.world.told if isinstance(told.event, RoundDone)]
    for number, colour in zip(group.honest, COLOURS, strict=False):
        name = f"{number}, the daemon" if number == 1 else str(number)
        left.plot(times, shown[number], color=colour, lw=1.8, label=f"host {name}")
    for when in rounds:
        left.axvline(when, color=GREY, lw=0.7, ls=":")
    left.annotate(
        "the average of the four",
        (6, shown[1][59]),
        xytext=(0, -14),
        textcoords="offset points",
        color="#555555",
        fontsize=8.5,
    )
    left.set_xlim(0, 12)
    left.set_xlabel("s (dotted: a round is over)")
    left.set_ylabel("clock minus true time, ms")
    left.set_title("brought together by slewing; host 4 says it is an hour ahead", fontsize=10)
    left.legend(frameon=False, fontsize=8.5)
    right.plot(times, claimed, color=ORANGE, lw=1.4, label="what the two claim together")
    right.plot(times, apart, color=BLUE, lw=1.4, label="worst pair apart")
    right.set_yscale("log")
    right.set_xlim(0, 60)
    right.set_xlabel("s")
    right.set_ylabel("ms, log scale")
    right.set_title("the worst pair of the honest hosts", fontsize=10)
    right.legend(frameon=False, fontsize=8.5)
    return figure


def _watch(
    group: Group, until_ns: int
) -> tuple[list[float], dict[int, list[float]], list[float], list[float]]:
    """Instants, s; the honest clocks' errors; how far the worst pair is apart, and claims; ms."""
    times: list[float] = []
    shown: dict[int, list[float]] = {number: [] for number in group.honest}
    apart: list[float] = []
    claimed: list[float] = []
    nothing = float("nan")
    while group.world.now < until_ns:
        group.world.run_for(100 * MILLISECOND)
        times.append(group.world.now / 1e9)
        errors, bounds = {}, {}
        for number in group.honest:
            node = group.world.node(number)
            own, core = node.wall.read(), node.core
            assert isinstance(core, BerkeleyHost)
            errors[number] = (core.read(own) - group.world.true_wall_time) / 1e6
            bound = core.status(own).bound
            bounds[number] = nothing if bound is None else bound / 1e6
            shown[number].append(errors[number])
        pairs = [(a, b) for a in group.honest for b in group.honest if a < b]
        worst = max(pairs, key=lambda pair: abs(errors[pair[0]] - errors[pair[1]]))
        apart.append(abs(errors[worst[0]] - errors[worst[1]]))
        claimed.append(bounds[worst[0]] + bounds[worst[1]])
    return times, shown, apart, claimed


PICTURES: dict[str, Callable[[], Any]] = {"cristian": cristian, "berkeley": berkeley}


def main(arguments: Sequence[str] | None = None) -> int:
    return drawn("time_pictures", PICTURES, arguments, w_pad=2.5)


if __name__ == "__main__":
    sys.exit(main())
