"""Key files: the keys of a group in a text file that only its owner can read.  [I/O]

::

    # Keys of a group ...
    1 accepted 5f0c...
    2 used 91d3...

A number, whether it is used or only accepted, 64 hexadecimal digits; the older key first. A file
is replaced whole: written beside, flushed to the disk, renamed. Nothing here, no error either, ever
tells what a line holds.
"""

import os
import re
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from clocksync.runtime.errors import BadConfig
from clocksync.security.keyring import SECRET_BYTES, GroupKey, KeyRing, Step
from clocksync.security.private_file import BadKeyFile, UnsafeKeyFile, read_private

__all__ = ["BadKeyFile", "UnsafeKeyFile", "generate", "read", "rotate"]

FILE_BYTES_MAX = 4096
USED, ACCEPTED = "used", "accepted"

_HEAD = """\
# Keys of a group. Who can read this file can do everything in the group: keep it secret.
# One key a line, the older first: its number, whether it is used or only accepted, the secret.
# Change it with `clocksync key rotate`.
"""
_LINE = re.compile(rf"(\d{{1,3}}) +({USED}|{ACCEPTED}) +([0-9a-f]{{{2 * SECRET_BYTES}}})", re.ASCII)
_COPY = "copy it from another member, or from a backup"


def read(path: str | os.PathLike[str]) -> KeyRing:
    """The keys in a file.

    Raises:
        BadKeyFile: others could read or change it, or it holds something else.
        OSError: it cannot be read.
    """
    path = Path(path)
    text = read_private(path, FILE_BYTES_MAX, "name one that clocksync key generate wrote")
    if len(text) > FILE_BYTES_MAX:
        raise BadKeyFile(f"{path} is too long for a key file: {_COPY}")
    return _parsed(path, text)


def generate(path: str | os.PathLike[str]) -> KeyRing:
    """Write a file with one fresh key.

    Raises:
        BadConfig: there is a file of this name.
        OSError: it cannot be written.
    """
    path = Path(path)
    ring = KeyRing((GroupKey(1, os.urandom(SECRET_BYTES)),), used=1)
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise BadConfig(
            f"{path} is there already, and no key is overwritten: name another file"
        ) from None
    with _written(path, file, path) as new:
        os.fchmod(new.fileno(), 0o600)  # whatever the umask
        new.write(_text(ring))
    _sync_folder(path)
    return ring


def rotate(path: str | os.PathLike[str]) -> tuple[Step, KeyRing]:
    """Take the next step from the key that is used to a new one; see :meth:`KeyRing.rotated`.

    Raises:
        BadKeyFile: as :func:`read` does.
        OSError: the file cannot be read or replaced.
    """
    step, ring = read(path).rotated(os.urandom(SECRET_BYTES))
    _replace(Path(path).resolve(), ring)  # a link stays a link, to the new file
    return step, ring


def _parsed(path: Path, text: bytes) -> KeyRing:
    keys: list[GroupKey] = []
    used: list[int] = []
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.decode("ascii", "replace").strip()
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None or int(match[1]) > 255:
            raise BadKeyFile(f"{path}, line {number} is no key: {_COPY}")
        keys.append(GroupKey(int(match[1]), bytes.fromhex(match[3])))
        if match[2] == USED:
            used.append(int(match[1]))
    if not keys:
        raise BadKeyFile(f"{path} holds no key: {_COPY}")
    if len(used) != 1:
        raise BadKeyFile(f"{path}: {len(used)} keys are used instead of one: {_COPY}")
    try:
        return KeyRing(tuple(keys), used[0])
    except BadConfig as error:
        raise BadKeyFile(f"{path}: {error}: {_COPY}") from None


def _replace(path: Path, ring: KeyRing) -> None:
    with _blaming(path):
        status = path.stat()
        file, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600
    with _written(path, file, Path(name)) as new:
        if (status.st_uid, status.st_gid) != (os.geteuid(), os.getegid()):
            os.fchown(new.fileno(), status.st_uid, status.st_gid)
        os.fchmod(new.fileno(), stat.S_IMODE(status.st_mode))
        new.write(_text(ring))
    _sync_folder(path)


def _text(ring: KeyRing) -> bytes:
    lines = [
        f"{key.id} {USED if key.id == ring.used else ACCEPTED} {key.secret.hex()}\n"
        for key in ring.keys
    ]
    return (_HEAD + "".join(lines)).encode("ascii")


@contextmanager
def _written(path: Path, file: int, name: Path) -> Iterator[BinaryIO]:
    """Write a new file through to the disk, and rename it to `path`; if that fails it is gone."""
    try:
        with _blaming(path):
            with os.fdopen(file, "wb") as new:
                yield new
                new.flush()
                os.fsync(new.fileno())
            name.replace(path)
    except BaseException:
        name.unlink(missing_ok=True)
        raise


@contextmanager
def _blaming(path: Path) -> Iterator[None]:
    """Name the key file in what the system says: of a descriptor it says no name."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from None


def _sync_folder(path: Path) -> None:
    """Make the new name durable, where folders can be flushed."""
    with suppress(OSError):
        folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
