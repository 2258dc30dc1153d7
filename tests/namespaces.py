"""Hosts on one machine: Linux network namespaces joined by veth, or by a bridge.

::

    with pair() as (left, right):
        left.run(["ping", "-c1", right.ipv4])
        with left.inside():                # this thread's sockets are born in `left` now
            client = socket.socket(...)
        right.lose(0.2)                    # of the UDP datagrams that arrive at `right`
        left.cut()                         # pull the cable
        left.restore()

All hosts read one system clock, so the true offset between any two of them is exactly 0. Names hold
this process's id and a counter: any number of test processes may make hosts at the same time. What
is made is removed at the end of the ``with``, and at the latest when the process exits. Loss comes
from nftables, because not every kernel has ``tc netem``; delay, duplication and reordering come
from :mod:`tests.relay`.

A test that asks for hosts where there can be none is skipped with the reason. Where
``CLOCKSYNC_REQUIRE_PEERS`` is set, as in CI, it fails instead.
"""

import atexit
import ctypes
import itertools
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tools import peers

_COMMAND_TIMEOUT_S = 60.0
_CARRIES_TIMEOUT_S = 60.0
_CLONE_NEWNET = 0x40000000  # linux/sched.h
_counter = itertools.count()
_alive: dict[str, None] = {}  # names of the namespaces that exist, in the order they were made


def stop_test(reason: str) -> NoReturn:
    """Skip the running test for `reason`, or fail it where nothing may be skipped."""
    if os.environ.get("CLOCKSYNC_REQUIRE_PEERS"):
        pytest.fail(f"CLOCKSYNC_REQUIRE_PEERS is set, but {reason}", pytrace=False)
    pytest.skip(reason)


@cache
def unavailable() -> str | None:
    """Why no namespace can be made here, in words; None where one can."""
    if not sys.platform.startswith("linux"):
        return "network namespaces are Linux's"
    if os.geteuid() != 0:
        return "making network namespaces takes root"
    if shutil.which("ip") is None:
        return "the command ip is missing: apt-get install iproute2"
    name = _new_name()
    made = _try(["ip", "netns", "add", name])
    if made.returncode:
        return f"no network namespace can be made here: {made.stderr.strip()}"
    _try(["ip", "netns", "del", name])
    return None


