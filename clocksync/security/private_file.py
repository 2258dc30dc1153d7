"""Reading files that only their owner may read.  [I/O]

What is read is what was looked at: the file is opened first, and then asked what it is.
"""

import os
import shlex
import stat
from pathlib import Path

from clocksync.runtime.errors import BadConfig

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class BadKeyFile(BadConfig):
    """A key file that must not be used; the message is one line: what is wrong, what to do."""


class UnsafeKeyFile(BadKeyFile):
    """A key file that was not even read: it is open to others, or no regular file."""


def read_private(path: Path, bytes_max: int, advice: str = "name another") -> bytes:
    """What a file holds, up to one byte more than `bytes_max`, so that the caller sees that.

    Raises:
        UnsafeKeyFile: others could read or change it, or it is no regular file (then with
            `advice`).
        OSError: it cannot be read.
    """
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # opening a pipe would wait
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            raise UnsafeKeyFile(f"{path} is no regular file: {advice}")
        if status.st_mode & _OTHERS:
            mode = stat.S_IMODE(status.st_mode)
            raise UnsafeKeyFile(
                f"{path} is open to others than its owner (mode {mode:04o}):"
                f" chmod 600 {shlex.quote(str(path))}"
            )
        with os.fdopen(os.dup(file), "rb") as reader:
            return reader.read(bytes_max + 1)
    finally:
        os.close(file)
