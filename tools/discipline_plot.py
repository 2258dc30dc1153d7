"""Draws ``docs/discipline-day.svg``: a simulated day of a disciplined clock with its bound.  [I/O]

``python -m tools.discipline_plot [FILE]``; the day is the first of ``python -m benchmarks.servo``.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.servo import a_day
from clocksync import drawing
from clocksync.runtime.errors import MissingExtra

PICTURE = Path(__file__).parent.parent / "docs" / "discipline-day.svg"
COLOURS = {"kalman": "#1f5fa8", "pi": "#c8642b"}
EVERY = 4
"""Of the looks, so many fewer are drawn: a picture has no more points than that."""
HAPPENED = {
    6: "a host is set\n30 s ahead",
    9: "our wall clock\nis set back",
    18: "no host\nanswers",
    19: "all answer\nagain",
}


def draw(path: Path, seed: int) -> None:
    """Write the picture.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    drawing.library().rcParams["font.size"] = 9
    figure = drawing.new_figure(figsize=(9, 5.6))
    above, below = figure.subplots(2, 1, sharex=True)
    for servo, colour in COLOURS.items():
        day = a_day(servo, seed)
        hours = day.hours[::EVERY]
        errors = [error / 1000 for error in day.errors_ns[::EVERY]]
        above.plot(hours, errors, color=colour, lw=0.8, label=servo)
        if servo == "kalman":
            below.fill_between(
                hours,
                [bound / 1e6 for bound in day.bounds_ns[::EVERY]],
                color=colour,
                alpha=0.25,
                lw=0,
                label="bound",
            )
            magnitudes = [max(1e-4, abs(error) / 1000) for error in errors]
            below.plot(hours, magnitudes, color=colour, lw=0.6, label="|error|")
    above.set_ylim(-700, 700)
    above.set_ylabel("clock minus true time, us")
    above.legend(loc="lower left", frameon=False, ncols=2)
    below.set_yscale("log")
    below.set_ylim(1e-3, 40)
    below.set_ylabel("kalman: ms, log scale")
    below.set_xlabel("hours")
    below.set_xlim(0, 24)
    below.set_xticks(range(0, 25, 3))
    below.legend(loc="lower left", frameon=False, ncols=2)
    for hour, words in HAPPENED.items():
        for axes in (above, below):
            axes.axvline(hour, color="#888888", lw=0.6, ls=":")
        align = "right" if hour == 18 else "left"
        shift = -0.1 if hour == 18 else 0.1
        above.text(hour + shift, 670, words, va="top", ha=align, fontsize=7.5, color="#555555")
    for axes in (above, below):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25, lw=0.5)
    figure.tight_layout()
    drawing.save(figure, path, dpi=110)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.discipline_plot")
    parser.add_argument("output", nargs="?", type=Path, default=PICTURE)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args(arguments)
    try:
        draw(chosen.output, chosen.seed)
    except MissingExtra as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
