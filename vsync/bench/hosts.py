"""Places for the members of a benchmark: network namespaces on one bridge, or loopback.  [I/O]

Names hold the process's id, so that two benchmarks at a time do not meet, and all of it is removed
at the end. Where namespaces cannot be made (no root, no Linux, no ``ip``), members share the
loopback interface: :attr:`Place.why_loopback` says so, since that is a faster network than any
other.
"""

import contextlib
import itertools
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from clocksync.runtime.errors import ToolkitError
from vsync.bench.switch import switched

PORT = 5410
_count = itertools.count()
_OFFLOADS = ("tso", "gso", "gro", "tx-udp-segmentation")
_CHECKSUMS = ("tx", "rx")
"""Whoever reads frames off a link sees those that the sender's kernel has finished."""


class NoPlace(ToolkitError):
    """A namespace could not be made."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where one member runs."""

    address: str
    prefix: tuple[str, ...] = ()
    """What stands before a command that is to run there."""


@dataclass(frozen=True, slots=True)
class Places:
    """All of them."""

    places: tuple[Place, ...]
    why_loopback: str = ""
    offload: bool = True


def why_no_namespaces() -> str:
    """Why none can be made here, in words; empty where one can."""
    if not sys.platform.startswith("linux"):
        return "network namespaces are Linux's"
    if os.geteuid() != 0:
        return "making network namespaces takes root"
    if shutil.which("ip") is None:
        return "there is no `ip` command (iproute2)"
    return ""


@contextmanager
def places(count: int, mtu: int, offload: bool, delay_us: int = 0) -> Iterator[Places]:
    """Places for `count` members.

    Args:
        delay_us: what the way from one to another takes on top. Then the links are joined by
            :mod:`vsync.bench.switch` instead of a bridge, without offload of any kind.

    Raises:
        NoPlace: the system refused.
    """
    reason = why_no_namespaces()
    if reason:
        if delay_us:
            raise NoPlace(f"no delay without network namespaces: {reason}")
        yield Places(tuple(Place(f"127.0.0.1:{port}") for port in _free_ports(count)), reason)
        return
    with ExitStack() as stack:
        tag = f"vb{os.getpid() % 100_000}x{next(_count)}"
        bridge = f"{tag}b"
        if not delay_us:
            _ip("link", "add", bridge, "type", "bridge", "mcast_snooping", "0")
            stack.callback(_quietly, "link", "del", bridge)
            _ip("link", "set", bridge, "mtu", str(mtu), "up")
        made, outsides = [], []
        for n in range(1, count + 1):
            name, outside = f"{tag}n{n}", f"{tag}v{n}"
            _ip("netns", "add", name)
            stack.callback(_quietly, "netns", "del", name)
            _ip("link", "add", outside, "type", "veth", "peer", "name", "eth0", "netns", name)
            # The kernel takes a namespace away when it gets round to it; this goes at once.
            stack.callback(_quietly, "link", "del", outside)
            outsides.append(outside)
            on_bridge = () if delay_us else ("master", bridge)
            _ip("link", "set", outside, "mtu", str(mtu), *on_bridge, "up")
            _ip("-n", name, "addr", "add", f"10.67.0.{n}/24", "dev", "eth0")
            _ip("-n", name, "link", "set", "eth0", "mtu", str(mtu), "up")
            _ip("-n", name, "link", "set", "lo", "up")
            prefix = ("ip", "netns", "exec", name)
            if delay_us or not offload:
                features = (*_OFFLOADS, *_CHECKSUMS) if delay_us else _OFFLOADS
                _switch_off((), outside, features)
                _switch_off(prefix, "eth0", features)
            made.append(Place(f"10.67.0.{n}:{PORT}", prefix))
        if delay_us:
            stack.enter_context(switched(outsides, delay_us))
        yield Places(tuple(made), offload=offload and not delay_us)


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        found = []
        for _ in range(count):
            sock = stack.enter_context(socket.socket(type=socket.SOCK_DGRAM))
            sock.bind(("127.0.0.1", 0))
            found.append(int(sock.getsockname()[1]))
        return found


def _switch_off(prefix: tuple[str, ...], device: str, features: tuple[str, ...]) -> None:
    if shutil.which("ethtool") is None:
        raise NoPlace("links without offload need `ethtool`: apt-get install ethtool")
    for feature in features:  # one by one: not every kernel knows them all
        subprocess.run(
            [*prefix, "ethtool", "-K", device, feature, "off"], capture_output=True, check=False
        )


def _ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoPlace(f"ip {' '.join(arguments)}: {done.stderr.strip()}")


def _quietly(*arguments: str) -> None:
    with contextlib.suppress(NoPlace):
        _ip(*arguments)
