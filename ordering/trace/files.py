"""[I/O] Runs from files."""

from pathlib import Path

from ordering.trace.events import BadTrace
from ordering.trace.run import Run
from ordering.trace.stamping import events_of_texts


def read_run(*paths: str | Path) -> Run:
    """The run in these files: traces, or histories (which are stamped on the way in).

    Raises:
        BadTrace: the files hold no run; the message says why.
        OSError: one cannot be read.
    """
    run = Run(events_of_texts((str(p), Path(p).read_text("utf-8", "replace")) for p in paths))
    if not run.events:
        raise BadTrace(f"no events in {', '.join(map(str, paths))}")
    return run
