"""Pictures of a watch: offsets with their bounds over time, and how steady the clocks run.  [I/O]

Needs the extra ``plot``. For each host two panels: on the left the offset as a line within the band
of its bound, alarms marked and silences hatched; on the right the Allan deviation with its 95 %
confidence. Colours are from Okabe and Ito's palette, and nothing is told by colour alone.
"""

import importlib
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clocksync import drawing
from clocksync.runtime.errors import BadConfig
from clocksync.watching.series import History, Point, Series
from clocksync.watching.stability import Deviation, allan_deviation, library

FORMATS = (".svg", ".png", ".pdf")
HOSTS_MAX = 12
DAY_S = 86_400  # matplotlib counts days
BLUE, SKY, ORANGE, VERMILION, GREY = "#0072B2", "#56B4E9", "#E69F00", "#D55E00", "#666666"
_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (0.0, "ns"))
_SCALES = {"s": 1.0, "ms": 1e3, "µs": 1e6, "ns": 1e9}
_OUTLIER = 8.0  # a bound so many times the usual one does not set the scale
_LABEL_SHARE = 0.12
_STYLE = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "xtick.color": "#333333",
    "ytick.color": "#333333",
    "legend.frameon": False,
    "legend.fontsize": 8,
    "svg.fonttype": "none",
}


def check(path: Path) -> None:
    """Find out whether a picture can be drawn to `path`.

    Raises:
        MissingExtra: the extra ``plot`` is missing.
        BadConfig: the format is unknown, or the folder is not there.
    """
    drawing.library()
    library()
    if path.suffix.lower() not in FORMATS:
        raise BadConfig(f"{path}: a picture is a file that ends in {', '.join(FORMATS)}")
    if not path.absolute().parent.is_dir():
        raise BadConfig(f"{path}: there is no folder of that name")


def draw(
    history: History,
    path: Path,
    label: str = "offset, theirs minus ours",
    is_even: bool = True,
) -> int:
    """Draw all hosts of `history`, in their order, to `path`; how many they are.

    Args:
        label: what the offset is.
        is_even: whether points are evenly spaced: an Allan deviation needs that.

    Raises:
        MissingExtra: the extra ``plot`` is missing.
        BadConfig: there is nothing to draw, too much of it, or no place for it.
    """
    check(path)
    hosts = [s for s in history.series.values() if any(p.offset_s is not None for p in s.points)]
    if not hosts:
        raise BadConfig("there is nothing to draw: no host ever gave an offset")
    if len(hosts) > HOSTS_MAX:
        raise BadConfig(
            f"{len(hosts)} hosts are too many for one picture: name up to {HOSTS_MAX} with --host"
        )
    dates = importlib.import_module("matplotlib.dates")
    with drawing.library().rc_context(_STYLE), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a font without some sign is no matter
        figure = drawing.new_figure(figsize=(11, 0.5 + 2.7 * len(hosts)), layout="constrained")
        widths = (2.1, 1) if is_even else (1,)
        panels = figure.subplots(len(hosts), len(widths), squeeze=False, width_ratios=widths)
        for (left, *right), series in zip(panels, hosts, strict=True):
            _offsets(left, series, dates, label)
            for axes in right:
                _deviations(axes, allan_deviation(series))
        _legend(figure, [row[0] for row in panels])
        try:
            drawing.save(figure, path, dpi=160)
        except OSError as error:
            raise BadConfig(f"{path} cannot be written: {error.strerror}") from None
    return len(hosts)


