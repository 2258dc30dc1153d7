"""PTP masters are read by an observer, over UDP and Ethernet, one and two steps, TAI and UTC."""

import random

import pytest

from clocksync.capture.book import Clock, Protocol
from clocksync.capture.observer import Observer
from clocksync.capture.result import Row, conclude
from clocksync.ptp.frames import MessageType as Type
from clocksync.ptp.frames import PtpHeader
from clocksync.runtime.units import MILLISECOND, SECOND
from tests.captures import CLIENT, SERVER, START, Stored, ethernet, ipv4

MASTER, SLAVE = b"\1masterx", b"\2slavexx"
TO_OBSERVER, TO_SLAVE = 80_000, 20_000
GROUP = "224.0.1.129"


def message(
    kind: int, clock: bytes, sequence: int, body: bytes, flags: int = 0, correction: int = 0
) -> bytes:
    header = PtpHeader(
        message_type=kind,
        message_length=34 + len(body),
        flags=flags,
        correction=correction << 16,
        source_clock=int.from_bytes(clock, "big"),
        source_port=1,
        sequence=sequence,
    )
    return header.encode() + body


def stamp(time: int) -> bytes:
    seconds, rest = divmod(time, SECOND)
    return seconds.to_bytes(6, "big") + rest.to_bytes(4, "big")


def conversation(
    ahead: int, *, two_step: bool, utc_offset: int = 0, residence: int = 0
) -> list[tuple[int, bool, bytes]]:
    """When each message passed, whether the master sent it, and its bytes. `residence`: spent in a
    transparent clock between master and observer, in either direction, and told."""
    found = []
    for number in range(10):
        begin = START + number * SECOND
        if utc_offset:
            body = stamp(0) + utc_offset.to_bytes(2, "big") + bytes(18)
            found.append((begin - 1, True, message(Type.ANNOUNCE, MASTER, number, body, 0x0C)))
        passed = begin + TO_OBSERVER + residence
        departure = stamp(begin + ahead)
        told, held = (bytes(10), departure), residence
        if not two_step:
            told = departure, b""
        flags = 0x0200 if two_step else 0
        found.append((passed, True, message(Type.SYNC, MASTER, number, told[0], flags, held)))
        if two_step:
            found.append((passed + 9_000, True, message(Type.FOLLOW_UP, MASTER, number, told[1])))
        asked = begin + 100 * MILLISECOND
        arrived = asked + TO_OBSERVER + residence
        found.append((asked, False, message(Type.DELAY_REQ, SLAVE, number, bytes(10))))
        answer = stamp(arrived + ahead) + SLAVE + b"\0\1"
        found.append(
            (
                arrived + 200_000,
                True,
                message(Type.DELAY_RESP, MASTER, number, answer, 0, residence),
            )
        )
    return found


def over_udp(when: int, from_master: bool, data: bytes) -> Stored:
    event = data[0] & 15 < 8
    port = 319 if event else 320
    return when, ipv4(SERVER if from_master else CLIENT, GROUP, (port, port), data)


def observe(stored: list[Stored], link: int = 101) -> Row:
    observer = Observer()
    for when, data in stored:
        observer.feed(when, link, data)
    (row,) = (row for row in conclude(observer, "test").rows if row.pair.exchanges)
    assert row.pair.protocol is Protocol.PTP
    return row


@pytest.mark.parametrize("two_step", [True, False])
@pytest.mark.parametrize("utc_offset", [0, 37])
@pytest.mark.parametrize("residence", [0, 5 * MILLISECOND])
def test_the_bound_holds_the_masters_clock(two_step: bool, utc_offset: int, residence: int) -> None:
    ahead = 3 * MILLISECOND
    told = conversation(
        ahead + utc_offset * SECOND, two_step=two_step, utc_offset=utc_offset, residence=residence
    )
    row = observe([over_udp(*each) for each in told])
    assert row.pair.exchanges == 10
    reading = row.readings[Clock.SERVER]
    assert ahead in reading.estimate.interval
    # What the transparent clock told is no part of the delay.
    assert reading.delay_ns == 2 * TO_OBSERVER
    assert set(row.readings) == {Clock.SERVER}


def test_it_is_read_over_ethernet() -> None:
    told = conversation(0, two_step=True)
    stored = []
    for when, from_master, data in told:
        frame = ethernet(data, 0x88F7)
        stored.append((when, frame[:6] + (MASTER if from_master else SLAVE)[:6] + frame[12:]))
    assert 0 in observe(stored, 1).readings[Clock.SERVER].estimate.interval


def test_a_neighbour_is_read_by_its_peer_delay_messages() -> None:
    ahead, told = 3 * MILLISECOND, []
    for number in range(10):
        asked = START + number * SECOND
        arrived, left = asked + TO_OBSERVER, asked + 2 * TO_OBSERVER
        answer, follow = (stamp(each + ahead) + SLAVE + b"\0\1" for each in (arrived, left))
        told += [
            (asked, False, message(Type.PDELAY_REQ, SLAVE, number, bytes(20))),
            (left + TO_OBSERVER, True, message(Type.PDELAY_RESP, MASTER, number, answer, 0x0200)),
            (
                left + MILLISECOND,
                True,
                message(Type.PDELAY_RESP_FOLLOW_UP, MASTER, number, follow),
            ),
        ]
    row = observe([over_udp(*each) for each in told])
    reading = row.readings[Clock.SERVER]
    assert (row.pair.exchanges, reading.delay_ns) == (10, 2 * TO_OBSERVER)
    assert ahead in reading.estimate.interval


def test_messages_cut_anywhere_or_changed_never_raise() -> None:
    draw = random.Random(5)
    told = conversation(0, two_step=True, utc_offset=37)
    for _ in range(30):
        observer = Observer()
        for when, from_master, data in told:
            changed = bytearray(data[: draw.randrange(len(data) + 1)])
            if changed:
                changed[draw.randrange(len(changed))] = draw.randrange(256)
            stored = over_udp(when, from_master, bytes(changed) or b"\0")
            observer.feed(stored[0], 101, stored[1])
        conclude(observer, "test")
