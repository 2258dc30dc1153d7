"""Stamps of a clock that others set and slew, told in one that nobody touches."""

import pytest

from clocksync.runtime.clocks import ManualClock
from clocksync.runtime.units import MILLISECOND, SECOND
from clocksync.steering.base import BaseClock
from clocksync.steering.hostclock import SleepWatch, host_base


class Pair:
    """A raw clock and a wall clock that tick together."""

    def __init__(self) -> None:
        self.raw, self.wall = ManualClock(5 * SECOND), ManualClock(1_000 * SECOND)
        self.jumps: list[int] = []
        self.base = BaseClock(self.raw, self.wall, self.jumps.append)

    def tick(self, by: int, slewed: int = 0) -> None:
        self.raw.advance(by)
        self.wall.advance(by + slewed)


def test_the_base_begins_as_the_time_of_day_and_goes_on_without_it() -> None:
    pair = Pair()
    assert pair.base.read() == 1_000 * SECOND
    pair.tick(SECOND, slewed=500_000)
    assert pair.base.read() == 1_001 * SECOND
    assert not pair.jumps


def test_a_stamp_of_a_slewed_clock_is_mapped_by_the_distance_now() -> None:
    pair = Pair()
    pair.tick(SECOND, slewed=400_000)
    stamp = pair.wall.read()
    pair.tick(1_000)
    assert pair.base.at(stamp) == 1_001 * SECOND


@pytest.mark.parametrize("by", [-SECOND, -MILLISECOND, MILLISECOND, SECOND])
def test_a_wall_clock_that_is_set_is_noticed_and_changes_nothing(by: int) -> None:
    pair = Pair()
    pair.tick(SECOND)
    pair.base.read()
    pair.wall.advance(by)
    assert pair.base.read() == 1_001 * SECOND
    assert pair.jumps == [by]
    pair.tick(SECOND)
    assert pair.base.at(pair.wall.read()) == 1_002 * SECOND
    assert len(pair.jumps) == 1


def test_the_wall_clock_can_be_told_from_the_base() -> None:
    pair = Pair()
    pair.tick(SECOND, slewed=700)
    assert pair.base.wall_at(pair.base.read()) == pair.wall.read()


def test_this_machine_has_a_base_and_is_awake() -> None:
    base, watch = host_base(), SleepWatch()
    first = base.read()
    assert base.read() >= first
    assert watch.slept_ns() == 0
