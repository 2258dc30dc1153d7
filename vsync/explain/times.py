"""A picture of a history's timestamps: their bounds over time, through whatever happened.  [I/O]"""

from pathlib import Path
from typing import TYPE_CHECKING

from clocksync import drawing
from clocksync.runtime.errors import BadConfig
from vsync.check.times import SUSPECT, UNVERIFIED, Stamp, Times

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMATS = (".svg", ".png", ".pdf")
DRAWN_MAX = 5_000
"""More marks than this are pixels in an SVG as well, or no browser opens it."""
ROOM = 0.04
"""Of the width, for the name of a configuration."""
# Okabe and Ito's palette, told apart by people who do not see all colours; and by their marks.
LOOKS = {
    "verified": ("#0072B2", "o"),
    UNVERIFIED: ("#E69F00", "s"),
    SUSPECT: ("#D55E00", "^"),
}


def draw(times: Times, path: Path) -> None:
    """Write the picture.

    Raises:
        BadConfig: the file's name ends in no format that can be written.
        MissingExtra: matplotlib is not installed.
        OSError: the file cannot be written.
    """
    if path.suffix not in FORMATS:
        raise BadConfig(f"--plot {path}: the name must end in {', '.join(FORMATS)}")
    figure = drawing.new_figure(figsize=(9, 4.5), layout="constrained")
    axes = figure.subplots()
    start = times.stamps[0].timestamp
    known = [stamp for stamp in times.stamps if stamp.off_ns]
    if known:
        axes.plot(
            [(stamp.timestamp - start) / 1e9 for stamp in known],
            [abs(stamp.off_ns or 0) / 1e3 for stamp in known],
            ".",
            color="#999999",
            markersize=2,
            rasterized=len(known) > DRAWN_MAX,
            label="distance from true time",
        )
    for kind, (colour, mark) in LOOKS.items():
        chosen = [stamp for stamp in times.stamps if _kind(stamp) == kind]
        if chosen:
            axes.plot(
                [(stamp.timestamp - start) / 1e9 for stamp in chosen],
                [max(1, stamp.error) / 1e3 for stamp in chosen],
                mark,
                color=colour,
                markersize=3,
                linestyle="none",
                rasterized=len(chosen) > DRAWN_MAX,
                label=f"bound, {kind}",
            )
    _mark_changes(axes, times, start)
    axes.set_yscale("log")
    axes.set_xlabel("group time since the first message, s")
    axes.set_ylabel("us")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#eeeeee", which="major")
    axes.set_axisbelow(True)
    figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    drawing.save(figure, path, dpi=150)


def _mark_changes(axes: "Axes", times: Times, start: int) -> None:
    """A line for each regular configuration, and who is in it where there is room to say so."""
    begin, end = axes.get_xlim()
    named = begin
    for timestamp, members in times.changes:
        at = (timestamp - start) / 1e9
        axes.axvline(at, color="#cccccc", linewidth=0.8, zorder=0)
        if len(members) > 1 and at >= named:
            named = at + (end - begin) * ROOM
            axes.annotate(
                f"{{{','.join(map(str, members))}}}",
                (at, 1.0),
                xycoords=("data", "axes fraction"),
                xytext=(2, 2),
                textcoords="offset points",
                fontsize=7,
                color="#666666",
                rotation=35,
            )


def _kind(stamp: Stamp) -> str:
    if SUSPECT in stamp.flags:
        return SUSPECT
    return UNVERIFIED if UNVERIFIED in stamp.flags else "verified"
