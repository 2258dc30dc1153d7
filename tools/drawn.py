"""Draws one of a program's pictures into a file: what programs of pictures share.  [I/O]"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from clocksync import drawing
from clocksync.runtime.errors import MissingExtra


def drawn(
    program: str,
    pictures: Mapping[str, Callable[[], Any]],
    arguments: Sequence[str] | None,
    **padding: float,
) -> int:
    """Run ``python -m tools.PROGRAM PICTURE FILE``; the exit code.

    Args:
        padding: between axes, as matplotlib's ``tight_layout`` takes it.
    """
    parser = argparse.ArgumentParser(prog=f"python -m tools.{program}")
    parser.add_argument("picture", choices=pictures)
    parser.add_argument("file", type=Path)
    chosen = parser.parse_args(arguments)
    try:
        drawing.library().rcParams["font.size"] = 9.5
        figure = pictures[chosen.picture]()
    except MissingExtra as error:
        print(error, file=sys.stderr)
        return 2
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout(**padding)
    drawing.save(figure, chosen.file, dpi=110)
    return 0
