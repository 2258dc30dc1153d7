"""What a member must find again after a crash, on disk.  [I/O]

One small file, replaced whole: written beside, flushed to the disk, renamed, the directory flushed.
A crash leaves the old state or the new one. A lock keeps two processes from being one member.
"""

import fcntl
import json
import os
from pathlib import Path
from zlib import crc32

from clocksync.runtime.errors import BadConfig
from vsync.events import BootState

STATE, LOCK = "ring.json", "lock"


class Storage:
    """The directory of one member.

    Raises:
        BadConfig: it cannot be used, is in use, or holds something else.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = os.open(self.folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise BadConfig(f"--state {self.folder}: {error.strerror}") from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            raise BadConfig(
                f"--state {self.folder} is in use: another process is this member"
            ) from None

    def load(self) -> BootState | None:
        """What was kept; None if nothing ever was.

        Raises:
            BadConfig: the file is damaged.
        """
        path = self.folder / STATE
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise BadConfig(f"{path}: {error.strerror}") from None
        try:
            kept = json.loads(text)
            state = BootState(int(kept["ring_sequence"]), int(kept["reserved_until"]))
            if kept["check"] != _check(state):
                raise ValueError("check")
        except (ValueError, KeyError, TypeError):
            raise BadConfig(
                f"{path} is damaged: remove it, and this member starts as one that lost its disk"
            ) from None
        return state

    def save(self, state: BootState) -> None:
        """Make it durable.

        Raises:
            OSError: it could not be written.
        """
        text = json.dumps(
            {
                "ring_sequence": state.ring_sequence,
                "reserved_until": state.reserved_until,
                "check": _check(state),
            }
        )
        new = self.folder / f"{STATE}.new"
        file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.write(file, text.encode() + b"\n")
            os.fsync(file)
        finally:
            os.close(file)
        new.replace(self.folder / STATE)
        directory = os.open(self.folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def close(self) -> None:
        os.close(self._lock)


class Forgetful:
    """No disk: a restart is a new member that knows nothing of the past."""

    def load(self) -> BootState | None:
        return None

    def save(self, state: BootState) -> None:
        pass

    def close(self) -> None:
        pass


def _check(state: BootState) -> int:
    return crc32(f"{state.ring_sequence} {state.reserved_until}".encode())
