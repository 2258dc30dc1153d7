"""Asking a running member how it is: a local socket, one answer to each connection.  [I/O]

Whoever connects gets one line of JSON and the end of the stream. Nothing is read from them, so
there is nothing to send that could do harm; one thread answers one after the other, and gives each
two seconds to take it. The socket is its owner's only (mode 0600).
"""

import errno
import hashlib
import json
import os
import re
import socket
import stat
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from clocksync.runtime.errors import BadConfig
from vsync.node.observing import SCHEMA, NoAnswer, Observer

SUFFIX = ".sock"
ANSWER_BYTES_MAX = 1 << 18
SAMPLE_EVERY_S = 1.0
TAKE_S = 2.0
ASK_S = 5.0
PATH_BYTES_MAX = 100
"""Linux takes 107, others a few less."""
NAME_MAX = 40


class NoStatus(BadConfig):
    """Nobody answers there; the message is one line: what is wrong, what to do."""


def default_folder() -> Path:
    """Where the sockets of this user's members lie: `/run/vsync` for root, else
    `$XDG_RUNTIME_DIR/vsync`, else a folder of the user's own under the temporary folder."""
    if os.geteuid() == 0:
        return Path("/run/vsync")
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and Path(runtime).is_absolute():
        return Path(runtime) / "vsync"
    return Path(tempfile.gettempdir()) / f"vsync-{os.geteuid()}"


def private_folder(folder: Path) -> Path:
    """Make a folder that only we can change, or see that it is one.

    Raises:
        BadConfig: it cannot be made, or others could put things into it.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.lstat()
    except OSError as error:
        raise BadConfig(
            f"{folder} cannot be made: {error.strerror}; name another place (--status-socket)"
        ) from None
    _check_folder(folder, status)
    return folder


def _check_folder(folder: Path, status: os.stat_result) -> None:
    if not stat.S_ISDIR(status.st_mode):
        raise BadConfig(f"{folder} is no folder: remove it, or name another place")
    # Root may look into what another user keeps; what root keeps is right for everybody.
    if status.st_uid not in (os.geteuid(), 0) and os.geteuid() != 0:
        raise BadConfig(f"{folder} belongs to somebody else: remove it, or name another place")
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise BadConfig(f"{folder} can be changed by others: chmod 700 {folder}")


def socket_name(group: str, member: int) -> str:
    """The file name of a member's socket; a long name of a group is cut and told apart by a hash.

    >>> socket_name("orders", 3), socket_name("a/b", 1)
    ('orders-3.sock', 'a%2Fb-1.sock')
    """
    name = quote(group, safe="")
    if len(name) > NAME_MAX:
        digest = hashlib.sha256(group.encode()).hexdigest()[:8]
        name = f"{re.sub('[^A-Za-z0-9_.]', '', group)[:20]}~{digest}"
    return f"{name}-{member}{SUFFIX}"


def placed(where: str | os.PathLike[str], group: str, member: int) -> Path:
    """The socket's path: `where`, or in it if it is a folder."""
    path = Path(where)
    is_folder = path.is_dir() or os.fspath(where).endswith("/")
    return path / socket_name(group, member) if is_folder else path


class StatusServer:
    """Answers at a path until :meth:`close`.

    Args:
        path: where; a socket that a killed process left there is replaced.

    Raises:
        BadConfig: it cannot be used; the message says why.
    """

    def __init__(self, observer: Observer, path: Path) -> None:
        self.path = path
        self._observer = observer
        self._sock = _bound(path)
        self._made = _identity(path)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="vsync-status", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def close(self) -> None:
        """Answer no more; the path is gone afterwards."""
        self._over.set()
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)  # wakes the thread
        if self._thread.ident is not None:
            self._thread.join(TAKE_S + 1)
        self._sock.close()
        if self._made == _identity(self.path):  # and not another one's that took the place
            self.path.unlink(missing_ok=True)

    def _run(self) -> None:
        self._sock.settimeout(SAMPLE_EVERY_S)
        while not self._over.is_set():
            self._observer.sample()
            try:
                asking, _ = self._sock.accept()
            except TimeoutError:
                continue
            except OSError:
                # We are closing; or out of descriptors, which may pass, and is no reason to spin.
                self._over.wait(SAMPLE_EVERY_S)
                continue
            with asking, suppress(OSError):
                asking.settimeout(TAKE_S)
                asking.sendall(self._answer())

    def _answer(self) -> bytes:
        try:
            told: dict[str, Any] = self._observer.look()
        except NoAnswer as error:
            told = {"schema": SCHEMA, "error": str(error)}
        return json.dumps(told).encode() + b"\n"