class Host:
    """One network namespace with one network card. Made by :func:`pair` and :func:`bridge`."""

    def __init__(self, name: str, number: int) -> None:
        self.name = name
        self.device = "eth0"
        self.ipv4 = f"10.77.0.{number}"
        self.ipv6 = f"fd77::{number:x}"
        self.link_local = f"fe80::77:{number:x}%{self.device}"
        self._cable: list[tuple[str, str]] = []  # its ends: namespace and card

    def command(self, arguments: Sequence[str]) -> list[str]:
        """The command line that runs `arguments` in this host."""
        return ["ip", "netns", "exec", self.name, *arguments]

    def run(
        self, arguments: Sequence[str], timeout_s: float = _COMMAND_TIMEOUT_S
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end in this host; its output is in the result.

        Raises:
            subprocess.CalledProcessError: it failed.
            subprocess.TimeoutExpired: it did not end in time and was killed.
        """
        return subprocess.run(
            self.command(arguments),
            env=peers.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=True,
        )

    def popen(self, arguments: Sequence[str], **options: object) -> "subprocess.Popen[bytes]":
        """Start a command in this host. Its pid is the process's own: ``ip`` makes way for it."""
        options = {"stdin": subprocess.DEVNULL, "env": peers.environment(), **options}
        return subprocess.Popen(self.command(arguments), **options)  # type: ignore[call-overload,no-any-return]

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Move the calling thread into this host for the time of the ``with``.

        A socket stays in the host it was born in, so it may be used afterwards from anywhere.
        Threads and processes started inside are born inside as well.
        """
        with Path("/proc/thread-self/ns/net").open("rb") as home:
            with Path("/run/netns", self.name).open("rb") as there:
                _enter(there.fileno())
            try:
                yield
            finally:
                _enter(home.fileno())

    def cut(self) -> None:
        """Take this host's card down: what it sends fails at once, its neighbours hear nothing."""
        self._ip("link", "set", self.device, "down")

    def restore(self) -> None:
        """Take the card up again, with the addresses it had; returns when the cable carries."""
        self._ip("link", "set", self.device, "up")
        wait_until_they_carry(self._cable)

    def lose(
        self,
        share: float,
        port: int | None = None,
        sender: str | None = None,
        to: str | None = None,
        above: int | None = None,
    ) -> None:
        """Lose this share of the UDP datagrams that arrive here (to `port`, else to any; from the
        address `sender`, else from anybody; sent to the address or network `to`, else to any;
        longer than `above` bytes, else of any length).

        It replaces the share given before; 0 loses none and 1 all, which is silence without an
        error at the sender. Neighbour discovery and ICMP are spared.
        """
        which = f"udp dport {port}" if port else "meta l4proto udp"
        if sender:
            which = f"{_family(sender)} saddr {sender} {which}"
        if to:
            which = f"{_family(to)} daddr {to} {which}"
        if above:
            which = f"{which} meta length > {above}"
        chance = f"numgen random mod 1000000 < {round(share * 1_000_000)}" if share < 1 else ""
        self._nft("add table inet clocksync\ndelete table inet clocksync\n")
        if share > 0:
            self._nft(
                "add table inet clocksync\n"
                "add chain inet clocksync arriving { type filter hook input priority 0; }\n"
                f"add rule inet clocksync arriving {which} {chance} counter drop\n"
            )

    def _ip(self, *arguments: str) -> None:
        _check(["ip", "-n", self.name, *arguments])

    def _nft(self, script: str) -> None:
        try:
            program = peers.command("nft")
        except peers.PeersMissing as error:
            stop_test(str(error))
        _check(self.command([*program, "-f", "-"]), script)

    def _set_up(self) -> None:
        # A link taken down loses its IPv6 addresses otherwise, and restore() would not restore.
        self.run(["sysctl", "-qw", "net.ipv6.conf.all.keep_addr_on_down=1"])
        self._ip("link", "set", "lo", "up")
        self._ip("address", "add", f"{self.ipv4}/24", "broadcast", "+", "dev", self.device)
        # Without nodad an address may not be used for a second or two.
        for address in (self.ipv6, self.link_local.partition("%")[0]):
            self._ip("address", "add", f"{address}/64", "dev", self.device, "nodad")
        self._ip("link", "set", self.device, "up")
        self._ip("route", "add", "224.0.0.0/4", "dev", self.device)

    def __repr__(self) -> str:
        return f"Host({self.name}, {self.ipv4}, {self.ipv6})"


@contextmanager
def pair() -> Iterator[tuple[Host, Host]]:
    """Two hosts joined by a cable of their own: the shortest path there is."""
    _require()
    with ExitStack() as stack:
        left, right = (Host(stack.enter_context(_namespace()), n) for n in (1, 2))
        left_end = ["ip", "link", "add", left.device, "netns", left.name]
        _check([*left_end, "type", "veth", "peer", "name", right.device, "netns", right.name])
        for host in (left, right):
            host._cable = [(left.name, left.device), (right.name, right.device)]
            host._set_up()
        wait_until_they_carry(left._cable)
        yield left, right


@contextmanager
def bridge(count: int) -> Iterator[list[Host]]:
    """`count` hosts (at most 250) on one switch that floods multicast to all of them."""
    if not 1 <= count <= 250:
        raise ValueError(f"a bridge here takes 1 to 250 hosts, not {count}")
    _require()
    with ExitStack() as stack:
        switch = stack.enter_context(_namespace())
        _check(["ip", "-n", switch, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0"])
        _check(["ip", "-n", switch, "link", "set", "br0", "up"])
        hosts = [Host(stack.enter_context(_namespace()), n + 1) for n in range(count)]
        for number, host in enumerate(hosts, start=1):
            port = f"port{number}"
            card = ["ip", "link", "add", host.device, "netns", host.name]
            _check([*card, "type", "veth", "peer", "name", port, "netns", switch])
            _check(["ip", "-n", switch, "link", "set", port, "master", "br0", "up"])
            host._cable = [(host.name, host.device), (switch, port)]
            host._set_up()
        wait_until_they_carry(end for host in hosts for end in host._cable)
        yield hosts


def wait_until_they_carry(ends: Iterable[tuple[str, str]]) -> None:
    """Wait until these cards, each the name of its namespace and its own, pass on what they get.

    The kernel tells a card that its cable is whole, and a switch that a port is, from a work queue,
    which comes late on a busy machine. What is sent before is lost, and nobody is told.
    """
    waiting = set(ends)
    deadline = time.monotonic() + _CARRIES_TIMEOUT_S
    while True:
        for namespace in {name for name, _ in waiting}:
            for card in json.loads(_check(["ip", "-n", namespace, "-j", "-d", "link", "show"])):
                if _carries(card):
                    waiting.discard((namespace, card["ifname"]))
        if not waiting:
            return
        if time.monotonic() > deadline:
            raise RuntimeError(f"these cards never came to carry anything: {sorted(waiting)}")
        # The kernel tells nobody here when it has come to it: asking again is all there is.
        time.sleep(0.005)


def _carries(card: dict[str, Any]) -> bool:
    """Whether a card, as ``ip -j -d link`` shows it, has its queue, and its switch lets it."""
    port = card.get("linkinfo", {}).get("info_slave_data", {})
    is_open = port.get("state", "forwarding") == "forwarding"
    return bool(is_open and card["operstate"] == "UP" and card["qdisc"] != "noop")


def _family(address: str) -> str:
    """As nftables calls the protocol of an address."""
    return "ip6" if ":" in address else "ip"


def _require() -> None:
    reason = unavailable()
    if reason:
        stop_test(reason)


def _new_name() -> str:
    return f"clocksync-{os.getpid()}-{next(_counter)}"


@contextmanager
def _namespace() -> Iterator[str]:
    name = _new_name()
    _check(["ip", "netns", "add", name])
    _alive[name] = None
    try:
        yield name
    finally:
        _remove(name)


def _remove(name: str) -> None:
    _try(["ip", "netns", "del", name])
    _alive.pop(name, None)


@atexit.register
def _remove_all() -> None:
    # A child made by fork runs this as well, and has no business removing its parent's hosts.
    for name in [name for name in _alive if name.startswith(f"clocksync-{os.getpid()}-")]:
        _remove(name)


def _enter(descriptor: int) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if library.setns(descriptor, _CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, f"setns: {os.strerror(number)}")


def _try(arguments: list[str], text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        arguments,
        env=peers.environment(),
        input=text,
        capture_output=True,
        text=True,
        timeout=_COMMAND_TIMEOUT_S,
        check=False,
    )


def _check(arguments: list[str], text: str = "") -> str:
    """What it printed."""
    finished = _try(arguments, text)
    if finished.returncode:
        raise RuntimeError(f"{' '.join(arguments)} failed: {finished.stderr.strip()}")
    return finished.stdout
