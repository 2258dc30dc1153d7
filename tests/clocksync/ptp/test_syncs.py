"""Syncs find their Follow_Ups, whatever the order, and count once."""

from clocksync.ptp.frames import CORRECTION_OVERFLOW, TWO_STEP, FollowUp, Sync
from clocksync.ptp.syncs import OPEN_MAX, Departure, Syncs
from clocksync.runtime.core import Stamp

AT = Stamp(50)


def two_step(sequence: int, **more: int) -> Sync:
    return Sync(flags=TWO_STEP, sequence=sequence, seconds=99, **more)


def test_a_one_step_sync_tells_itself() -> None:
    assert Syncs().on_sync(Sync(seconds=2, correction=3 << 16), AT) == Departure(
        2_000_000_000, 3, AT
    )


def test_a_follow_up_tells_the_sync_of_its_number_with_both_corrections() -> None:
    syncs = Syncs()
    assert syncs.on_sync(two_step(7, correction=1 << 16), AT) is None
    assert syncs.on_follow_up(FollowUp(sequence=8, seconds=3)) is None
    told = syncs.on_follow_up(FollowUp(sequence=7, seconds=2, correction=-3 << 16))
    assert told == Departure(2_000_000_000, -2, AT)


def test_a_follow_up_may_come_first() -> None:
    syncs = Syncs()
    assert syncs.on_follow_up(FollowUp(sequence=7, seconds=2)) is None
    assert syncs.on_sync(two_step(7), AT) == Departure(2_000_000_000, 0, AT)


def test_repeated_messages_count_once() -> None:
    syncs = Syncs()
    syncs.on_sync(two_step(7), AT)
    assert syncs.on_sync(two_step(7), Stamp(60)) is None  # the first arrival is the one
    assert syncs.on_follow_up(FollowUp(sequence=7)) == Departure(0, 0, AT)
    assert syncs.on_follow_up(FollowUp(sequence=7)) is None
    assert syncs.on_sync(two_step(7), Stamp(70)) is None
    assert (syncs.heard, syncs.completed, syncs.repeated) == (1, 1, 2)


def test_halves_that_wait_do_not_pile_up() -> None:
    syncs = Syncs()
    for sequence in range(100):
        syncs.on_sync(two_step(sequence), AT)
        syncs.on_follow_up(FollowUp(sequence=1000 + sequence))
    assert (len(syncs._open), len(syncs._early)) == (OPEN_MAX, OPEN_MAX)
    assert syncs.on_follow_up(FollowUp(sequence=99)) == Departure(0, 0, AT)
    assert syncs.on_follow_up(FollowUp(sequence=0)) is None


def test_what_is_no_time_is_unusable() -> None:
    syncs = Syncs()
    assert syncs.on_sync(Sync(sequence=1, nanoseconds=10**9), AT) is None
    assert syncs.on_sync(Sync(sequence=2, correction=CORRECTION_OVERFLOW), AT) is None
    syncs.on_sync(two_step(3), AT)
    assert syncs.on_follow_up(FollowUp(sequence=3, correction=CORRECTION_OVERFLOW)) is None
    assert syncs.unusable == 3
