"""Runs an observer over a file or an interface.  [I/O]"""

import gzip
import os
from collections.abc import Callable
from io import BufferedReader
from pathlib import Path

from clocksync.capture.observer import Observer
from clocksync.capture.reader import BadCapture, Bytes, Reader
from clocksync.capture.result import Place, Result, conclude

_GZIP = b"\x1f\x8b"
_EVERY = 8_192
"""Packets between two looks at the progress and at Ctrl-C."""


def read_file(
    path: Path,
    observer: Observer,
    *,
    place: Place | None = None,
    offset_max_ns: int | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    is_stopped: Callable[[], bool] = lambda: False,
) -> Result:
    """Observe a whole capture file, plain or compressed by gzip. `on_progress` is told bytes read
    and bytes in all.

    Raises:
        BadCapture: it is no capture; the message names the file.
        OSError: it cannot be read.
    """
    with path.open("rb") as raw:
        total = os.fstat(raw.fileno()).st_size
        stream = _decompressed(raw)
        try:
            reader = Reader(stream)
            for count, (when, link, data, way) in enumerate(reader):
                if not count % _EVERY:
                    observer.set_resolution(reader.resolution_ns)
                    on_progress(raw.tell() if raw.seekable() else 0, total)
                    if is_stopped():
                        reader.trouble = f"stopped after {count:,} packets"
                        break
                observer.feed(when, link, data, way)
        except BadCapture as error:
            raise BadCapture(f"{path} {error}") from None
    return conclude(
        observer,
        str(path),
        place=place,
        offset_max_ns=offset_max_ns,
        trouble=reader.trouble,
        without_stamp=reader.without_stamp,
    )


def _decompressed(raw: BufferedReader) -> Bytes:
    if raw.peek(2)[:2] != _GZIP:
        return raw
    return _Gunzipped(gzip.GzipFile(fileobj=raw))


class _Gunzipped:
    """Gives what could be decompressed before it fails, which ``read`` would keep to itself."""

    def __init__(self, file: gzip.GzipFile) -> None:
        self._file = file

    def read(self, size: int, /) -> bytes:
        return self._file.read1(size)


def watch_interface(
    interface: str,
    observer: Observer,
    *,
    place: Place | None = None,
    offset_max_ns: int | None = None,
    duration_ns: int | None = None,
    count: int | None = None,
    is_stopped: Callable[[], bool] = lambda: False,
) -> Result:
    """Observe an interface until the time is over, so many packets came, or it is stopped.

    Raises:
        BadConfig: it cannot be captured on.
    """
    from clocksync.capture.live import LiveCapture

    with LiveCapture(interface) as live:
        live.run(observer.feed, duration_ns=duration_ns, count=count, is_stopped=is_stopped)
    return conclude(observer, interface, place=place, offset_max_ns=offset_max_ns)
