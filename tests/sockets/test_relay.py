"""The relay itself: what it promises to do to datagrams, done to counted ones."""

import random
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.relay import Direction, Fate, Relay


def udp_socket(host: str = "127.0.0.1") -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((host, 0))
    sock.settimeout(10)
    return sock


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with udp_socket() as sock:
        yield sock


@pytest.fixture
def client() -> Iterator[socket.socket]:
    with udp_socket() as sock:
        yield sock


def arrivals(
    client: socket.socket, server: socket.socket, payloads: list[bytes], **faults: Any
) -> tuple[list[bytes], Relay]:
    """What reaches the server when the client sends `payloads`, and the relay in between."""
    # A hold that never ends on its own: only successors and `settle` release a datagram.
    faults = {"seed": 1, "hold_ns": 10**12, **faults}
    with Relay(server.getsockname(), **faults) as relay:
        for payload in payloads:
            client.sendto(payload, relay.address)
        relay.settle(arrived=len(payloads))
        return [server.recv(2048) for _ in range(relay.count(Fate.SENT))], relay


def numbered(count: int) -> list[bytes]:
    return [b"datagram %d" % n for n in range(count)]


def test_without_faults_everything_arrives_in_order(
    client: socket.socket, server: socket.socket
) -> None:
    assert arrivals(client, server, numbered(50))[0] == numbered(50)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_each_client_gets_its_own_replies(host: str) -> None:
    with (
        udp_socket(host) as server,
        udp_socket(host) as one,
        udp_socket(host) as other,
        Relay(server.getsockname()[:2], seed=1) as relay,
    ):
        for client in (one, other):
            client.sendto(b"from %d" % client.getsockname()[1], relay.address)
        for _ in range(2):
            payload, sender = server.recvfrom(64)
            server.sendto(payload, sender)
        for client in (one, other):
            payload, sender = client.recvfrom(64)
            assert payload == b"from %d" % client.getsockname()[1]
            assert sender[:2] == relay.address


def test_the_same_seed_gives_the_same_fate_and_another_seed_another(
    client: socket.socket, server: socket.socket
) -> None:
    faults = {
        "loss": 0.3,
        "duplication": 0.3,
        "reordering": 0.3,
        "corruption": 0.3,
        "replay": 0.3,
    }
    first, _ = arrivals(client, server, numbered(50), **faults)
    again, _ = arrivals(client, server, numbered(50), **faults)
    another, _ = arrivals(client, server, numbered(50), **faults, seed=2)
    assert first == again
    assert first != another


def test_one_chance_changed_leaves_the_other_fates_as_they_were(
    client: socket.socket, server: socket.socket
) -> None:
    plain, _ = arrivals(client, server, numbered(50), loss=0.3)
    doubled, _ = arrivals(client, server, numbered(50), loss=0.3, duplication=0.5)
    assert list(dict.fromkeys(doubled)) == plain


def test_what_is_lost_is_counted_and_does_not_arrive(
    client: socket.socket, server: socket.socket
) -> None:
    arrived, relay = arrivals(client, server, numbered(100), loss=0.3)
    assert len(arrived) == 100 - relay.count(Fate.LOST, Direction.FORWARD)
    # Binomial: 100 draws of 0.3 lie outside 10 to 55 once in 10^6; the seed makes it one draw.
    assert 10 < relay.count(Fate.LOST) < 55


def test_a_duplicated_datagram_arrives_twice(client: socket.socket, server: socket.socket) -> None:
    arrived, relay = arrivals(client, server, numbered(5), duplication=1)
    assert sorted(arrived) == sorted(numbered(5) * 2)
    assert relay.count(Fate.DUPLICATED) == 5


