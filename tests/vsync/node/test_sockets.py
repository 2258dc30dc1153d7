"""Datagrams out and in: in order, whole, with and without segment offload."""

import select
import socket
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clocksync.runtime import kernel
from tests.vsync.node.loopback import free_ports
from vsync.node.sockets import SEGMENTED_BYTES_MAX, SEGMENTS_MOST, Sockets, _runs

SIZES = st.lists(st.sampled_from([0, 1, 99, 100, 1400, 1472, 9000, 60_000]), max_size=100)


@pytest.fixture(params=[True, False], ids=["offload", "plain"])
def ends(request):
    ports = free_ports(2)
    at = {n: ("127.0.0.1", port) for n, port in enumerate(ports, 1)}
    one = Sockets(at[1], {2: at[2]}, offload=request.param)
    other = Sockets(at[2], {1: at[1]}, offload=request.param)
    yield one, other
    one.close()
    other.close()


def received(sockets, count):
    got = []
    ends = time.monotonic() + 5
    while len(got) < count and time.monotonic() < ends:
        select.select([sockets.sock], [], [], 0.1)
        got += [
            bytes(data)
            for datagrams in sockets.receive([sockets.sock.fileno()])
            for data in datagrams
        ]
    return got


@pytest.mark.parametrize("sizes", [[1], [1472] * 100, [1472, 1472, 10, 1472], [0, 5], [5, 9, 9, 2]])
def test_what_is_sent_arrives_in_order(ends, sizes):
    one, other = ends
    sent = [bytes([n % 256]) * size for n, size in enumerate(sizes)]
    one.send(sent, (2,))
    assert received(other, len(sent)) == sent


@pytest.mark.parametrize("stamping", [True, False], ids=["stamped", "unstamped"])
def test_what_comes_many_at_a_time_comes_apart_whether_it_is_stamped_or_not(ends, stamping):
    """Reads of a batch tell the size of their parts in control messages, beside stamps or alone."""
    one, other = ends
    if not stamping and kernel.IS_LINUX:
        other.sock.setsockopt(socket.SOL_SOCKET, kernel.SO_TIMESTAMPING, 0)
    sent = [bytes([n]) * 1000 for n in range(200)]
    for start in range(0, 200, 20):
        one.send(sent[start : start + 20], (2,))
    assert received(other, 200) == sent


@pytest.mark.skipif(not kernel.IS_LINUX, reason="kernel stamps are Linux's")
@pytest.mark.parametrize("others", [0, 1, 40])
def test_arrivals_and_departures_are_stamped_by_the_kernel(ends, others):
    one, other = ends
    before = time.time_ns()
    one.send([b"%d" % n for n in range(others)], (2,))
    one.send_stamped(b"asked", 2, "tag")
    one.send_stamped(b"asked too", 2, "another")
    arrivals = {}
    deadline = time.monotonic() + 5
    while len(arrivals) < 2 and time.monotonic() < deadline:
        select.select([other.sock], [], [], 0.1)
        for datagrams in other.receive([other.sock.fileno()]):
            arrivals |= {bytes(d): other.arrival for d in datagrams if d[:5] == b"asked"}
    one.read_errors()
    departures = dict(one.departed)
    assert set(departures) == {"tag", "another"}
    assert before < departures["tag"] <= departures["another"] < time.time_ns()
    for name, tag in ((b"asked", "tag"), (b"asked too", "another")):
        assert before < arrivals[name] < time.time_ns()
        assert departures[tag] <= arrivals[name]
    one.send_stamped(b"x", 9, "nobody")
    assert one.counters["no address"] == 1


def test_what_is_larger_than_any_datagram_is_counted_not_raised(ends):
    one, other = ends
    one.send([bytes(70_000), b"after"], (2,))
    assert received(other, 1) == [b"after"]
    assert one.counters["too large for the path"] == 1


def test_a_member_without_an_address_is_counted_not_raised(ends):
    one, _ = ends
    one.send([b"x"], (9,))
    assert one.counters["no address"] == 1


def test_a_closed_port_is_told_as_unreachable_and_breaks_nothing(ends):
    one, other = ends
    other.close()
    one.send([b"x"] * 3, (2,))
    ends_at = time.monotonic() + 5
    while not one.unreachable and time.monotonic() < ends_at:
        one.read_errors()
    assert one.unreachable == {2}
    assert list(one.receive([one.sock.fileno()])) == []
    one.send([b"y"], (2,))


@given(SIZES)
@settings(max_examples=50)
def test_runs_are_what_one_call_takes(sizes):
    datagrams = [bytes(size) for size in sizes]
    runs = _runs(datagrams)
    assert [data for _, run in runs for data in run] == datagrams
    for size, run in runs:
        assert all(len(data) == size for data in run[:-1])
        assert len(run[-1]) <= size
        assert len(run) <= SEGMENTS_MOST
        assert len(run) == 1 or sum(map(len, run)) <= SEGMENTED_BYTES_MAX
