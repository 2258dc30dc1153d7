"""Precision against the number of broadcasts, drawn beside the paper's.  [I/O]

The palette is that of Okabe and Ito, which people with any colour vision tell apart; every line
has a mark of its own as well, and its name beside its end.
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from clocksync import drawing
from clocksync.rbs.receiver import Receiver
from clocksync.runtime.errors import BadConfig

COUNTS = (1, 2, 3, 5, 10, 20, 30, 50, 100, 200, 500)
PAPER_US, PAPER_DEVIATION_US = 1.85, 1.28
"""Elson, Girod, Estrin (OSDI 2002), table of kernel stamps on 802.11, 30 broadcasts."""
FORMATS = (".svg", ".png", ".pdf")
_INK, _GREY = "#222222", "#6b6b6b"
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_MARKS = "osD^vPX"

Rows = Sequence[tuple[int, float, float, int]]
"""M, the mean error and its standard deviation, ns, and how many means of M there were."""


def require(path: Path) -> None:
    """Check that a plot can be drawn, before anything is measured for it.

    Raises:
        MissingExtra: matplotlib is not installed.
        BadConfig: not a kind of file it draws, or no place to put one.
    """
    if path.suffix not in FORMATS:
        raise BadConfig(f"--plot {path}: its name ends in one of {', '.join(FORMATS)}")
    if not path.absolute().parent.is_dir():
        raise BadConfig(f"--plot {path}: there is no such folder")
    drawing.library()


def draw_receiver(core: Receiver, path: Path) -> None:
    """How far the mean of M broadcasts lies from the mean of all, for each other receiver."""
    series = {f"receiver {peer}": core.precision(peer, COUNTS) for peer in sorted(core.contacts)}
    draw(
        series,
        path,
        title=f"Receiver {core.me}: how precise the mean of M broadcasts is",
        axis="distance from the mean of all, us",
    )


def draw(
    series: Mapping[str, Rows],
    path: Path,
    *,
    title: str,
    axis: str,
    note: str = "",
    dashed: Collection[str] = (),
) -> None:
    """Draw one line for each of `series` that has rows, with its standard deviation as a band
    (but for those that are `dashed`), into a file whose kind its name tells."""
    settings: Any = {
        "font.family": "sans-serif",
        "font.size": 10,
        "svg.fonttype": "none",
    }
    with drawing.library().rc_context(settings):
        figure = drawing.new_figure(figsize=(7.6, 4.6), layout="constrained")
        axes = figure.subplots()
        drawn = {name: rows for name, rows in series.items() if rows}
        _axes(axes, title, axis, [row[0] for rows in drawn.values() for row in rows])
        _paper(axes, [row[0] for rows in drawn.values() for row in rows] or [1, 100])
        ends = []
        for n, (name, rows) in enumerate(drawn.items()):
            colour, mark = _COLOURS[n % len(_COLOURS)], _MARKS[n % len(_MARKS)]
            ends.append(_line(axes, rows, colour, mark, name in dashed))
        _name_ends(axes, list(drawn), ends)
        if note:
            figure.supxlabel(note, fontsize=8, color=_GREY, x=0.01, ha="left")
        drawing.save(figure, path, dpi=160)


def _axes(axes: Any, title: str, axis: str, counts: list[int]) -> None:
    axes.set_title(title, loc="left", fontsize=12, color=_INK, pad=12)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("broadcasts averaged, M", color=_INK)
    axes.set_ylabel(axis, color=_INK)
    ticks = [count for count in COUNTS if count in set(counts)] or [1, 10, 100]
    shown = [count for count in ticks if str(count)[0] == "1" or count in (3, 30, 300)]
    axes.set_xticks(shown, [str(count) for count in shown])
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.grid(axis="y", color="#e4e4e4", linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color("#9a9a9a")
    axes.tick_params(color="#9a9a9a", labelcolor=_INK)
    axes.set_xlim(min(ticks) * 0.9, max(ticks) * 3.2)  # room for the names at the right


def _paper(axes: Any, counts: list[int]) -> None:
    low, high = PAPER_US - PAPER_DEVIATION_US, PAPER_US + PAPER_DEVIATION_US
    ends = [min(counts), max(counts)]
    axes.fill_between(ends, low, high, color="#bdbdbd", alpha=0.28, linewidth=0)
    axes.plot(ends, [PAPER_US] * 2, color=_GREY, linestyle=(0, (5, 3)), linewidth=1.2)
    axes.annotate(
        f"the paper, M = 30: {PAPER_US} ± {PAPER_DEVIATION_US} us",
        (min(counts), PAPER_US),
        xytext=(6, -4),
        textcoords="offset points",
        ha="left",
        va="top",
        fontsize=8.5,
        color="#4a4a4a",
    )


def _line(
    axes: Any, rows: Rows, colour: str, mark: str, is_dashed: bool
) -> tuple[float, float, str]:
    """Draw one; where it ends, and its colour."""
    counts = [row[0] for row in rows]
    means = [max(row[1], 1.0) / 1000 for row in rows]
    if not is_dashed:
        low = [max(row[1] - row[2], row[1] / 4, 1.0) / 1000 for row in rows]
        high = [(row[1] + row[2]) / 1000 for row in rows]
        axes.fill_between(counts, low, high, color=colour, alpha=0.14, linewidth=0)
    style = (0, (4, 2)) if is_dashed else "-"
    axes.plot(
        counts, means, linestyle=style, color=colour, marker=mark, markersize=5.5, linewidth=1.8
    )
    return counts[-1], means[-1], colour


def _name_ends(axes: Any, names: list[str], ends: list[tuple[float, float, str]]) -> None:
    """The name of each line beside its end, pushed apart where they would overlap."""
    axes.figure.canvas.draw()  # the transformation is known only now
    place = axes.transData.transform
    order = sorted(range(len(names)), key=lambda n: ends[n][1])
    last = float("-inf")
    for n in order:
        x, y, colour = ends[n]
        height = place((x, y))[1]
        shift = max(0.0, last + 17 - height)
        last = height + shift
        axes.annotate(
            names[n],
            (x, y),
            xytext=(9, shift * 72 / axes.figure.dpi),
            textcoords="offset points",
            va="center",
            fontsize=9,
            color=colour,
        )
