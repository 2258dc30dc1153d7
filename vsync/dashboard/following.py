"""Histories in files that may still grow, read as they grow.  [I/O]"""

import os
from collections.abc import Iterator
from pathlib import Path

from clocksync.runtime.errors import BadConfig
from clocksync.runtime.history import LINE_BYTES_MAX, MalformedHistory

PIECE = 1 << 20


class Followed:
    """A file, read from where the last reading ended. A torn last line waits for its rest; a file
    that was begun anew is read from its beginning.

    Raises:
        BadConfig: there is no such file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise BadConfig(f"{path} cannot be read: {error.strerror}") from None
        self._rest = b""

    @property
    def size(self) -> int:
        """In bytes, now."""
        return os.fstat(self._file.fileno()).st_size

    def lines(self) -> Iterator[bytes]:
        """What is there and new, line by line, each with its newline; at most a piece of it.

        Raises:
            MalformedHistory: a line is too long to be one.
        """
        if self.size < self._file.tell():
            self._file.seek(0)
            self._rest = b""
        read = self._file.read(PIECE)
        *lines, self._rest = (self._rest + read).split(b"\n")
        if len(self._rest) > LINE_BYTES_MAX:
            raise MalformedHistory(f"{self.path}: a line is longer than {LINE_BYTES_MAX} bytes")
        for line in lines:
            yield line + b"\n"

    @property
    def has_more(self) -> bool:
        """Whether there is something that was not read."""
        return self.size != self._file.tell()

    def close(self) -> None:
        """Read no more."""
        self._file.close()
