"""A reading of the bounded clock contains true time, whatever happens to the wall clock."""

import time

import pytest

from clocksync.bounded import Anchor, BoundedClock
from clocksync.chronyd import Tracking
from clocksync.measuring.result import Combined, HostResult, Measurement, Tie, Verdict
from clocksync.runtime.errors import BadConfig, NotSynchronised
from clocksync.runtime.interval import Interval
from clocksync.runtime.units import MILLISECOND, SECOND

WALL_NS = 1_790_000_000 * SECOND


class Machine:
    """Both clocks of a machine, moved by hand: a read of either takes `per_read_ns`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, per_read_ns: int = 0) -> None:
        self.elapsed_ns, self.wall_ns, self.per_read_ns = 0, WALL_NS, per_read_ns
        monkeypatch.setattr(time, "monotonic_ns", self._monotonic)
        monkeypatch.setattr(time, "time_ns", self._wall)

    def pass_time(self, by_ns: int) -> None:
        self.elapsed_ns += by_ns

    def _monotonic(self) -> int:
        self.pass_time(self.per_read_ns)
        return 77 + self.elapsed_ns

    def _wall(self) -> int:
        self.pass_time(self.per_read_ns)
        return self.wall_ns + self.elapsed_ns


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


def measured(offset: Interval, at_ns: int = WALL_NS, end: Tie | None = None) -> Measurement:
    row = HostResult("a", 123, "192.0.2.1", Verdict.TRUECHIMER, None)
    return Measurement(at_ns, (row,), Combined(offset, ("a",), ()), (), end)


def test_the_interval_moves_with_the_monotonic_clock_and_widens_by_the_drift(
    machine: Machine,
) -> None:
    clock = BoundedClock(Anchor(Interval(1_000, 1_010), 77), max_drift_ppm=100)
    assert clock.now() == Interval(1_000, 1_010)
    machine.pass_time(SECOND)
    assert clock.now() == Interval(SECOND + 1_000, SECOND + 1_010).widened(100_000)


def test_a_step_of_the_wall_clock_afterwards_does_not_matter(machine: Machine) -> None:
    clock = BoundedClock.from_measurement(measured(Interval(-5, 5)))
    machine.wall_ns += 3_600 * SECOND
    machine.pass_time(SECOND)
    assert clock.now() == Interval.around(WALL_NS + SECOND, 5 + 500_000)


def test_a_positive_offset_is_added_to_the_wall_clock(machine: Machine) -> None:
    clock = BoundedClock.from_measurement(measured(Interval.around(SECOND, 10)))
    assert clock.now() == Interval.around(WALL_NS + SECOND, 10)


def test_the_age_of_a_measurement_widens_its_bound(machine: Machine) -> None:
    old = measured(Interval(-5, 5), at_ns=WALL_NS - 10 * SECOND)
    assert BoundedClock.from_measurement(old, 100).now() == Interval.around(
        WALL_NS, 5 + MILLISECOND
    )


def test_the_end_of_the_measurement_ties_the_clocks_and_not_a_later_reading(
    machine: Machine,
) -> None:
    """The wall clock is stepped between the measurement and the making of the clock."""
    end = Tie(wall_ns=WALL_NS, monotonic_ns=77, apart_ns=0)
    machine.pass_time(2 * SECOND)
    machine.wall_ns -= 60 * SECOND
    clock = BoundedClock.from_measurement(measured(Interval(-5, 5), end=end), 100)
    assert clock.now() == Interval.around(WALL_NS + 2 * SECOND, 5 + 200_000)


@pytest.mark.parametrize("stepped_ns", [60 * SECOND, -60 * SECOND])
def test_a_step_within_the_measurement_may_have_come_before_or_after_the_offset(
    machine: Machine, stepped_ns: int
) -> None:
    end = Tie(WALL_NS, 77, 0, stepped_ns)
    now = BoundedClock.from_measurement(measured(Interval(-5, 5), end=end)).now()
    assert now.contains(Interval.around(WALL_NS, 5))
    assert now.contains(Interval.around(WALL_NS - stepped_ns, 5))


def test_two_clocks_read_apart_widen_the_bound_by_as_much(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A machine so busy that a millisecond passes with every reading: truth stays inside."""
    machine = Machine(monkeypatch, per_read_ns=MILLISECOND)
    clock = BoundedClock.from_measurement(measured(Interval(0, 0)))
    now = clock.now()
    assert WALL_NS + machine.elapsed_ns in now
    assert now.width < 4 * MILLISECOND


def test_chronyd_tracking_is_read_likewise(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracking = Tracking("C0000201", 3, SECOND, 2_000, 600, "Normal")
    monkeypatch.setattr("clocksync.bounded.read_tracking", lambda *_: tracking)
    assert BoundedClock.from_chronyd().now() == tracking.interval + WALL_NS


def test_after_and_before_are_certain_or_false(machine: Machine) -> None:
    clock = BoundedClock(Anchor(Interval(100, 200), 77))
    assert (clock.after(99), clock.after(100), clock.after(201)) == (True, False, False)
    assert (clock.before(201), clock.before(200), clock.before(99)) == (True, False, False)


@pytest.mark.parametrize("drift", [0.0, -1.0, float("nan"), float("inf")])
def test_a_drift_no_bound_can_allow_for_is_refused(drift: float) -> None:
    with pytest.raises(BadConfig, match="maximum drift"):
        BoundedClock(Anchor(Interval(0, 0), 0), drift)


def test_hosts_that_agree_on_nothing_give_no_clock() -> None:
    row = HostResult("a.example", 123, None, Verdict.UNREACHABLE, "no answer to 8 requests")
    with pytest.raises(NotSynchronised, match=r"^a\.example: no answer to 8 requests"):
        BoundedClock.from_measurement(Measurement(0, (row,), None))