def _bound(path: Path) -> socket.socket:
    if len(os.fsencode(path)) > PATH_BYTES_MAX:
        raise BadConfig(f"--status-socket {path}: longer than the {PATH_BYTES_MAX} bytes that fit")
    _make_way(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # Linux makes the file with the mode of the socket; elsewhere it is changed before anybody
        # can connect, which takes listen().
        with suppress(OSError):
            os.fchmod(sock.fileno(), 0o600)
        sock.bind(os.fspath(path))
        path.chmod(0o600)
        sock.listen(8)
    except OSError as error:
        sock.close()
        raise BadConfig(f"--status-socket {path}: {error.strerror or error}") from None
    return sock


def _make_way(path: Path) -> None:
    """Remove a socket that nobody answers at."""
    try:
        status = path.lstat()
    except OSError:
        return  # not there, or bind() will say what is wrong
    if not stat.S_ISSOCK(status.st_mode):
        raise BadConfig(f"--status-socket {path} is there and no socket: name another place")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(TAKE_S)
        try:
            probe.connect(os.fspath(path))
        except ConnectionRefusedError:
            with suppress(OSError):
                path.unlink()
            return
        except OSError as error:
            raise BadConfig(f"--status-socket {path}: {error.strerror or error}") from None
    raise BadConfig(f"--status-socket {path} is in use: another process answers there")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.lstat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


# Asking


def folders() -> list[Path]:
    """Where to look for members: our own default folder, and that of services."""
    return list(dict.fromkeys((default_folder(), Path("/run/vsync"))))


def found() -> Iterator[tuple[str, int, Path]]:
    """The sockets of members that run here: group, number, path.

    Raises:
        BadConfig: a folder is there in which others could have put them.
    """
    for folder in folders():
        try:
            status = folder.lstat()
            entries = sorted(folder.iterdir())
        except OSError:
            continue  # none there, or nothing for us to see
        try:
            _check_folder(folder, status)
        except BadConfig:
            if folder == default_folder():
                raise
            continue  # that of a service, whose user or root may ask
        for path in entries:
            group, _, member = path.name.removesuffix(SUFFIX).rpartition("-")
            if path.name.endswith(SUFFIX) and group and member.isdecimal() and path.is_socket():
                yield unquote(group), int(member), path


def ask(path: Path) -> dict[str, Any]:
    """What the member at this socket tells.

    Raises:
        NoStatus: nobody answers, or something else does.
    """
    try:
        raw = _read(path)
    except OSError as error:
        raise NoStatus(f"{path}: {_why(error)}") from None
    try:
        told = json.loads(raw)
        is_known = isinstance(told, dict) and told["schema"] == SCHEMA
    except (ValueError, KeyError, RecursionError):
        is_known = False
    if not is_known:
        raise NoStatus(f"{path}: no vsync member answers there: look at who listens on it")
    if "error" in told:
        raise NoStatus(f"{path}: {told['error']}")
    return dict(told)


def _read(path: Path) -> bytes:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(ASK_S)
        sock.connect(os.fspath(path))
        parts, size = [], 0
        while size <= ANSWER_BYTES_MAX and (part := sock.recv(1 << 16)):
            parts.append(part)
            size += len(part)
    return b"".join(parts)


def _why(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer in {ASK_S:g} s: the process is stopped or stuck"
    if isinstance(error, ConnectionRefusedError):
        return "nobody listens there any more: the member was killed; it can be removed"
    if isinstance(error, FileNotFoundError):
        return "no such socket: start the member, or name its socket (--socket PATH)"
    if error.errno in (errno.EACCES, errno.EPERM):
        return "not ours to ask: run it as the member's user, or as root"
    return error.strerror or str(error)
