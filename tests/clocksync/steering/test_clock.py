"""The steered clock: it gets where it is told to, and never goes back on the way."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocksync.berkeley.clock import GroupClock
from clocksync.runtime.clocks import ManualClock
from clocksync.runtime.core import Stamp
from clocksync.runtime.errors import BadConfig
from clocksync.runtime.units import MILLISECOND, SECOND
from clocksync.steering import SLEW_PPM_MAX, SteeredClock, Steering

ROUNDING_NS = 2
RATES = st.floats(-100_000, 100_000)
ORDERS = st.one_of(
    st.tuples(st.just("slew"), st.integers(-(10**12), 10**12)),
    st.tuples(st.just("step"), st.integers(0, 10**12)),
    st.tuples(st.just("rate"), RATES),
)


def obey(steering: Steering, order: tuple, now: int) -> None:
    kind, value = order
    match kind:
        case "slew":
            steering.slew(value, now)
        case "step":
            steering.step(value, now)
        case "rate":
            steering.set_rate(value, now)


@given(
    st.lists(st.tuples(st.integers(0, 10**10), ORDERS), max_size=20),
    st.floats(0.001, 500_000),
    st.lists(st.integers(0, 10**12), max_size=30),
)
def test_it_never_goes_back_whatever_is_asked_of_it(orders, slew_ppm, after):
    steering, now = Steering(0, slew_ppm_max=slew_ppm), 0
    shown = [steering.at(0)]
    for wait, order in orders:
        shown += [steering.at(now + wait // 2), steering.at(now + max(0, wait - 1))]
        now += wait
        shown.append(steering.at(now))
        obey(steering, order, now)
        shown += [steering.at(now)]
    end = steering.settles_at()
    readings = {*(now + reading for reading in after), end - 1, end, end + 1}
    shown += [steering.at(reading) for reading in sorted(readings) if reading > now]
    assert shown == sorted(shown)


@given(st.integers(-(10**15), 10**15), RATES, st.floats(1, 500_000), st.integers(0, 10**9))
def test_a_slew_ends_exactly_where_it_was_told_to(by, rate, slew_ppm, now):
    steering, plain = (Steering(0, slew_ppm_max=slew_ppm) for _ in range(2))
    for each in (steering, plain):
        each.set_rate(rate, 0)
    steering.slew(by, now)
    assert steering.pending(now) == by
    end = steering.settles_at()
    assert steering.pending(end) == 0
    assert abs(steering.at(end) - plain.at(end) - by) <= 1
    # And not sooner than the limit allows.
    assert abs(by) <= (end - now) * slew_ppm / 1e6 * 1.000001 + 1


@given(st.integers(-(10**9), 10**9), st.integers(-(10**9), 10**9), st.integers(0, 10**10))
def test_a_correction_as_of_then_replaces_what_was_under_way(first, second, later):
    steering = Steering(0)
    steering.slew(first, 0)
    found_at, now = later // 2, later
    wanted = steering.at(found_at) + second - found_at
    steering.slew(second, now, as_of=found_at)
    end = steering.settles_at()
    assert steering.at(end) - end == wanted


@given(st.lists(st.tuples(st.integers(1, 10**9), ORDERS), min_size=1, max_size=20))
def test_the_past_stays_what_it_was(orders):
    steering, now = Steering(0), 0
    shown = {}
    for wait, order in orders:
        middle, now = now + wait // 2, now + wait
        obey(steering, order, now)
        for reading in (middle, now - 1):
            shown.setdefault(reading, steering.at(reading))
    assert {reading: steering.at(reading) for reading in shown} == shown


def test_a_step_forward_is_at_once_and_a_slew_goes_on():
    steering = Steering(0, slew_ppm_max=100_000)
    steering.slew(100, 0)
    steering.step(5_000, 500)
    assert steering.at(500) == 5_550
    assert steering.at(2_000) == 2_000 + 5_000 + 100
    with pytest.raises(ValueError, match="back"):
        steering.step(-1, 3_000)


def test_an_order_before_the_last_change_takes_effect_at_that_change():
    steering = Steering(1_000)
    steering.slew(10, 5_000)
    steering.slew(20, 4_000)
    assert steering.at(4_500) == 4_500
    assert steering.pending(5_000) == 20


@pytest.mark.parametrize("back_s", [1, 300, 100_000])
def test_a_base_that_is_set_back_goes_through_no_correction_twice(back_s):
    """Seen in a group whose member's clock was set back by minutes: it never came to the others."""
    steering, now = Steering(0, slew_ppm_max=500_000), 1_000 * SECOND
    steering.slew(20 * SECOND, now)
    now += 500 * SECOND
    steering.slew(-5 * SECOND, now)
    now += 500 * SECOND
    settled = steering.at(now) + steering.pending(now) - now
    now -= back_s * SECOND
    assert steering.at(now) + steering.pending(now) - now == settled
    steering.slew(back_s * SECOND + steering.pending(now), now)
    assert steering.at(now) + steering.pending(now) - now == settled + back_s * SECOND
    now = max(now, steering.settles_at())
    assert steering.at(now) - now == settled + back_s * SECOND
    assert steering.pending(now) == 0


@given(st.integers(-3 * SECOND, 3 * SECOND), st.integers(1, 3_000), st.integers(-SECOND, SECOND))
def test_a_base_set_back_during_a_slew_is_corrected_by_what_was_asked(first, back_ms, by):
    """Seen in a group whose daemon's clock was set back by less than a second during a slew: what
    was left of it was taken at one instant and begun at another."""
    clock, now = GroupClock(SLEW_PPM_MAX, drift_ppm=100), 1_000 * SECOND
    clock.present.saw(Stamp(now), now=0)
    clock.adjust(first, 0, now=0)
    clock.present.saw(Stamp(now + SECOND), now=SECOND)
    clock.adjust(1, 0, now=SECOND)
    at = 2 * SECOND
    reading = now + at - back_ms * MILLISECOND
    clock.present.saw(Stamp(reading), now=at)
    before = clock.settled(reading)
    clock.adjust(by, 0, now=at)
    assert abs(clock.settled(reading) - before - by) <= ROUNDING_NS
    later = max(reading, clock.steering.settles_at())
    assert abs(clock.shown(later) - later - (before - reading + by)) <= 2 * ROUNDING_NS


def test_memory_is_bounded():
    steering = Steering(0)
    for now in range(0, 10_000, 10):
        steering.slew(1, now)
    assert len(steering._segments) <= 64


@pytest.mark.parametrize("ppm", [0, -1, 500_001, float("nan"), float("inf")])
def test_a_limit_that_could_stop_the_clock_is_refused(ppm):
    with pytest.raises(BadConfig, match="slew of"):
        Steering(0, slew_ppm_max=ppm)


@pytest.mark.parametrize("ppm", [100_001, -100_001, float("nan"), float("inf")])
def test_a_rate_beyond_reason_is_refused(ppm):
    with pytest.raises(ValueError, match="rate"):
        Steering(0).set_rate(ppm, 0)


def test_a_steered_clock_reads_its_base():
    base = ManualClock(10_000)
    clock = SteeredClock(base, offset_ns=7, slew_ppm_max=100_000)
    assert (clock.read(), clock.at(12_000)) == (10_007, 12_007)
    clock.slew(-100)
    clock.set_rate(1_000)
    base.advance(1_000)
    assert clock.read() == 11_007 - 100 + 1
