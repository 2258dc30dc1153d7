"""The hosts on which commands of the documentation are run: network namespaces.  [I/O]

A shell on one of them sees the others by name, a ``/run`` that is the page's, and the programs of
``make peers``, which cannot touch the machine's clock: :mod:`tools.run_docs` types into it.
"""

import shlex
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from tests import daemons, namespaces
from tools import peers
from tools.transcripts import BadPage

PTP_MASTER = ("masterOnly 1", "hybrid_e2e 1", "clockClass 6", "clockAccuracy 0x23")
DAEMONS: dict[str, Callable[[namespaces.Host], AbstractContextManager[daemons.Daemon]]] = {
    "chronyd": daemons.chrony_server,
    "ptp4l": lambda host: daemons.ptp4l(host, *PTP_MASTER),
    "ptp-slave": lambda host: daemons.ptp4l(host, "slaveOnly 1"),
}
"""What can run on a host before anything is typed there. ``a+b`` runs both."""

LIBRARIES = ("LD_LIBRARY_PATH",)
# A shell of a host has a mount table of its own (`ip netns exec` does that), so nobody else sees.
ENTER = 'mount --bind "$0/.run/hosts" /etc/hosts && mount --bind "$0/.run" /run && exec "$@"'


class NoHosts(Exception):
    """No hosts can be made here; the message says why."""


class StageHosts:
    """The hosts of one page, which end with `stack`.

    Raises:
        NoHosts: there can be none here.
        BadPage: nobody knows how to run what shall run on one.
    """

    def __init__(self, wanted: dict[str, str], folder: Path, stack: ExitStack) -> None:
        self._folder = folder
        self._hosts: dict[str, namespaces.Host] = {}
        if not wanted:
            return
        reason = namespaces.unavailable()
        if reason:
            raise NoHosts(reason)
        made = stack.enter_context(namespaces.bridge(len(wanted)))
        self._hosts = dict(zip(wanted, made, strict=True))
        lines = ["127.0.0.1 localhost", *(f"{h.ipv4} {name}" for name, h in self._hosts.items())]
        (folder / ".run").mkdir(mode=0o700, exist_ok=True)
        (folder / ".run" / "hosts").write_text("\n".join([*lines, ""]), encoding="utf-8")
        _programs(folder / ".bin")
        for name, daemon in wanted.items():
            for each in daemon.split("+") if daemon else ():
                if each not in DAEMONS:
                    raise BadPage(f"nobody knows how to run {each}")
                stack.enter_context(DAEMONS[each](self._hosts[name]))

    def before(self, name: str) -> list[str]:
        """What runs a command on the host `name`."""
        return self._hosts[name].command(["sh", "-c", ENTER, str(self._folder)])


def _programs(folder: Path) -> None:
    """Commands that run what `make peers` has unpacked, without the right to set the clock."""
    folder.mkdir()
    _write(folder / "sudo", 'exec "$@"')  # whoever made hosts is root
    own = peers.environment()
    for name, options in (("chronyd", "-x -U -u root -F 0"), ("chronyc", "")):
        try:
            command = peers.command(name)
        except peers.PeersMissing as error:
            raise NoHosts(str(error)) from None
        exports = [f"export {key}={shlex.quote(own[key])}" for key in LIBRARIES if key in own]
        keep = ["setpriv", "--bounding-set=-sys_time", "--inh-caps=-sys_time"]
        _write(folder / name, *exports, f'exec {shlex.join([*keep, *command])} {options} "$@"')


def _write(path: Path, *lines: str) -> None:
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]), encoding="utf-8")
    path.chmod(0o755)
