"""[I/O] Reservations: how a clock stays monotone over restarts.

A clock that hands out times up to R has first written "nothing up to R is mine any more" to its
store. After a crash it starts above R, whatever the machine's clock says then. One write serves
all stamps up to the reservation, so the disk is touched once in seconds, not once an event.
"""

import os
import tempfile
from pathlib import Path
from typing import Protocol

from clocksync.runtime.errors import BadConfig


class Store(Protocol):
    """Where one number survives a crash."""

    def load(self) -> int:
        """The number last saved; 0 if none ever was."""

    def save(self, value: int) -> None:
        """Keep `value`. Must not return before it would survive a crash."""


class MemoryStore:
    """A store that survives clocks but not processes: for tests and simulations.

    >>> store = MemoryStore()
    >>> store.save(7)
    >>> store.load()
    7
    """

    def __init__(self, value: int = 0) -> None:
        self.value = value

    def load(self) -> int:
        return self.value

    def save(self, value: int) -> None:
        self.value = value


class FileStore:
    """A store in a file: written beside it, flushed to the disk, then renamed over it.

    A crash at any moment leaves either the old number or the new one. The directory must exist.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def load(self) -> int:
        """The number in the file; 0 where there is no file.

        Raises:
            BadConfig: the file holds no number.
            OSError: it cannot be read.
        """
        try:
            text = self.path.read_text("ascii", errors="replace").strip()
        except FileNotFoundError:
            return 0
        if not text.isdigit() or not text.isascii():
            raise BadConfig(
                f"{self.path} does not hold a reservation ({text[:20]!r}): restore it, or delete "
                "it if no stamp of this process was ever seen by others"
            )
        return int(text)

    def save(self, value: int) -> None:
        """Keep `value` over crashes of the process and of the machine.

        Raises:
            OSError: the disk refuses; the number kept before still stands.
        """
        handle, name = tempfile.mkstemp(prefix=f".{self.path.name}-", dir=self.path.parent)
        beside = Path(name)
        try:
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(f"{value}\n")
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self.path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
        # The rename itself is only safe once the directory is.
        directory = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
