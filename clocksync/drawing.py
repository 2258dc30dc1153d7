"""Pictures, drawn with matplotlib: the extra ``plot``. No display is needed.  [I/O]"""

import importlib
from pathlib import Path
from typing import Any

from clocksync.runtime.errors import MissingExtra


def library() -> Any:
    """Matplotlib.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        return importlib.import_module("matplotlib")
    except ImportError:
        raise MissingExtra("matplotlib", "plot") from None


def new_figure(**options: Any) -> Any:
    """A figure of its own, which no other user of matplotlib in this process sees.

    Args:
        options: those of ``matplotlib.figure.Figure``.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    library()
    return importlib.import_module("matplotlib.figure").Figure(**options)


def save(figure: Any, path: Path, dpi: int) -> None:
    """Write a figure as what the file's name says. The same figure gives the same SVG.

    Raises:
        OSError: it cannot be written.
    """
    metadata = {"Date": None} if path.suffix.lower() == ".svg" else None
    with library().rc_context({"svg.hashsalt": "clocksync"}):
        figure.savefig(path, dpi=dpi, metadata=metadata)