def test_a_reordered_datagram_comes_after_its_successor_and_a_last_one_comes_alone(
    client: socket.socket, server: socket.socket
) -> None:
    arrived, _ = arrivals(client, server, [b"a", b"b", b"c", b"d", b"e"], reordering=1)
    assert arrived == [b"b", b"a", b"d", b"c", b"e"]
    with Relay(server.getsockname(), seed=1, reordering=1, hold_ns=1_000_000) as relay:
        client.sendto(b"alone", relay.address)
        assert server.recv(64) == b"alone"


def test_a_corrupted_datagram_differs_in_one_bit(
    client: socket.socket, server: socket.socket
) -> None:
    sent = [random.Random(n).randbytes(48) for n in range(20)]
    arrived, _ = arrivals(client, server, sent, corruption=1)
    flipped = []
    for before, after in zip(sent, arrived, strict=True):
        difference = int.from_bytes(before, "big") ^ int.from_bytes(after, "big")
        assert difference.bit_count() == 1
        flipped.append(difference)
    assert len(set(flipped)) > 10


def test_a_replayed_datagram_is_an_old_one_sent_after_a_new_one(
    client: socket.socket, server: socket.socket
) -> None:
    arrived, relay = arrivals(client, server, numbered(10), replay=1)
    assert relay.count(Fate.REPLAYED) == 9
    # The first has no past: then new and old take turns.
    new, old = [arrived[0], *arrived[1::2]], arrived[2::2]
    assert new == numbered(10)
    assert all(replayed in numbered(n) for n, replayed in enumerate(old, start=1))


def test_faults_can_be_held_to_one_direction(client: socket.socket, server: socket.socket) -> None:
    with Relay(server.getsockname(), seed=1, loss=1, only=Direction.BACK) as relay:
        client.sendto(b"request", relay.address)
        payload, sender = server.recvfrom(64)
        assert payload == b"request"
        server.sendto(b"reply", sender)
        relay.settle(arrived=2)
        assert relay.count(Fate.LOST, Direction.BACK) == 1
        assert relay.count(Fate.LOST, Direction.FORWARD) == 0


def test_each_direction_takes_at_least_its_own_delay(
    client: socket.socket, server: socket.socket
) -> None:
    with Relay(
        server.getsockname(), seed=1, forward_delay_ns=30_000_000, back_delay_ns=2_500_000
    ) as relay:
        began = time.monotonic_ns()
        client.sendto(b"request", relay.address)
        _, sender = server.recvfrom(64)
        midway = time.monotonic_ns()
        server.sendto(b"reply", sender)
        client.recv(64)
        # Lower bounds only: they hold on the slowest machine.
        assert midway - began >= 30_000_000
        assert time.monotonic_ns() - midway >= 2_500_000


def test_a_rewrite_may_swallow_a_datagram_or_add_others(
    client: socket.socket, server: socket.socket
) -> None:
    def rewrite(way: Direction, payload: bytes) -> list[bytes]:
        assert way is Direction.FORWARD
        return [] if payload == b"datagram 0" else [payload, payload.upper()]

    arrived, _ = arrivals(client, server, numbered(2), rewrite=rewrite)
    assert arrived == [b"datagram 1", b"DATAGRAM 1"]


def test_a_rewrite_that_fails_fails_the_test(client: socket.socket, server: socket.socket) -> None:
    def rewrite(way: Direction, payload: bytes) -> list[bytes]:
        raise KeyError("planted")

    with pytest.raises(KeyError, match="planted"):
        arrivals(client, server, numbered(1), rewrite=rewrite)


def test_a_closed_server_is_silence_and_not_a_crash(client: socket.socket) -> None:
    with udp_socket() as closed:
        nobody = closed.getsockname()
    with Relay(nobody, seed=1) as relay:
        for payload in numbered(5):
            client.sendto(payload, relay.address)
        relay.settle(arrived=5)
        assert relay.count(Fate.SENT, Direction.BACK) == 0


def test_a_chance_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="must lie in 0 to 1: 20"):
        Relay(("127.0.0.1", 1), seed=1, loss=20)
