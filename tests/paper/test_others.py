"""Claims of other papers and RFCs, one test each."""

import random
import socket
import time

import clocksync
from clocksync.ntp.association import Association
from clocksync.ntp.packet import NtpPacket
from clocksync.ntp.responder import Reference, Responder
from clocksync.ntp.sample import Sample
from clocksync.ntp.selection import select
from clocksync.runtime.core import Stamp, StampSource
from clocksync.runtime.interval import Interval
from clocksync.runtime.units import SECOND

NOW = 1_790_000_000 * SECOND


def test_cristian_1989_the_error_is_at_most_half_the_round_trip() -> None:
    """Probabilistic clock synchronization, section 4: however the delay is split between the two
    ways, the server's clock is within half the round trip of its reading's middle."""
    for there in range(0, 1_001, 50):
        truth = 123
        one = Sample(
            t1=0,
            t2=there + truth,
            t3=there + truth,
            t4=1_000,
            root_delay_ns=0,
            root_dispersion_ns=0,
            precision_ns=0,
            source=StampSource.KERNEL,
            interleaved=False,
        )
        assert abs(one.offset_ns - truth) <= one.raw_delay_ns / 2


def test_marzullo_1984_his_examples() -> None:
    """Maintaining the time in a distributed system: the smallest interval consistent with the
    largest number of sources."""
    first = select([Interval(8, 12), Interval(11, 13), Interval(10, 12)])
    assert first.agreed == Interval(11, 12)
    second = select([Interval(8, 12), Interval(11, 13), Interval(14, 15)])
    assert second.agreed == Interval(11, 12)


def test_rfc_9769_section_2_an_interleaved_answer_tells_when_the_one_before_left() -> None:
    """Client: origin is the receive timestamp of the last answer. Server: origin is the request's
    receive timestamp, transmit is the measured departure of the answer before."""
    client, server = Association(random.Random(7)), Responder(Reference(stratum=1))
    late_ns, received = 40_000, 0
    for turn in range(3):
        at = NOW + turn * SECOND
        request, exchange = client.request()
        exchange.left(Stamp(at, StampSource.KERNEL))
        if turn:
            assert request.origin_timestamp == received
        received_at = at + 10_000
        answer = server.answer(request, "client", received_at, received_at, at)
        assert answer is not None
        received = answer.packet.receive_timestamp
        if turn:
            assert answer.packet.origin_timestamp == request.receive_timestamp
        server.departed(received, received_at + late_ns)
        arrived = Stamp(received_at + late_ns + 10_000, StampSource.KERNEL)
        assert client.on_reply(answer.packet, arrived).accepted
    first, second, _ = client.samples
    assert first.interleaved
    assert second.interleaved
    assert abs(second.t3 - second.t2 - late_ns) <= 1
    assert abs(second.offset_ns) <= 1


def test_rfc_9109_section_3_every_measurement_leaves_from_a_port_of_its_own() -> None:
    """An attacker off the path must not be able to guess the port."""
    ports = set()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(5)
        host = f"127.0.0.1:{server.getsockname()[1]}"
        for _ in range(8):
            clocksync.measure_sync([host], samples=1, timeout_ns=10_000_000, burst=True)
            _, (_, port) = server.recvfrom(2048)
            ports.add(port)
    assert len(ports) > 4
    assert 123 not in ports


def test_the_transmit_field_of_a_request_tells_nothing_of_our_clock() -> None:
    """Data minimisation (draft-ietf-ntp-data-minimization, section 4): it is random, and so is
    every other field that could tell one client from another zero."""
    requests = [Association(random.Random(n)).request()[0] for n in range(64)]
    assert len({request.transmit_timestamp for request in requests}) == 64
    spread = {request.transmit_timestamp >> 60 for request in requests}
    assert len(spread) > 8  # its first bits too: no clock is in it
    for request in requests:
        same = NtpPacket(mode=3, transmit_timestamp=request.transmit_timestamp)
        assert request == same


def test_spanner_2012_the_interval_contains_the_time_and_grows() -> None:
    """TrueTime, section 3: [earliest, latest] contains the absolute time; uncertainty grows
    between synchronisations by the drift allowed for."""
    anchor = clocksync.Anchor(Interval(NOW - 5, NOW + 5), time.monotonic_ns() - SECOND)
    clock = clocksync.BoundedClock(anchor, max_drift_ppm=200)
    before = time.monotonic_ns()
    interval = clock.now()
    after = time.monotonic_ns()
    # The reading was taken somewhere between the two: however long we were not scheduled there.
    assert interval.earliest <= NOW + (after - anchor.monotonic_ns) + 5
    assert interval.latest >= NOW + (before - anchor.monotonic_ns) - 5
    assert interval.width >= 10 + 2 * 200_000
