"""ordering.diagram: a run as a space-time diagram in SVG.

>>> from ordering.diagram import draw
>>> from ordering.trace import Recorder, Run
>>> recorder = Recorder("a", reading=lambda: 7)
>>> event = recorder.local("starts")
>>> draw(Run(recorder.events)).startswith("<svg")
True
"""

from ordering.diagram.layout import Picture, Rows, picture_of
from ordering.diagram.svg import to_svg
from ordering.trace.run import Run

__all__ = ["Picture", "Rows", "draw", "picture_of", "to_svg"]


def draw(run: Run, *, rows: Rows = Rows.CAUSAL, title: str = "", labels: bool = True) -> str:
    """The run as one SVG document: processes are columns, time runs down.

    Raises:
        BadTrace: rows by time are asked for, and an event has no physical time.
    """
    return to_svg(picture_of(run, rows=rows, title=title, labels=labels))