def _offsets(axes: Any, series: Series, dates: Any, label: str) -> None:
    points = [point for point in series.points if point.offset_s is not None]
    times = [point.at_s / DAY_S for point in points]
    lowest, highest = _limits(points)
    unit = next(unit for least, unit in _UNITS if highest - lowest >= 2 * least)
    scale = _SCALES[unit]
    offsets = [_known(point.offset_s) * scale for point in points]
    bounds = [_known(point.error_bound_s) * scale for point in points]
    low = [offset - bound for offset, bound in zip(offsets, bounds, strict=True)]
    high = [offset + bound for offset, bound in zip(offsets, bounds, strict=True)]
    axes.fill_between(
        times, low, high, color=SKY, alpha=0.3, linewidth=0, label="bound: truth lies within"
    )
    axes.plot(times, offsets, color=BLUE, linewidth=1.2, label=label)
    axes.axhline(0, color=GREY, linewidth=0.8, linestyle=(0, (4, 3)))
    axes.set_ylim(lowest * scale, highest * scale)
    for begin, end in _silences(points):
        axes.axvspan(
            begin / DAY_S, end / DAY_S,
            facecolor="none", edgecolor="#bbbbbb", hatch="///", linewidth=0, label="no answer",
        )  # fmt: skip
    _alarms(axes, series)
    axes.set_title(series.host)
    axes.set_ylabel(f"offset, {unit}")
    locator = dates.AutoDateLocator(maxticks=8)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))
    axes.margins(x=0.01)


def _alarms(axes: Any, series: Series) -> None:
    if not series.events:
        return
    span = series.points[-1].at_s - series.points[0].at_s
    near: list[tuple[float, list[str]]] = []  # labels that would cover each other share one
    for event in series.events:
        if near and event.at_s - near[-1][0] < _LABEL_SHARE * span:
            near[-1][1].append(event.kind)
        else:
            near.append((event.at_s, [event.kind]))
    times = [event.at_s / DAY_S for event in series.events]
    where = axes.get_xaxis_transform()
    axes.plot(
        times, [0.03] * len(times), transform=where, linestyle="none", marker="^", markersize=6,
        color=VERMILION, clip_on=False, label="alarm raised",
    )  # fmt: skip
    for at_s, kinds in near:
        axes.annotate(
            ", ".join(dict.fromkeys(kinds)), (at_s / DAY_S, 0.03), xycoords=where, xytext=(4, 6),
            textcoords="offset points", fontsize=7, color=VERMILION,
        )  # fmt: skip


def _legend(figure: Any, panels: Sequence[Any]) -> None:
    """One for all panels: each sign once, in the order in which they first appear."""
    signs: dict[str, Any] = {}
    for panel in panels:
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True):
            signs.setdefault(label, handle)
    figure.legend(signs.values(), signs.keys(), loc="outside upper left", ncols=len(signs))


def _deviations(axes: Any, found: Sequence[Deviation]) -> None:
    axes.set_title("Allan deviation of single exchanges")
    axes.set_xlabel("averaging time τ, s")
    axes.set_ylabel("σ of the rate")
    if not found:
        axes.text(
            0.5, 0.5, "too few steady\noffsets to tell", ha="center", va="center",
            transform=axes.transAxes, color=GREY,
        )  # fmt: skip
        axes.set_xticks([])
        axes.set_yticks([])
        return
    axes.set_xscale("log")
    axes.set_yscale("log")
    taus = [one.tau_s for one in found]
    low, high = [one.low for one in found], [one.high for one in found]
    axes.fill_between(
        taus, low, high, color=ORANGE, alpha=0.3, linewidth=0, label="95 % confidence"
    )
    values = [one.value for one in found]
    axes.plot(
        taus, values, color="#B26A00", linewidth=1.2, marker="o", markersize=3.5, label="σ(τ)"
    )
    axes.legend(loc="upper right")


def _limits(points: Sequence[Point]) -> tuple[float, float]:
    """What the picture shows, s: all offsets and usual bounds; those of long silences may leave."""
    offsets = [_known(point.offset_s) for point in points]
    bounds = sorted(_known(point.error_bound_s) for point in points)
    around = max(min(bounds[-1], _OUTLIER * bounds[len(bounds) // 2]), 1e-9)
    around += 0.12 * (max(offsets) - min(offsets) + 2 * around)
    return min(offsets) - around, max(offsets) + around


def _silences(points: Sequence[Point]) -> list[tuple[float, float]]:
    """From the last answer before to the first one after each stretch without."""
    found, begin = [], None
    for before, point in zip([points[0], *points], points, strict=False):
        if not point.answered and begin is None:
            begin = before.at_s
        elif point.answered and begin is not None:
            found.append((begin, point.at_s))
            begin = None
    if begin is not None:
        found.append((begin, points[-1].at_s))
    return found


def _known(value: float | None) -> float:
    return value or 0.0
