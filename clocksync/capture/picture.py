"""A capture's result as a picture: each pair's offset with its bound. Extra ``plot``.  [I/O]"""

from pathlib import Path

from clocksync.capture.report import path_bound_ns
from clocksync.capture.result import Result, Row, host_name
from clocksync.ntp.sample import Sample
from clocksync.runtime.units import to_seconds
from clocksync.watching import plot
from clocksync.watching.series import History, Point, Series


def draw(result: Result, path: Path) -> int:
    """Draw the pairs that have an offset, those of most exchanges if they are many; how many.

    Raises:
        MissingExtra: the extra ``plot`` is missing.
        BadConfig: there is nothing to draw, or no place for it.
    """
    history = History()
    for row in result.rows:
        if row.headline is not None and len(history.series) < plot.HOSTS_MAX:
            series = _series(row, row.headline.course.samples)
            history.series[series.host] = series
    return plot.draw(history, path, "offset, the server's minus the other's", is_even=False)


def _series(row: Row, samples: list[Sample]) -> Series:
    client, server = host_name(row.pair, False), host_name(row.pair, True)
    protocol = row.pair.protocol.value
    if row.relative_to == "client":
        series = Series(f"{server} − {client}, {protocol}")
    else:
        series = Series(f"{server} − the capture's clock, {protocol} with {client}")
    for sample in samples:
        offset = to_seconds(sample.offset_ns)
        bound = to_seconds(path_bound_ns(sample))
        series.add(Point(to_seconds(sample.t4), offset, bound, True, offset))
    return series
