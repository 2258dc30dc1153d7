"""What is kept of what was heard, and how it is told: often enough, and within bounds."""

import pytest

from clocksync.rbs.frames import HEARD_MAX, Broadcast, Relations, Report, signed, unsigned
from clocksync.rbs.hearing import (
    BEACONS_MAX,
    READING_MAX,
    STAMPS_MAX,
    TOLD_TIMES,
    BeaconName,
    Heard,
    Untold,
    unpacked,
)
from clocksync.runtime.errors import MalformedFrame

NAME = BeaconName(9, 77)


def heard(stamps, name=NAME):
    result = Heard()
    for number, stamp in stamps.items():
        result.add(name, number, stamp)
    return result


def test_the_first_arrival_of_a_number_counts():
    ours = Heard()
    assert ours.add(NAME, 1, 100)
    assert not ours.add(NAME, 1, 90), "a duplicate"
    assert ours.stamps[NAME] == {1: 100}


def test_broadcasts_are_matched_by_number_and_beacon():
    ours = heard({1: 100, 2: 200, 4: 400})
    assert ours.matched(heard({2: 205, 3: 300, 4: 404})) == [(200, 5), (400, 4)]
    assert ours.matched(heard({1: 105}, BeaconName(9, 78))) == [], "a beacon that started again"
    assert ours.matched(heard({2: 205, 4: 404}), since=300) == [(400, 4)]


def test_the_beacon_that_both_heard_most_of_is_compared():
    ours, theirs = heard({1: 100}), heard({1: 101})
    for number in (5, 6):
        ours.add(BeaconName(8, 1), number, number * 10)
        theirs.add(BeaconName(8, 1), number, number * 10 + 3)
    assert ours.matched(theirs) == [(50, 3), (60, 3)]


def test_memory_is_bounded():
    ours = Heard()
    for number in range(STAMPS_MAX + 10):
        ours.add(NAME, number, number)
    assert len(ours.stamps[NAME]) == STAMPS_MAX
    assert 0 not in ours.stamps[NAME]
    for beacon in range(BEACONS_MAX + 5):
        ours.add(BeaconName(beacon, 1), 1, 10**6 + beacon)
    assert len(ours.stamps) == BEACONS_MAX
    assert not ours.add(NAME, 1, READING_MAX + 1), "no clock reads that"


def test_each_stamp_is_told_several_times_and_no_more():
    untold = Untold()
    for number in range(1, 11):
        untold.add(NAME, number, 1_000 * number)
    told = [untold.reports(5) for _ in range(TOLD_TIMES + 1)]
    for (report,) in told[:-1]:
        assert list(unpacked(report)) == [(n, 1_000 * n) for n in range(1, 11)]
    (last,) = told[-1]
    assert last == Report(5, 0, 0, 0, 0, ()), "that it is there, and nothing new"
    (whole,) = untold.reports(5, whole=True)
    assert len(whole.heard) == 10


def test_a_report_is_never_longer_than_a_datagram():
    untold = Untold()
    for number in range(1000):
        untold.add(NAME, number, number)
    (report,) = untold.reports(5)
    assert len(report.heard) == HEARD_MAX
    assert len(report.encode()) < 1200


def test_stamps_that_do_not_fit_beside_the_others_are_left_out():
    untold = Untold()
    for number, stamp in ((1, 0), (2, 1 << 48), (1 << 16, 5), (1 + (1 << 16), 6)):
        untold.add(NAME, number, stamp)
    (report,) = untold.reports(5)
    assert [number for number, _ in unpacked(report)] == [1, 1 << 16]
    report.encode()


@pytest.mark.parametrize("value", [0, 1, -1, 2**63 - 1, -(2**63)])
def test_signed_integers_cross_the_wire(value):
    assert signed(unsigned(value)) == value


FRAMES = [
    (Broadcast(1, 2), "0000000000000001" "0000000000000002"),
    (
        Report(0xAABBCCDD, 9, 77, 5, -1, (0, 1 << 48 | 10)),
        "aabbccdd" "0009" "000000000000004d" "0000000000000005" "ffffffffffffffff"
        "0002" "0000000000000000" "000100000000000a",
    ),
    (
        Relations(1, 2, *[(n,) for n in (3, 4, 0, 1, 6, unsigned(-1), 8, 9, 10, 11, 12)]),
        "00000001" "0000000000000002" "00010003" "000100000004" "00010000" "000101"
        "00010000000000000006" "0001ffffffffffffffff" "00010000000000000008"
        "00010000000000000009" "00010000000a" "00010000000b" "00010000000c",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("frame", "written"), FRAMES, ids=lambda value: type(value).__name__)
def test_frames_lie_on_the_wire_as_they_always_did(frame, written):
    assert frame.encode().hex() == written
    assert type(frame).decode(bytes.fromhex(written)) == frame
    with pytest.raises(MalformedFrame):
        type(frame).decode(bytes.fromhex(written)[:-1])
