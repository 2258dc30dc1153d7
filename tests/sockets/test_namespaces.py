"""The namespaces themselves: hosts that reach each other, and what separates them."""

import errno
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import namespaces
from tests.namespaces import Host, bridge, pair, stop_test

pytestmark = pytest.mark.namespaces


@pytest.fixture(scope="module")
def hosts() -> Iterator[tuple[Host, Host]]:
    with pair() as both:
        yield both


def open_socket(host: Host, address: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with host.inside():
        sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.bind((address, 0))
    sock.settimeout(30)
    return sock


def count_arrivals(left: Host, right: Host, lost: float) -> int:
    """How many of 200 datagrams from `left` arrive at `right` when it loses the share `lost`."""
    with open_socket(left, left.ipv4) as sender, open_socket(right, right.ipv4) as receiver:
        right.lose(lost)
        for _ in range(200):
            sender.sendto(b"counted", receiver.getsockname())
        # What follows the last one through the same queue says that no more will come.
        right.lose(0)
        sender.sendto(b"end", receiver.getsockname())
        return sum(1 for _ in iter(lambda: receiver.recv(8), b"end"))


@pytest.mark.parametrize("version", ["ipv4", "ipv6"])
def test_two_hosts_exchange_datagrams(hosts: tuple[Host, Host], version: str) -> None:
    left, right = hosts
    ours, theirs = getattr(left, version), getattr(right, version)
    with open_socket(left, ours) as client, open_socket(right, theirs) as server:
        client.sendto(b"ping", server.getsockname())
        payload, sender = server.recvfrom(64)
        assert (payload, sender[0]) == (b"ping", ours)


def test_a_thread_that_entered_a_host_comes_back(hosts: tuple[Host, Host]) -> None:
    here = Path("/proc/thread-self/ns/net").readlink()

    def fail_inside() -> None:
        with hosts[0].inside():
            assert Path("/proc/thread-self/ns/net").readlink() != here
            raise KeyError

    with pytest.raises(KeyError):
        fail_inside()
    assert Path("/proc/thread-self/ns/net").readlink() == here


def test_other_threads_stay_where_they_are_while_one_enters_a_host(
    hosts: tuple[Host, Host],
) -> None:
    here = Path("/proc/thread-self/ns/net").readlink()
    seen = []
    may_look, looked = threading.Event(), threading.Event()

    def look() -> None:
        may_look.wait(30)
        seen.append(Path("/proc/thread-self/ns/net").readlink())
        looked.set()

    thread = threading.Thread(target=look)
    thread.start()
    with hosts[0].inside():
        may_look.set()
        assert looked.wait(30)
    thread.join()
    assert seen == [here]


def test_a_command_runs_in_its_host_and_its_failure_raises(hosts: tuple[Host, Host]) -> None:
    left, right = hosts
    script = f"import socket; socket.socket().bind(('{left.ipv4}', 0))"
    left.run([sys.executable, "-c", script])
    with pytest.raises(subprocess.CalledProcessError):
        right.run([sys.executable, "-c", script])


def test_a_cut_cable_carries_nothing_and_a_restored_one_does(hosts: tuple[Host, Host]) -> None:
    left, right = hosts
    for version in ("ipv4", "ipv6"):
        ours, theirs = getattr(left, version), getattr(right, version)
        with open_socket(left, ours) as client, open_socket(right, theirs) as server:
            left.cut()
            with pytest.raises(OSError) as caught:
                client.sendto(b"lost", server.getsockname())
            assert caught.value.errno in (errno.ENETUNREACH, errno.EADDRNOTAVAIL)
            left.restore()
            client.sendto(b"here", server.getsockname())
            assert server.recv(64) == b"here"


def test_loss_takes_its_share_of_datagrams_and_can_be_lifted(hosts: tuple[Host, Host]) -> None:
    left, right = hosts
    assert count_arrivals(left, right, lost=0) == 200
    # Binomial: 200 draws of one half lie outside 50 to 150 once in 10^12.
    assert 50 < count_arrivals(left, right, lost=0.5) < 150
    assert count_arrivals(left, right, lost=1) == 0
    assert count_arrivals(left, right, lost=0) == 200


def test_what_a_host_loses_is_lost_in_that_direction_only(hosts: tuple[Host, Host]) -> None:
    left, right = hosts
    right.lose(1)
    try:
        assert count_arrivals(right, left, lost=0) == 200
    finally:
        right.lose(0)


def test_multicast_over_a_bridge_reaches_every_other_host() -> None:
    with bridge(3) as (sender, *others):
        receivers = []
        for host in others:
            with host.inside():
                receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            receiver.bind(("239.1.1.1", 5000))
            group = socket.inet_aton("239.1.1.1") + socket.inet_aton(host.ipv4)
            receiver.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
            receiver.settimeout(30)
            receivers.append(receiver)
        with open_socket(sender, sender.ipv4) as sock:
            sock.sendto(b"to all", ("239.1.1.1", 5000))
        for receiver in receivers:
            with receiver:
                assert receiver.recv(64) == b"to all"


def test_nothing_is_left_behind_when_the_block_fails() -> None:
    made: list[Host] = []

    def fail_inside() -> None:
        with pair() as hosts:
            made.extend(hosts)
            assert all(Path("/run/netns", host.name).exists() for host in made)
            raise KeyError

    with pytest.raises(KeyError):
        fail_inside()
    assert len(made) == 2
    assert not any(Path("/run/netns", host.name).exists() for host in made)
    assert not any(host.name in namespaces._alive for host in made)


def test_a_test_that_cannot_have_its_hosts_is_skipped_but_fails_where_nothing_may_be_skipped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(namespaces, "unavailable", lambda: "there is no network here")
    monkeypatch.delenv("CLOCKSYNC_REQUIRE_PEERS", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no network here"), pair():
        pass
    monkeypatch.setenv("CLOCKSYNC_REQUIRE_PEERS", "1")
    with pytest.raises(pytest.fail.Exception, match="no network here"), pair():
        pass
    with pytest.raises(pytest.fail.Exception, match="any other reason"):
        stop_test("any other reason")


def test_a_card_carries_once_it_has_its_queue_and_its_port_of_the_switch_is_open() -> None:
    open_port = {"info_slave_data": {"state": "forwarding"}}
    carrying = {"operstate": "UP", "qdisc": "noqueue"}
    assert namespaces._carries(carrying)
    assert namespaces._carries({**carrying, "linkinfo": open_port})
    for lacking in (
        {"qdisc": "noop"},
        {"operstate": "LOWERLAYERDOWN"},
        {"linkinfo": {"info_slave_data": {"state": "disabled"}}},
    ):
        assert not namespaces._carries({**carrying, **lacking})


def test_all_ends_of_all_cables_carry_when_hosts_are_given_and_when_one_is_restored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with bridge(2) as hosts:
        hosts[1].cut()
        # A host without a cable would be waited for until the end of patience.
        monkeypatch.setattr(namespaces, "_CARRIES_TIMEOUT_S", 0.1)
        with pytest.raises(RuntimeError, match="never came to carry"):
            namespaces.wait_until_they_carry(hosts[1]._cable)
        monkeypatch.undo()
        hosts[1].restore()
        namespaces.wait_until_they_carry(end for host in hosts for end in host._cable)
