"""Positions and the receiver's clock as a picture."""

from pathlib import Path
from typing import Any

import numpy as np

from clocksync import drawing
from clocksync.gnss.instants import iso
from clocksync.gnss.summary import Summary
from clocksync.runtime.errors import BadConfig
from clocksync.runtime.units import SECOND


def require_plotting(path: Path) -> None:
    """Check that a plot can be drawn, before anything is worked out for it.

    Raises:
        BadConfig: the file's name ends in neither .png nor .svg.
        MissingExtra: matplotlib is not installed.
    """
    if path.suffix.lower() not in (".png", ".svg"):
        raise BadConfig(f"--plot draws .png or .svg, not {path.name!r}")
    drawing.library()


_INK, _MUTED, _GRID = "#1f2933", "#7b8794", "#e4e7eb"
_BLUE, _ORANGE, _RED = "#2563a8", "#d97706", "#b91c1c"


def write_plot(path: Path, summary: Summary, title: str) -> None:
    """Where the fixes lie around the header's position (or their median), how the clock ran, and
    how many satellites there were.

    Raises:
        BadConfig: no epoch was solved.
        MissingExtra: matplotlib is not installed.
        OSError: the file cannot be written.
    """
    require_plotting(path)
    if not summary.times:
        raise BadConfig("nothing to draw: no epoch was solved")
    style: dict[Any, Any] = {
        "font.size": 9,
        "text.color": _INK,
        "axes.edgecolor": _GRID,
        "axes.labelcolor": _INK,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": _GRID,
        "xtick.color": _MUTED,
        "ytick.color": _MUTED,
    }
    with drawing.library().rc_context(style):
        figure = drawing.new_figure(figsize=(11.5, 6), layout="constrained")
        grid = figure.add_gridspec(4, 2, width_ratios=(1, 1.2))
        _draw_positions(figure.add_subplot(grid[:, 0]), summary)
        clock = figure.add_subplot(grid[:2, 1])
        _draw_clock(clock, summary)
        rest = figure.add_subplot(grid[2, 1], sharex=clock)
        _draw_unsteadiness(rest, summary)
        _draw_satellites(figure.add_subplot(grid[3, 1], sharex=clock), summary)
        for axis in (clock, rest):
            axis.tick_params(labelbottom=False)
        figure.suptitle(f"{title}, {iso(summary.times[0])[:16]} GPS time", fontsize=11)
        drawing.save(figure, path, dpi=150)


def _draw_positions(axis: Any, summary: Summary) -> None:
    if not summary.easts:
        axis.set(title="Position", xticks=[], yticks=[])
        axis.text(0.5, 0.5, "the header tells no position", ha="center", color=_MUTED)
        return
    east, north = np.array(summary.easts), np.array(summary.norths)
    few = np.array(summary.satellites) < 5
    away = np.hypot(east, north)
    # Nine in ten fill the picture; those beyond it are counted.
    reach = max(5.0, 1.3 * float(np.percentile(away, 95)))
    for mask, colour, label in ((few, _ORANGE, "four satellites"), (~few, _BLUE, "five and more")):
        if mask.any():
            axis.scatter(east[mask], north[mask], s=9, alpha=0.55, color=colour, lw=0, label=label)
    for radius in (10, 30, 100):
        if radius < reach * 1.3:
            axis.add_patch(_circle(radius))
            axis.annotate(
                f"{radius} m", (0, radius), color=_MUTED, fontsize=7, ha="center", va="bottom"
            )
    axis.plot(0, 0, "+", color=_RED, ms=14, mew=1.8, label="position in the header")
    beyond = int((np.maximum(np.abs(east), np.abs(north)) > reach).sum())
    axis.set(
        title="Position",
        xlabel="east, m",
        ylabel="north, m",
        xlim=(-reach, reach),
        ylim=(-reach, reach),
        aspect="equal",
    )
    axis.legend(loc="upper right", fontsize=7, frameon=True, framealpha=0.9, edgecolor="none")
    spread = summary.horizontal
    if spread:
        text = f"median {spread.median_m:.1f} m, 95 % {spread.p95_m:.1f} m"
        text += f"\n{beyond} beyond the picture, up to {spread.max_m:.0f} m" if beyond else ""
        axis.text(0.02, 0.02, text, transform=axis.transAxes, fontsize=7.5, color=_INK)


def _circle(radius: float) -> Any:
    from matplotlib.patches import Circle

    return Circle((0, 0), radius, fill=False, color=_MUTED, lw=0.7, ls=(0, (4, 3)))


def _hours(summary: Summary) -> tuple[Any, str]:
    seconds = (np.array(summary.times) - summary.times[0]) / SECOND
    if seconds[-1] > 7200:
        return seconds / 3600, "hours"
    return (seconds / 60, "minutes") if seconds[-1] > 120 else (seconds, "seconds")


def _draw_clock(axis: Any, summary: Summary) -> None:
    times, _ = _hours(summary)
    clocks = np.array(summary.clocks_ns)
    span = float(np.ptp(clocks)) or float(np.max(np.abs(clocks))) or 1.0
    unit, scale = next(
        ((name, size) for name, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)) if span > 2 * size),
        ("ns", 1.0),
    )
    # About its middle where the course is small beside the size, as an axis cannot tell both.
    middle = float(np.median(clocks))
    offset = middle if abs(middle) > 20 * span else 0.0
    stds = np.array(summary.clock_stds_ns)
    if float(np.median(stds)) < span:
        low, high = (clocks - offset - stds) / scale, (clocks - offset + stds) / scale
        axis.fill_between(times, low, high, color=_BLUE, alpha=0.2, lw=0)
    axis.plot(
        times, (_broken(times, clocks) - offset) / scale, color=_BLUE, lw=1.2, marker=".", ms=2.5
    )
    title = "The receiver's clock against GPS time"
    drift = summary.drift
    if drift:
        title += f": {drift.ppb:+,.1f} ppb".replace("-", "−")
        title += f", {drift.jumps} jumps" if drift.jumps else ""
    label = f"clock error, {unit}"
    if offset:
        label += f" (and {offset / 1e9:+.6f} s)"
    axis.set(title=title, ylabel=label)


def _broken(times: Any, values: Any) -> Any:
    """Values to draw a line through, broken where epochs are missing."""
    if len(times) < 3:
        return values
    steps = np.diff(times)
    return np.where(np.concatenate(([False], steps > 20 * np.median(steps))), np.nan, values)


def _draw_unsteadiness(axis: Any, summary: Summary) -> None:
    """What is left of the clock without its straight line: noise, and how steady it runs."""
    times, _ = _hours(summary)
    steady, _ = summary.steady_clock()
    rest = np.array(steady)
    if len(rest) > 2:
        rest = rest - np.polyval(np.polyfit(times, rest, 1), times)
    unit, scale = ("µs", 1e3) if float(np.ptp(rest)) > 3e3 else ("ns", 1.0)
    axis.plot(times, _broken(times, rest) / scale, color=_BLUE, lw=0.9, marker=".", ms=2)
    axis.set(title="without its straight line", ylabel=unit)
    axis.title.set_fontweight("normal")


def _draw_satellites(axis: Any, summary: Summary) -> None:
    times, unit = _hours(summary)
    counts = np.array(summary.satellites)
    few = counts < 5
    for mask, colour in ((few, _ORANGE), (~few, _BLUE)):
        axis.scatter(times[mask], counts[mask], s=5, color=colour, lw=0)
    axis.set(
        title="Satellites used", xlabel=f"{unit} since the first fix", ylim=(3, counts.max() + 1.5)
    )
    axis.locator_params(axis="y", integer=True, nbins=5)
